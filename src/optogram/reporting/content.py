"""Content of the report: pictures and numbers, computed by the methods, drawn by render."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from operator import gt
from typing import Any

import keras
from PIL import Image

from optogram.methods.feature_maps import feature_maps
from optogram.methods.gradcam import gradcam
from optogram.methods.kernels import kernels
from optogram.methods.occlusion import occlusion
from optogram.methods.request.request import provenance_of
from optogram.methods.saliency import saliency
from optogram.network.layer import field_text, row, totals
from optogram.network.network import Network
from optogram.network.predictions import Prediction
from optogram.progress import Meter
from optogram.render import Scale, compact, data_uri, scale_of
from optogram.reporting.photos import Photo
from optogram.result import Attribution, FeatureMaps, Occlusion
from optogram.words import counted

_LISTED = 5
_MOSAIC_LIMIT = 64
_MOSAIC_SIDE = 1000
_STRONGEST_NAMED = 5
_QUALITY = 85

# Approximate cost of each step, in percent of a photo.
_PREDICTION_UNITS = 5
_MAPS_UNITS = 15
_Method = tuple[str, Callable[..., Attribution], int]
_METHODS: tuple[_Method, ...] = (
    ("Grad-CAM", gradcam, 10),
    ("saliency", saliency, 10),
    ("occlusion", occlusion, 60),
)


@dataclass(frozen=True)
class Picture:
    """A picture of the page.

    Attributes
    ----------
    uri : str
        The image as a data URI.
    alt : str
        Alternative text.
    width, height : int
        Size in pixels.
    """

    uri: str
    alt: str
    width: int
    height: int


@dataclass(frozen=True)
class Cell:
    """One method's result for one class: its picture, and its numbers as text."""

    picture: Picture
    numbers: str


@dataclass(frozen=True)
class Explanation:
    """One method's results for all explained classes.

    Attributes
    ----------
    method, title : str
        Name of the function, and title of the method.
    layer : str or None
        The explained layer, for methods that explain one.
    grid : (int, int)
        Rows and columns of the map.
    parameters : mapping
        Arguments of the method.
    scale : Scale
        Common scale of all cells.
    cells : tuple of Cell
        One per class.
    """

    method: str
    title: str
    layer: str | None
    grid: tuple[int, int]
    parameters: Any
    scale: Scale
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Stage:
    """Feature maps of the last layer at one map size.

    Attributes
    ----------
    layer, field : str
        Name, and receptive field as text.
    is_field_larger : bool
        Whether the receptive field is larger than the image.
    size : (int, int)
        Rows and columns of its maps.
    count, drawn : int
        Number of maps, and number of maps in the mosaic.
    strongest : tuple of int
        Channels of the strongest maps, strongest first.
    signed : bool
        Whether the maps have negative values.
    mosaic, overlay : Picture
        All maps or the strongest ones, and the strongest one over the photo.
    """

    layer: str
    field: str
    is_field_larger: bool
    size: tuple[int, int]
    count: int
    drawn: int
    strongest: tuple[int, ...]
    signed: bool
    mosaic: Picture
    overlay: Picture


@dataclass(frozen=True)
class Section:
    """Everything about one photo; `predictions` and `explanations` are empty without classes."""

    name: str
    anchor: str
    size: tuple[int, int]
    seen_size: tuple[int, int]
    photo: Picture
    seen: Picture
    predictions: tuple[Prediction, ...]
    explained: tuple[Prediction, ...]
    explanations: tuple[Explanation, ...]
    stages: tuple[Stage, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Filters:
    """The kernels of the first layer.

    Attributes
    ----------
    layer : str
        Name of the layer.
    shape : tuple of int
        (height, width, channels in, kernels).
    scale : Scale
        Weights at the ends of the display range.
    picture : Picture
        All kernels.
    """

    layer: str
    shape: tuple[int, ...]
    scale: Scale
    picture: Picture


@dataclass(frozen=True)
class Anatomy:
    """The section on the network.

    Attributes
    ----------
    provenance : mapping of str
        Provenance, as in every result.
    filters : Filters or None
        Kernels; None if no convolution reads the image.
    rows : tuple of tuple of str
        Name, kind, output, parameters, MFLOPs and receptive field of each layer.
    totals : str
        Totals over all layers, in a sentence.
    """

    provenance: dict[str, str]
    filters: Filters | None
    rows: tuple[tuple[str, ...], ...]
    totals: str


def units(net: Network) -> int:
    """Total units of work of `section` for one photo."""
    attributions = 0 if net.head.is_spatial else sum(cost for _, _, cost in _METHODS)
    return _PREDICTION_UNITS + attributions + _MAPS_UNITS


def section(
    net: Network, photo: Photo, anchor: str, top: int, memory: float | str | None, meter: Meter
) -> Section:
    """Compute and draw everything about one photo, explaining its ``top`` classes."""
    layers = _stage_layers(net, photo.x.shape[1:3])
    with meter.part(_PREDICTION_UNITS, f"{photo.name}: prediction"):
        predictions = _predictions(net, photo, top, memory)
    explained = predictions[:top]
    targets = [prediction.index for prediction in explained]
    explanations: list[Explanation] = []
    warnings: list[str] = []
    for title, method, cost in _methods_for(has_targets=bool(targets), has_maps=bool(layers)):
        with meter.part(cost, f"{photo.name}: {title}") as within:
            result = method(net, photo.x, targets, memory=memory, progress=within)
            explanations.append(_explanation(title, result, photo))
            warnings += _own_warnings(net, title, result.warnings)
    with meter.part(_MAPS_UNITS, f"{photo.name}: feature maps") as within:
        found = feature_maps(net, photo.x, layers, memory=memory, progress=within) if layers else {}
        stages = [_stage(net, maps, photo) for maps in found.values()]
        for layer, maps in found.items():
            warnings += _own_warnings(net, layer, maps.warnings)
    return Section(
        name=photo.name,
        anchor=anchor,
        size=photo.size,
        seen_size=photo.x.shape[1:3],
        photo=_embedded(photo.shown, f"The photo {photo.name}"),
        seen=_embedded(photo.seen, f"{photo.name} as the network saw it"),
        predictions=predictions,
        explained=explained,
        explanations=tuple(explanations),
        stages=tuple(stages),
        warnings=tuple(warnings),
    )


def anatomy(net: Network) -> Anatomy:
    """The section on the network."""
    return Anatomy(
        provenance=provenance_of(net, (*net.size, net.channels)),
        filters=_filters(net),
        rows=tuple(row(layer) for layer in net.layers),
        totals=totals(net.layers, net.model.weights),
    )


def _methods_for(has_targets: bool, has_maps: bool) -> Iterator[_Method]:
    """The available methods: all need a class, and Grad-CAM needs feature maps."""
    return (entry for entry in _METHODS if has_targets and (has_maps or entry[1] is not gradcam))


def _stage_layers(net: Network, size: tuple[int, int]) -> list[str]:
    """The last layer for each size of feature maps between image and score."""
    last: dict[tuple[int, int], str] = {}
    for name, map_size in net.map_layers(size).items():
        last.pop(map_size, None)  # to keep the order of the network
        last[map_size] = name
    return list(last.values())


def _predictions(
    net: Network, photo: Photo, top: int, memory: float | str | None
) -> tuple[Prediction, ...]:
    if net.head.is_spatial:
        return ()
    return tuple(net.ranked(net.scores(photo.x, memory), max(_LISTED, top))[0])


def _explanation(title: str, result: Attribution, photo: Photo) -> Explanation:
    scales = [result.scale(i) for i in range(len(result.targets))]
    # A common scale, so that classes can be compared.
    common = scale_of([end for scale in scales for end in (scale.low, scale.high)])
    cells = tuple(
        Cell(
            _embedded(
                result.overlay(i, photo=photo.below, scale=common),
                f"{title} for {target}, over {photo.name}",
            ),
            _numbers(result, i),
        )
        for i, target in enumerate(result.targets)
    )
    return Explanation(
        method=result.method,
        title=title,
        layer=result.layer,
        grid=result.heatmap.shape[1:],
        parameters=result.parameters,
        scale=common,
        cells=cells,
    )


def _numbers(result: Attribution, index: int) -> str:
    """The map of one class in numbers."""
    if isinstance(result, Occlusion):
        score, lowest = result.score[index], result.scores[index].min()
        return f"score {compact(score)}, lowest with a patch {compact(lowest)}"
    return f"largest value {compact(result.heatmap[index].max())}"


def _stage(net: Network, maps: FeatureMaps, photo: Photo) -> Stage:
    count = maps.values.shape[-1]
    strongest = [int(channel) for channel in maps.strongest(_MOSAIC_LIMIT)[0]]
    shown = strongest if count > _MOSAIC_LIMIT else range(count)
    field = net[maps.layer].receptive_field
    return Stage(
        layer=maps.layer,
        field=field_text(field),
        is_field_larger=all(map(gt, field.size, photo.x.shape[1:3])),
        size=maps.values.shape[1:3],
        count=count,
        drawn=len(shown),
        strongest=tuple(strongest[:_STRONGEST_NAMED]),
        signed=scale_of(maps.values).signed,
        mosaic=_embedded(
            maps.mosaic(channels=shown, cell=_cell(maps.values.shape[1:3], len(shown))),
            f"{len(shown)} feature maps of {maps.layer}",
            flat=True,
        ),
        overlay=_embedded(
            maps.overlay(strongest[0], photo=photo.below),
            f"Feature map {strongest[0]} of {maps.layer}, over {photo.name}",
        ),
    )


def _cell(size: tuple[int, int], count: int) -> int:
    """Longer side of a tile so that ``count`` maps of ``size`` fill a mosaic of the page."""
    longer, room = max(size), _MOSAIC_SIDE // math.ceil(math.sqrt(count))
    return longer * (room // longer) or room


def _filters(net: Network) -> Filters | None:
    """The kernels of the first convolution, if it reads the image."""
    first = next((x for x in net.layers if isinstance(x.operation, keras.layers.Conv2D)), None)
    if first is None:
        return None
    result = kernels(net, first.name)
    if result.values.shape[2] != net.channels:
        return None
    return Filters(
        layer=first.name,
        shape=result.values.shape,
        scale=scale_of(result.values),
        picture=_embedded(
            result.mosaic(),
            f"{counted(result.values.shape[3], 'kernel')} of {first.name}",
            flat=True,
        ),
    )


def _own_warnings(net: Network, who: str, warnings: Sequence[str]) -> Iterator[str]:
    """The warnings of one result, without those of the network."""
    return (f"{who}: {warning}" for warning in warnings if warning not in net.warnings)


def _embedded(image: Image.Image, alt: str, flat: bool = False) -> Picture:
    """A picture for the page; ``flat``: blocks of one color, for which PNG may be smaller."""
    if flat:
        uri = min(data_uri(image, "png"), data_uri(image, "webp", quality=_QUALITY), key=len)
    else:
        uri = data_uri(image, "jpeg", quality=_QUALITY)
    return Picture(uri, alt, image.width, image.height)
