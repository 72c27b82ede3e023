"""Axes along which operations mix elements, and whether they treat all positions alike."""

from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np

from optogram.graph import layer_types
from optogram.graph.identities import is_identity
from optogram.graph.steps import Output, Step

_RANK = 4
_CHANNELS = 3
"""The last axis of a map, in the layout of the operation."""

_HOLD_NUMBERS = (*layer_types.ELEMENTWISE, keras.layers.Rescaling)
# Operations used as layers have no public classes: they are identified by name.
_ELEMENTWISE_OPERATIONS = frozenset(
    (
        "Abs",
        "Absolute",
        "Add",
        "Cast",
        "Celu",
        "Clip",
        "Divide",
        "Elu",
        "Exp",
        "Gelu",
        "HardShrink",
        "HardSigmoid",
        "HardSilu",
        "HardTanh",
        "Identity",
        "LeakyRelu",
        "Log",
        "LogSigmoid",
        "Maximum",
        "Minimum",
        "Mish",
        "Multiply",
        "Negative",
        "Power",
        "ReLU",
        "Relu",
        "Relu6",
        "Rsqrt",
        "Selu",
        "Sigmoid",
        "Silu",
        "SoftShrink",
        "Softplus",
        "Softsign",
        "SparsePlus",
        "SparseSigmoid",
        "Sqrt",
        "Square",
        "Squareplus",
        "Subtract",
        "Tanh",
        "TanhShrink",
        "Threshold",
        "TrueDivide",
    )
)
_OPERATIONS_ALONG_AXIS = frozenset(("Concatenate", "Glu", "LogSoftmax", "Softmax", "Sparsemax"))


def _functions(*names: str) -> tuple[Any, ...]:
    """Functions with those names that can be activations."""
    homes = (keras.activations, keras.ops)
    return tuple(getattr(home, name) for home in homes for name in names if hasattr(home, name))


_ELEMENTWISE_FUNCTIONS = _functions(
    "abs",
    "absolute",
    "celu",
    "elu",
    "exp",
    "exponential",
    "gelu",
    "hard_shrink",
    "hard_sigmoid",
    "hard_silu",
    "hard_swish",
    "hard_tanh",
    "leaky_relu",
    "linear",
    "log_sigmoid",
    "mish",
    "negative",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "soft_shrink",
    "softplus",
    "softsign",
    "sparse_plus",
    "sparse_sigmoid",
    "sqrt",
    "square",
    "squareplus",
    "swish",
    "tanh",
    "tanh_shrink",
    "threshold",
)
_FUNCTIONS_ALONG_CHANNELS = _functions("glu", "log_softmax", "softmax", "sparsemax")


def mixed_axes(step: Step) -> frozenset[int] | None:
    """Axes along which an output element depends on more than the element at its position.

    0 to 3, in the layout that the operation was built for. None if unknown, as for code outside
    Keras: then an element may depend on anything.
    """
    is_ours = getattr(step.operation, "__module__", "").startswith("optogram.")
    if is_ours and step.kind in _ELEMENTWISE_OPERATIONS:
        return frozenset()
    found = [_mixed(operation, step) for operation in step.applied]
    if any(axes is None for axes in found):
        return None
    return frozenset().union(*(axes or () for axes in found))


def is_elementwise(step: Step) -> bool:
    """Whether each output element is the same function of the element at its position."""
    return all(
        _is_among(operation, _ELEMENTWISE_FUNCTIONS)
        or (isinstance(operation, layer_types.ELEMENTWISE) and is_written_by_keras(operation))
        or is_identity(operation, bool(step.kwargs.get("training")))
        for operation in step.applied
    )


def depends_on_place(step: Step) -> bool:
    """Whether a step that mixes no positions has parameters that differ between positions."""
    constants = [*_constants(step.args), *_constants(tuple(step.kwargs.values()))]
    for operation in step.applied:
        if isinstance(operation, keras.layers.BatchNormalization | keras.layers.Normalization):
            if not _axes(operation.axis).isdisjoint(step.spatial):
                return True
        elif isinstance(operation, keras.layers.PReLU):
            if not set(step.spatial) <= set(operation.shared_axes or ()):
                return True
        elif isinstance(operation, _HOLD_NUMBERS) or not isinstance(operation, keras.Layer):
            constants += _attributes(operation)
    return any(_varies(constant, step.spatial) for constant in constants)


def is_written_by_keras(operation: Any) -> bool:
    """Whether ``operation`` runs only Keras code, even if its class is not from Keras."""
    code = getattr(type(operation), "call", operation)
    return str(getattr(code, "__module__", "")).startswith("keras.")


def _mixed(operation: Any, step: Step) -> frozenset[int] | None:
    is_training = bool(step.kwargs.get("training"))
    if _is_among(operation, _ELEMENTWISE_FUNCTIONS) or is_identity(operation, is_training):
        return frozenset()
    if _is_quick_gelu(operation):
        return frozenset()
    if _is_among(operation, _FUNCTIONS_ALONG_CHANNELS):
        return frozenset((_CHANNELS,))
    if not is_written_by_keras(operation):
        return None
    if isinstance(operation, keras.layers.BatchNormalization) and is_training:
        return None  # statistics of the batch mix all positions
    if isinstance(operation, (*layer_types.ELEMENTWISE, *layer_types.ELEMENTWISE_WITH_PARAMETERS)):
        return frozenset()
    if isinstance(operation, keras.layers.Dense):
        return frozenset((_CHANNELS,))
    if isinstance(operation, layer_types.ALONG_AXES):
        return _axes(operation.axis)
    if isinstance(operation, keras.layers.Layer):
        return None
    kind = type(operation).__name__
    if kind in _OPERATIONS_ALONG_AXIS:
        return _axes(operation.axis)
    return frozenset() if kind in _ELEMENTWISE_OPERATIONS else None


def _is_quick_gelu(operation: Any) -> bool:
    """Whether it is x · sigmoid(1.702 x), of KerasHub's CLIP."""
    home = getattr(operation, "__module__", None) or ""
    return home.startswith("keras_hub.") and getattr(operation, "__name__", "") == "quick_gelu"


def _is_among(operation: Any, functions: Sequence[Any]) -> bool:
    return any(operation is function for function in functions)


def _axes(given: int | Sequence[int] | None) -> frozenset[int]:
    """Axes as 0 to 3."""
    listed = () if given is None else (given,) if isinstance(given, int) else given
    return frozenset(axis % _RANK for axis in listed)


def _constants(arguments: Sequence[Any]) -> Iterator[Any]:
    """Arguments of a step that are not outputs of steps."""
    for argument in arguments:
        if not any(isinstance(leaf, Output) for leaf in keras.tree.flatten(argument)):
            yield argument
        elif isinstance(argument, list | tuple):
            yield from _constants(argument)
        elif isinstance(argument, dict):
            yield from _constants(tuple(argument.values()))


def _attributes(operation: Any) -> list[Any]:
    """Parameters of ``operation``, such as a slope or the limits of a clip."""
    return [each for name, each in vars(operation).items() if not name.startswith("_")]


def _varies(constant: Any, spatial: Sequence[int]) -> bool:
    """Whether a number, or an array along the last axes of a map, differs between positions."""
    is_listed = isinstance(constant, list | tuple)
    is_array = isinstance(constant, np.ndarray | keras.Variable) or keras.ops.is_tensor(constant)
    sides: Sequence[int] = (
        np.shape(constant) if is_listed else tuple(constant.shape) if is_array else ()
    )
    first = _RANK - len(sides)
    return any(side != 1 and first + axis in spatial for axis, side in enumerate(sides))
