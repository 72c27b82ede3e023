"""Correlations of the maps of all units of two layers, such as of two different networks."""

from typing import Any

import numpy as np

from optogram.arguments import checked
from optogram.errors import InputError
from optogram.graph.steps import Output
from optogram.methods.request.diagnosis import warnings_about_images
from optogram.methods.request.explained_layer import step_with_maps
from optogram.methods.request.moments import Moments
from optogram.methods.request.request import provenance_of
from optogram.network.network import Network
from optogram.pictures.prepared import PreparedPhotos
from optogram.progress import ShownProgress, reporting
from optogram.result import UnitCorrelations


@checked
def unit_correlations(
    net: Network,
    image: Any,
    layer: str,
    other_net: Network,
    other_layer: str,
    *,
    fit: str | None = None,
    memory: float | str | None = None,
    progress: ShownProgress = None,
) -> UnitCorrelations:
    """Correlations of the maps of each unit of a layer with those of each unit of another layer.

    r = Pearson's correlation over all positions of all photos, as in Li et al., "Convergent
    learning: do different neural networks learn the same representations?" (ICLR 2016): the unit
    that correlates most is the nearest one. With a single photo and small maps, high correlations
    arise by chance: give several photos.

    Parameters
    ----------
    net, other_net : Network
        The networks; they may be of different architectures.
    image
        Photo, or several, as for `Network.prepare`.
    layer, other_layer : str
        Name of a layer of each network; their maps have the same height and width.
    fit : {"stretch", "crop", "pad"}, optional
        See `Network.prepare`.
    memory : float or str, optional
        Memory budget in bytes, or a string such as ``"2GB"``; None: a quarter of the free memory.
    progress : bool or callable, optional
        True shows a bar, in terminals and notebooks; a function is called as
        ``progress(done, total, what)``; ``what`` describes the work.

    Returns
    -------
    UnitCorrelations
        ``values`` (units, other units), in −1…1; NaN for units whose maps are equal everywhere.

    Raises
    ------
    InputError
        If a layer does not exist or has no feature maps, or their maps differ in height or width.
    """
    batches, sides = [], []
    for one, name in ((net, layer), (other_net, other_layer)):
        step = step_with_maps(one, name)
        x = one.fed(image, fit, is_any_size=True)
        batches.append(x)
        sides.append(one.geometry(x.shape[1:3], [Output(step.index)])[step.index].shape[1:3])
    if sides[0] != sides[1]:
        sizes = [f"{height}×{width}" for height, width in sides]
        raise InputError(
            f"The maps of {layer!r} have {sizes[0]} positions and those of {other_layer!r} "
            f"{sizes[1]}: choose layers whose maps have the same size."
        )
    first, second = Moments(), Moments()
    products: Any = 0.0
    with reporting(progress) as told, np.errstate(all="ignore"):
        for i in range(len(batches[0])):
            a, b = (
                _maps(one, name, np.asarray(x)[i : i + 1], memory)
                for one, name, x in zip(
                    (net, other_net), (layer, other_layer), batches, strict=True
                )
            )
            first.add(a)
            second.add(b)
            products = products + (a.T @ b).astype(np.float64)
            told(i + 1, len(batches[0]), "photos")
        deviations = np.outer(first.deviation, second.deviation)
        covariance = products / first.count - np.outer(first.mean, second.mean)
        values = np.where(deviations > 0, covariance / deviations, np.nan)
    x = batches[0]
    photos = x.photos if isinstance(x, PreparedPhotos) else None
    return UnitCorrelations(
        values=np.clip(values, -1, 1),
        method="unit_correlations",
        parameters={"fit": fit, "photos": len(x)},
        provenance=provenance_of(net, x.shape[1:], photos),
        warnings=(
            *dict.fromkeys((*net.warnings, *other_net.warnings)),
            *warnings_about_images(net, np.asarray(x), photos),
        ),
        layer=layer,
        other_layer=other_layer,
        other=other_net.name,
    )


def _maps(net: Network, name: str, x: np.ndarray, memory: float | str | None) -> np.ndarray:
    """The maps of a layer, (positions, units), in float64."""
    (maps,) = net.evaluate(x, [Output(net.step(name).index)], memory)
    return maps.reshape(-1, maps.shape[-1]).astype(np.float64)
