"""Plots as pictures, or into given axes."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from optogram.arguments import whole
from optogram.errors import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from PIL.Image import Image

LARGEST_CELL = 10_000


def placed(picture: "Image", ax: "Axes | None") -> "Image | Axes":
    """``picture``; if ``ax`` is given, draw it into ``ax`` and return ``ax``."""
    if ax is None:
        return picture
    from optogram.render import picture_on

    return picture_on(ax, picture)


def placed_chart(
    ax: "Axes | None", lines: Mapping[str, tuple[np.ndarray, np.ndarray]], **words: Any
) -> "Image | Axes":
    """A chart of ``lines`` as a picture; if ``ax`` is given, draw into ``ax`` and return it.

    See `optogram.render.chart` for the ``words``.
    """
    from optogram.render import chart, chart_on

    return chart(lines, **words) if ax is None else chart_on(ax, lines, **words)


def require_tiles(cell: int | None, rows: int, columns: int) -> None:
    """Check ``cell``, the side of a tile in pixels, before that many tiles are drawn.

    Raises
    ------
    InputError
        If it is not a whole number from 1 to 10000, or the picture would be too large.
    """
    from optogram.render import require_room

    if cell is not None:
        cell = whole("cell", cell, 1, LARGEST_CELL)
        require_room(columns * cell, rows * cell)


def require_numbers(layer: str, what: str, numbers: Sequence[int], count: int) -> None:
    """Raise an InputError if one of ``numbers`` is not below ``count``."""
    missing = [number for number in numbers if not 0 <= number < count]
    if missing:
        raise InputError(
            f"{layer!r} has {count} {what}, numbered 0 to {count - 1}: "
            f"{missing[0]} is out of range."
        )
