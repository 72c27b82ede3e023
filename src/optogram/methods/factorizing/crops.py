"""Crops of prepared photos, which cover them."""

import math

import numpy as np

from optogram.arguments import whole
from optogram.errors import InputError
from optogram.methods.request.upsampling import Upsampling

_SHARE = 64 / 224
"""Side of a crop as part of the input's, as published."""


class Crops:
    """Crops of prepared photos, which cover them evenly, enlarged to the size of the input.

    A crop has the proportions of the input.

    Parameters
    ----------
    x : ndarray of shape (N, H, W, C)
        The photos, in network units.
    patch : int, optional
        Shorter side of a crop in pixels. None: 2/7 of the input's, 64 of 224.

    Attributes
    ----------
    patch : int
        Shorter side of a crop.
    size : (height, width)
        Size of the input.
    windows : int ndarray of shape (T, 4)
        The crops of a photo: top, left, bottom, right.

    Raises
    ------
    InputError
        If the patch is larger than the input.
    """

    def __init__(self, x: np.ndarray, patch: int | None) -> None:
        self.size = size = x.shape[1:3]
        shorter = min(size)
        self.patch = max(1, round(_SHARE * shorter)) if patch is None else whole("patch", patch, 1)
        if self.patch > shorter:
            raise InputError(
                f"patch must be at most the shorter side of the input, {shorter}, not {patch}."
            )
        self._x = x
        self._sides = [max(1, round(self.patch * side / shorter)) for side in size]
        starts = [_starts(*pair) for pair in zip(size, self._sides, strict=True)]
        height, width = self._sides
        self.windows = np.array(
            [(top, left, top + height, left + width) for top in starts[0] for left in starts[1]]
        )
        self._enlarged = Upsampling((height, width), size)

    def __len__(self) -> int:
        """The number of crops of all photos."""
        return len(self._x) * len(self.windows)

    def __getitem__(self, part: slice) -> np.ndarray:
        """Crops (n, H, W, C), photo by photo."""
        cut = []
        for number in range(part.start, part.stop):
            photo, place = divmod(number, len(self.windows))
            top, left, bottom, right = self.windows[place]
            cut.append(np.moveaxis(self._x[photo, top:bottom, left:right], -1, 0))
        return np.ascontiguousarray(np.moveaxis(self._enlarged(np.stack(cut)), 1, -1))


def _starts(side: int, patch: int) -> list[int]:
    """Where crops begin along one side: as few as cover it, at equal distances."""
    count = math.ceil(side / patch)
    return np.rint(np.linspace(0, side - patch, count)).astype(int).tolist()
