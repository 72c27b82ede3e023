"""Integrated gradients: the gradient along the way from black to the image."""

from typing import Any

import numpy as np

from optogram.arguments import checked, whole
from optogram.methods.copies import mean_gradient
from optogram.methods.request import ask, black_image
from optogram.network.network import Network
from optogram.progress import Progress, silent
from optogram.result import IntegratedGradients

_TOLERATED_GAP = 0.1
"""Share of the change that the values may miss without a warning."""
_ROUNDING = 1e-4
"""Share of the score itself below which a gap is rounding."""


@checked
def integrated_gradients(
    net: Network,
    image: Any,
    target: Any = None,
    *,
    steps: int = 32,
    score: str = "logit",
    memory: int | str | None = None,
    progress: Progress = silent,
) -> IntegratedGradients:
    """What each pixel adds on the way from black to the image: (x − x₀) · mean of ∂S/∂x.

    Sundararajan, Taly and Yan, "Axiomatic attribution for deep networks" (2017), equation 1, by the
    midpoint rule. The values add up to S(x) − S(x₀), up to ``completeness_gap``.

    Parameters
    ----------
    net : Network
        What is explained.
    image
        Everything that `Network.prepare` takes.
    target : Target, int, str or a list of these, optional
        What is scored; one image may have several, one explanation each. None: each image's own
        answer.
    steps : int
        How many midpoints of the line, at least 1.
    score : {"logit", "probability"}
        Whether classes are scored before or after the last softmax or sigmoid.
    memory : int or str, optional
        What the call may add to the process, as in ``"2GB"``; None: a quarter of what is free.
    progress : callable, optional
        Called as ``progress(done, total, what)``.

    Returns
    -------
    IntegratedGradients
        ``values`` (N, H, W, C), signed, in units of the score; x₀ is the image that is shown
        black. ``completeness_gap`` (N,) tells what the sum of the values misses.

    Raises
    ------
    InputError
        If image or target cannot be used, or steps is not positive.
    """
    steps = whole("steps", steps, 1)
    answer = ask(net, image, target, score).answer(memory)
    request = answer.request
    black = black_image(request)
    midpoints = ((np.arange(steps) + 0.5) / steps).astype(np.float32)

    def offsets(x: np.ndarray, part: slice) -> np.ndarray:
        return (midpoints[part, None, None, None] - 1) * (x - black)

    shares = np.full(steps, 1 / steps, np.float32)
    mean = mean_gradient(request, offsets, shares, memory, progress)
    values = (request.x - black) * mean
    baseline = request.scores_of(black[None], memory)
    change = answer.scores - baseline
    gap = (values.sum(axis=(1, 2, 3), dtype=np.float64) - change).astype(np.float32)
    warnings = [
        f"The values for {name} add up to {float(whole + missed):.3g}, but the score changes by "
        f"{float(whole):.3g} from black to the image: {steps} steps are too few, raise steps."
        for name, score_here, whole, missed in zip(
            answer.places, answer.scores, change, gap, strict=True
        )
        if abs(missed) > _TOLERATED_GAP * abs(whole) + _ROUNDING * abs(score_here)
    ]
    return answer.attribution(
        integrated_gradients,
        values,
        {"steps": steps, "score": score},
        kind=IntegratedGradients,
        warnings=warnings,
        baseline_score=baseline,
        completeness_gap=gap,
    )
