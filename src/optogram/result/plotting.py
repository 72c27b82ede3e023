"""Plots as pictures, or into given axes."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from PIL.Image import Image


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
    """Raise an InputError, before tiles of ``cell`` pixels are drawn, if they are too many."""
    from optogram.render import require_room

    if cell is not None:
        require_room(columns * cell, rows * cell)
