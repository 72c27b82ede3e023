"""Relevance of images for scores, batch by batch."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from optogram.graph.steps import Output
from optogram.interpreters.engine import Computation, lengthened
from optogram.interpreters.memory import batches
from optogram.interpreters.relevance.composites import Composite
from optogram.interpreters.relevance.walk import Accounted, Route
from optogram.interpreters.turns import SHORT
from optogram.progress import Progress, silent

_VIEWS = 2
"""Rules that tell signs apart compute each linear step about twice."""


@dataclass(frozen=True, eq=False)
class Relevances:
    """The relevance for N scores.

    Attributes
    ----------
    image : ndarray of shape (N, H, W, C)
        At the image.
    at : tuple of ndarray
        At each output asked for.
    scores : ndarray of shape (N,)
        The scores: the relevance put in at the top.
    outputs : ndarray of shape (N, outputs), or None
        Logits or probabilities of all classes, if the highest-scoring class was explained.
    accounts : tuple of Accounted
        The steps on the way, from the score to the image.
    sums : ndarray of shape (N, steps, 3)
        For each of them: relevance that arrived, that was handed on, and that biases took.
    """

    image: np.ndarray
    at: tuple[np.ndarray, ...]
    scores: np.ndarray
    outputs: np.ndarray | None
    accounts: tuple[Accounted, ...]
    sums: np.ndarray


def relevance(
    net: Computation,
    x: np.ndarray,
    which: np.ndarray,
    weights: Mapping[Output, np.ndarray] | None,
    composite: Composite,
    at: Sequence[Output] = (),
    kept: Mapping[Output, np.ndarray] | None = None,
    score: str = "logit",
    bounds: tuple[np.ndarray, np.ndarray] | None = None,
    memory: float | str | None = None,
    progress: Progress = silent,
) -> Relevances:
    """The relevance of each image for its score: one forward pass, and one way back.

    Parameters
    ----------
    net : Computation
        The network.
    x : ndarray of shape (M, H, W, C)
        The distinct images, in network units.
    which : ndarray of shape (N,)
        The image of each score.
    weights : mapping, or None
        Score n is Σ output · weights[n]: arrays (N, ...) that broadcast to the outputs. None: the
        highest-scoring class, of one score for each image.
    composite : Composite
        The rules of linear steps.
    at : sequence of Output
        Where relevance is wanted beside the image.
    kept : mapping of Output to ndarray, optional
        Factors (N, ...) of the relevance there.
    score : {"logit", "probability"}
        Score of the highest-scoring class.
    bounds : pair of ndarrays of shape (1, H, W, C)
        A black and a white image, in network units.
    memory, progress
        See `Computation.evaluate`.
    """
    scored = (net.score_output(score),) if weights is None else tuple(weights)
    kept, at = kept or {}, tuple(at)
    held, factors = tuple(kept), list(kept.values())
    given = [] if weights is None else list(weights.values())
    graph, head = net.graph, net.head
    key = ("relevance", scored, at, held, score if weights is None else "", composite)
    route = net.plans.get(key, lambda: Route(graph, scored, composite))
    bounded = tuple(route.bounded)
    limits = _limits(net, bounded, bounds, memory)

    def build() -> Callable[..., Any]:
        def function(fed: Any, *others: Any) -> Any:
            arrays = iter(others)
            factors = {output: next(arrays) for output in held}
            known = {output: (next(arrays), next(arrays)) for output in bounded}
            own = {output: next(arrays) for output in scored} if given else None

            def weighing(tensors: Mapping[Output, Any]) -> dict[Output, Any]:
                if own is not None:
                    return own
                made = tensors[scored[0]]
                return {scored[0]: head.winning_weights_inside(made, score)}

            return route.walk(fed, weighing, at, factors, known)

        return function

    size, count = x.shape[1:3], len(which)
    each = net.bytes_backward(size, scored, _VIEWS)
    image = np.empty((count, *x.shape[1:]), np.float32)
    found = [np.empty((count, *net.shape(output, size)), np.float32) for output in at]
    sums = np.empty((count, len(route.accounts), 3), np.float32)
    scores = np.empty(count, np.float32)
    outputs = None if given else np.empty((count, head.outputs), np.float32)
    length = 0
    for part in batches(count, each, memory):
        taken = part.stop - part.start
        length = length or taken
        fed = [x[which[part]], *(_rows(factor, part) for factor in factors)]
        fed = [lengthened(array, length) for array in fed]
        fed += [bound for pair in limits for bound in pair]
        fed += [lengthened(_rows(array, part), length) for array in given]
        is_batch = [i for i, array in enumerate(fed) if len(array) == length]
        back, wanted, counted, total, terms = net.run(
            key, build, fed, batched=is_batch if length > 1 else (), is_short=count <= SHORT
        )
        image[part], scores[part] = back[:taken], total[:taken]
        for whole, one in zip(found, wanted, strict=True):
            whole[part] = one[:taken]
        for number, one in enumerate(counted):
            sums[part, number] = one[:taken]
        if outputs is not None:
            outputs[part] = terms[:taken]
        progress(part.stop, count, "images")
    return Relevances(image, tuple(found), scores, outputs, tuple(route.accounts), sums)


def _rows(array: np.ndarray, part: slice) -> np.ndarray:
    """The rows of a batch; an array of one row is the same for all."""
    return np.repeat(array, part.stop - part.start, axis=0) if len(array) == 1 else array[part]


def _limits(
    net: Computation,
    bounded: Sequence[Output],
    bounds: tuple[np.ndarray, np.ndarray] | None,
    memory: float | str | None,
) -> list[tuple[np.ndarray, np.ndarray]]:
    """The lowest and highest values of each output for a black and a white image."""
    if not bounded or bounds is None:
        return []
    pairs = zip(*(net.evaluate(bound, bounded, memory) for bound in bounds), strict=True)
    return [(np.minimum(*pair), np.maximum(*pair)) for pair in pairs]
