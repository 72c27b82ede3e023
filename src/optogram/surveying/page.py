"""The pages of a survey: an offline microscope of a network's units."""

import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from optogram.arguments import wholes
from optogram.errors import InputError, OutputError, nearest
from optogram.files import MARK, kind_at, require_place
from optogram.pages import templates, write_text
from optogram.progress import Progress
from optogram.surveying import page_pictures
from optogram.surveying.page_pictures import Drawn
from optogram.version import __version__
from optogram.words import counted

if TYPE_CHECKING:
    from optogram.surveying.opened import Survey

STRONGEST = 64
"""Units of a layer that get pictures by default, where no patterns were made."""

_BEST = 3
"""Units of each layer that are listed for a class."""
_DIGITS = 4


def write_page(
    survey: "Survey",
    folder: Path,
    layers: str | Sequence[str] | None,
    units: Iterable[int] | None,
    told: Progress,
) -> Path:
    """Write the pages of a survey; see `Survey.page`."""
    chosen = chosen_units(survey, layers, units)
    place = _made(folder)
    files = {layer: f"layers/{number:03}" for number, layer in enumerate(survey.layers)}
    drawn = page_pictures.draw(survey, chosen, folder, files, told)
    about = _about(survey)
    for layer, file in files.items():
        _write_script(folder / f"{file}.js", "layer", layer, _layer(survey, layer, drawn[layer]))
        about["layers"].append(_summary(survey, layer, file, drawn[layer]))
    if "served_class" in survey.columns:
        _write_script(folder / "classes.js", "classes", _classes(survey))
    _write_script(folder / "survey.js", "open", about)
    page = templates("surveying").get_template("page.html.j2")
    write_text(place, page.render(mark=MARK, model=survey.identity["model"]))
    return place


def chosen_units(
    survey: "Survey", layers: str | Sequence[str] | None, units: Iterable[int] | None
) -> dict[str, list[int]]:
    """The units of each layer that get pictures.

    Raises
    ------
    InputError
        If there is no such layer or unit.
    """
    numbers = None if units is None else list(dict.fromkeys(wholes("units", units)))
    names = list(survey.layers) if layers is None else _matching(survey, layers)
    chosen = {}
    for layer in names:
        count = survey.layers[layer]
        if wrong := [unit for unit in numbers or () if unit >= count]:
            raise InputError(
                f"{layer!r} has {counted(count, 'unit')}, numbered 0 to {count - 1}: {wrong[0]} is "
                "out of range."
            )
        chosen[layer] = _usual(survey, layer) if numbers is None else numbers
    return chosen


def _usual(survey: "Survey", layer: str) -> list[int]:
    """Those with patterns; where there are none, those with the strongest photos."""
    made = survey.units_with_patterns(layer)
    if len(made) or "strongest_activation" not in survey.columns:
        return [int(unit) for unit in made]
    strength = survey.column("strongest_activation", layer)[:, 0]
    order = np.argsort(-np.nan_to_num(strength, nan=-np.inf), kind="stable")
    return [int(unit) for unit in order[:STRONGEST]]


def _matching(survey: "Survey", layers: str | Sequence[str]) -> list[str]:
    """The layers that names or patterns stand for."""
    found: dict[str, None] = {}
    for name in [layers] if isinstance(layers, str) else layers:
        fitting = [name] if name in survey.layers else []
        fitting = fitting or [layer for layer in survey.layers if fnmatchcase(layer, name)]
        if not fitting:
            hint = nearest(name, survey.layers)
            raise InputError(
                f"{survey.place} does not describe a layer {name!r}{': ' if hint else ''}{hint}."
            )
        found.update(dict.fromkeys(fitting))
    return [layer for layer in survey.layers if layer in found]


def _made(folder: Path) -> Path:
    """The place of the page, in a folder that is made and can be written.

    Raises
    ------
    OutputError
        If it cannot be written, or has a page that optogram did not make.
    """
    layers = folder / "layers"
    try:
        layers.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder), tempfile.TemporaryFile(dir=layers):
            pass
    except (FileExistsError, NotADirectoryError) as error:
        place = folder if kind_at(folder) == "file" else layers
        raise OutputError(f"{place} is a file: give another folder for the page.") from error
    except OSError as error:
        raise OutputError(f"{folder} cannot be written: {error.strerror or error}.") from error
    place = folder / "index.html"
    require_place(place)
    return place


def _about(survey: "Survey") -> dict[str, Any]:
    """What the page says on the whole survey."""
    identity = survey.identity
    return {
        "model": identity["model"],
        "store": survey.place,
        "photos": len(survey.photos),
        "unread": len(survey.unread),
        "units": survey.count,
        "size": identity["size"],
        "backend": identity["backend"],
        "keras": identity["keras_version"],
        "optogram": __version__,
        "made": datetime.now(UTC).strftime("%d %B %Y, %H:%M UTC"),
        "classes": list(survey.class_names),
        "hasClasses": "served_class" in survey.columns,
        "quantiles": [float(at) for at in survey.quantiles],
        "layers": [],
    }


def _summary(survey: "Survey", layer: str, file: str, drawn: Drawn) -> dict[str, Any]:
    """What the list of layers says on one."""
    has_fires = "fires" in survey.columns
    fires = survey.column("fires", layer) if has_fires else np.zeros(0)
    return {
        "name": layer,
        "kind": survey.kinds[layer],
        "maps": survey.maps[layer],
        "units": survey.layers[layer],
        "file": file,
        "shown": len(drawn.units),
        "patterns": len(survey.units_with_patterns(layer)),
        "fires": float(np.median(fires)) if has_fires else None,
        "dead": int((fires == 0).sum()) if has_fires else None,
        "preview": drawn.preview,
    }


def _layer(survey: "Survey", layer: str, drawn: Drawn) -> dict[str, Any]:
    """The statistics of all units of a layer, and where the pictures of some are."""
    parts = survey.columns
    found: dict[str, Any] = {
        name: _rounded(survey.column(name, layer)) if name in parts else None
        for name in ("mean", "active", "fires", "quantiles")
    }
    found["strongest"] = None
    if "strongest_activation" in parts:
        found["strongest"] = _rounded(survey.column("strongest_activation", layer)[:, 0])
    found["selectivity"] = found["classes"] = found["nearest"] = None
    if "served_class" in parts:
        found["selectivity"] = _rounded(survey.selectivity(layer))
        found["classes"] = _pairs(survey, layer, "served_class", "served_contribution", 0)
    if "nearest_unit" in parts:
        names = list(survey.layers)
        first = sum(survey.layers[name] for name in names[: names.index(layer)])
        found["nearest"] = _pairs(survey, layer, "nearest_unit", "nearest_correlation", first)
    return found | drawn.as_json()


def _classes(survey: "Survey") -> list[list[Any]]:
    """For each class that was seen: the units of each layer that serve it most, with amounts."""
    found: dict[int, list[Any]] = {}
    for number, layer in enumerate(survey.layers):
        classes, amounts = survey.contributions(layer)
        order = np.argsort(-np.nan_to_num(amounts, nan=-np.inf), axis=1, kind="stable")[:, :_BEST]
        for row, index in enumerate(map(int, classes)):
            best = [
                item
                for unit in map(int, order[row])
                if amounts[row, unit] > 0
                for item in (unit, _number(amounts[row, unit]))
            ]
            if best:
                found.setdefault(index, []).append([number, *best])
    return [[index, found[index]] for index in sorted(found)]


def _pairs(
    survey: "Survey", layer: str, numbers: str, amounts: str, first: int
) -> list[list[float | None]]:
    """Numbers and amounts of each unit, one after the other."""
    both = zip(survey.column(numbers, layer), survey.column(amounts, layer), strict=True)
    return [
        [
            item
            for number, amount in zip(one, of, strict=True)
            if number >= 0
            for item in (int(number) - first, _number(amount))
        ]
        for one, of in both
    ]


def _rounded(values: np.ndarray) -> list[Any]:
    """Numbers as JSON knows them: four digits, None for those that are not known."""
    return [
        _rounded(value) if isinstance(value, np.ndarray) and value.ndim else _number(value)
        for value in values
    ]


def _number(value: Any) -> float | None:
    return float(f"{value:.{_DIGITS}g}") if np.isfinite(value) else None


def _write_script(path: Path, function: str, *content: Any) -> None:
    """Write data as a script: pages of a folder may not read other files."""
    texts = ",".join(_lines(content))
    write_text(path, f"// {MARK}\nmicroscope.{function}({texts});\n")


def _lines(content: Iterable[Any]) -> Iterator[str]:
    for one in content:
        if isinstance(one, Mapping):
            inside = ",\n".join(f"{json.dumps(key)}:{_text(value)}" for key, value in one.items())
            yield f"{{\n{inside}\n}}"
        else:
            yield _text(one)


def _text(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
