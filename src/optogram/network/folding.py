"""Normalizations folded into the convolutions before them: one pass over the maps, not three.

For loops that run a network many times. What comes out differs by rounding alone.
"""

from collections import Counter
from collections.abc import Collection
from dataclasses import replace
from functools import partial
from typing import Any

import keras

from optogram.network.steps import Graph, Step, Value


def folded(graph: Graph, wanted: Collection[Value]) -> Graph:
    """``graph`` with each normalization that reads a convolution alone folded into it.

    Such a convolution makes what the normalization made, which passes it on; its own output is
    not to be had any more, so those in ``wanted`` are left as they are.
    """
    uses = Counter(value for step in graph.steps for value in step.inputs)
    uses.update([*wanted, *graph.outputs])
    steps = list(graph.steps)
    for step in graph.steps:
        if not _is_fixed_normalization(step):
            continue
        before = graph.steps[step.inputs[0].step]
        if uses[step.inputs[0]] == 1 and _is_plain_convolution(before):
            convolve = partial(_convolve, before.operation, step.operation)
            steps[before.index] = replace(before, run=convolve)
            steps[step.index] = replace(step, run=_passed_on)
    return replace(graph, steps=tuple(steps))


def _is_fixed_normalization(step: Step) -> bool:
    """Whether the step scales and shifts each channel by what it learned, as at inference."""
    layer = step.operation
    return (
        isinstance(layer, keras.layers.BatchNormalization)
        and type(layer).call is keras.layers.BatchNormalization.call
        and layer.axis in (-1, len(step.shape) - 1)
        and not step.kwargs.get("training")
        and not any(argument is True for argument in step.args)
        and layer.compute_dtype == "float32"
    )


def _is_plain_convolution(step: Step) -> bool:
    """Whether the step is a convolution and nothing after it, in single precision."""
    layer = step.operation
    is_own = isinstance(layer, keras.layers.Conv2D) and (
        type(layer).call is keras.layers.Conv2D.call
    )
    linear = step.half == "" and getattr(layer, "activation", None) in (
        None,
        keras.activations.linear,
    )
    return is_own and linear and layer.compute_dtype == "float32"


def _convolve(
    convolution: keras.layers.Conv2D, norm: keras.layers.BatchNormalization, x: Any, **_: Any
) -> Any:
    """What ``norm`` makes of what ``convolution`` makes of ``x``."""
    ops = keras.ops
    factor = ops.rsqrt(ops.add(norm.moving_variance, norm.epsilon))
    if norm.scale:
        factor = ops.multiply(factor, norm.gamma)
    shift = ops.multiply(ops.negative(norm.moving_mean), factor)
    if norm.center:
        shift = ops.add(shift, norm.beta)
    if convolution.use_bias:
        shift = ops.add(shift, ops.multiply(convolution.bias, factor))
    made = convolution.convolution_op(x, ops.multiply(convolution.kernel, factor))
    return ops.add(made, ops.reshape(shift, (1, 1, 1, -1)))


def _passed_on(x: Any, *_: Any, **__: Any) -> Any:
    """The normalized maps, as they come out of the convolution."""
    return x
