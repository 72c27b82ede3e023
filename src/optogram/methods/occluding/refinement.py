"""Coarse-to-fine refinement of a map: the order of cells, and interpolation between them."""

import numpy as np

_COARSEST = 6
"""Least number of cells along a side of the coarsest grid."""


class Refinement:
    """T maps of one shape, computed from coarse to fine where they change.

    Cells lie on grids whose step doubles. Unknown cells are interpolated from the next coarser
    grid. The cells around which the estimate changes most are computed next, coarse grids first.

    Parameters
    ----------
    maps : int
        Number of maps, T.
    shape : (rows, cols)
        Shape of each map.

    Attributes
    ----------
    known : bool ndarray of shape (rows, cols)
        Which cells were computed.
    """

    def __init__(self, maps: int, shape: tuple[int, int]) -> None:
        self.known = np.zeros(shape, bool)
        self._values = np.zeros((maps, *shape), np.float32)
        steps = 1
        while min(shape) > _COARSEST * 2 * steps:
            steps *= 2
        self._steps = [steps >> level for level in range(steps.bit_length())]
        # Of which grid each cell is: the coarsest that has it.
        self._step_of = np.ones(shape, int)
        for step in reversed(self._steps):
            self._step_of[np.ix_(*self._grid(step))] = step

    def next(self) -> np.ndarray:
        """(P, 2): the cells to compute next, as many as are known already; none at the end."""
        missing = np.argwhere(~self.known)
        coarsest = (self._step_of == self._steps[0]) & ~self.known
        if coarsest.any():
            return np.argwhere(coarsest)
        changes = self._change()[tuple(missing.T)] * self._step_of[tuple(missing.T)]
        return missing[np.argsort(-changes, kind="stable")[: np.count_nonzero(self.known)]]

    def learn(self, cells: np.ndarray, values: np.ndarray) -> None:
        """Store ``values`` (T, P) computed at ``cells`` (P, 2)."""
        self.known[tuple(cells.T)] = True
        self._values[:, cells[:, 0], cells[:, 1]] = values

    def estimate(self) -> np.ndarray:
        """(T, rows, cols): known values, interpolated between known cells."""
        rows, columns = self._grid(self._steps[0])
        found = self._values[:, rows[:, None], columns]
        for step in self._steps[1:]:
            finer = self._grid(step)
            found = _between(_between(found, rows, finer[0], 1), columns, finer[1], 2)
            rows, columns = finer
            known = self.known[np.ix_(rows, columns)]
            found = np.where(known, self._values[:, rows[:, None], columns], found)
        return found

    def _grid(self, step: int) -> list[np.ndarray]:
        """Rows and columns of the grid of that step; the last ones belong to every grid."""
        return [
            np.unique(np.append(np.arange(0, side, step), side - 1)) for side in self.known.shape
        ]

    def _change(self) -> np.ndarray:
        """(rows, cols): range of the estimate around each cell, relative to the map's range; the
        largest over maps.
        """
        maps = self.estimate()
        ranges = np.ptp(maps, axis=(1, 2), keepdims=True)
        maps = maps / np.where(ranges > 0, ranges, 1)
        changes = np.zeros(self.known.shape)
        for step in self._steps:
            margins = ((0, 0), (step, step), (step, step))
            padded = np.pad(maps, margins, mode="edge")
            height, width = self.known.shape
            around = [
                padded[:, y : y + height, x : x + width]
                for y in (0, step, 2 * step)
                for x in (0, step, 2 * step)
            ]
            change = (np.max(around, axis=0) - np.min(around, axis=0)).max(axis=0)
            changes = np.where(self._step_of == step, change, changes)
        return changes


def _between(maps: np.ndarray, known: np.ndarray, wanted: np.ndarray, axis: int) -> np.ndarray:
    """``maps`` interpolated linearly along an axis, from positions ``known`` to ``wanted``."""
    after = np.clip(np.searchsorted(known, wanted), 1, max(len(known) - 1, 1))
    after = np.minimum(after, len(known) - 1)
    before = np.maximum(after - 1, 0)
    gap = np.maximum(known[after] - known[before], 1)
    share = ((wanted - known[before]) / gap).astype(np.float32)
    share = share[:, None] if axis == 1 else share
    low, high = np.take(maps, before, axis), np.take(maps, after, axis)
    return low + (high - low) * share
