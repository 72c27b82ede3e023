"""A patch that takes tokens away from a transformer, instead of painting over them."""

import numpy as np

from optogram.errors import InputError
from optogram.graph.token_grids import Grid

DROP = "drop"
"""The fill that stands for it."""


def token_sides(grid: Grid, size: tuple[int, int]) -> tuple[int, int]:
    """(height, width) of the part of an image that is a token, in pixels."""
    return size[0] // grid.rows, size[1] // grid.columns


def tokens_left(
    grid: Grid, size: tuple[int, int], rows: np.ndarray, columns: np.ndarray
) -> np.ndarray:
    """(P, tokens): the tokens that are left for each of P patches, those in front included.

    Parameters
    ----------
    grid : Grid
        Where the tokens stand.
    size : (height, width)
        Size of the image.
    rows, columns : int ndarrays of shape (P, 2)
        First covered row and last covered row plus one; the same for columns. Each patch covers
        as many tokens.

    Raises
    ------
    InputError
        If a patch covers a part of a token, or all tokens.
    """
    sides = token_sides(grid, size)
    if (rows % sides[0]).any() or (columns % sides[1]).any():
        raise InputError(
            'fill="drop" leaves out whole tokens: patch and stride must be multiples of '
            f"{sides[0]}×{sides[1]} pixels."
        )
    down, across = _within(rows // sides[0], grid.rows), _within(columns // sides[1], grid.columns)
    left = ~(down[:, :, None] & across[:, None, :]).reshape(len(rows), -1)
    if not left[0].any():
        raise InputError("The patch covers all tokens of the image: choose a smaller one.")
    patches = np.nonzero(left)[1].reshape(len(left), -1)
    front = np.broadcast_to(np.arange(grid.front), (len(left), grid.front))
    return np.concatenate([front, grid.front + patches], axis=1)


def _within(spans: np.ndarray, side: int) -> np.ndarray:
    """(P, side): which of ``side`` places lie in each span."""
    places = np.arange(side)
    return (places >= spans[:, :1]) & (places < spans[:, 1:])
