"""Deletion and insertion curves, and the maps that they are compared with."""

import numpy as np

from optogram.methods.request.painting import blurred, paint_for
from optogram.methods.request.request import Request
from optogram.progress import Progress

_GRAY = 127.5
_BLUR = 1 / 28
"""Standard deviation of the blur, as a fraction of the image's shorter side."""


def perturbation_curves(
    request: Request,
    rankings: np.ndarray,
    steps: int,
    memory: float | str | None,
    progress: Progress,
) -> tuple[np.ndarray, np.ndarray]:
    """Deletion and insertion curves (M, steps + 1): scores as pixels are removed or inserted.

    Petsiuk et al., "RISE" (2018), section 4.3: deletion replaces pixels by mid-gray, insertion
    restores them on the blurred image.

    Parameters
    ----------
    request : Request
        One image (the only one, in network units) and its target.
    rankings : ndarray of shape (M, H, W)
        Rank of each pixel in M orders, from 0 (first) to H · W − 1.
    steps : int
        Number of equal steps.
    memory, progress
        See `Computation.evaluate`.
    """
    net, x = request.net, request.x
    gray = paint_for(net, x, _GRAY, "display", 0)[0]
    soft = blurred(x, sigma=max(1.0, _BLUR * min(request.size)))[0]
    inner = steps - 1
    pixels = rankings[0].size

    def variant(_: int, number: int) -> np.ndarray:
        if number < 3:
            return (x[0], gray, soft)[number]
        curve, step = divmod(number - 3, inner)
        which, is_insertion = divmod(curve, 2)
        early = rankings[which] < (step + 1) / steps * pixels
        if is_insertion:
            return np.where(early[..., None], x[0], soft)
        return np.where(early[..., None], gray, x[0])

    count = 3 + 2 * len(rankings) * inner
    (scores,) = request.scores_of_variants(variant, count, memory, progress)
    whole, gone, covered = (np.full((len(rankings), 1), score) for score in scores[:3])
    between = scores[3:].reshape(len(rankings), 2, inner)
    deletion = np.hstack([whole, between[:, 0], gone])
    insertion = np.hstack([covered, between[:, 1], whole])
    return deletion, insertion


def ranking(heat: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Rank of each pixel of ``heat`` (H, W), highest first; ties in random order."""
    order = np.lexsort((generator.random(heat.size), -heat.ravel()))
    ranks = np.empty(heat.size, np.int64)
    ranks[order] = np.arange(heat.size)
    return ranks.reshape(heat.shape)


def rank_correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Spearman's rank correlation of two maps; 0 if one of them is constant."""
    from scipy.stats import spearmanr

    if min(np.ptp(first), np.ptp(second)) == 0:
        return 0.0
    return float(spearmanr(first.ravel(), second.ravel()).statistic)


def edge_map(picture: np.ndarray) -> np.ndarray:
    """Edge strength of a uint8 image (H, W, C), as (H, W), by the Sobel operator."""
    from scipy.ndimage import sobel

    gray = picture.astype(np.float32).mean(axis=-1)
    return np.hypot(sobel(gray, axis=0, mode="nearest"), sobel(gray, axis=1, mode="nearest"))
