"""Lines in a frame: how numbers go along an axis."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image, ImageDraw
from PIL.Image import Resampling

from optogram.arguments import checked, whole
from optogram.errors import InputError
from optogram.render.canvas import blank
from optogram.render.text import compact, label

# Okabe and Ito's colors, which the color-blind can tell apart too.
_COLORS = ((0, 114, 178), (213, 94, 0), (120, 120, 120), (0, 158, 115), (204, 121, 167))
_FRAME = (190, 192, 196)
_SHARP = 3
"""Lines are drawn so many times larger, then shrunk: that is what makes them smooth."""
_TICKS = 5


@checked
def chart(
    lines: Mapping[str, tuple[ArrayLike, ArrayLike]],
    *,
    title: str | None = None,
    x_label: str | None = None,
    y_range: tuple[float, float] | None = None,
    size: tuple[int, int] = (240, 380),
) -> Image.Image:
    """Draw lines, each with its name below the frame.

    Parameters
    ----------
    lines : mapping of str to (xs, ys)
        Drawn in turn, the first one on top of the others; places that are not finite are gaps.
    title : str, optional
        Words above the frame.
    x_label : str, optional
        Words below the axis.
    y_range : (float, float), optional
        What the frame's bottom and top mean. Default: from 0, or the lowest value if that is
        negative, to the highest.
    size : (int, int)
        Height and width of the frame in pixels.

    Returns
    -------
    PIL.Image.Image
        RGB.

    Raises
    ------
    InputError
        If there is no line, or one has not as many ys as xs.
    """
    drawn = {name: tuple(np.asarray(axis, float) for axis in pair) for name, pair in lines.items()}
    if not drawn or any(xs.shape != ys.shape or xs.ndim != 1 for xs, ys in drawn.values()):
        raise InputError("A chart needs lines, each with one y for every x.")
    left, right = _range([xs for xs, _ in drawn.values()])
    bottom, top = y_range or _range([*(ys for _, ys in drawn.values()), np.zeros(1)])
    top = top if top > bottom else bottom + 1
    right = right if right > left else left + 1
    colors = dict(zip(drawn, _COLORS * len(drawn), strict=False))
    height, width = (whole("size, height and width,", side, 1, 10_000) for side in size)
    field = blank(width * _SHARP, height * _SHARP)
    pen = ImageDraw.Draw(field)
    pen.rectangle((0, 0, field.width - 1, field.height - 1), outline=_FRAME, width=_SHARP)
    ticks = np.linspace(bottom, top, _TICKS)
    for tick in ticks[1:-1]:
        y = round((top - tick) / (top - bottom) * (field.height - 1))
        pen.line([(0, y), (field.width, y)], _FRAME, _SHARP // 2)
    for name, (xs, ys) in reversed(drawn.items()):
        across = (xs - left) / (right - left) * (field.width - 1)
        down = (top - ys) / (top - bottom) * (field.height - 1)
        places = list(zip(across, down, strict=True))
        for first, second in pairwise(places):
            if np.isfinite([*first, *second]).all():
                pen.line([first, second], colors[name], 2 * _SHARP)
    field = field.resize((width, height), Resampling.LANCZOS)
    return _labeled(field, ticks, (left, right), colors, title, x_label)


def _range(axes: Sequence[np.ndarray]) -> tuple[float, float]:
    numbers = np.concatenate(axes)
    finite = numbers[np.isfinite(numbers)]
    return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)


def _labeled(
    field: Image.Image,
    ticks: np.ndarray,
    ends: tuple[float, float],
    colors: Mapping[str, tuple[int, int, int]],
    title: str | None,
    x_label: str | None,
) -> Image.Image:
    """The frame with what its axes, its lines and the whole of it mean."""
    size, gap = 13, 6
    numbers = [label(compact(float(tick)), size) for tick in ticks]
    feet = [label(compact(end), size) for end in ends]
    named = [(color, label(name, size)) for name, color in colors.items()]
    foot = label(x_label, size) if x_label else None
    head = label(title, size + 2, width=field.width) if title else None
    x = max(number.width for number in numbers) + gap
    y = (head.height + gap if head else 0) + size // 2
    line = feet[0].height
    width = x + field.width + feet[1].width // 2
    canvas = blank(width, y + field.height + 2 * line + 3 * gap)
    if head:
        canvas.paste(head, (x, 0))
    canvas.paste(field, (x, y))
    for place, number in enumerate(numbers):
        row = y + round((1 - place / (len(numbers) - 1)) * field.height) - number.height // 2
        canvas.paste(number, (x - gap - number.width, max(0, row)))
    below = y + field.height + gap // 2
    canvas.paste(feet[0], (x, below))
    canvas.paste(feet[1], (x + field.width - feet[1].width // 2, below))
    if foot:
        canvas.paste(foot, (x + (field.width - foot.width) // 2, below))
    key, pen = x, ImageDraw.Draw(canvas)
    below += line + gap
    for color, name in named:
        pen.line([(key, below + line // 2), (key + 20, below + line // 2)], color, 3)
        canvas.paste(name, (key + 24, below))
        key += 24 + name.width + 2 * size
    return canvas
