"""Resizing of photos to the input size of a network."""

import operator
from typing import NamedTuple

import numpy as np

from optogram.errors import InputError, nearest
from optogram.pictures.resample import Box, require_resample, resampled

FITS = ("stretch", "crop", "pad")
_FORMER_NAME_OF_STRETCH = "squash"
PAD_GRAY = 127.5
"""Gray level around a photo with ``fit="pad"``."""


def fit_picture(
    picture: np.ndarray,
    size: tuple[int | None, int | None] | None,
    fit: str = "stretch",
    resample: str = "lanczos",
) -> np.ndarray:
    """Resize an image to the input size of a network.

    Parameters
    ----------
    picture
        Array of shape (H, W, C), 0..255, as ``read_picture`` returns it.
    size
        (height, width) in pixels. If one side is None, the proportions are kept and ``fit`` has no
        effect. None, or None for both sides: the size is not changed.
    fit
        ``"stretch"``: the whole photo, without keeping its proportions, as in Keras by default.
        ``"crop"``: the center, scaled to the size; the same part as in Keras with
        ``keep_aspect_ratio=True`` or ``crop_to_aspect_ratio=True``. ``"pad"``: scaled to fit
        inside, centered, with mid-gray (127.5) around it, which most preprocessing maps to nearly
        0; Keras's ``pad_to_aspect_ratio=True`` has black there.
    resample
        ``"lanczos"``, ``"bilinear"``, ``"nearest"`` or ``"area"``; see `resampled`.

    Returns
    -------
    ndarray of shape (height, width, C)
        ``float32`` in 0..255.

    Raises
    ------
    InputError
        If ``size``, ``fit`` or ``resample`` is unknown.
    """
    require_resample(resample)
    place = _place(picture.shape[:2], size, fit)
    resized = resampled(picture, place.box, place.inner, resample)
    if place.inner == place.size:
        return resized
    canvas = np.full((*place.size, picture.shape[2]), PAD_GRAY, np.float32)
    (top, left), (height, width) = place.offset, place.inner
    canvas[top : top + height, left : left + width] = resized
    return canvas


def seen_region(
    photo_size: tuple[int, int],
    size: tuple[int | None, int | None] | None,
    fit: str = "stretch",
) -> tuple[float, float, float, float]:
    """The rectangle of a photo that the network's input covers after ``fit_picture``.

    Parameters
    ----------
    photo_size
        (height, width) of the photo.
    size, fit
        As in ``fit_picture``.

    Returns
    -------
    top, left, bottom, right : float
        Edges in photo pixels; (0, 0) is the upper left corner. With ``"pad"``, edges on padded
        sides are outside the photo.

    Raises
    ------
    InputError
        If ``size`` or ``fit`` is unknown.
    """
    place = _place(photo_size, size, fit)
    top, left, bottom, right = place.box
    step_y = (bottom - top) / place.inner[0]
    step_x = (right - left) / place.inner[1]
    return (
        top - place.offset[0] * step_y,
        left - place.offset[1] * step_x,
        bottom + (place.size[0] - place.inner[0] - place.offset[0]) * step_y,
        right + (place.size[1] - place.inner[1] - place.offset[1]) * step_x,
    )


class _Placement(NamedTuple):
    """``box`` of the photo is resized to ``inner`` and placed at ``offset`` in ``size``."""

    size: tuple[int, int]
    box: Box
    inner: tuple[int, int]
    offset: tuple[int, int]


def _place(
    photo_size: tuple[int, int], size: tuple[int | None, int | None] | None, fit: str
) -> _Placement:
    if fit not in FITS:
        is_former = fit == _FORMER_NAME_OF_STRETCH
        hint = "it is called 'stretch' now" if is_former else nearest(str(fit), FITS)
        raise InputError(
            f"fit must be {', '.join(map(repr, FITS))}, not {fit!r}: {hint or 'choose one'}."
        )
    sides = _sides(size)
    target = _complete(photo_size, sides)
    photo_height, photo_width = photo_size
    height, width = target
    whole = Box(0, 0, photo_height, photo_width)
    if fit == "stretch" or None in sides:
        return _Placement(target, whole, target, (0, 0))
    if fit == "crop":
        # Whole pixels, so that a photo that is only cropped is not blurred; rounded as in Keras.
        seen_height = max(1, min(photo_height, photo_width * height // width))
        seen_width = max(1, min(photo_width, photo_height * width // height))
        top, left = (photo_height - seen_height) // 2, (photo_width - seen_width) // 2
        box = Box(top, left, top + seen_height, left + seen_width)
        return _Placement(target, box, target, (0, 0))
    inner_height = max(1, min(height, round(photo_height * width / photo_width)))
    inner_width = max(1, min(width, round(photo_width * height / photo_height)))
    offset = ((height - inner_height) // 2, (width - inner_width) // 2)
    return _Placement(target, whole, (inner_height, inner_width), offset)


def _sides(size: tuple[int | None, int | None] | None) -> tuple[int | None, int | None]:
    if size is None:
        return None, None
    try:
        height, width = (None if side is None else operator.index(side) for side in size)
    except (TypeError, ValueError):
        height, width = 0, 0
    if any(side is not None and side < 1 for side in (height, width)):
        raise InputError(
            f"size must be (height, width) in whole pixels of at least 1, or None, not {size!r}."
        )
    return height, width


def _complete(photo_size: tuple[int, int], sides: tuple[int | None, int | None]) -> tuple[int, int]:
    """Fill in missing sides from the proportions of the photo."""
    (photo_height, photo_width), (height, width) = photo_size, sides
    if height is not None and width is not None:
        return height, width
    if height is not None:
        return height, max(1, round(photo_width * height / photo_height))
    if width is not None:
        return max(1, round(photo_height * width / photo_width)), width
    return photo_height, photo_width
