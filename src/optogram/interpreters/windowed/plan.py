"""Plans of the windowed forward pass: which steps run on windows, by estimated cost."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from optogram.graph.steps import Output
from optogram.interpreters import forward
from optogram.interpreters.engine import Computation
from optogram.interpreters.windowed.costs import TOGETHER, cheapest, groups
from optogram.interpreters.windowed.footprint import Footprint
from optogram.interpreters.windowed.layout import Layout
from optogram.interpreters.windowed.program import Move, Program
from optogram.interpreters.windowed.reached import Reached


class WindowPlan:
    """Which steps run on windows, which on whole maps, and which changes form a group.

    A plan holds no weights and no network, so all networks that share a graph can use it.

    Parameters
    ----------
    net : Computation
        The network.
    size : (height, width)
        Size of the image.
    wanted : sequence of Output
        The outputs to compute.
    rows, columns : int ndarrays of shape (P, 2)
        First row of each change and its last row plus one; the same for columns. Any rows can be
        combined with any columns.
    count : int
        Approximate number of changes.
    one_at_a_time : bool
        Whether changes are requested one by one: then all windows of a map have one size, so that
        nothing is compiled again, and no map is copied.

    Attributes
    ----------
    wanted : tuple of Output
        The outputs to compute.
    steps : tuple of str
        Names of the steps that are run on windows.
    cost : float
        Estimated cost of all changes, relative to as many whole forward passes.
    program : Program
        The program for a batch of changes.
    behind : Schedule or None
        From the outputs of the program to ``wanted``; None if the program returns those.
    layout : Layout
        Positions of the windows of each change.
    footprint : Footprint
        Memory that changes take.
    """

    def __init__(
        self,
        net: Computation,
        size: tuple[int, int],
        wanted: Sequence[Output],
        rows: np.ndarray,
        columns: np.ndarray,
        count: int,
        one_at_a_time: bool = False,
    ) -> None:
        self.wanted = tuple(wanted)
        reached = Reached(net.graph, wanted, net.geometry(size, wanted), rows, columns)
        costs = cheapest(reached, 1 if one_at_a_time else TOGETHER)
        steps = list(costs.work)
        most = 1 if one_at_a_time else math.isqrt(net.backend.most_shapes())
        labels, calls = groups(reached, costs.work, count, most)
        self.steps = tuple(net.graph.steps[index].name for index in steps)
        self.cost = (costs.each * count + calls + costs.whole) / (costs.whole * count)
        self.program = _program(reached, steps, costs.crossing, one_at_a_time, net.backend.gather)
        known = self.program.outputs
        is_all = set(self.wanted) <= set(known)
        self.behind = None if is_all else forward.schedule(net.graph, self.wanted, known)
        self.layout = Layout(self.program, reached.windows, labels)
        self.footprint = Footprint(reached, steps, self.program, self.layout)


def planned(
    net: Computation,
    size: tuple[int, int],
    wanted: Sequence[Output],
    rows: np.ndarray,
    columns: np.ndarray,
    count: int,
    one_at_a_time: bool = False,
) -> WindowPlan:
    """The `WindowPlan` for these arguments, made once and kept in ``net.plans``."""
    where = rows.tobytes(), columns.tobytes()
    key = (tuple(size), tuple(wanted), *where, count, one_at_a_time)
    return net.plans.get(
        key, lambda: WindowPlan(net, size, wanted, rows, columns, count, one_at_a_time)
    )


def _program(
    reached: Reached,
    steps: Sequence[int],
    crossing: Sequence[int],
    copies_nothing: bool,
    gather: Any,
) -> Program:
    """The program to compile: ``steps`` on windows, with the maps of ``crossing`` as outputs."""
    numbers: dict[Move, int] = {}
    moves: list[Move] = []

    def number(move: Move | None) -> int | None:
        if move is None:
            return None
        made = None if move.made is None else reached.key(move.made)
        alike = replace(move, made=made)
        if alike not in numbers:
            numbers[alike] = len(moves)
            moves.append(move)
        return numbers[alike]

    windows = reached.windows
    rules = {i: reached.rules[i] for i in steps if i in windows and i != reached.image}
    sources = {i: reached.graph.steps[i].inputs[0].step for i in steps if i not in windows}
    return Program(
        graph=reached.graph,
        image=reached.image,
        rules=rules,
        reads={i: tuple(map(number, reached.moves(i))) for i in rules},
        means={i: number(Move(source, source, is_old=True)) or 0 for i, source in sources.items()},
        puts={i: number(Move(i, None)) if i in windows else None for i in crossing},
        moves=tuple(moves),
        copies_nothing=copies_nothing,
        gather=gather,
    )
