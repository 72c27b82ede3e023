"""Pictures as bytes, data URIs, and files."""

import base64
import io
from collections.abc import Sequence
from pathlib import Path

from PIL import ExifTags, Image
from PIL.PngImagePlugin import PngInfo

from optogram.arguments import checked
from optogram.errors import InputError
from optogram.files import MARK, replacing
from optogram.render.resample import Photo, as_image

_FORMATS = {"png": "PNG", "jpeg": "JPEG", "jpg": "JPEG", "webp": "WEBP"}


@checked
def to_bytes(picture: Photo, format: str = "png", *, quality: int = 90) -> bytes:
    """Encode a picture.

    Parameters
    ----------
    picture : PIL image, or uint8 array (H, W, 3), (H, W, 1) or (H, W)
        The picture; transparency is dropped.
    format : "png", "jpeg" or "webp"
        PNG is lossless.
    quality : int, default 90
        From 1 to 100, for JPEG and WebP.

    Raises
    ------
    InputError
        If the picture or the format cannot be used.
    """
    return _encoded(as_image(picture), _name(format), **_options(_name(format), quality))


@checked
def data_uri(picture: Photo, format: str = "png", *, quality: int = 90) -> str:
    """Encode a picture, as in `to_bytes`, as a data URI for an HTML page."""
    return _uri(to_bytes(picture, format, quality=quality), _name(format))


def layer_uri(picture: Image.Image, *, quality: int = 75) -> str:
    """Encode an RGBA picture with its transparency, as WebP, as a data URI for an HTML page."""
    return _uri(_encoded(picture, "WEBP", **_options("WEBP", quality)), "WEBP")


def _uri(data: bytes, name: str) -> str:
    return f"data:image/{name.lower()};base64,{base64.b64encode(data).decode('ascii')}"


@checked
def write(picture: Photo, path: str | Path, *, quality: int = 90) -> Path:
    """Write a picture; the extension of ``path`` decides the format.

    Parameters
    ----------
    picture : PIL image, or uint8 array (H, W, 3), (H, W, 1) or (H, W)
        The picture; transparency is dropped.
    path : str or Path
        Ends in .png, .jpg, .jpeg or .webp; the folder must exist.
    quality : int, default 90
        From 1 to 100, for JPEG and WebP.

    Returns
    -------
    Path
        The file. Writing is atomic. The file is marked as made by optogram: only such files are
        replaced.

    Raises
    ------
    InputError
        If the picture or the extension cannot be used.
    OutputError
        If the file cannot be written, or would replace a file that optogram did not make.
    """
    path = Path(path)
    name = _name(path.suffix.removeprefix("."))
    options = _options(name, quality) | _marked(name)
    return _replaced(path, _encoded(as_image(picture), name, **options))


@checked
def write_gif(
    frames: Sequence[Photo], path: str | Path, *, fps: float = 5.0, hold: float = 0.0
) -> Path:
    """Write pictures as a looping animation.

    Parameters
    ----------
    frames : sequence of PIL images or uint8 arrays, all of one size
        The frames, in order.
    path : str or Path
        Ends in .gif; the folder must exist.
    fps : float, default 5
        Frames per second, between 0.1 and 50.
    hold : float, default 0
        Seconds for which the last frame is shown in addition, up to 60.

    Raises
    ------
    InputError
        If there are no frames, or the extension, fps or hold is invalid.
    OutputError
        If the file cannot be written, or would replace a file that optogram did not make.
    """
    path = Path(path)
    if path.suffix.lower() != ".gif":
        raise InputError(f"An animation must be a .gif file, but got {path.name!r}.")
    if not 0.1 <= fps <= 50:
        raise InputError(f"fps must be between 0.1 and 50 frames per second, not {fps!r}.")
    if not 0 <= hold <= 60:
        raise InputError(f"hold must be between 0 and 60 seconds, not {hold!r}.")
    images = [as_image(frame) for frame in frames]
    if not images:
        raise InputError("An animation needs at least one frame, but got none.")
    durations = [round(1000 / fps)] * len(images)
    durations[-1] += round(1000 * hold)
    data = _encoded(
        images[0],
        "GIF",
        save_all=True,
        append_images=images[1:],
        duration=durations,
        loop=0,
        comment=MARK.encode(),
    )
    return _replaced(path, data)


def _name(format: str) -> str:
    try:
        return _FORMATS[format.lower()]
    except KeyError:
        known = ", ".join(_FORMATS)
        raise InputError(f"The format of a picture must be {known}, but got {format!r}.") from None


def _options(name: str, quality: int) -> dict[str, object]:
    if name == "PNG":
        # Two thirds of the time of the default, 6, for files a fiftieth larger.
        return {"compress_level": 4}
    # Heatmaps differ in hue, so JPEG's color planes are kept at full resolution. WebP: half of the
    # time of the default method, 4, for files a twentieth larger.
    return {"quality": quality, "subsampling": 0, "method": 2}


def _marked(name: str) -> dict[str, object]:
    """Metadata with the mark of optogram, if the format supports it."""
    if name == "PNG":
        texts = PngInfo()
        texts.add_text("Software", MARK)
        return {"pnginfo": texts}
    exif = Image.Exif()
    exif[ExifTags.Base.Software] = MARK
    return {"exif": exif}


def _encoded(image: Image.Image, name: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, name, **options)
    return buffer.getvalue()


def _replaced(path: Path, data: bytes) -> Path:
    with replacing(path) as part:
        part.write_bytes(data)
    return path
