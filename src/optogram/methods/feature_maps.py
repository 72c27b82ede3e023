"""Feature maps: the outputs of layers."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from optogram.arguments import checked
from optogram.errors import InputError
from optogram.graph import layer_types
from optogram.graph.steps import Output, Step
from optogram.graph.token_grids import Placed
from optogram.interpreters.gradients import Weights, gradients
from optogram.methods.request.diagnosis import warnings_about_images, warnings_about_maps
from optogram.methods.request.explained_layer import step_with_maps
from optogram.methods.request.request import photos_of, provenance_of
from optogram.network.network import Network
from optogram.network.predictions import made_bytes
from optogram.pictures.prepared import PreparedPhotos
from optogram.progress import ShownProgress, reporting
from optogram.result import FeatureMaps
from optogram.target import stacked_weights, targets_of

_LISTED = (*layer_types.CONVOLUTIONS_AND_TRANSPOSED, *layer_types.LOCAL_POOLING)


@checked
def feature_maps(
    net: Network,
    image: Any,
    layers: str | Sequence[str] | None = None,
    *,
    target: Any = None,
    fit: str | None = None,
    size: tuple[int | None, int | None] | None = None,
    memory: float | str | None = None,
    progress: ShownProgress = None,
) -> dict[str, FeatureMaps]:
    """The feature maps of layers for images, from one forward pass.

    Gallery: ``docs/gallery/layer_outputs_and_patterns.py``, ``docs/gallery/pooling_layers.py``.

    Parameters
    ----------
    net : Network
        The network; only the steps up to the last layer in ``layers`` are run.
    image
        Image or images, as for `Network.prepare`.
    layers : str or sequence of str, optional
        Names of layers with feature maps, or patterns such as "block*_pool"; see
        `Network.layer_names`. None: all convolution and pooling layers, and the sums of
        transformers, or, where there are none of these, all steps with feature maps.
    target : Target, int or str, or a list of one per image, optional
        A score for which the contribution of each map is computed too, from the gradient at each
        layer; see `FeatureMaps.contributions`. None: no gradients are computed.
    fit : {"stretch", "crop", "pad"}, optional
        See `Network.prepare`.
    size : (height, width), optional
        Input size in pixels. With None for one side, such as (None, 400), the photo keeps its
        proportions. The size may differ from the network's own: convolutions and poolings take
        any size. None: the network's size.
    memory : float or str, optional
        Memory budget in bytes, or a string such as ``"2GB"``; None: a quarter of the free memory.
        The maps returned come on top. With ``size``, images are fed one at a time.
    progress : bool or callable, optional
        True shows a bar, in terminals and notebooks; a function is called as
        ``progress(done, total, what)``; ``what`` describes the work.

    Returns
    -------
    dict of str to FeatureMaps
        One result per layer, in the order of ``layers``; ``values`` (N, h, w, C).

    Raises
    ------
    InputError
        If the image or the target cannot be used, a layer does not exist or has no feature maps,
        or the layers do not accept images of this size.
    """
    if layers is None:
        net.require_layers()
        listed = [step.name for step in net.graph.steps if _is_listed(step)]
        layers = listed or list(net.map_layers()) or [net.default_layer]
    names = net.layer_names(layers)
    values = [Output(step_with_maps(net, name).index) for name in names]
    x = net.fed(image, fit, size, is_any_size=True)
    photos = x.photos if isinstance(x, PreparedPhotos) else None
    x, known = np.asarray(x), photos_of(photos, range(len(x)))
    contributions: list[np.ndarray | None] = [None] * len(names)
    with reporting(progress) as told:
        if target is None:
            found = net.evaluate(x, values, memory, told, made_bytes(x, image))
        else:
            weights = _score(net, target, x)
            answer = gradients(net, x, weights, values, memory=memory, progress=told)
            found = [place.maps for place in answer.at]
            contributions = [_contributions(place.maps, place.gradient[0]) for place in answer.at]
    warnings = (*net.warnings, *warnings_about_images(net, x, photos))
    pictures, provenance = net.display(x), provenance_of(net, x.shape[1:], photos)
    return {
        name: FeatureMaps(
            values=maps,
            method="feature_maps",
            parameters={"fit": known["fit"], "size": x.shape[1:3]},
            provenance=provenance,
            warnings=(
                *warnings,
                *warnings_about_maps(maps, [f"image {i}" for i in range(len(maps))]),
            ),
            images=pictures,
            layer=name,
            contributions=own,
            **_fields(net, value, x.shape[1:3]),
            **known,
        )
        for name, value, maps, own in zip(names, values, found, contributions, strict=True)
    }


def _fields(net: Network, value: Output, size: tuple[int, int]) -> dict[str, Any]:
    """The receptive field of each row and of each column of the maps."""
    found = net.geometry(size, [value])[value.step]
    rows, columns = (
        found.receptive_field.spans(axis, np.arange(found.shape[1 + axis] or 0), size[axis])
        for axis in (0, 1)
    )
    return {"field_rows": rows, "field_columns": columns}


def _contributions(maps: np.ndarray, slopes: np.ndarray) -> np.ndarray:
    """(N, C): Σ |∂S/∂A · (A − mean A)| for maps (N, h, w, C) and the gradients there."""
    varying = maps - maps.mean(axis=(1, 2), keepdims=True)
    return np.abs(np.multiply(varying, slopes, out=varying)).sum(axis=(1, 2))


def _score(net: Network, target: Any, x: np.ndarray) -> Weights:
    """The score of each image, as weights on outputs (1, N or 1, ...)."""
    targets = targets_of(target)
    if len(targets) not in (1, len(x)):
        raise InputError(
            f"Got {len(x)} images and {len(targets)} targets: give one target, or one per image."
        )
    stacked = stacked_weights(targets, net, x.shape[1:3], "logit")
    return {output: array[None] for output, array in stacked.items()}


def _is_listed(step: Step) -> bool:
    if not (step.is_layer and step.has_maps):
        return False
    if isinstance(step.operation, Placed):  # in transformers, the sums of each block
        return step.operation.tokens.kind == "Add"
    return isinstance(step.operation, _LISTED)
