"""Reading of photos: any file, Pillow image or array becomes an upright image in 0..255."""

import contextlib
import io
import mmap
import os
import re
import stat
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, UnidentifiedImageError

from optogram.errors import InputError, PhotoError
from optogram.files import is_own, reading
from optogram.pictures.arrays import (
    as_array,
    change_channels,
    display_units,
    eight_bits,
    from_array,
    reason,
)
from optogram.words import counted

PIXEL_LIMIT = 120_000_000
"""Largest number of pixels (height × width); the header is checked before decoding."""

_SCANNED_LIMIT = 20 * PIXEL_LIMIT
"""Largest product of pixels and scans of a progressive JPEG file; ten scans are usual."""

_FILE_LIMIT = 512 << 20
"""Largest size in bytes of an open file; files on disk are not read whole."""

_ONE_READER = threading.Lock()

# Plain raster formats, decoded in process; EPS, for one, would start Ghostscript.
_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF", "JPEG2000")

ENDINGS = frozenset(
    (".avif", ".bmp", ".gif", ".jp2", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")
)
"""Endings of the files that are taken for photos in a folder."""

# Pillow opens these formats in mode "I" only for samples of 16 bits.
_SIXTEEN_BITS_AS_I = ("PNG", "PPM")

# In a JPEG file: a marker, and within compressed data one that ends them.
_MARKER = re.compile(rb"\xff+([^\x00\xff])")
_END_OF_DATA = re.compile(rb"\xff+[^\x00\xd0-\xd7\xff]")
_BARE = frozenset((0x01, *range(0xD0, 0xD9)))  # no length follows
_END_OF_IMAGE, _START_OF_SCAN = 0xD9, 0xDA

_EXIF_ORIENTATION = 0x0112

# EXIF orientation -> (swap rows and columns, then mirror top-bottom, then mirror left-right)
_TURNS = {
    2: (False, False, True),
    3: (False, True, True),
    4: (False, True, False),
    5: (True, False, False),
    6: (True, False, True),
    7: (True, True, True),
    8: (True, True, False),
}


def read_picture(
    source: str | os.PathLike | Image.Image | Any, channels: int = 3, place: int | None = None
) -> np.ndarray:
    """Read one photo, upright and opaque, with the channels of the network's input.

    Parameters
    ----------
    source
        The path of a PNG, JPEG, WebP, GIF, BMP, TIFF, PPM, AVIF or JPEG 2000 file (of several
        frames the first); such a file opened for reading bytes, or its content as ``bytes``; a
        Pillow image; or an array or tensor of shape (H, W) or (H, W, C) that holds ``uint8``,
        ``uint16``, ``bool``, or numbers in 0..255.
    channels
        Number of channels. 1 and 3: converted between gray (Rec. 601 luma) and RGB. Any other
        number: only arrays with exactly that many channels are accepted.
    place
        Its index among several, for error messages about images without a name.

    Returns
    -------
    ndarray of shape (H, W, channels)
        Display units, 0..255: ``uint8`` where the source has at most 8 bits a channel, else
        ``float32`` (16-bit values divided by 257, so 65535 becomes 255).

    Raises
    ------
    PhotoError
        If the source is missing, damaged, too large, or not an image in 0..255.
    InputError
        If the photo has another number of channels.

    Notes
    -----
    EXIF orientation is applied. Transparent images are blended with white. Color profiles are
    ignored, as in Keras. Pillow reads 16-bit color files as 8-bit.
    """
    number = "" if place is None else f" number {place}, from 0,"
    if isinstance(source, str | os.PathLike):
        name = repr(os.fsdecode(source))
        _check_convertible(name, channels)
        with _open(source, name) as file:
            return _decoded(file, channels, name)
    if isinstance(source, bytes | bytearray | memoryview) or hasattr(source, "read"):
        name = _name_of_content(source, number)
        _check_convertible(name, channels)
        return _decoded(io.BytesIO(content_of(source, name)), channels, name)
    if isinstance(source, Image.Image):
        name = f"The Pillow image{number}"
        _check_convertible(name, channels)
        with _decoding(name):
            return _from_image(source, channels, name)
    return from_array(as_array(source), channels, f"The array{number}")


class NamedBytes(bytes):
    """The content of a picture file with a name for error messages."""

    name: str

    @classmethod
    def of(cls, content: bytes, name: str) -> "NamedBytes":
        """The content under a name."""
        found = cls(content)
        found.name = name
        return found


def content_of(source: Any, name: str = "The file") -> bytes:
    """The bytes of a picture file that ``source`` holds: bytes, or an open file.

    A file is read from its beginning where that is possible, so that it can be read again.

    Raises
    ------
    PhotoError
        If it cannot be read, is a text file, or is larger than 512 MB.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        return bytes(source)
    try:
        with _ONE_READER:  # several threads may read the same file
            if source.seekable():
                source.seek(0)
            content = source.read(_FILE_LIMIT + 1)
    # A file of another library may raise any exception.
    except Exception as error:
        raise PhotoError(f"{name} cannot be read ({reason(error)}): open it again.") from error
    if not isinstance(content, bytes):
        raise PhotoError(f'{name} is not open for bytes: open it with open(path, "rb").')
    if len(content) > _FILE_LIMIT:
        raise PhotoError(f"{name} is larger than {_FILE_LIMIT >> 20} MB: shrink the image.")
    return content


def pictures_in(folder: str | os.PathLike) -> list[Path]:
    """The image files in a folder and its subfolders, by file extension, sorted by name.

    Files that optogram made are skipped, because results may lie next to photos.

    Raises
    ------
    InputError
        If there is no such folder, or no other image in it.
    """
    return foreign_and_own_pictures(folder)[0]


def foreign_and_own_pictures(folder: str | os.PathLike) -> tuple[list[Path], int]:
    """`pictures_in` a folder, and the number of pictures that optogram made.

    Raises
    ------
    InputError
        If there is no such folder, or no other image in it.
    """
    path = Path(os.fsdecode(folder))
    if not path.is_dir():
        raise InputError(f"{str(path)!r} is not a folder: give the path of a folder with images.")
    named = [file for file in path.rglob("*") if file.suffix.lower() in ENDINGS]
    # Compared by the parts of their paths, as paths are, without a call for each comparison.
    found = sorted((file for file in named if not is_own(file)), key=lambda file: file.parts)
    if not found:
        raise InputError(
            f"{str(path)!r} has no images (except those that optogram made): expected files "
            f"ending in {', '.join(sorted(ENDINGS))}."
        )
    return found, len(named) - len(found)


# Files


def require_picture_file(source: str | os.PathLike) -> None:
    """Check that there is a file to read, without reading it.

    Raises
    ------
    PhotoError
        If there is none, or it is empty, or no regular file.
    """
    name, path = repr(os.fsdecode(source)), Path(os.fsdecode(source))
    with _opening(name):
        status = path.stat()
    if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for its other end
        kind = "a folder" if path.is_dir() else "a pipe or device"
        raise PhotoError(f"{name} is {kind}, not an image: give the path of an image file.")
    if status.st_size == 0:
        raise PhotoError(f"{name} is empty (0 bytes): copy or download the image again.")


def require_picture(source: str | os.PathLike) -> None:
    """Check that a file begins as a picture does, without decoding it.

    Raises
    ------
    PhotoError
        If it is no picture, or none that `require_picture_file` accepts.
    """
    name = repr(os.fsdecode(source))
    with _opened(source, name) as file, _decoding(name), _identified(file):
        return


def _open(source: str | os.PathLike, name: str) -> BinaryIO:
    """Open a photo to decode it; raise a PhotoError for anything but a regular, non-empty file."""
    file = _opened(source, name)
    reading(Path(os.fsdecode(source)))
    return file


def _opened(source: str | os.PathLike, name: str) -> BinaryIO:
    require_picture_file(source)
    with _opening(name):
        return Path(os.fsdecode(source)).open("rb")


@contextmanager
def _opening(name: str) -> Iterator[None]:
    """Convert what the file system raises to one sentence."""
    try:
        yield
    except FileNotFoundError:
        raise PhotoError(_missing(name)) from None
    except PermissionError:
        raise PhotoError(
            f"{name} cannot be read (permission denied): change its permissions or copy it."
        ) from None
    except (OSError, ValueError) as error:
        raise PhotoError(f"{name} cannot be opened ({reason(error)}): check the path.") from error


def _name_of_content(source: Any, number: str) -> str:
    """What error messages call bytes, or an open file."""
    name = getattr(source, "name", None)
    if isinstance(name, str):
        return repr(name)
    return f"The picture{number} given as {'an open file' if hasattr(source, 'read') else 'bytes'}"


def _decoded(file: BinaryIO, channels: int, name: str) -> np.ndarray:
    """The picture in a file, which ``name`` begins a sentence about."""
    with _decoding(name), _identified(file) as image:
        _check_scans(image, file, name)
        return _from_image(image, channels, name)


def _missing(name: str) -> str:
    if "://" in name:
        return f"{name} is a web address, not a file: download the image and give its path."
    return f"{name} does not exist: check the path, relative to {str(Path.cwd())!r}."


def _identified(file: BinaryIO) -> Image.Image:
    """Open an image file without decoding it.

    Unlike `Image.open`, this does not apply the global pixel limit of Pillow, which warns:
    suppressing that warning would change the warning filters of all threads.
    """
    Image.init()
    start = file.read(16)
    for name in _FORMATS:
        if name not in Image.OPEN:
            continue
        factory, accept = Image.OPEN[name]
        # As `Image.open` does: a format that fails so leaves the file to the next.
        with contextlib.suppress(SyntaxError, IndexError, TypeError, struct.error):
            is_such = accept is None or accept(start)
            # Words say why a format cannot be read here.
            if is_such and not isinstance(is_such, str):
                file.seek(0)
                return factory(file, "")
    raise UnidentifiedImageError


@contextmanager
def _decoding(name: str) -> Iterator[None]:
    """Convert any exception of Pillow, for damaged files of any type, to one sentence."""
    try:
        yield
    except InputError:
        raise
    except UnidentifiedImageError as error:
        kinds = ", ".join(_FORMATS)
        raise PhotoError(
            f"{name} holds no picture that can be read, whatever its extension: save it as {kinds}."
        ) from error
    except Image.DecompressionBombError as error:
        raise PhotoError(f"{name} has too many pixels ({reason(error)}): shrink it.") from error
    except Exception as error:
        raise PhotoError(
            f"{name} cannot be decoded, it may be damaged or cut short ({reason(error)}): get "
            "the file again, or save it again with an image editor."
        ) from error


# Pillow images


def _check_convertible(name: str, channels: int) -> None:
    if channels not in (1, 3):
        raise InputError(
            f"{name} is a photo, but the network takes {counted(channels, 'channel')}: "
            f"give an array of shape (height, width, {channels}) with values in 0..255."
        )


def _from_image(image: Image.Image, channels: int, name: str) -> np.ndarray:
    if image.width * image.height > PIXEL_LIMIT:
        raise PhotoError(
            f"{name} has {image.width}×{image.height} pixels, more than the {PIXEL_LIMIT:,} "
            "that are read: shrink it."
        )
    if not image.width or not image.height:
        raise PhotoError(f"{name} has no pixels, its size is {image.width}×{image.height}.")
    image.load()
    # Modes "I", "I;16…" and "F" hold numbers, which Pillow would clip in the conversion to RGB.
    if image.mode[0] in "IF":
        pixels = change_channels(_numbers(image, name), channels)
    else:
        pixels = eight_bits(image, channels)
    return _upright(pixels, image)


def _check_scans(image: Image.Image, file: BinaryIO, name: str) -> None:
    """Refuse a JPEG file with very many scans: each makes the decoder process the whole image."""
    if image.format not in ("JPEG", "MPO"):
        return
    with _content(file) as content:
        scans = _scans(content)
    if scans * image.width * image.height > _SCANNED_LIMIT:
        raise PhotoError(
            f"{name} has {image.width}×{image.height} pixels in {scans} scans, which would take "
            "very long to decode: save it again with an image editor."
        )


def _content(file: BinaryIO) -> memoryview | mmap.mmap:
    """The whole content of a file; on disk, it is not read at once."""
    if isinstance(file, io.BytesIO):
        return file.getbuffer()
    return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _scans(data: memoryview | mmap.mmap) -> int:
    """Number of scans of the first image of a JPEG file.

    Markers are followed to its end. Previews are inside marker segments; a second image or a video,
    as phones append them, comes after that end.
    """
    scans, place = 0, 0
    while found := _MARKER.search(data, place):
        marker, place = found[1][0], found.end()
        if marker == _END_OF_IMAGE:
            break
        if marker in _BARE:
            continue
        place += int.from_bytes(data[place : place + 2])
        if marker == _START_OF_SCAN:
            scans += 1
            end = _END_OF_DATA.search(data, place)
            place = end.start() if end else len(data)
    return scans


def _numbers(image: Image.Image, name: str) -> np.ndarray:
    """Gray with more than 8 bits as an array (H, W, 1) in display units."""
    values = np.asarray(image)
    if ";16" in image.mode or (image.mode == "I" and image.format in _SIXTEEN_BITS_AS_I):
        values = values.astype(np.uint16)
        values[values == image.info.get("transparency", -1)] = 65535  # white where transparent
    return display_units(values, name)[..., None]


def _upright(pixels: np.ndarray, image: Image.Image) -> np.ndarray:
    orientation = image.getexif().get(_EXIF_ORIENTATION)
    if orientation not in _TURNS:
        return pixels
    swap, mirror_rows, mirror_columns = _TURNS[orientation]
    if swap:
        pixels = pixels.swapaxes(0, 1)
    if mirror_rows:
        pixels = pixels[::-1]
    if mirror_columns:
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)
