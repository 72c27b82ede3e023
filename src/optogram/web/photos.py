"""The photos of the explorer: read once, listed, shown; within bounds."""

import hashlib
import io
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from optogram.errors import InputError, PhotoError
from optogram.pictures.arrays import as_array
from optogram.pictures.read import content_of, read_picture, require_picture_file

PHOTOS = 500
"""Largest number of photos at a time."""
PHOTO_BYTES = 64 << 20
"""Largest size of an uploaded photo."""
SOURCE_BYTES = 1 << 30
"""Largest size of all uploaded photos together."""
_ORIENTATION = 0x0112
"""The number of the orientation in EXIF."""
_SHOWN_SIDE = 1600
"""Photos are kept at most this large for display; networks read the original."""


Source = bytes | Path | Image.Image | np.ndarray
"""What a photo is read from."""


@dataclass(frozen=True)
class Photo:
    """A photo.

    Attributes
    ----------
    id : str
        Identifies its content.
    name : str
        Name of its file.
    source : bytes, Path, Pillow image or ndarray
        What networks read it from.
    width, height : int
        Size of the original, in pixels, upright.
    shown : bytes
        PNG or JPEG for display.
    """

    id: str
    name: str
    source: Source
    width: int
    height: int
    shown: bytes


class PhotoStore:
    """Photos, in the order in which they came.

    Parameters
    ----------
    channels : int
        Channels that photos are read with; if more than 3, the first three are shown.
    """

    def __init__(self, channels: int = 3) -> None:
        self._channels = channels
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

    def add(self, source: Any, name: str) -> Photo:
        """Read a photo and keep it; one that is already there is not kept twice.

        Parameters
        ----------
        source
            Anything that `read_picture` takes. What can be changed is copied.
        name : str
            Its name.

        Raises
        ------
        PhotoError
            If it is no photo that can be read.
        InputError
            If there are too many photos.
        """
        kept, content = _held(source)
        found = hashlib.sha256(content).hexdigest()[:16]
        with self._lock:
            if found in self._photos:
                return self._photos[found]
            self._require_room(kept)
        if isinstance(kept, bytes | Path):
            readable: Any = _Named(content, name[:200] or "photo")
        else:
            readable = kept
        # One at a time: a large photo takes gigabytes while it is decoded.
        with self._reading:
            pixels = _eight_bits(read_picture(readable, self._channels))
        if pixels.shape[-1] != 1:
            pixels = pixels[..., :3]
        height, width = pixels.shape[:2]
        image = Image.fromarray(pixels.squeeze(-1) if pixels.shape[-1] == 1 else pixels)
        image.thumbnail((_SHOWN_SIDE, _SHOWN_SIDE))
        shown = io.BytesIO()
        # Small pictures, such as those of 28×28 pixels, would suffer from JPEG.
        if max(image.size) <= 256:
            image.save(shown, "PNG")
        else:
            image.save(shown, "JPEG", quality=92)
        photo = Photo(found, name[:200] or "photo", kept, width, height, shown.getvalue())
        with self._lock:
            if found not in self._photos:
                self._require_room(kept)
                self._photos[found] = photo
            return self._photos[found]

    def _require_room(self, source: Source) -> None:
        """Raise an InputError if there are too many photos already."""
        if len(self._photos) >= PHOTOS:
            raise InputError(f"There are {PHOTOS} photos already: remove some first.")
        held = sum(_size(each.source) for each in self._photos.values())
        if _size(source) and held + _size(source) > SOURCE_BYTES:
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


def _held(source: Any) -> tuple[Source, bytes]:
    """(what is kept of a photo, what identifies its content)."""
    if isinstance(source, str | os.PathLike):
        path = Path(os.fsdecode(source))
        return path, _content(path)
    if isinstance(source, bytes | bytearray | memoryview) or hasattr(source, "read"):
        content = content_of(source)
        return content, content
    if isinstance(source, Image.Image):
        read_picture(source)  # raises if its file is damaged
        image = source.copy()
        seen = f"{image.mode} {image.size} {image.getexif().get(_ORIENTATION)}"
        return image, seen.encode() + image.tobytes()
    array = np.array(as_array(source))
    return array, f"{array.dtype} {array.shape}".encode() + array.tobytes()


def _size(source: Source) -> int:
    """Bytes of a photo that is held in memory; 0 for a file."""
    if isinstance(source, Path):
        return 0
    if isinstance(source, Image.Image):
        return source.width * source.height * len(source.getbands())
    return source.nbytes if isinstance(source, np.ndarray) else len(source)


def _eight_bits(pixels: np.ndarray) -> np.ndarray:
    return pixels if pixels.dtype == np.uint8 else np.rint(pixels).astype(np.uint8)
