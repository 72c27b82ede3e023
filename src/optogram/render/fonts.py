"""Fonts that have the characters of a text: the one that Matplotlib brings, else one installed."""

from collections import Counter
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from matplotlib.ft2font import FT2Font

DEFAULT = "DejaVu Sans"

_PREFERRED = (
    "Noto Sans CJK JP",
    "Noto Sans",
    "Source Han Sans",
    "Hiragino Sans",
    "PingFang",
    "Microsoft YaHei",
    "Yu Gothic",
    "Malgun Gothic",
    "Arial Unicode MS",
)
_USELESS = ("Emoji", "LastResort", "Last Resort")
"""Fonts whose glyphs are pictures in color, or boxes."""
_ASCII = range(0x20, 0x7F)
_IN_DEFAULT = "\u017f"
"""The default font has all printable characters up to this one, …"""
_ALSO_IN_DEFAULT = frozenset("−–—…‘’“”→≤≥≈√Σ∂")
"""… and these, which need no look into the font."""
_SELECTORS = dict.fromkeys(range(0xFE00, 0xFE10))
"""Variation selectors choose between pictures of a character: they have none of their own."""


class Font(NamedTuple):
    """A font file and the name of its family."""

    path: str
    name: str


def drawable(text: str) -> tuple[str, Font]:
    r"""``text`` and a font that has all of its characters.

    Characters that no suitable font has are escaped, such as ``\u732b``, so that no empty box
    stands for them.
    """
    text = text.translate(_SELECTORS)
    unsure = {c for c in text if c > _IN_DEFAULT and c not in _ALSO_IN_DEFAULT}
    font, missing = _chosen(frozenset(unsure))
    if not missing:
        return text, font
    return "".join(ascii(c)[1:-1] if c in missing else c for c in text), font


@lru_cache(maxsize=1024)
def _chosen(characters: frozenset[str]) -> tuple[Font, frozenset[str]]:
    """The best font for ``characters``, and those that it lacks."""
    default = _default()
    lacking = _lacking(default.path, characters) if characters else frozenset()
    if not lacking:
        return default, lacking
    fonts, index = _installed()
    found = Counter(index[ord(c)] for c in sorted(lacking) if ord(c) in index)
    if not found:
        return default, lacking
    font = fonts[found.most_common(1)[0][0]]
    return font, _lacking(font.path, characters)


@lru_cache(maxsize=1)
def _default() -> Font:
    import matplotlib

    return Font(str(Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")), DEFAULT)


def _lacking(path: str, characters: frozenset[str]) -> frozenset[str]:
    opened = _opened(path)
    return frozenset(c for c in characters if opened is None or not opened.get_char_index(ord(c)))


@lru_cache(maxsize=1)
def _installed() -> tuple[list[Font], dict[int, int]]:
    """The installed fonts, and for each code point the first of them that has it."""
    from matplotlib.font_manager import fontManager

    fonts: list[Font] = []
    index: dict[int, int] = {}
    entries = sorted(fontManager.ttflist, key=lambda f: (*_rank(f.name), f.weight != 400, f.style))
    for path, name in dict.fromkeys((entry.fname, entry.name) for entry in entries):
        opened = None if any(word in name for word in _USELESS) else _opened(path)
        codes = opened.get_charmap() if opened else {}
        if all(code in codes for code in _ASCII) and path not in {font.path for font in fonts}:
            fonts.append(Font(path, name))
            index = dict.fromkeys(codes, len(fonts) - 1) | index
    return fonts, index


def _rank(name: str) -> tuple[int, str]:
    ranks = [rank for rank, family in enumerate(_PREFERRED) if name.startswith(family)]
    return min(ranks, default=len(_PREFERRED)), name


def _opened(path: str) -> "FT2Font | None":
    from matplotlib.ft2font import FT2Font

    try:
        return FT2Font(path)
    # A damaged font file can raise any exception.
    except Exception:
        return None
