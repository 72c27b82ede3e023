"""Photos that are read by number, with a name for each."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from optogram.errors import InputError, PhotoError
from optogram.network.network import Network
from optogram.pictures.photo_set import PhotoSet
from optogram.pictures.prepared import is_prepared
from optogram.pictures.sources import is_stream, labeled
from optogram.progress import Progress


def listed_photos(photos: Any) -> tuple[tuple[str, ...], PhotoSet]:
    """The names of the photos, paths of those in a folder, and the photos.

    Raises
    ------
    InputError
        As `PhotoSet.of`.
    """
    found = PhotoSet.of(photos)
    return tuple(found.paths or found.names), found


@dataclass(frozen=True)
class ReadPhotos:
    """Photos that are held in memory.

    Attributes
    ----------
    x : ndarray of shape (N, H, W, C)
        Those that could be read, in network units.
    numbers : tuple of int
        The index of each in ``names``.
    names : tuple of str
        All photos.
    unread : dict of str to str
        Those that could not be read, with the reason.
    opened : sequence
        All photos, as they were given.
    """

    x: np.ndarray
    numbers: tuple[int, ...]
    names: tuple[str, ...]
    unread: dict[str, str]
    opened: Sequence[Any]


def read_photos(net: Network, photos: Any, fit: str, told: Progress) -> ReadPhotos:
    """The photos of a folder, a list, an array, a stream or a prepared batch, prepared.

    Raises
    ------
    InputError
        If there are none, no photo can be read, or a photo of a list cannot be read.
    """
    if is_stream(photos):
        photos = [photo for photo, _ in labeled(photos)]
        if photos and all(map(is_prepared, photos)):
            photos = np.concatenate(photos)
    if is_prepared(photos):
        x = np.asarray(net.fed(photos))
        names = tuple(f"photo {i}" for i in range(len(x)))
        return ReadPhotos(x, tuple(range(len(x))), names, {}, list(net.display(x)))
    names, held = listed_photos(photos)
    sources, size = held.sources, net.nominal_size
    x = np.empty((len(names), *size, net.channels), np.float32)
    numbers: list[int] = []
    unread: dict[str, str] = {}
    for number, name in enumerate(names):
        try:
            (x[len(numbers)],) = net.fed([sources[number]], fit, size, first=number)
            numbers.append(number)
        except PhotoError as error:
            if not held.origin:
                raise
            unread[name] = f"Skipped: {error}"
        told(number + 1, len(names), "photos")
    if not numbers:
        first = next(iter(unread.values()))
        raise InputError(f"None of the {len(names)} photos can be read: {first}")
    return ReadPhotos(x[: len(numbers)], tuple(numbers), names, unread, sources)
