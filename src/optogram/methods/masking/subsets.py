"""Linear models of the score of subsets of segments: KernelSHAP and LIME."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from optogram.methods.masking.converging import ends_of

FIRST, _STEP = 256, 128
"""Numbers of subsets after which the map is looked at for the first time, and then again."""
_TIMES = 4
"""… but not before there are so many subsets for each segment: a fit to few has no residuals."""
_LEAST_REST = 1e-3
"""Of the share of a score that the fit does not follow."""
_DRAWN = 4096
"""Subsets drawn at once: of many, only the subsets are kept."""
KERNEL_WIDTH = 0.25
"""Of LIME's kernel, as in its authors' code for images."""
RIDGE = 1.0
"""LIME's penalty of the squared coefficients, as in its authors' code."""


@dataclass(frozen=True)
class Fit:
    """A linear model.

    Attributes
    ----------
    coefficients, error : ndarray of shape (K,)
        Value of each segment, and its standard error.
    r_squared : float
        Weighted share of the variance of the scores that the model explains.
    """

    coefficients: np.ndarray
    error: np.ndarray
    r_squared: float


class Subsets:
    """Copies of one image in which only a subset of segments is visible, see `Design`.

    Parameters
    ----------
    labels : int ndarray of shape (H, W)
        The segments.
    visible : bool ndarray of shape (subsets, K)
        The subsets.
    targets : int
        Number of targets.
    is_exact : bool
        Whether these are all subsets there are: the map is looked at only then.
    """

    def __init__(
        self,
        labels: np.ndarray,
        visible: np.ndarray,
        targets: int,
        is_exact: bool = False,
    ) -> None:
        self._labels = labels
        self.visible = visible
        self.count = len(visible)
        first = max(FIRST, _TIMES * visible.shape[1])
        self.ends: Sequence[int] = (
            [self.count] if is_exact else ends_of(self.count, first + first % 2, _STEP)
        )
        self._scores = np.empty((targets, self.count))
        self._known = 0
        self.fits: dict[int, Fit] = {}
        """The last model of each target."""

    def masks(self, part: slice) -> np.ndarray:
        """See `Design`."""
        return np.take(self.visible[part], self._labels, axis=1)[..., None]

    def learn(self, part: slice, scores: np.ndarray) -> None:
        """See `Design`."""
        self._scores[:, part], self._known = scores, part.stop

    def close(self) -> None:
        """See `Design`."""

    def estimate(self, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See `Design`: maps (t, H, W), constant on segments."""
        visible = self.visible[: self._known].astype(np.float64)
        for target in targets:
            self.fits[target] = self.fit(visible, self._scores[target, : self._known], target)
        chosen = [self.fits[target] for target in targets]
        return (
            np.stack([one.coefficients[self._labels] for one in chosen]),
            np.stack([one.error[self._labels] for one in chosen]),
        )

    def fit(self, visible: np.ndarray, scores: np.ndarray, target: int) -> Fit:
        """The model of ``scores`` (n,) of the subsets ``visible`` (n, K)."""
        raise NotImplementedError


class ShapleySubsets(Subsets):
    """KernelSHAP: subsets as likely as the Shapley kernel weighs them, each with its complement.

    Parameters
    ----------
    labels
        See `Subsets`.
    count : int
        Largest number of subsets. If there are no more than that, each is taken once, with its
        weight.
    seed : int
        Random seed.
    """

    def __init__(
        self,
        labels: np.ndarray,
        count: int,
        seed: int,
        targets: int,
    ) -> None:
        segments = int(labels.max()) + 1
        is_exact = 2**segments - 2 <= count
        visible = _all_subsets(segments) if is_exact else _drawn_by_size(segments, count, seed)
        super().__init__(labels, visible, targets, is_exact)
        self._weights = _shapley_weights(visible) if is_exact else None
        self.ends_of_scores = np.zeros((targets, 2))
        """Scores of the baseline and of the image, for each target."""

    def fit(self, visible: np.ndarray, scores: np.ndarray, target: int) -> Fit:
        """Least squares under Σφ = S(x) − S(baseline)."""
        empty, full = self.ends_of_scores[target]
        segments = visible.shape[1]
        # φ = total ÷ K + basis · free: what is free has no effect on the sum.
        basis = _sums_to_zero(segments)
        share = (full - empty) / segments
        free = visible @ basis
        rest = scores - empty - share * visible.sum(axis=1)
        weights = np.ones(len(rest)) if self._weights is None else self._weights
        inverse = np.linalg.pinv(free.T @ (weights[:, None] * free))
        found = inverse @ (free.T @ (weights * rest))
        residual = rest - free @ found
        error = np.zeros(segments)
        if self._weights is None:
            # A subset and its complement are one observation: their rows are each other's negative.
            # The fit follows those with a large leverage, which hides errors (MacKinnon and White
            # 1985, HC2): subsets of middle size are drawn rarely, and have most of the leverage.
            half = free[::2]
            leverage = 2 * np.einsum("ni,ij,nj->n", half, inverse, half)
            terms = half * (residual[::2] - residual[1::2])[:, None]
            terms /= np.sqrt((1 - leverage).clip(_LEAST_REST))[:, None]
            spread = inverse @ (terms.T @ terms) @ inverse
            error = np.sqrt(np.einsum("ki,ij,kj->k", basis, spread, basis).clip(0))
        return Fit(share + basis @ found, error, _explained(scores, residual, weights))


class LimeSubsets(Subsets):
    """LIME: subsets with each segment visible with probability ½, weighted by their nearness.

    Parameters
    ----------
    labels
        See `Subsets`.
    count : int
        Number of subsets; the first is the whole image.
    seed : int
        Random seed.
    """

    def __init__(
        self,
        labels: np.ndarray,
        count: int,
        seed: int,
        targets: int,
    ) -> None:
        segments = int(labels.max()) + 1
        visible = np.random.default_rng(seed).random((count, segments)) < 0.5
        visible[0] = True
        super().__init__(labels, visible, targets)

    def fit(self, visible: np.ndarray, scores: np.ndarray, target: int) -> Fit:
        """Weighted ridge regression with an intercept that is not penalized."""
        count, segments = visible.shape
        weights = _nearness(visible)
        total = weights.sum()
        centered = visible - weights @ visible / total
        rest = scores - weights @ scores / total
        inverse = np.linalg.inv(
            centered.T @ (weights[:, None] * centered) + RIDGE * np.eye(segments)
        )
        found = inverse @ (centered.T @ (weights * rest))
        residual = rest - centered @ found
        terms = centered * (weights * residual)[:, None]
        spread = inverse @ (terms.T @ terms) @ inverse * (count / max(count - segments - 1, 1))
        error = np.sqrt(np.diag(spread).clip(0))
        return Fit(found, error, _explained(scores, residual, weights))


def _all_subsets(segments: int) -> np.ndarray:
    """(2^K − 2, K): all subsets but the empty and the full one."""
    numbers = np.arange(1, 2**segments - 1)
    return (numbers[:, None] >> np.arange(segments)) & 1 > 0


def _shapley_weights(visible: np.ndarray) -> np.ndarray:
    """(subsets,): the Shapley kernel of theorem 2."""
    from scipy.special import comb

    segments, sizes = visible.shape[1], visible.sum(axis=1)
    return (segments - 1) / (comb(segments, sizes) * sizes * (segments - sizes))


def _drawn_by_size(segments: int, count: int, seed: int) -> np.ndarray:
    """(count, K): subsets drawn by the Shapley kernel, each followed by its complement."""
    sizes = np.arange(1, segments)
    likely = np.cumsum(1 / (sizes * (segments - sizes)))
    generator = np.random.default_rng(seed)
    found = np.empty((count // 2, 2, segments), bool)
    for begun in range(0, count // 2, _DRAWN):
        part = found[begun : begun + _DRAWN]
        drawn = generator.random((len(part), segments + 1))
        size = sizes[np.searchsorted(likely / likely[-1], drawn[:, 0]).clip(max=segments - 2)]
        part[:, 0] = drawn[:, 1:].argsort(axis=1).argsort(axis=1) < size[:, None]
        part[:, 1] = ~part[:, 0]
    return found.reshape(-1, segments)


def _sums_to_zero(count: int) -> np.ndarray:
    """(K, K − 1): an orthonormal basis of all vectors whose sum is zero."""
    return np.linalg.svd(np.ones((1, count)))[2][1:].T


def _nearness(visible: np.ndarray) -> np.ndarray:
    """√exp(−D² ÷ width²), with the cosine distance D of each subset from the whole image."""
    segments = visible.shape[1]
    distance = 1 - np.sqrt(visible.sum(axis=1) / segments)
    return np.sqrt(np.exp(-(distance**2) / KERNEL_WIDTH**2))


def _explained(scores: np.ndarray, residual: np.ndarray, weights: np.ndarray) -> float:
    """1 − weighted squares of residuals ÷ those of the scores around their mean."""
    mean = weights @ scores / weights.sum()
    around = weights @ (scores - mean) ** 2
    return float(1 - weights @ residual**2 / around) if around else 1.0
