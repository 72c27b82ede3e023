"""The boxes of objects: from a table, a mapping or a sequence."""

import csv
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from optogram.arguments import as_float, shown
from optogram.errors import InputError
from optogram.evaluating.measures.localization import Box
from optogram.files import kind_at, reading
from optogram.pictures.prepared import PreparedPhoto

_PHOTO = ("photo", "file", "filename", "file_name", "path", "image", "image_id", "name")
_SIDES = (
    ("top", "y_min", "ymin", "y1"),
    ("left", "x_min", "xmin", "x1"),
    ("bottom", "y_max", "ymax", "y2"),
    ("right", "x_max", "xmax", "x2"),
)


def boxes_of(given: Any, names: Sequence[str]) -> dict[str, tuple[Box, ...]]:
    """The boxes of photos called ``names``, in pixels of each photo, by name.

    Parameters
    ----------
    given : path, mapping, sequence or None
        See `evaluate`.
    names : sequence of str
        Names of the photos.

    Raises
    ------
    InputError
        If a box is none, is of no photo, or the numbers of boxes and photos differ.
    """
    if given is None:
        return {}
    if isinstance(given, str | os.PathLike):
        return _by_photo(_from_table(Path(os.fsdecode(given))), names)
    if isinstance(given, Mapping):
        pairs = [(str(name), box) for name, each in given.items() for box in _several(each)]
        return _by_photo(pairs, names)
    if not isinstance(given, Sequence | np.ndarray) or len(given) != len(names):
        raise InputError(
            f"boxes must be a CSV file, a mapping of photos to boxes, or a box for each of the "
            f"{len(names)} photos, not {shown(given)}."
        )
    pairs = [(name, box) for name, each in zip(names, given, strict=True) for box in _several(each)]
    return _by_photo(pairs, names)


def on_input(
    boxes: Sequence[Box], photo: PreparedPhoto | None, size: tuple[int, int]
) -> tuple[list[Box], tuple[float, float]]:
    """Boxes in pixels of the network's input, and height and width of such a pixel in the photo.

    A photo of unknown size is taken to have the network's.
    """
    (height, width), seen = size, (0.0, 0.0, 1.0, 1.0)
    if photo is not None and all(photo.size):
        (height, width), seen = photo.size, tuple(map(float, photo.seen))  # type: ignore[assignment]
    top, left, bottom, right = seen
    pixel = ((bottom - top) * height / size[0], (right - left) * width / size[1])
    begin = (top * height, left * width)

    def moved(value: float, axis: int) -> float:
        return (value - begin[axis]) / pixel[axis]

    return [tuple(moved(side, i % 2) for i, side in enumerate(box)) for box in boxes], pixel  # type: ignore[misc]


def _several(each: Any) -> list[Any]:
    """One box, or several, as a list."""
    each = [] if each is None else list(each)
    is_one = bool(each) and as_float(each[0]) is not None
    return [each] if is_one else each


def _by_photo(pairs: Sequence[tuple[str, Any]], names: Sequence[str]) -> dict[str, tuple[Box, ...]]:
    """The boxes by name of photo; a unique file name is enough."""
    known, files = set(names), dict[str, list[str]]()
    for name in names:
        files.setdefault(Path(name).name, []).append(name)
    found: dict[str, tuple[Box, ...]] = {}
    for name, sides in pairs:
        same = files.get(Path(name).name, [])
        if name not in known and len(same) != 1:
            raise InputError(
                f"boxes name {name!r}, which is none of the {len(names)} photos: name photos as "
                f"{names[0]!r}."
            )
        own = name if name in known else same[0]
        found[own] = (*found.get(own, ()), _box(sides, name))
    return found


def _box(sides: Any, name: str) -> Box:
    numbers = [as_float(side) for side in sides]
    top, left, bottom, right = numbers if len(numbers) == 4 else [None] * 4
    if None in (top, left, bottom, right) or not all(map(math.isfinite, numbers)):  # type: ignore[arg-type]
        raise InputError(f"A box of {name!r} must be top, left, bottom, right, not {shown(sides)}.")
    if top >= bottom or left >= right:  # type: ignore[operator]
        raise InputError(
            f"A box of {name!r} must be top, left, bottom, right with top < bottom and left < "
            f"right, not {shown(sides)}."
        )
    return (top, left, bottom, right)  # type: ignore[return-value]


def _from_table(table: Path) -> list[tuple[str, list[float]]]:
    """The photo and box of each row of a CSV file."""
    wanted = f"{table.name} must be a CSV file with the columns photo, top, left, bottom, right"
    if kind_at(table) != "file":
        raise InputError(f"No file {str(table)!r}: give a CSV file with a box in each row.")
    reading(table)
    try:
        rows = list(csv.reader(table.read_text(encoding="utf-8-sig").splitlines()))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{wanted}, but cannot be read ({error}).") from error
    header = [cell.strip().casefold().replace(" ", "_") for cell in rows[0]] if rows else []
    columns = [
        next((header.index(name) for name in aliases if name in header), None)
        for aliases in (_PHOTO, *_SIDES)
    ]
    if None in columns:
        raise InputError(f"{wanted}; its header is {', '.join(map(repr, header[:6]))}.")
    found = []
    for number, row in enumerate(rows[1:], 2):
        if not any(row):
            continue
        try:
            name, *sides = (row[column] for column in columns)  # type: ignore[index]
            found.append((name.strip(), [float(side) for side in sides]))
        except (IndexError, ValueError):
            raise InputError(f"{wanted}; row {number} lacks one, or has no number there.") from None
    return found
