"""Integrated gradients: gradients along the line from a baseline to the image."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from optogram.arguments import checked, wholes
from optogram.errors import InputError
from optogram.interpreters.gradients import summed_gradient
from optogram.methods.request.baseline import baseline_images, described
from optogram.methods.request.request import Answer, Request, ask
from optogram.network.network import Network
from optogram.progress import Progress, ShownProgress, continued, reporting
from optogram.result import IntegratedGradients
from optogram.words import counted

_FIRST, _MOST, _TIMES = 32, 288, 3
"""Numbers of points tried in turn; each set contains the points of the set before.

Measured on EfficientNet-Lite0 with four photos, from black: 32 points at cubes miss 1 to 3 % of the
change, 32 midpoints 13 to 86 %, 96 midpoints 3 to 13 %; gradients change most near the baseline.
"""
_ENOUGH = 0.05
"""Largest relative gap before more points are taken."""
_TOLERATED_GAP = 0.1
"""Largest relative gap without a warning, where the user chose the number of points."""
_ROUNDING = 1e-4
"""Gaps below this fraction of the score are rounding errors."""
_POWERS = {"even": 1, "cubic": 3}


@checked
def integrated_gradients(
    net: Network,
    image: Any,
    target: Any = None,
    *,
    points: int | Sequence[int] | None = None,
    spacing: str | None = None,
    baseline: Any = "black",
    score: str = "logit",
    fit: str | None = None,
    memory: float | str | None = None,
    progress: ShownProgress = None,
) -> IntegratedGradients:
    """Integrated gradients: (x − x₀) · mean of ∂S/∂x on the line from a baseline x₀ to x.

    Sundararajan, Taly and Yan, "Axiomatic attribution for deep networks" (2017), equation 1, by the
    midpoint rule. The values sum to S(x) − S(x₀), up to ``completeness_gap``.

    Parameters
    ----------
    net : Network
        The network to explain.
    image
        Image or images, as for `Network.prepare`.
    target : Target, int, str, function or a list of these, optional
        Target of the score: one for all images, one per image, or several for one image. None:
        the highest-scoring class of each image.
    points : int or sequence of int, optional
        Number of points on the line, at least 1: one for all explanations, or one for each. None:
        32; 96 or 288 where the gap would exceed 5 % of S(x) − S(x₀). ``parameters["points"]`` holds
        the numbers used.
    spacing : {"cubic", "even"}, optional
        Positions t on the line x₀ + t · (x − x₀). "cubic": t = u³ with u at midpoints, because
        gradients change most near x₀. "even": t at midpoints. None: "cubic" if ``points`` is None,
        else "even".
    baseline : str, number or picture
        Start of the line: "black", "white", "gray", "mean" (the image's mean color), "blur" (the
        blurred image), a gray level in 0..255, or an image, prepared like the explained one: a
        path, a PIL image, an array (H, W, C) in 0..255, or one per image.
    score : {"logit", "probability"}
        Score of a class: before or after the final softmax or sigmoid.
    fit : {"stretch", "crop", "pad"}, optional
        How photos are brought to the input size; see `Network.prepare`.
    memory : float or str, optional
        Memory budget in bytes, or a string such as ``"2GB"``; None: a quarter of the free memory.
    progress : bool or callable, optional
        True shows a bar, in terminals and notebooks; a function is called as
        ``progress(done, total, what)``; ``total`` grows if more points are taken.

    Returns
    -------
    IntegratedGradients
        ``values`` (N, H, W, C), signed, in units of the score. ``completeness_gap`` (N,) is the sum
        of the values minus S(x) − S(x₀).

    Raises
    ------
    InputError
        If image, target or baseline cannot be used, points is not positive, or spacing is unknown.
    """
    given = [] if points is None else wholes("points", np.atleast_1d(np.asarray(points)), 1)
    if spacing not in (None, *_POWERS):
        raise InputError(f'spacing must be "cubic" or "even", not {spacing!r}.')
    request = ask(net, image, target, score, fit)
    images, count = len(request.x), len(request.which)
    if len(given) not in (0, 1, count):
        raise InputError(
            f"Got {counted(len(given), 'number')} of points for {counted(count, 'explanation')}."
        )
    first = np.resize(given or [_FIRST], count)
    total = 2 * images + int(first.sum())
    with reporting(progress) as told:
        start = baseline_images(request, baseline)
        answer, baseline_scores = _ends(request, start, memory, continued(told, 0, total))
        request = answer.request
        spacing = spacing or ("even" if given else "cubic")
        line = _Line(answer, start, baseline_scores, _POWERS[spacing], memory)
        values, used = line.integrals(first, not given, 2 * images, told)
    gap = line.gaps(values, slice(None))
    is_one = len(set(used.tolist())) == 1
    shown = int(used[0]) if is_one else tuple(used.tolist())
    parameters = {
        "points": shown,
        "spacing": spacing,
        "baseline": described(baseline),
        "score": score,
    }
    return answer.attribution(
        "integrated_gradients",
        values,
        parameters,
        arguments={**parameters, "baseline": start},
        kind=IntegratedGradients,
        warnings=[
            f"The values for {answer.places[i]} add up to {line.change[i] + gap[i]:.3g}, but the "
            f"score changes by {line.change[i]:.3g} from the baseline ({described(baseline)}) to "
            f"the image: too few points ({used[i]}), raise points, as in points={10 * used[i]}."
            for i in line.unfinished(gap, _TOLERATED_GAP if given else _ENOUGH)
        ],
        baseline_score=baseline_scores,
        completeness_gap=gap.astype(np.float32),
    )


def _ends(
    request: Request, start: np.ndarray, memory: float | str | None, progress: Progress
) -> tuple[Answer, np.ndarray]:
    """The scores (N,) of the images, and of where their lines ``start``."""
    if request.targets is None:
        images = len(request.x)
        answer = request.answer(memory, continued(progress, 0, 2 * images))
        told = continued(progress, images, 2 * images)
        scores = answer.request.scores_of_variants(lambda i, _: start[i], 1, memory, told)
        return answer, scores[:, 0]
    both = request.scores_of_variants(
        lambda i, number: start[i] if number else request.x[i], 2, memory, progress
    )
    return Answer(request=request, scores=both[:, 0]), both[:, 1]


class _Line:
    """The lines from baselines to images, and integrals of gradients along them."""

    def __init__(
        self,
        answer: Answer,
        start: np.ndarray,
        baseline_scores: np.ndarray,
        power: int,
        memory: float | str | None,
    ) -> None:
        self.change = answer.scores.astype(np.float64) - baseline_scores
        self._answer, self._start, self._power = answer, start, power
        self._memory = memory

    def integrals(
        self, first: np.ndarray, goes_on: bool, done: int, progress: Progress
    ) -> tuple[np.ndarray, np.ndarray]:
        """The values (N, H, W, C), and the number of points of each: ``first``, or as needed.

        Where it ``goes_on``, more points are taken as needed. Explanations are independent, so that
        others in the call do not change a result. ``done`` units of ``progress`` came before.
        """
        request = self._answer.request
        weights, way = request.weights(), request.x - self._start
        values = np.zeros((len(request.which), *request.x.shape[1:]), np.float32)
        used = np.zeros(len(request.which), int)
        total = done + int(first.sum())

        def told(more: int, _: int, what: str) -> None:
            progress(done + more, total, what)

        for image, x in enumerate(request.x):
            own = request.weights_of(image, weights)
            of_image = np.flatnonzero(request.which == image)
            for begun in np.unique(first[of_image]):
                open_, count = of_image[first[of_image] == begun], 0
                while len(open_):
                    rows = np.searchsorted(of_image, open_)
                    chosen = {value: array[rows] for value, array in own.items()}
                    kept, count, places, shares = self._points(count, int(begun))
                    summed = summed_gradient(
                        request.net,
                        x[None],
                        _offsets(places, way[image]),
                        shares,
                        chosen,
                        self._memory,
                        told,
                    )
                    values[open_] = kept * values[open_] + way[image] * summed
                    used[open_] = count
                    done += len(open_) * len(places)
                    if not goes_on or count * _TIMES > _MOST:
                        break
                    open_ = open_[self.unfinished(self.gaps(values, open_), _ENOUGH, open_)]
                    total += len(open_) * count * (_TIMES - 1)
        return values, used

    def gaps(self, values: np.ndarray, which: Any) -> np.ndarray:
        """Completeness gaps of the explanations ``which``."""
        return values[which].sum(axis=(1, 2, 3), dtype=np.float64) - self.change[which]

    def unfinished(self, gaps: np.ndarray, share: float, which: Any = slice(None)) -> np.ndarray:
        """Indices of ``gaps`` beyond a ``share`` of the change, and beyond rounding."""
        scores = np.abs(self._answer.scores[which])
        allowed = share * np.abs(self.change[which]) + _ROUNDING * scores
        return np.flatnonzero(np.abs(gaps) > allowed)

    def _points(self, known: int, begun: int) -> tuple[float, int, np.ndarray, np.ndarray]:
        """The next points after ``known`` ones.

        Returns the weight that the known points keep, the new total number of points, and the
        positions in 0…1 and weights of the new points.
        """
        count = known * _TIMES or begun
        midpoints = (np.arange(count) + 0.5) / count
        density = self._power * midpoints ** (self._power - 1)
        # The midpoints of thirds contain those of the whole.
        is_new = np.ones(count, bool)
        if known:
            is_new[1::_TIMES] = False
        kept = density[~is_new].sum() / density.sum()
        places = (midpoints**self._power)[is_new].astype(np.float32)
        return kept, count, places, (density / density.sum())[is_new].astype(np.float32)


def _offsets(places: np.ndarray, way: np.ndarray) -> Any:
    """Offsets from the image to ``places`` on its ``way`` from the baseline."""
    return lambda part: (places[part, None, None, None] - 1) * way
