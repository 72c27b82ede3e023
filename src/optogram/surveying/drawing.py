"""Units of a survey as one picture: patterns beside the strongest crops."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from optogram.errors import InputError
from optogram.render import compact, grid, sheet, text_size, visible
from optogram.render.numbers import note
from optogram.surveying.crops import scaled, squared
from optogram.words import brief, counted

if TYPE_CHECKING:
    from optogram.surveying.opened import StrongestPhoto, SurveyedUnit

_CLASSES = 3
"""Classes that a caption names."""
_NAME = 60
_GAP = 6


def drawn(units: "Sequence[SurveyedUnit]", cell: int) -> Image.Image:
    """A row for each unit: its patterns, then the windows of its strongest photos, with captions.

    Raises
    ------
    InputError
        If the survey has neither patterns nor photos of any of them.
    """
    rows: list[list[Image.Image | None]] = []
    for unit in units:
        pictures = [scaled(visible(one), cell) for one in _patterns(unit)]
        labels = ["pattern" if not i else f"pattern {i + 1}" for i in range(len(pictures))]
        for one in unit.strongest:
            pictures.append(_crop(unit, one, cell))
            labels.append(_label(one))
        if not pictures:
            rows.append([None])
            continue
        squares = [squared(picture, cell) for picture in pictures]
        columns = len(squares)
        row = grid(squares, columns=columns, cell=cell, margin=_GAP, labels=labels)
        rows.append([row])
    if all(row == [None] for row in rows):
        raise InputError(
            f"{units[0].survey.place} has neither photos nor patterns of "
            f"{counted(len(units), 'unit')}: run optogram survey with --what photos or patterns."
        )
    return sheet(
        rows,
        captions=[caption(unit) for unit in units],
        gap=2 * _GAP,
        text=text_size(cell, cell),
    )


def caption(unit: "SurveyedUnit") -> str:
    """What is known about a unit, in lines."""
    lines = [f"{unit.layer}, unit {unit.channel}"]
    if unit.fires is not None:
        lines.append(f"fires in {unit.fires:.1%} of photos")
    if unit.active is not None:
        lines.append(f"active at {unit.active:.1%} of positions")
    if unit.mean is not None:
        lines.append(f"mean {compact(unit.mean)}")
    names = [unit.survey.class_name(index) for index, amount in unit.classes if amount > 0]
    if names:
        lines.append(f"serves {', '.join(brief(name, _NAME) for name in names[:_CLASSES])}")
    return "\n".join(lines)


def _patterns(unit: "SurveyedUnit") -> Sequence[np.ndarray]:
    return () if unit.patterns is None else list(unit.patterns)


def _crop(unit: "SurveyedUnit", one: "StrongestPhoto", cell: int) -> Image.Image:
    """The window of a photo, or its name where it is gone."""
    found = unit.survey.crop(one, cell)
    if found is not None:
        return found
    return scaled(
        note(f"{brief(one.photo, _NAME)} is gone", (cell, cell), text_size(cell, 1)), cell
    )


def _label(one: "StrongestPhoto") -> str:
    amount = compact(one.activation)
    return f"{amount}\n{brief(one.label, _NAME)}" if one.label else amount
