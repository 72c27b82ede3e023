"""Text as pixels, measured before it is drawn."""

import bisect
import math
from functools import lru_cache
from typing import Literal, cast

from PIL import Image, ImageDraw, ImageFont

from optogram.render.canvas import PAPER
from optogram.words import brief

INK = (38, 40, 44)

_MOST_LINES = 20

# Pillow's default font has only ASCII; these system fonts have other scripts.
_WIDER_FONTS = (
    "NotoSansCJK-Regular.ttc",
    "Arial Unicode.ttf",
    "msyh.ttc",
    "DejaVuSans.ttf",
    "arial.ttf",
)


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


def text_size(height: int) -> int:
    """Font size in pixels for a picture of ``height`` pixels."""
    return min(max(height // 20, 13), 24)


def label(
    text: str,
    size: int,
    *,
    width: int | None = None,
    align: Literal["left", "center"] = "left",
) -> Image.Image:
    """Draw black text on white.

    Parameters
    ----------
    text : str
        May have line breaks. Lines of more than 200 characters are shortened in the middle; lines
        after the 20th are omitted; unprintable characters are escaped.
    size : int
        Font size in pixels.
    width : int, optional
        Width in pixels: lines are wrapped at spaces, and longer words are cut with "...".
    align : "left" or "center"
        Alignment of lines.

    Returns
    -------
    PIL.Image.Image
        RGB, as large as the text.
    """
    paragraphs = [brief(line) for line in text.split("\n", _MOST_LINES)[:_MOST_LINES]]
    font = _font(size, plain=all(map(str.isascii, paragraphs)))
    lines = [
        line
        for paragraph in paragraphs
        for line in (_wrap(paragraph, font, width) if width else [paragraph])
    ]
    line_height = sum(font.getmetrics())
    widths = [math.ceil(font.getlength(line)) for line in lines]
    picture = Image.new("RGB", (max(1, *widths), line_height * len(lines)), PAPER)
    draw = ImageDraw.Draw(picture)
    for row, (line, length) in enumerate(zip(lines, widths, strict=True)):
        left = (picture.width - length) // 2 if align == "center" else 0
        draw.text((left, row * line_height), line, INK, font)
    return picture


@lru_cache(maxsize=64)
def _font(size: int, plain: bool) -> ImageFont.FreeTypeFont:
    for name in () if plain else _WIDER_FONTS:
        try:
            return ImageFont.truetype(name, size)
        except OSError:
            continue
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


def _shorten(line: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    if font.getlength(line) <= width:
        return line
    cuts = [f"{line[:end]}..." for end in range(1, len(line))]
    fitting = bisect.bisect(cuts, width, key=lambda cut: math.ceil(font.getlength(cut)))
    return cuts[fitting - 1] if fitting else ""
