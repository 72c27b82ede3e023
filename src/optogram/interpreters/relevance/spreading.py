"""How each kind of step without weights hands its relevance to what it read."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras

from optogram import backend
from optogram.graph import layer_types
from optogram.graph.mixing import is_written_by_keras, mixed_axes
from optogram.graph.steps import Output, Returned, Step
from optogram.interpreters import forward
from optogram.interpreters.forward import Tensors
from optogram.interpreters.relevance.rules import of_images, stabilized

EPSILON = 1e-6
"""Stabilizes divisions, as in zennit."""

_MOVING = (
    *layer_types.PADDING_OR_CROPPING,
    keras.layers.Concatenate,
    keras.layers.Flatten,
    keras.layers.Permute,
    keras.layers.RepeatVector,
    keras.layers.Reshape,
)
_CHOOSING = (
    keras.layers.GlobalMaxPooling1D,
    keras.layers.GlobalMaxPooling2D,
    keras.layers.Maximum,
    keras.layers.MaxPooling2D,
    keras.layers.Minimum,
)
_SUMMING = (
    keras.layers.Add,
    keras.layers.Average,
    keras.layers.AveragePooling2D,
    keras.layers.GlobalAveragePooling1D,
    keras.layers.GlobalAveragePooling2D,
    keras.layers.Subtract,
)
# Operations used as layers have no public classes: they are identified by name.
_MOVING_OPERATIONS = frozenset(
    (
        "BroadcastTo",
        "Concatenate",
        "ExpandDims",
        "Flat",
        "Flip",
        "GetItem",
        "Moveaxis",
        "Pad",
        "Ravel",
        "Repeat",
        "Reshape",
        "Roll",
        "Slice",
        "Split",
        "Squeeze",
        "Stack",
        "Swapaxes",
        "Take",
        "Tile",
        "Transpose",
        "Unstack",
    )
)
_CHOOSING_OPERATIONS = frozenset(("Amax", "Amin", "Max", "MaxPool", "Maximum", "Min", "Minimum"))
_SUMMING_OPERATIONS = frozenset(("Add", "AveragePool", "Average", "Mean", "Subtract", "Sum"))
_PRODUCTS = frozenset(("Dot", "Einsum", "Matmul", "Tensordot"))
_SOFTMAX = tuple((function,) for function in (keras.activations.softmax, keras.ops.softmax))
_GATES = frozenset(("hardsigmoid", "sigmoid", "softmax", "tanh"))
"""Activations whose output weighs something else, when both are multiplied."""


@dataclass(frozen=True)
class Visit:
    """A step on the way back.

    Attributes
    ----------
    step : Step
        The step.
    tensors : mapping of Output to tensor
        What was computed: its inputs and outputs.
    relevance : sequence of tensors
        The relevance of each of its outputs.
    gates : frozenset of Output
        The outputs that are gates: see `gate_of`.
    """

    step: Step
    tensors: Tensors
    relevance: Sequence[Any]
    gates: frozenset[Output] = frozenset()

    @property
    def read(self) -> list[Output]:
        """The distinct outputs that it reads."""
        return list(dict.fromkeys(self.step.inputs))

    @property
    def inputs(self) -> list[Any]:
        """Their tensors."""
        return [self.tensors[output] for output in self.read]

    @property
    def made(self) -> list[Any]:
        """Its outputs."""
        count = len(self.step.shapes)
        return [self.tensors[Output(self.step.index, i)] for i in range(count)]

    def again(self) -> Callable[..., list[Any]]:
        """A function of its inputs, in the order of `read`, that computes its outputs."""
        runner, read = forward.runner(self.step), self.read

        def outputs(*tensors: Any) -> list[Any]:
            return runner(dict(zip(read, tensors, strict=True)))

        return outputs


@dataclass(frozen=True)
class Shares:
    """Who gets the relevance of a step.

    Attributes
    ----------
    read : list of tensors
        The relevance of each distinct output that was read, in the order of `Visit.read`.
    offset : tensor of shape (N,), or None
        What constants and offsets take, such as those of a normalization.
    """

    read: list[Any]
    offset: Any = None


Spreading = Callable[[Visit], Shares]
"""How a step hands on its relevance."""


def passed(visit: Visit) -> Shares:
    """All of it, element by element: activations, scaling of single elements."""
    (x,), (relevance,) = visit.inputs, visit.relevance
    # A constant of another shape repeats what was read.
    return Shares([relevance]) if x.shape[1:] == relevance.shape[1:] else shared(visit)


def moved(visit: Visit) -> Shares:
    """To the elements that were copied: reshaping, joining, padding, maxima."""
    return Shares(_pulled(visit, visit.relevance))


def shared(visit: Visit) -> Shares:
    """By the share of each input in the output, x · ∂z/∂x / z: sums, means, resizing."""
    seeds = [
        relevance / stabilized(keras.ops.cast(made, "float32"), EPSILON)
        for relevance, made in zip(visit.relevance, visit.made, strict=True)
    ]
    pulled = _pulled(visit, seeds)
    inputs = (keras.ops.cast(x, "float32") for x in visit.inputs)
    return Shares([x * back for x, back in zip(inputs, pulled, strict=True)])


def linearized(visit: Visit) -> Shares:
    """As `shared`, by the first-order Taylor series at what was read (Achtibat et al. 2024).

    The value of the series at 0 is an offset: a softmax of zeros is not 0.
    """
    read = shared(visit).read
    handed = sum(map(of_images, read))
    return Shares(read, sum(map(of_images, visit.relevance)) - handed)


def absorbed(visit: Visit) -> Shares:
    """None of it: what was made does not depend on what was read, such as a constant."""
    nothing = [keras.ops.zeros_like(keras.ops.cast(x, "float32")) for x in visit.inputs]
    return Shares(nothing, of_images(visit.relevance[0]))


def divided(visit: Visit) -> Shares:
    """All of it to the numerator; the denominator weighs it."""
    numerator, *others = shared(visit).read
    return Shares([numerator, *(keras.ops.zeros_like(one) for one in others)])


def halved(visit: Visit) -> Shares:
    """As `shared`, half for each factor of a product (Achtibat et al. 2024, eq. 15)."""
    return Shares([one / len(visit.read) for one in shared(visit).read])


def gated(visit: Visit) -> Shares:
    """All of it to what is weighed, nothing to the gate (Arras et al. 2017, "signal takes all").

    Without a gate among the factors: the same share for each.
    """
    gate = gate_of(visit)
    share = 1 / len(visit.read) if gate is None else 1.0
    shares = zip(visit.read, shared(visit).read, strict=True)
    return Shares([one * (0.0 if output == gate else share) for output, one in shares])


def weighed(visit: Visit) -> Shares:
    """All of it to what is weighed by a softmax, nothing to the weights (Ali et al. 2022)."""
    shares = zip(visit.read, shared(visit).read, strict=True)
    return Shares([one * (0.0 if output in visit.gates else 1.0) for output, one in shares])


def gate_of(visit: Visit) -> Output | None:
    """The factor that weighs the other: the smaller one, else the one out of a sigmoid."""
    sizes = {
        output: sum(side == 1 for side in tensor.shape[1:])
        for output, tensor in zip(visit.read, visit.inputs, strict=True)
    }
    most = max(sizes.values())
    if list(sizes.values()).count(most) == 1 and most > min(sizes.values()):
        return max(sizes, key=lambda output: sizes[output])
    gates = [output for output in visit.read if output in visit.gates]
    return gates[0] if len(gates) == 1 else None


def with_held_scale(visit: Visit) -> Shares:
    """As `shared`, with the scale of a normalization held (Achtibat et al. 2024, section 3.3)."""
    layer: Any = visit.step.run  # with the layout in which it runs

    def held(x: Any) -> Any:
        ops = keras.ops
        axes = _axes_of_statistics(layer, len(x.shape))
        x, back = _grouped(layer, x)
        mean = 0.0 if _is_without_mean(layer) else ops.mean(x, axis=axes, keepdims=True)
        away = x - mean
        square = ops.mean(away * away, axis=axes, keepdims=True)
        scale = ops.stop_gradient(ops.rsqrt(square + layer.epsilon))
        return _with_parameters(layer, back(away * scale))

    made = keras.ops.cast(visit.made[0], "float32")
    seed = visit.relevance[0] / stabilized(made, EPSILON)
    x = keras.ops.cast(visit.inputs[0], "float32")
    _, back = backend.current().pullback(lambda at: [held(at[0])], [x])
    (pulled,) = back([seed])
    offset = getattr(layer, "beta", None)
    taken = None if offset is None else of_images(seed * _placed(layer, offset, len(x.shape)))
    return Shares([x * pulled], taken)


def is_product(step: Step) -> bool:
    """Whether a step multiplies and sums two tensors, as attention does."""
    return (
        step.kind in _PRODUCTS and len(set(step.inputs)) > 1 and all(map(_is_known, step.applied))
    )


def spreading_of(step: Step) -> Spreading | None:
    """How a step without weights hands on its relevance; None if no rule is known for it."""
    layer, kind = step.operation, step.kind
    if kind == "Constant":
        return absorbed
    if step.passes_on:
        return passed
    if isinstance(layer, Returned):
        return moved
    if not all(map(_is_known, step.applied)):  # a name says nothing of other code
        return None
    if kind in ("Cast", "LayerScale"):  # the latter of ConvNeXt
        return passed
    if kind == "CustomScaleLayer":  # x + scale · y, of Inception-ResNet
        return shared
    if isinstance(layer, _MOVING) or kind in _MOVING_OPERATIONS:
        return moved
    if isinstance(layer, keras.layers.UpSampling2D):
        return moved if layer.interpolation == "nearest" else shared
    is_two = len(set(step.inputs)) > 1
    if isinstance(layer, _CHOOSING) or (kind in _CHOOSING_OPERATIONS and is_two):
        return moved
    if kind in ("Divide", "TrueDivide"):
        return divided if is_two else passed
    if isinstance(layer, keras.layers.Multiply) or kind == "Multiply":
        return gated if is_two else passed
    if isinstance(layer, _SUMMING) or kind in _SUMMING_OPERATIONS:
        return shared if is_two or mixed_axes(step) != frozenset() else passed
    if isinstance(layer, keras.layers.Softmax) or kind == "Softmax" or step.applied in _SOFTMAX:
        return linearized
    if kind in _PRODUCTS or isinstance(layer, keras.layers.Dot):
        return halved if is_two else shared
    if isinstance(layer, keras.layers.Resizing) or kind == "Resize":
        return shared
    if isinstance(layer, _HELD) and not step.kwargs.get("training"):
        return with_held_scale
    if kind in _CHOOSING_OPERATIONS and mixed_axes(step) != frozenset():
        return moved
    if len(step.inputs) == 1 and len(step.shapes) == 1 and mixed_axes(step) == frozenset():
        return passed
    return None


def _is_known(operation: Any) -> bool:
    """Whether an operation is of Keras, or one that optogram added."""
    operation = operation.func if isinstance(operation, partial) else operation
    home = getattr(operation, "__module__", "")
    return is_written_by_keras(operation) or home.startswith("optogram.")


def is_gate(step: Step) -> bool:
    """Whether a step is an activation that limits its output, as those of gates do."""
    names = {
        getattr(operation, "__name__", type(operation).__name__).lower().replace("_", "")
        for operation in (step.applied if step.half != "pre" else ())
    }
    return bool(names & _GATES)


_HELD = tuple(
    getattr(keras.layers, name)
    for name in ("GroupNormalization", "LayerNormalization", "RMSNormalization")
    if hasattr(keras.layers, name)
)


def _pulled(visit: Visit, seeds: Sequence[Any]) -> list[Any]:
    """The gradient of Σ outputs · seeds with respect to each input."""
    outputs = visit.again()

    def made(at: list[Any]) -> list[Any]:
        return [keras.ops.cast(one, "float32") for one in outputs(*at)]

    _, back = backend.current().pullback(made, visit.inputs)
    return [keras.ops.cast(one, "float32") for one in back(seeds)]


def _is_without_mean(layer: Any) -> bool:
    return type(layer).__name__ == "RMSNormalization" or bool(getattr(layer, "rms_scaling", False))


def _axes_of_statistics(layer: Any, rank: int) -> tuple[int, ...]:
    """Axes over which a normalization takes means, in the shape that `_grouped` gives."""
    if isinstance(layer, keras.layers.GroupNormalization):
        channels = layer.axis % rank
        return tuple(axis for axis in range(1, rank + 1) if axis != channels)
    axes = layer.axis if isinstance(layer.axis, list | tuple) else [layer.axis]
    return tuple(axis % rank for axis in axes)


def _grouped(layer: Any, x: Any) -> tuple[Any, Callable[[Any], Any]]:
    """``x`` with channels split into groups, if the layer has any, and the way back."""
    if not isinstance(layer, keras.layers.GroupNormalization):
        return x, lambda values: values
    ops, axis = keras.ops, layer.axis % len(x.shape)
    shape = tuple(ops.shape(x))
    groups = shape[axis] if layer.groups == -1 else layer.groups
    split = (*shape[:axis], groups, shape[axis] // groups, *shape[axis + 1 :])
    return ops.reshape(x, split), lambda values: ops.reshape(values, shape)


def _with_parameters(layer: Any, values: Any) -> Any:
    """``values`` times the scale and plus the offset of a normalization."""
    rank = len(values.shape)
    for name in ("gamma", "scale"):
        variable = getattr(layer, name, None)
        if variable is not None and not isinstance(variable, bool):
            values = values * _placed(layer, variable, rank)
    beta = getattr(layer, "beta", None)
    return values if beta is None else values + _placed(layer, beta, rank)


def _placed(layer: Any, variable: Any, rank: int) -> Any:
    """A parameter of a normalization, in the shape that broadcasts to its output."""
    axes = layer.axis if isinstance(layer.axis, list | tuple) else [layer.axis]
    along, sides = {axis % rank for axis in axes}, iter(variable.shape)
    shape = [next(sides) if axis in along else 1 for axis in range(rank)]
    value = keras.ops.cast(keras.ops.convert_to_tensor(variable), "float32")
    return keras.ops.reshape(value, shape)
