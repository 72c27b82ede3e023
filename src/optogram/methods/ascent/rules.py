"""Step rules: how far to go along a gradient."""

import math
from typing import Any

import keras

RULES = ("rms", "l2", "adam")
_DECAYS = (0.9, 0.999)


def moments(rule: str, numbers: Any) -> list[Any]:
    """What ``rule`` keeps from step to step, as it is before the first."""
    return [numbers * 0, numbers * 0] if rule == "adam" else []


def step(
    rule: str, rate: float, numbers: Any, gradient: Any, kept: list[Any], number: Any
) -> tuple[Any, list[Any], Any]:
    """One step uphill, each example by its own gradient.

    Parameters
    ----------
    rule : {"rms", "l2", "adam"}
        ``rate`` · gradient ÷ (its root mean square + 1e-5) (tutorial row A3), ÷ its L2 norm (D1),
        or Adam (Kingma and Ba 2015, end of section 2).
    rate : float
        The size of a step.
    numbers, gradient : tensor of shape (N, ...)
        Where it is, and where it goes up.
    kept : list of tensor
        See `moments`.
    number : tensor
        Of this step, from 1.

    Returns
    -------
    (tensor, list of tensor, tensor of shape (N,))
        ``numbers`` and ``kept`` afterwards, and the root mean square of the gradient.
    """
    ops = keras.ops
    axes = tuple(range(1, len(numbers.shape)))
    squares = ops.square(gradient)
    total = ops.sum(squares, axis=axes, keepdims=True)
    slope = ops.sqrt(total / math.prod(numbers.shape[1:]))
    flat = ops.reshape(slope, (-1,))
    if rule == "rms":
        return numbers + rate / (slope + 1e-5) * gradient, kept, flat
    if rule == "l2":
        return numbers + rate / ops.sqrt(ops.maximum(total, 1e-12)) * gradient, kept, flat
    first, second = (
        decay * moment + (1 - decay) * new
        for decay, moment, new in zip(_DECAYS, kept, (gradient, squares), strict=True)
    )
    number = ops.cast(number, "float32")
    corrections = [1 - ops.power(decay, number) for decay in _DECAYS]
    size = rate * ops.sqrt(corrections[1]) / corrections[0]
    return numbers + size * first / (ops.sqrt(second) + 1e-8), [first, second], flat
