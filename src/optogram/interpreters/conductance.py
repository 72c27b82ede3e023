"""Conductance of the units of layers along a line between two images."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from optogram.graph.steps import Output
from optogram.interpreters import forward
from optogram.interpreters.engine import Computation, lengthened
from optogram.interpreters.gradients import (
    Weights,
    bytes_beside,
    chunks,
    cut,
    layout_of,
    weighted,
)
from optogram.interpreters.turns import SHORT
from optogram.progress import Progress, silent


def conductance(
    net: Computation,
    start: np.ndarray,
    end: np.ndarray,
    places: np.ndarray,
    ends: np.ndarray,
    weights: Weights,
    at: Sequence[Output],
    memory: float | str | None = None,
    progress: Progress = silent,
) -> list[np.ndarray]:
    """Σᵢ ∂S/∂y(x(tᵢ)) · (y(x(eᵢ₊₁)) − y(x(eᵢ))) for each unit y of some steps.

    x(t) = ``start`` + t · (``end`` − ``start``).

    Parameters
    ----------
    net : Computation
        The network.
    start, end : ndarray of shape (1, H, W, C)
        Images in network units.
    places : ndarray of shape (n,)
        The points t of the gradients.
    ends : ndarray of shape (n + 1,)
        The ends e of the intervals between which the units are compared.
    weights : mapping
        The scores, arrays (T, 1, ...) as in `Weights`.
    at : sequence of Output
        First outputs of the steps.
    memory, progress
        See `Computation.evaluate`.

    Returns
    -------
    list of ndarray of shape (T, ...), float32
        For each step.
    """
    scored, given, at = tuple(weights), list(weights.values()), tuple(at)
    layouts = tuple(map(layout_of, given))
    graph, gradient, count = net.graph, net.backend.gradient, len(at)

    def build() -> Callable[..., Any]:
        at_ends, at_places = forward.schedule(graph, at), forward.schedule(graph, scored)

        def function(zeros: list[Any], end: Any, way: Any, places: Any, *weights: Any) -> Any:
            add = {output.step: zero for output, zero in zip(at, zeros, strict=True)}
            terms = at_places.run(_on_line(end, way, places), add)
            return sum(map(weighted, terms, weights, layouts)), []

        differentiated = gradient(function)

        def summed(*tensors: Any) -> list[Any]:
            zeros, (end, way, places, ends, *weights) = list(tensors[:count]), tensors[count:]
            backs, _ = differentiated(zeros, end, way, places, *weights)
            made = [keras.ops.cast(one, "float32") for one in at_ends.run(_on_line(end, way, ends))]
            changes = [one[1:] - one[:-1] for one in made]
            pairs = zip(backs, changes, strict=True)
            return [keras.ops.sum(back * change[None], axis=1) for back, change in pairs]

        return summed

    rows, points, size = len(given[0]), len(places), end.shape[1:3]
    shapes = [net.shape(output, size) for output in at]
    total = [np.zeros((rows, *shape), np.float64) for shape in shapes]
    # Beside both passes: the maps at the ends of the intervals.
    beside = bytes_beside(net, size, at) + net.bytes_forward(size, at)
    key, done = ("conductance", scored, at, layouts, rows == 1), 0
    for some, part, length in chunks(rows, points, size, net, (*scored, *at), memory, beside):
        # The interval of a point that pads the batch is empty.
        own = ends[part.start : part.stop + 1]
        fed = [np.zeros((length[1], *shape), np.float32) for shape in shapes]
        fed += [end, end - start, lengthened(places[part], length[1])]
        fed += [lengthened(own, length[1] + 1)]
        fed += [cut(array, some, slice(None), length) for array in given]
        batched = (*range(count), count + 2, count + 3)
        found = net.run(key, build, fed, batched=batched, is_short=rows * points <= SHORT)
        for whole, one in zip(total, found, strict=True):
            whole[some] += one[: some.stop - some.start]
        done += (some.stop - some.start) * (part.stop - part.start)
        progress(done, rows * points, "points")
    return [whole.astype(np.float32) for whole in total]


def _on_line(end: Any, way: Any, places: Any) -> Any:
    """The images at ``places`` (n,) from 0 to 1 of the way to ``end``: (n, H, W, C)."""
    return end + keras.ops.reshape(places - 1, (-1, 1, 1, 1)) * way
