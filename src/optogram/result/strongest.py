"""The photos that activate filters most."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING, Any, ClassVar, overload

import numpy as np

from optogram.arguments import whole
from optogram.errors import InputError
from optogram.result.base import Result
from optogram.result.crops import box_in_photo, open_photo
from optogram.result.plotting import placed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from PIL.Image import Image


@dataclass(frozen=True, eq=False, kw_only=True)
class StrongestImages(Result):
    """For each filter, the photos that activate it most: ``values`` (filters, top).

    Values are NaN if there are fewer photos than ``top``.

    Attributes
    ----------
    layer : str
        Name of the layer.
    filters : ndarray of shape (filters,)
        Filter numbers.
    photos : tuple of str
        All photos processed: paths, or "photo 7" for arrays.
    indices : ndarray of shape (filters, top)
        Index into ``photos`` for each value; −1 if there is none.
    positions : ndarray of shape (filters, top, 2)
        Position in the map, (y, x).
    windows : ndarray of shape (filters, top, 4)
        Receptive field of that position, clipped at the borders: top, left, bottom, right, in
        pixels of the prepared photo.
    unread : tuple of str
        Those of the ``photos`` that could not be read and were skipped.
    rounding_error : ndarray of shape (filters,), or None
        With ``precision="fast"``: root mean square error of the largest activations, in the first
        photos, which were computed again exactly. None: exact, or no photo was left to process.
    opened : sequence, mapping or None
        The photos argument; of a stream, those that are shown, by index. Not saved.
    """

    shapes: ClassVar = {
        "values": "F T",
        "filters": "F",
        "indices": "F T",
        "positions": "F T 2",
        "windows": "F T 4",
    }

    layer: str
    filters: np.ndarray
    photos: tuple[str, ...]
    indices: np.ndarray
    positions: np.ndarray
    windows: np.ndarray
    unread: tuple[str, ...] = ()
    rounding_error: np.ndarray | None = None
    opened: Sequence[Any] | Mapping[int, Any] | None = field(
        default=None, repr=False, metadata={"is_saved": False}
    )

    def crop(self, row: int, rank: int = 0) -> "Image":
        """The window of photo number ``rank`` that the filter in ``row`` saw, cut from the photo.

        Raises
        ------
        InputError
            If the photo is no longer there.
        """
        rows, ranks = self.indices.shape
        row, rank = whole("row", row, -rows, rows - 1), whole("rank", rank, -ranks, ranks - 1)
        index = int(self.indices[row, rank])
        if index < 0:
            raise InputError(
                f"Filter {self.filters[row]} has no photo number {rank}: there are fewer."
            )
        return self._cut(self._photo(index), row, rank)

    @overload
    def plot(
        self, filters: Sequence[int] | None = None, cell: int = 112, *, ax: None = None
    ) -> "Image": ...

    @overload
    def plot(
        self, filters: Sequence[int] | None = None, cell: int = 112, *, ax: "Axes"
    ) -> "Axes": ...

    def plot(
        self,
        filters: Sequence[int] | None = None,
        cell: int = 112,
        *,
        ax: "Axes | None" = None,
    ) -> "Image | Axes":
        """The windows of each filter in one row, strongest first.

        Parameters
        ----------
        filters : sequence of int, optional
            Filter numbers. None: the first ten.
        cell : int
            Longer side of a window in pixels; other windows are centered in the square.
        ax : matplotlib.axes.Axes, optional
            As in `Result.plot`.
        """
        from PIL import ImageOps

        from optogram.render import sheet
        from optogram.render.canvas import PAPER

        cell = whole("cell", cell, 1, 10_000)
        numbers = [int(number) for number in self.filters]
        chosen = numbers[:10] if filters is None else list(filters)
        missing = [number for number in chosen if number not in numbers]
        if missing:
            raise InputError(f"Filters {missing} are not in this result.")
        places = [numbers.index(number) for number in chosen]
        wanted = defaultdict[int, list[tuple[int, int]]](list)
        for row, rank in product(dict.fromkeys(places), range(self.values.shape[1])):
            if self.indices[row, rank] >= 0:
                wanted[int(self.indices[row, rank])].append((row, rank))
        windows: dict[tuple[int, int], Image] = {}
        for index, cells in wanted.items():
            photo = self._photo(index)  # decoded once, whatever the number of its windows
            for at in cells:
                windows[at] = ImageOps.pad(self._cut(photo, *at), (cell, cell), color=PAPER)
        rows = [
            [windows[row, rank] for rank in range(self.values.shape[1]) if (row, rank) in windows]
            for row in places
        ]
        captions = [f"{self.layer}, filter {number}" for number in chosen]
        return placed(sheet(rows, captions=captions, gap=6), ax)

    def _photo(self, index: int) -> "Image":
        """Photo ``index``, decoded."""
        return open_photo(index, self.photos, self.opened)

    def _cut(self, photo: "Image", row: int, rank: int) -> "Image":
        """The window of ``photo`` that the filter in ``row`` saw."""
        size, fit = self.parameters["size"], self.parameters["fit"]
        return photo.crop(box_in_photo(photo, self.windows[row, rank], size, fit))
