"""What is known of the signs of maps: it halves the work of rules that tell them apart."""

from collections.abc import Iterable

import keras

from optogram.graph import layer_types
from optogram.graph.mixing import is_written_by_keras
from optogram.graph.steps import Graph, Output, Step

# By name, ignoring underscores and case: functions, layers and operations.
_NEVER_NEGATIVE = frozenset(("relu", "relu6", "sigmoid", "softmax", "softplus", "hardsigmoid"))
_NOTHING_BELOW_ZERO = frozenset(("relu", "relu6"))
_KEEPING_SIGNS = (
    *layer_types.LOCAL_POOLING,
    *layer_types.GLOBAL_POOLING,
    *layer_types.PADDING_OR_CROPPING,
    keras.layers.Add,
    keras.layers.Average,
    keras.layers.Concatenate,
    keras.layers.Flatten,
    keras.layers.Maximum,
    keras.layers.Minimum,
    keras.layers.Multiply,
    keras.layers.Permute,
    keras.layers.Reshape,
)
"""Layers whose output has no negative element if their inputs have none."""


def never_negative(graph: Graph, steps: Iterable[int]) -> frozenset[Output]:
    """The outputs of ``steps``, in order, of which no element can be negative."""
    found: set[Output] = set()
    for index in steps:
        step = graph.steps[index]
        is_kept = step.passes_on or _keeps_signs(step)
        if (is_kept and step.inputs and found.issuperset(step.inputs)) or _is(
            step, _NEVER_NEGATIVE
        ):
            found.add(Output(index))
    return frozenset(found)


def silences_negatives(step: Step) -> bool:
    """Whether a step makes 0 of everything below 0, so that it has no relevance."""
    return _is(step, _NOTHING_BELOW_ZERO)


def _keeps_signs(step: Step) -> bool:
    """Whether the output has no negative element if the inputs have none."""
    layer = step.operation
    if not is_written_by_keras(layer):
        return False
    if isinstance(layer, keras.layers.UpSampling2D):
        return layer.interpolation in ("nearest", "bilinear")  # others overshoot
    return isinstance(layer, _KEEPING_SIGNS)


def _is(step: Step, names: frozenset[str]) -> bool:
    """Whether a step is one activation with one of those names, without other settings."""
    applied = step.applied if _is_activation(step) else (step.operation,)
    if len(applied) != 1 or step.half == "pre":
        return False
    operation = applied[0]
    if not is_written_by_keras(operation):  # a name says nothing of other code
        return False
    if isinstance(operation, keras.layers.ReLU):
        return not operation.negative_slope and not operation.threshold
    name = getattr(operation, "__name__", type(operation).__name__)
    return name.lower().replace("_", "") in names and not getattr(operation, "negative_slope", 0)


def _is_activation(step: Step) -> bool:
    return step.half == "activation" or isinstance(step.operation, keras.layers.Activation)
