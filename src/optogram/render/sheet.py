"""Pictures in a table, with titles and captions."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from optogram.arguments import checked, whole
from optogram.errors import InputError
from optogram.render.canvas import PAPER, blank
from optogram.render.resample import Photo, as_image, resized
from optogram.render.text import label, text_size
from optogram.words import counted

_CAPTION_WIDTH = 12  # times the font size
_TITLE_LINES, _CAPTION_LINES = 3, 10
_WIDEST = 10_000
"""No picture is enlarged beyond it: of one that is far wider than high little would be seen."""


@checked
def sheet(
    rows: Sequence[Sequence[Photo | None]],
    *,
    titles: Sequence[str] | None = None,
    captions: Sequence[str] | None = None,
    gap: int = 16,
    text: int | None = None,
) -> Image.Image:
    """Arrange pictures in a table, with a common height in each row.

    Parameters
    ----------
    rows : sequence of rows of PIL images or uint8 arrays
        None is a blank cell; rows may differ in length.
    titles : sequence of str, optional
        Title of each column.
    captions : sequence of str, optional
        Caption at the left of each row.
    gap : int, default 16
        Pixels between pictures, and around the sheet.
    text : int, optional
        Font size in pixels. Default: from the size of the largest picture.

    Returns
    -------
    PIL.Image.Image
        RGB; each row is as high as its highest picture or caption.

    Raises
    ------
    InputError
        If there is no picture, or the titles or captions do not match the table.
    """
    if any(not isinstance(row, Sequence | np.ndarray) for row in rows):
        raise InputError("Each row of a sheet must be a sequence of pictures.")
    if all(picture is None for row in rows for picture in row):
        raise InputError("A sheet needs at least one picture, but got none.")
    gap = whole("gap", gap, 0)
    table = [_level(row) for row in rows]
    count = max(len(row) for row in table)
    _check(titles, count, "column", "title")
    _check(captions, len(table), "row", "caption")
    heights = [max((picture.height for picture in row), default=0) for row in table]
    widths = [
        max(row[column].width for row in table if column < len(row)) for column in range(count)
    ]
    size = whole("text", text, 1) if text is not None else text_size(max(heights), max(widths))
    heads = [
        label(title, size, width=width, lines=_TITLE_LINES)
        for title, width in zip(titles or (), widths, strict=False)
    ]
    sides = [
        label(caption, size, width=_CAPTION_WIDTH * size, lines=_CAPTION_LINES)
        for caption in captions or ()
    ]
    if sides:
        heights = [max(*pair) for pair in zip(heights, (s.height for s in sides), strict=True)]
    lefts = _starts([side.width for side in sides], widths, gap)
    tops = _starts([head.height for head in heads], heights, gap)
    canvas = blank(lefts[-1], tops[-1])
    for head, left in zip(heads, lefts, strict=False):
        canvas.paste(head, (left, gap))
    for side, top, height in zip(sides, tops, heights, strict=False):
        canvas.paste(side, (gap, top + (height - side.height) // 2))
    for row, top in zip(table, tops, strict=False):
        for picture, left in zip(row, lefts, strict=False):
            canvas.paste(picture, (left, top))
    return canvas


def _level(row: Sequence[Photo | None]) -> list[Image.Image]:
    """The pictures of a row at the height of the highest; blank if there is none."""
    images = [Image.new("RGB", (1, 1), PAPER) if item is None else as_image(item) for item in row]
    height = max((image.height for image in images), default=0)
    widths = [
        1 if item is None else max(1, round(image.width * height / image.height))
        for item, image in zip(row, images, strict=True)
    ]
    return [
        image if image.width < width > _WIDEST else resized(image, (height, width))
        for image, width in zip(images, widths, strict=True)
    ]


def _starts(words: list[int], lengths: list[int], gap: int) -> list[int]:
    """Start of each cell along one axis, and the end of the sheet."""
    starts = [gap + (max(words) + gap if words else 0)]
    for length in lengths:
        starts.append(starts[-1] + length + gap)
    return starts


def _check(words: Sequence[str] | None, count: int, place: str, word: str) -> None:
    if words is not None and len(words) != count:
        raise InputError(
            f"Each {place} needs a {word}: got {len(words)} for {counted(count, place)}."
        )
