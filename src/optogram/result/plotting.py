"""Where plots go: into a picture, or into axes of the reader's own figure."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from PIL.Image import Image


def placed(picture: "Image", ax: "Axes | None") -> "Image | Axes":
    """``picture`` itself; where ``ax`` is given, ``ax``, which shows it."""
    if ax is None:
        return picture
    from optogram.render import picture_on

    return picture_on(ax, picture)


def placed_chart(
    ax: "Axes | None", lines: Mapping[str, tuple[np.ndarray, np.ndarray]], **words: Any
) -> "Image | Axes":
    """A picture of ``lines``; where ``ax`` is given, ``ax``, which they are drawn into.

    See `optogram.render.chart` for the ``words``.
    """
    from optogram.render import chart, chart_on

    return chart(lines, **words) if ax is None else chart_on(ax, lines, **words)
