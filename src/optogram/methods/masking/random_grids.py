"""RISE's masks: random grids, enlarged and shifted, each with its complement."""

import math
from collections.abc import Sequence

import numpy as np

from optogram.methods.masking.converging import ends_of
from optogram.methods.request.upsampling import Upsampling

FIRST, _STEP = 256, 128
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

    Attributes
    ----------
    size : (height, width)
        As given.
    """

    def __init__(self, size: tuple[int, int], grid: int, seed: int) -> None:
        self.size, self._grid, self._seed = size, grid, seed
        self._cell = [-(-side // grid) for side in size]
        height, width = ((grid + 1) * cell for cell in self._cell)
        self._enlarged = Upsampling((grid, grid), (height, width))

    def __call__(self, first: int, last: int) -> np.ndarray:
        """(last − first, 2, H, W): both masks of pairs ``first`` to ``last``."""
        found = np.empty((last - first, 2, *self.size), np.float32)
        for number in range(first, last):
            if number == first or number % _DRAWN == 0:
                cells, shifts = self._drawn(number // _DRAWN)
            y, x = shifts[number % _DRAWN]
            large = self._enlarged(cells[number % _DRAWN])
            found[number - first, 0] = large[y : y + self.size[0], x : x + self.size[1]]
        np.subtract(1, found[:, 0], out=found[:, 1])
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
    masks : GridMasks
        The masks.
    targets, count : int
        Number of targets, and of masks.
    """

    def __init__(self, masks: GridMasks, targets: int, count: int) -> None:
        self._masks = masks
        self.count = count - count % 2
        self.ends: Sequence[int] = ends_of(self.count, FIRST, _STEP)
        self._scores = np.empty((targets, self.count))
        # Of s + d·(M − ½): Σ d·m and, for its square, Σ s·d·m and Σ d²·m², m being M − ½.
        self._sums = np.zeros(0)
        self._mean = np.zeros((targets, 1))
        self._known = 0
        self._last = 0, np.empty((0, 2, *masks.size), np.float32)

    def masks(self, part: slice) -> np.ndarray:
        """See `Design`."""
        first, begun = divmod(part.start, 2)
        self._last = first, self._masks(first, (part.stop + 1) // 2)
        masks = self._last[1].reshape(-1, *self._masks.size, 1)
        return masks[begun : begun + part.stop - part.start]

    def learn(self, part: slice, scores: np.ndarray) -> None:
        """See `Design`."""
        self._scores[:, part], self._known = scores, part.stop
        first, last = part.start // 2, part.stop // 2
        if first == last:
            return
        pairs = self._scores[:, 2 * first : 2 * last].reshape(len(scores), -1, 2)
        level, change = pairs.mean(axis=2), pairs[:, :, 0] - pairs[:, :, 1]
        if first == 0:
            self._sums = np.zeros((len(scores), 3, math.prod(self._masks.size)))
            self._mean = level[:, :1].copy()  # squares of large numbers would lose digits
        level -= self._mean
        shares = np.stack([change, level * change], axis=1).astype(np.float32)
        masks = self._of_pairs(first, last).reshape(last - first, -1) - np.float32(0.5)
        self._sums[:, :2] += shares @ masks
        self._sums[:, 2] += (change**2).astype(np.float32) @ np.square(masks, out=masks)

    def _of_pairs(self, first: int, last: int) -> np.ndarray:
        """(last − first, H, W): the first masks of pairs, of which the last made are at hand."""
        start, made = self._last
        if start <= first and last <= start + len(made):
            return made[first - start : last - start, 0]
        return self._masks(first, last)[:, 0]

    def close(self) -> None:
        """See `Design`: the sums are larger than the map."""
        self._sums, self._last = np.zeros(0), (0, self._last[1][:0].copy())

    def estimate(self, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See `Design`."""
        count = self._known // 2
        levels = self._scores[targets, : 2 * count].reshape(len(targets), count, 2).mean(axis=2)
        levels -= self._mean[targets]
        first, mixed, squares = self._sums[targets].swapaxes(0, 1) / count
        mean = levels.mean(axis=1, keepdims=True) + first
        square = (levels**2).mean(axis=1, keepdims=True) + 2 * mixed + squares
        error = np.sqrt(np.maximum(square - mean**2, 0) / max(count - 1, 1))
        shape = (-1, *self._masks.size)
        return (mean + self._mean[targets]).reshape(shape), error.reshape(shape)
