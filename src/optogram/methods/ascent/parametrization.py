"""Parametrizations: the variables of the ascent, and the image that they stand for."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from optogram import backend
from optogram.pictures.preparation import Preparation, as_affine

# Olah, Mordvintsev and Schubert, "Feature visualization" (2017): how the colors of ImageNet vary
# together, as published with Lucid (lucid/optvis/param/color.py).
_COLORS = np.array([[0.26, 0.09, 0.02], [0.27, 0.0, -0.05], [0.27, -0.09, 0.03]])
_COLORS /= np.linalg.norm(_COLORS, axis=0).max()
_SPECTRUM_SPREAD = 0.01
_DAMPING = 4.0
"""Lucid divides the inverse transform of the spectrum by this, so that a start is near gray."""
_EDGE = 1 / 512
"""Distance from black and white that a photo keeps, because a sigmoid cannot reach them."""


class Parametrization(ABC):
    """A representation of images (N, H, W, C), in network units, by variables."""

    @abstractmethod
    def begin(self, photo: np.ndarray | None, generator: np.random.Generator | None) -> np.ndarray:
        """(1, ...): the start, from noise or a ``photo`` (H, W, C) in network units.

        Without a ``generator``, there is no noise on the photo.
        """

    @abstractmethod
    def picture(self, numbers: Any) -> Any:
        """The images (N, H, W, C) in network units. Tensors in, tensors out."""


@dataclass(frozen=True)
class Pixels(Parametrization):
    """Pixels.

    Noise is uniform around ``center`` with width ``spread``, in network units. On a photo, the
    noise is centered at 0.
    """

    shape: tuple[int, int, int]
    center: np.ndarray | float
    spread: float

    def begin(self, photo: np.ndarray | None, generator: np.random.Generator | None) -> np.ndarray:
        """See `Parametrization.begin`."""
        drawn = 0.5 if generator is None else generator.random(self.shape)
        noise = np.broadcast_to((drawn - 0.5) * self.spread, self.shape)
        return (noise + (self.center if photo is None else photo)).astype(np.float32)[None]

    def picture(self, numbers: Any) -> Any:
        """See `Parametrization.picture`."""
        return numbers


class Fourier(Parametrization):
    """Fourier coefficients of decorrelated colors, mapped to 0…255 by a sigmoid.

    Olah, Mordvintsev and Schubert, "Feature visualization" (2017); numbers (N, 2, C, H, W // 2 + 1)
    are real and imaginary parts, scaled by √(width · height) / max(f, 1 / max(width, height)).
    """

    def __init__(self, shape: tuple[int, int, int], preparation: Preparation) -> None:
        self.size, self.channels = shape[:2], shape[2]
        height, width = self.size
        frequencies = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width))
        lowest = 1 / max(width, height)
        self.scale = (np.sqrt(width * height) / np.maximum(frequencies, lowest)).astype(np.float32)
        self._colors = (_COLORS if self.channels == 3 else np.eye(self.channels)).astype(np.float32)
        matrix, offset = as_affine(preparation, self.channels)
        self._matrix, self._offset = 255 * matrix, offset
        self._inverse = preparation.to_display
        self._backend = backend.current()

    def begin(self, photo: np.ndarray | None, generator: np.random.Generator | None) -> np.ndarray:
        """See `Parametrization.begin`."""
        shape = (1, 2, self.channels, *self.scale.shape)
        drawn = np.zeros(shape) if generator is None else generator.standard_normal(shape)
        noise = drawn * _SPECTRUM_SPREAD
        if photo is None:
            return noise.astype(np.float32)
        display = np.clip(self._inverse(photo) / 255, _EDGE, 1 - _EDGE)
        planes = np.log(display / (1 - display)) @ np.linalg.inv(self._colors).T * _DAMPING
        spectrum = np.fft.rfft2(np.moveaxis(planes, -1, 0)) / self.scale
        return (noise + np.stack([spectrum.real, spectrum.imag])).astype(np.float32)

    def picture(self, numbers: Any) -> Any:
        """See `Parametrization.picture`."""
        scaled = keras.ops.multiply(numbers, self.scale)
        planes = self._backend.inverse_fft2(scaled[:, 0], scaled[:, 1], self.size) / _DAMPING
        return self._displayed(planes)

    def _displayed(self, planes: Any) -> Any:
        """Network units (N, H, W, C) of decorrelated planes (N, C, H, W)."""
        planes = keras.ops.transpose(planes, (0, 2, 3, 1))
        colors = keras.ops.sigmoid(keras.ops.matmul(planes, self._colors.T))
        return keras.ops.add(keras.ops.matmul(colors, self._matrix), self._offset)


class Phase(Fourier):
    """Phases of the Fourier coefficients; the magnitudes stay those of natural images.

    Fel et al., "Unlocking feature visualization for deeper networks with magnitude constrained
    optimization" (2023). Magnitudes are 1 / f, as in photographs (Field 1987), instead of the
    paper's mean over ImageNet. Numbers (N, C, H, W // 2 + 1) are angles.
    """

    def begin(self, photo: np.ndarray | None, generator: np.random.Generator | None) -> np.ndarray:
        """See `Parametrization.begin`."""
        if photo is not None or generator is None:
            spectrum = super().begin(photo, generator)
            return np.arctan2(spectrum[:, 1], spectrum[:, 0])
        shape = (1, self.channels, *self.scale.shape)
        return generator.uniform(-np.pi, np.pi, shape).astype(np.float32)

    def picture(self, numbers: Any) -> Any:
        """See `Parametrization.picture`."""
        ops = keras.ops
        real = ops.multiply(ops.cos(numbers), self.scale)
        imaginary = ops.multiply(ops.sin(numbers), self.scale)
        planes = self._backend.inverse_fft2(real, imaginary, self.size)
        planes = planes - ops.mean(planes, axis=(2, 3), keepdims=True)
        planes = planes / (ops.std(planes, axis=(2, 3), keepdims=True) + 1e-5)
        return self._displayed(planes)
