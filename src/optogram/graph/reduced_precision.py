"""The same network, rounding otherwise: large products in bfloat16, normalizations folded.

Convolutions of many channels and products on tokens read and return bfloat16, with sums in
float32; so do the steps between them that only move or compare numbers. What is limited by memory,
such as depthwise convolutions and normalizations, stays float32, as does all that has no maps:
global pooling, the layers behind it, and softmax. Of a separable convolution, only the product is
in bfloat16.
"""

import math
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import keras

from optogram.graph import layer_types
from optogram.graph.keras_private.copies import view, with_dtype_policy
from optogram.graph.steps import Graph, Output, Step

BFLOAT16, FLOAT32 = "bfloat16", "float32"
FOLDED = "folded"
_POLICY = "mixed_bfloat16"
_LEAST_WORK = 64
"""Operations of a product per number that it reads or writes; with fewer, memory limits it."""
_COMPARING = ("Concatenate", "MaxPooling2D", "ReLU", "ZeroPadding2D", "relu", "relu6")
"""Kinds of steps, and of activations, that return numbers that they read, or constants."""
_TOKENS = 3
"""Least number of axes of maps and of tokens."""


@dataclass(frozen=True)
class Reduced:
    """A graph with products in bfloat16.

    Attributes
    ----------
    graph : Graph
        The graph; its steps are those of the other graph.
    products : frozenset of int
        Indices of the products.
    """

    graph: Graph
    products: frozenset[int]


def with_reduced_precision(graph: Graph, in_bfloat16: bool = True) -> Reduced:
    """``graph`` with its large products, and the steps between them, in bfloat16.

    Batch normalizations may be folded into the convolutions before them. Not ``in_bfloat16``: this
    is all that differs.
    """
    low, products, steps = set[Output](), set[int](), list[Step]()
    for step in graph.steps:
        if in_bfloat16 and _is_large_product(step):
            products.add(step.index)
        if step.index in products or _follows(step, low):
            low.add(Output(step.index))
            step = replace(step, run=_in_bfloat16(step.run), dtypes=(BFLOAT16,))
        elif not low.isdisjoint(step.inputs) and not isinstance(step.run, keras.Layer):
            # Layers convert what they read to their own dtype.
            step = replace(step, run=partial(_in_float32, step.run))
        steps.append(step)
    rounding = BFLOAT16 if products else FOLDED
    return Reduced(replace(graph, steps=tuple(steps), rounding=rounding), frozenset(products))


def _in_bfloat16(run: Any) -> Any:
    """``run``, in bfloat16 if it is a layer; other operations compute in what they are given."""
    if not isinstance(run, keras.Layer):
        return run
    if type(run) is keras.layers.SeparableConv2D:
        return view(run, product_dtype=BFLOAT16)  # see `faster` in `optogram.backend`
    return with_dtype_policy(run, _POLICY)


def _is_large_product(step: Step) -> bool:
    layer = step.operation
    if step.half == "activation" or step.dtypes != (FLOAT32,):
        return False
    # Other layouts and quantized weights have code of their own.
    if not isinstance(step.run, keras.Layer) or getattr(layer, "quantization_mode", None):
        return False
    if not layer.autocast:
        return False
    kernel: Any = getattr(layer, "kernel", None)
    strides = getattr(layer, "strides", (1, 1))
    if type(layer) is keras.layers.SeparableConv2D:
        kernel, strides = layer.pointwise_kernel, (1, 1)  # the product only reads what is left
    elif type(layer) is keras.layers.Conv2D:
        if layer.groups > 1 or step.shape[1:3] == (1, 1):
            return False
    elif type(layer) not in layer_types.DENSE or len(step.shape) < _TOKENS:
        return False
    *_, channels, filters = kernel.shape
    moved = channels * math.prod(strides) + filters
    return 2 * math.prod(kernel.shape) >= _LEAST_WORK * moved


def _follows(step: Step, low: set[Output]) -> bool:
    """Whether a step only moves or compares what is bfloat16 already."""
    if not step.inputs or step.dtypes != (FLOAT32,) or not low.issuperset(step.inputs):
        return False
    kind = step.kind
    if isinstance(step.operation, keras.layers.Activation):
        kind = getattr(step.operation.activation, "__name__", kind)
    return step.passes_on or kind in _COMPARING


def _in_float32(run: Any, *args: Any, **kwargs: Any) -> Any:
    """The result of ``run`` for tensors that are converted from bfloat16."""

    def converted(leaf: Any) -> Any:
        dtype = getattr(leaf, "dtype", None)
        is_low = dtype is not None and keras.backend.standardize_dtype(dtype) == BFLOAT16
        return keras.ops.cast(leaf, FLOAT32) if is_low else leaf

    args, kwargs = keras.tree.map_structure(converted, (args, kwargs))
    return run(*args, **kwargs)
