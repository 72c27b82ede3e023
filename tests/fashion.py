"""A small set in the form of Fashion-MNIST, whose classes can be told apart."""

import gzip
from pathlib import Path

import numpy as np

from optogram.datasets import FashionMNIST

NAMES = {
    "train_images": "train-images-idx3-ubyte",
    "train_labels": "train-labels-idx1-ubyte",
    "test_images": "t10k-images-idx3-ubyte",
    "test_labels": "t10k-labels-idx1-ubyte",
}


def made(train: int, test: int) -> FashionMNIST:
    """Noise with a bright square, whose place says the class."""
    generator = np.random.default_rng(0)

    def part(count):
        labels = generator.integers(10, size=count)
        images = generator.integers(100, size=(count, 28, 28))
        for image, number in zip(images, labels, strict=True):
            top, left = 2 + 14 * (number // 5), 5 * (number % 5)
            image[top : top + 10, left : left + 5] = 255
        return images.astype(np.uint8), labels

    return FashionMNIST(*part(train), *part(test))


def write(folder: Path, data: FashionMNIST, packed: bool = False) -> Path:
    """The four files, in ``folder``."""
    for field, name in NAMES.items():
        path = folder / (f"{name}.gz" if packed else name)
        write_idx(path, getattr(data, field), packed)
    return folder


def write_idx(path: Path, array: np.ndarray, packed: bool = False) -> None:
    """An array of bytes as an IDX file."""
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    content = bytes([0, 0, 8, array.ndim]) + sizes + array.astype(np.uint8).tobytes()
    path.write_bytes(gzip.compress(content) if packed else content)
