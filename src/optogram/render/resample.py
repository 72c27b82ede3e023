"""Resizing of maps and photos."""

from typing import Literal, get_args

import numpy as np
from PIL import Image

from optogram.errors import InputError
from optogram.render.canvas import require_room

Interpolation = Literal["bilinear", "nearest"]
Photo = Image.Image | np.ndarray
"""A PIL image, or a uint8 array (H, W, 3), (H, W, 1) or (H, W)."""

Rectangle = tuple[float, float, float, float]
"""Top, left, bottom, right."""

_LEGIBLE = 224
_WIDEST = 4096

# Pillow's box filter repeats pixels when it enlarges and, unlike NEAREST, averages them when it
# shrinks, so that no cell of a map is dropped.
_FILTERS = {"bilinear": Image.Resampling.BILINEAR, "nearest": Image.Resampling.BOX}


def as_map(values: np.ndarray) -> np.ndarray:
    """``values`` as an array (h, w); InputError if they are not a single, non-empty map."""
    array = np.asarray(values)
    if array.ndim != 2 or not array.size:
        raise InputError(f"A map must have the shape (h, w), but got {array.shape}.")
    return array


def as_image(photo: Photo) -> Image.Image:
    """``photo`` as a PIL image in RGB; InputError if it is not an image."""
    if isinstance(photo, Image.Image):
        return photo.convert("RGB")
    array = np.asarray(photo)
    if array.ndim == 3 and array.shape[-1] == 1:
        array = array[..., 0]
    is_photo = array.ndim == 2 or (array.ndim == 3 and array.shape[-1] == 3)
    if array.dtype != np.uint8 or not is_photo or not array.size:
        raise InputError(
            "A photo must be a PIL image or a uint8 array (H, W, 3), (H, W, 1) or (H, W), but "
            f"got {array.dtype} of shape {array.shape}."
        )
    return Image.fromarray(array).convert("RGB")


def visible(picture: np.ndarray) -> Image.Image:
    """The first three channels of a uint8 image (H, W, C), or else the first."""
    return as_image(picture[..., :3] if picture.shape[-1] >= 3 else picture[..., :1])


def placed(
    where: Rectangle | None, size: tuple[int, int], cells: tuple[int, int]
) -> tuple[tuple[slice, slice], Rectangle | None]:
    """The pixels of a photo of ``size`` that a map of ``cells`` covers, and the part of the map.

    ``where`` is the rectangle that the map covers, in fractions of the photo; the part is in cells.
    None is all of either.
    """
    if where is None:
        return (slice(0, size[0]), slice(0, size[1])), None
    windows, parts = zip(
        *(
            _placed_along(low, high, pixels, count)
            for low, high, pixels, count in zip(where[:2], where[2:], size, cells, strict=True)
        ),
        strict=True,
    )
    return windows, tuple(np.array(parts).T.ravel().tolist())


def _placed_along(
    low: float, high: float, pixels: int, cells: int
) -> tuple[slice, tuple[float, float]]:
    """`placed` along one axis."""
    # At least one pixel, however small the photo.
    first = min(round(low * pixels), pixels - 1)
    last = max(round(high * pixels), first + 1)
    begin = max(first, 0)
    end = max(begin, min(last, pixels))
    part = ((begin - first) / (last - first), (end - first) / (last - first))
    return slice(begin, end), (part[0] * cells, part[1] * cells)


def resize_map(
    unit: np.ndarray,
    size: tuple[int, int],
    interpolation: Interpolation = "bilinear",
    box: Rectangle | None = None,
) -> np.ndarray:
    """Resize a map, keeping cell centers in place.

    Parameters
    ----------
    unit : float32 array (h, w)
        In [0, 1], or NaN where unknown.
    size : (int, int)
        New height and width in pixels.
    interpolation : "bilinear" or "nearest"
        Smooth, or each cell as a block of one color.
    box : (float, float, float, float), optional
        Part of the map: top, left, bottom, right in cells. None: all.

    Returns
    -------
    float32 array (H, W)
        Unknown cells stay unknown, and do not affect their neighbors.

    Raises
    ------
    InputError
        If the size is not positive or the interpolation is unknown.
    """
    require_room(size[1], size[0])
    if interpolation not in _FILTERS:
        names = " or ".join(map(repr, get_args(Interpolation)))
        raise InputError(f"The interpolation must be {names}, but got {interpolation!r}.")
    known = np.isfinite(unit)
    values = _resize(np.where(known, unit, 0), size, _FILTERS[interpolation], box)
    if known.all():
        return values
    weight = _resize(known, size, _FILTERS[interpolation], box)
    inside = _resize(known, size, Image.Resampling.BOX, box) >= 0.5
    return np.divide(values, weight, out=np.full(size, np.nan, np.float32), where=inside)


def resized(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """``image`` at ``size`` (height, width); pixels stay visible from a factor of 2."""
    height, width = size
    require_room(width, height)
    twofold = height >= 2 * image.height
    resampling = Image.Resampling.BOX if twofold else Image.Resampling.LANCZOS
    return image.resize((width, height), resampling)


def enlargement(size: tuple[int, int]) -> int:
    """Whole factor that makes a picture of ``size`` (height, width) high enough to be legible.

    Very wide pictures are enlarged less, so that they do not become huge.
    """
    return max(1, min(-(-_LEGIBLE // size[0]), _WIDEST // size[1]))


def legible(size: tuple[int, int]) -> tuple[int, int]:
    """``size`` (height, width), times its `enlargement`."""
    factor = enlargement(size)
    return size[0] * factor, size[1] * factor


def enlarged(photo: Photo) -> Image.Image:
    """``photo`` in RGB, enlarged by a whole factor if it is small."""
    image = as_image(photo)
    factor = enlargement((image.height, image.width))
    return image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)


def _resize(
    values: np.ndarray,
    size: tuple[int, int],
    resampling: Image.Resampling,
    box: Rectangle | None = None,
) -> np.ndarray:
    height, width = size
    top, left, bottom, right = box or (0, 0, *values.shape)
    image = Image.fromarray(values.astype(np.float32))
    return np.asarray(image.resize((width, height), resampling, (left, top, right, bottom)))
