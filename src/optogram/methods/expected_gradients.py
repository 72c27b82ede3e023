"""Expected gradients: integrated gradients, averaged over a set of baselines."""

from collections.abc import Callable
from typing import Any

import numpy as np

from optogram.arguments import MOST_SEED, checked, whole
from optogram.interpreters.altered import gradient_products
from optogram.methods.request.baseline import Baselines, baseline_set
from optogram.methods.request.request import Request, ask, weighted_sums
from optogram.network.network import Network
from optogram.progress import Progress, ShownProgress, continued, reporting
from optogram.result import IntegratedGradients

_TOLERATED_GAP = 0.1
"""Largest relative gap without a warning."""
_ROUNDING = 1e-4
"""Gaps below this fraction of the score are rounding errors."""


@checked
def expected_gradients(
    net: Network,
    image: Any,
    target: Any = None,
    *,
    baselines: Any = None,
    samples: int = 96,
    seed: int = 0,
    score: str = "logit",
    fit: str | None = None,
    memory: float | str | None = None,
    progress: ShownProgress = None,
) -> IntegratedGradients:
    """Expected gradients: the mean of (x − x₀) · ∂S/∂x at x₀ + t · (x − x₀), of many x₀ and t.

    Erion et al., "Improving performance of deep learning models with axiomatic attribution priors
    and expected gradients" (2021), equation 2; GradientSHAP of Captum and SHAP is the same with
    fewer samples. The baselines x₀ are photos of a set, and t is uniform in 0…1. The values sum to
    S(x) − mean S(x₀), up to ``completeness_gap``.

    Each baseline is used equally often, within one, and there is one t in each of ``samples`` equal
    parts of 0…1, in random order: the expectation is that of independent draws, the error smaller.

    Parameters
    ----------
    net : Network
        The network to explain.
    image
        Image or images, as for `Network.prepare`.
    target : Target, int, str, function or a list of these, optional
        Target of the score: one for all images, one per image, or several for one image. None:
        the highest-scoring class of each image.
    baselines : path, sequence of photos or array, optional
        A folder, a list of what `Network.prepare` takes, or another set of photos as
        `strongest_images` takes it; of more than ``samples``, that many are drawn. Or a prepared
        float array (B, H, W, C). All are held in memory, prepared. None: plain images of gray
        levels spread evenly from black to white, so that no color counts as "nothing".
    samples : int
        Number of pairs of a baseline and a t, at least 1.
    seed : int
        Random seed.
    score : {"logit", "probability"}
        Score of a class: before or after the final softmax or sigmoid.
    fit : {"stretch", "crop", "pad"}, optional
        How photos, and baselines, are brought to the input size; see `Network.prepare`.
    memory : float or str, optional
        Memory budget in bytes, or a string such as ``"2GB"``; None: a quarter of the free memory.
    progress : bool or callable, optional
        True shows a bar, in terminals and notebooks; a function is called as
        ``progress(done, total, what)``; ``what`` describes the work.

    Returns
    -------
    IntegratedGradients
        ``values`` (N, H, W, C), signed, in units of the score. ``baseline_score`` (N,) is the mean
        score of the baselines, ``completeness_gap`` (N,) the sum of the values minus
        (S(x) − mean S(x₀)).

    Raises
    ------
    InputError
        If image, target or a baseline cannot be used, or samples is not positive.
    """
    samples, seed = whole("samples", samples, 1), whole("seed", seed, 0, MOST_SEED)
    request = ask(net, image, target, score, fit)
    images = len(request.x)
    with reporting(progress) as told:
        starts = baseline_set(request, baselines, samples, seed)
        total = images + len(starts) + samples * len(request.which)
        answer = request.answer(memory, continued(told, 0, total))
        request = answer.request
        baseline_scores = _mean_scores(
            request, starts, samples, memory, continued(told, images, total)
        )
        more = continued(told, images + len(starts), total)
        values = _products(request, starts.of, _places(samples, seed), memory, more)
    change = answer.scores.astype(np.float64) - baseline_scores
    gap = values.sum(axis=(1, 2, 3), dtype=np.float64) - change
    allowed = _TOLERATED_GAP * np.abs(change) + _ROUNDING * np.abs(answer.scores)
    parameters = {"baselines": starts.described, "samples": samples, "seed": seed, "score": score}
    return answer.attribution(
        "expected_gradients",
        values,
        parameters,
        arguments={**parameters, "baselines": starts.given},
        kind=IntegratedGradients,
        warnings=[
            f"The values for {answer.places[i]} add up to {change[i] + gap[i]:.3g}, but the score "
            f"changes by {change[i]:.3g} from the mean of the baselines to the image: too few "
            f"samples ({samples}), raise samples, as in samples={4 * samples}."
            for i in np.flatnonzero(np.abs(gap) > allowed)
        ],
        baseline_score=baseline_scores.astype(np.float32),
        completeness_gap=gap.astype(np.float32),
    )


def _places(samples: int, seed: int) -> np.ndarray:
    """(samples,): one t in each of as many equal parts of 0…1, in random order."""
    generator = np.random.default_rng(seed)
    within = generator.random(samples)
    return ((generator.permutation(samples) + within) / samples).astype(np.float32)


def _mean_scores(
    request: Request,
    starts: Baselines,
    samples: int,
    memory: float | str | None,
    progress: Progress,
) -> np.ndarray:
    """(N,): the mean score of the baselines, each counted as often as it is used."""
    weights, total = request.weights(), np.zeros(len(request.which), np.float64)
    numbers = np.arange(samples) % len(starts)
    used = np.bincount(numbers, minlength=len(starts)) / samples
    scored = list(weights)

    def feed(part: slice) -> np.ndarray:
        return starts.of(part)

    for part, found in request.net.stream(
        feed, len(starts), request.size, scored, memory, progress
    ):
        for image in range(len(request.x)):
            own = request.weights_of(image, weights)
            scores = weighted_sums(found, own)
            total[request.which == image] += scores.astype(np.float64) @ used[part]
    return total


def _products(
    request: Request,
    starts: Callable[[slice], np.ndarray],
    places: np.ndarray,
    memory: float | str | None,
    progress: Progress,
) -> np.ndarray:
    """The values of each explanation, (N, H, W, C)."""
    weights, images = request.weights(), len(request.x)
    values = np.empty((len(request.which), *request.x.shape[1:]), np.float32)
    for i, x in enumerate(request.x):

        def told(done: int, total: int, what: str, before: int = i) -> None:
            progress(before * total + done, images * total, what)

        own = request.weights_of(i, weights)
        values[request.which == i] = gradient_products(
            request.net, x[None], starts, places, own, memory, told
        )
    return values
