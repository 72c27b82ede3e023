"""Photos of a report: read and prepared once, kept no larger than the page needs."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from optogram.errors import InputError
from optogram.files import reading
from optogram.network.network import Network
from optogram.pictures.prepared import PreparedPhotos, as_shown
from optogram.pictures.read import read_picture
from optogram.pictures.sources import labeled
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
    fit, resample : str
        How the photo was brought to the input size.
    where : tuple of float
        The part that the network sees: top, left, bottom, right as fractions of height and width.
    path : str or None
        The file, if it was read from one.
    """

    name: str
    size: tuple[int, int]
    shown: Image.Image
    below: Image.Image
    seen: Image.Image
    x: np.ndarray
    fit: str
    resample: str
    where: tuple[float, ...]
    path: str | None


def each(images: Any) -> Iterator[Any]:
    """One photo or several, one after the other; a prepared batch gives batches of one image.

    Raises
    ------
    InputError
        If there are none.
    """
    is_floats = isinstance(images, np.ndarray) and images.ndim == 4 and images.dtype.kind == "f"
    is_one = is_floats and not isinstance(images, PreparedPhotos)  # refused by `read_photo`
    count = 0
    for photo in [images] if is_one else (photo for photo, _ in labeled(images)):
        count += 1
        yield photo
    if not count:
        raise InputError("A report needs at least one photo, got none.")


def read_photo(net: Network, source: Any, number: int, fit: str | None) -> Photo:
    """Read and prepare photo ``number``, counted from 1, which may be prepared already.

    Raises
    ------
    InputError
        If it cannot be read or prepared.
    """
    x = net.prepare(source if isinstance(source, PreparedPhotos) else [source], fit)
    if not isinstance(x, PreparedPhotos) or x.photos is None:
        raise InputError("A report needs photos, or what net.prepare(photo) makes of them.")
    (photo,) = x.photos
    if photo.path is not None:
        reading(Path(photo.path))  # also where it was prepared before
    # As the network takes it: gray for a network of one channel.
    picture = visible(as_shown(read_picture(photo.picture(), net.channels)))
    return Photo(
        name=photo.name or f"photo {number}",
        size=photo.size,
        shown=_at_most(picture, _SHOWN_SIDE),
        below=_at_most(picture, _OVERLAY_SIDE),
        seen=_at_most(visible(net.display(x)[0]), _OVERLAY_SIDE),
        x=x.without_pictures(),
        fit=photo.fit,
        resample=photo.resample,
        where=tuple(map(float, photo.seen)),
        path=None if photo.path is None else str(photo.path),
    )


def _at_most(image: Image.Image, side: int) -> Image.Image:
    smaller = image.copy()
    smaller.thumbnail((side, side), Image.Resampling.LANCZOS)
    return smaller
