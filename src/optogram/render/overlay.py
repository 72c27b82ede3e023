"""A map over its photo, and a photo seen through a mask."""

from collections.abc import Callable
from typing import Literal

import numpy as np
from PIL import Image

from optogram.arguments import checked
from optogram.errors import InputError
from optogram.render.colors import OPENCV_JET, ColorMap, banded, color_table, paint
from optogram.render.display import Scale, range_of, scale_of, to_unit
from optogram.render.frame import framed, scale_bar
from optogram.render.resample import (
    Interpolation,
    Photo,
    Rectangle,
    as_image,
    as_map,
    enlarged,
    map_on,
    placed,
    resize_map,
    resized,
)

OverlayStyle = Literal["even", "alpha", "added"]

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_COLOR_KEPT = 0.2
_MID_GRAY = np.full(3, 128, np.float32)
_WHITE = 255.0
_ALPHA_STEPS = 20

_OPACITY = {"even": 0.7, "alpha": 0.7, "added": 0.4}
_COLORS = {"even": None, "alpha": "viridis", "added": OPENCV_JET}

_Blend = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Maps positions on the scale (...) and pixels below (..., 3) to pixels (..., 3), float."""


@checked
def overlay(
    photo: Photo,
    values: np.ndarray,
    *,
    style: OverlayStyle = "even",
    scale: Scale | None = None,
    cmap: ColorMap | None = None,
    opacity: float | None = None,
    size: tuple[int, int] | None = None,
    bar: bool = True,
    unit: str | None = None,
    interpolation: Interpolation = "bicubic",
    title: str | None = None,
    where: Rectangle | None = None,
) -> Image.Image:
    """Draw a map over its photo.

    The scale bar is blended with mid-gray, as the map is with the photo.

    Parameters
    ----------
    photo : PIL image, or uint8 array (H, W, 3), (H, W, 1) or (H, W)
        Enlarged by a whole factor if it is less than 224 pixels high.
    values : array (h, w)
        Resized to the size of the photo; gray if not finite.
    style : {"even", "alpha", "added"}
        "even": with s the distance of a value from neutral (0 of a signed scale, else the low end
        of the scale), from 0 to 1 at the end of the scale: the photo loses 80 % · s of its
        saturation, so that strong colors are those of the map, and is then blended with the color
        of the map, which has the opacity ``opacity`` · s. Where a map is neutral, the photo is
        unchanged.
        "alpha": 20 steps from the minimum to the maximum; step i of 0…19 has color i with alpha
        i/19 over white, and is blended with the photo with ``opacity``.
        "added": photo + ``opacity`` × color, clipped; negative values count as 0.
    scale : Scale, optional
        Values at the ends of the bar. Default: `scale_of` the values; "alpha": minimum to maximum;
        "added": 0 to maximum.
    cmap : str, sequence of str, array or callable, optional
        Colormap; see `colorize`. Default of "alpha": "viridis"; of "added": "opencv:jet".
    opacity : float, optional
        In [0, 1]: opacity of the strongest values, or factor of "added". Default: 0.7; "added":
        0.4.
    size : (int, int), optional
        Height and width of the picture; the photo is resized to it.
    bar : bool, default True
        Whether to draw the scale bar at the right.
    unit : str, optional
        Unit of the values, written along the bar.
    interpolation : "bicubic", "bilinear" or "nearest"
        Smooth, with each cell's own value at its center; straight lines between centers; or each
        cell as a block of one color.
    title : str, optional
        Title above the photo.
    where : (float, float, float, float), optional
        Top, left, bottom, right of the rectangle that the map covers, as fractions of the photo's
        height and width. The photo is unchanged outside, and parts outside the photo are clipped.
        None: the whole photo.

    Returns
    -------
    PIL.Image.Image
        RGB; without bar and title as large as the (enlarged) photo, or ``size``.

    Raises
    ------
    InputError
        If an argument is invalid.
    """
    opacity = _OPACITY[style] if opacity is None else opacity
    if not 0 <= opacity <= 1:
        raise InputError(f"The opacity must be in 0 to 1, but got {opacity}.")
    values = as_map(values)
    scale = _default_scale(style, values) if scale is None else scale
    table = color_table(scale, _COLORS[style] if cmap is None else cmap)
    blend = _BLENDS[style](scale, table, opacity)

    def blended(unit: np.ndarray, below: np.ndarray) -> np.ndarray:
        return np.rint(blend(unit, below)).astype(np.uint8)

    shown = enlarged(photo) if size is None else resized(as_image(photo), size)
    pixels = np.array(shown)
    window, _ = placed(where, pixels.shape[:2], values.shape)
    if pixels[window].size:
        shown_values = map_on(pixels.shape[:2], values, where, interpolation)[window]
        pixels[window] = blended(to_unit(shown_values, scale), pixels[window].astype(np.float32))
    picture = Image.fromarray(pixels)
    drawn = None
    if bar:
        drawn = scale_bar(
            scale, picture.size[::-1], lambda places: blended(places, _MID_GRAY), unit
        )
    return framed(picture, bar=drawn, title=title)


@checked
def layer(
    size: tuple[int, int],
    values: np.ndarray,
    *,
    scale: Scale | None = None,
    where: Rectangle | None = None,
) -> Image.Image:
    """Draw a map as a transparent layer, to be laid over its photo.

    Opacity is the distance of a value from neutral. Over a desaturated photo, with 70% of that
    opacity, it looks like `overlay` in its default style.

    Parameters
    ----------
    size : (int, int)
        Height and width of the photo.
    values : array (h, w)
        Resized to the photo; gray if not finite.
    scale : Scale, optional
        Values at the ends of the colors. Default: `scale_of` the values.
    where : (float, float, float, float), optional
        The rectangle that the map covers; see `overlay`. The layer is transparent outside.

    Returns
    -------
    PIL.Image.Image
        RGBA.

    Raises
    ------
    InputError
        If the map is not a non-empty array (h, w).
    """
    values = as_map(values)
    scale = scale_of(values) if scale is None else scale
    pixels = np.zeros((*size, 4), np.uint8)
    window, box = placed(where, size, values.shape)
    if pixels[window].size:
        unit = resize_map(to_unit(values, scale), pixels[window].shape[:2], box=box)
        colors = paint(unit, color_table(scale, None))
        alpha = 255 * np.clip(_strength(unit, scale), 0, 1)[..., None]
        pixels[window] = np.rint(np.concatenate([colors, alpha], axis=-1))
    return Image.fromarray(pixels)


@checked
def through_mask(
    photo: Photo,
    mask: np.ndarray,
    *,
    light: float = 0.12,
    where: Rectangle | None = None,
    title: str | None = None,
) -> Image.Image:
    """Show a photo where a mask is True; the rest is dark.

    Parameters
    ----------
    photo : PIL image, or uint8 array (H, W, 3), (H, W, 1) or (H, W)
        Enlarged by a whole factor if it is less than 224 pixels high.
    mask : bool array (h, w)
        Resized to the size of the photo, each cell as a block.
    light : float, default 0.12
        Brightness where the mask is False, in [0, 1]; 0 is black.
    where : (float, float, float, float), optional
        The rectangle that the mask covers; see `overlay`. The rest is dark.
    title : str, optional
        Title above the photo.

    Returns
    -------
    PIL.Image.Image
        RGB; without title as large as the (enlarged) photo.

    Raises
    ------
    InputError
        If the photo or the light is invalid, or the mask is not a two-dimensional bool array.
    """
    if not 0 <= light <= 1:
        raise InputError(f"The light must be in 0 to 1, but got {light}.")
    mask = as_map(mask)
    if mask.dtype != bool:
        raise InputError(
            f"A mask must be boolean, but got {mask.dtype}: compare it with a threshold first."
        )
    pixels = np.asarray(enlarged(photo), np.float32)
    window, box = placed(where, pixels.shape[:2], mask.shape)
    seen = np.zeros(pixels.shape[:2], bool)
    if seen[window].size:
        inside = resize_map(mask.astype(np.float32), seen[window].shape, "nearest", box)
        seen[window] = inside >= 0.5
    kept = np.where(seen, 1, light)[..., None]
    return framed(Image.fromarray(np.rint(pixels * kept).astype(np.uint8)), title=title)


def _default_scale(style: OverlayStyle, values: np.ndarray) -> Scale:
    if style == "alpha":
        return range_of(values)
    if style == "added":
        return Scale(0.0, max(0.0, range_of(values).high))
    return scale_of(values)


def _even(scale: Scale, table: np.ndarray, opacity: float) -> _Blend:
    def blend(unit: np.ndarray, below: np.ndarray) -> np.ndarray:
        strength = _strength(unit, scale)[..., None]
        below = below + strength * (_desaturated(below) - below)
        return below + opacity * strength * (paint(unit, table) - below)

    return blend


def _alpha(scale: Scale, table: np.ndarray, opacity: float) -> _Blend:
    def blend(unit: np.ndarray, below: np.ndarray) -> np.ndarray:
        step = banded(unit, _ALPHA_STEPS) / (_ALPHA_STEPS - 1)
        # Whole multiples of 1/255, as in the tutorial.
        alpha = np.where(np.isnan(step), 1, np.floor(step * 255) / 255)[..., None]
        heat = _WHITE + alpha * (paint(step, table) - _WHITE)
        return below + opacity * (heat - below)

    return blend


def _added(scale: Scale, table: np.ndarray, opacity: float) -> _Blend:
    def blend(unit: np.ndarray, below: np.ndarray) -> np.ndarray:
        return np.clip(below + opacity * paint(unit, table), 0, 255)

    return blend


_BLENDS = {"even": _even, "alpha": _alpha, "added": _added}


def _desaturated(pixels: np.ndarray) -> np.ndarray:
    luma = pixels @ _LUMA
    return luma[..., None] + _COLOR_KEPT * (pixels - luma[..., None])


def _strength(unit: np.ndarray, scale: Scale) -> np.ndarray:
    """Distance from neutral, in [0, 1]; 1 if unknown, so that unknown values are visible."""
    strength = np.abs(2 * unit - 1) if scale.signed else unit
    return np.where(np.isnan(unit), 1, strength)
