"""Resizing of maps and photos."""

import math
from typing import Literal, get_args

import numpy as np
from PIL import Image

from optogram.errors import InputError
from optogram.render.canvas import require_room

Interpolation = Literal["bicubic", "bilinear", "nearest"]
Photo = Image.Image | np.ndarray
"""A PIL image, or a uint8 array (H, W, 3), (H, W, 1) or (H, W)."""

Rectangle = tuple[float, float, float, float]
"""Top, left, bottom, right."""

_LEGIBLE = 224
_WIDEST = 4096

# Pillow's box filter repeats pixels when it enlarges and, unlike NEAREST, averages them when it
# shrinks, so that no cell of a map is dropped.
_FILTERS = {
    "bicubic": Image.Resampling.BILINEAR,  # where it shrinks
    "bilinear": Image.Resampling.BILINEAR,
    "nearest": Image.Resampling.BOX,
}


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


def map_on(
    size: tuple[int, int],
    values: np.ndarray,
    where: Rectangle | None = None,
    interpolation: Interpolation = "bicubic",
) -> np.ndarray:
    """A map at the pixels of a photo of ``size`` (height, width), as `overlay` colors it.

    Parameters
    ----------
    size : (int, int)
        Height and width in pixels.
    values : array (h, w)
        The map, in any units.
    where : (float, float, float, float), optional
        The rectangle that the map covers, as fractions of the photo; see `overlay`.
    interpolation : "bicubic", "bilinear" or "nearest"
        See `resize_map`.

    Returns
    -------
    float32 array of shape ``size``
        NaN outside the rectangle, and in cells that are not finite.
    """
    require_room(size[1], size[0])
    window, box = placed(where, size, values.shape)
    found = np.full(size, np.nan, np.float32)
    if found[window].size:
        found[window] = resize_map(values, found[window].shape, interpolation, box)
    return found


def resize_map(
    values: np.ndarray,
    size: tuple[int, int],
    interpolation: Interpolation = "bicubic",
    box: Rectangle | None = None,
) -> np.ndarray:
    """Resize a map, keeping cell centers in place.

    Parameters
    ----------
    values : array (h, w)
        In any units; unknown where not finite.
    size : (int, int)
        New height and width in pixels.
    interpolation : "bicubic", "bilinear" or "nearest"
        "bicubic": monotone cubic curves through the values at cell centers, which have no edges and
        stay in the range of the four cells around a pixel, so that no value or sign appears that
        the map does not have. "bilinear": straight lines between cell centers. "nearest": each cell
        as a block.
        A map that shrinks is averaged.
    box : (float, float, float, float), optional
        Part of the map: top, left, bottom, right in cells. None: all. Beyond the map, the values at
        its border continue.

    Returns
    -------
    float32 array (H, W)
        NaN in unknown cells, which do not affect their neighbors.

    Raises
    ------
    InputError
        If the size is not positive or the interpolation is unknown.
    """
    require_room(size[1], size[0])
    if interpolation not in _FILTERS:
        *names, last = map(repr, get_args(Interpolation))
        raise InputError(
            f"The interpolation must be {', '.join(names)} or {last}, but got {interpolation!r}."
        )
    known = np.isfinite(values)
    if not known.any():
        return np.full(size, np.nan, np.float32)
    values = np.asarray(values, np.float32)
    if not known.all():
        from scipy.ndimage import distance_transform_edt

        nearest = distance_transform_edt(~known, return_distances=False, return_indices=True)
        values = values[tuple(nearest)]
    top, left, bottom, right = box or (0, 0, *values.shape)
    grows = size[0] >= bottom - top and size[1] >= right - left
    is_cubic = interpolation == "bicubic" and grows
    filter_ = _FILTERS[interpolation]
    beyond = max(-top, -left, bottom - values.shape[0], right - values.shape[1], 0)
    border = math.ceil(beyond) + (2 if is_cubic else 0)
    part = (top + border, left + border, bottom + border, right + border)
    values, known = np.pad(values, border, "edge"), np.pad(known, border, "edge")
    found = _cubic(values, size, part) if is_cubic else _resize(values, size, filter_, part)
    if known.all():
        return found
    inside = _resize(known, size, Image.Resampling.BOX, part) >= 0.5
    return np.where(inside, found, np.float32(np.nan))


def _cubic(values: np.ndarray, size: tuple[int, int], box: Rectangle) -> np.ndarray:
    """Monotone bicubic enlargement of the part ``box``, the same along either axis first."""
    top, left, bottom, right = box
    rows = top + (np.arange(size[0]) + 0.5) * ((bottom - top) / size[0]) - 0.5
    columns = left + (np.arange(size[1]) + 0.5) * ((right - left) / size[1]) - 0.5
    down = _monotone(_monotone(values, columns, 1), rows, 0)
    across = _monotone(_monotone(values, rows, 0), columns, 1)
    return np.clip((down + across) / 2, values.min(), values.max())  # but for rounding, they are


def _monotone(values: np.ndarray, places: np.ndarray, axis: int) -> np.ndarray:
    """Monotone cubic interpolation along an axis (Fritsch and Butland, 1984).

    The slope in each cell is the harmonic mean of those to its neighbors, 0 where they differ in
    sign: between two cells there is no value beyond theirs, and the slope does not jump.
    """
    cells = np.moveaxis(values, axis, 0)
    before, after = np.diff(cells[:-1], axis=0), np.diff(cells[1:], axis=0)
    is_extreme = before * after <= 0
    slopes = np.zeros_like(cells)
    slopes[1:-1] = np.where(
        is_extreme, 0, 2 * before * after / np.where(is_extreme, 1, before + after)
    )
    cell = np.clip(np.floor(places), 0, len(cells) - 2).astype(int)
    t = (places - cell).astype(np.float32)
    weight = t * t * (3 - 2 * t)
    found = sum(
        np.expand_dims(share, 1 - axis) * np.take(np.moveaxis(terms, 0, axis), at, axis)
        for share, terms, at in (
            (1 - weight, cells, cell),
            (weight, cells, cell + 1),
            (t * (1 - t) ** 2, slopes, cell),
            (-(t * t) * (1 - t), slopes, cell + 1),
        )
    )
    return np.asarray(found, np.float32)


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
    box: Rectangle,
) -> np.ndarray:
    height, width = size
    top, left, bottom, right = box
    image = Image.fromarray(values.astype(np.float32))
    return np.asarray(image.resize((width, height), resampling, (left, top, right, bottom)))
