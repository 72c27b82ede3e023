"""Attention in the report: what the token that stands for the photo reads, layer by layer."""

from collections.abc import Sequence
from typing import Any, TypeVar

from optogram.errors import InputError
from optogram.interpreters.attention import AttentionLayer
from optogram.methods.attention import attention
from optogram.methods.attention_rollout import attention_rollout
from optogram.methods.request.attention import attention_before
from optogram.network.network import Network
from optogram.reporting.photos import Photo
from optogram.result import Attention, Attribution

_LAYERS = 6
"""Layers that are shown, at most."""
_BYTES = 256 << 20
"""Of their attention, at most."""

Thing = TypeVar("Thing")


def some(things: Sequence[Thing], most: int) -> list[Thing]:
    """At most so many of ``things``, evenly spread; the last one is among them."""
    count = min(most, len(things))
    return [things[round((i + 1) * len(things) / count) - 1] for i in range(count)]


def placed_attention(net: Network, size: tuple[int, int]) -> list[AttentionLayer]:
    """The attention layers before the score whose tokens are all the patches of a photo."""
    if net.is_opaque:
        return []
    layers = attention_before(net, size, [net.head.output])
    return [layer for layer in layers if layer.grid is not None and layer.query_grid is not None]


def attention_of(
    net: Network, photo: Photo, memory: float | str | None
) -> tuple[list[Attention], Attribution | None]:
    """(attention of some layers, attention rollout if it can be followed through all layers)."""
    layers = placed_attention(net, photo.x.shape[1:3])
    if not layers:
        return [], None
    each = max(4 * layer.heads * layer.queries * layer.keys for layer in layers)
    names = [layer.name for layer in some(layers, min(_LAYERS, _BYTES // each))]
    found: Any = attention(net, photo.x, names, memory=memory) if names else {}
    try:
        # Which class does not matter.
        rollout = None if net.head.is_spatial else attention_rollout(net, photo.x, memory=memory)
    except InputError:
        rollout = None
    return list(found.values()), rollout
