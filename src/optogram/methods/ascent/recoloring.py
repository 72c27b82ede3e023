"""Transforms of the colors of a view: color jitter and noise.

Any sequence of them is x ← factor · x + shift + deviation · noise for each channel, with x in
−½…½ from black to white, so that a view takes a few numbers and a window of one field of noise.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from optogram.arguments import number
from optogram.methods.ascent.transforms import Size, Transform

_ROOM = 128
"""Pixels by which the field of noise is larger than a view: 129² windows."""


class Recoloring(Transform, ABC):
    """A random transform of the colors of a view."""

    @abstractmethod
    def draw(
        self, generator: np.random.Generator, progress: np.ndarray, channels: int
    ) -> np.ndarray:
        """(count, 3, C): factor, shift and deviation of the noise, for each view and channel.

        ``progress`` (count,) is how far the ascent is: 0 at the first step, 1 at the last.
        """


@dataclass(frozen=True)
class ColorJitter(Recoloring):
    """Change the contrast and the level of each color channel, by random numbers.

    Each channel of each view becomes f · x + s, with x in −½…½ from black to white; f is between
    1 / ``factor`` and ``factor`` (its logarithm is uniformly distributed), s between −``shift`` and
    ``shift`` (uniformly). So the score cannot be raised by one color. Results are not clipped.
    Ghiasi et al., "What do vision transformers learn? A visual exploration" (2022), with shift 1
    and factor e, without the offset of ½.
    """

    shift: float
    factor: float = 1.0

    def __post_init__(self) -> None:
        """Check both."""
        object.__setattr__(self, "shift", number("shift", self.shift, 0))
        object.__setattr__(self, "factor", number("factor", self.factor, 1, 1e3))

    def draw(
        self, generator: np.random.Generator, progress: np.ndarray, channels: int
    ) -> np.ndarray:
        """Factors and shifts; no noise."""
        powers, shifts = generator.uniform(-1, 1, (2, len(progress), channels))
        factors = self.factor**powers
        return np.stack([factors, self.shift * shifts, np.zeros_like(shifts)], axis=1)


@dataclass(frozen=True)
class Noise(Recoloring):
    """Add Gaussian noise to each pixel and channel.

    Its standard deviation, as a share of the range from black to white, goes linearly from
    ``start`` at the first step to ``end`` at the last. Results are not clipped. Ghiasi et al.
    (2022).
    """

    start: float
    end: float = 0.0

    def __post_init__(self) -> None:
        """Check both."""
        for name in ("start", "end"):
            object.__setattr__(self, name, number(name, getattr(self, name), 0))

    def draw(
        self, generator: np.random.Generator, progress: np.ndarray, channels: int
    ) -> np.ndarray:
        """Deviations; nothing of them is random."""
        deviations = self.start + (self.end - self.start) * progress
        numbers = np.tile([[1.0], [0.0], [0.0]], (len(progress), 1, channels))
        numbers[:, 2] = deviations[:, None]
        return numbers


def recolorings(
    transforms: Sequence[Transform], size: Size, channels: int, steps: int, views: int, seed: int
) -> list[np.ndarray]:
    """Samples of the composition of those of ``transforms`` that are a `Recoloring`.

    Parameters
    ----------
    transforms : sequence of Transform
        In the order in which they are applied.
    size : (height, width)
        Size of a view.
    channels, steps, views, seed : int
        Number of channels, steps, and views per step; random seed.

    Returns
    -------
    list of ndarray
        ``numbers`` (steps, views, 3, C), as in `Recoloring.draw`; ``corners`` (steps, views, 2),
        int32, where in the field of noise the window of a view begins; and this field (rows,
        columns, C), which is larger than a view. Empty if no transform is a `Recoloring`.
    """
    chosen = [each for each in transforms if isinstance(each, Recoloring)]
    if not chosen:
        return []
    # A stream of its own: views stay where they are when noise is added to a recipe.
    generator = np.random.default_rng([seed, 1])
    progress = np.repeat(np.arange(steps) / max(steps - 1, 1), views)
    total = np.tile([[1.0], [0.0], [0.0]], (len(progress), 1, channels))
    for transform in chosen:
        factor, shift, deviation = np.moveaxis(transform.draw(generator, progress, channels), 1, 0)
        total[:, :2] *= factor[:, None]
        total[:, 1] += shift
        total[:, 2] = np.hypot(factor * total[:, 2], deviation)
    corners = generator.integers(0, _ROOM, (steps, views, 2), np.int32, endpoint=True)
    field = generator.standard_normal((size[0] + _ROOM, size[1] + _ROOM, channels), np.float32)
    return [total.astype(np.float32).reshape(steps, views, 3, channels), corners, field]


def recolored(
    pictures: Any, numbers: Any, corner: Any, field: Any, black: np.ndarray, white: np.ndarray
) -> Any:
    """``pictures`` (N, h, w, C), in network units, by ``numbers`` (3, C) and a window of ``field``.

    ``black`` and ``white`` (1, 1, C) are in network units. Tensors in, tensor out.
    """
    ops = keras.ops
    factor, shift, deviation = numbers[0], numbers[1], numbers[2]
    window = ops.slice(field, (corner[0], corner[1], 0), tuple(pictures.shape[1:]))
    gray, span = (black + white) / 2, white - black
    moved = ops.multiply(shift + deviation * window, span)
    return ops.add(ops.subtract(pictures, gray) * factor + moved, gray)
