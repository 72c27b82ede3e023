"""Statistics of units over positions and photos, added up photo by photo."""

from typing import Any

import numpy as np

_FLAT = 1e-5
"""Maps with a smaller deviation than this part of their size are equal everywhere."""


class Moments:
    """Mean, mean square, maximum and largest magnitude of each unit.

    Attributes
    ----------
    count : int
        Number of positions.
    high, peak : ndarrays of shape (units,)
        Maximum, and largest magnitude.
    """

    def __init__(self) -> None:
        self.count = 0
        self.high: Any = -np.inf
        self.peak: Any = 0.0
        self._total: Any = 0.0
        self._squares: Any = 0.0

    def add(self, maps: np.ndarray) -> None:
        """Add maps (positions, units)."""
        self.count += len(maps)
        self._total = self._total + maps.sum(axis=0, dtype=np.float64)
        self._squares = self._squares + np.einsum("ij,ij->j", maps, maps, dtype=np.float64)
        self.high = np.maximum(self.high, maps.max(axis=0))
        self.peak = np.maximum(self.peak, np.abs(maps).max(axis=0))

    @property
    def mean(self) -> np.ndarray:
        """(units,): the means."""
        return self._total / self.count

    @property
    def square(self) -> np.ndarray:
        """(units,): the mean squares."""
        return self._squares / self.count

    @property
    def deviation(self) -> np.ndarray:
        """(units,): standard deviations; 0 where maps are equal everywhere up to rounding."""
        variance = self.square - self.mean**2
        return np.sqrt(np.where(variance > _FLAT**2 * self.square, variance, 0))
