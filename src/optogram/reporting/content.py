"""Content of the report: pictures and numbers, computed by the methods, drawn by render."""

import inspect
import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from operator import gt

import keras
import numpy as np
from PIL import Image

from optogram.methods import attribution_method
from optogram.methods.check import check
from optogram.methods.feature_maps import feature_maps
from optogram.methods.kernels import kernels
from optogram.methods.request.left_out import left_out
from optogram.methods.request.request import provenance_of
from optogram.network.layer import field_text, row, totals
from optogram.network.network import Network
from optogram.network.outputs import Outputs
from optogram.network.predictions import Prediction
from optogram.progress import Meter
from optogram.render import Scale, compact, data_uri, layer, layer_uri, scale_of, visible
from optogram.reporting.attended import attention_of, placed_attention, some
from optogram.reporting.parts import (
    Anatomy,
    Attended,
    Cell,
    Explanation,
    Filters,
    FilterShown,
    Picture,
    Row,
    Section,
    Settings,
    Stage,
)
from optogram.reporting.photos import Photo
from optogram.result import Attribution, FeatureMaps, Occlusion
from optogram.result.titles import method_title
from optogram.target import Class, Target
from optogram.words import counted

_LISTED = 5
_SAME_SIZE = 4
"""Layers of a network whose maps all have one size."""
_STRONGEST_NAMED = 5
_FILTERS = 3
_FILTER_SIDE = 192
_LAYER_SIDE = 448
_THUMBNAIL = 240
_BLOCK = 6
"""Pixels of a mosaic per element of a map from which PNG is smaller than WebP."""
_QUALITY = 82
_SMALL_QUALITY = 75
CHECK_STEPS = 6
"""Steps of deletion and insertion; fewer than the default of `check`, for speed."""

_ENCODERS = ThreadPoolExecutor(2, "optogram-pictures")
"""Pictures are encoded here while the next ones are computed."""

# Approximate cost of each step, in percent of a photo.
_PREDICTION_UNITS = 5
_MAPS_UNITS = 15
_PATTERN_UNITS = 60
_MAP_UNITS = {"gradcam": 10, "saliency": 10}
_OTHER_MAP_UNITS = 60
_CHECK_TIMES = 5
"""A check computes the map five times more."""


def units(net: Network, settings: Settings) -> int:
    """Total units of work of `section` for one photo."""
    attributions = 0
    if settings.targets or not net.head.is_spatial:
        attributions = sum(map(_map_units, settings.methods))
        attributions += _CHECK_TIMES * sum(map(_map_units, settings.checked))
    patterns = _PATTERN_UNITS if settings.patterns else 0
    return _PREDICTION_UNITS + attributions + _MAPS_UNITS + patterns


def _map_units(method: str) -> int:
    return _MAP_UNITS.get(method, _OTHER_MAP_UNITS)


def section(
    net: Network, photo: Photo, anchor: str, truth: int | None, settings: Settings, meter: Meter
) -> Section:
    """Compute and draw everything about one photo, whose true class is ``truth`` if known."""
    memory = settings.memory
    photo = replace(photo, below=_at_most(photo.below, settings.photo))
    layers = _stage_layers(net, photo.x.shape[1:3])
    with meter.part(_PREDICTION_UNITS, f"{photo.name}: prediction"):
        ranked = _ranked(net, photo, memory)
    places = {prediction.index: prediction for prediction in ranked}
    true = None if truth is None else places.get(truth)
    if net.head.is_spatial:
        rows, targets = _rows_of_places(net, photo, settings)
    else:
        rows, targets = _rows(net, ranked, places, true, settings)
    warnings: list[str] = []
    found: list[Attribution] = []
    gone = left_out(net, settings.methods, photo.x.shape[1:3])
    shown = [name for name in settings.methods if name not in gone]
    with ThreadPoolExecutor(1) as beside:
        verdicts: dict[int, Future[str]] = {}
        for name in shown if targets else ():
            title, method = method_title(name), attribution_method(name)
            with meter.part(_map_units(name), f"{photo.name}: {title}") as within:
                result = method(net, photo.x, targets, memory=memory, progress=within)
            found.append(result)
            warnings += _own_warnings(net, title, result.warnings)
            if name in settings.checked:
                # Each of the two leaves a core idle at times.
                asked = (name, net, photo, targets[0], memory)
                verdicts[len(found) - 1] = beside.submit(_verdict, *asked)
        explanations = [_explanation(result, photo, rows) for result in found]
        for place, verdict in verdicts.items():
            name = found[place].method
            of_check = f"{photo.name}: check of {method_title(name)}"
            with meter.part(_CHECK_TIMES * _map_units(name), of_check):
                explanations[place] = replace(explanations[place], verdict=verdict.result())
    with meter.part(_MAPS_UNITS, f"{photo.name}: feature maps") as within:
        attended, is_class_token = _attended(net, photo, memory)
        first = targets[0] if targets else None
        found_maps = (
            feature_maps(net, photo.x, layers, target=first, memory=memory, progress=within)
            if layers
            else {}
        )
    stages = []
    with meter.part(
        _PATTERN_UNITS if settings.patterns else 0, f"{photo.name}: patterns of filters"
    ) as within:
        for layer_name, maps in found_maps.items():
            stages.append(_stage(net, maps, photo, settings))
            within(len(stages), len(found_maps), "")
            warnings += _own_warnings(net, layer_name, maps.warnings)
    return Section(
        name=photo.name,
        anchor=anchor,
        size=photo.size,
        seen_size=photo.x.shape[1:3],
        thumbnail=_embedded(
            _at_most(photo.below, _THUMBNAIL), f"The photo {photo.name}", quality=_SMALL_QUALITY
        ),
        photo=_embedded(_at_most(photo.shown, settings.photo * 3 // 2), f"The photo {photo.name}"),
        below=_embedded(photo.below, f"The photo {photo.name}"),
        seen=_embedded(_at_most(photo.seen, settings.photo), f"{photo.name} as the network saw it"),
        predictions=tuple(ranked[: max(_LISTED, settings.top)]),
        truth=true,
        rows=tuple(rows),
        explanations=tuple(explanations),
        left_out=tuple((method_title(name), reason) for name, reason in gone.items()),
        attended=attended,
        is_class_token=is_class_token,
        stages=tuple(stages),
        warnings=tuple(warnings),
    )


def _attended(
    net: Network, photo: Photo, memory: float | str | None
) -> tuple[tuple[Attended, ...], bool]:
    """Attention over the photo, and whether it is that of a class token."""
    layers, rollout = attention_of(net, photo, memory)
    found = [
        Attended(
            one.layer,
            one.heads,
            _embedded(
                one.overlay(photo=photo.below), f"Attention of {one.layer}, over {photo.name}"
            ),
        )
        for one in layers
    ]
    if rollout is not None:
        drawn = _embedded(rollout.overlay(photo=photo.below), f"Attention rollout, {photo.name}")
        found.append(Attended("", 0, drawn))
    return tuple(found), any(one.query_grid[2] for one in layers)


def _verdict(
    method: str, net: Network, photo: Photo, target: Target, memory: float | str | None
) -> str:
    """The conclusion of `check` on one map of a method."""
    result = attribution_method(method)(net, photo.x, target, memory=memory)
    return check(result, steps=CHECK_STEPS, memory=memory).sentence


def _rows(
    net: Network,
    ranked: Sequence[Prediction],
    places: dict[int, Prediction],
    true: Prediction | None,
    settings: Settings,
) -> tuple[list[Row], list[Target]]:
    """The scores to explain: the classes asked for, the true class, and a difference."""
    asked = [one.label for one in settings.targets if isinstance(one, Class)]
    shown = [places[net.class_index(label)] for label in asked] or list(ranked[: settings.top])
    if true is not None and true not in shown:
        shown.append(true)
    rows = [Row(prediction.label, prediction) for prediction in shown]
    targets: list[Target] = [Class(prediction.index) for prediction in shown]
    winner = ranked[0]
    # What was expected in place of the winner; else the runner-up.
    others = [other for other in (true, *shown, *ranked) if other not in (None, winner)]
    if others and not net.head.is_binary and others[0] is not None:
        rival = others[0]
        title = f"{rival.label} minus {winner.label}"
        rows.append(Row(title, None, rival.label, winner.label))
        targets.append(Class(rival.index) - Class(winner.index))
    return rows, targets


def _rows_of_places(
    net: Network, photo: Photo, settings: Settings
) -> tuple[list[Row], list[Target]]:
    """The scores to explain, where there is none per class: the regions and boxes asked for."""
    outputs = Outputs(net, photo.x)
    targets = [target.at(outputs) for target in settings.targets]
    return [Row(target.describe(net), None) for target in targets], targets


def anatomy(net: Network) -> Anatomy:
    """The section on the network."""
    return Anatomy(
        provenance=provenance_of(net, (*net.size, net.channels)),
        filters=_filters(net),
        rows=tuple(row(layer) for layer in net.layers),
        totals=totals(net.layers, net.model.weights),
    )


def _first_sentence(method: str) -> str:
    """What a method computes, in one sentence."""
    return (inspect.getdoc(attribution_method(method)) or "").splitlines()[0]


def _stage_layers(net: Network, size: tuple[int, int]) -> list[str]:
    """The last layer for each size of feature maps between image and score.

    Where all have one size, as in transformers: layers that attention reads.
    """
    layers = net.map_layers(size)
    last: dict[tuple[int, int], str] = {}
    for name, map_size in layers.items():
        last.pop(map_size, None)  # to keep the order of the network
        last[map_size] = name
    names = list(last.values())
    if len(names) != 1:
        return names
    places = [net.step(name).index for name in layers]
    before = [bisect_left(places, one.softmax.step) - 1 for one in placed_attention(net, size)]
    read = list(dict.fromkeys(list(layers)[place] for place in before if place >= 0))
    return list(dict.fromkeys([*some(read, _SAME_SIZE), *names]))


def _ranked(net: Network, photo: Photo, memory: float | str | None) -> list[Prediction]:
    """All classes, highest-scoring first; empty without one score per class."""
    if net.head.is_spatial:
        return []
    return net.ranked(net.scores(photo.x, memory), net.head.classes)[0]


def _explanation(result: Attribution, photo: Photo, rows: Sequence[Row]) -> Explanation:
    title = method_title(result.method)
    scales = [result.scale(i) for i in range(len(result.targets))]
    # A common scale, so that classes can be compared.
    of_classes = [
        end
        for row, scale in zip(rows, scales, strict=True)
        for end in (scale.low, scale.high)
        if not row.rival
    ]
    common = scale_of(of_classes)
    cells = tuple(
        _cell_of(title, result, i, photo, row, scales[i] if row.rival else common)
        for i, row in enumerate(rows)
    )
    return Explanation(
        method=result.method,
        title=title,
        says=_first_sentence(result.method),
        layer=result.layer,
        grid=result.heatmap.shape[1:],
        parameters=result.parameters,
        scale=common,
        cells=cells,
    )


def _cell_of(
    title: str, result: Attribution, index: int, photo: Photo, row: Row, scale: Scale
) -> Cell:
    alt = f"{title} for {row.title}, over {photo.name}"
    below = photo.below
    factor = min(1.0, _LAYER_SIDE / max(below.size))
    size = (max(1, round(below.height * factor)), max(1, round(below.width * factor)))
    top, left, bottom, right = map(float, photo.where)
    drawn = layer(size, result.map_on_image(index), scale=scale, where=(top, left, bottom, right))
    return Cell(
        _embedded(result.overlay(index, photo=below, scale=scale), alt),
        Picture(_ENCODERS.submit(layer_uri, drawn), alt, drawn.width, drawn.height),
        _numbers(result, index),
    )


def _numbers(result: Attribution, index: int) -> str:
    """The map of one class in numbers."""
    if isinstance(result, Occlusion):
        score, lowest = result.score[index], result.scores[index].min()
        return f"score {compact(score)}, lowest with a patch {compact(lowest)}"
    return f"largest value {compact(result.heatmap[index].max())}"


def _stage(net: Network, maps: FeatureMaps, photo: Photo, settings: Settings) -> Stage:
    count = maps.values.shape[-1]
    by = "variation" if maps.contributions is None else "contribution"
    strongest = [int(channel) for channel in maps.strongest(settings.maps, by)[0]]
    shown = strongest if count > settings.maps else range(count)
    field = net[maps.layer].receptive_field
    size = maps.values.shape[1:3]
    cell = _cell(size, len(shown), settings.mosaic)
    return Stage(
        layer=maps.layer,
        field=field_text(field),
        is_field_larger=all(map(gt, field.size, photo.x.shape[1:3])),
        size=size,
        count=count,
        drawn=len(shown),
        strongest=tuple(strongest[:_STRONGEST_NAMED]),
        signed=scale_of(maps.values).signed,
        mosaic=_embedded(
            maps.mosaic(channels=shown, cell=cell),
            f"{counted(len(shown), 'feature map')} of {maps.layer}",
            flat=cell >= _BLOCK * max(size),
        ),
        overlay=_embedded(
            maps.overlay(strongest[0], photo=photo.below, scale=_spread(maps, strongest[0])),
            f"Feature map {strongest[0]} of {maps.layer}, over {photo.name}",
        ),
        filters=_strongest_filters(net, maps, strongest[:_FILTERS], photo, settings),
    )


def _spread(maps: FeatureMaps, channel: int) -> Scale:
    """The scale of one map, from its lowest value: what is equal everywhere is left out."""
    values = maps.matrix(channel)
    own = scale_of(values, signed=maps.signed)
    return own if own.signed else Scale(float(values.min()), own.high)


def _strongest_filters(
    net: Network, maps: FeatureMaps, channels: list[int], photo: Photo, settings: Settings
) -> tuple[FilterShown, ...]:
    """The filters ``channels`` of a layer; empty if there is nothing to show of any."""
    patterns = settings.patterns.of(maps.layer, channels) if settings.patterns else {}
    found = []
    for channel in channels:
        name = f"filter {channel} of {maps.layer}"
        crop = _most_active_crop(net, maps, channel, photo)
        pattern = patterns.get(channel)
        found.append(
            FilterShown(
                channel,
                None if crop is None else _small(crop, f"Crop that activates {name} most"),
                None
                if pattern is None
                else _small(visible(pattern), f"Image that maximizes {name}"),
            )
        )
    return tuple(found) if any(one.crop or one.pattern for one in found) else ()


def _most_active_crop(
    net: Network, maps: FeatureMaps, channel: int, photo: Photo
) -> Image.Image | None:
    """The receptive field of the largest value; None if that is about the whole image."""
    field = net[maps.layer].receptive_field
    height, width = photo.x.shape[1:3]
    if field.is_whole or any(map(gt, field.size, (height, width))):
        return None
    values = maps.values[0, ..., channel]
    place = np.unravel_index(int(values.argmax()), values.shape)
    ends = [
        (math.floor(start + at * stride), math.ceil(end + at * stride) + 1)
        for start, end, stride, at in zip(field.start, field.end, field.stride, place, strict=True)
    ]
    (top, bottom), (left, right) = (
        (max(0, low), min(side, high))
        for (low, high), side in zip(ends, (height, width), strict=True)
    )
    picture = visible(net.display(photo.x)[0])
    return picture.crop((left, top, right, bottom)) if top < bottom and left < right else None


def _small(image: Image.Image, alt: str) -> Picture:
    """A crop or pattern at the size of the page; its pixels stay visible if it is small."""
    factor = _FILTER_SIDE / max(image.size)
    size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
    way = Image.Resampling.NEAREST if factor >= 4 else Image.Resampling.LANCZOS
    return _embedded(image.resize(size, way), alt, quality=_SMALL_QUALITY)


def _cell(size: tuple[int, int], count: int, side: int) -> int:
    """Longer side of a tile so that ``count`` maps of ``size`` fill a mosaic of ``side``."""
    longer, room = max(size), side // math.ceil(math.sqrt(count))
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


def _at_most(image: Image.Image, side: int) -> Image.Image:
    smaller = image.copy()
    smaller.thumbnail((side, side), Image.Resampling.LANCZOS)
    return smaller


def _embedded(image: Image.Image, alt: str, flat: bool = False, quality: int = _QUALITY) -> Picture:
    """A picture for the page; ``flat``: large blocks of one color, for which PNG is smaller."""
    encoding = _ENCODERS.submit(data_uri, image, "png" if flat else "webp", quality=quality)
    return Picture(encoding, alt, image.width, image.height)
