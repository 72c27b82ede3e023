"""The first principal component of maps."""

import numpy as np

_ROUNDING = 1e-5
"""A smaller sum of the elements of a singular vector is zero."""


def principal_map(maps: np.ndarray) -> np.ndarray:
    """Maps (h, w, K) projected on their first right singular vector v: (h, w), float32.

    The maps are not centered. The sign is that of a positive Σ v, so that the map has a positive
    scalar product with the sum of the maps; if Σ v is zero, the largest element of v is positive.
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
    total = vector.sum()
    sign = total if abs(total) > _ROUNDING else vector[np.abs(vector).argmax()]
    return (matrix @ vector * (-1 if sign < 0 else 1)).reshape(maps.shape[:2]).astype(np.float32)
