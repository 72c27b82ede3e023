"""Resampling: four ways to compute the pixels of a photo at another size."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

from optogram.errors import InputError, nearest

if TYPE_CHECKING:
    from scipy.sparse import csr_array

RESAMPLES = ("lanczos", "bilinear", "nearest", "area")


class Box(NamedTuple):
    """A rectangle of whole pixels; (0, 0) is the upper left corner."""

    top: int
    left: int
    bottom: int
    right: int


def require_resample(name: str) -> str:
    """``name``, if it is one of `RESAMPLES`; else an InputError."""
    if name not in RESAMPLES:
        hint = nearest(str(name), RESAMPLES) or "choose the one that the network was trained with"
        raise InputError(
            f"resample must be {', '.join(map(repr, RESAMPLES))}, not {name!r}: {hint}."
        )
    return name


def resampled(
    picture: np.ndarray, box: Box, size: tuple[int, int], resample: str = "lanczos"
) -> np.ndarray:
    """A part of a picture at another size. With equal sizes, no pixel changes.

    Parameters
    ----------
    picture
        Array of shape (H, W, C), 0..255; ``uint8`` or ``float32``.
    box
        The part.
    size
        (height, width) in pixels.
    resample
        ``"lanczos"``: antialiased, as ``keras.utils.load_img(interpolation="lanczos")`` and
        Pillow; ``uint8`` pictures are rounded. ``"bilinear"``: between the four nearest pixels,
        without antialiasing, as ``keras.utils.image_dataset_from_directory`` (default) and
        ``tf.image.resize``; not rounded. ``"nearest"``: the nearest pixel, as
        ``keras.utils.load_img`` (default). ``"area"``: the mean of the area that a new pixel
        covers, as ``tf.image.resize(method="area")`` and OpenCV's ``INTER_AREA``; not rounded.

    Returns
    -------
    ndarray of shape (height, width, C)
        ``float32`` in 0..255.
    """
    if picture.dtype != np.uint8:
        picture = picture.astype(np.float32)
    if (box.bottom - box.top, box.right - box.left) == size or resample in ("bilinear", "area"):
        picture = picture[box.top : box.bottom, box.left : box.right]
    if picture.shape[:2] == size:
        return picture.astype(np.float32)
    if resample == "bilinear":
        return _bilinear(picture, size)
    if resample == "area":
        return _area(picture, size)
    return _by_pillow(picture, box, size, Image.Resampling[resample.upper()])


def _by_pillow(
    picture: np.ndarray, box: Box, size: tuple[int, int], resampling: Image.Resampling
) -> np.ndarray:
    """Color of 8 bits at once; else channel by channel, for Pillow has no color with floats."""
    (top, left, bottom, right), (height, width) = box, size
    if picture.dtype == np.uint8 and picture.shape[2] == 3:
        image = Image.fromarray(picture)
        resized = image.resize((width, height), resampling, (left, top, right, bottom))
        return np.asarray(resized).astype(np.float32)
    planes = [
        np.asarray(
            Image.fromarray(picture[..., channel]).resize(
                (width, height), resampling, (left, top, right, bottom)
            ),
            np.float32,
        )
        for channel in range(picture.shape[2])
    ]
    return np.clip(np.stack(planes, axis=-1), 0, 255)


def _bilinear(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """As TensorFlow: pixel centers are at halves, and pixels at the border repeat."""
    corners, shares = [], []
    for old, new in zip(picture.shape, size, strict=False):
        place = (np.arange(new, dtype=np.float32) + 0.5) * np.float32(old / new) - 0.5
        first = np.floor(place)
        shares.append(place - first)
        corners.append([np.clip(first + i, 0, old - 1).astype(int) for i in (0, 1)])
    across = shares[1][:, None]
    rows = []
    for row in corners[0]:
        left, right = (picture[np.ix_(row, column)].astype(np.float32) for column in corners[1])
        rows.append(left + (right - left) * across)
    top, bottom = rows
    return top + (bottom - top) * shares[0][:, None, None]


def _area(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Means over rows, then over columns, channel by channel to bound the memory."""
    down, across = (_means(old, new) for old, new in zip(picture.shape, size, strict=False))
    planes = [
        (across @ (down @ picture[..., channel].astype(np.float32)).T).T
        for channel in range(picture.shape[2])
    ]
    return np.clip(np.stack(planes, axis=-1), 0, 255)


def _means(old: int, new: int) -> "csr_array":
    """(new, old): the share of each of ``old`` pixels in each of ``new`` equal intervals."""
    from scipy.sparse import coo_array

    cuts = np.union1d(np.arange(old + 1), np.arange(new + 1) * (old / new))
    middles, lengths = (cuts[1:] + cuts[:-1]) / 2, np.diff(cuts)
    inside = middles < old  # the last cut may be rounded up
    middles, lengths = middles[inside], lengths[inside]
    places = (middles * (new / old)).astype(int), middles.astype(int)
    shares = (lengths * (new / old)).astype(np.float32)
    return coo_array((shares, places), shape=(new, old)).tocsr()
