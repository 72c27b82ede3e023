"""Pictures at the places of a grid, and a mark in a picture."""

from collections.abc import Iterable, Sequence
from typing import Literal

from PIL import Image, ImageDraw

from optogram.render.canvas import blank
from optogram.render.resample import Photo, as_image, resized
from optogram.render.text import label

_TEXT = 10
"""Height of a cell in heights of its text."""
_SMALLEST = 9
_LINES = 2
_MARK = 24
"""Side of a picture in diameters of a mark."""


def atlas(
    pictures: Iterable[Photo],
    places: Sequence[tuple[int, int]],
    count: int,
    cell: int,
    names: Sequence[str] | None = None,
) -> Image.Image:
    """Pictures in a grid of ``count`` rows and columns, blank elsewhere.

    Parameters
    ----------
    pictures : iterable of PIL images or uint8 arrays
        One for each place.
    places : sequence of (row, column)
        Where they are.
    count : int
        Number of rows and of columns.
    cell : int
        Side of a cell in pixels.
    names : sequence of str, optional
        What is written at the lower edge of each picture.

    Raises
    ------
    InputError
        If the picture would be too large.
    """
    canvas = blank(count * cell, count * cell)
    for number, (picture, (row, column)) in enumerate(zip(pictures, places, strict=True)):
        tile = resized(as_image(picture), (cell, cell))
        if names is not None and names[number]:
            words = label(
                names[number],
                max(_SMALLEST, cell // _TEXT),
                width=cell - 2,
                align="center",
                lines=_LINES,
            )
            tile.paste(words, ((cell - words.width) // 2, cell - words.height))
        canvas.paste(tile, (column * cell, row * cell))
    return canvas


def marked(picture: Image.Image, center: tuple[float, float]) -> Image.Image:
    """``picture`` with a ring around ``center`` (x, y): white on black, seen on any ground."""
    ringed = picture.convert("RGB")
    radius = max(1.5, max(picture.size) / _MARK)
    draw = ImageDraw.Draw(ringed)
    rings: tuple[tuple[float, Literal["black", "white"]], ...] = (
        (radius * 1.4, "black"),
        (radius, "white"),
    )
    for size, color in rings:
        box = [center[0] - size, center[1] - size, center[0] + size, center[1] + size]
        draw.ellipse(box, outline=color, width=max(1, round(radius / 3)))
    return ringed
