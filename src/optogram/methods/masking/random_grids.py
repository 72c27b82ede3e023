"""RISE's masks: random grids, enlarged and shifted, each with its complement."""

from collections.abc import Sequence

import numpy as np

from optogram.methods.masking.converging import ends_of
from optogram.methods.request.upsampling import Upsampling

_FIRST, _STEP = 256, 128
"""Numbers of masks after which the map is looked at for the first time, and then again."""
_DRAWN = 64
"""Masks drawn at once, so that the first ones do not depend on how many follow."""


class GridMasks:
    """Pairs of masks (H, W) in 0…1, which depend on the seed and the size only.

    Cells of a grid are 0 or 1 with probability ½, enlarged bilinearly to (grid + 1) · cell and cut
    out at a random shift of less than a cell. The second mask of a pair is 1 minus the first.

    Parameters
    ----------
    size : (height, width)
        Size of the image.
    grid : int
        Cells along each side.
    seed : int
        Random seed.
    """

    def __init__(self, size: tuple[int, int], grid: int, seed: int) -> None:
        self._size, self._grid, self._seed = size, grid, seed
        self._cell = [-(-side // grid) for side in size]
        height, width = ((grid + 1) * cell for cell in self._cell)
        self._enlarged = Upsampling((grid, grid), (height, width))

    def __call__(self, first: int, last: int) -> np.ndarray:
        """(last − first, H, W): the first masks of pairs ``first`` to ``last``."""
        found = np.empty((last - first, *self._size), np.float32)
        for number in range(first, last):
            if number == first or number % _DRAWN == 0:
                cells, shifts = self._drawn(number // _DRAWN)
            y, x = shifts[number % _DRAWN]
            large = self._enlarged(cells[number % _DRAWN])
            found[number - first] = large[y : y + self._size[0], x : x + self._size[1]]
        return found

    def _drawn(self, block: int) -> tuple[np.ndarray, np.ndarray]:
        """Cells (n, grid, grid) and shifts (n, 2) of a block of masks."""
        generator = np.random.default_rng([self._seed, block])
        cells = generator.random((_DRAWN, self._grid, self._grid)) < 0.5
        return cells.astype(np.float32), generator.integers(0, self._cell, (_DRAWN, 2))


class RandomGrids:
    """RISE for one image, see `Design`: (1 ÷ Np) Σ Sᵢ Mᵢ with p = ½.

    Of a pair of masks M and 1 − M with scores S and S′, (S + S′) ÷ 2 + (S − S′)(M − ½) is added:
    the same, with an error that can be estimated from pair to pair.

    Parameters
    ----------
    x, base : ndarray of shape (H, W, C)
        The image, and what is in place of what is masked.
    masks : GridMasks
        The masks.
    targets, count : int
        Number of targets, and of masks.
    """

    def __init__(
        self, x: np.ndarray, base: np.ndarray, masks: GridMasks, targets: int, count: int
    ) -> None:
        self._x, self._base, self._masks = x, base, masks
        self.count = count - count % 2
        self.ends: Sequence[int] = ends_of(self.count, _FIRST, _STEP)
        self._scores = np.empty((targets, self.count))
        # Of s + d·(M − ½): Σ d·m and, for its square, Σ s·d·m and Σ d²·m², m being M − ½.
        self._sums = np.zeros(0)
        self._mean = np.zeros((targets, 1))
        self._known = 0

    def copies(self, part: slice) -> np.ndarray:
        """See `Design`."""
        pairs = self._masks(part.start // 2, (part.stop + 1) // 2)
        both = np.stack([pairs, 1 - pairs], 1).reshape(-1, *pairs.shape[1:])
        begun = part.start % 2
        masks = both[begun : begun + part.stop - part.start, :, :, None]
        return self._base + masks * (self._x - self._base)

    def learn(self, part: slice, scores: np.ndarray) -> None:
        """See `Design`."""
        self._scores[:, part], self._known = scores, part.stop
        first, last = part.start // 2, part.stop // 2
        if first == last:
            return
        pairs = self._scores[:, 2 * first : 2 * last].reshape(len(scores), -1, 2)
        level, change = pairs.mean(axis=2), pairs[:, :, 0] - pairs[:, :, 1]
        if first == 0:
            self._sums = np.zeros((len(scores), 3, self._x.shape[0] * self._x.shape[1]))
            self._mean = level[:, :1].copy()  # squares of large numbers would lose digits
        level -= self._mean
        masks = self._masks(first, last).reshape(last - first, -1) - np.float32(0.5)
        shares = np.stack([change, level * change], axis=1).astype(np.float32)
        self._sums[:, :2] += shares @ masks
        self._sums[:, 2] += (change**2).astype(np.float32) @ masks**2

    def close(self) -> None:
        """See `Design`: the sums are larger than the map."""
        self._sums = np.zeros(0)

    def estimate(self, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See `Design`."""
        count = self._known // 2
        levels = self._scores[targets, : 2 * count].reshape(len(targets), count, 2).mean(axis=2)
        levels -= self._mean[targets]
        first, mixed, squares = self._sums[targets].swapaxes(0, 1) / count
        mean = levels.mean(axis=1, keepdims=True) + first
        square = (levels**2).mean(axis=1, keepdims=True) + 2 * mixed + squares
        error = np.sqrt(np.maximum(square - mean**2, 0) / max(count - 1, 1))
        shape = (-1, *self._x.shape[:2])
        return (mean + self._mean[targets]).reshape(shape), error.reshape(shape)
