"""Coarse-to-fine refinement of a map: the order of cells, and interpolation between them."""

import numpy as np

_COARSEST = 6
"""Least number of cells along a side of the coarsest grid."""
_PERCENTILE = 0.98
"""Of the errors that were found, for those to be expected: with it, 95 % of cells are within."""
_NEAR = 2
"""Distance in cells up to which changes of the map count for the error of a cell."""
_FLOOR = 0.2
"""Share of the range of the map that is added to them."""


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
        self._ratios: np.ndarray | None = None
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
        places = tuple(cells.T)
        if self.known.any() and len(cells):
            # How far the estimate was from what is now known.
            away = np.abs(self.estimate()[:, *places] - values)
            self._ratios = np.quantile(away / self._scale()[:, *places], _PERCENTILE, axis=1)
        self.known[places] = True
        self._values[:, *places] = values

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

    def error(self) -> np.ndarray:
        """(T, rows, cols): the expected error of the estimate, 0 where it was computed.

        Errors are taken to be proportional to how much the map changes around a cell. The factor is
        a high percentile of those of the cells that were computed last, before they were;
        at first, of the differences of cells from the mean of their neighbors.
        """
        if not self.known.any():
            return np.full(self._values.shape, np.inf, np.float32)
        ratios = self._first_ratios() if self._ratios is None else self._ratios
        found = ratios[:, None, None] * self._scale()
        return np.where(self.known, 0, found).astype(np.float32)

    def _first_ratios(self) -> np.ndarray:
        """(T,): the factors, from the coarsest grid alone."""
        rows, columns = self._grid(self._steps[0])
        own = self._values[:, rows[:, None], columns]
        counts = _of_neighbors(np.ones(own.shape[1:]))
        if not counts.all():
            return np.full(len(own), np.inf)
        away = np.abs(own - _of_neighbors(own) / counts) / self._scale()[:, rows[:, None], columns]
        return np.asarray(np.quantile(away, _PERCENTILE, axis=(1, 2)))

    def _scale(self) -> np.ndarray:
        """(T, rows, cols): how much the map changes around each cell, in its unit; above 0."""
        maps = self.estimate()
        ranges = np.ptp(maps, axis=(1, 2), keepdims=True)
        margin = (_NEAR, _NEAR)
        padded = np.pad(maps, ((0, 0), margin, margin), mode="edge")
        windows = np.lib.stride_tricks.sliding_window_view(padded, (2 * _NEAR + 1,) * 2, (1, 2))
        return np.ptp(windows, axis=(3, 4)) + _FLOOR * np.where(ranges > 0, ranges, 1)

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


def _of_neighbors(maps: np.ndarray) -> np.ndarray:
    """The sum of the cells above, below, left and right of each of ``maps`` (..., rows, cols)."""
    padded = np.pad(maps, [(0, 0)] * (maps.ndim - 2) + [(1, 1), (1, 1)])
    above, below = padded[..., :-2, 1:-1], padded[..., 2:, 1:-1]
    return above + below + padded[..., 1:-1, :-2] + padded[..., 1:-1, 2:]


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
