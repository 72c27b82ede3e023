"""The frame of a picture: title and scale bar."""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageChops, ImageDraw

from optogram.render.canvas import blank
from optogram.render.display import Scale, to_unit
from optogram.render.text import INK, compact, label, text_size


def scale_bar(
    scale: Scale, height: int, painted: Callable[[np.ndarray], np.ndarray]
) -> Image.Image:
    """Draw a scale bar.

    Parameters
    ----------
    scale : Scale
        The high end is at the top. The ends are labeled, and 0 if it is not close to an end.
    height : int
        Height of the picture in pixels; the bar can be higher to make room for its labels.
    painted : callable
        Maps positions (n, 1) on the scale, in [0, 1], to colors (n, 1, 3), uint8: the function
        that colored the picture.

    Returns
    -------
    PIL.Image.Image
        RGB, the bar and its labels.
    """
    size = text_size(height)
    numbers = {end: _number(end, size) for end in (scale.high, scale.low)}
    zero = _number(0.0, size)
    height = max(height, 2 * (zero.height + sum(number.height for number in numbers.values())))
    # Closer to an end, it would overlap the label of that end.
    if min(scale.high, -scale.low) * height > 1.5 * zero.height * (scale.high - scale.low):
        numbers[0.0] = zero
    colors = painted(to_unit(np.linspace(scale.high, scale.low, height)[:, None], scale))
    strip = Image.fromarray(colors).resize((size, height))
    gap, tick = size // 3, size // 4
    width = size + tick + 2 * gap + max(number.width for number in numbers.values())
    bar = blank(width, height)
    bar.paste(strip, (0, 0))
    ImageDraw.Draw(bar).rectangle((0, 0, size - 1, height - 1), outline=INK)
    for value, number in numbers.items():
        part = (scale.high - value) / (scale.high - scale.low) if scale.high > scale.low else 0.5
        row = round(part * (height - 1))
        if 0 < row < height - 1:
            bar.paste(INK, (size, row, size + tick, row + 1))
        top = min(max(row - number.height // 2, 0), height - number.height)
        bar.paste(number, (size + tick + gap, top))
    return bar


def framed(
    picture: Image.Image, *, bar: Image.Image | None = None, title: str | None = None
) -> Image.Image:
    """Add a title above a picture and a scale bar at its right.

    Without either, the picture is returned unchanged. There is no other margin, so that pictures
    with and without a frame align in a sheet.
    """
    size = text_size(picture.height)
    gap = size // 2
    width = picture.width + (gap + bar.width if bar else 0)
    heading = label(title, size, width=width) if title else None
    top = heading.height + gap // 2 if heading else 0
    canvas = blank(width, top + max(picture.height, bar.height if bar else 0))
    canvas.paste(picture, (0, top))
    if heading:
        canvas.paste(heading, (0, 0))
    if bar:
        canvas.paste(bar, (picture.width + gap, top))
    return canvas


def _number(value: float, size: int) -> Image.Image:
    """The number without the padding of a line of text."""
    line = label(compact(value), size)
    _, top, _, bottom = ImageChops.invert(line).getbbox() or (0, 0, *line.size)
    return line.crop((0, top, line.width, bottom))
