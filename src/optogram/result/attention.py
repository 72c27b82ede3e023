"""Attention of one layer, head by head."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, overload

import numpy as np

from optogram.arguments import shown, whole
from optogram.errors import InputError
from optogram.result.base import Result
from optogram.result.photo import OfPhotos
from optogram.result.plotting import placed, require_numbers, require_tiles

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from PIL.Image import Image

UNIT = "share of attention"
"""Unit of scale bars."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Attention(OfPhotos, Result):
    """Attention of one layer: ``values`` (N, heads, queries, keys); rows sum to 1.

    A row says which tokens one token is made of. Attention within windows, as in Swin, has an axis
    more, (N, windows, heads, queries, keys); what a patch attends to is then in its window.

    Attributes
    ----------
    images : uint8 ndarray of shape (N, H, W, C)
        The input images.
    layer : str
        Name of the layer.
    query_grid, grid : tuple of int
        Where queries and keys stand: rows and columns of patches, and the tokens in front of them.
        Empty where that is not known.
    windows : int ndarray of shape (windows, keys)
        The patch, row · columns + column, at each place of each window; −1 for padding. Empty
        without windows.
    fit, seen, photo_size, prepared
        How the photos were prepared; see `Attribution`.
    """

    shapes: ClassVar = {
        "values": "N h q k | N w h q k",
        "windows": "w k | 0 0",
        "images": "N H W c",
        "seen": "N 4",
        "photo_size": "N 2",
    }

    images: np.ndarray
    layer: str
    query_grid: tuple[int, ...] = ()
    grid: tuple[int, ...] = ()
    windows: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.int32))

    @property
    def heads(self) -> int:
        """The number of heads."""
        return self.values.shape[-3]

    def token(self, row: int, column: int, index: int = 0) -> np.ndarray:
        """(heads, h, w): what the patch at (row, column) of image ``index`` attends to.

        Raises
        ------
        InputError
            If there is no such patch, or tokens have no place on the photo.
        """
        rows, columns, front = self._placed(self.query_grid)
        row, column = whole("row", row, 0, rows - 1), whole("column", column, 0, columns - 1)
        patch = row * columns + column
        if not self.windows.size:
            return self._maps(front + patch, index)
        ((window, place),) = np.argwhere(self.windows == patch)
        return self._scattered(self.values[index][window, :, place], [window])

    def class_token(self, index: int = 0) -> np.ndarray:
        """(heads, h, w): what the first token in front, as a rule the class token, attends to.

        Raises
        ------
        InputError
            If no token is in front, or tokens have no place on the photo.
        """
        if not self._placed(self.query_grid)[2]:
            raise InputError(
                f"The tokens of {self.layer!r} are all patches, there is no class token: choose a "
                "patch with token(row, column), or take mean_token()."
            )
        return self._maps(0, index)

    def mean_token(self, index: int = 0) -> np.ndarray:
        """(heads, h, w): what all tokens attend to, on average.

        Raises
        ------
        InputError
            If tokens have no place on the photo.
        """
        if not self.windows.size:
            return self._maps(slice(None), index)
        rows, columns, _ = self._placed(self.grid)
        # Each patch is at one place; places of padding are left out.
        asking = (self.windows >= 0)[:, None, :, None]
        read = (self.values[index] * asking).sum(axis=2) / (rows * columns)
        return self._scattered(np.moveaxis(read, 1, 0), slice(None))

    def matrix(self, head: int | None = None, index: int = 0) -> np.ndarray:
        """(queries, keys): the attention of a head of image ``index``; None: the mean of heads.

        With windows, the mean of all windows.

        Raises
        ------
        InputError
            If there is no such head.
        """
        values = self.values[index]
        values = values.mean(axis=0) if values.ndim == 4 else values
        if head is None:
            return values.mean(axis=0)
        self._check([head])
        return values[head]

    def overlay(
        self,
        head: int | None = None,
        token: Any = None,
        index: int = 0,
        photo: Any = None,
        **style: Any,
    ) -> "Image":
        """What one token of image ``index`` attends to, over that image.

        Parameters
        ----------
        head : int, optional
            Head. None: the mean of all.
        token : "class", "mean" or (row, column), optional
            The token that looks; see `class_token`, `mean_token` and `token`. None: the class
            token, or, without one, the mean of all tokens.
        index : int
            Index of the image.
        photo, **style
            As in `Attribution.overlay`.

        Raises
        ------
        InputError
            If there is no such head or token, the tokens have no place on the photo, or the style
            is invalid.
        """
        from optogram.render import overlay

        maps = self._of(token, index)
        if head is not None:
            self._check([head])
        below, where = self._below(photo, index)
        values = maps.mean(axis=0) if head is None else maps[head]
        return overlay(below, values, where=where, **{"unit": UNIT, **style})

    def mosaic(
        self,
        index: int = 0,
        heads: Sequence[int] | None = None,
        token: Any = None,
        **style: Any,
    ) -> "Image":
        """What one token of image ``index`` attends to: each head's map, on a common scale.

        Where tokens have no place on the photo, each head's matrix, a row for each query.

        Parameters
        ----------
        index : int
            Index of the image.
        heads : sequence of int, optional
            Heads, in the order of the grid. None: all.
        token : "class", "mean" or (row, column), optional
            As in `overlay`.
        **style
            See `optogram.render.mosaic`.

        Raises
        ------
        InputError
            If there is no such head or token, or the style is invalid.
        """
        from optogram.render import mosaic

        chosen = list(range(self.heads) if heads is None else heads)
        self._check(chosen)
        if self.grid or token is not None:
            maps = self._of(token, index)
        else:
            maps = np.stack([self.matrix(head, index) for head in range(self.heads)])
        labels = [f"head {head}" for head in chosen]
        tiles = np.moveaxis(maps[chosen], 0, -1)
        return mosaic(tiles, **{"unit": UNIT, "labels": labels, **style})

    @overload
    def plot(self, *, cell: int | None = None, ax: None = None) -> "Image": ...

    @overload
    def plot(self, *, cell: int | None = None, ax: "Axes") -> "Axes": ...

    def plot(self, *, cell: int | None = None, ax: "Axes | None" = None) -> "Image | Axes":
        """A row for each image: the image, the mean of all heads over it, and each head.

        They show what the class token attends to, or, without one, all tokens on average. Where
        tokens have no place on the photo, each head's matrix.

        Parameters
        ----------
        cell : int, optional
            Longer side of a picture in pixels.
        ax : matplotlib.axes.Axes, optional
            As in `Result.plot`.
        """
        from optogram.render import overlay, resized, sheet, visible

        require_tiles(cell, len(self.images), self.heads + 2)
        rows, titles = [], ["photo", self._title()]
        for index, image in enumerate(self.images):
            size = self.shown_size(index, cell)
            below = visible(image)
            row = [resized(below, size)]
            if self.grid:
                mean = self._of(None, index).mean(axis=0)
                row.append(overlay(below, mean, size=size, unit=UNIT))
            row.append(self.mosaic(index, cell=cell))
            rows.append(row)
        if self.grid:
            titles.append(self.layer)
        return placed(sheet(rows, titles=titles), ax)

    def _title(self) -> str:
        if not self.grid:
            of_windows = f", mean of {self.values.shape[1]} windows"
            return f"{self.layer}{of_windows if self.values.ndim == 5 else ''}"
        return "class token, all heads" if self.query_grid[2] else "all tokens, all heads"

    def _of(self, token: Any, index: int) -> np.ndarray:
        """(heads, h, w): what a token attends to, as `overlay` names it."""
        if token is None:
            token = "class" if self._placed(self.query_grid)[2] else "mean"
        if token == "class":
            return self.class_token(index)
        if token == "mean":
            return self.mean_token(index)
        if isinstance(token, str) or not isinstance(token, Sequence) or len(token) != 2:
            raise InputError(f'token must be "class", "mean" or (row, column), not {shown(token)}.')
        return self.token(token[0], token[1], index)

    def _maps(self, query: int | slice, index: int) -> np.ndarray:
        """(heads, h, w): the keys' part of a row, or of the mean of rows."""
        rows, columns, front = self._placed(self.grid)
        row = self.values[index][:, query]
        row = row.mean(axis=1) if row.ndim == 3 else row
        return row[:, front:].reshape(-1, rows, columns)

    def _scattered(self, read: np.ndarray, windows: list[int] | slice) -> np.ndarray:
        """(heads, h, w): attention (heads, …, keys) to the tokens of some windows."""
        rows, columns, _ = self._placed(self.grid)
        places = self.windows[windows].ravel()
        found = np.zeros((self.heads, rows * columns), self.values.dtype)
        found[:, places[places >= 0]] = read.reshape(self.heads, -1)[:, places >= 0]
        return found.reshape(-1, rows, columns)

    def _placed(self, grid: tuple[int, ...]) -> tuple[int, int, int]:
        if len(grid) == 3:
            return grid[0], grid[1], grid[2]
        if self.values.ndim == 5:
            raise InputError(
                f"The attention of {self.layer!r} is within {self.values.shape[1]} windows, and "
                "where their tokens stand on the photo is not known: read values, or matrix(head)."
            )
        raise InputError(
            f"Where the tokens of {self.layer!r} stand on the photo is not known: read values, or "
            "matrix(head)."
        )

    def _check(self, heads: Sequence[int]) -> None:
        require_numbers(self.layer, "heads", heads, self.heads)
