"""Gradients of scores at many altered copies of an image, reduced as they are computed."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np

from optogram.graph.steps import Output
from optogram.interpreters import forward
from optogram.interpreters.engine import Computation, lengthened
from optogram.interpreters.gradients import Layout, Weights, chunks, cut, layout_of, weighted
from optogram.interpreters.turns import SHORT
from optogram.progress import Progress, silent

_KEPT = 3
"""Arrays as large as the image that the reduction keeps for each copy."""


def gradient_moments(
    net: Computation,
    x: np.ndarray,
    offsets: Callable[[slice], np.ndarray],
    count: int,
    weights: Weights,
    memory: float | str | None = None,
    progress: Progress = silent,
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of ∂S/∂x over ``count`` copies x + offsetₙ.

    The variance is that of the copies, Σ (g − mean)² / count. It is summed from differences to the
    mean of each batch, which are merged (Chan, Golub and LeVeque, 1983): it is never negative.

    Parameters
    ----------
    net : Computation
        The network.
    x : ndarray of shape (1, H, W, C)
        Image in network units.
    offsets : callable
        Returns the offsets (n, H, W, C) for a slice of ``range(count)``. Slices are in order, and
        start again for each group of scores.
    count : int
        Number of copies.
    weights : mapping
        The scores, arrays (T, 1, ...) as in `Weights`.
    memory, progress
        See `Computation.evaluate`.

    Returns
    -------
    (ndarray, ndarray) of shape (T, H, W, C), float32
    """

    def reduced(gradient: Any, counted: Any, _: Any) -> list[Any]:
        ops = keras.ops
        counted = ops.reshape(counted, (1, -1, 1, 1, 1))
        mean = ops.sum(gradient * counted, axis=1, keepdims=True) / ops.sum(counted)
        squares = ops.sum(ops.square(gradient - mean) * counted, axis=1)
        return [mean[:, 0], squares]

    rows = len(next(iter(weights.values())))
    mean, squares = (np.zeros((rows, *x.shape[1:]), np.float64) for _ in range(2))

    def feed(part: slice) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        moved = offsets(part)
        nothing = np.zeros((len(moved), 1, 1, 1), np.float32)
        return x + moved, np.ones(len(moved), np.float32), nothing

    for some, part, (more_mean, more_squares) in _reduced(
        net, "moments", reduced, x.shape[1:], feed, count, weights, memory, progress
    ):
        before, more = part.start, part.stop - part.start
        away = more_mean - mean[some]
        mean[some] += away * (more / part.stop)
        squares[some] += more_squares + away**2 * (before * more / part.stop)
    return mean.astype(np.float32), (squares / count).astype(np.float32)


def gradient_products(
    net: Computation,
    x: np.ndarray,
    starts: Callable[[slice], np.ndarray],
    places: np.ndarray,
    weights: Weights,
    memory: float | str | None = None,
    progress: Progress = silent,
) -> np.ndarray:
    """Mean of (x − x₀) · ∂S/∂x at x₀ + t · (x − x₀), over pairs of a start x₀ and a place t.

    Parameters
    ----------
    net : Computation
        The network.
    x : ndarray of shape (1, H, W, C)
        Image in network units.
    starts : callable
        Returns the starts (n, H, W, C) for a slice of ``range(len(places))``.
    places : float32 ndarray of shape (pairs,)
        t in 0…1.
    weights, memory, progress
        See `gradient_moments`.

    Returns
    -------
    ndarray of shape (T, H, W, C), float32
    """

    def reduced(gradient: Any, shares: Any, ways: Any) -> list[Any]:
        ops = keras.ops
        ways = ways * ops.reshape(shares, (-1, 1, 1, 1))
        return [ops.sum(gradient * ways[None], axis=1)]

    def feed(part: slice) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        ways = x - starts(part)
        copies = x + (places[part, None, None, None] - 1) * ways
        return copies, np.full(len(ways), 1 / len(places), np.float32), ways

    rows = len(next(iter(weights.values())))
    total = np.zeros((rows, *x.shape[1:]), np.float64)
    for some, _, (more,) in _reduced(
        net, "products", reduced, x.shape[1:], feed, len(places), weights, memory, progress
    ):
        total[some] += more
    return total.astype(np.float32)


def _reduced(
    net: Computation,
    name: str,
    reduced: Callable[[Any, Any, Any], Sequence[Any]],
    shape: tuple[int, ...],
    feed: Callable[[slice], tuple[np.ndarray, np.ndarray, np.ndarray]],
    count: int,
    weights: Weights,
    memory: float | str | None,
    progress: Progress,
) -> Iterator[tuple[slice, slice, list[np.ndarray]]]:
    """Slices of scores and of copies, with what became of the gradients at these.

    ``feed`` makes the copies (n, H, W, C) of a slice, a weight for each, and a factor.
    ``reduced`` takes gradients (t, n, H, W, C), weights (n,), which are 0 for copies that fill the
    batch, and factors, to arrays (t, H, W, C). Programs are cached by ``name``.
    """
    scored, given = tuple(weights), list(weights.values())
    layouts = tuple(map(layout_of, given))
    rows, size = len(given[0]), (shape[0], shape[1])
    build = _program(net, scored, layouts, reduced)
    key = ("reduced gradients", name, scored, layouts, rows == 1)
    beside, total = _KEPT * 4 * int(np.prod(shape)), 0
    for some, part, length in chunks(rows, count, size, net, scored, memory, beside):
        copies, shares, factors = feed(part)
        counted = np.zeros(length[1], np.float32)
        counted[: len(shares)] = shares
        fed = [lengthened(copies, length[1]), counted, lengthened(factors, length[1])]
        fed += [cut(array, some, slice(None), length) for array in given]
        found = net.run(key, build, fed, batched=(0, 1, 2), is_short=rows * count <= SHORT)
        yield some, part, [array[: some.stop - some.start] for array in found]
        total += (some.stop - some.start) * (part.stop - part.start)
        progress(total, rows * count, "copies")


def _program(
    net: Computation,
    scored: tuple[Output, ...],
    layouts: tuple[Layout, ...],
    reduced: Callable[[Any, Any, Any], Sequence[Any]],
) -> Callable[[], Callable[..., Any]]:
    """What builds the program of `_reduced`."""
    graph, gradient = net.graph, net.backend.gradient

    def build() -> Callable[..., Any]:
        schedule = forward.schedule(graph, scored)

        def function(at: Any, *weights: Any) -> tuple[Any, Any]:
            return sum(map(weighted, schedule.run(at), weights, layouts)), []

        differentiated = gradient(function)

        def program(copies: Any, counted: Any, factors: Any, *weights: Any) -> Any:
            back, _ = differentiated(copies, *weights)
            return reduced(back, counted, factors)

        return program

    return build
