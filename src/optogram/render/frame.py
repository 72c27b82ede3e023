"""What stands around a picture: its title and its scale bar."""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageChops, ImageDraw

from optogram.render.canvas import blank
from optogram.render.display import Scale, to_unit
from optogram.render.text import INK, compact, label, text_size


def scale_bar(
    scale: Scale, height: int, painted: Callable[[np.ndarray], np.ndarray]
) -> Image.Image:
    """Draw the bar that tells what the colors of a picture mean.

    Parameters
    ----------
    scale : Scale
        Its high end is at the top. The ends, and zero where it lies well between, are written
        beside.
    height : int
        Height of the picture in pixels; the bar is higher where its numbers need it.
    painted : callable
        From places (n, 1) on the scale, in [0, 1], to their colors (n, 1, 3), uint8: the very
        function that painted the picture.

    Returns
    -------
    PIL.Image.Image
        RGB, the bar and its numbers.
    """
    size = text_size(height)
    numbers = {end: _number(end, size) for end in (scale.high, scale.low)}
    zero = _number(0.0, size)
    height = max(height, 2 * (zero.height + sum(number.height for number in numbers.values())))
    # Nearer to an end it would lie on that end's number.
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
    """Put a picture's title above it and its scale bar at its right.

    Without either the picture comes back as it is. Nothing is drawn at its left, at its right
    edge beyond the bar, or below it, so that framed pictures line up with bare ones in a sheet.
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
    """The number alone, without the room that a line of text has above and below."""
    line = label(compact(value), size)
    _, top, _, bottom = ImageChops.invert(line).getbbox() or (0, 0, *line.size)
    return line.crop((0, top, line.width, bottom))
