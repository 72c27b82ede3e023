"""Text as pixels, measured before it is drawn."""

import bisect
import math
from functools import lru_cache
from typing import Literal, cast

from PIL import Image, ImageDraw, ImageFont

from optogram.render.canvas import PAPER
from optogram.render.fonts import drawable
from optogram.words import brief

INK = (38, 40, 44)

_MOST_LINES = 20
_MORE = "…"

_SMALLEST, _SHARE = 11, 1 / 45
"""Font size of the smallest pictures, and its growth with the side of a picture."""


def compact(number: float) -> str:
    """A number as short text, such as 0, 0.42, 151 or 1.3e-5."""
    magnitude = abs(number)
    if not math.isfinite(number):
        return str(number)
    if number == 0:
        return "0"
    if 1e-3 <= magnitude < 1e5:
        return f"{number:.0f}" if magnitude >= 100 else f"{number:.3g}"
    mantissa, exponent = f"{number:.1e}".split("e")
    return f"{float(mantissa):g}e{int(exponent)}"


def text_size(height: int, width: int) -> int:
    """Font size in pixels of all text in and around a picture of this size.

    16 for 224×224, 34 for 1024×1024, 88 for 3000×4000: large pictures are shown on large surfaces,
    or reduced.
    """
    return round(_SMALLEST + math.sqrt(height * width) * _SHARE)


def label(
    text: str,
    size: int,
    *,
    width: int | None = None,
    align: Literal["left", "center"] = "left",
    lines: int = _MOST_LINES,
) -> Image.Image:
    """Draw black text on white.

    Parameters
    ----------
    text : str
        May have line breaks. Lines of more than 200 characters are shortened in the middle;
        unprintable characters, and those that no font has, are escaped.
    size : int
        Font size in pixels.
    width : int, optional
        Width in pixels: lines are wrapped at spaces, and longer words have "…" in their middle.
    align : "left" or "center"
        Alignment of lines.
    lines : int, default 20
        Most lines; if there are more, the last one ends with "…".

    Returns
    -------
    PIL.Image.Image
        RGB, as large as the text.
    """
    paragraphs = [brief(line) for line in text.split("\n", _MOST_LINES)[:_MOST_LINES]]
    whole, found = drawable("\n".join(paragraphs))
    font = _font(found.path, size)
    wrapped = [
        line
        for paragraph in whole.split("\n")
        for line in (_wrap(paragraph, font, width) if width else [paragraph])
    ]
    if len(wrapped) > lines:
        wrapped = [*wrapped[: lines - 1], _ended(wrapped[lines - 1], font, width)]
    line_height = sum(font.getmetrics())
    widths = [math.ceil(font.getlength(line)) for line in wrapped]
    picture = Image.new("RGB", (max(1, *widths), line_height * len(wrapped)), PAPER)
    draw = ImageDraw.Draw(picture)
    for row, (line, length) in enumerate(zip(wrapped, widths, strict=True)):
        left = (picture.width - length) // 2 if align == "center" else 0
        draw.text((left, row * line_height), line, INK, font)
    return picture


@lru_cache(maxsize=64)
def _font(path: str, size: int) -> ImageFont.FreeTypeFont:
    try:
        return ImageFont.truetype(path, size)
    except OSError:
        return cast(ImageFont.FreeTypeFont, ImageFont.load_default(size))


def _wrap(paragraph: str, font: ImageFont.FreeTypeFont, width: int) -> list[str]:
    lines = [""]
    for word in paragraph.split():
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) <= width or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(word)
    return [_shorten(line, font, width) for line in lines]


def _ended(line: str, font: ImageFont.FreeTypeFont, width: int | None) -> str:
    """``line`` with "…" at its end, within ``width``."""
    return _shorten(f"{line} {_MORE}", font, width) if width else f"{line} {_MORE}"


def _shorten(line: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    if font.getlength(line) <= width:
        return line
    if " " in line:
        cuts = [f"{line[:end].rstrip()}{_MORE}" for end in range(1, len(line))]
    else:  # names of layers differ at their ends, too
        cuts = [
            f"{line[: (kept + 1) // 2]}{_MORE}{line[len(line) - kept // 2 :]}"
            for kept in range(1, len(line))
        ]
    fitting = bisect.bisect(cuts, width, key=lambda cut: math.ceil(font.getlength(cut)))
    return cuts[fitting - 1] if fitting else ""
