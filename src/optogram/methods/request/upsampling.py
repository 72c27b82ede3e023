"""Upsampling of maps to the size of the image."""

import numpy as np


class Upsampling:
    """Bilinear upsampling that keeps cell centers in place.

    Between the outermost centers and the border, the outermost value is repeated.

    Parameters
    ----------
    small, large : (height, width)
        Size before and after.
    """

    def __init__(self, small: tuple[int, int], large: tuple[int, int]) -> None:
        self._rows, self._columns = (
            _interpolation(few, many) for few, many in zip(small, large, strict=True)
        )

    def __call__(self, maps: np.ndarray) -> np.ndarray:
        """``maps`` (..., h, w) as float32 (..., H, W)."""
        return self._rows @ maps @ self._columns.T


def _interpolation(few: int, many: int) -> np.ndarray:
    """Interpolation weights (many, few) from cells to pixels, along one axis."""
    centers = np.clip((np.arange(many) + 0.5) * few / many - 0.5, 0, few - 1)
    below = np.minimum(centers.astype(int), max(few - 2, 0))
    weights = np.zeros((many, few), np.float32)
    pixels = np.arange(many)
    weights[pixels, below] = 1 - (centers - below)
    weights[pixels, np.minimum(below + 1, few - 1)] += (centers - below).astype(np.float32)
    return weights
