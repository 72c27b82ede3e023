"""The pictures of a survey's page: sprite sheets of patterns and crops, for each layer."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from optogram.progress import Progress
from optogram.render import visible, write
from optogram.render.canvas import blank
from optogram.render.numbers import boxed
from optogram.surveying.crops import scaled
from optogram.surveying.opened import StrongestPhoto, Survey

SHEET = 32
"""Units of a sheet."""
CROP, PATTERN, PREVIEW = 96, 160, 64
"""Longer side of the pictures in pixels."""
_PREVIEWED = 8
_AT_ONCE = 8192
"""Crops that are in memory at a time: about 220 MB."""
_QUALITY = 80

Cut = tuple[str, int, int, StrongestPhoto]
"""Layer, row among the units with pictures, rank, and the crop."""


@dataclass
class Drawn:
    """The pictures of a layer.

    Attributes
    ----------
    units : list of int
        The units with pictures, in the order of their sprites.
    photos, labels : list of str
        Names of the photos, and their labels, if they have some.
    crops : list of list of [photo, activation, width, height]
        For each unit, its crops: index of the photo, and size in the sheet; 0 where it is gone.
    patterns : list of int
        Number of patterns of each unit.
    side : (width, height)
        Of a pattern.
    top : int
        Crops in a row of a sheet.
    preview : int
        Number of pictures in the preview of the layer.
    """

    units: list[int]
    photos: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    crops: list[list[list[Any]]] = field(default_factory=list)
    patterns: list[int] = field(default_factory=list)
    side: tuple[int, int] = (PATTERN, PATTERN)
    top: int = 0
    preview: int = 0

    def as_json(self) -> dict[str, Any]:
        """What the page needs to show them."""
        return {
            "shown": self.units,
            "photos": self.photos,
            "labels": self.labels,
            "crops": self.crops,
            "patterns": self.patterns,
            "side": self.side,
            "cell": CROP,
            "top": self.top,
            "sheet": SHEET,
        }


def draw(
    survey: Survey,
    chosen: Mapping[str, Sequence[int]],
    folder: Path,
    files: Mapping[str, str],
    told: Progress,
) -> dict[str, Drawn]:
    """Write the sheets of the ``chosen`` units of each layer, next to the ``files`` of layers."""
    drawn = {layer: Drawn(list(chosen.get(layer, ()))) for layer in files}
    first_pattern = {
        layer: _draw_patterns(survey, layer, one, folder / files[layer])
        for layer, one in drawn.items()
    }
    total = sum(len(one.units) for one in drawn.values())
    done = 0
    for group in _groups(survey, drawn):
        sheets = _draw_crops(survey, group, drawn)
        for layer in group:
            _write_sheets(sheets[layer], folder / f"{files[layer]}-crops")
            shown = first_pattern[layer] or _first_crops(sheets[layer], drawn[layer])
            _write_preview(shown, drawn[layer], folder / f"{files[layer]}-preview.webp")
            done += len(drawn[layer].units)
            told(done, total, "units drawn")
    return drawn


def _groups(survey: Survey, drawn: Mapping[str, Drawn]) -> list[list[str]]:
    """Layers whose crops are made at once: each photo is read once for all of them."""
    top = _ranks(survey)
    groups: list[list[str]] = []
    room = 0
    for layer, one in drawn.items():
        if not one.units:
            continue
        need = len(one.units) * top
        if not groups or need > room:
            groups.append([])
            room = _AT_ONCE
        groups[-1].append(layer)
        room -= need
    return groups


def _ranks(survey: Survey) -> int:
    return int(survey.identity["top"]) if "strongest_photo" in survey.columns else 0


def _draw_patterns(survey: Survey, layer: str, one: Drawn, place: Path) -> list[Image.Image]:
    """Write the sheets of patterns, a row for each unit; returns the first few."""
    made = set(map(int, survey.units_with_patterns(layer)))
    if not made.intersection(one.units):
        return []
    first = []
    for start in range(0, len(one.units), SHEET):
        rows = []
        for unit in one.units[start : start + SHEET]:
            found = survey.patterns(layer, unit) if unit in made else None
            pictures = [] if found is None else [_at_most(visible(each)) for each in found]
            one.patterns.append(len(pictures))
            rows.append(pictures)
        _fill(rows, one, f"{place}-patterns-{start // SHEET}.webp")
        first += [row[0] for row in rows if row]
    return first[:_PREVIEWED]


def _fill(rows: list[list[Image.Image]], one: Drawn, path: str) -> None:
    """Write rows of pictures of one size as a sheet, if there are any."""
    pictures = [picture for row in rows for picture in row]
    if not pictures:
        return
    width, height = one.side = pictures[0].size
    sheet = blank(width * max(map(len, rows)), height * len(rows))
    for number, row in enumerate(rows):
        for variant, picture in enumerate(row):
            sheet.paste(picture, (variant * width, number * height))
    write(sheet, path, quality=_QUALITY)


def _draw_crops(
    survey: Survey, group: Sequence[str], drawn: Mapping[str, Drawn]
) -> dict[str, list[Image.Image]]:
    """The sheets of crops of some layers: a row for each unit, a column for each rank."""
    top = _ranks(survey)
    sheets: dict[str, list[Image.Image]] = {}
    wanted = defaultdict[int, list[Cut]](list)
    for layer in group:
        one = drawn[layer]
        rows = [min(SHEET, len(one.units) - start) for start in range(0, len(one.units), SHEET)]
        sheets[layer] = [blank(top * CROP, count * CROP) for count in rows] if top else []
        one.top, one.crops = top, [[] for _ in one.units]
        if top:
            _list_crops(survey, layer, one, wanted)
    for photo in sorted(wanted):
        for layer, row, rank, crop in wanted[photo]:
            picture = survey.crop(crop, CROP)
            if picture is None:
                continue
            picture = _located(picture, crop, survey.maps[layer], survey.identity["size"])
            drawn[layer].crops[row][rank][2:] = picture.size
            sheets[layer][row // SHEET].paste(picture, (rank * CROP, row % SHEET * CROP))
    return sheets


def _located(
    picture: Image.Image, crop: StrongestPhoto, maps: tuple[int, int], size: Sequence[int]
) -> Image.Image:
    """A crop that is the whole photo, such as of units of transformers, with the element framed."""
    top, left, bottom, right = crop.window
    is_whole = top <= 0 and left <= 0 and bottom >= size[0] and right >= size[1]
    if not is_whole or maps == (1, 1):
        return picture
    (row, column), (rows, columns) = crop.position, maps
    down, across = picture.height / rows, picture.width / columns
    return boxed(picture, (row * down, column * across, (row + 1) * down, (column + 1) * across))


def _list_crops(
    survey: Survey, layer: str, one: Drawn, wanted: defaultdict[int, list[Cut]]
) -> None:
    """Add the crops of a layer to those that are ``wanted`` of each photo."""
    names = ("photo", "activation", "window", "position")
    photos, values, windows, places = (
        survey.column(f"strongest_{name}", layer)[one.units] for name in names
    )
    numbers: dict[int, int] = {}
    for row, of_unit in enumerate(photos):
        for rank, photo in enumerate(map(int, of_unit)):
            if photo < 0:  # fewer photos than ranks
                break
            if photo not in numbers:
                numbers[photo] = len(numbers)
                one.photos.append(survey.photos[photo])
                if survey.labels is not None:
                    one.labels.append(survey.labels[photo])
            value = float(f"{values[row, rank]:.4g}")
            one.crops[row].append([numbers[photo], value, 0, 0])
            top, left, bottom, right = map(float, windows[row, rank])
            window = (top, left, bottom, right)
            place = (int(places[row, rank, 0]), int(places[row, rank, 1]))
            crop = StrongestPhoto(survey.photos[photo], value, place, window)
            wanted[photo].append((layer, row, rank, crop))


def _first_crops(sheets: list[Image.Image], one: Drawn) -> list[Image.Image]:
    """The strongest crop of the first few units."""
    found = []
    for row, crops in enumerate(one.crops[:SHEET]):
        if crops and crops[0][2]:
            width, height = crops[0][2:]
            top = row * CROP
            found.append(sheets[0].crop((0, top, width, top + height)))
    return found[:_PREVIEWED]


def _write_preview(pictures: list[Image.Image], one: Drawn, path: Path) -> None:
    if not pictures:
        return
    one.preview = len(pictures)
    sheet = blank(PREVIEW * len(pictures), PREVIEW)
    for number, picture in enumerate(pictures):
        square = picture.resize((PREVIEW, PREVIEW), Image.Resampling.LANCZOS)
        sheet.paste(square, (number * PREVIEW, 0))
    write(sheet, path, quality=_QUALITY)


def _write_sheets(sheets: Sequence[Image.Image], place: Path) -> None:
    for number, sheet in enumerate(sheets):
        write(sheet, f"{place}-{number}.webp", quality=_QUALITY)


def _at_most(picture: Image.Image) -> Image.Image:
    """A pattern, reduced if it is larger than the cells."""
    return scaled(picture, PATTERN) if max(picture.size) > PATTERN else picture
