"""Photos of a result, and windows cut from them."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from optogram.errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image


def open_photo(
    index: int, names: Sequence[str], opened: Sequence[Any] | Mapping[int, Any] | None
) -> "Image":
    """Photo ``index``, decoded: from ``opened``, else from its file.

    Raises
    ------
    InputError
        If it is no longer there.
    """
    from optogram.pictures.read import read_picture
    from optogram.render import visible

    if opened is not None and (not isinstance(opened, Mapping) or index in opened):
        source = opened[index]
    elif Path(names[index]).exists():
        source = os.fspath(names[index])
    else:
        raise InputError(f"{names[index]!r} is no longer there: its window cannot be shown.")
    return visible(np.rint(read_picture(source)).astype(np.uint8))


def box_in_photo(
    photo: "Image", window: Sequence[float], size: tuple[int, int], fit: str
) -> tuple[int, int, int, int]:
    """The part of ``photo`` that a window of the prepared photo shows: left, top, right, bottom.

    The photo was brought to ``size`` (height, width) by ``fit``; ``window`` is top, left, bottom,
    right in pixels of the prepared photo.
    """
    from optogram.pictures.fit import seen_region

    top, left, bottom, right = seen_region((photo.height, photo.width), size, fit)
    up, down = (bottom - top) / size[0], (right - left) / size[1]
    box = (
        max(0, int(left + window[1] * down)),
        max(0, int(top + window[0] * up)),
        min(photo.width, round(left + window[3] * down)),
        min(photo.height, round(top + window[2] * up)),
    )
    return box[0], box[1], max(box[2], box[0] + 1), max(box[3], box[1] + 1)
