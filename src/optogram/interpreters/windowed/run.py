"""The windowed forward interpreter: of each map, only the window that a change can reach.

An image is changed at many positions, one at a time. The maps of the original image are computed
once; for each change, a step is run on the inputs of the changed window of its output, gathered
from changed windows and original maps. After Nakandala, Kumar and Papakonstantinou,
"Incremental and approximate inference for faster occlusion-based deep CNN explanations" (2019),
section 3; here windows end at the border, changes with windows of one size are computed together,
and whole maps are used where they are cheaper.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from optogram.graph.steps import Output
from optogram.interpreters import forward
from optogram.interpreters.engine import lengthened
from optogram.interpreters.geometry import peak_memory
from optogram.interpreters.memory import LARGEST_BATCH, allowance, taking
from optogram.interpreters.room import WORKSPACE, bytes_forward
from optogram.interpreters.turns import SHORT
from optogram.interpreters.windowed.plan import TOGETHER, WindowPlan
from optogram.interpreters.windowed.program import Move
from optogram.progress import Progress, silent


class Windowed:
    """Runs a network on an image that is changed in one window at a time.

    Parameters
    ----------
    plan : WindowPlan
        The plan.

    Attributes
    ----------
    cost : float
        Estimated cost of all changes, relative to as many whole forward passes.
    steps : tuple of str
        Names of the steps that are run on windows.
    """

    def __init__(self, plan: WindowPlan) -> None:
        self._plan = plan
        self.cost = plan.cost
        self.steps = tuple(plan.graph.steps[index].name for index in plan.steps)
        self._layouts: dict[Any, tuple[np.ndarray, np.ndarray]] = {}
        self._sizes: dict[tuple[int, int], int] = {}

    def fits(self, memory: float | str | None) -> bool:
        """Whether one change at a time fits into ``memory``."""
        largest = max(
            self._bytes_each(rows, columns)
            for rows in np.unique(self._plan.groups[0])
            for columns in np.unique(self._plan.groups[1])
        )
        return self._held + largest + self._tail_bytes <= allowance(memory)

    def base(self, x: np.ndarray, memory: float | str | None = None) -> list[Any]:
        """The original maps of the image (1, H, W, C), as tensors, for `stream`."""
        wanted = [Output(index) for index in self._plan.program.bases]
        found = self._plan.net.evaluate(x, wanted, memory) if wanted else []
        return [self._plan.net.backend.to_tensor(array) for array in (x, *found)]

    def stream(
        self,
        base: Sequence[Any],
        paint: np.ndarray,
        places: np.ndarray,
        memory: float | str | None = None,
        progress: Progress = silent,
    ) -> Iterator[tuple[np.ndarray, list[np.ndarray]]]:
        """Yield the wanted outputs for all changes, group by group.

        Parameters
        ----------
        base : list of tensor
            Result of `base` for the image.
        paint : ndarray of shape (1, H, W, C)
            Fill of the changed windows.
        places : int ndarray of shape (P, 2)
            Index of rows and index of columns of each change.
        memory : float or str, optional
            Memory budget, without the arrays returned.
        progress : callable, optional
            Called with the number of changes done.

        Yields
        ------
        (int ndarray, list of ndarray)
            Indices of the places, and their outputs in the order of ``wanted``.
        """
        free = max(0, allowance(memory) - self._held)
        together = min(LARGEST_BATCH, len(places), max(1, free // 2 // self._tail_bytes))
        painted = self._plan.net.backend.to_tensor(paint)
        waiting = _Waiting(together)
        net, program = self._plan.net, self._plan.program
        done, is_short = 0, len(places) <= SHORT
        with taking(self._held + together * self._tail_bytes):
            for which, length in self._batches(places, free // 2):
                image, *others = self._arrays(lengthened(places[which], length))
                fed = [base[0], painted, image, *base[1:], *others]
                made = net.run(("windowed", program.key), lambda: program, fed, is_short=is_short)
                waiting.add(which, made)
                for some, arrays in waiting.taken(is_last=done + len(which) == len(places)):
                    yield some, self._finished(arrays, together, len(some), is_short)
                done += len(which)
                progress(done, len(places), "positions")

    def _batches(self, places: np.ndarray, free: int) -> Iterator[tuple[np.ndarray, int]]:
        """Groups of places, and the padded batch sizes."""
        labels = [group[places[:, axis]] for axis, group in enumerate(self._plan.groups)]
        blocks = np.stack(labels, axis=1)
        for block in np.unique(blocks, axis=0):
            members = np.flatnonzero((blocks == block).all(axis=1))
            fit = max(1, min(TOGETHER, free // self._bytes_each(*block)))
            parts = math.ceil(len(members) / fit)
            length = math.ceil(len(members) / parts)
            for part in np.array_split(members, parts):
                yield part, length

    def _finished(
        self, crossing: Sequence[np.ndarray], together: int, count: int, is_short: bool
    ) -> list[np.ndarray]:
        """The wanted outputs, from the outputs of the program."""
        graph, wanted = self._plan.graph, self._plan.wanted
        known = [Output(index) for index in self._plan.program.puts]
        if set(wanted) <= set(known):
            return [crossing[known.index(output)] for output in wanted]

        def function(*tensors: Any) -> list[Any]:
            return forward.run(graph, None, wanted, known=dict(zip(known, tensors, strict=True)))

        key = ("behind windows", wanted, tuple(known))
        fed = [lengthened(array, together) for array in crossing]
        made = self._plan.net.run(key, lambda: function, fed, is_short=is_short)
        return [array[:count] for array in made]

    def _arrays(self, places: np.ndarray) -> list[np.ndarray]:
        """Inputs of the program for changes (N, 2), apart from images and maps."""
        shares = [self._shares(index, places) for index in self._plan.program.divided]
        indices = [self._indices(move, places) for move in self._plan.program.moves]
        return [self._painted(places), *indices, *shares]

    def _window(self, index: int, axis: int, changes: np.ndarray) -> tuple[np.ndarray, int]:
        """Starts (N,) and common length of the windows of changes of one group."""
        spans, labels = self._plan.windows[index][axis], self._plan.groups[axis]
        key = (axis, spans.key)
        if key not in self._layouts:
            longest = np.array(
                [spans.lengths[labels == label].max() for label in range(labels.max() + 1)]
            )
            self._layouts[key] = longest, np.clip(spans.start, 0, spans.side - longest[labels])
        longest, starts = self._layouts[key]
        return starts[changes], int(longest[labels[changes[0]]])

    def _indices(self, move: Move, places: np.ndarray) -> np.ndarray:
        """int32 (N, h, w): rows that ``move`` takes from the map, the border and the windows."""
        inside, new, old_place, new_place = [], [], [], []
        for axis in (0, 1):
            changes, side = places[:, axis], self._plan.windows[move.source][axis].side
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
        sides = [spans.side for spans in self._plan.windows[move.source]]
        lengths = [self._window(move.source, axis, places[:, axis])[1] for axis in (0, 1)]
        old = _on_grid(old_place, sides[1])
        if move.is_old:
            return old.astype(np.int32)
        beyond = math.prod(sides)
        first = beyond + 1 + np.arange(len(places))[:, None, None] * math.prod(lengths)
        found = np.where(_both(inside), old, beyond)
        return np.where(_both(new), first + _on_grid(new_place, lengths[1]), found).astype(np.int32)

    def _painted(self, places: np.ndarray) -> np.ndarray:
        """int32 (N, h, w): pixels of the image, followed by the paint, that are fed."""
        pixels, painted = [], []
        for axis, spans in enumerate(self._plan.windows[self._plan.image]):
            changes = places[:, axis]
            begin, length = self._window(self._plan.image, axis, changes)
            pixels.append(begin[:, None] + np.arange(length))
            painted.append(
                (pixels[-1] >= spans.start[changes, None])
                & (pixels[-1] < spans.stop[changes, None])
            )
        sides = [spans.side for spans in self._plan.windows[self._plan.image]]
        return (_on_grid(pixels, sides[1]) + math.prod(sides) * _both(painted)).astype(np.int32)

    def _shares(self, index: int, places: np.ndarray) -> np.ndarray:
        """float32 (N, h, w, 1): elements of a pooling window divided by those inside the map."""
        share = []
        for axis in (0, 1):
            along = self._plan.rules[index].reach[axis]
            read = self._plan.windows[self._plan.graph.steps[index].inputs[0].step][axis].side
            begin, length = self._window(index, axis, places[:, axis])
            first = (begin[:, None] + np.arange(length)) * along.stride + along.first
            size = along.last - along.first + 1
            counted = np.minimum(first + size, read) - np.maximum(first, 0)
            share.append((size / counted).astype(np.float32))
        return (share[0][:, :, None] * share[1][:, None, :])[..., None]

    # -- memory ------------------------------------------------------------------------------------

    @cached_property
    def _held(self) -> int:
        """Bytes of the original maps, and of the tables that they are copied to."""
        return 2 * sum(self._plan.geometry[index].memory for index in self._plan.program.bases)

    @cached_property
    def _tail_bytes(self) -> int:
        """Maximum bytes of a change after the windows."""
        return bytes_forward(self._plan.graph, self._plan.geometry, self._plan.wanted)

    def _bytes_each(self, rows: int, columns: int) -> int:
        """Bytes of a change of a group of rows and a group of columns on windows."""
        block = (rows, columns)
        if block not in self._sizes:
            self._sizes[block] = self._measured(block)
        return self._sizes[block]

    def _measured(self, block: tuple[int, int]) -> int:
        first = [
            int(np.flatnonzero(labels == label)[0])
            for labels, label in zip(self._plan.groups, block, strict=True)
        ]

        def share(index: int, move: Move | None = None) -> float:
            ratio = 1.0
            for axis, change in enumerate(first):
                _, length = self._window(index, axis, np.array([change]))
                side = self._plan.windows[move.source if move else index][axis].side
                ratio *= (move.length(axis, length) if move else length) / side
            return ratio

        geometry = dict(self._plan.geometry)
        for index in self._plan.steps:
            if index in self._plan.windows:
                size = geometry[index].memory * share(index)
                if index in self._plan.rules:
                    size += sum(
                        self._plan.geometry[m.source].memory * share(index, m)
                        for m in self._plan.moves(index)
                        if m
                    )
                geometry[index] = replace(geometry[index], memory=int(size))
        puts = [Output(index) for index in self._plan.program.puts]
        whole = sum(self._plan.geometry[index].memory for index in self._plan.program.puts)
        return WORKSPACE * (peak_memory(self._plan.graph, geometry, puts) + whole)


class _Waiting:
    """Outputs of windows, collected until they fill a batch of the next program."""

    def __init__(self, together: int) -> None:
        self._together = together
        self._which = np.empty(0, int)
        self._arrays: list[list[np.ndarray]] = []

    def add(self, which: np.ndarray, arrays: Sequence[np.ndarray]) -> None:
        """Add the changes ``which``; arrays may be longer because of padding."""
        self._which = np.concatenate([self._which, which])
        self._arrays.append([array[: len(which)] for array in arrays])

    def taken(self, is_last: bool) -> Iterator[tuple[np.ndarray, list[np.ndarray]]]:
        """The next batch of changes and their arrays; only the last batch is shorter."""
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
