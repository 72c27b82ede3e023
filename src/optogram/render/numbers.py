"""Numbers in cells, notes beside pictures, and boxes around parts of them."""

import numpy as np
from PIL import Image, ImageDraw

from optogram.render.canvas import blank
from optogram.render.colors import color_table, paint
from optogram.render.display import Scale, to_unit
from optogram.render.resample import as_map, resize_map
from optogram.render.text import INK, compact, label

_GRID = (190, 192, 196)
_PAPER_OF_NUMBERS = 0.75
"""Part of a cell that a number may fill."""
_SMALLEST = 9
"""Font size in pixels below which numbers are left out."""


def numbered(values: np.ndarray, scale: Scale, side: int, crossed: np.ndarray) -> Image.Image:
    """A map as cells in colors, each with its number where there is room.

    Parameters
    ----------
    values : array (h, w)
        The numbers.
    scale : Scale
        Values at the ends of the colors.
    side : int
        Longer side of the picture in pixels.
    crossed : bool array (h, w)
        Cells that are crossed out.
    """
    values = as_map(values)
    rows, columns = values.shape
    each = side / max(rows, columns)
    height, width = max(1, round(rows * each)), max(1, round(columns * each))
    colors = paint(
        resize_map(to_unit(values, scale), (height, width), "nearest"), color_table(scale)
    )
    picture = Image.fromarray(colors)
    draw = ImageDraw.Draw(picture)
    for row in range(rows):
        for column in range(columns):
            box = (
                round(column * each),
                round(row * each),
                round((column + 1) * each) - 1,
                round((row + 1) * each) - 1,
            )
            if crossed[row, column]:
                draw.rectangle(box, fill=(235, 235, 236))
                draw.line((box[0], box[3], box[2], box[1]), fill=_GRID, width=1)
            draw.rectangle(box, outline=_GRID)
            word = _fitting(compact(float(values[row, column])), each)
            if word:
                left = (box[0] + box[2] - word.width) // 2
                top = (box[1] + box[3] - word.height) // 2
                picture.paste(word, (left, top))
    return picture


def _fitting(text: str, room: float) -> Image.Image | None:
    """``text`` as large as fits into a cell of ``room`` pixels; None if it would be illegible."""
    size = round(min(room / 4, 24))
    while size >= _SMALLEST:
        word = label(text, size)
        if word.width <= _PAPER_OF_NUMBERS * room and word.height <= _PAPER_OF_NUMBERS * room:
            return word
        size -= 1
    return None


def note(text: str, size: tuple[int, int], font: int) -> Image.Image:
    """Lines of text in the middle of a white picture of ``size``, larger if they need it."""
    words = label(text, font, width=size[1])
    picture = blank(max(size[1], words.width), max(size[0], words.height))
    picture.paste(words, (0, (picture.height - words.height) // 2))
    return picture


def boxed(picture: Image.Image, box: tuple[float, float, float, float]) -> Image.Image:
    """A copy with a frame around ``box``: top, left, bottom, right in pixels."""
    copy = picture.convert("RGB")
    top, left, bottom, right = box
    right = min(max(round(right), round(left) + 1), copy.width)
    bottom = min(max(round(bottom), round(top) + 1), copy.height)
    corners = (min(round(left), right - 1), min(round(top), bottom - 1), right - 1, bottom - 1)
    draw = ImageDraw.Draw(copy)
    for grown, color in ((1, INK), (0, (255, 255, 255)), (-1, INK)):
        wide = (corners[0] - grown, corners[1] - grown, corners[2] + grown, corners[3] + grown)
        if wide[0] <= wide[2] and wide[1] <= wide[3]:
            draw.rectangle(wide, outline=color)
    return copy
