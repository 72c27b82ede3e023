"""Arrays of any type as pictures in 0..255, with the channels that are wanted."""

from typing import Any

import numpy as np
from PIL import Image

from optogram.errors import PhotoError
from optogram.words import counted, with_article

# Rec. 601 luma, the weights behind Pillow's mode "L".
_LUMA = np.array((0.299, 0.587, 0.114), np.float32)

# Tolerance for float images outside 0..255.
_SLACK = 0.01


def is_tensor(source: Any) -> bool:
    """Whether this is an array of a library other than NumPy."""
    if isinstance(source, np.ndarray | Image.Image):
        return False
    return all(hasattr(source, name) for name in ("__array__", "shape", "dtype"))


def as_array(source: Any) -> np.ndarray:
    """An array or tensor, on any device, as NumPy array; PhotoError for anything else."""
    if not hasattr(source, "__array__"):
        raise PhotoError(
            "An image is a path, the bytes of a picture file or an open file, a Pillow image, or "
            "an array or tensor of shape (height, width, channels), not "
            f"{with_article(type(source).__name__)}."
        )
    try:
        if hasattr(source, "detach"):  # PyTorch: it may need gradients, or be on another device
            source = source.detach().cpu()
            source = source.float() if source.dtype.is_floating_point else source
        array = np.asarray(source)
    except Exception as error:
        raise PhotoError(
            f"This {type(source).__name__} cannot be read as an array ({reason(error)}): "
            "give a NumPy array."
        ) from error
    return array.astype(np.float32) if array.dtype.name == "bfloat16" else array


def from_array(array: np.ndarray, channels: int, name: str) -> np.ndarray:
    """A picture (H, W, channels), of an array that ``name`` begins a sentence about."""
    _check_shape(array, channels, name)
    if array.dtype == np.uint16 and 0 < array.max() <= 255:
        raise PhotoError(
            f"{name} has dtype uint16, which spans 0..65535, but its largest value is "
            f'{array.max()}: give it as uint8, array.astype("uint8").'
        )
    pixels = display_units(array, name)
    return change_channels(pixels if pixels.ndim == 3 else pixels[..., None], channels)


def _check_shape(array: np.ndarray, channels: int, name: str) -> None:
    readable = (1, 3, 4) if channels in (1, 3) else (channels,)
    shape = array.shape if array.ndim != 2 else (*array.shape, 1)
    came = f"{name} has shape {array.shape}"
    if array.size == 0:
        raise PhotoError(f"{came}, which holds no pixels: give (height, width, {channels}).")
    if len(shape) == 4:
        raise PhotoError(f"{came}, a batch: give one image (height, width, {channels}) at a time.")
    if len(shape) != 3:
        raise PhotoError(f"{came}, but an image has (height, width, {channels}).")
    if shape[-1] in readable:
        return
    if shape[0] in readable:
        raise PhotoError(
            f"{came}, channels first: give array.transpose(1, 2, 0), or all images as "
            "og.pixels(images, channels_first=True)."
        )
    expected = "1, 3 or 4" if channels in (1, 3) else channels
    raise PhotoError(
        f"{came}, which means {counted(shape[-1], 'channel')}, but this network takes {channels}: "
        f"give (height, width, channels) with {expected} channels."
    )


def display_units(array: np.ndarray, name: str) -> np.ndarray:
    """Numbers of any type as 0..255, ``uint8`` for whole numbers."""
    if array.dtype == np.uint8:
        return array
    if array.dtype.kind == "u" and array.dtype.itemsize == 2:
        return array.astype(np.float32) / 257
    if array.dtype == bool:
        return array.astype(np.uint8) * 255
    if array.dtype.kind in "iu":
        _check_range(array, name)
        return array.astype(np.uint8)
    if array.dtype.kind != "f":
        raise PhotoError(
            f"{name} has dtype {array.dtype}, which is not an image type: give uint8, uint16, "
            "bool or floats in 0..255."
        )
    bad = array.size - np.count_nonzero(np.isfinite(array))
    if bad:
        raise PhotoError(
            f"{name} has {counted(int(bad), 'NaN or infinite value')} among {array.size}: replace "
            "them."
        )
    _check_range(array, name)
    if 0 < array.max() <= 1:
        raise PhotoError(
            f"{name} has floats between 0 and 1, but an image spans 0..255: multiply by 255, or "
            "give og.pixels(images, white=1)."
        )
    return np.clip(array, 0, 255).astype(np.float32)


def _check_range(array: np.ndarray, name: str) -> None:
    low, high = array.min(), array.max()
    if low < -_SLACK or high > 255 + _SLACK:
        raise PhotoError(
            f"{name} has values from {low:g} to {high:g}, but a picture lies in 0..255: "
            "rescale it, or undo its preparation first, og.pixels(images, black=…, white=…)."
        )


def change_channels(pixels: np.ndarray, channels: int) -> np.ndarray:
    """Convert (H, W, 1, 3 or 4) in display units to (H, W, channels); other counts stay."""
    if channels not in (1, 3):
        return pixels.copy()
    gray = pixels.shape[2] == 1
    if pixels.shape[2] == channels:
        return pixels.copy()
    if pixels.dtype == np.uint8 and not gray:
        return eight_bits(Image.fromarray(pixels), channels)
    if gray:
        return pixels.repeat(channels, axis=2)
    if pixels.shape[2] == 4:
        alpha = pixels[..., 3:] / 255
        pixels = pixels[..., :3] * alpha + 255 * (1 - alpha)
    return (pixels @ _LUMA)[..., None] if channels == 1 else pixels


def eight_bits(image: Image.Image, channels: int) -> np.ndarray:
    """Any 8-bit mode as a ``uint8`` array (H, W, channels), over white if transparent."""
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    if image.mode != "RGB":
        image = image.convert("RGB")
    if channels == 1:
        return np.array(image.convert("L"))[..., None]
    return np.array(image)


def reason(error: BaseException) -> str:
    """The message of an exception, to be put in parentheses."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(text.split()).rstrip(".") or type(error).__name__
