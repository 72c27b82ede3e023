"""Positions of the windows of changes, and the elements that a program gathers for them."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from optogram.interpreters.windowed.program import Move, Program
from optogram.interpreters.windowed.spans import Window

Block = tuple[int, int]
"""A group of rows and a group of columns: the windows of a block have one size."""


class Layout:
    """Positions of the windows of each change.

    Parameters
    ----------
    program : Program
        The program whose inputs are made.
    windows : mapping of int to Window
        Changed windows of each map.
    labels : list of int ndarray
        Group of each change, for rows and for columns; the windows of a group are as long as the
        longest of them.
    """

    def __init__(
        self, program: Program, windows: Mapping[int, Window], labels: Sequence[np.ndarray]
    ) -> None:
        self._program, self._windows, self._labels = program, windows, labels
        self._known: dict[Any, tuple[np.ndarray, np.ndarray]] = {}

    @property
    def blocks(self) -> list[Block]:
        """All blocks of changes."""
        rows, columns = (np.unique(labels).tolist() for labels in self._labels)
        return [(row, column) for row in rows for column in columns]

    def blocks_of(self, places: np.ndarray) -> np.ndarray:
        """(N, 2): the block of each of the changes ``places`` (N, 2)."""
        labels = [groups[places[:, axis]] for axis, groups in enumerate(self._labels)]
        return np.stack(labels, axis=1)

    def share(self, index: int, block: Block, move: Move | None = None) -> float:
        """Share of a map in a window of a block, or gathered for it by ``move``."""
        ratio = 1.0
        for axis, group in enumerate(block):
            length = int(self._along(index, axis)[0][group])
            side = self._windows[move.source if move else index][axis].side
            ratio *= (move.length(axis, length) if move else length) / side
        return ratio

    def arrays(self, places: np.ndarray) -> list[np.ndarray]:
        """Inputs of the program for changes (N, 2) of one block, apart from images and maps."""
        shares = [self._shares(index, places) for index in self._program.divided]
        indices = [self._indices(move, places) for move in self._program.moves]
        return [self._painted(places), *indices, *shares]

    def _along(self, index: int, axis: int) -> tuple[np.ndarray, np.ndarray]:
        """Length of the windows of each group, and start (P,) of the window of each change."""
        spans, labels = self._windows[index][axis], self._labels[axis]
        key = (axis, spans.key)
        if key not in self._known:
            longest = np.array(
                [spans.lengths[labels == label].max() for label in range(labels.max() + 1)]
            )
            self._known[key] = longest, np.clip(spans.start, 0, spans.side - longest[labels])
        return self._known[key]

    def _begin(self, index: int, axis: int, changes: np.ndarray) -> tuple[np.ndarray, int]:
        """Starts (N,) and common length of the windows of changes of one group."""
        longest, starts = self._along(index, axis)
        return starts[changes], int(longest[self._labels[axis][changes[0]]])

    def _indices(self, move: Move, places: np.ndarray) -> np.ndarray:
        """int32 (N, h, w): rows that ``move`` takes from the map, the border and the windows."""
        inside, new, old_place, new_place = [], [], [], []
        for axis in (0, 1):
            changes, side = places[:, axis], self._windows[move.source][axis].side
            begin, length = self._begin(move.source, axis, changes)
            if move.made is None:
                elements = np.broadcast_to(np.arange(side), (len(places), side))
            else:
                elements = move.elements(axis, *self._begin(move.made, axis, changes))
            inside.append((elements >= 0) & (elements < side))
            within = elements - begin[:, None]
            new.append((within >= 0) & (within < length))
            old_place.append(elements)
            new_place.append(within)
        sides = [spans.side for spans in self._windows[move.source]]
        lengths = [self._begin(move.source, axis, places[:, axis])[1] for axis in (0, 1)]
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
        for axis, spans in enumerate(self._windows[self._program.image]):
            changes = places[:, axis]
            begin, length = self._begin(self._program.image, axis, changes)
            pixels.append(begin[:, None] + np.arange(length))
            painted.append(
                (pixels[-1] >= spans.start[changes, None])
                & (pixels[-1] < spans.stop[changes, None])
            )
        sides = [spans.side for spans in self._windows[self._program.image]]
        return (_on_grid(pixels, sides[1]) + math.prod(sides) * _both(painted)).astype(np.int32)

    def _shares(self, index: int, places: np.ndarray) -> np.ndarray:
        """float32 (N, h, w, 1): elements of a pooling window divided by those inside the map."""
        share = []
        for axis in (0, 1):
            along = self._program.rules[index].reach[axis]
            read = self._windows[self._program.graph.steps[index].inputs[0].step][axis].side
            begin, length = self._begin(index, axis, places[:, axis])
            first = (begin[:, None] + np.arange(length)) * along.stride + along.first
            size = along.last - along.first + 1
            counted = np.minimum(first + size, read) - np.maximum(first, 0)
            share.append((size / counted).astype(np.float32))
        return (share[0][:, :, None] * share[1][:, None, :])[..., None]


def _on_grid(places: Sequence[np.ndarray], width: int) -> np.ndarray:
    """Row numbers (N, h) and column numbers (N, w) as numbers of elements, (N, h, w)."""
    rows, columns = places
    return rows[:, :, None] * width + columns[:, None, :]


def _both(rows_and_columns: Sequence[np.ndarray]) -> np.ndarray:
    """Where both rows (N, h) and columns (N, w) are true, (N, h, w)."""
    rows, columns = rows_and_columns
    return rows[:, :, None] & columns[:, None, :]
