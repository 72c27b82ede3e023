"""Gradients at many altered copies of each image."""

from collections.abc import Callable
from functools import partial

import numpy as np

from optogram.interpreters.gradients import summed_gradient
from optogram.methods.request.request import Request
from optogram.progress import Progress


def mean_gradient(
    request: Request,
    offsets: Callable[[np.ndarray, slice], np.ndarray],
    shares: np.ndarray,
    memory: float | str | None,
    progress: Progress,
) -> np.ndarray:
    """Σ shareₙ · ∂S/∂x at x + offsetₙ for each explanation, (N, H, W, C).

    ``offsets`` is called with one image (H, W, C) and a slice of ``range(len(shares))``.
    """
    weights, images = request.weights(), len(request.x)
    values = np.empty((len(request.which), *request.x.shape[1:]), np.float32)
    for i, x in enumerate(request.x):

        def told(done: int, total: int, what: str, before: int = i) -> None:
            progress(before * total + done, images * total, what)

        values[request.which == i] = summed_gradient(
            request.net,
            x[None],
            partial(offsets, x),
            shares,
            request.weights_of(i, weights),
            memory,
            told,
        )
    return values
