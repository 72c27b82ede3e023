"""Where pictures come from: one, a list, or a stream such as a generator or a dataset."""

import itertools
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image

from optogram.arguments import checked, shown, whole
from optogram.errors import InputError
from optogram.pictures.arrays import as_array, is_tensor
from optogram.pictures.prepared import PreparedPhotos

_BATCH_AXES = 4


@checked
def pixels(
    images: Any,
    count: int | None = None,
    *,
    labels: bool = False,
    black: ArrayLike = 0.0,
    white: ArrayLike = 255.0,
    channels_first: bool = False,
) -> Iterator[Any]:
    """Images one after the other, arrays of them as (H, W, C) in 0..255.

    It reads datasets and loaders whose arrays have other units or another order of axes, gives a
    part of a stream as a list (``list(og.pixels(dataset, 8))``), and pairs images with labels.

    Parameters
    ----------
    images
        One image or several, as for `Network.prepare`; or a stream: any other iterable, such as a
        generator, ``tf.data.Dataset``, PyTorch ``DataLoader`` or ``keras.utils.PyDataset``. An
        element of a stream is an image, or an array of four axes, which is a batch of images. Of
        an element that is a tuple or a list, the first entry is that, the second its labels.
    count : int, optional
        Number of images, at most. None: all.
    labels : bool
        Give pairs (image, label); the label is None where there is none.
    black, white : float or array
        The values that stand for black and white in arrays; numbers, or one per channel. For
        floats in 0..1, ``white=1``; in −1..1, ``black=-1, white=1``; for arrays from which a
        mean was subtracted and which were divided by a deviation (both for 0..1),
        ``black=-mean / deviation, white=(1 - mean) / deviation``.
    channels_first : bool
        Whether arrays are (C, H, W), as in PyTorch.

    Returns
    -------
    iterator
        Images as they are read, one in memory at a time.

    Raises
    ------
    InputError
        If an argument cannot be used, or while iterating, an element cannot be used.
    """
    count = None if count is None else whole("count", count, 1)
    low, high = np.asarray(black, np.float32), np.asarray(white, np.float32)
    if low.ndim > 1 or high.ndim > 1 or not np.isfinite(high - low).all() or not (high - low).all():
        raise InputError(
            f"black and white must be two different numbers, or one pair per channel, not "
            f"{shown(black)} and {shown(white)}."
        )
    is_changed = channels_first or bool((low != 0).any() or (high != 255).any())

    def found() -> Iterator[Any]:
        for image, label in itertools.islice(labeled(images), count):
            picture = _in_pixels(image, low, high, channels_first) if is_changed else image
            yield (picture, label) if labels else picture

    return found()


def labeled(images: Any) -> Iterator[tuple[Any, Any]]:
    """Each image of what `pixels` takes, with its label; None if there is none.

    Images are what ``read_picture`` takes, or prepared batches of one image. Labels are as they
    come: numbers, texts, or arrays such as one-hot vectors.
    """
    if not is_stream(images):
        several = _several(images)
        yield from ((image, None) for image in ([images] if several is None else several))
        return
    for element in images:
        entry, labels = element, None
        if isinstance(element, tuple | list):
            if not element:
                raise InputError("An element of the stream is empty: expected an image in it.")
            entry, labels = element[0], element[1] if len(element) > 1 else None
        several = _several(entry)
        if several is None:
            yield entry, labels
            continue
        yield from zip(several, _labels_of(labels, len(several)), strict=True)


def listed(images: Any) -> Any:
    """Images that are in memory together: a list of images, or a batch of floats.

    Raises
    ------
    InputError
        If they are a stream, which may be endless.
    """
    if is_stream(images):
        raise InputError(
            f"Expected images that fit into memory together, got a stream "
            f"({type(images).__name__}): give some of them, list(og.pixels(images, 8)). "
            "net.predict, og.strongest_images and og.report take whole streams."
        )
    if is_tensor(images):
        images = as_array(images)
    if _is_array(images) and images.ndim == _BATCH_AXES and images.dtype.kind == "f":
        return images
    several = _several(images)
    return [images] if several is None else several


def is_stream(images: Any) -> bool:
    """Whether images are read one after the other, as from a generator, dataset or loader."""
    is_one = isinstance(images, str | bytes | bytearray | memoryview | os.PathLike | Image.Image)
    if is_one or isinstance(images, list | tuple | Mapping) or hasattr(images, "read"):
        return False
    if hasattr(images, "__array__"):
        return False
    return isinstance(images, Iterable) or (
        # Datasets of PyTorch are iterated by number.
        hasattr(images, "__getitem__") and hasattr(images, "__len__")
    )


def in_chunks(images: Iterator[Any], length: int) -> Iterator[list[Any]]:
    """Lists of up to ``length`` images of the same kind: prepared batches, or others."""
    while chunk := list(itertools.islice(images, length)):
        for _, group in itertools.groupby(chunk, lambda one: isinstance(one, PreparedPhotos)):
            yield list(group)


def _several(images: Any) -> Sequence[Any] | None:
    """The images of a list or batch; None for one image."""
    if isinstance(images, PreparedPhotos) and images.ndim == _BATCH_AXES:
        return [images[i : i + 1] for i in range(len(images))]
    if isinstance(images, list | tuple):
        return list(images)
    if is_tensor(images) and getattr(images, "ndim", _BATCH_AXES) == _BATCH_AXES:
        images = as_array(images)
    is_batch = _is_array(images) and images.ndim == _BATCH_AXES
    is_names = _is_array(images) and images.ndim == 1 and images.dtype.kind in "UO"
    return list(images) if is_batch or is_names else None


def _labels_of(labels: Any, count: int) -> Sequence[Any]:
    """The labels of a batch of ``count`` images."""
    if labels is None:
        return [None] * count
    found = as_array(labels) if is_tensor(labels) else labels
    try:
        is_matching = len(found) == count and not isinstance(found, str | bytes | Mapping)
    except TypeError:
        is_matching = False
    if not is_matching:
        raise InputError(
            f"A batch of {count} images in the stream comes with labels {shown(labels)}: expected "
            "one label for each image."
        )
    return list(found)


def _in_pixels(
    image: Any, black: np.ndarray, white: np.ndarray, channels_first: bool
) -> np.ndarray:
    """An array or tensor with other units or order as (H, W, C) in 0..255."""
    is_array = hasattr(image, "__array__") and not isinstance(image, PreparedPhotos)
    if not is_array:
        raise InputError(
            "black, white and channels_first are for arrays and tensors, got "
            f"{shown(image)}: leave them out."
        )
    array = as_array(image).astype(np.float32)
    if array.ndim == 2:
        array = array[None] if channels_first else array[..., None]
    if array.ndim != 3:
        raise InputError(f"An image has three axes, got an array of shape {array.shape}.")
    if channels_first:
        array = array.transpose(1, 2, 0)
    channels = array.shape[-1]
    if any(limit.ndim and len(limit) != channels for limit in (black, white)):
        raise InputError(
            f"black and white must be one number, or {channels}, one per channel of the image of "
            f"shape {array.shape}."
        )
    # Rounding leaves a little more than 0..255, which reading clips.
    return (array - black) * (255 / (white - black))


def _is_array(images: Any) -> bool:
    return isinstance(images, np.ndarray)
