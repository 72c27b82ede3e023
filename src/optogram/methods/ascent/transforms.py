"""Transforms for robustness: random views of an image that are scored instead of it.

Those of this module are affine, so any sequence is one matrix and the image is sampled once. What
changes the colors of a view is in `recoloring`.
"""

import itertools
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from optogram.arguments import number, whole
from optogram.errors import InputError

Size = tuple[int, int]


class Transform:
    """A random transform."""

    def scaled(self, factor: float) -> "Transform":
        """The same transform for an image smaller by ``factor``."""
        return self


class Affine(Transform, ABC):
    """A random transform of places."""

    def resized(self, size: Size) -> Size:
        """The (height, width) of the view of an image of ``size``."""
        return size

    @abstractmethod
    def draw(self, generator: np.random.Generator, count: int, size: Size) -> np.ndarray:
        """(count, 2, 3): for each point of the view, the source point in an image of ``size``.

        Points are (y, x, 1) in pixels from the center of each.
        """


@dataclass(frozen=True)
class Pad(Affine):
    """Pad with gray, so many pixels on each side."""

    pixels: int

    def __post_init__(self) -> None:
        """Check the width."""
        object.__setattr__(self, "pixels", whole("pixels", self.pixels))

    def scaled(self, factor: float) -> "Pad":
        """A narrower margin."""
        return Pad(round(self.pixels * factor))

    def resized(self, size: Size) -> Size:
        """Larger by the margin on both sides."""
        return size[0] + 2 * self.pixels, size[1] + 2 * self.pixels

    def draw(self, generator: np.random.Generator, count: int, size: Size) -> np.ndarray:
        """The identity: nothing is random."""
        return _matrices(count)


@dataclass(frozen=True)
class Jitter(Affine):
    """Crop a random window, smaller than the image by so many pixels."""

    pixels: int

    def __post_init__(self) -> None:
        """Check the number of pixels."""
        object.__setattr__(self, "pixels", whole("pixels", self.pixels))

    def scaled(self, factor: float) -> "Jitter":
        """A smaller jitter."""
        return Jitter(round(self.pixels * factor))

    def resized(self, size: Size) -> Size:
        """Smaller by the jitter."""
        return size[0] - self.pixels, size[1] - self.pixels

    def draw(self, generator: np.random.Generator, count: int, size: Size) -> np.ndarray:
        """Whole pixels, uniformly distributed."""
        offsets = generator.integers(0, self.pixels, (count, 2), endpoint=True)
        return _matrices(count, offsets=offsets - self.pixels / 2)


@dataclass(frozen=True)
class Scale(Affine):
    """Scale by a random factor between ``low`` and ``high``."""

    low: float
    high: float

    def __post_init__(self) -> None:
        """Check the factors."""
        _check_range(self, 1e-3, 1e3)

    def draw(self, generator: np.random.Generator, count: int, size: Size) -> np.ndarray:
        """Factors, uniformly distributed."""
        return _matrices(count, 1 / generator.uniform(self.low, self.high, count))


@dataclass(frozen=True)
class Rotate(Affine):
    """Rotate by a random angle of at most so many degrees in either direction."""

    degrees: float

    def __post_init__(self) -> None:
        """Check the angle."""
        object.__setattr__(self, "degrees", number("degrees", self.degrees, 0))

    def draw(self, generator: np.random.Generator, count: int, size: Size) -> np.ndarray:
        """Angles, uniformly distributed."""
        angles = np.radians(generator.uniform(-self.degrees, self.degrees, count))
        matrices = _matrices(count)
        matrices[:, 0, 0] = matrices[:, 1, 1] = np.cos(angles)
        matrices[:, 0, 1], matrices[:, 1, 0] = -np.sin(angles), np.sin(angles)
        return matrices


@dataclass(frozen=True)
class Crop(Affine):
    """Crop a random window and enlarge it to the size of the image; its side is a random share."""

    low: float
    high: float

    def __post_init__(self) -> None:
        """Check the shares."""
        _check_range(self, 1e-3, 1)

    def draw(self, generator: np.random.Generator, count: int, size: Size) -> np.ndarray:
        """Shares and positions, uniformly distributed."""
        shares = generator.uniform(self.low, self.high, count)
        room = (1 - shares)[:, None] * np.array(size)
        return _matrices(count, shares, generator.uniform(-0.5, 0.5, (count, 2)) * room)


def views(
    transforms: Sequence[Transform], size: Size, fed: Size | None, count: int, seed: int
) -> tuple[Size, np.ndarray]:
    """``count`` samples of the composition of ``transforms``, each as one matrix.

    Parameters
    ----------
    transforms : sequence of Transform
        In the order in which they are applied; those that are not affine are left out. Pixels
        outside a window stay available to later transforms; only points outside the image are gray.
    size : (height, width)
        Size of the image.
    fed : (height, width), optional
        Size that the last view is resized to. None: no resizing.
    count, seed : int
        Number of samples, and random seed.

    Returns
    -------
    (height, width), ndarray of shape (count, 2, 3)
        Size of the views, and source points, as in `Transform.draw`.
    """
    generator = np.random.default_rng(seed)
    total = _matrices(count)
    for transform in (each for each in transforms if isinstance(each, Affine)):
        total = _after(total, transform.draw(generator, count, size))
        size = transform.resized(size)
    if fed is not None and fed != size:
        resize = _matrices(count)
        resize[:, 0, 0], resize[:, 1, 1] = size[0] / fed[0], size[1] / fed[1]
        total, size = _after(total, resize), fed
    return size, total.astype(np.float32)


def view(pictures: Any, matrix: Any, size: Size, fill: np.ndarray) -> Any:
    """Views (N, h, w, C) of ``pictures`` (N, H, W, C) by ``matrix`` (2, 3), bilinear.

    Points outside are ``fill`` (C,). Tensors in, tensor out.
    """
    ops = keras.ops
    count, height, width, channels = pictures.shape
    rows, columns = (np.arange(side, dtype=np.float32) - (side - 1) / 2 for side in size)
    points = np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1).reshape(-1, 2)
    center = np.array([(height - 1) / 2, (width - 1) / 2], np.float32)
    places = ops.add(ops.matmul(points, ops.transpose(matrix[:, :2])) + matrix[:, 2], center)
    whole = ops.floor(places)
    part = places - whole
    # Pixels first: each of them moves with all pictures and channels in one piece.
    flat = ops.reshape(ops.transpose(pictures, (1, 2, 0, 3)), (height * width, count * channels))
    seen: Any = 0
    covered: Any = 0
    for down, right in itertools.product((0, 1), repeat=2):
        y, x = whole[:, 0] + down, whole[:, 1] + right
        inside = (y >= 0) & (y <= height - 1) & (x >= 0) & (x <= width - 1)
        share = (part[:, 0] if down else 1 - part[:, 0]) * (part[:, 1] if right else 1 - part[:, 1])
        share = ops.cast(inside, "float32") * share
        index = ops.clip(y, 0, height - 1) * width + ops.clip(x, 0, width - 1)
        seen += ops.take(flat, ops.cast(index, "int32"), axis=0) * share[:, None]
        covered += share
    seen += ops.multiply((1 - covered)[:, None], np.tile(fill.astype(np.float32), count))
    return ops.transpose(ops.reshape(seen, (*size, count, channels)), (2, 0, 1, 3))


def _check_range(transform: "Scale | Crop", least: float, most: float) -> None:
    """Check ``low`` and ``high``: in order, and within ``least`` … ``most``."""
    for name in ("low", "high"):
        object.__setattr__(transform, name, number(name, getattr(transform, name), least, most))
    if transform.low > transform.high:
        raise InputError(f"low must be at most high, not {transform.low} and {transform.high}.")


def _matrices(
    count: int, factors: np.ndarray | float = 1.0, offsets: np.ndarray | float = 0.0
) -> np.ndarray:
    matrices = np.zeros((count, 2, 3))
    matrices[:, 0, 0] = matrices[:, 1, 1] = factors
    matrices[:, :, 2] = offsets
    return matrices


def _after(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The composition: source points of the second view, through the first."""
    turned = first[:, :, :2] @ second
    turned[:, :, 2] += first[:, :, 2]
    return turned
