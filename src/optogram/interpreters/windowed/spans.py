"""Windows of maps that a change in a window of the image can reach."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from optogram.graph.steps import Graph, Shape
from optogram.interpreters.reach import Reach, reach


@dataclass(frozen=True, eq=False)
class Spans:
    """The elements of a map, along one axis, that each of P changes can reach.

    Attributes
    ----------
    start, stop : int ndarrays of shape (P,)
        First element, and last element plus one; equal if a change reaches none.
    side : int
        Number of elements of the map.
    """

    start: np.ndarray
    stop: np.ndarray
    side: int

    @cached_property
    def key(self) -> tuple[bytes, bytes, int]:
        """Equal for equal spans."""
        return self.start.tobytes(), self.stop.tobytes(), self.side

    @property
    def lengths(self) -> np.ndarray:
        """(P,): number of elements that each change reaches, at least 1."""
        return np.maximum(self.stop - self.start, 1)

    def through(self, reach: Reach, side: int) -> "Spans":
        """The spans in a map of ``side`` elements that depends on this one through ``reach``."""
        start = -((reach.last - self.start * reach.factor) // reach.stride)
        stop = ((self.stop - 1) * reach.factor - reach.first) // reach.stride + 1
        start = np.clip(start, 0, side)
        is_none = self.start == self.stop
        return Spans(start, np.where(is_none, start, np.clip(stop, start, side)), side)

    def united(self, others: Iterable["Spans"]) -> "Spans":
        """The smallest spans that contain these and ``others``, of one map."""
        start, stop = self.start, self.stop
        for other in others:
            is_none, is_new = other.start == other.stop, start == stop
            lower, upper = np.minimum(start, other.start), np.maximum(stop, other.stop)
            start = np.where(is_new, other.start, np.where(is_none, start, lower))
            stop = np.where(is_new, other.stop, np.where(is_none, stop, upper))
        return Spans(start, stop, self.side)


Window = tuple[Spans, Spans]
"""Changed elements of a map, along rows and along columns."""


def windows(
    graph: Graph, shapes: Mapping[int, Shape], image: Window, followed: Collection[int]
) -> dict[int, Window]:
    """The changed window of the map of each step, by index.

    Steps are omitted if they are not ``followed``, or read a step without window: their maps may
    change everywhere.

    Parameters
    ----------
    graph : Graph
        The graph, with one input.
    shapes : mapping of int to shape
        Shapes of the first output of each step, (1, H, W, C), and of its inputs.
    image : Window
        Changed window of the image.
    followed : collection of int
        Steps with one output and known reach.
    """
    found: dict[int, Window] = {graph.inputs[0].step: image}
    for index in sorted(followed):
        step, made = graph.steps[index], shapes[index]
        if any(output.step not in found for output in step.inputs):
            continue
        reaches = reach(step, [shapes[output.step] for output in step.inputs], made)
        if reaches is None:
            continue
        along = [
            [
                found[output.step][axis].through(reaches[axis], made[1 + axis] or 0)
                for output in step.inputs
            ]
            for axis in (0, 1)
        ]
        found[index] = (along[0][0].united(along[0][1:]), along[1][0].united(along[1][1:]))
    return found


def grouped(lengths: np.ndarray, work: np.ndarray, overhead: float, most: int) -> np.ndarray:
    """Groups (P,) of changes that share one window length, numbered from 0.

    The groups minimize the total cost: each change costs as much as the longest window of its
    group, and each group costs ``overhead``.

    Parameters
    ----------
    lengths : ndarray of shape (S, P)
        Length of the window of each of P changes, in each of S maps.
    work : ndarray of shape (S,)
        Cost of an element of each map.
    overhead : float
        Cost of a group.
    most : int
        Maximum number of groups.
    """
    order = np.argsort(work @ lengths, kind="stable")
    ordered, count = lengths[:, order], lengths.shape[1]
    best, cuts = np.full((most + 1, count + 1), np.inf), np.zeros((most + 1, count + 1), int)
    best[:, 0] = 0.0
    # costs[start, stop]: cost of one group of the changes start to stop, ordered by work.
    costs = np.full((count, count + 1), np.inf)
    for start in range(count):
        longest = np.maximum.accumulate(ordered[:, start:], axis=1)
        costs[start, start + 1 :] = (work @ longest) * np.arange(1, count - start + 1) + overhead
    for groups in range(1, most + 1):
        totals = best[groups - 1, :-1, None] + costs
        cuts[groups], best[groups] = totals.argmin(axis=0), np.append(0.0, totals.min(axis=0)[1:])
    groups, stop = int(best[:, -1].argmin()), count
    labels = np.empty(count, int)
    while stop:
        start = int(cuts[groups, stop])
        labels[order[start:stop]] = groups
        groups, stop = groups - 1, start
    return np.unique(labels, return_inverse=True)[1]
