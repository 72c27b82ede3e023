"""Sample photos, and Fashion-MNIST."""

import gzip
import math
import os
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optogram import backend
from optogram.errors import InputError
from optogram.files import kind_at, reading

if TYPE_CHECKING:
    import numpy as np

# Photographs that scikit-image ships with its package, so that nothing is downloaded.
_SAMPLES = {
    "chelsea": "chelsea.png",
    "coffee": "coffee.png",
    "astronaut": "astronaut.png",
    "rocket": "rocket.jpg",
}

_FASHION_CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
_FASHION_SIDE = 28

# Where Debian's package dataset-fashion-mnist puts it.
_DEBIAN = Path("/usr/share/datasets/fashion-mnist")

_IDX_UINT8 = 0x08
_MOST_BYTES = 1 << 28
_HOW_TO_GET_IT = (
    "give a folder that holds its four files (source=…, --data), or install Debian's package "
    "dataset-fashion-mnist"
)


@dataclass(frozen=True, eq=False)
class FashionMNIST:
    """Gray images of clothes in ten classes (Xiao, Rasul and Vollgraf, 2017).

    Attributes
    ----------
    train_images : uint8 ndarray of shape (N, 28, 28)
        Training images, light on black; N is 60 000.
    train_labels : int64 ndarray of shape (N,)
        Class of each training image, an index into ``classes``.
    test_images : uint8 ndarray of shape (M, 28, 28)
        Test images; M is 10 000.
    test_labels : int64 ndarray of shape (M,)
        Class of each test image.
    classes : tuple of str
        The ten class names.
    """

    train_images: "np.ndarray"
    train_labels: "np.ndarray"
    test_images: "np.ndarray"
    test_labels: "np.ndarray"
    classes: tuple[str, ...] = _FASHION_CLASSES


def sample_photo(name: str = "chelsea") -> Path:
    """The path of a sample photo: "chelsea" (a cat), "coffee", "astronaut" or "rocket".

    Raises
    ------
    InputError
        If there is no photo of that name, or scikit-image, which contains them, is not installed.
    """
    if name not in _SAMPLES:
        raise InputError(f"There is no sample photo {name!r}: choose one of {', '.join(_SAMPLES)}.")
    try:
        import skimage.data
    except ImportError as error:
        raise InputError(
            'The sample photos are part of scikit-image: run pip install "optogram[demo]".'
        ) from error
    return Path(skimage.data.__file__).parent / _SAMPLES[name]


def fashion_mnist(source: str | os.PathLike | None = None) -> FashionMNIST:
    """Fashion-MNIST: 60 000 training images and 10 000 test images.

    Parameters
    ----------
    source : str or path, optional
        A folder with the four files, such as ``train-images-idx3-ubyte.gz``, compressed or not.
        None: the files of Debian's package dataset-fashion-mnist, or else the copy that Keras
        downloads once.

    Returns
    -------
    FashionMNIST

    Raises
    ------
    InputError
        If a file is missing or damaged, or the set cannot be downloaded.
    BackendError
        If Keras has to download it, and its backend is missing.
    """
    if source is not None:
        return _fashion_in(Path(source))
    if kind_at(_DEBIAN) == "folder":
        return _fashion_in(_DEBIAN)
    backend.current()
    import keras

    try:
        (train_images, train_labels), (test_images, test_labels) = (
            keras.datasets.fashion_mnist.load_data()
        )
    # Downloading can fail anywhere inside Keras, with any exception.
    except Exception as error:
        raise InputError(
            f"Fashion-MNIST could not be downloaded ({_first_line(error)}): {_HOW_TO_GET_IT}."
        ) from error
    return FashionMNIST(
        train_images, train_labels.astype("int64"), test_images, test_labels.astype("int64")
    )


def _fashion_in(folder: Path) -> FashionMNIST:
    if kind_at(folder) != "folder":
        raise InputError(f"{folder} is not a folder with Fashion-MNIST: {_HOW_TO_GET_IT}.")
    return FashionMNIST(*_labeled(folder, "train"), *_labeled(folder, "t10k"))


def _labeled(folder: Path, part: str) -> "tuple[np.ndarray, np.ndarray]":
    """Images and labels of a part of the set, "train" or "t10k"."""
    images = _read_idx(_named(folder, f"{part}-images-idx3-ubyte"), dimensions=3)
    labels = _read_idx(_named(folder, f"{part}-labels-idx1-ubyte"), dimensions=1)
    if images.shape[1:] != (_FASHION_SIDE, _FASHION_SIDE) or not len(images):
        raise InputError(
            f"The images of Fashion-MNIST are 28×28, but {part}-images-idx3-ubyte in {folder} has "
            f"shape {images.shape}: {_HOW_TO_GET_IT}."
        )
    if len(labels) != len(images) or labels.max() >= len(_FASHION_CLASSES):
        raise InputError(
            f"Each of the {len(images)} images of {part}-images-idx3-ubyte in {folder} needs a "
            f"label from 0 to 9, but {part}-labels-idx1-ubyte has {len(labels)} labels up to "
            f"{labels.max(initial=0)}: {_HOW_TO_GET_IT}."
        )
    return images, labels.astype("int64")


def _named(folder: Path, name: str) -> Path:
    for path in (folder / name, folder / f"{name}.gz"):
        if kind_at(path) == "file":
            return path
    raise InputError(f"{folder} has no file {name} or {name}.gz: {_HOW_TO_GET_IT}.")


def _read_idx(path: Path, dimensions: int) -> "np.ndarray":
    """The array of an IDX file of bytes: two zeros, type, dimensions, sizes, then the values."""
    import numpy as np

    reading(path)
    try:
        with path.open("rb") as file:
            is_packed = file.read(2) == b"\x1f\x8b"
        with gzip.open(path) if is_packed else path.open("rb") as file:
            shape = _idx_shape(file, dimensions)
            # One more byte, to detect trailing data.
            content = file.read(math.prod(shape) + 1)
        if len(content) != math.prod(shape):
            raise ValueError(f"it does not have the expected {math.prod(shape)} values")
    except PermissionError as error:
        raise InputError(f"{path} cannot be read: permission denied.") from error
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise InputError(f"{path} is damaged ({_first_line(error)}): {_HOW_TO_GET_IT}.") from error
    return np.frombuffer(content, np.uint8).reshape(shape)


def _idx_shape(file: Any, dimensions: int) -> list[int]:
    """The sizes in the header of an IDX file."""
    if file.read(4) != bytes([0, 0, _IDX_UINT8, dimensions]):
        raise ValueError(f"it is not an IDX file of bytes with {dimensions} dimensions")
    sizes = file.read(4 * dimensions)
    if len(sizes) < 4 * dimensions:
        raise ValueError("it ends before its sizes")
    shape = [int.from_bytes(sizes[4 * i : 4 * i + 4], "big") for i in range(dimensions)]
    if math.prod(shape) > _MOST_BYTES:
        raise ValueError(f"it claims {math.prod(shape):,} values")
    return shape


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200].rstrip(".") if lines else type(error).__name__
