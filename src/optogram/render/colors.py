"""Numbers to colours, by any colour map that the ``cmap`` library knows."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from cmap import Catalog, Colormap
from numpy.typing import ArrayLike

from optogram.errors import InputError, nearest
from optogram.render.display import Scale, scale_of, to_unit

SEQUENTIAL = "bids:inferno"
DIVERGING = "colorbrewer:RdBu_r"
GRAY = "matlab:gray"

ColorMap = str | Sequence[str]
"""A colour map's name, or the colours of a new one from its bottom to its top."""

_STEPS = 257  # odd, so that zero on a signed scale has the middle colour itself
_UNKNOWN = np.array([128, 128, 128], np.uint8)
_UNKNOWN_AMONG_GREYS = np.array([190, 80, 150], np.uint8)


def colorize(
    values: ArrayLike, scale: Scale | None = None, cmap: ColorMap | None = None
) -> np.ndarray:
    """Turn values into colours.

    Parameters
    ----------
    values : array of any shape
        Integers, booleans or floats.
    scale : Scale, optional
        What the ends of the colour map mean; `scale_of` the values by default.
    cmap : str or sequence of str, optional
        Name of a colour map, or its colours from bottom to top. Default: `DIVERGING` on a signed
        scale, else `SEQUENTIAL`.

    Returns
    -------
    uint8 array (..., 3)
        Neutral grey where the value is not finite; mauve if the colour map itself is grey.

    Raises
    ------
    InputError
        If the colour map is unknown; the sentence names the nearest ones.
    """
    scale = scale_of(values) if scale is None else scale
    return paint(to_unit(values, scale), color_table(scale, cmap))


def color_table(scale: Scale, cmap: ColorMap | None = None) -> np.ndarray:
    """Colours of ``cmap``, or of the default for ``scale``, from bottom to top: uint8 (257, 3)."""
    if cmap is None:
        cmap = DIVERGING if scale.signed else SEQUENTIAL
    return _table(cmap if isinstance(cmap, str) else tuple(cmap))


def paint(unit: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Colours (..., 3), uint8, of places (...) in [0, 1] on a `color_table`."""
    known = np.isfinite(unit)
    index = np.rint(np.where(known, unit, 0) * (len(table) - 1)).astype(np.intp)
    return np.where(known[..., None], table[index], _unknown_color(table))


@lru_cache(maxsize=32)
def _table(cmap: str | tuple[str, ...]) -> np.ndarray:
    colormap = _named(cmap) if isinstance(cmap, str) else _mixed(cmap)
    table = np.rint(colormap.lut(_STEPS)[:, :3] * 255).astype(np.uint8)
    table.flags.writeable = False
    return table


def _named(name: str) -> Colormap:
    try:
        return Colormap(name)
    except ValueError:
        hint = nearest(name, Catalog()) or "try 'inferno', 'viridis', 'jet' or 'gray'."
        raise InputError(f"No colour map is called {name!r}; {hint}") from None


def _mixed(colors: tuple[str, ...]) -> Colormap:
    if len(colors) < 2:
        raise InputError(f"A colour map needs at least two colours, but got {len(colors)}.")
    try:
        return Colormap(colors)
    except (TypeError, ValueError) as error:
        raise InputError(f"The colours {list(colors)} make no colour map: {error}.") from None


def _unknown_color(table: np.ndarray) -> np.ndarray:
    distance = np.abs(table.astype(int) - _UNKNOWN).max(axis=1).min()
    return _UNKNOWN if distance > 24 else _UNKNOWN_AMONG_GREYS
