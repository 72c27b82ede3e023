"""Guided backpropagation reaches every rectifier, however it was written, and says which."""

import functools

import keras
import numpy as np
import pytest
from keras import layers, ops

import literal
import networks
import optogram as og
from optogram.interpreters.rectifiers import redirected

pytestmark = [pytest.mark.once, pytest.mark.keras_inside]

GRADIENTS = 1e-5
"""Largest difference ÷ range: float32 sums in another order."""

PIXELS = np.array(
    [[-3, -0.7, -0.2, 0.25], [0.4, 0.75, 1.5, 1.75], [2.5, 3, 5, 5.5], [6.5, 7, 9, -1]], np.float32
)
WEIGHTS = np.array(
    [[2, -1, 3, 1], [-2, 0.5, 1, -1], [0.25, -3, 4, 1], [-1, 2, 0.75, -0.5]], np.float32
)


def assert_close(found, expected, bound=GRADIENTS):
    assert found.shape == expected.shape
    extent = np.ptp(expected)
    assert extent > 0, "nothing to compare"
    np.testing.assert_allclose(found, expected, rtol=0, atol=bound * extent)


def elementwise(rectify):
    """Σ WEIGHTS · rectify(PIXELS), as a network."""
    image = keras.Input((4, 4, 1))
    summed = layers.Dense(1, use_bias=False, name="sum")
    model = keras.Model(image, summed(layers.Flatten()(rectify(image))))
    summed.set_weights([WEIGHTS.reshape(16, 1)])
    return og.Network(model, "none")


def fused(activation, layer=layers.Conv2D):
    """A convolution that changes nothing, before the activation."""
    if layer is layers.DepthwiseConv2D:
        return layer(1, activation=activation, depthwise_initializer="ones", name="fused")
    return layer(1, 1, activation=activation, kernel_initializer="ones", name="fused")


def relu_written_by_hand(x):
    return ops.relu(x)


ONE = np.ones_like(PIXELS)
BELOW_SIX = (PIXELS < 6).astype(np.float32)
IN_PIECES = np.select([PIXELS < 0.5, PIXELS < 2], [0.1, 1.0], 0.0)
"""The slope of relu(negative_slope=0.1, max_value=2, threshold=0.5)."""
PIECES = {"negative_slope": 0.1, "max_value": 2.0, "threshold": 0.5}

RECTIFIERS = {
    "ReLU": (lambda x: layers.ReLU()(x), ONE),
    "ReLU of 6": (lambda x: layers.ReLU(max_value=6)(x), BELOW_SIX),
    "ReLU of 2": (lambda x: layers.ReLU(max_value=2.0)(x), PIXELS < 2),
    "ReLU with a threshold": (lambda x: layers.ReLU(threshold=1.0)(x), PIXELS > 1),
    "ReLU with a slope": (lambda x: layers.ReLU(negative_slope=0.3)(x), ONE),
    "ReLU in pieces": (lambda x: layers.ReLU(**PIECES)(x), IN_PIECES),
    "LeakyReLU": (lambda x: layers.LeakyReLU(0.2)(x), ONE),
    "PReLU": (lambda x: layers.PReLU(alpha_initializer="ones")(x), ONE),
    "PReLU, shared": (lambda x: layers.PReLU(shared_axes=[1, 2])(x), ONE),
    "Activation relu": (lambda x: layers.Activation("relu")(x), ONE),
    "Activation relu6": (lambda x: layers.Activation("relu6")(x), BELOW_SIX),
    "Activation leaky_relu": (lambda x: layers.Activation("leaky_relu")(x), ONE),
    "Activation of a layer": (lambda x: layers.Activation(layers.ReLU(6))(x), BELOW_SIX),
    "fused relu": (lambda x: fused("relu")(x), ONE),
    "fused relu6": (lambda x: fused("relu6")(x), BELOW_SIX),
    "fused leaky_relu": (lambda x: fused("leaky_relu")(x), ONE),
    "fused function": (lambda x: fused(keras.activations.relu6)(x), BELOW_SIX),
    "fused operation": (lambda x: fused(ops.relu)(x), ONE),
    "fused layer": (lambda x: fused(layers.ReLU(**PIECES))(x), IN_PIECES),
    "fused LeakyReLU": (lambda x: fused(layers.LeakyReLU(0.3))(x), ONE),
    "fused, depthwise": (lambda x: fused("relu6", layers.DepthwiseConv2D)(x), BELOW_SIX),
    "fused, transposed": (lambda x: fused("relu6", layers.Conv2DTranspose)(x), BELOW_SIX),
    "ops.relu": (ops.relu, ONE),
    "ops.relu6": (ops.relu6, BELOW_SIX),
    "ops.leaky_relu": (lambda x: ops.leaky_relu(x, 0.1), ONE),
    "ops.threshold": (lambda x: ops.threshold(x, 1.0, 0.0), PIXELS > 1),
    "maximum(x, 0)": (lambda x: ops.maximum(x, 0), ONE),
    "maximum(x, 0.0)": (lambda x: ops.maximum(x, 0.0), ONE),
    "maximum(0, x)": (lambda x: ops.maximum(0, x), ONE),
    "clip(x, 0, 6)": (lambda x: ops.clip(x, 0, 6), BELOW_SIX),
    "activations.relu": (keras.activations.relu, ONE),
    "activations.relu in pieces": (lambda x: keras.activations.relu(x, **PIECES), IN_PIECES),
    "activations.relu6": (keras.activations.relu6, BELOW_SIX),
    "activations.leaky_relu": (keras.activations.leaky_relu, ONE),
}


@functools.cache
def guided(name):
    """A network of one rectifier, and what guided backpropagation finds in it."""
    net = elementwise(RECTIFIERS[name][0])
    return net, og.guided_backprop(net, PIXELS[None, :, :, None])


@pytest.mark.each_backend
@pytest.mark.parametrize("name", RECTIFIERS)
def test_a_rectifier_passes_what_is_positive_where_it_is_on(name):
    slope = RECTIFIERS[name][1]
    _, found = guided(name)
    expected = slope * np.maximum(WEIGHTS, 0) * (PIXELS > 0)
    assert_close(found.values[0, :, :, 0], expected)
    assert len(found.treated) == 1
    assert found.left_alone == ()
    assert found.warnings == ()


@pytest.mark.parametrize("name", RECTIFIERS)
def test_the_score_is_that_of_the_network_itself(name):
    net, found = guided(name)
    expected = literal.array(net.model(PIXELS[None, :, :, None]))[0, 0]
    assert found.score[0] == pytest.approx(expected, rel=1e-5)


SMOOTH = {
    "silu": layers.Activation("silu"),
    "elu": layers.ELU(),
    "softplus": ops.softplus,
    "tanh": ops.tanh,
    "fused gelu": lambda x: fused("gelu")(x),
    "fused function of one's own": lambda x: fused(relu_written_by_hand)(x),
}


@pytest.mark.parametrize("name", SMOOTH)
def test_other_activations_are_left_alone_and_named(name):
    net = elementwise(SMOOTH[name])
    x = PIXELS[None, :, :, None] / 3
    found = og.guided_backprop(net, x)
    assert_close(found.values, og.saliency(net, x).values)
    assert found.treated == ()
    assert len(found.left_alone) == 1
    no_rectifier, left = found.warnings
    assert "No rectifier" in no_rectifier
    assert "1 other activation " in left
    assert repr(found.left_alone[0]) in left


@pytest.mark.parametrize(
    "operation",
    [
        lambda x: ops.maximum(x, 1),
        lambda x: ops.maximum(x, -x),
        lambda x: ops.clip(x, -1, 6),
        lambda x: layers.MaxPooling2D(1)(x),
        lambda x: layers.Dropout(0.5)(x) * 1,
    ],
    ids=["maximum(x, 1)", "maximum(x, -x)", "clip(x, -1, 6)", "MaxPooling2D", "Dropout"],
)
def test_what_is_no_activation_is_neither_treated_nor_named(operation):
    net = elementwise(operation)
    x = PIXELS[None, :, :, None]
    found = og.guided_backprop(net, x)
    assert_close(found.values, og.saliency(net, x).values)
    assert (found.treated, found.left_alone) == ((), ())
    assert len(found.warnings) == 1
    assert "No rectifier was found between" in found.warnings[0]


class OfOnesOwn(layers.Layer):
    def call(self, x):
        return ops.relu(x)


def test_a_layer_whose_inside_is_not_known_is_named():
    found = og.guided_backprop(elementwise(OfOnesOwn(name="mine")), PIXELS[None, :, :, None])
    assert found.treated == ()
    assert found.left_alone == ("mine",)
    assert any("'mine'" in warning for warning in found.warnings)


def test_two_branches_by_hand():
    """Branches of weights 1 and −3: the plain gradient is −2, the guided one 1."""
    image = keras.Input((1, 2, 1))
    x = layers.ReLU(name="first")(image)
    with_one = layers.ReLU(name="positive")(x)
    with_three = layers.ReLU(name="negative")(x)
    score = layers.Flatten()(with_one - 3 * with_three)
    net = og.Network(keras.Model(image, ops.sum(score, axis=1, keepdims=True)), "none")
    pixels = np.array([2.0, -1.0], np.float32).reshape(1, 1, 2, 1)
    np.testing.assert_array_equal(og.saliency(net, pixels).values.ravel(), [-2, 0])
    found = og.guided_backprop(net, pixels)
    np.testing.assert_array_equal(found.values.ravel(), [1, 0])
    assert set(found.treated) == {"first", "positive", "negative"}


def test_negative_gradients_come_through_below_the_first_rectifier():
    """The rule is the rectifiers' and no one else's: a convolution may turn the sign."""
    image = keras.Input((2, 2, 1))
    x = layers.Conv2D(1, 1, use_bias=False, activation="relu", name="turned")(image)
    model = keras.Model(image, layers.GlobalAveragePooling2D()(x))
    model.get_layer("turned").set_weights([np.full((1, 1, 1, 1), -2, np.float32)])
    pixels = np.array([[-1, 1], [-2, 2]], np.float32)[None, :, :, None]
    found = og.guided_backprop(og.Network(model, "none"), pixels)
    np.testing.assert_allclose(found.values[0, :, :, 0], [[-0.5, 0], [-0.5, 0]])


# -- whole networks --------------------------------------------------------------------------------


def of_kinds(model, *kinds):
    return tuple(op.name for op in model.operations if type(op).__name__ in kinds)


NAMES = {
    "fused": lambda model: (("conv1", "hidden"), ("conv2", "conv3")),
    "separate": lambda model: (
        of_kinds(model, "ReLU", "LeakyReLU", "PReLU"),
        of_kinds(model, "Activation", "ELU"),
    ),
    "activation_layers": lambda model: (("conv1", "depthwise"), ()),
    "depthwise": lambda model: (("dw2", "separable", "grouped"), ()),
    "branches": lambda model: (("stem", "branch1", "branch3", "branch5", "last"), ()),
    "skips": lambda model: (("block0_relu", "block1_relu"), ("block0_excite", "block1_excite")),
    "transfer": lambda model: (("relu", "top_conv"), ()),
    "nested": lambda model: (("inner/relu", "outer/relu"), ()),
    "in_training": lambda model: (("relu",), ()),
    "shared_layer": lambda model: (("again", "again@2", "again@3"), ()),
    "shared_model": lambda model: (("relu", "relu@2", "top_conv"), ()),
    "operations": lambda model: (of_kinds(model, "Relu", "LeakyRelu"), ()),
    "part_of_a_model": lambda model: (("hidden",), ("conv2", "conv3")),
    "binary": lambda model: (("conv1",), ()),
    "any_size": lambda model: (("conv1", "conv", "last"), ()),
    "everything": lambda model: (("fused", "leaky", "prelu"), ("separable", "transposed")),
}


@functools.cache
def guided_in_whole(name):
    """A model, images, and what guided backpropagation finds in them."""
    model = networks.build(name)
    x = networks.images_for(model)
    return model, x, og.guided_backprop(og.Network(model, "none"), x)


@pytest.mark.parametrize("name", NAMES)
def test_every_activation_on_the_way_is_named(name):
    model, _, found = guided_in_whole(name)
    treated, left_alone = NAMES[name](model)
    assert sorted(found.treated) == sorted(treated)
    assert sorted(found.left_alone) == sorted(left_alone)
    about_activations = [text for text in found.warnings if "applies to rectifiers" in text]
    assert len(about_activations) == (1 if left_alone else 0)
    for text in about_activations:
        assert f"({len(treated)} here)" in text
        assert all(repr(each) in text for each in left_alone)


@pytest.mark.each_backend
@pytest.mark.parametrize("name", [name for name in networks.BUILDERS if name != "segmentation"])
def test_gradients_are_finite_and_of_the_shape_of_the_image(name):
    _, x, found = guided_in_whole(name)
    assert found.values.shape == x.shape
    assert found.values.dtype == np.float32
    assert np.isfinite(found.values).all()


def test_many_activations_left_alone_are_counted():
    x = image = keras.Input((8, 8, 3))
    for i in range(5):
        x = layers.Conv2D(2, 1, activation="silu", name=f"smooth{i}")(x)
    x = layers.Conv2D(2, 1, activation="relu", name="rectified")(x)
    net = og.Network(keras.Model(image, layers.GlobalAveragePooling2D()(x)), "none")
    found = og.guided_backprop(net, networks.images_for(net.model))
    (warning,) = [text for text in found.warnings if "left" in text]
    assert "5 other activations ('smooth0', 'smooth1', 'smooth2', …)" in warning
    assert found.treated == ("rectified",)


def test_only_activations_on_the_way_to_the_target_count():
    net = og.Network(networks.build("branches"), "none")
    x = networks.images_for(net.model)
    found = og.guided_backprop(net, x, og.Filter("branch3", 1))
    assert found.treated == ("stem", "branch3")
    found = og.guided_backprop(net, x, og.Filter("branch3:pre", 1))
    assert found.treated == ("stem",)


def test_the_softmax_counts_where_probabilities_are_explained():
    net = og.Network(networks.build("branches"), "none")
    x = networks.images_for(net.model)
    assert og.guided_backprop(net, x, 1).left_alone == ()
    assert og.guided_backprop(net, x, 1, score="probability").left_alone == ("predictions",)


# -- the same network, flat ------------------------------------------------------------------------


def copied(layer, number):
    config = {**layer.get_config(), "name": f"{layer.name}_{number}"}
    return type(layer).from_config(config), layer.get_weights()


def chained(model):
    """A chain of layers, some of them models, as one model of layers of its own."""
    x = image = keras.Input(model.input_shape[1:])
    for number, layer in enumerate(chain(model)):
        copy, weights = copied(layer, number)
        x = copy(x)
        copy.set_weights(weights)
    return keras.Model(image, x)


def chain(model):
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from chain(layer)
        elif not isinstance(layer, layers.InputLayer):
            for _ in layer._inbound_nodes if layer.name == "again" else [0]:
                yield layer


def shared_model_flat(model):
    image = keras.Input(model.input_shape[1:])
    branches = []
    for number, before in enumerate([None, model.get_layer(index=2)]):
        x = image if before is None else layers.Rescaling(0.5)(image)
        for layer in model.get_layer("base").layers[1:]:
            copy, weights = copied(layer, number)
            x = copy(x)
            copy.set_weights(weights)
        branches.append(x)
    x = layers.Concatenate()(branches)
    for layer in model.layers[-3:]:
        copy, weights = copied(layer, 2)
        x = copy(x)
        copy.set_weights(weights)
    return keras.Model(image, x)


@pytest.mark.each_backend
@pytest.mark.parametrize(
    ("name", "flat"),
    [
        ("transfer", chained),
        ("nested", chained),
        ("shared_layer", chained),
        ("shared_model", shared_model_flat),
        ("fused", chained),
        ("separate", None),
        ("activation_layers", chained),
        ("depthwise", chained),
        ("branches", None),
        ("skips", None),
    ],
)
def test_equals_the_literal_rule_in_the_network_written_flat(name, flat):
    model = networks.build(name)
    if name == "separate":  # literal computations know a softmax inside the last Dense
        model = keras.Model(model.input, model.get_layer("predictions").output)
    x = networks.images_for(model)
    same = flat(model) if flat else model
    guided = literal.guided_network(same)
    np.testing.assert_allclose(  # the literal networks compute the same
        literal.array(guided(x)), literal.array(model(x)), rtol=0, atol=1e-5
    )
    net = og.Network(model, "none")
    # A class that the last layer says yes to more often than no: guided, others are all zero.
    answer = int(model.get_layer("predictions").get_weights()[0].max(axis=0).argmax())
    found = og.guided_backprop(net, x, answer)
    for image, values in zip(x, found.values, strict=True):
        assert_close(values, literal.gradients(guided, lambda logits: logits[answer])(image))
    plain = og.saliency(net, x, answer).values
    assert np.abs(found.values - plain).max() > 0.01 * np.ptp(plain)


def test_guided_gradcam_inside_a_nested_model_guides_all_rectifiers():
    model = networks.build("transfer")
    x = networks.images_for(model, count=1)
    net = og.Network(model, "none")
    targets = [og.Filter("top_conv", range(4)), *range(5)]  # some of them have a map
    found = og.guided_gradcam(net, x, targets, "relu")
    guided, cam = og.guided_backprop(net, x, targets), og.gradcam(net, x, targets, "relu")
    assert (found.treated, found.left_alone) == (guided.treated, guided.left_alone)
    large = np.stack([literal.upsampled(values, x.shape[1:3]) for values in cam.values])
    assert_close(found.values, guided.values * large[..., None])


@pytest.mark.each_backend
def test_half_precision_networks_are_guided():
    keras.utils.set_random_seed(0)
    policy = "mixed_bfloat16"
    image = keras.Input((12, 12, 3))
    hidden = layers.Conv2D(4, 3, activation="relu", dtype=policy, name="conv1")(image)
    hidden = layers.Conv2D(4, 3, activation="relu6", dtype=policy, name="conv2")(hidden)
    pooled = layers.GlobalAveragePooling2D(dtype=policy)(hidden)
    model = keras.Model(image, layers.Dense(3, activation="softmax")(pooled))
    x = networks.images_for(model)
    found = og.guided_backprop(og.Network(model, "none"), x, 1)
    assert found.values.dtype == np.float32
    single = keras.models.clone_model(model, clone_function=in_single_precision)
    single.set_weights(model.get_weights())
    expected = literal.gradients(literal.guided_network(single), lambda logits: logits[1])(x[0])
    assert np.isfinite(found.values).all()
    # bfloat16 has eight bits, and decides otherwise at a rectifier that is nearly off.
    assert np.median(np.abs(found.values[0] - expected)) < 0.05 * np.ptp(expected)


def in_single_precision(layer):
    return type(layer).from_config({**layer.get_config(), "dtype": "float32"})


# -- errors are not swallowed ----------------------------------------------------------------------


class OutOfOrderError(Exception):
    pass


@pytest.mark.each_backend
@pytest.mark.parametrize("how", ["fused", "layer", "inside a layer"])
def test_an_activation_that_raises_raises_its_own_error(how):
    switch = {"broken": False}

    def relu(x):  # by its name a rectifier
        if switch["broken"]:
            raise OutOfOrderError("out of order")
        return ops.relu(x)

    class Rectifier(layers.ReLU):
        def call(self, x):
            return relu(x)

    build = {
        "fused": lambda: fused(relu),
        "layer": lambda: layers.Activation(relu),
        "inside a layer": lambda: Rectifier(),
    }[how]
    net = elementwise(build())
    switch["broken"] = True
    with pytest.raises(OutOfOrderError, match="out of order"):
        og.guided_backprop(net, PIXELS[None, :, :, None])
    switch["broken"] = False
    found = og.guided_backprop(net, PIXELS[None, :, :, None])
    assert np.isfinite(found.values).all()
    assert found.values.any()


# -- known gaps ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "rectify",
    [lambda x: ops.maximum(x, np.float32(0)), lambda x: ops.clip(x, np.float32(0), np.float32(6))],
    ids=["maximum", "clip"],
)
def test_a_numpy_zero_makes_a_rectifier_too(rectify):
    found = og.guided_backprop(elementwise(rectify), PIXELS[None, :, :, None])
    assert len(found.treated) == 1


class ConvolutionOfOnesOwn(layers.Conv2D):
    """A subclass that computes what its parent does."""


def test_the_linear_half_of_a_subclass_is_no_activation():
    mine = ConvolutionOfOnesOwn(1, 1, activation="relu", name="mine")
    found = og.guided_backprop(elementwise(mine), PIXELS[None, :, :, None])
    assert found.treated == ("mine",)
    assert found.left_alone == ()


@pytest.mark.parametrize(
    "layer",
    [
        lambda: layers.Lambda(relu_written_by_hand, name="holder"),
        lambda: layers.TimeDistributed(layers.Dense(1, activation="relu"), name="holder"),
    ],
    ids=["Lambda", "TimeDistributed"],
)
def test_a_layer_that_holds_other_peoples_work_is_named(layer):
    found = og.guided_backprop(elementwise(layer()), PIXELS[None, :, :, None])
    assert found.left_alone == ("holder",)


@pytest.mark.each_backend
@pytest.mark.parametrize("kind", ["float16", "bfloat16", "float64"])
def test_redirected_rectifiers_keep_the_type_of_their_map(kind):
    share = keras.ops.convert_to_tensor(np.float32(1))
    x = keras.ops.cast(np.array([-1.0, 2.0], np.float32), kind)
    made = redirected(share, x, keras.ops.relu(x))
    assert made.dtype == x.dtype
    assert keras.ops.convert_to_numpy(keras.ops.cast(made, "float32")).tolist() == [0, 2]
