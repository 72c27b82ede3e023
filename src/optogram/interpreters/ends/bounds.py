"""Proves from the graph which outputs of steps are unbounded."""

from typing import Any

import keras

from optogram.graph import layer_types
from optogram.graph.steps import Graph, Output, Step

# Keras steps, by the name of their class or function, without underscores.
MOVES = frozenset(
    [
        "flatten",
        "flip",
        "getitem",
        "moveaxis",
        "permute",
        "reshape",
        "roll",
        "rot90",
        "squeeze",
        "swapaxes",
        "transpose",
    ]
)
_KEEPS_BOUNDS = MOVES.union(
    [
        "add",
        "average",
        "averagepooling2d",
        "cast",
        "concatenate",
        "cropping2d",
        "dropout",
        "expanddims",
        "globalaveragepooling1d",
        "globalaveragepooling2d",
        "globalmaxpooling1d",
        "globalmaxpooling2d",
        "identity",
        "leakyrelu",
        "linear",
        "max",
        "maxpooling2d",
        "mean",
        "prelu",
        "repeatvector",
        "resizing",
        "spatialdropout2d",
        "stack",
        "sum",
        "upsampling2d",
        "zeropadding2d",
    ]
)
"""Their output is as large, or as small, as their largest or smallest input."""
_LARGE_OF_LARGE = frozenset(
    [
        "celu",
        "elu",
        "exp",
        "exponential",
        "gelu",
        "mish",
        "relu",
        "selu",
        "silu",
        "softplus",
        "swish",
    ]
)
_LARGE_OF_ANY = frozenset(["absolute", "square"])
_SCALES = frozenset(
    ["batchnormalization", "divide", "multiply", "negative", "rescaling", "subtract", "truedivide"]
)
"""Their output is a multiple of their input, with a factor that may be negative."""
_BOTH = frozenset({"large", "small"})


def unbounded(graph: Graph, output: Output) -> frozenset[str]:
    """Whether ``output`` can be unbounded above ("large") and below ("small")."""
    step = graph.steps[output.step]
    name = name_of(step)
    if output in graph.inputs or (name == "linear" and _is_weighted_sum(step)):
        return _BOTH
    is_ratio = name in ("divide", "truedivide") and len(step.inputs) > 1
    known = _KEEPS_BOUNDS | _LARGE_OF_LARGE | _LARGE_OF_ANY | _SCALES
    if name not in known or is_ratio:
        return frozenset()
    reads = [unbounded(graph, one) for one in step.inputs]
    found = frozenset().union(*reads)
    if name in _LARGE_OF_LARGE:
        return found & {"large"}
    if name in _LARGE_OF_ANY:
        return frozenset({"large"}) if found else found
    return found if name not in _SCALES or found == _BOTH else frozenset()


def _is_weighted_sum(step: Step) -> bool:
    """Whether the step is a dense layer or a convolution, without activation."""
    layer = step.operation
    return isinstance(layer, layer_types.DENSE) or "Conv" in type(layer).__name__


def name_of(step: Step) -> str:
    """The Keras name of the step's operation; "" for operations outside Keras."""
    does: Any = step.operation
    if step.half == "pre" or (step.half == "" and _is_weighted_sum(step)):
        return "linear" if type(does).__module__.startswith("keras.") else ""
    if step.half == "activation" or isinstance(does, keras.layers.Activation):
        does = does.activation
    if getattr(does, "max_value", None) is not None:
        return ""
    code = does if hasattr(does, "__name__") else type(does)
    is_own = getattr(code, "__module__", "").startswith("keras.")
    return code.__name__.replace("_", "").lower() if is_own else ""
