"""µFidelity: whether parts with more attribution change the score more."""

import numpy as np

from optogram.evaluating.variants import Variants

GRID = 9
"""Rows and columns of cells, of which subsets are removed."""
SHARE = 0.2
"""Share of the cells in a subset."""


def subsets(size: tuple[int, int], count: int, key: tuple[int, ...]) -> np.ndarray:
    """(count, H, W), True in a random subset of the cells of a grid: the same for all maps."""
    rows, columns = (np.arange(side) * min(side, GRID) // side for side in size)
    cells = (int(rows[-1]) + 1) * (int(columns[-1]) + 1)
    few = max(1, round(SHARE * cells))
    order = np.random.default_rng(key).random((count, cells)).argsort(axis=1).argsort(axis=1)
    number = rows[:, None] * (int(columns[-1]) + 1) + columns
    return (order < few)[:, number]


def removed_variants(x: np.ndarray, gray: np.ndarray, parts: np.ndarray) -> Variants:
    """The image ``x`` (H, W, C) with each of the ``parts`` (N, H, W) replaced by ``gray``."""
    return Variants(len(parts), lambda i: np.where(parts[i][..., None], gray, x))


def mu_fidelity(signed: np.ndarray, parts: np.ndarray, drops: np.ndarray) -> float:
    """Correlation of the attribution in random parts with the drop of the score without them.

    Bhatt et al., "Evaluating and aggregating feature-based model explanations" (2020):
    Pearson's correlation over subsets S of Σ_{i ∈ S} g_i and f(x) − f(x with S at the
    baseline). Subsets are of cells of a `GRID`, as in Xplique, and the baseline is gray. 1 is
    best; 0 where the map or the score does not change.

    Parameters
    ----------
    signed : ndarray of shape (H, W)
        Attribution of each pixel.
    parts : bool ndarray of shape (N, H, W)
        The subsets.
    drops : ndarray of shape (N,)
        Drop of the explained score.
    """
    sums = parts.reshape(len(parts), -1) @ signed.ravel().astype(float)
    sums, drops = sums - sums.mean(), drops - drops.mean(dtype=float)
    scale = np.sqrt((sums @ sums) * (drops @ drops))
    is_flat = np.ptp(sums) <= 1e-9 * max(1e-30, float(np.abs(signed).sum()))
    return 0.0 if is_flat or scale == 0 else float(sums @ drops / scale)
