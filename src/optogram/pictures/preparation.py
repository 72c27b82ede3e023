"""Preprocessing: conversion between display pixels and network units."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from optogram.errors import InputError, nearest

Conversion = Callable[[np.ndarray], Any]
_PICTURE = 3
"""Axes of one image."""


@dataclass(frozen=True)
class Preparation(ABC):
    """A conversion between display pixels (RGB or gray, 0..255) and network units.

    Arrays have shape (..., C), one picture or a batch; none is changed in place.
    """

    name: str

    @property
    def is_reversed(self) -> bool:
        """Whether the channels of the network are BGR."""
        return False

    @abstractmethod
    def to_network(self, pixels: np.ndarray) -> np.ndarray:
        """Convert display pixels (..., C) to ``float32`` network units of the same shape."""

    @abstractmethod
    def to_display(self, x: np.ndarray) -> np.ndarray:
        """Convert network units (..., C) to ``float32`` display units, not clipped to 0..255."""

    def display(self, x: np.ndarray) -> np.ndarray:
        """Turn network units (..., C) into a ``uint8`` picture, rounded and clipped.

        Raises
        ------
        InputError
            If a value is NaN, which no pixel can show.
        """
        shown, missing = np.empty(x.shape, np.uint8), 0
        # One image at a time: several float copies of the whole batch would not fit into memory.
        parts = [slice(i, i + 1) for i in range(len(x))] if x.ndim > _PICTURE else [slice(None)]
        for part in parts:
            pixels = self.to_display(x[part])
            missing += int(np.count_nonzero(np.isnan(pixels)))
            if not missing:
                limited = np.clip(pixels, 0, 255)
                shown[part] = np.rint(limited, out=limited)
        if missing:
            raise InputError(
                f"{missing} of {x.size} values are NaN and cannot be shown as pixels: "
                "check what computed them."
            )
        return shown


@dataclass(frozen=True)
class Affine(Preparation):
    """Network units are (pixels − shift) / scale, channel by channel.

    ``shift`` and ``scale`` are in display units and the network's channel order, one number for
    all channels or one each. ``reverse`` says that the order is BGR.
    """

    shift: tuple[float, ...] = (0.0,)
    scale: tuple[float, ...] = (1.0,)
    reverse: bool = False

    @property
    def is_reversed(self) -> bool:
        """See `Preparation.is_reversed`."""
        return self.reverse

    @property
    def channels(self) -> int | None:
        """Number of channels that it is for; None for any number."""
        count = max(len(self.shift), len(self.scale))
        return count if count > 1 else None

    def to_network(self, pixels: np.ndarray) -> np.ndarray:
        """(pixels − shift) / scale, in the network's channel order."""
        pixels = self._floats(pixels)
        if self.reverse:
            pixels = pixels[..., ::-1]
        found = pixels - _row(self.shift)
        found /= _row(self.scale)
        return found

    def to_display(self, x: np.ndarray) -> np.ndarray:
        """``x`` · scale + shift, in display order."""
        pixels = self._floats(x) * _row(self.scale) + _row(self.shift)
        return np.ascontiguousarray(pixels[..., ::-1]) if self.reverse else pixels

    def _floats(self, array: np.ndarray) -> np.ndarray:
        array = np.asarray(array, np.float32)
        self.check_channels(array.shape[-1] if array.ndim else 0)
        return array

    def check_channels(self, channels: int) -> None:
        """Raise an ``InputError`` if images with so many channels cannot be preprocessed so."""
        if self.channels not in (None, channels):
            raise InputError(
                f"preprocess={self.name!r} is for {self.channels} channels, not {channels}: "
                "choose 'tf', 'unit', 'lite', 'none' or a pair (forward, inverse) of callables."
            )


def _row(numbers: tuple[float, ...]) -> np.ndarray:
    return np.array(numbers, np.float32)


@dataclass(frozen=True)
class Pair(Preparation):
    """Two callables of the user, whose results are checked at every call."""

    there: Conversion
    back: Conversion

    def to_network(self, pixels: np.ndarray) -> np.ndarray:
        """Result of the first callable for a copy of the pixels."""
        return _call(self.there, "first (there)", pixels)

    def to_display(self, x: np.ndarray) -> np.ndarray:
        """Result of the second callable for a copy of ``x``."""
        return _call(self.back, "second (back)", x)


NAMED = {
    named.name: named
    for named in (
        Affine("caffe", shift=(103.939, 116.779, 123.68), reverse=True),
        Affine("tf", shift=(127.5,), scale=(127.5,)),
        Affine(
            "torch",
            shift=(0.485 * 255, 0.456 * 255, 0.406 * 255),
            scale=(0.229 * 255, 0.224 * 255, 0.225 * 255),
        ),
        Affine("unit", scale=(255.0,)),
        Affine("none"),
        Affine("lite", shift=(127.0,), scale=(128.0,)),
    )
}
"""The preprocessing known by name.

``"caffe"``, ``"tf"`` and ``"torch"`` are the modes of
``keras.applications.imagenet_utils.preprocess_input``; ``"lite"`` is that of EfficientNet-Lite.
"""


def preparation(
    spec: str | tuple[Conversion, Conversion] | Preparation, channels: int
) -> Preparation:
    """The preprocessing that ``spec`` stands for, for a network with so many channels.

    Parameters
    ----------
    spec
        One of these names, a pair (forward, inverse) of callables that take and return an array
        of shape (..., C), or a ``Preparation``.

        ========= ================================================ ==========
        name      network units of display pixels p                channels
        ========= ================================================ ==========
        "caffe"   BGR, p − (103.939, 116.779, 123.68)              3
        "tf"      p / 127.5 − 1                                    any
        "torch"   (p / 255 − (0.485, 0.456, 0.406))                3
                  / (0.229, 0.224, 0.225)
        "unit"    p / 255                                          any
        "none"    p                                                any
        "lite"    (p − 127) / 128                                  any
        ========= ================================================ ==========
    channels
        Number of input channels.

    Raises
    ------
    InputError
        If ``spec`` is none of these, or needs another number of channels.
    """
    found = _lookup(spec)
    if isinstance(found, Affine):
        found.check_channels(channels)
    return found


def _lookup(spec: Any) -> Preparation:
    if isinstance(spec, Preparation):
        return spec
    if isinstance(spec, str):
        if spec in NAMED:
            return NAMED[spec]
        names = ", ".join(map(repr, NAMED))
        hint = nearest(spec, NAMED) or "choose one, or give a pair (forward, inverse) of callables"
        raise InputError(f"preprocess must be one of {names}, not {spec!r}: {hint}.")
    if isinstance(spec, tuple | list) and len(spec) == 2 and all(map(callable, spec)):
        return Pair("custom", *spec)
    if callable(spec):
        raise InputError(
            f"preprocess is the one callable {_label(spec)}, but images must also be converted "
            "back: give a pair (forward, inverse) of callables."
        )
    names = ", ".join(map(repr, NAMED))
    raise InputError(
        f"preprocess must be {names} or a pair (forward, inverse) of callables, not of type "
        f"{type(spec).__name__}: choose one."
    )


def _label(function: Conversion) -> str:
    return repr(getattr(function, "__name__", type(function).__name__))


def _call(function: Conversion, role: str, array: np.ndarray) -> np.ndarray:
    """Call one callable of a pair on a copy, which it may change, and check its result."""
    array = np.array(array, np.float32)
    who = f"The {role} of the preprocess callables, {_label(function)},"
    try:
        result = np.asarray(function(array.copy()), np.float32)
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise InputError(
            f"{who} failed on an array of shape {array.shape} ({reason}): "
            "make it take and return arrays (..., channels)."
        ) from error
    if result.shape != array.shape:
        raise InputError(
            f"{who} turned shape {array.shape} into {result.shape}: make it keep the shape."
        )
    bad = np.count_nonzero(~np.isfinite(result))
    if bad and np.isfinite(array).all():
        raise InputError(
            f"{who} returned {bad} NaN or infinite values for finite input: "
            "check it for a division by zero or a logarithm."
        )
    return result


def as_affine(spec: Preparation, channels: int) -> tuple[np.ndarray, np.ndarray]:
    """Preprocessing as a matrix and an offset, for compiled programs.

    Returns
    -------
    ndarray of shape (channels, channels), ndarray of shape (channels,)
        Network units of display pixels p (..., channels) are p @ matrix + offset.

    Raises
    ------
    InputError
        If the preprocessing is not linear, as a pair of callables may be.
    """
    offset = spec.to_network(np.zeros((1, 1, channels), np.float32))[0, 0]
    whites = spec.to_network(255 * np.eye(channels, dtype=np.float32)[None])[0]
    matrix = (whites - offset) / 255
    probes = np.random.default_rng(0).uniform(0, 255, (4, 4, channels)).astype(np.float32)
    reach = float(np.abs(255 * matrix).max())
    if not np.allclose(probes @ matrix + offset, spec.to_network(probes), atol=1e-3 * reach):
        raise InputError(
            f"The preprocessing {spec.name!r} is not linear on the channels, which the colors of "
            'this recipe need: choose recipe="tutorial", which optimizes in network units.'
        )
    return matrix, offset
