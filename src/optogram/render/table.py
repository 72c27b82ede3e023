"""A table of figures whose cells are shaded."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from optogram.render.canvas import PAPER, blank
from optogram.render.text import label

_TEXT, _SMALL = 15, 12
_PAD, _LINE = 8, 2
_HEAD = 118
"""Width in pixels at which heads are wrapped."""
_SHADE = (0, 114, 178)
_MOST = 0.5
"""Share of the shade in the darkest cell, on which black text is legible."""
_RULE = (120, 122, 126)


def heat_table(
    rows: Sequence[str],
    heads: Sequence[str],
    cells: Sequence[Sequence[str]],
    shades: np.ndarray,
    groups: Sequence[str],
) -> Image.Image:
    """Draw a table of figures.

    Parameters
    ----------
    rows, heads : sequence of str
        Titles of rows, and of columns.
    cells : sequence of sequence of str
        Text of each cell; all lines but the first are small.
    shades : ndarray of shape (rows, columns)
        0 (white) to 1 (dark); NaN is white.
    groups : sequence of str
        The group of each row: a rule and its name are above the first row of each.

    Returns
    -------
    PIL.Image.Image
        RGB.
    """
    titles = [label(row, _TEXT) for row in rows]
    tops = [_lines(head, _HEAD) for head in heads]
    texts = [[_lines(cell, None) for cell in row] for row in cells]
    names = {group: label(group, _SMALL) for group in dict.fromkeys(groups)}
    side = max(picture.width for picture in (*titles, *names.values())) + 2 * _PAD
    widths = [
        max(picture.width for picture in (top, *(row[i] for row in texts))) + 2 * _PAD
        for i, top in enumerate(tops)
    ]
    height = max(picture.height for row in texts for picture in row) + _PAD
    head = max(picture.height for picture in tops) + 2 * _PAD
    ruled = [i for i in range(len(rows)) if i == 0 or groups[i] != groups[i - 1]]
    rule = max(picture.height for picture in names.values()) + _PAD
    canvas = blank(side + sum(widths), head + height * len(rows) + rule * len(ruled))
    draw = ImageDraw.Draw(canvas)
    lefts = np.cumsum([side, *widths])
    for picture, left, width in zip(tops, lefts, widths, strict=False):
        canvas.paste(picture, (int(left) + (width - picture.width) // 2, _PAD))
    top = head
    for number, (title, row) in enumerate(zip(titles, texts, strict=True)):
        if number in ruled:
            draw.line([(0, top), (canvas.width, top)], _RULE)
            canvas.paste(names[groups[number]], (_PAD, top + _PAD // 2))
            top += rule
        canvas.paste(title, (_PAD, top + (height - title.height) // 2))
        for column, picture in enumerate(row):
            left, right = int(lefts[column]), int(lefts[column + 1])
            color = _tint(shades[number, column])
            draw.rectangle([(left, top), (right - _LINE, top + height - _LINE)], color)
            middle = left + (widths[column] - picture.width) // 2
            canvas.paste(
                _on(picture, color), (middle, top + (height - _LINE - picture.height) // 2)
            )
        top += height
    return canvas


def _lines(text: str, width: int | None) -> Image.Image:
    """The first line of a text above the others, which are small."""
    first, _, rest = text.partition("\n")
    pictures = [label(first, _TEXT, width=width, align="center")]
    if rest:
        pictures.append(label(rest, _SMALL, width=width, align="center"))
    canvas = blank(max(one.width for one in pictures), sum(one.height for one in pictures))
    top = 0
    for one in pictures:
        canvas.paste(one, ((canvas.width - one.width) // 2, top))
        top += one.height
    return canvas


def _tint(shade: float) -> tuple[int, int, int]:
    share = _MOST * float(shade) if np.isfinite(shade) else 0.0
    red, green, blue = (
        round(paper + (dark - paper) * share) for paper, dark in zip(PAPER, _SHADE, strict=True)
    )
    return red, green, blue


def _on(picture: Image.Image, color: tuple[int, int, int]) -> Image.Image:
    """A picture on white, on another color."""
    pixels = np.asarray(picture, np.float32) * (np.array(color, np.float32) / 255)
    return Image.fromarray(np.rint(pixels).astype(np.uint8))
