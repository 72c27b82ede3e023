"""Attention of a layer: which tokens each token of a photo reads."""

from typing import Any

import numpy as np

from optogram.errors import InputError
from optogram.interpreters.attention import AttentionLayer, attention_layers
from optogram.methods.attention import attention as attention_of
from optogram.methods.request.attention import attention_before
from optogram.network.network import Network
from optogram.result import Attention
from optogram.web.asking import MODEL, PHOTO, Tell, question, words
from optogram.web.opening import call, made_again, place_of
from optogram.web.packing import Answer
from optogram.web.photos import Photo
from optogram.web.workspace import Workspace
from optogram.words import counted

MOST = 1 << 23
"""Numbers of one answer, at most: 16 MB. ViT-B/16 has 466 thousand in a layer."""

ATTENTION_LAYER = words("layer", "Name of an attention layer, as `networks` lists them.")


def attention_names(net: Network) -> list[str]:
    """The attention layers between the photo and the score, in order of the network."""
    if net.is_opaque:
        return []
    layers = attention_before(net, net.nominal_size, [net.head.logits])
    return [layer.name for layer in layers]


@question(MODEL, PHOTO, ATTENTION_LAYER)
def attention(workspace: Workspace, tell: Tell, model: Network, photo: Photo, layer: str) -> Answer:
    """Attention of a layer, (heads, queries, keys) of float16; of large ones, the mean of heads.

    With windows, the queries of all windows stand behind each other; keys are those of a window.
    `query_patches` (windows, queries of each) and `key_patches` (windows, keys) are the patches
    that stand there, row · columns + column; those that have no place on the photo, such as the
    class token, are −1. `query_grid` and `grid` are rows, columns and tokens in front; empty if
    unknown.
    """
    found = _found(workspace, model, photo, _layer(workspace, model, photo, layer))
    values = found.values[0] if found.values.ndim == 5 else found.values[:1]
    windows, heads, queries, keys = values.shape
    is_mean = values.size > MOST
    if is_mean:
        values = values.mean(axis=1, keepdims=True)
    values = np.moveaxis(values, 1, 0).reshape(-1, windows * queries, keys)
    given = call("attention", "net", repr(place_of(photo)), repr(layer))
    about = {
        "heads": heads,
        "windows": windows,
        "is_mean": is_mean,
        "query_grid": found.query_grid,
        "grid": found.grid,
        "warnings": [each for each in found.warnings if each not in model.warnings],
        **made_again(
            workspace,
            model,
            [f"attention = {given}", "rows = attention.values[0]"],
            "attention is computed in Python.",
        ),
    }
    arrays = {
        "rows": values.astype(np.float16),
        "query_patches": _patches(found, found.query_grid, queries),
        "key_patches": _patches(found, found.grid, keys),
    }
    return Answer(about, arrays)


def _patches(found: Attention, grid: tuple[int, ...], tokens: int) -> np.ndarray:
    """The patch of each token of each window; −1 for those without a place."""
    if found.windows.size:
        return np.asarray(found.windows, np.int32)
    front = grid[2] if grid else tokens
    numbers = np.arange(-front, tokens - front, dtype=np.int32)
    return np.maximum(numbers, -1)[None]


def _layer(workspace: Workspace, model: Network, photo: Photo, name: str) -> AttentionLayer:
    """The layer called ``name``, for the size that the network takes the photo at."""
    size = np.shape(workspace.prepared(model, photo))[1:3]
    layers = [] if model.is_opaque else attention_layers(model, (size[0], size[1]))
    layer = next((each for each in layers if each.name == name), None)
    if layer is None:
        raise InputError(f"{model.name!r} has no attention layer {name[:80]!r}.")
    if layer.windows * layer.queries * layer.keys > MOST:
        raise InputError(
            f"The attention of {name!r} is of {counted(layer.queries, 'query', 'queries')} and "
            f"{counted(layer.keys, 'key')}, more than the explorer shows: "
            "og.attention(net, photo, layer) has it."
        )
    return layer


def _found(workspace: Workspace, model: Network, photo: Photo, layer: AttentionLayer) -> Attention:
    """The attention of a layer for a photo, which is kept."""

    def make() -> tuple[Any, int]:
        x = workspace.prepared(model, photo)
        found = attention_of(workspace.uncompiled(model), x, layer.name)
        return found, found.values.nbytes

    key = ("attention", id(model), photo.id, layer.name)
    made: Attention = workspace.objects.once(key, make)
    return made
