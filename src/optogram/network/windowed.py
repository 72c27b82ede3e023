"""The windowed forward interpreter: of each map, only the window that a change can reach.

An image is changed in many places, one at a time. The maps of the image as it is are computed
once; for each change a step is run on what the changed window of its output sees, put together
from what changed and from the maps as they are. After Nakandala, Kumar and Papakonstantinou,
"Incremental and approximate inference for faster occlusion-based deep CNN explanations" (2019),
section 3; here windows end at the border, changes whose windows are as large are computed
together, and whole maps take over where they are cheaper.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import keras
import numpy as np

from optogram.network import forward
from optogram.network.computation import WORKSPACE, Computation, lengthened
from optogram.network.geometry import peak_memory
from optogram.network.memory import LARGEST_BATCH, allowance
from optogram.network.reach import POINT
from optogram.network.steps import Step, Value
from optogram.network.window_program import Move, Program
from optogram.network.window_rules import is_channels_last, rule
from optogram.network.windows import Spans, grouped, windows
from optogram.progress import Progress, silent

_BYTE = 30.0
"""Floating-point operations of a convolution in the time in which one byte is moved."""
_CALL = 1e7
"""The same, for starting one step on one batch."""
_MOVE = 8
"""How many steps it takes to bring elements together."""
_SLACK = 1.15
"""How much more an element of a small window costs than one of a whole map."""
_TOGETHER = 64
"""Changes computed at a time, at most: beyond this no backend gains speed on a processor."""
_USUAL_GROUPS = 4
"""How many groups of columns there will be, before they are known."""
_LITTLE = 1 / 3
"""Of a map; where more of it changes its mean is better taken anew."""


class Windowed:
    """How to run a network on an image that is changed in one window after the other.

    Parameters
    ----------
    net : Computation
        What is run.
    size : (height, width)
        Of the image.
    values : sequence of Value
        Which outputs are wanted.
    rows, columns : int ndarrays of shape (P, 2)
        The first row of each change and the one after its last; the same of columns. Any rows go
        with any columns.
    count : int
        About how many changes there will be.
    one_at_a_time : bool
        Whether each change is asked for alone: all windows of a map then have one size, so that
        nothing is compiled again, and no map is copied.

    Attributes
    ----------
    cost : float
        What all changes are expected to cost, as a share of as many whole forward passes.
    """

    def __init__(
        self,
        net: Computation,
        size: tuple[int, int],
        values: Sequence[Value],
        rows: np.ndarray,
        columns: np.ndarray,
        count: int,
        one_at_a_time: bool = False,
    ) -> None:
        self._net, self._values, self._graph = net, tuple(values), net.graph
        self._image = net.graph.inputs[0].step
        self._geometry = net.geometry(size, self._values)
        ancestors = sorted(net.graph.ancestors(self._values))
        shapes = {index: self._geometry[index].shape for index in ancestors}
        rules = {
            index: rule(step, [shapes[value.step] for value in step.inputs], shapes[index])
            for index in ancestors
            if (step := net.graph.steps[index]).inputs
        }
        self._rules = {index: found for index, found in rules.items() if found is not None}
        height, width = (
            Spans(places[:, 0], places[:, 1], side)
            for places, side in zip((rows, columns), size, strict=True)
        )
        self._windows = windows(net.graph, shapes, (height, width), self._rules)
        costs = self._costs(ancestors, 1 if one_at_a_time else _TOGETHER)
        self._steps = list(costs.work)
        self._program = self._programmed(costs.crossing, one_at_a_time)
        most = 1 if one_at_a_time else math.isqrt(net.backend.most_shapes())
        self._groups, calls = self._grouped(costs.work, count, most)
        self._layouts: dict[Any, tuple[np.ndarray, np.ndarray]] = {}
        self._sizes: dict[tuple[int, int], int] = {}
        self.cost = (costs.each * count + calls + costs.whole) / (costs.whole * count)

    # -- planning ----------------------------------------------------------------------------------

    def _key(self, index: int) -> Any:
        """Equal for maps whose windows are the same."""
        return tuple(spans.key for spans in self._windows[index])

    def _moves(self, index: int) -> list[Move | None]:
        """What a step on windows brings together for each of its inputs; None: nothing."""
        step, rule = self._graph.steps[index], self._rules[index]
        return [
            None
            if rule.reach == POINT and self._key(value.step) == self._key(index)
            else Move(value.step, index, rule.reach, rule.run is not None, rule.fill)
            for value in step.inputs
        ]

    def _ratio(self, index: int, move: Move | None = None) -> float:
        """How much of a map is in its window, or is brought for one by ``move``, on average."""
        ratio = 1.0
        for axis, spans in enumerate(self._windows[index]):
            length, side = spans.lengths.mean(), spans.side
            if move is not None:
                length, side = move.length(axis, length), self._windows[move.source][axis].side
            ratio *= length / side
        return float(ratio)

    def _is_windowed(self, index: int) -> bool:
        """Whether the step can be run on windows."""
        return index in self._windows or self._is_mean(index)

    def _is_mean(self, index: int) -> bool:
        """Whether the step takes the mean of a map of which little changes."""
        step = self._graph.steps[index]
        return (
            isinstance(step.operation, keras.layers.GlobalAveragePooling2D)
            and is_channels_last(step)
            and step.inputs[0].step in self._windows
            and self._ratio(step.inputs[0].step) < _LITTLE
        )

    def _costs(self, ancestors: Sequence[int], together: int) -> "_Costs":
        """What steps cost on windows, and from which one on whole maps are cheaper.

        ``together`` changes are computed at a time.
        """
        count = len(ancestors)
        place = {index: place for place, index in enumerate(ancestors)}
        whole, windowed, ends = np.zeros(count), np.zeros(count), np.zeros(count, int)
        put, call = np.zeros(count), _CALL / together
        for here, index in enumerate(ancestors):
            step, size = self._graph.steps[index], self._geometry[index].memory
            for value in step.inputs:
                end = here if self._is_windowed(index) else count
                ends[place[value.step]] = max(end, ends[place[value.step]])
            read = sum(self._geometry[value.step].memory for value in step.inputs)
            work = self._geometry[index].flops + _BYTE * (read + size)
            whole[here] = work + call
            put[here] = 3 * _BYTE * size
            if index == self._image:
                windowed[here] = 2 * _BYTE * size * self._ratio(index)
            elif index in self._windows:
                moves = [move for move in self._moves(index) if move]
                moved = sum(
                    self._geometry[move.source].memory
                    * (self._ratio(index, move) + self._ratio(move.source))
                    for move in moves
                )
                windowed[here] = _SLACK * work * self._ratio(index) + 2 * _BYTE * moved
                windowed[here] += call * (1 + _MOVE * len(moves))
            elif self._is_mean(index):
                windowed[here], put[here] = 3 * whole[here] * self._ratio(step.inputs[0].step), 0
            else:
                windowed[here] = whole[here]
        for value in self._values:
            ends[place[value.step]] = count
        # Cut k runs those of the first k steps on windows that can be; what others read of them is
        # put together whole.
        crosses = np.zeros(count + 2)
        np.add.at(crosses, np.arange(count) + 1, put)
        np.add.at(crosses, ends + 1, -put)
        before = np.concatenate([[np.inf], np.cumsum(windowed)])  # the image is always changed
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
        """What is compiled."""
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

        graph = self._graph
        rules = {i: self._rules[i] for i in self._steps if i in self._windows and i != self._image}
        means = [i for i in self._steps if i not in self._windows]
        sources = {i: graph.steps[i].inputs[0].step for i in means}
        return Program(
            graph=graph,
            image=self._image,
            rules=rules,
            reads={i: tuple(map(number, self._moves(i))) for i in rules},
            means={
                i: number(Move(source, source, is_old=True)) or 0 for i, source in sources.items()
            },
            puts={i: number(Move(i, None)) if i in self._windows else None for i in crossing},
            moves=tuple(moves),
            copies_nothing=copies_nothing,
            gather=self._net.backend.gather,
        )

    def _grouped(
        self, work: Mapping[int, float], count: int, most: int
    ) -> tuple[list[np.ndarray], float]:
        """The group of each change, for rows and for columns, and what starting them costs."""
        weights = sum(_weight_bytes(self._graph.steps[index]) for index in self._steps)
        call = _CALL * len(self._steps) + 4 * _BYTE * weights
        found = [np.zeros(len(spans.start), int) for spans in self._windows[self._image]]
        maps = {self._key(i): self._windows[i] for i in self._steps if i in self._windows}
        spent = dict.fromkeys(maps, 0.0)
        for index, cost in work.items():
            if index in self._windows:
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
        return found, call * max(blocks, count / _TOGETHER)

    # -- running -----------------------------------------------------------------------------------

    def fits(self, memory: int | str | None) -> bool:
        """Whether one change at a time goes into ``memory``."""
        largest = max(
            self._bytes_each(rows, columns)
            for rows in np.unique(self._groups[0])
            for columns in np.unique(self._groups[1])
        )
        return self._held + largest + self._tail_bytes <= allowance(memory)

    def base(self, x: np.ndarray, memory: int | str | None = None) -> list[Any]:
        """What is needed of the image (1, H, W, C) as it is, as tensors, for `stream`."""
        wanted = [Value(index) for index in self._program.bases]
        found = self._net.evaluate(x, wanted, memory) if wanted else []
        return [self._net.backend.to_tensor(array) for array in (x, *found)]

    def stream(
        self,
        base: Sequence[Any],
        paint: np.ndarray,
        places: np.ndarray,
        memory: int | str | None = None,
        progress: Progress = silent,
    ) -> Iterator[tuple[np.ndarray, list[np.ndarray]]]:
        """The outputs asked for, for one change after the other, those alike together.

        Parameters
        ----------
        base : list of tensor
            What `base` made of the image.
        paint : ndarray of shape (1, H, W, C)
            What stands in the window that is changed.
        places : int ndarray of shape (P, 2)
            For each change, which of the rows and which of the columns.
        memory : int or str, optional
            What the computation may add to the process, beside the arrays returned.
        progress : callable, optional
            Told of changes done.

        Yields
        ------
        (int ndarray, list of ndarray)
            Which of the places, and the outputs for them in the order of the values.
        """
        free = max(0, allowance(memory) - self._held)
        together = min(LARGEST_BATCH, len(places), max(1, free // 2 // self._tail_bytes))
        painted = self._net.backend.to_tensor(paint)
        waiting = _Waiting(together)
        done = 0
        for which, length in self._batches(places, free // 2):
            image, *others = self._arrays(lengthened(places[which], length))
            fed = [base[0], painted, image, *base[1:], *others]
            made = self._net.run(("windowed", self._program.key), lambda: self._program, fed)
            waiting.add(which, made)
            for some, arrays in waiting.taken(is_last=done + len(which) == len(places)):
                yield some, self._finished(arrays, together, len(some))
            done += len(which)
            progress(done, len(places), "positions")

    def _batches(self, places: np.ndarray, free: int) -> Iterator[tuple[np.ndarray, int]]:
        """Which places are computed together, and how many each batch is filled up to."""
        blocks = np.stack([labels[places[:, axis]] for axis, labels in enumerate(self._groups)], 1)
        for block in np.unique(blocks, axis=0):
            members = np.flatnonzero((blocks == block).all(axis=1))
            fit = max(1, min(_TOGETHER, free // self._bytes_each(*block)))
            parts = math.ceil(len(members) / fit)
            length = math.ceil(len(members) / parts)
            for part in np.array_split(members, parts):
                yield part, length

    def _finished(
        self, crossing: Sequence[np.ndarray], together: int, count: int
    ) -> list[np.ndarray]:
        """The outputs asked for, out of what left the windows."""
        graph, values = self._graph, self._values
        known = [Value(index) for index in self._program.puts]
        if set(values) <= set(known):
            return [crossing[known.index(value)] for value in values]

        def function(*tensors: Any) -> list[Any]:
            return forward.run(graph, None, values, known=dict(zip(known, tensors, strict=True)))

        key = ("behind windows", values, tuple(known))
        fed = [lengthened(array, together) for array in crossing]
        return [array[:count] for array in self._net.run(key, lambda: function, fed)]

    def _arrays(self, places: np.ndarray) -> list[np.ndarray]:
        """What the program is fed for changes (N, 2), apart from images and maps."""
        shares = [self._shares(index, places) for index in self._program.divided]
        indices = [self._indices(move, places) for move in self._program.moves]
        return [self._painted(places), *indices, *shares]

    def _window(self, index: int, axis: int, changes: np.ndarray) -> tuple[np.ndarray, int]:
        """Where the windows of changes of one group begin, (N,), and how long they all are."""
        spans, labels = self._windows[index][axis], self._groups[axis]
        key = (axis, spans.key)
        if key not in self._layouts:
            longest = np.array(
                [spans.lengths[labels == label].max() for label in range(labels.max() + 1)]
            )
            self._layouts[key] = longest, np.clip(spans.start, 0, spans.side - longest[labels])
        longest, starts = self._layouts[key]
        return starts[changes], int(longest[labels[changes[0]]])

    def _indices(self, move: Move, places: np.ndarray) -> np.ndarray:
        """int32 (N, h, w): which rows ``move`` takes of the map, the border and the windows."""
        inside, new, old_place, new_place = [], [], [], []
        for axis in (0, 1):
            changes, side = places[:, axis], self._windows[move.source][axis].side
            begin, length = self._window(move.source, axis, changes)
            if move.made is None:
                elements = np.broadcast_to(np.arange(side), (len(places), side))
            else:
                elements = move.elements(axis, *self._window(move.made, axis, changes))
            inside.append((elements >= 0) & (elements < side))
            within = elements - begin[:, None]
            new.append((within >= 0) & (within < length))
            old_place.append(elements)
            new_place.append(within)
        sides = [spans.side for spans in self._windows[move.source]]
        lengths = [self._window(move.source, axis, places[:, axis])[1] for axis in (0, 1)]
        old = _on_grid(old_place, sides[1])
        if move.is_old:
            return old.astype(np.int32)
        beyond = math.prod(sides)
        first = beyond + 1 + np.arange(len(places))[:, None, None] * math.prod(lengths)
        found = np.where(_both(inside), old, beyond)
        return np.where(_both(new), first + _on_grid(new_place, lengths[1]), found).astype(np.int32)

    def _painted(self, places: np.ndarray) -> np.ndarray:
        """int32 (N, h, w): which pixels of the image, or of the paint behind it, are fed."""
        pixels, painted = [], []
        for axis, spans in enumerate(self._windows[self._image]):
            changes = places[:, axis]
            begin, length = self._window(self._image, axis, changes)
            pixels.append(begin[:, None] + np.arange(length))
            painted.append(
                (pixels[-1] >= spans.start[changes, None])
                & (pixels[-1] < spans.stop[changes, None])
            )
        sides = [spans.side for spans in self._windows[self._image]]
        return (_on_grid(pixels, sides[1]) + math.prod(sides) * _both(painted)).astype(np.int32)

    def _shares(self, index: int, places: np.ndarray) -> np.ndarray:
        """float32 (N, h, w, 1): elements of a pooling window over those of them in the map."""
        share = []
        for axis in (0, 1):
            along = self._rules[index].reach[axis]
            read = self._windows[self._graph.steps[index].inputs[0].step][axis].side
            begin, length = self._window(index, axis, places[:, axis])
            first = (begin[:, None] + np.arange(length)) * along.stride + along.first
            size = along.last - along.first + 1
            counted = np.minimum(first + size, read) - np.maximum(first, 0)
            share.append((size / counted).astype(np.float32))
        return (share[0][:, :, None] * share[1][:, None, :])[..., None]

    # -- memory ------------------------------------------------------------------------------------

    @cached_property
    def _held(self) -> int:
        """Bytes of the maps as they are, and of the tables that they are copied into."""
        return 2 * sum(self._geometry[index].memory for index in self._program.bases)

    @cached_property
    def _tail_bytes(self) -> int:
        """Bytes that a change takes behind the windows, at most."""
        return WORKSPACE * peak_memory(self._graph, self._geometry, self._values)

    def _bytes_each(self, rows: int, columns: int) -> int:
        """Bytes that a change of a group of rows and a group of columns takes on windows."""
        block = (rows, columns)
        if block not in self._sizes:
            self._sizes[block] = self._measured(block)
        return self._sizes[block]

    def _measured(self, block: tuple[int, int]) -> int:
        first = [
            int(np.flatnonzero(labels == label)[0])
            for labels, label in zip(self._groups, block, strict=True)
        ]

        def share(index: int, move: Move | None = None) -> float:
            ratio = 1.0
            for axis, change in enumerate(first):
                _, length = self._window(index, axis, np.array([change]))
                side = self._windows[move.source if move else index][axis].side
                ratio *= (move.length(axis, length) if move else length) / side
            return ratio

        geometry = dict(self._geometry)
        for index in self._steps:
            if index in self._windows:
                size = geometry[index].memory * share(index)
                if index in self._rules:
                    size += sum(
                        self._geometry[m.source].memory * share(index, m)
                        for m in self._moves(index)
                        if m
                    )
                geometry[index] = replace(geometry[index], memory=int(size))
        puts = [Value(index) for index in self._program.puts]
        whole = sum(self._geometry[index].memory for index in self._program.puts)
        return WORKSPACE * (peak_memory(self._graph, geometry, puts) + whole)


@dataclass(frozen=True)
class _Costs:
    """What changes are expected to cost, in operations.

    Attributes
    ----------
    work : mapping of int to float
        Of each step that is run on windows, for one change.
    crossing : list of int
        Those of them whose maps are put together whole.
    each, whole : float
        Of one change, and of a whole forward pass.
    """

    work: Mapping[int, float]
    crossing: list[int]
    each: float
    whole: float


class _Waiting:
    """What left the windows of changes, until there is enough of it for the next program."""

    def __init__(self, together: int) -> None:
        self._together = together
        self._which = np.empty(0, int)
        self._arrays: list[list[np.ndarray]] = []

    def add(self, which: np.ndarray, arrays: Sequence[np.ndarray]) -> None:
        """Take in the changes ``which``; arrays may be longer, by copies that only fill them up."""
        self._which = np.concatenate([self._which, which])
        self._arrays.append([array[: len(which)] for array in arrays])

    def taken(self, is_last: bool) -> Iterator[tuple[np.ndarray, list[np.ndarray]]]:
        """Changes and their arrays, as many as go together; fewer only in the end."""
        if len(self._which) < self._together and not is_last:
            return
        arrays = [np.concatenate(column) for column in zip(*self._arrays, strict=True)]
        start = 0
        while len(self._which) - start >= (1 if is_last else self._together):
            part = slice(start, start + self._together)
            yield self._which[part], [array[part] for array in arrays]
            start = part.stop
        self._which, self._arrays = self._which[start:], [[array[start:] for array in arrays]]


def _on_grid(places: Sequence[np.ndarray], width: int) -> np.ndarray:
    """Row numbers (N, h) and column numbers (N, w) as numbers of elements, (N, h, w)."""
    rows, columns = places
    return rows[:, :, None] * width + columns[:, None, :]


def _both(rows_and_columns: Sequence[np.ndarray]) -> np.ndarray:
    """Where both rows (N, h) and columns (N, w) are true, (N, h, w)."""
    rows, columns = rows_and_columns
    return rows[:, :, None] & columns[:, None, :]


def _weight_bytes(step: Step) -> int:
    """Bytes of the weights of a step, which each batch has to read."""
    weights = step.operation.weights if isinstance(step.operation, keras.Layer) else ()
    return sum(4 * math.prod(weight.shape) for weight in weights)
