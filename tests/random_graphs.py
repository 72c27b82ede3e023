"""Random convolutional networks: `descriptions` draws one, ``build(description)`` makes the model.

A description is plain data, so that it can be shrunk, printed and pasted into a test::

    {"size": (9, 12), "channels": 3, "blocks": [
        {"layer": "Conv2D", "arguments": {"filters": 2, "kernel_size": (3, 2)}, "back": 0},
        {"merge": "Add", "other": 1, "back": 0},
    ]}

Each block reads the value made ``back`` blocks ago, or the image before the first. What does not
fit where it stands is left out. All values that nothing reads are outputs.
"""

import operator

import keras
import numpy as np
from hypothesis import strategies as st
from keras import layers, ops

LARGEST_SIDE, MOST_CHANNELS = 16, 8

OPERATIONS = {
    "x * 2": lambda x: x * 2,
    "x + 1": lambda x: x + 1,
    "-x": operator.neg,
    "relu": ops.relu,
    "softplus": ops.softplus,
    "tanh": ops.tanh,
}
MERGES = {
    "Add": lambda x, y, name: layers.Add(name=name)([x, y]),
    "Average": lambda x, y, name: layers.Average(name=name)([x, y]),
    "Maximum": lambda x, y, name: layers.Maximum(name=name)([x, y]),
    "Multiply": lambda x, y, name: layers.Multiply(name=name)([x, y]),
    "Concatenate": lambda x, y, name: layers.Concatenate(name=name)([x, y]),
    "x + y": lambda x, y, name: x + y,
    "concatenate": lambda x, y, name: ops.concatenate([x, y], axis=-1),
}

# -- drawing ---------------------------------------------------------------------------------------

_PADDINGS = st.sampled_from(["valid", "same"])
_ACTIVATIONS = st.sampled_from([None, "relu", "leaky_relu", "silu", "softplus", "tanh"])
_KERNELS = st.tuples(st.integers(1, 4), st.integers(1, 4))
_STRIDES = st.tuples(st.integers(1, 3), st.integers(1, 3))
_ENDS = st.tuples(*[st.tuples(st.integers(0, 2), st.integers(0, 2))] * 2)
_BACK = st.sampled_from([0, 0, 0, 1, 2, 3])


@st.composite
def _convolutions(draw):
    kind = draw(st.sampled_from(["Conv2D", "Conv2D", "DepthwiseConv2D", "SeparableConv2D"]))
    arguments = {
        "kernel_size": draw(_KERNELS),
        "padding": draw(_PADDINGS),
        "activation": draw(_ACTIVATIONS),
        "use_bias": draw(st.booleans()),
    }
    if kind == "Conv2D":
        arguments["groups"] = draw(st.sampled_from([1, 1, 2]))
        striding, dilating = _STRIDES, st.tuples(st.integers(1, 3), st.integers(1, 3))
    else:  # TensorFlow takes no others
        arguments["depth_multiplier"] = draw(st.integers(1, 2))
        striding = dilating = st.integers(1, 2)
    if kind != "DepthwiseConv2D":
        arguments["filters"] = draw(st.sampled_from([2, 4]))
    if draw(st.booleans()):
        arguments["strides"] = draw(striding)
    else:
        arguments["dilation_rate"] = draw(dilating)
    return {"layer": kind, "arguments": arguments}


@st.composite
def _transposed_convolutions(draw):
    stride = draw(st.integers(1, 2))
    kernel = draw(st.tuples(st.integers(stride, 4), st.integers(stride, 4)))
    arguments = {"filters": 2, "kernel_size": kernel, "strides": stride}
    arguments |= {"padding": draw(_PADDINGS), "activation": draw(_ACTIVATIONS)}
    return {"layer": "Conv2DTranspose", "arguments": arguments}


def _layer(kind, **arguments):
    return st.fixed_dictionaries(
        {"layer": st.just(kind), "arguments": st.fixed_dictionaries(arguments)}
    )


_POOLS = [
    _layer(
        kind,
        pool_size=st.tuples(st.integers(1, 3), st.integers(1, 3)),
        strides=st.one_of(st.none(), _STRIDES),
        padding=_PADDINGS,
    )
    for kind in ("MaxPooling2D", "AveragePooling2D")
]
_OTHER_LAYERS = [
    _layer("ZeroPadding2D", padding=_ENDS),
    _layer("Cropping2D", cropping=_ENDS),
    _layer("UpSampling2D", size=st.tuples(st.integers(1, 3), st.integers(1, 2))),
    _layer("BatchNormalization"),
    _layer("ReLU"),
    _layer("PReLU", shared_axes=st.just([1, 2])),
    _layer("Activation", activation=st.just("silu")),
]


@st.composite
def _single_layers(draw):
    kinds = [_convolutions(), _convolutions(), _convolutions(), _transposed_convolutions()]
    kinds += [st.one_of(_POOLS), st.one_of(_POOLS), st.one_of(_OTHER_LAYERS)]
    return draw(draw(st.sampled_from(kinds))) | {"back": draw(_BACK)}


_USES_AGAIN = st.fixed_dictionaries({"again": st.integers(0, 3), "back": _BACK})
_OPERATIONS = st.fixed_dictionaries({"operation": st.sampled_from([*OPERATIONS]), "back": _BACK})
_MERGES = st.fixed_dictionaries(
    {"merge": st.sampled_from([*MERGES]), "other": st.integers(0, 3), "back": _BACK}
)


def _multiplies_at_most_once(blocks):
    """Squares of squares would leave the range of numbers."""
    return sum(block.get("merge") == "Multiply" for block in blocks) <= 1


def _nested(kind, blocks):
    return st.fixed_dictionaries({"nested": st.just(kind), "blocks": blocks, "back": _BACK})


def _lists_of_blocks(depth, least, most):
    block = [_single_layers(), _single_layers(), _MERGES, _MERGES, _OPERATIONS, _USES_AGAIN]
    if depth:
        in_a_row = st.one_of(_single_layers(), _nested("Model", _lists_of_blocks(0, 1, 3)))
        block += [
            _nested("Model", _lists_of_blocks(depth - 1, 1, 4)),
            _nested("Sequential", st.lists(in_a_row, min_size=1, max_size=3)),
        ]
    return st.lists(st.one_of(*block), min_size=least, max_size=most).filter(
        _multiplies_at_most_once
    )


@st.composite
def descriptions(draw):
    """A random network as plain data."""
    return {
        "size": draw(st.tuples(st.integers(5, 14), st.integers(5, 14))),
        "channels": draw(st.integers(1, 3)),
        "blocks": draw(_lists_of_blocks(depth=2, least=3, most=8)),
    }


# -- building --------------------------------------------------------------------------------------


def build(description):
    """The Keras model of a description, with seeded weights."""
    keras.utils.set_random_seed(0)
    shape = (*description["size"], description["channels"])
    return _functional(shape, description["blocks"], name="model")


def _functional(shape, blocks, name):
    values = [keras.Input(shape, name="image")]
    operations = {}
    unread = [0]
    for number, block in enumerate(blocks):
        read = [max(len(values) - 1 - block["back"], 0)]
        if "merge" in block:
            others = _partners(values, read[0], block["merge"])
            read.append(others[block["other"] % len(others)])
        made = _made([values[i] for i in read], block, number, operations)
        if made:
            unread = [i for i in unread if i not in read]
            unread += range(len(values), len(values) + len(made))
            values += made
    # Older releases of Keras take no model that does nothing.
    ends = [values[i] for i in unread if i] or [layers.Identity(name="Identity")(values[0])]
    return keras.Model(values[0], ends[0] if len(ends) == 1 else ends, name=name)


def _partners(values, index, merge):
    """The indices of the values that ``values[index]`` can be merged with."""
    shape = values[index].shape
    if merge.lower() == "concatenate":
        fitting = [
            i
            for i, value in enumerate(values)
            if value.shape[:3] == shape[:3] and value.shape[3] + shape[3] <= MOST_CHANNELS
        ]
    else:
        fitting = [i for i, value in enumerate(values) if value.shape == shape]
    return [i for i in fitting if i != index] or [index]


def _made(read, block, number, operations):
    """What a block makes of the values that it reads; nothing where it does not fit.

    ``operations`` are the layers and nested models of this model so far, by name.
    """
    if "operation" in block:
        return [OPERATIONS[block["operation"]](*read)]
    if "merge" in block:
        return [MERGES[block["merge"]](*read, name=f"{block['merge']}_{number}".replace(" ", ""))]
    (value,) = read
    if "again" in block:
        fitting = [operation for operation in operations.values() if _fits(operation, value.shape)]
        if not fitting:
            return []
        operation = fitting[block["again"] % len(fitting)]
    else:
        operation = _operation(block, value.shape, number)
        if not _fits(operation, value.shape):
            return []
        operations[operation.name] = operation
    return keras.tree.flatten(operation(value))


def _operation(block, shape, number):
    """The layer or nested model of a block for a value of ``shape``.

    Its name tells its place in its own model: those of layers in different models are the same.
    """
    if "layer" in block:
        name = f"{block['layer']}_{number}"
        return getattr(layers, block["layer"])(**block["arguments"], name=name)
    name = f"{block['nested']}_{number}"
    if block["nested"] == "Model":
        return _functional(shape[1:], block["blocks"], name)
    return _sequential(shape, block["blocks"], name)


def _sequential(shape, blocks, name):
    model = keras.Sequential([keras.Input(shape[1:], name="image")], name=name)
    for number, block in enumerate(blocks):
        operation = _operation(block, shape, number)
        if _fits(operation, shape) and len(getattr(operation, "outputs", "1")) == 1:
            model.add(operation)
            shape = model.output_shape
    if not model.layers:
        model.add(layers.Identity(name="Identity"))
    return model


def _fits(operation, shape):
    """Whether an operation takes values of ``shape``, and makes neither nothing nor too much."""
    if isinstance(operation, keras.Model):
        return operation.input_shape == shape
    if operation.built and operation.input_spec is not None:
        known = keras.tree.flatten(operation.input_spec)[0].axes or {}
        if any(shape[axis] != length for axis, length in known.items()):
            return False
    if shape[3] % getattr(operation, "groups", 1):
        return False
    dilation = getattr(operation, "dilation_rate", (1, 1))
    kernel = getattr(operation, "kernel_size", getattr(operation, "pool_size", (1, 1)))
    spans = [(k - 1) * d for k, d in zip(kernel, dilation, strict=True)]
    if isinstance(operation, layers.Cropping2D):
        spans = [sum(cut) for cut in operation.cropping]
    is_padded = getattr(operation, "padding", "valid") != "valid"
    if not is_padded and any(s >= side for s, side in zip(spans, shape[1:3], strict=True)):
        return False
    _, height, width, channels = operation.compute_output_shape(shape)
    return max(height, width) <= LARGEST_SIDE and channels <= MOST_CHANNELS


def images(size, channels, count=2):
    """What a network drawn here may be fed."""
    return np.random.default_rng(0).uniform(0, 1, (count, *size, channels)).astype("float32")
