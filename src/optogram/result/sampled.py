"""Results of methods that mask parts of an image at random."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from optogram.result.attribution import Attribution, comparable


@dataclass(frozen=True, eq=False, kw_only=True)
class SampledAttribution(Attribution):
    """A map estimated from random masks, with its error.

    Attributes
    ----------
    error : ndarray of the shape of ``values``
        Standard error of each value, in the same unit.
    passes : int ndarray of shape (N,)
        Number of masked images that each map was estimated from.
    relative_error : ndarray of shape (N,)
        Mean of ``error`` divided by the range r √(1 − e² ÷ v) of the map: its maximum − minimum r
        without what errors add, e² being the mean square of ``error`` and v the variance of
        ``values``. Infinite if values differ no more than by their errors.
    """

    shapes: ClassVar = Attribution.shapes | {
        "values": "N h w",
        "error": "N h w",
        "passes": "N",
        "relative_error": "N",
    }

    error: np.ndarray
    passes: np.ndarray
    relative_error: np.ndarray


@dataclass(frozen=True, eq=False, kw_only=True)
class RISE(SampledAttribution):
    """A map of RISE. Only its differences say something about places, not its level."""

    def mask(self, t: float) -> np.ndarray:
        """(N, H, W), True where the map is ``t`` of the way from its minimum to its maximum.

        Raises
        ------
        InputError
            If ``t`` is not above 0 and at most 1.
        """
        lowest = self.values.min(axis=(1, 2), keepdims=True)
        heat, highest = comparable(self.values - lowest, t)
        return heat >= t * highest

    def scale(self, index: int = 0) -> Any:
        """Values at the two ends of the scale bar of image ``index``: minimum and maximum."""
        from optogram.render import range_of

        return range_of(self.values[index])


@dataclass(frozen=True, eq=False, kw_only=True)
class SegmentAttribution(SampledAttribution):
    """A map that has one value for each segment: ``values`` (N, H, W) are constant on segments.

    Attributes
    ----------
    segments : int ndarray of shape (N, H, W)
        Number of the segment of each pixel, from 0.
    segment_values, segment_error : ndarray of shape (N, K)
        Value of each segment as a whole, and its standard error; NaN where an image has fewer
        segments.
    baseline_score : ndarray of shape (N,)
        The score of the baseline.
    r_squared : ndarray of shape (N,)
        Share of the variance of the scores of masked images that a sum over segments explains, each
        weighted as in the fit; far below 1, segments act together.
    """

    shapes: ClassVar = SampledAttribution.shapes | {
        "segments": "N h w",
        "segment_values": "N K",
        "segment_error": "N K",
        "baseline_score": "N",
        "r_squared": "N",
    }

    segments: np.ndarray
    segment_values: np.ndarray
    segment_error: np.ndarray
    baseline_score: np.ndarray
    r_squared: np.ndarray
