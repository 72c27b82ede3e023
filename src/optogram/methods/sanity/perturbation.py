"""Deletion and insertion curves, and the maps that they are compared with."""

from dataclasses import dataclass

import numpy as np

from optogram.methods.request.painting import blurred, paint_for
from optogram.methods.request.request import Request
from optogram.methods.request.upsampling import Upsampling
from optogram.network.network import Network
from optogram.progress import Progress
from optogram.result import Attribution
from optogram.target import Class, Target

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
    removal, inner = Removal.of(request.net, request.x, steps), steps - 1

    def variant(_: int, number: int) -> np.ndarray:
        if number < len(removal.ends):
            return removal.ends[number]
        curve, step = divmod(number - len(removal.ends), inner)
        which, is_insertion = divmod(curve, 2)
        return removal.variant(rankings[which], step + 1, bool(is_insertion))

    count = len(removal.ends) + 2 * len(rankings) * inner
    (scores,) = request.scores_of_variants(variant, count, memory, progress)
    between = scores[len(removal.ends) :].reshape(len(rankings), 2, inner)
    ends = scores[: len(removal.ends)]
    return curve_through(ends, between[:, 0], False), curve_through(ends, between[:, 1], True)


@dataclass(frozen=True, eq=False)
class Removal:
    """How pixels of an image are removed and restored.

    Attributes
    ----------
    ends : tuple of ndarray of shape (H, W, C)
        The image; the image with all pixels removed, which is gray; the blurred image, on which
        pixels are restored.
    steps : int
        Number of equal steps.
    """

    ends: tuple[np.ndarray, np.ndarray, np.ndarray]
    steps: int

    @classmethod
    def of(cls, net: Network, x: np.ndarray, steps: int) -> "Removal":
        """How pixels of ``x`` (1, H, W, C), in network units, are removed in so many steps."""
        gray = paint_for(net, x, _GRAY, "display", 0)[0]
        soft = blurred(x, sigma=max(1.0, _BLUR * min(x.shape[1:3])))[0]
        return cls((x[0], gray, soft), steps)

    def variant(self, ranks: np.ndarray, step: int, is_insertion: bool) -> np.ndarray:
        """The image after ``step`` steps in the order of ``ranks`` (H, W)."""
        whole, gray, soft = self.ends
        early = (ranks < step / self.steps * ranks.size)[..., None]
        return np.where(early, whole, soft) if is_insertion else np.where(early, gray, whole)


def curve_through(ends: np.ndarray, between: np.ndarray, is_insertion: bool) -> np.ndarray:
    """Curves (M, steps + 1) through scores of `Removal.ends` and ``between`` (M, steps − 1)."""
    whole, gone, covered = (np.full((len(between), 1), score) for score in ends)
    return np.hstack([covered, between, whole] if is_insertion else [whole, between, gone])


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


def is_no(net: Network, target: Target) -> bool:
    """Whether a target is the answer no of one sigmoid output p: its score −p is 1 − p, less 1."""
    return net.head.is_binary and isinstance(target, Class) and net.class_index(target.label) == 0


def on_image(result: Attribution, index: int, size: tuple[int, int]) -> np.ndarray:
    """Map ``index`` of a result at each pixel of the input, (H, W) = ``size``; 0 for NaN.

    Bilinear, unless the result itself says where its cells lie.
    """
    placed = np.nan_to_num(result.map_on_image(index))
    if placed.shape == tuple(size):
        return placed
    heat = np.nan_to_num(result.heatmap[index])
    return Upsampling(heat.shape, size)(heat)
