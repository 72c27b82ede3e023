"""Conversion of numbers to the display range: sign, NaN, constant maps and dtype."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from optogram.arguments import checked
from optogram.errors import InputError

_TINY = np.finfo(np.float64).tiny
_NOT_NUMBERS = "cOSUmM"  # bfloat16 is kind "V", so what cannot be shown is listed, not what can


@dataclass(frozen=True)
class Scale:
    """Values at the two ends of a color bar.

    Attributes
    ----------
    low, high : float
        Values at the bottom and the top of the bar, in units of the map.
    signed : bool
        Whether 0 is in the middle of the bar; then ``low == -high``.

    Raises
    ------
    InputError
        If an end is not finite, ``low > high``, or a signed scale is not symmetric.
    """

    low: float
    high: float
    signed: bool = False

    def __post_init__(self) -> None:
        """Check the ends."""
        if not (np.isfinite(self.low) and np.isfinite(self.high)) or self.low > self.high:
            raise InputError(
                f"A scale needs finite ends with low <= high, but got {self.low} and {self.high}."
            )
        if self.signed and self.low != -self.high:
            raise InputError(
                f"A signed scale needs low = -high, but got {self.low} and {self.high}."
            )


def as_numbers(values: ArrayLike) -> np.ndarray:
    """``values`` as float64 of the same shape; InputError if they are not real numbers."""
    array = np.asarray(values)
    if array.dtype.kind in _NOT_NUMBERS:
        raise InputError(f"Only real numbers can be shown, but got an array of {array.dtype}.")
    return array.astype(np.float64, copy=False)


@checked
def scale_of(
    values: ArrayLike,
    *,
    signed: bool | None = None,
    low: float | None = None,
    high: float | None = None,
) -> Scale:
    """The scale that contains all finite ``values``.

    Parameters
    ----------
    values : array of any shape
        Integers, booleans or floats; NaN and infinite values are ignored.
    signed : bool, optional
        True: −m … m, where m is the largest magnitude. False: 0 … max, or min … max if a value is
        negative. Default: signed if ``low`` or, without ``low``, any value is negative.
    low, high : float, optional
        Ends to use instead. On a signed scale, the larger magnitude is used.

    Returns
    -------
    Scale
        Both ends are 0 if all values are 0, or none is finite.

    Raises
    ------
    InputError
        If the values are not real numbers, or the ends are invalid.
    """
    numbers = as_numbers(values)
    finite = numbers[np.isfinite(numbers)]
    least, most = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    if signed is None:
        signed = (least if low is None else low) < 0
    if not signed:
        return Scale(
            low=min(least, 0.0) if low is None else float(low),
            high=most if high is None else float(high),
        )
    given = [abs(float(end)) for end in (low, high) if end is not None]
    reach = max(given or [abs(least), abs(most)])
    return Scale(low=-reach, high=reach, signed=True)


def range_of(values: ArrayLike) -> Scale:
    """The scale from the lowest to the highest finite value.

    Raises
    ------
    InputError
        If the values are not real numbers.
    """
    numbers = as_numbers(values)
    finite = numbers[np.isfinite(numbers)]
    return Scale(float(finite.min()), float(finite.max())) if finite.size else Scale(0.0, 0.0)


def to_unit(values: ArrayLike, scale: Scale) -> np.ndarray:
    """Normalize values to [0, 1] on a scale.

    Parameters
    ----------
    values : array of any shape
        Integers, booleans or floats.
    scale : Scale
        Values that become 0 and 1.

    Returns
    -------
    float32 array of the same shape
        In [0, 1], clipped; NaN for values that are not finite. 0 on a signed scale becomes 0.5,
        also if both ends are 0.
    """
    numbers = as_numbers(values)
    with np.errstate(over="ignore", invalid="ignore"):
        if scale.signed:
            unit = 0.5 + 0.5 * (numbers / max(scale.high, _TINY))
        else:
            unit = (numbers - scale.low) / max(scale.high - scale.low, _TINY)
    return np.where(np.isfinite(numbers), np.clip(unit, 0, 1), np.nan).astype(np.float32)


@checked
def to_picture(values: ArrayLike, scale: Scale | None = None) -> np.ndarray:
    """Convert values that are already an image, such as a kernel on RGB.

    Parameters
    ----------
    values : array (..., H, W, 3) or (..., H, W)
        Channels are shown directly, without a colormap.
    scale : Scale, optional
        Values that become 0 and 255. Default: `scale_of` the values.

    Returns
    -------
    uint8 array of the same shape
        Mid-gray (128) for values that are not finite.
    """
    unit = to_unit(values, scale_of(values) if scale is None else scale)
    return np.rint(np.where(np.isnan(unit), 128, unit * 255)).astype(np.uint8)


@checked
def standardized(pictures: ArrayLike, contrast: float = 0.15) -> np.ndarray:
    """Convert images in arbitrary units, each with its mean at mid-gray.

    Parameters
    ----------
    pictures : array of shape (N, H, W, C)
        In any units.
    contrast : float
        Standard deviation of the result, in 0…1; usual values are 0.1 and 0.15.

    Returns
    -------
    uint8 array of the same shape
        (x − mean) / (standard deviation + 1e-5) · contrast + 0.5, of 255, clipped.
    """
    given = np.asarray(pictures)
    if given.ndim != 4:
        raise InputError(f"Pictures have the shape (N, H, W, C), but got {given.shape}.")
    shown = np.empty(given.shape, np.uint8)
    for picture, place in zip(given, shown, strict=True):
        numbers = as_numbers(picture)
        spread = numbers.std() + 1e-5
        levels = 255 * np.clip((numbers - numbers.mean()) / spread * contrast + 0.5, 0, 1)
        place[...] = np.rint(levels)
    return shown
