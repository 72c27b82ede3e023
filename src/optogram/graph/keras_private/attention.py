"""Attention in steps: query, key and value, their scores, softmax, and the product.

Keras has fused kernels for it, whose scores cannot be read. This file uses private parts of Keras.
"""

import math
from collections.abc import Mapping
from typing import Any

import keras
from keras.src.backend import get_keras_mask
from keras.src.models.functional import Functional

from optogram.graph.keras_private import nodes
from optogram.graph.keras_private.copies import view

_LAYERS = (
    keras.layers.AdditiveAttention,
    keras.layers.Attention,
    keras.layers.GroupQueryAttention,
    keras.layers.MultiHeadAttention,
)
_CODE = ("call", "_compute_attention", "_calculate_scores", "_apply_scores")
_FUSED = "DotProductAttention"
"""Class of the operation ``keras.ops.dot_product_attention``."""
_PRODUCTS = ("Einsum", "Matmul")


def is_attention(operation: Any) -> bool:
    """Whether ``operation`` is attention, in the code of Keras."""
    for kind in _LAYERS:
        if isinstance(operation, kind):
            own = type(operation)
            return all(getattr(own, name, None) is getattr(kind, name, None) for name in _CODE)
    return type(operation).__name__ == _FUSED and type(operation).__module__.startswith("keras.")


def with_scores(operation: Any, args: tuple, kwargs: Mapping[str, Any], training: bool) -> Any:
    """Call attention on symbols, without a fused kernel; the result as of the plain call.

    Raises
    ------
    ValueError
        If a mask is attached to a tensor that it reads, which its graph would not have.
    """
    if not isinstance(operation, keras.Layer):
        return _attention(*args, **kwargs, settings=vars(operation))
    if any(get_keras_mask(leaf) is not None for leaf in keras.tree.flatten((args, kwargs))):
        raise ValueError("masked")
    told = {**kwargs, "training": training, "return_attention_scores": True}
    made = view(operation, _flash_attention=False).call(*args, **told)
    return made if kwargs.get("return_attention_scores") else made[0]


def names(graph: Functional) -> dict[int, str]:
    """Names for the scores, their softmax and the product, by the id of their output."""
    found, products = dict[int, str](), iter(("scores", "product"))
    for call in nodes.calls(graph):
        kind = type(call.operation).__name__
        if kind in _PRODUCTS:
            found[id(call.outputs[0])] = next(products, kind.lower())
        elif kind == "Softmax":
            found[id(call.outputs[0])] = "softmax"
    return found


def _attention(
    query: Any,
    key: Any,
    value: Any,
    bias: Any = None,
    mask: Any = None,
    *,
    settings: Mapping[str, Any],
    **others: Any,
) -> Any:
    """``keras.ops.dot_product_attention`` of (N, tokens, heads, size), in operations."""
    ops: Any = keras.ops
    given = {**settings, **others}
    scale = given.get("scale") or 1 / math.sqrt(query.shape[-1])
    groups = query.shape[2] // key.shape[2]
    if groups > 1:
        key, value = (ops.repeat(each, groups, axis=2) for each in (key, value))
    scores = ops.einsum("btnh,bsnh->bnts", query * ops.cast(scale, query.dtype), key)
    cap = given.get("attn_logits_soft_cap")
    if cap is not None:
        scores = ops.multiply(ops.tanh(ops.divide(scores, cap)), cap)
    if bias is not None:
        scores = ops.add(scores, ops.cast(bias, scores.dtype))
    if given.get("is_causal"):
        rows, columns = (ops.arange(side) for side in scores.shape[2:])
        causal = ops.greater_equal(rows[:, None], columns[None, :])
        mask = causal if mask is None else ops.logical_and(mask, causal)
    if mask is not None:
        scores = ops.where(mask, scores, ops.cast(-1e30, scores.dtype))
    return ops.einsum("bnts,bsnh->btnh", ops.softmax(scores, axis=-1), value)
