"""Photos of a report: read and prepared once, kept no larger than the page needs."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from optogram.errors import InputError
from optogram.network.network import Network
from optogram.pictures.read import read_picture
from optogram.render import visible

_SHOWN_SIDE = 900
_OVERLAY_SIDE = 640


@dataclass(frozen=True)
class Photo:
    """One photo, as given and as the network sees it.

    Attributes
    ----------
    name : str
        Name on the page.
    size : (int, int)
        (height, width) of the original photo.
    shown : PIL image
        The photo, small enough for a page.
    below : PIL image
        The picture below overlays.
    seen : PIL image
        The part that the network sees.
    x : ndarray of shape (1, H, W, C)
        The same in network units, with the part of the photo that it covers.
    """

    name: str
    size: tuple[int, int]
    shown: Image.Image
    below: Image.Image
    seen: Image.Image
    x: np.ndarray


def as_list(images: Any) -> Sequence[Any]:
    """One photo or several, as a sequence of photos.

    Raises
    ------
    InputError
        If there are none.
    """
    is_batch = isinstance(images, np.ndarray) and images.ndim == 4
    sources = images if is_batch or isinstance(images, list | tuple) else [images]
    if not len(sources):
        raise InputError("A report needs at least one photo, got an empty list.")
    return sources


def read_photo(net: Network, source: Any, number: int, fit: str) -> Photo:
    """Read and prepare photo ``number``, counted from 1.

    Raises
    ------
    InputError
        If it cannot be read or prepared.
    """
    picture = read_picture(source, net.channels)
    x = net.prepare(picture, fit)
    photo, seen = visible(np.rint(picture).astype(np.uint8)), visible(net.display(x)[0])
    return Photo(
        name=_name(source) or f"photo {number}",
        size=picture.shape[:2],
        shown=_at_most(photo, _SHOWN_SIDE),
        below=_at_most(photo, _OVERLAY_SIDE),
        seen=_at_most(seen, _OVERLAY_SIDE),
        x=x,
    )


def _name(source: Any) -> str:
    """The file name of a photo, or ``""``."""
    if isinstance(source, Image.Image):
        source = getattr(source, "filename", "")
    return Path(os.fsdecode(source)).name if isinstance(source, str | os.PathLike) else ""


def _at_most(image: Image.Image, side: int) -> Image.Image:
    smaller = image.copy()
    smaller.thumbnail((side, side), Image.Resampling.LANCZOS)
    return smaller
