"""Attention: which tokens each token is made of, head by head."""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import keras
import numpy as np

from optogram.arguments import checked
from optogram.errors import InputError, nearest
from optogram.graph.token_grids import Grid
from optogram.interpreters.attention import AttentionLayer, attention_layers
from optogram.interpreters.attention_windows import window_patches
from optogram.methods.request.diagnosis import warnings_about_images
from optogram.methods.request.request import photos_of, provenance_of
from optogram.network.network import Network
from optogram.network.predictions import made_bytes
from optogram.pictures.prepared import PreparedPhotos
from optogram.progress import ShownProgress, reporting
from optogram.result import Attention


@checked
def attention(
    net: Network,
    image: Any,
    layer: str | Sequence[str] | None = None,
    *,
    fit: str | None = None,
    memory: float | str | None = None,
    progress: ShownProgress = None,
) -> Attention | Any:
    """The attention of layers: the weights by which each token sums the values of all tokens.

    Vaswani et al., "Attention is all you need" (2017), equation 1:
    A = softmax(Q Kᵀ / √d), for each head, with biases and masks where the network has them.

    Gallery: ``docs/gallery/inside_a_transformer.py``.

    Parameters
    ----------
    net : Network
        A network with attention; only the steps up to the last of the layers are run.
    image
        Image or images, as for `Network.prepare`.
    layer : str or sequence of str, optional
        Name of an attention layer, such as ``"transformer_block_2/mha"``, or of its softmax. None:
        the last one between the image and the score. Several names, or a pattern such as ``"*mha"``
        or ``"*"``, give one result for each layer, from one forward pass.
    fit : {"stretch", "crop", "pad"}, optional
        How photos are brought to the input size; see `Network.prepare`.
    memory : float or str, optional
        Memory budget in bytes, or a string such as ``"2GB"``; None: a quarter of the free memory.
        The arrays returned come on top.
    progress : bool or callable, optional
        True shows a bar, in terminals and notebooks; a function is called as
        ``progress(done, total, what)``; ``what`` describes the work.

    Returns
    -------
    Attention, or dict of str to Attention for several layers
        ``values`` (N, heads, queries, keys): a row for each token that looks, a column for each
        that it looks at; rows sum to 1. With windows (N, windows, heads, queries, keys).

    Raises
    ------
    InputError
        If the image cannot be used, or there is no such attention layer.
    """
    net.require_unchanged()
    x = net.fed(image, fit)
    photos = x.photos if isinstance(x, PreparedPhotos) else None
    x, known = np.asarray(x), photos_of(photos, range(len(x)))
    chosen = _chosen(net, attention_layers(net, x.shape[1:3]), layer)
    at = [one.softmax for one in chosen]
    then = tuple(_Shaped(one.windows, one.heads, one.queries, one.keys) for one in chosen)
    found = [np.empty((len(x), *shaped.shape), np.float32) for shaped in then]
    with reporting(progress) as told:
        for part, arrays in net.stream(
            lambda part: x[part],
            len(x),
            x.shape[1:3],
            at,
            memory,
            told,
            then,
            made_bytes(x, image),
        ):
            for whole in reversed(found):
                whole[part] = arrays.pop()
    warnings = tuple(dict.fromkeys((*net.warnings, *warnings_about_images(net, x, photos))))
    pictures, provenance = net.display(x), provenance_of(net, x.shape[1:], photos)
    size = x.shape[1:3]
    results = {
        one.name: Attention(
            values=values,
            method="attention",
            parameters={"fit": known["fit"]},
            provenance=provenance,
            warnings=(*warnings, *_warnings(values)),
            images=pictures,
            layer=one.name,
            **_places(net, size, one),
            **known,
        )
        for one, values in zip(chosen, found, strict=True)
    }
    is_one = layer is None or layer in (chosen[0].name, _softmax(net, chosen[0]))
    return results[chosen[0].name] if is_one else results


@dataclass(frozen=True)
class _Shaped:
    """Gives attention of windows, or without heads, the axes of images and of heads."""

    windows: int
    heads: int
    queries: int
    keys: int

    @property
    def shape(self) -> tuple[int, ...]:
        windows = (self.windows,) if self.windows > 1 else ()
        return (*windows, self.heads, self.queries, self.keys)

    def __call__(self, attention: Any) -> Any:
        return keras.ops.reshape(attention, (-1, *self.shape))


def _chosen(
    net: Network, layers: Sequence[AttentionLayer], asked: str | Sequence[str] | None
) -> list[AttentionLayer]:
    """The attention layers that ``asked`` stands for, in order of the network."""
    net.require_layers()
    if not layers:
        raise InputError(
            f"{net.name!r} has no attention layer: attention is of transformers; feature_maps "
            "shows what the layers of other networks return."
        )
    if asked is None:
        on_the_way = net.graph.ancestors([net.head.output])
        read = [one for one in layers if one.softmax.step in on_the_way]
        return [read[-1] if read else layers[-1]]
    names = [asked] if isinstance(asked, str) else list(asked)
    if not names:
        raise InputError("layer must name at least one layer.")
    found: set[str] = set()
    for name in names:
        own = [one.name for one in layers if name in (one.name, _softmax(net, one))]
        own = own or [one.name for one in layers if fnmatchcase(one.name, name)]
        if not own:
            hint = nearest(name, [one.name for one in layers])
            raise InputError(
                f"{net.name!r} has no attention layer {name!r}: "
                f"{hint or f'its last is {layers[-1].name!r}'}."
            )
        found.update(own)
    return [one for one in layers if one.name in found]


def _softmax(net: Network, layer: AttentionLayer) -> str:
    return net.graph.steps[layer.softmax.step].name


def _places(net: Network, size: tuple[int, int], layer: AttentionLayer) -> dict[str, Any]:
    """Where queries and keys stand on the image, as `Attention` has it."""
    inside = window_patches(net, size, layer)
    if inside is None:
        return {"query_grid": _as_tuple(layer.query_grid), "grid": _as_tuple(layer.grid)}
    grid, patches = (*inside[0], 0), inside[1]
    return {"query_grid": grid, "grid": grid, "windows": patches}


def _as_tuple(grid: Grid | None) -> tuple[int, ...]:
    return () if grid is None else (grid.rows, grid.columns, grid.front)


def _warnings(values: np.ndarray) -> tuple[str, ...]:
    bad = int(np.count_nonzero(~np.isfinite(values)))
    if not bad:
        return ()
    return (f"Attention is not finite at {bad} places: the network overflows for this image.",)
