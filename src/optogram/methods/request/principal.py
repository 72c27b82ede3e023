"""Principal components of maps."""

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
    projected = matrix @ singular_vectors(matrix, 1)[0][0]
    terms = projected if toward is None else projected * toward.ravel()
    total = terms.sum()
    if abs(total) <= _ROUNDING * np.abs(terms).sum():
        total = projected[np.abs(projected).argmax()]
    return (-projected if total < 0 else projected).reshape(maps.shape[:2]).astype(np.float32)


def singular_vectors(matrix: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The first right singular vectors of a matrix (positions, K), float64, and their squares.

    Returns (count, K) vectors of length 1, or of zeros where the matrix has not as many, and
    (count,) squared singular values. Signs are arbitrary.
    """
    positions, channels = matrix.shape
    # Eigenvectors of the smaller of two products: no singular vectors are computed in vain.
    if channels <= positions:
        squares, vectors = np.linalg.eigh(matrix.T @ matrix)
        vectors = vectors.T
    else:
        squares, own = np.linalg.eigh(matrix @ matrix.T)
        vectors = own.T @ matrix
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        vectors = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
    found, amounts = np.zeros((count, channels)), np.zeros(count)
    taken = min(count, len(squares))
    found[:taken] = vectors[::-1][:taken]
    amounts[:taken] = np.maximum(squares[::-1][:taken], 0)
    return found, amounts
