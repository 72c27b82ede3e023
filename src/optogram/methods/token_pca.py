"""Token PCA: the tokens of photos in three colors, their principal components."""

from typing import Any

import numpy as np

from optogram.arguments import checked, number
from optogram.errors import InputError
from optogram.graph.steps import Output
from optogram.graph.token_grids import Placed
from optogram.interpreters.attention import attention_layers
from optogram.interpreters.layerwise import tokens_after
from optogram.methods.request.diagnosis import warnings_about_images
from optogram.methods.request.explained_layer import step_with_maps
from optogram.methods.request.principal import singular_vectors
from optogram.methods.request.request import photos_of, provenance_of
from optogram.network.network import Network
from optogram.pictures.prepared import PreparedPhotos
from optogram.progress import ShownProgress, reporting
from optogram.result import TokenPCA
from optogram.words import counted

COMPONENTS = 3
_DEVIATIONS_OF_A_NORMAL = 1.4826
"""Standard deviation of a normal distribution, as a multiple of its median absolute deviation."""
_LEAST = 0.01
"""Share of the median norm that a standard deviation counts as at least: others are rounding."""


@checked
def token_pca(
    net: Network,
    image: Any,
    layer: str | None = None,
    *,
    threshold: float = 6.0,
    fit: str | None = None,
    memory: float | str | None = None,
    progress: ShownProgress = None,
) -> TokenPCA:
    """The first three principal components of the tokens of one or several photos, as colors.

    As in Oquab et al., "DINOv2" (2023), figure 1: parts that a layer sees alike have like colors,
    in all photos, since the components are common to them. Tokens (positions of all photos,
    channels) are centered; the sign of each component is that of its largest entry.

    Large transformers make a few tokens of the background into registers, whose norm is far higher
    and which tell nothing of their place (Darcet et al., "Vision transformers need registers",
    2024). Tokens whose norm exceeds median + ``threshold`` · 1.4826 · MAD are flagged, where MAD is
    the median absolute deviation of the norms of all tokens; 1.4826 MAD is the standard deviation
    of normal ones, which is counted as 1 % of the median at least. They are left out of the
    components.

    Parameters
    ----------
    net : Network
        The network.
    image
        Image or images, as for `Network.prepare`.
    layer : str, optional
        A layer with feature maps: of tokens, or of a convolutional network. None: the tokens after
        the last block of a transformer, before the norm that follows, which would make all norms
        alike; of other networks `Network.default_layer`.
    threshold : float
        How many standard deviations above the median a norm is high.
    fit : {"stretch", "crop", "pad"}, optional
        See `Network.prepare`.
    memory : float or str, optional
        Memory budget of the passes in bytes, or a string such as ``"2GB"``; None: a quarter of the
        free memory. The tokens come on top.
    progress : bool or callable, optional
        True shows a bar, in terminals and notebooks; a function is called as
        ``progress(done, total, what)``; ``what`` describes the work.

    Returns
    -------
    TokenPCA
        ``values`` (N, h, w, 3), in units of activation; ``norms`` (N, h, w), and ``is_high``, those
        that are flagged.

    Raises
    ------
    InputError
        If the image cannot be used, the layer has no feature maps, or too few tokens are left.
    """
    threshold = number("threshold", threshold, 0)
    name = _default_layer(net) if layer is None else layer
    output = Output(step_with_maps(net, name).index)
    x = net.fed(image, fit)
    photos = x.photos if isinstance(x, PreparedPhotos) else None
    x = np.asarray(x)
    with reporting(progress) as told:
        (maps,) = net.evaluate(x, [output], memory, told)
    maps = maps.astype(np.float64)
    if not np.isfinite(maps).all():
        raise InputError(f"The tokens of {name!r} are NaN or infinite: choose another layer.")
    norms = np.linalg.norm(maps, axis=-1)
    median = np.median(norms)
    deviation = _DEVIATIONS_OF_A_NORMAL * np.median(np.abs(norms - median))
    limit = median + threshold * max(deviation, _LEAST * median)
    is_high = norms > limit
    tokens = maps[~is_high]
    if len(tokens) < 2:
        raise InputError(
            f"{counted(len(tokens), 'token')} of {name!r} would be left for principal components: "
            "choose an earlier layer, with a larger map, or a higher threshold."
        )
    mean = tokens.mean(axis=0)
    centered = tokens - mean
    vectors, squares = singular_vectors(centered, COMPONENTS)
    largest = np.take_along_axis(vectors, np.abs(vectors).argmax(axis=1)[:, None], axis=1)
    vectors = np.where(largest < 0, -vectors, vectors)
    total = (centered**2).sum()
    return TokenPCA(
        values=((maps - mean) @ vectors.T).astype(np.float32),
        method="token_pca",
        parameters={"threshold": threshold},
        provenance=provenance_of(net, x.shape[1:], photos),
        warnings=tuple(
            dict.fromkeys(
                (*net.warnings, *warnings_about_images(net, x, photos), *_warnings(total, name))
            )
        ),
        layer=name,
        vectors=vectors.astype(np.float32),
        mean=mean.astype(np.float32),
        shares=(squares / total if total else np.zeros(COMPONENTS)).astype(np.float32),
        norms=norms.astype(np.float32),
        is_high=is_high,
        highest_norm=float(limit),
        images=net.display(x),
        **photos_of(photos, range(len(x))),
    )


def _default_layer(net: Network) -> str:
    """The map of the tokens after the last block, or the layer that is explained by default."""
    net.require_layers()
    graph = net.graph
    before = graph.ancestors([net.head.output])
    layers = [
        one
        for one in attention_layers(net, net.nominal_size)
        if one.softmax.step in before and one.windows == 1 and one.queries == one.keys
    ]
    after = tokens_after(graph, layers)
    for step in graph.steps if after else ():
        operation = step.operation
        is_map = isinstance(operation, Placed) and not step.part and step.has_maps
        if is_map and after and operation.tokens.index == after[-1].step:
            return step.name
    return net.default_layer


def _warnings(total: float, name: str) -> tuple[str, ...]:
    if total:
        return ()
    return (f"All tokens of {name!r} are equal: they have no components.",)
