"""A map laid over its photo, and a photo seen through a mask."""

import numpy as np
from PIL import Image

from optogram.errors import InputError
from optogram.render.colors import ColorMap, color_table, paint
from optogram.render.display import Scale, scale_of, to_unit
from optogram.render.frame import framed, scale_bar
from optogram.render.resample import Interpolation, Photo, as_map, enlarged, stretch

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_COLOR_KEPT = 0.2
_DARKNESS = 0.12
_MID_GREY = np.full(3, 128, np.float32)


def overlay(
    photo: Photo,
    values: np.ndarray,
    *,
    scale: Scale | None = None,
    cmap: ColorMap | None = None,
    opacity: float = 0.7,
    bar: bool = True,
    interpolation: Interpolation = "bilinear",
    title: str | None = None,
) -> Image.Image:
    """Lay a map over its photo, the more opaque the farther its values are from neutral.

    The photo loses most of its colour, so that the colours seen are those of the map. The scale
    bar is blended in the same way over mid-grey.

    Parameters
    ----------
    photo : PIL image, or uint8 array (H, W, 3), (H, W, 1) or (H, W)
        Enlarged by a whole number where it is lower than 224 pixels.
    values : array (h, w)
        Stretched to the size of the photo; grey where not finite.
    scale : Scale, optional
        What the ends of the bar mean; `scale_of` the values by default.
    cmap : str or sequence of str, optional
        Colour map; see `colorize`.
    opacity : float, default 0.7
        In [0, 1]: how much of the photo the strongest values hide.
    bar : bool, default True
        Draw the scale bar at the right.
    interpolation : "bilinear" or "nearest"
        Smooth, or each cell as a block of one colour.
    title : str, optional
        Words above the photo.

    Returns
    -------
    PIL.Image.Image
        RGB; as large as the (enlarged) photo without bar and title.

    Raises
    ------
    InputError
        If the photo, the map, the opacity, the colour map or the interpolation cannot be used.
    """
    if not 0 <= opacity <= 1:
        raise InputError(f"The opacity lies in 0 to 1, but got {opacity}.")
    values = as_map(values)
    scale = scale_of(values) if scale is None else scale
    table = color_table(scale, cmap)

    def blended(unit: np.ndarray, below: np.ndarray) -> np.ndarray:
        alpha = opacity * _strength(unit, scale)[..., None]
        return np.rint(below + alpha * (paint(unit, table) - below)).astype(np.uint8)

    below = _desaturated(np.asarray(enlarged(photo), np.float32))
    unit = stretch(to_unit(values, scale), below.shape[:2], interpolation)
    picture = Image.fromarray(blended(unit, below))
    drawn = scale_bar(scale, picture.height, lambda unit: blended(unit, _MID_GREY)) if bar else None
    return framed(picture, bar=drawn, title=title)


def through_mask(photo: Photo, mask: np.ndarray) -> Image.Image:
    """Show a photo only where a mask is True, and darkness elsewhere.

    Parameters
    ----------
    photo : PIL image, or uint8 array (H, W, 3), (H, W, 1) or (H, W)
        Enlarged by a whole number where it is lower than 224 pixels.
    mask : bool array (h, w)
        Stretched to the size of the photo, each cell as a block.

    Returns
    -------
    PIL.Image.Image
        RGB, as large as the (enlarged) photo.

    Raises
    ------
    InputError
        If the photo cannot be used, or the mask is not boolean or not of two dimensions.
    """
    mask = as_map(mask)
    if mask.dtype != bool:
        raise InputError(f"A mask holds True and False, but got {mask.dtype}; compare it first.")
    pixels = np.asarray(enlarged(photo), np.float32)
    seen = stretch(mask.astype(np.float32), pixels.shape[:2], "nearest") >= 0.5
    light = np.where(seen, 1, _DARKNESS)[..., None]
    return Image.fromarray(np.rint(pixels * light).astype(np.uint8))


def _desaturated(pixels: np.ndarray) -> np.ndarray:
    luma = pixels @ _LUMA
    return luma[..., None] + _COLOR_KEPT * (pixels - luma[..., None])


def _strength(unit: np.ndarray, scale: Scale) -> np.ndarray:
    """How far from neutral, in [0, 1]; 1 where unknown, for that must not look like nothing."""
    strength = np.abs(2 * unit - 1) if scale.signed else unit
    return np.where(np.isnan(unit), 1, strength)
