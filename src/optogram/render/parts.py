"""Parts of a photo, each in a color of its own."""

import colorsys
from collections.abc import Sequence

import numpy as np
from PIL import Image

from optogram.arguments import checked
from optogram.errors import InputError
from optogram.render.resample import Photo, Rectangle, as_image, enlarged, map_on, resized

_DISTINCT = (
    (230, 159, 0), (0, 114, 178), (0, 158, 115), (204, 121, 167),
    (213, 94, 0), (86, 180, 233), (240, 228, 66),
)  # fmt: skip
"""Okabe and Ito's colors, suitable for color-blind readers."""
_OPACITY, _GRAY_BELOW = 0.75, 0.8
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_GOLDEN = 0.618034


def part_colors(count: int) -> np.ndarray:
    """Colors (count, 3), uint8; after the first seven, hues that are far from one another."""
    more = [
        [round(255 * side) for side in colorsys.hsv_to_rgb(i * _GOLDEN % 1, 0.75, 0.85)]
        for i in range(count - len(_DISTINCT))
    ]
    return np.array([*_DISTINCT[:count], *more], np.uint8)


@checked
def parts(
    photo: Photo,
    maps: np.ndarray,
    *,
    highest: Sequence[float] | np.ndarray | None = None,
    colors: np.ndarray | None = None,
    size: tuple[int, int] | None = None,
    where: Rectangle | None = None,
) -> Image.Image:
    """Draw several maps over a photo, at each pixel the one that is strongest there.

    Each map has a color; its opacity is its value, relative to the highest. The photo below loses
    its colors where a map is drawn.

    Parameters
    ----------
    photo : PIL image, or uint8 array (H, W, 3), (H, W, 1) or (H, W)
        Enlarged by a whole factor if it is less than 224 pixels high.
    maps : array (h, w, parts)
        Not negative.
    highest : array (parts,), optional
        The value of each map that has full color. None: its maximum.
    colors : uint8 array (parts, 3), optional
        Default: `part_colors`.
    size : (int, int), optional
        Height and width of the picture.
    where : (float, float, float, float), optional
        The rectangle that the maps cover; see `overlay`.

    Returns
    -------
    PIL.Image.Image
        RGB.

    Raises
    ------
    InputError
        If the maps are not of shape (h, w, parts).
    """
    maps = np.asarray(maps, np.float32)
    if maps.ndim != 3 or not maps.size:
        raise InputError(f"Parts must be an array (h, w, parts), but got {maps.shape}.")
    top = maps.max(axis=(0, 1)) if highest is None else np.asarray(highest, np.float32)
    colors = part_colors(maps.shape[2]) if colors is None else colors
    shown = enlarged(photo) if size is None else resized(as_image(photo), size)
    pixels = np.asarray(shown, np.float32)
    relative = maps / np.where(top > 0, top, 1)
    large = np.stack(
        [map_on(pixels.shape[:2], part, where) for part in np.moveaxis(relative, -1, 0)], axis=-1
    )
    large = np.clip(np.nan_to_num(large), 0, 1)  # outside the rectangle there is none
    best = large.argmax(axis=-1)
    strength = np.take_along_axis(large, best[..., None], axis=-1)
    gray = (pixels @ _LUMA)[..., None]
    below = pixels + _GRAY_BELOW * strength * (gray - pixels)
    mixed = below + _OPACITY * strength * (colors[best] - below)
    return Image.fromarray(np.rint(mixed).astype(np.uint8))
