"""Estimated cost of steps on windows and on whole maps, and the cheapest split between them.

The unit is a floating-point operation of a convolution; the constants were measured.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import keras
import numpy as np

from optogram.graph.steps import Step
from optogram.interpreters.windowed.reached import Reached
from optogram.interpreters.windowed.spans import grouped

BYTE = 30.0
"""Floating-point operations of a convolution in the time of moving one byte."""
_CALL = 1e7
"""Floating-point operations in the time of starting one step on one batch."""
_MOVE = 8
"""Number of steps to gather elements."""
_SLACK = 1.15
"""Cost of an element of a small window, relative to one of a whole map."""
TOGETHER = 64
"""Largest batch of changes: larger ones are not faster on any backend on a CPU."""
_USUAL_GROUPS = 4
"""Estimated number of groups of columns, before they are known."""


@dataclass(frozen=True)
class Costs:
    """Estimated cost of changes, in floating-point operations.

    Attributes
    ----------
    work : mapping of int to float
        Cost of each step on windows, for one change.
    crossing : list of int
        Steps on windows whose whole maps are assembled.
    each, whole : float
        Cost of one change, and of a whole forward pass.
    """

    work: Mapping[int, float]
    crossing: list[int]
    each: float
    whole: float


def cheapest(reached: Reached, together: int) -> Costs:
    """Cost of steps on windows, and the step from which whole maps are cheaper.

    ``together`` is the batch size.
    """
    graph, geometry, ancestors = reached.graph, reached.geometry, reached.ancestors
    windows, count = reached.windows, len(ancestors)
    place = {index: place for place, index in enumerate(ancestors)}
    whole, windowed, ends = np.zeros(count), np.zeros(count), np.zeros(count, int)
    put, call = np.zeros(count), _CALL / together
    for here, index in enumerate(ancestors):
        step, size = graph.steps[index], geometry[index].memory
        for output in step.inputs:
            end = here if reached.is_windowed(index) else count
            ends[place[output.step]] = max(end, ends[place[output.step]])
        read = sum(geometry[output.step].memory for output in step.inputs)
        work = geometry[index].flops + BYTE * (read + size)
        whole[here] = 0 if step.passes_on else work + call
        put[here] = 3 * BYTE * size
        if index == reached.image:
            windowed[here] = 2 * BYTE * size * reached.ratio(index)
        elif step.passes_on and index in windows and not any(reached.moves(index)):
            windowed[here] = 0
        elif index in windows:
            moves = [move for move in reached.moves(index) if move]
            moved = sum(
                geometry[move.source].memory
                * (reached.ratio(index, move) + reached.ratio(move.source))
                for move in moves
            )
            windowed[here] = _SLACK * work * reached.ratio(index) + 2 * BYTE * moved
            windowed[here] += call * (1 + _MOVE * len(moves))
        elif index in reached.means:
            windowed[here], put[here] = 3 * whole[here] * reached.ratio(step.inputs[0].step), 0
        else:
            windowed[here] = whole[here]
    for output in reached.wanted:
        ends[place[output.step]] = count
    # Cut k runs the first k steps on windows where possible; whole maps are assembled for the
    # steps that read their outputs.
    crosses = np.zeros(count + 2)
    np.add.at(crosses, np.arange(count) + 1, put)
    np.add.at(crosses, ends + 1, -put)
    before = np.concatenate([[np.inf], np.cumsum(windowed)])  # the image always has a window
    after = np.concatenate([np.cumsum(whole[::-1])[::-1], [0.0]])
    total = before + after + np.cumsum(crosses)[: count + 1]
    cut = int(total.argmin())
    kept = {i: index for i, index in enumerate(ancestors[:cut]) if reached.is_windowed(index)}
    return Costs(
        work={index: windowed[i] for i, index in kept.items()},
        crossing=[index for i, index in kept.items() if ends[i] >= cut],
        each=float(total[cut]),
        whole=float(whole.sum()),
    )


def groups(
    reached: Reached, work: Mapping[int, float], count: int, most: int
) -> tuple[list[np.ndarray], float]:
    """The group of each change, for rows and for columns, and the cost of starting groups.

    Parameters
    ----------
    reached : Reached
        Windows that the changes reach.
    work : mapping of int to float
        Cost of each step on windows, for one change.
    count : int
        Approximate number of changes.
    most : int
        Largest number of groups, of rows and of columns.
    """
    graph, windows = reached.graph, reached.windows
    weights = sum(_weight_bytes(graph.steps[index]) for index in work)
    call = _CALL * len(work) + 4 * BYTE * weights
    found = [np.zeros(len(spans.start), int) for spans in windows[reached.image]]
    maps = {reached.key(i): windows[i] for i in work if i in windows}
    spent = dict.fromkeys(maps, 0.0)
    for index, cost in work.items():
        if index in windows:
            spent[reached.key(index)] += cost / reached.ratio(index)
    for axis in (0, 1):
        across = [spans[1 - axis] for spans in maps.values()]
        shares = [
            s.lengths.mean() / s.side / t[axis].side
            for s, t in zip(across, maps.values(), strict=True)
        ]
        lengths = np.array([spans[axis].lengths for spans in maps.values()])
        each = np.array(list(spent.values())) * shares * count / lengths.shape[1]
        others = found[0].max() + 1 if axis else min(most, _USUAL_GROUPS)
        found[axis] = grouped(lengths, each, call * others, most)
    blocks = (found[0].max() + 1) * (found[1].max() + 1)
    return found, call * max(blocks, count / TOGETHER)


def _weight_bytes(step: Step) -> int:
    """Bytes of the weights of a step, which each batch reads."""
    weights = step.operation.weights if isinstance(step.operation, keras.Layer) else ()
    return sum(4 * math.prod(weight.shape) for weight in weights)
