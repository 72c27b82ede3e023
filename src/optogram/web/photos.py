"""The photos of the explorer: read once, listed, shown; within bounds."""

import hashlib
import io
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard

import numpy as np
from PIL import Image

from optogram.errors import InputError, PhotoError
from optogram.pictures.read import read_picture, require_picture_file

PHOTOS = 500
"""Largest number of photos at a time."""
PHOTO_BYTES = 64 << 20
"""Largest size of an uploaded photo."""
SOURCE_BYTES = 1 << 30
"""Largest size of all uploaded photos together."""
_SHOWN_SIDE = 1600
"""Photos are kept at most this large for display; networks read the original."""


@dataclass(frozen=True)
class Photo:
    """A photo.

    Attributes
    ----------
    id : str
        Identifies its content.
    name : str
        Name of its file.
    source : bytes or Path
        Where it is read from.
    width, height : int
        Size of the original, in pixels, upright.
    shown : bytes
        PNG or JPEG for display.
    """

    id: str
    name: str
    source: bytes | Path
    width: int
    height: int
    shown: bytes


class PhotoStore:
    """Photos, in the order in which they came."""

    def __init__(self) -> None:
        self._photos: dict[str, Photo] = {}
        self._lock, self._reading = threading.Lock(), threading.Lock()

    def __iter__(self) -> Iterator[Photo]:
        """The photos, in the order in which they came."""
        with self._lock:
            return iter(list(self._photos.values()))

    def photo(self, text: str) -> Photo:
        """The photo with the identifier ``text``."""
        with self._lock:
            if text not in self._photos:
                raise InputError(
                    f"There is no photo {text[:40]!r} any more: add it again, or choose one of "
                    "those listed at /api/photos."
                )
            return self._photos[text]

    def add(self, source: bytes | Path, name: str) -> Photo:
        """Read a photo and keep it; one that is already there is not kept twice.

        Raises
        ------
        PhotoError
            If it is no photo that can be read.
        InputError
            If there are too many photos.
        """
        content = source if isinstance(source, bytes) else _content(source)
        found = hashlib.sha256(content).hexdigest()[:16]
        with self._lock:
            if found in self._photos:
                return self._photos[found]
            self._require_room(source)
        # One at a time: a large photo takes gigabytes while it is decoded.
        with self._reading:
            pixels = _eight_bits(read_picture(_Named(content, name[:200] or "photo")))
        height, width = pixels.shape[:2]
        image = Image.fromarray(pixels)
        image.thumbnail((_SHOWN_SIDE, _SHOWN_SIDE))
        shown = io.BytesIO()
        # Small pictures, such as those of 28×28 pixels, would suffer from JPEG.
        if max(image.size) <= 256:
            image.save(shown, "PNG")
        else:
            image.save(shown, "JPEG", quality=92)
        photo = Photo(found, name[:200] or "photo", source, width, height, shown.getvalue())
        with self._lock:
            if found not in self._photos:
                self._require_room(source)
                self._photos[found] = photo
            return self._photos[found]

    def _require_room(self, source: bytes | Path) -> None:
        """Raise an InputError if there are too many photos already."""
        if len(self._photos) >= PHOTOS:
            raise InputError(f"There are {PHOTOS} photos already: remove some first.")
        held = sum(len(each.source) for each in self._photos.values() if _is_held(each.source))
        if _is_held(source) and held + len(source) > SOURCE_BYTES:
            raise InputError(
                f"The photos added hold {SOURCE_BYTES >> 20} MB already: remove some first."
            )

    def remove(self, text: str) -> None:
        """Forget the photo with the identifier ``text``; its file stays."""
        self.photo(text)
        with self._lock:
            self._photos.pop(text, None)


class _Named(io.BytesIO):
    """The content of a file, with the name that errors call it by."""

    def __init__(self, content: bytes, name: str) -> None:
        super().__init__(content)
        self.name = name


def _content(path: Path) -> bytes:
    require_picture_file(path)
    try:
        return path.read_bytes()
    except OSError as error:
        raise PhotoError(
            f"{str(path)!r} cannot be read ({error.strerror}): change its permissions or copy it."
        ) from error


def _is_held(source: bytes | Path) -> TypeGuard[bytes]:
    """Whether a photo's content is held in memory."""
    return isinstance(source, bytes)


def _eight_bits(pixels: np.ndarray) -> np.ndarray:
    return pixels if pixels.dtype == np.uint8 else np.rint(pixels).astype(np.uint8)
