"""The units of a survey: statistics, patterns and crops, read from its store."""

from typing import Any

import numpy as np

from optogram.errors import InputError
from optogram.render import as_image, visible
from optogram.surveying.crops import scaled
from optogram.surveying.opened import Survey, SurveyedUnit
from optogram.web.asking import Tell, question, whole, words
from optogram.web.packing import Answer
from optogram.web.workspace import Workspace, whole_number

_MOST = 32
"""Units whose pictures are asked for at once."""
SURVEYED = words("layer", "Name of a layer of the survey.")
UNITS = words("units", f"Numbers of up to {_MOST} units, by commas.")
MOST = whole("most", "Photos of each unit.", 0, 100, 3)
SIDE = whole("side", "Longer side of the pictures in pixels.", 16, 512, 96)


def described(survey: Survey) -> dict[str, Any]:
    """What the page says on a survey."""
    return {
        "model": survey.identity["model"],
        "photos": len(survey.photos),
        "quantiles": survey.quantiles,
        "layers": [
            {
                "name": layer,
                "kind": survey.kinds[layer],
                "maps": survey.maps[layer],
                "units": count,
                "patterns": len(survey.units_with_patterns(layer)),
            }
            for layer, count in survey.layers.items()
        ],
    }


@question(SURVEYED)
def surveyed_layer(workspace: Workspace, tell: Tell, layer: str) -> Answer:
    """The statistics of the units of a layer of the survey, one number for each unit.

    `served` and `nearest`, (units, n), are the classes that each serves most and its nearest units,
    −1 where there are fewer, with `contribution` and `correlation`.
    """
    survey = _survey(workspace)
    arrays: dict[str, np.ndarray] = {}
    about: dict[str, Any] = {"with_patterns": survey.units_with_patterns(layer), "names": {}}
    for name in ("mean", "active", "fires", "quantiles"):
        if name in survey.columns:
            arrays[name] = survey.column(name, layer)
    if "strongest_activation" in survey.columns:
        arrays["strength"] = survey.column("strongest_activation", layer)[:, 0]
    if "served_class" in survey.columns:
        arrays["served"] = survey.column("served_class", layer)
        arrays["contribution"] = survey.column("served_contribution", layer)
        arrays["selectivity"] = survey.selectivity(layer)
        classes = map(int, np.unique(arrays["served"]))
        about["names"] = {index: survey.class_name(index) for index in classes if index >= 0}
    if "nearest_unit" in survey.columns:
        nearest = survey.column("nearest_unit", layer)
        names = list(survey.layers)
        first = sum(survey.layers[name] for name in names[: names.index(layer)])
        arrays["nearest"] = np.where(nearest >= 0, nearest - first, -1)
        arrays["correlation"] = survey.column("nearest_correlation", layer)
    return Answer(about, arrays)


@question(SURVEYED, UNITS, MOST, SIDE, is_long=True)
def surveyed_pictures(
    workspace: Workspace, tell: Tell, layer: str, units: str, most: int, side: int
) -> Answer:
    """The patterns and the strongest crops of units of the survey.

    `patterns` (units, variants, side, side, 3) and `crops` (units, most, side, side, 3) have each
    picture in the upper left corner; `pattern_sizes` and `crop_sizes` are heights and widths, 0
    where there is none, or the photo is gone. `photos` says what the crops are of.
    """
    survey, numbers = _survey(workspace), _numbers(units)
    found = [survey.unit(layer, number) for number in numbers]
    variants = max(0 if one.patterns is None else len(one.patterns) for one in found)
    patterns, pattern_sizes = _room(len(found), variants, side)
    crops, crop_sizes = _room(len(found), most, side)
    photos = []
    for row, one in enumerate(found):
        tell.progress(row, len(found), "pictures of units")
        for variant, pattern in enumerate(() if one.patterns is None else one.patterns):
            _put(scaled(visible(pattern), side), patterns, pattern_sizes, (row, variant))
        for rank, photo in enumerate(one.strongest[:most]):
            crop = survey.crop(photo, side)
            if crop is not None:
                _put(crop, crops, crop_sizes, (row, rank))
        photos.append(_photos(one, most))
    return Answer(
        {"units": numbers, "photos": photos},
        {
            "patterns": patterns,
            "pattern_sizes": pattern_sizes,
            "crops": crops,
            "crop_sizes": crop_sizes,
        },
    )


def _survey(workspace: Workspace) -> Survey:
    if workspace.survey is None:
        raise InputError("There is no survey: run optogram explore net.zarr.")
    return workspace.survey


def _numbers(units: str) -> list[int]:
    numbers = [whole_number(part) for part in units.split(",")]
    known = [number for number in numbers if number is not None]
    if len(known) < len(numbers) or len(known) > _MOST:
        raise InputError(f"units must be up to {_MOST} numbers such as 3,17, got {units[:40]!r}.")
    return known


def _room(units: int, count: int, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Room for pictures, and their sizes."""
    return np.zeros((units, count, side, side, 3), np.uint8), np.zeros((units, count, 2), np.int32)


def _put(picture: Any, room: np.ndarray, sizes: np.ndarray, place: tuple[int, int]) -> None:
    pixels = np.asarray(as_image(picture))
    height, width = sizes[place] = pixels.shape[:2]
    room[place][:height, :width] = pixels


def _photos(one: SurveyedUnit, most: int) -> list[dict[str, Any]]:
    return [
        {"name": each.photo, "activation": each.activation, "label": each.label}
        for each in one.strongest[:most]
    ]
