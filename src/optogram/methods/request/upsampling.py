"""Maps at the size of their image."""

import numpy as np


class Upsampling:
    """Brings maps to a larger size bilinearly, the center of each cell at its place.

    Between the outermost centers and the border the outermost value is kept.

    Parameters
    ----------
    small, large : (height, width)
        From which size to which.
    """

    def __init__(self, small: tuple[int, int], large: tuple[int, int]) -> None:
        self._rows, self._columns = (
            _interpolation(few, many) for few, many in zip(small, large, strict=True)
        )

    def __call__(self, maps: np.ndarray) -> np.ndarray:
        """``maps`` (..., h, w) as float32 (..., H, W)."""
        return self._rows @ maps @ self._columns.T


def _interpolation(few: int, many: int) -> np.ndarray:
    """The weights (many, few) by which cells become pixels, along one axis."""
    centers = np.clip((np.arange(many) + 0.5) * few / many - 0.5, 0, few - 1)
    below = np.minimum(centers.astype(int), max(few - 2, 0))
    weights = np.zeros((many, few), np.float32)
    pixels = np.arange(many)
    weights[pixels, below] = 1 - (centers - below)
    weights[pixels, np.minimum(below + 1, few - 1)] += (centers - below).astype(np.float32)
    return weights
