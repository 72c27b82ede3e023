"""One patch that is moved at will over an image, also partly beyond its border."""

import numpy as np

from optogram.errors import InputError
from optogram.methods.occluding.covering import covered


class MovablePatch:
    """The positions of a patch at which some of it is on the image.

    Parameters
    ----------
    size, patch : (height, width)
        Sizes of the image and of the patch, in pixels.
    margin : int
        Pixels covered around the patch on every side, clipped at the border.

    Attributes
    ----------
    size, patch : (height, width)
        The sizes.
    spans : pair of int ndarrays of shape (positions, 2)
        First covered row and last covered row plus one, for all rows of the patch's upper left
        corner; the same for columns.
    """

    def __init__(self, size: tuple[int, int], patch: tuple[int, int], margin: int) -> None:
        self.size, self.patch = size, patch
        self.spans = tuple(
            covered(np.arange(1 - extent, side), extent, margin, side)
            for side, extent in zip(size, patch, strict=True)
        )

    def at(self, y: int, x: int) -> np.ndarray:
        """(2,): index into both `spans`, for the upper left corner at (y, x).

        Raises
        ------
        InputError
            If the whole patch is outside the image.
        """
        corner = (y, x)
        is_on = all(
            1 - extent <= at < side
            for at, extent, side in zip(corner, self.patch, self.size, strict=True)
        )
        if not is_on:
            raise InputError(
                f"A patch of {self.patch[0]}×{self.patch[1]} at ({y}, {x}) is outside the image of "
                f"{self.size[0]}×{self.size[1]}: give the (y, x) of its upper left corner."
            )
        return np.array([at + extent - 1 for at, extent in zip(corner, self.patch, strict=True)])

    def box(self, place: np.ndarray) -> tuple[int, int, int, int]:
        """Top, left, bottom, right of the covered pixels, bottom and right exclusive."""
        rows, columns = (spans[i] for spans, i in zip(self.spans, place, strict=True))
        return int(rows[0]), int(columns[0]), int(rows[1]), int(columns[1])

    def painted(self, images: np.ndarray, paint: np.ndarray, place: np.ndarray) -> np.ndarray:
        """A copy of ``images`` (N, H, W, C) with the covered pixels taken from ``paint``."""
        top, left, bottom, right = self.box(place)
        found = images.copy()
        found[:, top:bottom, left:right] = paint[:, top:bottom, left:right]
        return found
