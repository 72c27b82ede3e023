"""The first principal component of maps."""

import numpy as np

_ROUNDING = 1e-5
"""A scalar product that is a smaller share of what it adds up is zero."""


def principal_map(maps: np.ndarray, toward: np.ndarray | None = None) -> np.ndarray:
    """Maps (h, w, K) projected on their first right singular vector: (h, w), float32.

    The maps are not centered. The sign is that of a positive scalar product with ``toward`` (h, w),
    or of a positive sum; where that is zero, the value of the largest magnitude is positive.
    """
    matrix = maps.reshape(-1, maps.shape[-1]).astype(np.float64)
    if not np.isfinite(matrix).all():
        return np.full(maps.shape[:2], np.nan, np.float32)
    positions, channels = matrix.shape
    # An eigenvector of the smaller of two products: no singular vectors are computed in vain.
    if channels <= positions:
        vector = np.linalg.eigh(matrix.T @ matrix)[1][:, -1]
    else:
        vector = matrix.T @ np.linalg.eigh(matrix @ matrix.T)[1][:, -1]
        vector /= np.linalg.norm(vector) or 1.0
    projected = matrix @ vector
    terms = projected if toward is None else projected * toward.ravel()
    total = terms.sum()
    if abs(total) <= _ROUNDING * np.abs(terms).sum():
        total = projected[np.abs(projected).argmax()]
    return (-projected if total < 0 else projected).reshape(maps.shape[:2]).astype(np.float32)
