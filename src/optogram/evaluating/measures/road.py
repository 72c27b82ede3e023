"""ROAD: pixels are removed so that nothing shows where they were."""

import numpy as np
from scipy.sparse import csr_matrix, diags
from scipy.sparse.linalg import splu

from optogram.evaluating.variants import Variants

PERCENTAGES = (10, 20, 30, 40, 50, 70, 90)
"""Shares of removed pixels."""
NOISE = 0.01
"""Standard deviation of the noise on removed pixels, as a share of the range of pixels."""
_NEIGHBORS = ((0, 1, 1 / 6), (1, 0, 1 / 6), (1, 1, 1 / 12), (1, -1, 1 / 12))
"""Offset of half of the neighbors of a pixel, and their weights."""


def road_variants(
    x: np.ndarray, ranks: np.ndarray, spread: float, key: tuple[int, ...]
) -> Variants:
    """The image with shares of its pixels imputed, those that matter least first, then most first.

    Parameters
    ----------
    x : ndarray of shape (H, W, C)
        The image, in network units.
    ranks : ndarray of shape (H, W)
        Rank of each pixel, the highest value of the map first.
    spread : float
        Range of pixels in network units: from black to white.
    key : tuple of int
        Seed of the noise; it is the same for all maps.
    """
    few = len(PERCENTAGES)
    system = _laplacian(ranks.shape)

    def make(number: int) -> np.ndarray:
        most_first, which = divmod(number, few)
        order = ranks if most_first else ranks.size - 1 - ranks
        removed = order < PERCENTAGES[which] / 100 * ranks.size
        noise = np.random.default_rng([*key, number]).normal(0, NOISE * spread, x.shape)
        return np.where(removed[..., None], imputed(x, removed, system) + noise, x)

    return Variants(2 * few, make)


def road(scores: np.ndarray) -> float:
    """(LeRF − MoRF) / 2, the mean over `PERCENTAGES`; larger is better, 0 tells nothing.

    Rong et al., "A consistent and efficient evaluation strategy for attribution methods" (2022):
    removed pixels are replaced by noisy linear imputation, so that the shape of what
    is removed does not tell the class. LeRF are the scores with the least relevant pixels removed
    first, MoRF with the most relevant ones first. The score of a class is its probability.

    ``scores`` (2 · percentages,) are those of `road_variants`.
    """
    least, most = scores.reshape(2, -1)
    return float((least - most).mean() / 2)


def imputed(x: np.ndarray, removed: np.ndarray, system: csr_matrix | None = None) -> np.ndarray:
    """Image ``x`` (H, W, C) whose ``removed`` pixels (H, W) are means of their neighbors.

    Each removed pixel is the weighted mean of its eight neighbors, of which other removed pixels
    are unknown too: 1/6 for the four nearest, 1/12 for the diagonal ones; at the border, of those
    that exist. These linear equations are solved for all removed pixels at once. ``system`` is
    kept from image to image of one size.
    """
    gone = removed.ravel()
    if not gone.any():
        return x
    pixels = x.reshape(gone.size, -1).astype(float)
    if gone.all():
        return np.broadcast_to(x.mean(axis=(0, 1)), x.shape)
    rows = (_laplacian(removed.shape) if system is None else system)[gone]
    # Symmetric and positive definite: no pivoting, and an order of unknowns for such systems.
    options = {"SymmetricMode": True}
    solver = splu(
        rows[:, gone].tocsc(),
        permc_spec="MMD_AT_PLUS_A",
        diag_pivot_thresh=0.0,
        options=options,
    )
    pixels[gone] = solver.solve(-(rows[:, ~gone] @ pixels[~gone]))
    return pixels.reshape(x.shape).astype(np.float32)


def _laplacian(size: tuple[int, ...]) -> csr_matrix:
    """The equations of all pixels: Σ weight · (pixel − neighbor) = 0."""
    height, width = size
    numbers = np.arange(height * width).reshape(size)
    first, second, weight = [], [], []
    for down, across, each in _NEIGHBORS:
        left, right = max(0, -across), width - max(0, across)
        one = numbers[: height - down, left:right].ravel()
        other = numbers[down:, left + across : right + across].ravel()
        first += [one, other]
        second += [other, one]
        weight.append(np.full(2 * one.size, each))
    places = (np.concatenate(first), np.concatenate(second))
    between = csr_matrix((np.concatenate(weight), places), shape=(numbers.size, numbers.size))
    return (diags(np.asarray(between.sum(axis=1)).ravel()) - between).tocsr()
