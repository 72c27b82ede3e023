"""Total Sobol indices of the cells of a grid, by Jansen's estimator."""

from collections.abc import Sequence

import numpy as np

from optogram.methods.masking.converging import ends_of

FIRST, _STEP = 8, 4
"""Rows of the design after which the map is looked at for the first time, and then again."""


class SobolDesign:
    """Total Sobol indices of one image, see `Design`.

    Row j of the design has two points Aⱼ and Bⱼ of a scrambled Sobol sequence in 2·cells
    dimensions, and a point for each cell i, that is Aⱼ with cell i of Bⱼ. Each point is a mask: the
    share of the image in each cell.

    Parameters
    ----------
    size : (height, width)
        Size of the image.
    grid : int
        Cells along each side.
    seed : int
        Random seed of the scrambling.
    targets, rows : int
        Number of targets, and of rows of the design.
    """

    def __init__(
        self, size: tuple[int, int], grid: int, seed: int, targets: int, rows: int
    ) -> None:
        self._grid = grid
        self._points = _sequence(rows, 2 * grid**2, seed)
        self._each = grid**2 + 2
        self.count = rows * self._each
        self.ends: Sequence[int] = [each * self._each for each in ends_of(rows, FIRST, _STEP)]
        self._scores = np.empty((targets, self.count))
        self._known = 0
        # Cells are as equal as whole pixels allow.
        self._cell_of = [np.arange(side) * grid // side for side in size]

    def masks(self, part: slice) -> np.ndarray:
        """See `Design`."""
        numbers = range(part.start, part.stop)
        cells = np.stack([self._mask(*divmod(number, self._each)) for number in numbers])
        rows, columns = self._cell_of
        cells = cells.reshape(-1, self._grid, self._grid, 1)
        return cells[:, rows[:, None], columns]

    def learn(self, part: slice, scores: np.ndarray) -> None:
        """See `Design`."""
        self._scores[:, part], self._known = scores, part.stop

    def close(self) -> None:
        """See `Design`."""

    def estimate(self, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See `Design`."""
        rows = self._known // self._each
        scores = self._scores[targets, : self._known].reshape(len(targets), rows, self._each)
        first, second, mixed = scores[..., :1], scores[..., 1:2], scores[..., 2:]
        both = np.concatenate([first, second], axis=1)
        mean = both.mean(axis=1, keepdims=True)
        variance = both.var(axis=1, ddof=1, keepdims=True)[:, 0]
        halves = (first - mixed) ** 2 / 2
        safe = np.where(variance > 0, variance, 1)
        indices = halves.mean(axis=1) / safe
        # Of a ratio of means: its terms, minus the ratio times those of the variance.
        spread = ((first - mean) ** 2 + (second - mean) ** 2) / 2
        terms = (halves - indices[:, None] * spread) / safe[:, None]
        error = terms.std(axis=1, ddof=1) / np.sqrt(rows)
        shape = (-1, self._grid, self._grid)
        return indices.reshape(shape), error.reshape(shape)

    def _mask(self, row: int, which: int) -> np.ndarray:
        """(cells,): a mask of a row: A, B, or A with one cell of B."""
        first, second = np.split(self._points[row], 2)
        if which == 1:
            return second
        mask = first.copy()
        if which > 1:
            mask[which - 2] = second[which - 2]
        return mask


def _sequence(count: int, dimensions: int, seed: int) -> np.ndarray:
    """(count, dimensions): the first points of a scrambled Sobol sequence, in 0…1."""
    from scipy.stats import qmc

    points = qmc.Sobol(dimensions, seed=np.random.default_rng(seed))
    return points.random_base2((count - 1).bit_length())[:count].astype(np.float32)
