"""Guided integrated gradients: along a path that moves pixels with small gradients first."""

from typing import Any

import numpy as np

from optogram.arguments import checked, number, whole
from optogram.interpreters.gradients import gradients
from optogram.methods.request.baseline import baseline_images, described
from optogram.methods.request.request import Request, ask
from optogram.network.network import Network
from optogram.progress import Progress, ShownProgress, continued, reporting
from optogram.result import IntegratedGradients

_TOLERATED_GAP = 0.2
"""Largest relative gap without a warning."""
_ROUNDING = 1e-4
"""Gaps below this fraction of the score are rounding errors."""
_CLOSE = 1e-9
"""Distances this much of the whole way apart are the same."""


@checked
def guided_integrated_gradients(
    net: Network,
    image: Any,
    target: Any = None,
    *,
    points: int = 200,
    fraction: float = 0.25,
    max_dist: float = 0.02,
    baseline: Any = "black",
    score: str = "logit",
    fit: str | None = None,
    memory: float | str | None = None,
    progress: ShownProgress = None,
) -> IntegratedGradients:
    """Guided integrated gradients: ∫ ∂S/∂x dx on a path that avoids large gradients.

    Kapishnikov et al., "Guided integrated gradients: an adaptive path method for removing noise"
    (2021), algorithm 1. On the way from a baseline x₀ to the image x, each step shortens the L1
    distance to x by 1 / ``points`` of the whole. It moves only the elements with the smallest
    magnitudes of the gradient, ``fraction`` of them at a time. No element may be further than
    ``max_dist`` from where it would be on the straight line, in parts of its way.

    Each step depends on the gradient before it, so rounding can lead the path elsewhere: maps of
    another backend, or of another batch, can differ visibly.

    Parameters
    ----------
    net : Network
        The network to explain.
    image
        Image or images, as for `Network.prepare`.
    target : Target, int, str, function or a list of these, optional
        Target of the score: one for all images, one per image, or several for one image. None:
        the highest-scoring class of each image.
    points : int
        Number of points on the path, at least 1: one gradient and one step each.
    fraction : float
        Share of the elements that move together, above 0 and at most 1. With 1, all of them move:
        integrated gradients.
    max_dist : float
        Largest distance from the straight line, 0…1. With 0, the path is the straight line.
    baseline : str, number or picture
        Start of the path; see `integrated_gradients`.
    score : {"logit", "probability"}
        Score of a class: before or after the final softmax or sigmoid.
    fit : {"stretch", "crop", "pad"}, optional
        How photos are brought to the input size; see `Network.prepare`.
    memory : float or str, optional
        Memory budget in bytes, or a string such as ``"2GB"``; None: a quarter of the free memory.
    progress : bool or callable, optional
        True shows a bar, in terminals and notebooks; a function is called as
        ``progress(done, total, what)``; ``what`` describes the work.

    Returns
    -------
    IntegratedGradients
        ``values`` (N, H, W, C), signed, in units of the score. ``completeness_gap`` (N,) is the sum
        of the values minus S(x) − S(x₀).

    Raises
    ------
    InputError
        If image, target or baseline cannot be used, or another argument is out of range.
    """
    points = whole("points", points, 1)
    fraction = number("fraction", fraction, 1e-6, 1)
    max_dist = number("max_dist", max_dist, 0, 1)
    request = ask(net, image, target, score, fit)
    images, count = len(request.x), len(request.which)
    total = 2 * images + points * count
    with reporting(progress) as told:
        answer = request.answer(memory, continued(told, 0, total))
        request = answer.request
        start = baseline_images(request, baseline)
        (baseline_scores,) = request.scores_of_variants(
            lambda i, _: start[i], 1, memory, continued(told, images, total)
        ).T
        values = _along_path(
            request,
            start,
            (points, fraction, max_dist),
            memory,
            continued(told, 2 * images, total),
        )
    change = answer.scores.astype(np.float64) - baseline_scores
    gap = values.sum(axis=(1, 2, 3), dtype=np.float64) - change
    allowed = _TOLERATED_GAP * np.abs(change) + _ROUNDING * np.abs(answer.scores)
    parameters = {
        "points": points,
        "fraction": fraction,
        "max_dist": max_dist,
        "baseline": described(baseline),
        "score": score,
    }
    return answer.attribution(
        "guided_integrated_gradients",
        values,
        parameters,
        arguments={**parameters, "baseline": start},
        kind=IntegratedGradients,
        warnings=[
            f"The values for {answer.places[i]} add up to {change[i] + gap[i]:.3g}, but the score "
            f"changes by {change[i]:.3g} from the baseline ({described(baseline)}) to the image: "
            f"too few points ({points}), raise points, as in points={3 * points}."
            for i in np.flatnonzero(np.abs(gap) > allowed)
        ],
        baseline_score=baseline_scores,
        completeness_gap=gap.astype(np.float32),
    )


def _along_path(
    request: Request,
    start: np.ndarray,
    settings: tuple[int, float, float],
    memory: float | str | None,
    progress: Progress,
) -> np.ndarray:
    """The values (N, H, W, C), by one gradient of all explanations for each step."""
    points, fraction, max_dist = settings
    own = request.which
    # One image per explanation: each walks its own path.
    weights = {
        output: array.swapaxes(0, 1) if len(request.x) == 1 else array
        for output, array in request.weights().items()
    }
    paths = [
        _Path(x, x0, fraction, max_dist) for x, x0 in zip(request.x[own], start[own], strict=True)
    ]
    total = points * len(own)
    for step in range(points):
        at = np.stack([path.at for path in paths]).astype(np.float32)
        told = continued(progress, step * len(own), total)
        found = gradients(request.net, at, weights, (), request.score, (), memory, told)
        for path, gradient in zip(paths, found.at[0].gradient[0], strict=True):
            path.step(gradient, (step + 1) / points)
    return np.stack([path.values for path in paths]).astype(np.float32)


class _Path:
    """The way of one image: where it is, and what the gradients along it add up to."""

    def __init__(self, x: np.ndarray, start: np.ndarray, fraction: float, max_dist: float) -> None:
        self._start, self._way = start.astype(np.float64), x.astype(np.float64) - start
        self._length = float(np.abs(self._way).sum())
        self._fraction, self._reach = fraction, max_dist
        # How far each element is on its own way, 0 to 1; those without a way have arrived.
        self._part = np.where(self._way == 0, 1.0, 0.0)
        self.values = np.zeros(x.shape, np.float64)

    @property
    def at(self) -> np.ndarray:
        """(H, W, C): where the path is."""
        return self._start + self._part * self._way

    def step(self, gradient: np.ndarray, share: float) -> None:
        """Walk on until ``share`` of the whole L1 distance is done."""
        before, way = self._part, np.abs(self._way)
        least, most = max(share - self._reach, 0.0), min(share + self._reach, 1.0)
        part = np.maximum(before, least)  # nothing stays behind the corridor
        left = share * self._length - float((part * way).sum())
        if left > _CLOSE * self._length:
            room = np.maximum(most - part, 0)
            movable = np.flatnonzero((room > 0) & (way > 0))
            order = _by_size(gradient.ravel(), movable)
            together = int(self._fraction * (part.size - 1)) + 1  # up to the quantile, with it
            moved, way, room = part.ravel(), way.ravel(), room.ravel()
            for first in range(0, len(order), together):
                group = order[first : first + together]
                length = float((room[group] * way[group]).sum())
                moved[group] += room[group] * min(1.0, left / length)
                left -= length
                if left <= _CLOSE * self._length:
                    break
        self.values += (part - before) * self._way * gradient
        self._part = part


def _by_size(values: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """The indices ``chosen`` of ``values`` (float32), ordered by absolute value, then by index.

    As pairs of value and index in one whole number, which NumPy sorts several times as fast as it
    sorts indices by their values. The bits of positive numbers increase with the numbers.
    """
    pairs = np.abs(values[chosen]).view(np.uint32).astype(np.uint64) << np.uint64(32)
    pairs |= chosen.astype(np.uint64)
    pairs.sort()
    return (pairs & np.uint64(0xFFFFFFFF)).astype(np.int64)
