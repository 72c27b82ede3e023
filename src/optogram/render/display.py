"""The one conversion from numbers to display range: sign, NaN, constant maps and dtype."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from optogram.arguments import checked
from optogram.errors import InputError

_TINY = np.finfo(np.float64).tiny
_NOT_NUMBERS = "cOSUmM"  # bfloat16 is kind "V", so what cannot be shown is listed, not what can


@dataclass(frozen=True)
class Scale:
    """What the two ends of a color bar mean.

    Attributes
    ----------
    low, high : float
        Values at the bottom and at the top of the bar, in the units of the map.
    signed : bool
        True where zero is in the middle of the bar; then ``low == -high``.

    Raises
    ------
    InputError
        If an end is not finite, ``low > high``, or a signed scale is not symmetric.
    """

    low: float
    high: float
    signed: bool = False

    def __post_init__(self) -> None:
        """Refuse ends that no bar could show."""
        if not (np.isfinite(self.low) and np.isfinite(self.high)) or self.low > self.high:
            raise InputError(
                f"A scale needs finite ends with low <= high, but got {self.low} and {self.high}."
            )
        if self.signed and self.low != -self.high:
            raise InputError(
                f"A signed scale needs low = -high, but got {self.low} and {self.high}."
            )


def as_numbers(values: ArrayLike) -> np.ndarray:
    """``values`` as float64 of the same shape; InputError where they are no real numbers."""
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
    """Find the scale on which all finite ``values`` can be shown.

    Parameters
    ----------
    values : array of any shape
        Integers, booleans or floats; NaN and infinities are passed over.
    signed : bool, optional
        True: −m … m, with m the largest magnitude. False: 0 … max, or min … max where a value is
        negative. Default: signed where ``low``, or else any value, is negative.
    low, high : float, optional
        Ends to use in place of those found. On a signed scale the larger magnitude counts.

    Returns
    -------
    Scale
        Both ends are 0 where there is nothing but zeros, or no finite value at all.

    Raises
    ------
    InputError
        If the values are no real numbers, or the ends given make no scale.
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
    """The scale from the lowest finite of ``values`` to the highest, wherever zero lies.

    Raises
    ------
    InputError
        If the values are no real numbers.
    """
    numbers = as_numbers(values)
    finite = numbers[np.isfinite(numbers)]
    return Scale(float(finite.min()), float(finite.max())) if finite.size else Scale(0.0, 0.0)


def to_unit(values: ArrayLike, scale: Scale) -> np.ndarray:
    """Place values on a scale.

    Parameters
    ----------
    values : array of any shape
        Integers, booleans or floats; left as they are.
    scale : Scale
        What 0 and 1 shall mean.

    Returns
    -------
    float32 array of the same shape
        In [0, 1], clipped at the ends; NaN where the value is not finite. A zero on a signed scale
        is 0.5, also where the scale has no extent.
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
    """Show values that are already a picture, such as a kernel over red, green and blue.

    Parameters
    ----------
    values : array (..., H, W, 3) or (..., H, W)
        Each channel is shown as it is; no color map is used.
    scale : Scale, optional
        What 0 and 255 shall mean; `scale_of` the values by default.

    Returns
    -------
    uint8 array of the same shape
        Mid-gray (128) where the value is not finite.
    """
    unit = to_unit(values, scale_of(values) if scale is None else scale)
    return np.rint(np.where(np.isnan(unit), 128, unit * 255)).astype(np.uint8)


@checked
def standardized(pictures: ArrayLike, contrast: float = 0.15) -> np.ndarray:
    """Show pictures whose units mean nothing: each with its mean at mid-gray.

    Parameters
    ----------
    pictures : array of shape (N, H, W, C)
        In any units.
    contrast : float
        The standard deviation of what is shown, in 0…1; tutorials take 0.1 (row A3) and 0.15 (D1).

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
