"""Gradients at noisy copies of each image, of which three methods show three moments."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from optogram.arguments import MOST_SEED, number, whole
from optogram.errors import InputError
from optogram.interpreters.altered import gradient_moments
from optogram.methods.request.request import Answer, ask
from optogram.network.network import Network
from optogram.progress import Progress, ShownProgress, continued, reporting
from optogram.result import NoisyGradients

LEAST_SAMPLES = {"smoothgrad": 1, "vargrad": 2, "squaregrad": 1}
"""Numbers of copies with which a method says something."""


def noisy_gradients(
    method: str,
    net: Network,
    image: Any,
    target: Any,
    samples: int,
    noise: float,
    seed: int,
    score: str,
    fit: str | None,
    memory: float | str | None,
    progress: ShownProgress,
) -> NoisyGradients:
    """The result of `smoothgrad`, `vargrad` or `squaregrad`, with these arguments."""
    samples = whole("samples", samples, LEAST_SAMPLES[method])
    noise, seed = number("noise", noise, 0), whole("seed", seed, 0, MOST_SEED)
    if method == "vargrad" and not noise:
        raise InputError("noise must be greater than 0: copies without noise have no variance.")
    parameters = {"samples": samples, "noise": noise, "seed": seed, "score": score}
    request = ask(net, image, target, score, fit)
    total = len(request.x) + samples * len(request.which)
    with reporting(progress) as told:
        answer = request.answer(memory, continued(told, 0, total))
        more = continued(told, len(request.x), total)
        mean, variance = _moments(answer, parameters, memory, more)
    values = NoisyGradients.shown(method, mean, variance)
    return answer.attribution(
        method, values, parameters, kind=NoisyGradients, mean=mean, variance=variance
    )


def _moments(
    answer: Answer,
    parameters: Mapping[str, Any],
    memory: float | str | None,
    progress: Progress,
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of the gradient of each explanation, (N, H, W, C) each."""
    request, samples, seed = answer.request, parameters["samples"], parameters["seed"]
    weights, images = request.weights(), len(request.x)
    mean = np.empty((len(request.which), *request.x.shape[1:]), np.float32)
    variance = np.empty_like(mean)
    for i, x in enumerate(request.x):
        deviation = np.float32(parameters["noise"] * np.ptp(x))
        generator = np.random.default_rng(seed)

        def offsets(part: slice, deviation: np.float32 = deviation) -> np.ndarray:
            nonlocal generator
            if part.start == 0:
                generator = np.random.default_rng(seed)
            shape = (part.stop - part.start, *request.x.shape[1:])
            return generator.standard_normal(shape, np.float32) * deviation

        def told(done: int, total: int, what: str, before: int = i) -> None:
            progress(before * total + done, images * total, what)

        own = request.which == i
        mean[own], variance[own] = gradient_moments(
            request.net,
            x[None],
            offsets,
            samples,
            request.weights_of(i, weights),
            memory,
            told,
        )
    return mean, variance
