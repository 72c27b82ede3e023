"""Plans of the windowed forward pass: which steps run on windows, by estimated cost."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np

from optogram.graph.steps import Output, Step
from optogram.interpreters.engine import Computation
from optogram.interpreters.reach import POINT
from optogram.interpreters.windowed.program import Move, Program
from optogram.interpreters.windowed.rules import is_channels_last, rule
from optogram.interpreters.windowed.spans import Spans, grouped, windows

_BYTE = 30.0
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
_LITTLE = 1 / 3
"""Share of a map; if more of it changes, its mean is computed anew."""


class WindowPlan:
    """Which steps run on windows, which on whole maps, and which changes form a group.

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
    net, wanted, graph
        The arguments; ``graph`` is that of the network.
    image : int
        Index of the input step.
    geometry : mapping of int to Geometry
        Geometry of the necessary steps, for the whole image.
    rules : mapping of int to Rule
        Rules for running steps on windows.
    windows : mapping of int to Window
        Changed windows of their maps.
    steps : list of int
        Steps that are run on windows.
    program : Program
        The program for a batch of changes.
    groups : list of ndarray
        Group of each change, for rows and for columns: windows of a group have one size.
    cost : float
        Estimated cost of all changes, relative to as many whole forward passes.
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
        self.net, self.wanted, self.graph = net, tuple(wanted), net.graph
        self.image = net.graph.inputs[0].step
        self.geometry = net.geometry(size, self.wanted)
        ancestors = sorted(net.graph.ancestors(self.wanted))
        shapes = {index: self.geometry[index].shape for index in ancestors}
        rules = {
            index: rule(step, [shapes[output.step] for output in step.inputs], shapes[index])
            for index in ancestors
            if (step := net.graph.steps[index]).inputs
        }
        self.rules = {index: found for index, found in rules.items() if found is not None}
        height, width = (
            Spans(places[:, 0], places[:, 1], side)
            for places, side in zip((rows, columns), size, strict=True)
        )
        self.windows = windows(net.graph, shapes, (height, width), self.rules)
        costs = self._costs(ancestors, 1 if one_at_a_time else TOGETHER)
        self.steps = list(costs.work)
        self.program = self._programmed(costs.crossing, one_at_a_time)
        most = 1 if one_at_a_time else math.isqrt(net.backend.most_shapes())
        self.groups, calls = self._grouped(costs.work, count, most)
        self.cost = (costs.each * count + calls + costs.whole) / (costs.whole * count)

    def _key(self, index: int) -> Any:
        """Equal for maps with equal windows."""
        return tuple(spans.key for spans in self.windows[index])

    def moves(self, index: int) -> list[Move | None]:
        """The elements that a step on windows gathers for each of its inputs; None: nothing."""
        step, rule = self.graph.steps[index], self.rules[index]
        return [
            None
            if rule.reach == POINT and self._key(output.step) == self._key(index)
            else Move(output.step, index, rule.reach, rule.run is not None, rule.fill)
            for output in step.inputs
        ]

    def _ratio(self, index: int, move: Move | None = None) -> float:
        """Mean share of a map in its window, or gathered for a window by ``move``."""
        ratio = 1.0
        for axis, spans in enumerate(self.windows[index]):
            length, side = spans.lengths.mean(), spans.side
            if move is not None:
                length, side = move.length(axis, length), self.windows[move.source][axis].side
            ratio *= length / side
        return float(ratio)

    def _is_windowed(self, index: int) -> bool:
        """Whether the step can be run on windows."""
        return index in self.windows or self._is_mean(index)

    def _is_mean(self, index: int) -> bool:
        """Whether the step takes the mean of a map that changes only in a small part."""
        step = self.graph.steps[index]
        return (
            isinstance(step.operation, keras.layers.GlobalAveragePooling2D)
            and is_channels_last(step)
            and step.inputs[0].step in self.windows
            and self._ratio(step.inputs[0].step) < _LITTLE
        )

    def _costs(self, ancestors: Sequence[int], together: int) -> "_Costs":
        """Cost of steps on windows, and the step from which whole maps are cheaper.

        ``together`` is the batch size.
        """
        count = len(ancestors)
        place = {index: place for place, index in enumerate(ancestors)}
        whole, windowed, ends = np.zeros(count), np.zeros(count), np.zeros(count, int)
        put, call = np.zeros(count), _CALL / together
        for here, index in enumerate(ancestors):
            step, size = self.graph.steps[index], self.geometry[index].memory
            for output in step.inputs:
                end = here if self._is_windowed(index) else count
                ends[place[output.step]] = max(end, ends[place[output.step]])
            read = sum(self.geometry[output.step].memory for output in step.inputs)
            work = self.geometry[index].flops + _BYTE * (read + size)
            whole[here] = 0 if step.passes_on else work + call
            put[here] = 3 * _BYTE * size
            if index == self.image:
                windowed[here] = 2 * _BYTE * size * self._ratio(index)
            elif step.passes_on and index in self.windows and not any(self.moves(index)):
                windowed[here] = 0
            elif index in self.windows:
                moves = [move for move in self.moves(index) if move]
                moved = sum(
                    self.geometry[move.source].memory
                    * (self._ratio(index, move) + self._ratio(move.source))
                    for move in moves
                )
                windowed[here] = _SLACK * work * self._ratio(index) + 2 * _BYTE * moved
                windowed[here] += call * (1 + _MOVE * len(moves))
            elif self._is_mean(index):
                windowed[here], put[here] = 3 * whole[here] * self._ratio(step.inputs[0].step), 0
            else:
                windowed[here] = whole[here]
        for output in self.wanted:
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
        kept = {i: index for i, index in enumerate(ancestors[:cut]) if self._is_windowed(index)}
        return _Costs(
            work={index: windowed[i] for i, index in kept.items()},
            crossing=[index for i, index in kept.items() if ends[i] >= cut],
            each=float(total[cut]),
            whole=float(whole.sum()),
        )

    def _programmed(self, crossing: Sequence[int], copies_nothing: bool) -> Program:
        """The program to compile."""
        numbers: dict[Move, int] = {}
        moves: list[Move] = []

        def number(move: Move | None) -> int | None:
            if move is None:
                return None
            made = None if move.made is None else self._key(move.made)
            alike = replace(move, made=made)
            if alike not in numbers:
                numbers[alike] = len(moves)
                moves.append(move)
            return numbers[alike]

        graph = self.graph
        rules = {i: self.rules[i] for i in self.steps if i in self.windows and i != self.image}
        means = [i for i in self.steps if i not in self.windows]
        sources = {i: graph.steps[i].inputs[0].step for i in means}
        return Program(
            graph=graph,
            image=self.image,
            rules=rules,
            reads={i: tuple(map(number, self.moves(i))) for i in rules},
            means={
                i: number(Move(source, source, is_old=True)) or 0 for i, source in sources.items()
            },
            puts={i: number(Move(i, None)) if i in self.windows else None for i in crossing},
            moves=tuple(moves),
            copies_nothing=copies_nothing,
            gather=self.net.backend.gather,
        )

    def _grouped(
        self, work: Mapping[int, float], count: int, most: int
    ) -> tuple[list[np.ndarray], float]:
        """The group of each change, for rows and for columns, and the cost of starting groups."""
        weights = sum(_weight_bytes(self.graph.steps[index]) for index in self.steps)
        call = _CALL * len(self.steps) + 4 * _BYTE * weights
        found = [np.zeros(len(spans.start), int) for spans in self.windows[self.image]]
        maps = {self._key(i): self.windows[i] for i in self.steps if i in self.windows}
        spent = dict.fromkeys(maps, 0.0)
        for index, cost in work.items():
            if index in self.windows:
                spent[self._key(index)] += cost / self._ratio(index)
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


@dataclass(frozen=True)
class _Costs:
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


def _weight_bytes(step: Step) -> int:
    """Bytes of the weights of a step, which each batch reads."""
    weights = step.operation.weights if isinstance(step.operation, keras.Layer) else ()
    return sum(4 * math.prod(weight.shape) for weight in weights)
