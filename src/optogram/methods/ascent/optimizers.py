"""Optimizers: how far a step goes along a gradient."""

import math
from typing import Any

import keras

OPTIMIZERS = ("rms", "l2", "adam")
_DECAYS = (0.9, 0.999)


def moments(optimizer: str, numbers: Any) -> list[Any]:
    """The initial state of ``optimizer``: Adam's two moments, else nothing."""
    return [numbers * 0, numbers * 0] if optimizer == "adam" else []


def step(
    optimizer: str, learning_rate: float, numbers: Any, gradient: Any, kept: list[Any], number: Any
) -> tuple[Any, list[Any], Any]:
    """One step of gradient ascent, each example by its own gradient.

    Parameters
    ----------
    optimizer : {"rms", "l2", "adam"}
        "rms": ``learning_rate`` · gradient / (its root mean square + 1e-5). "l2":
        ``learning_rate`` · gradient / its L2 norm. "adam": Kingma and Ba (2015), end of section 2.
    learning_rate : float
        Size of a step.
    numbers, gradient : tensor of shape (N, ...)
        The parameters and the gradient of the score with respect to them.
    kept : list of tensor
        State of the optimizer; see `moments`.
    number : tensor
        Number of this step, from 1.

    Returns
    -------
    (tensor, list of tensor, tensor of shape (N,))
        New ``numbers``, new ``kept``, and the root mean square of the gradient.
    """
    ops = keras.ops
    axes = tuple(range(1, len(numbers.shape)))
    squares = ops.square(gradient)
    total = ops.sum(squares, axis=axes, keepdims=True)
    slope = ops.sqrt(total / math.prod(numbers.shape[1:]))
    flat = ops.reshape(slope, (-1,))
    if optimizer == "rms":
        return numbers + learning_rate / (slope + 1e-5) * gradient, kept, flat
    if optimizer == "l2":
        return numbers + learning_rate / ops.sqrt(ops.maximum(total, 1e-12)) * gradient, kept, flat
    first, second = (
        decay * moment + (1 - decay) * new
        for decay, moment, new in zip(_DECAYS, kept, (gradient, squares), strict=True)
    )
    number = ops.cast(number, "float32")
    corrections = [1 - ops.power(decay, number) for decay in _DECAYS]
    size = learning_rate * ops.sqrt(corrections[1]) / corrections[0]
    return numbers + size * first / (ops.sqrt(second) + 1e-8), [first, second], flat
