"""Rectifiers, and their gradients in guided backpropagation and deconvolution."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from optogram.graph.steps import Graph, Output, Step

# By name, ignoring underscores and case: a rectifier can be a function, a layer, or an operation
# without public class.
_RECTIFIERS = frozenset(("relu", "relu6", "leakyrelu", "prelu", "threshold", "thresholdedrelu"))
_SMOOTH_OPERATIONS = frozenset(
    (
        "celu",
        "elu",
        "gelu",
        "glu",
        "hardshrink",
        "hardsigmoid",
        "hardsilu",
        "hardtanh",
        "logsigmoid",
        "logsoftmax",
        "mish",
        "selu",
        "sigmoid",
        "silu",
        "softmax",
        "softplus",
        "softshrink",
        "softsign",
        "sparseplus",
        "sparsemax",
        "squareplus",
        "tanh",
        "tanhshrink",
    )
)


@dataclass(frozen=True)
class Rectifiers:
    """The activations that a score depends on.

    Attributes
    ----------
    treated : tuple of Step
        Rectifiers: ReLU, ReLU6, leaky, parametric and thresholded, fused into a layer, separate
        layers, or operations.
    left_alone : tuple of Step
        Other activations, and opaque custom layers.
    """

    treated: tuple[Step, ...]
    left_alone: tuple[Step, ...]


def find_rectifiers(graph: Graph, scored: Iterable[Output]) -> Rectifiers:
    """The activations among the steps that ``scored`` depend on."""
    treated, left_alone = [], []
    for index in sorted(graph.ancestors(scored)):
        step = graph.steps[index]
        if step.passes_on:
            continue
        if _is_rectifier(step):
            treated.append(step)
        elif _is_other_activation(step):
            left_alone.append(step)
    return Rectifiers(tuple(treated), tuple(left_alone))


def guided(pass_positive: Callable[[Any], Any], x: Any, rectified: Any) -> Any:
    """``rectified``, computed from ``x``, with the gradient of guided backpropagation.

    The gradient passes where it is positive and ``x`` is, times the slope of the rectifier.
    ``pass_positive`` is the backend's.
    """
    kept = keras.ops.where(x > 0, rectified, keras.ops.stop_gradient(rectified))
    return pass_positive(kept)


def deconvolved(pass_positive: Callable[[Any], Any], x: Any, rectified: Any) -> Any:
    """``rectified``, computed from ``x``, with the gradient of a deconvolutional network.

    The gradient passes where it is positive, whatever ``x`` is. ``pass_positive`` is the backend's.
    """
    stop = keras.ops.stop_gradient
    return pass_positive(stop(rectified) + keras.ops.cast(x - stop(x), rectified.dtype))


RULES = {"guided": guided, "deconvolved": deconvolved}
"""What can become of a gradient at a rectifier."""


def redirected(share: Any, x: Any, rectified: Any) -> Any:
    """``rectified``, computed from ``x``, with a ``share`` of the gradient where ``x`` is negative.

    Its values are unchanged. As the redirected rectifiers of Lucid (Olah et al. 2017): a unit that
    is off still gets a gradient.
    """
    ops = keras.ops
    through = ops.where(x < 0, x - ops.stop_gradient(x), ops.zeros_like(x))
    return rectified + ops.cast(share, through.dtype) * through


def _is_rectifier(step: Step) -> bool:
    name = _activation_name(step)
    if name is not None:
        return name in _RECTIFIERS
    if step.kind == "Maximum":
        return len(step.inputs) == 1 and any(_is_zero(given) for given in step.args)
    return step.kind == "Clip" and _is_zero(getattr(step.operation, "x_min", None))


def _is_other_activation(step: Step) -> bool:
    name = _activation_name(step)
    if name is not None:
        return name not in _RECTIFIERS
    return step.is_foreign


def _activation_name(step: Step) -> str | None:
    """The name of the activation that ``step`` is; None for other steps."""
    operation = step.operation
    if step.half == "pre":
        return None
    if step.half == "activation" or isinstance(operation, keras.layers.Activation):
        return " ".join(map(_plain, step.applied))
    name = _plain(operation)
    return name if name in _RECTIFIERS | _SMOOTH_OPERATIONS else None


def _plain(activation: Any) -> str:
    name = getattr(activation, "__name__", type(activation).__name__)
    return name.lower().replace("_", "")


def _is_zero(given: Any) -> bool:
    """Whether an argument is 0, or an array of zeros."""
    if given is None or isinstance(given, Output):
        return False
    try:
        return not np.any(keras.ops.convert_to_numpy(given))
    except (TypeError, ValueError):
        return False
