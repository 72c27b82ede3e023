"""Colormaps: numbers to colors, by all colormaps of the ``cmap`` library, and two more."""

import colorsys
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from cmap import Catalog, Colormap
from numpy.typing import ArrayLike

from optogram.arguments import checked
from optogram.errors import InputError, nearest
from optogram.render.display import Scale, scale_of, to_unit

SEQUENTIAL = "bids:inferno"
DIVERGING = "colorbrewer:RdBu_r"
GRAY = "matlab:gray"

OPENCV_JET = "opencv:jet"

ColorMap = str | Sequence[str] | Sequence[Sequence[float]] | np.ndarray | Callable[..., Any]
"""Name of a colormap, a sequence of its colors from low to high, or a callable.

Colors are names, or numbers (colors, 3 or 4): uint8, or floats in 0…1. A callable, such as a
colormap of matplotlib, maps positions (n,) in 0…1 to such numbers. Opacity is ignored.

In addition to the names of ``cmap``, such as "viridis", "jet" or "rocket" (seaborn):
"topo.colors(12)" (R, with so many discrete colors) and "opencv:jet".
"""

_STEPS = 257  # odd, so that 0 on a signed scale has the middle color
_TOPO = re.compile(r"topo\.colors\((\d{1,3})\)")
_UNKNOWN = np.array([128, 128, 128], np.uint8)
_UNKNOWN_AMONG_GRAYS = np.array([190, 80, 150], np.uint8)


@checked
def colorize(
    values: ArrayLike, scale: Scale | None = None, cmap: ColorMap | None = None
) -> np.ndarray:
    """Map values to colors.

    Parameters
    ----------
    values : array of any shape
        Integers, booleans or floats.
    scale : Scale, optional
        Values at the ends of the colormap. Default: `scale_of` the values.
    cmap : str, sequence of str, array or callable, optional
        Name of a colormap, its colors from low to high, or a callable; see `ColorMap`.
        Default: `DIVERGING` on a signed scale, else `SEQUENTIAL`.

    Returns
    -------
    uint8 array (..., 3)
        Gray for values that are not finite; mauve if the colormap itself is gray.

    Raises
    ------
    InputError
        If the colormap is invalid or unknown; the message suggests similar names.
    """
    scale = scale_of(values) if scale is None else scale
    return paint(to_unit(values, scale), color_table(scale, cmap))


def color_table(scale: Scale, cmap: ColorMap | None = None) -> np.ndarray:
    """Colors of ``cmap``, or of the default for ``scale``, from low to high: uint8 (257, 3)."""
    if cmap is None:
        cmap = DIVERGING if scale.signed else SEQUENTIAL
    if callable(cmap):
        return _as_bytes(_called(cmap))
    if isinstance(cmap, str):
        return _table(cmap)
    colors = list(cmap)
    return _table(tuple(colors)) if _are_names(colors) else _as_bytes(_between(colors))


def paint(unit: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Colors (..., 3), uint8, of positions (...) in [0, 1] in a `color_table`."""
    known = np.isfinite(unit)
    index = np.rint(np.where(known, unit, 0) * (len(table) - 1)).astype(np.intp)
    # The color of unknown values follows the table, so that each position is looked up once.
    index = np.where(known, index, len(table))
    return np.take(np.vstack([table, _unknown_color(table)]), index, axis=0)


def banded(unit: np.ndarray, count: int) -> np.ndarray:
    """Which of ``count`` equal parts of [0, 1] each position lies in, upper ends included."""
    return np.clip(np.ceil(unit * count) - 1, 0, count - 1)


def topo_colors(count: int) -> np.ndarray:
    """R's ``topo.colors(count)`` as floats (count, 3) in [0, 1].

    As described in the manual of R's package grDevices, in HSV: hues from 43 to 31 sixtieths, from
    23 to 11, and from 10 to 6, the last third fading to a saturation of 0.3.
    """
    third = count // 3
    first = count - 2 * third
    hues = [
        *np.linspace(43 / 60, 31 / 60, first),
        *np.linspace(23 / 60, 11 / 60, third),
        *np.linspace(10 / 60, 6 / 60, third),
    ]
    saturations = [*np.ones(first + third), *np.linspace(1.0, 0.3, third)]
    return np.array([colorsys.hsv_to_rgb(*hs, 1.0) for hs in zip(hues, saturations, strict=True)])


def _opencv_jet(unit: np.ndarray) -> np.ndarray:
    """OpenCV's COLORMAP_JET: three trapezoids of slope 4, for red, green and blue."""
    return np.clip(1.5 - np.abs(4 * unit[:, None] - np.array([3, 2, 1])), 0, 1)


@lru_cache(maxsize=32)
def _table(cmap: str | tuple[str, ...]) -> np.ndarray:
    places = np.linspace(0, 1, _STEPS)
    if not isinstance(cmap, str):
        colors = _mixed(cmap).lut(_STEPS)[:, :3]
    elif cmap == OPENCV_JET:
        colors = _opencv_jet(places)
    elif topo := _TOPO.fullmatch(cmap):
        colors = _topo_bands(int(topo[1]), places)
    else:
        colors = _named(cmap).lut(_STEPS)[:, :3]
    return _as_bytes(colors)


def _as_bytes(colors: np.ndarray) -> np.ndarray:
    """A read-only table of colors in 0…1; some are cached."""
    table = np.rint(colors * 255).astype(np.uint8)
    table.flags.writeable = False
    return table


def _are_names(colors: list[Any]) -> bool:
    return all(isinstance(color, str) for color in colors)


def _called(cmap: Callable[..., Any]) -> np.ndarray:
    """The colors of a callable for positions from 0 to 1."""
    places = np.linspace(0, 1, _STEPS)
    try:
        colors = cmap(places)
    # A custom callable can raise any exception.
    except Exception as error:
        raise InputError(
            f"The colormap {cmap!r} fails for {_STEPS} positions in 0…1 ({error}): give a name, "
            "colors, or a colormap such as matplotlib's."
        ) from error
    return _numbers(colors, _STEPS)


def _between(colors: list[Any]) -> np.ndarray:
    """Colors given as numbers, interpolated."""
    numbers = _numbers(colors)
    at = np.linspace(0, 1, len(numbers))
    places = np.linspace(0, 1, _STEPS)
    return np.stack([np.interp(places, at, channel) for channel in numbers.T], axis=1)


def _numbers(colors: Any, count: int | None = None) -> np.ndarray:
    """Colors (count, 3) in 0…1, given by a user or a callable."""
    try:
        array = np.asarray(colors)
    except ValueError:
        array = np.empty(0, object)
    is_table = array.ndim == 2 and array.shape[1] in (3, 4) and array.dtype.kind in "iuf"
    if not is_table or len(array) < 2 or len(array) != (count or len(array)):
        raise InputError(
            "The colors of a colormap must be names, or numbers of shape (colors, 3) or (colors, "
            f"4), at least two, but got {array.dtype} of shape {array.shape}."
        )
    high = 1 if array.dtype.kind == "f" else 255
    if not (np.isfinite(array).all() and array.min() >= 0 and array.max() <= high):
        raise InputError(
            "The colors of a colormap must be floats in 0…1 or whole numbers in 0…255, but got "
            f"{array.dtype} from {array.min()} to {array.max()}."
        )
    return array[:, :3] / high


def _topo_bands(count: int, places: np.ndarray) -> np.ndarray:
    if not 2 <= count <= _STEPS:
        raise InputError(f"topo.colors takes 2 to {_STEPS} colors, but got {count}.")
    # R rounds halves up.
    colors = np.floor(topo_colors(count) * 255 + 0.5) / 255
    return colors[banded(places, count).astype(int)]


def _named(name: str) -> Colormap:
    try:
        return Colormap(name)
    except ValueError:
        hint = (
            nearest(name, [*Catalog(), OPENCV_JET, "topo.colors(12)"])
            or "try 'inferno', 'viridis', 'jet' or 'gray'."
        )
        raise InputError(f"There is no colormap {name!r}; {hint}") from None


def _mixed(colors: tuple[str, ...]) -> Colormap:
    if len(colors) < 2:
        raise InputError(f"A colormap needs at least two colors, but got {len(colors)}.")
    try:
        return Colormap(colors)
    except (TypeError, ValueError) as error:
        raise InputError(f"The colors {list(colors)} are not a colormap: {error}.") from None


def _unknown_color(table: np.ndarray) -> np.ndarray:
    distance = np.abs(table.astype(int) - _UNKNOWN).max(axis=1).min()
    return _UNKNOWN if distance > 24 else _UNKNOWN_AMONG_GRAYS
