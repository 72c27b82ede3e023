"""Pictures in a near-square grid."""

import math
from collections.abc import Sequence

from PIL import Image

from optogram.arguments import checked, whole
from optogram.errors import InputError
from optogram.render.canvas import blank
from optogram.render.resample import Photo, as_image, resized
from optogram.render.text import label, text_size
from optogram.words import counted

_SHEET_WIDTH = 1024
_CELL = 128
_LABELLED_WIDTH = 72
_LABEL_GAP = 4
_LABEL_LINES = 3


@checked
def grid(
    pictures: Sequence[Photo],
    *,
    columns: int | None = None,
    cell: int | None = None,
    margin: int = 2,
    labels: Sequence[str] | None = None,
) -> Image.Image:
    """Arrange pictures in a grid.

    Parameters
    ----------
    pictures : sequence of PIL images or uint8 arrays, or one uint8 array (n, h, w, 3)
        Row by row; each keeps its proportions.
    columns : int, optional
        Default: near square, ⌈√n⌉.
    cell : int, optional
        Longer side of a cell in pixels. Default: that of the largest picture, times a whole number
        for a grid about 1024 pixels wide with cells of about 128 pixels at most.
    margin : int, default 2
        White pixels between cells.
    labels : sequence of str, optional
        Label below each picture, in at most three lines.

    Returns
    -------
    PIL.Image.Image
        RGB; cells beyond the last picture are blank.

    Raises
    ------
    InputError
        If there is no picture, or an argument is invalid.
    """
    images = [as_image(picture) for picture in pictures]
    columns = column_count(len(images), columns)
    room = cell_size(
        [(image.height, image.width) for image in images], columns, cell, labels is not None
    )
    tiles = [resized(image, fit((image.height, image.width), room)) for image in images]
    return arrange(tiles, room, columns=columns, margin=margin, labels=labels)


def column_count(count: int, columns: int | None) -> int:
    """Number of columns for ``count`` pictures; default ⌈√count⌉."""
    if not count:
        raise InputError("A grid needs at least one picture, but got none.")
    return whole("columns", columns, 1) if columns is not None else math.isqrt(count - 1) + 1


def cell_size(
    shapes: Sequence[tuple[int, int]], columns: int, cell: int | None, labeled: bool
) -> tuple[int, int]:
    """Default height and width of a cell for pictures of these ``shapes``; see `grid`."""
    height = max(shape[0] for shape in shapes)
    width = max(shape[1] for shape in shapes)
    if cell is None:
        narrowest = _LABELLED_WIDTH if labeled else 1
        enough = min(_SHEET_WIDTH // columns, _CELL) // width
        factor = max(1, min(max(enough, -(-narrowest // width)), _SHEET_WIDTH // height))
        return height * factor, width * factor
    cell = whole("cell", cell, 1)
    return fit((height, width), (cell, cell))


def fit(shape: tuple[int, int], room: tuple[int, int]) -> tuple[int, int]:
    """Largest height and width within ``room`` with the proportions of ``shape``."""
    factor = min(room[0] / shape[0], room[1] / shape[1])
    return max(1, round(shape[0] * factor)), max(1, round(shape[1] * factor))


def arrange(
    tiles: Sequence[Image.Image],
    room: tuple[int, int],
    *,
    columns: int,
    margin: int,
    labels: Sequence[str] | None,
) -> Image.Image:
    """Paste ``tiles``, none larger than ``room``, into the cells of a grid.

    A tile smaller than its cell is centered, or placed just above its label.
    """
    margin = whole("margin", margin, 0)
    words = _words(labels, len(tiles), room)
    height, width = room[0] + margin, room[1] + margin
    if words:
        height += max(word.height for word in words) + _LABEL_GAP
    rows = -(-len(tiles) // columns)
    canvas = blank(columns * width - margin, rows * height - margin)
    for index, tile in enumerate(tiles):
        top, left = index // columns * height, index % columns * width
        space = room[0] - tile.height
        canvas.paste(
            tile, (left + (room[1] - tile.width) // 2, top + (space if words else space // 2))
        )
    for index, word in enumerate(words):
        top, left = index // columns * height, index % columns * width
        canvas.paste(word, (left + (room[1] - word.width) // 2, top + room[0]))
    return canvas


def _words(labels: Sequence[str] | None, count: int, room: tuple[int, int]) -> list[Image.Image]:
    if labels is None:
        return []
    if len(labels) != count:
        raise InputError(
            f"Each picture needs a label: got {counted(len(labels), 'label')} for "
            f"{counted(count, 'picture')}."
        )
    size = text_size(*room)
    return [label(text, size, width=room[1], align="center", lines=_LABEL_LINES) for text in labels]
