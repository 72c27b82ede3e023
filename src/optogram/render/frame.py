"""The frame of a picture: title and scale bar."""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageChops, ImageDraw

from optogram.render.canvas import blank
from optogram.render.display import Scale, to_unit
from optogram.render.text import INK, compact, label, text_size

_TICK_EVERY, _APART = 3.0, 2.25
"""Distance of ticks that is sought, and least distance of any two, in heights of a number."""


def scale_bar(
    scale: Scale,
    picture: tuple[int, int],
    painted: Callable[[np.ndarray], np.ndarray],
    unit: str | None = None,
) -> Image.Image:
    """Draw a scale bar.

    Parameters
    ----------
    scale : Scale
        The high end is at the top. Both ends are labeled, 0 if it lies between, and round numbers.
    picture : (int, int)
        Height and width of the picture in pixels, which decide the size of the text; the bar can be
        higher to make room for its labels.
    painted : callable
        Maps positions (n, 1) on the scale, in [0, 1], to colors (n, 1, 3), uint8: the function
        that colored the picture.
    unit : str, optional
        Unit of the values, written along the bar.

    Returns
    -------
    PIL.Image.Image
        RGB, the bar and its labels.
    """
    size = text_size(*picture)
    numbers = {end: _number(end, size) for end in (scale.high, scale.low)}
    line = _number(0.0, size).height
    height = max(picture[0], 2 * (line + sum(number.height for number in numbers.values())))
    for tick in _ticks(scale, int(height / (line * _TICK_EVERY))):
        rows = [_row(value, scale, height) for value in (tick, *numbers)]
        if all(abs(rows[0] - row) > line * _APART for row in rows[1:]):
            numbers[tick] = _number(tick, size)
    colors = painted(to_unit(np.linspace(scale.high, scale.low, height)[:, None], scale))
    strip = Image.fromarray(colors).resize((size, height))
    gap, tick_length, thick = size // 3, size // 4, max(1, round(size / 16))
    width = size + tick_length + gap + max(number.width for number in numbers.values())
    # A line has room above and below its letters.
    name = label(unit, size, width=height, align="center", lines=2) if unit else None
    bar = blank(width + (name.height if name else 0) + gap, height)
    bar.paste(strip, (0, 0))
    ImageDraw.Draw(bar).rectangle((0, 0, size - 1, height - 1), outline=INK, width=thick)
    for value, number in numbers.items():
        row = _row(value, scale, height)
        if 0 < row < height - 1:
            bar.paste(INK, (size, row - thick // 2, size + tick_length, row - thick // 2 + thick))
        top = min(max(row - number.height // 2, 0), height - number.height)
        bar.paste(number, (size + tick_length + gap, top))
    if name:
        bar.paste(name.rotate(90, expand=True), (width + gap // 2, (height - name.width) // 2))
    return bar


def framed(
    picture: Image.Image, *, bar: Image.Image | None = None, title: str | None = None
) -> Image.Image:
    """Add a title above a picture and a scale bar at its right.

    Without either, the picture is returned unchanged. There is no other margin, so that pictures
    with and without a frame align in a sheet.
    """
    size = text_size(picture.height, picture.width)
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


def _ticks(scale: Scale, count: int) -> list[float]:
    """0, then round numbers strictly between the ends: about ``count``, one, two or five apart."""
    if not scale.high > scale.low:
        return []
    from matplotlib.ticker import MaxNLocator

    found = MaxNLocator(max(count, 1), steps=[1, 2, 5, 10]).tick_values(scale.low, scale.high)
    step = float(np.diff(found).min())
    # Multiples of the step are a little beside it in floating point.
    inner = [float(f"{tick:.12g}") if abs(tick) > step / 2 else 0.0 for tick in map(float, found)]
    return sorted({tick for tick in (0.0, *inner) if scale.low < tick < scale.high}, key=bool)


def _row(value: float, scale: Scale, height: int) -> int:
    part = (scale.high - value) / (scale.high - scale.low) if scale.high > scale.low else 0.5
    return round(part * (height - 1))


def _number(value: float, size: int) -> Image.Image:
    """The number without the padding of a line of text."""
    line = label(compact(value), size)
    _, top, _, bottom = ImageChops.invert(line).getbbox() or (0, 0, *line.size)
    return line.crop((0, top, line.width, bottom))
