"""Activation atlases."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, overload

import numpy as np

from optogram.arguments import whole
from optogram.errors import InputError
from optogram.result.base import Result
from optogram.result.crops import box_in_photo, open_photo
from optogram.result.plotting import LARGEST_CELL, placed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from PIL.Image import Image

_LEGIBLE = 80
"""Side of an icon in the picture of `plot` in pixels, at least."""
_FINEST = 20
"""Rows of the grid that `plot` shows, at most."""


@dataclass(frozen=True)
class Grid:
    """The cells of one grid over an atlas that have enough samples.

    Attributes
    ----------
    side : int
        Number of rows, and of columns.
    cells : int ndarray of shape (cells,)
        Index of each cell in the arrays of the atlas.
    rows, columns : int ndarrays of shape (cells,)
        Where the cells are, from 0 at the top left.
    """

    side: int
    cells: np.ndarray
    rows: np.ndarray
    columns: np.ndarray


@dataclass(frozen=True, eq=False, kw_only=True)
class ActivationAtlas(Result):
    """A map of a layer's activations: ``values`` (cells, channels), the mean of each cell.

    Cells of all grids follow one another, grid by grid, row by row; only those with enough samples
    are there.

    Attributes
    ----------
    layer : str
        Name of the layer.
    cell_grids : int ndarray of shape (cells,)
        Number of rows, and of columns, of the grid that each cell is in.
    places : int ndarray of shape (cells, 2)
        Row and column in the grid.
    counts : int ndarray of shape (cells,)
        Number of samples in each cell.
    members : int ndarray of shape (cells, 12)
        Samples of the cell, the one nearest to the mean first, by cosine; −1 if there are fewer.
    icons : uint8 ndarray of shape (cells, H, W, C)
        Images made by activation maximization of the direction of each cell; gray where the mean
        is zero.
    classes : int ndarray of shape (cells,)
        Class that the cell contributes to most; −1 if the network scores no classes, or these do
        not depend on the layer.
    contributions : float32 ndarray of shape (cells,)
        Mean of h · ∂logit/∂h over the cell's samples, for that class.
    labels : tuple of str
        Names of the network's classes; empty if it scores none.
    layout : float32 ndarray of shape (samples, 2)
        (x, y) of each sample, in 0…1 from the top left.
    sampled : int ndarray of shape (samples,)
        Index into ``photos`` for each sample.
    positions : int ndarray of shape (samples, 2)
        Position in the map, (y, x).
    windows : ndarray of shape (samples, 4)
        Receptive field of that position, clipped at the borders: top, left, bottom, right, in
        pixels of the prepared photo.
    photos : tuple of str
        All photos: paths, or "photo 7" for arrays.
    unread : tuple of str
        Those of the ``photos`` that could not be read and were skipped.
    opened : sequence, mapping or None
        The photos argument; of a stream, small copies of the first 10 000. Not saved.
    """

    shapes: ClassVar = {
        "values": "K C",
        "cell_grids": "K",
        "places": "K 2",
        "counts": "K",
        "members": "K M",
        "icons": "K H W D",
        "classes": "K",
        "contributions": "K",
        "layout": "S 2",
        "sampled": "S",
        "positions": "S 2",
        "windows": "S 4",
    }

    layer: str
    cell_grids: np.ndarray
    places: np.ndarray
    counts: np.ndarray
    members: np.ndarray
    icons: np.ndarray
    classes: np.ndarray
    contributions: np.ndarray
    labels: tuple[str, ...]
    layout: np.ndarray
    sampled: np.ndarray
    positions: np.ndarray
    windows: np.ndarray
    photos: tuple[str, ...]
    unread: tuple[str, ...] = ()
    opened: Sequence[Any] | Mapping[int, Any] | None = field(
        default=None, repr=False, metadata={"is_saved": False}
    )

    @property
    def grids(self) -> dict[int, Grid]:
        """The grids by their number of rows, coarse to fine."""
        found = {}
        for side in sorted(set(self.cell_grids.tolist())):
            cells = np.flatnonzero(self.cell_grids == side)
            found[side] = Grid(side, cells, *self.places[cells].T)
        return found

    def label(self, cell: int) -> str:
        """The name of the class of a cell; "" if it has none."""
        index = int(self.classes[whole("cell", cell, 0, len(self.values) - 1)])
        return self.labels[index] if index >= 0 else ""

    def crop(self, sample: int) -> "Image":
        """The receptive field of a sample, cut from its photo, with its middle marked.

        Of a stream only small copies of the first 10 000 photos are there.

        Raises
        ------
        InputError
            If the photo is no longer there.
        """
        sample = whole("sample", sample, 0, len(self.layout) - 1)
        photo = open_photo(int(self.sampled[sample]), self.photos, self.opened)
        return self._cut(photo, sample)

    def crops(self, samples: Sequence[int]) -> "Iterator[tuple[int, Image]]":
        """`crop` of several samples, with each photo opened once, in the order of the photos.

        Yields the sample and its crop. Photos that are no longer there are left out.
        """
        numbers = [whole("samples", sample, 0, len(self.layout) - 1) for sample in samples]
        wanted = defaultdict[int, list[int]](list)
        for sample in dict.fromkeys(numbers):
            wanted[int(self.sampled[sample])].append(sample)
        for index in sorted(wanted):
            try:
                photo = open_photo(index, self.photos, self.opened)
            except InputError:
                continue
            for sample in wanted[index]:
                yield sample, self._cut(photo, sample)

    def _cut(self, photo: "Image", sample: int) -> "Image":
        """The receptive field of a sample in its ``photo``, with its middle marked."""
        from optogram.render import marked

        size, fit = self.parameters["size"], self.parameters["fit"]
        shape = self.parameters["maps"]
        left, top, right, bottom = box_in_photo(photo, self.windows[sample], size, fit)
        cut = photo.crop((left, top, right, bottom))
        if tuple(shape) == (1, 1):
            return cut
        (height, width), position = np.divide(size, shape), self.positions[sample]
        cell = (position[0] * height, position[1] * width)
        inner = box_in_photo(photo, (*cell, cell[0] + height, cell[1] + width), size, fit)
        center = ((inner[0] + inner[2]) / 2 - left, (inner[1] + inner[3]) / 2 - top)
        return marked(cut, center)

    @overload
    def plot(
        self,
        grid: int | None = None,
        cell: int | None = None,
        names: bool = True,
        *,
        ax: None = None,
    ) -> "Image": ...

    @overload
    def plot(
        self,
        grid: int | None = None,
        cell: int | None = None,
        names: bool = True,
        *,
        ax: "Axes",
    ) -> "Axes": ...

    def plot(
        self,
        grid: int | None = None,
        cell: int | None = None,
        names: bool = True,
        *,
        ax: "Axes | None" = None,
    ) -> "Image | Axes":
        """The icons of one grid at their places, with the class of each cell.

        Parameters
        ----------
        grid : int, optional
            Number of rows of the grid. None: the finest with at most 20 rows, else the coarsest.
        cell : int, optional
            Side of an icon in pixels. Default: that of the icons, times a whole number for at
            least 80.
        names : bool
            Whether to write the class in each icon.
        ax : matplotlib.axes.Axes, optional
            As in `Result.plot`.

        Raises
        ------
        InputError
            If the atlas has no such grid, or the picture would be too large.
        """
        from optogram.render import atlas, visible

        chosen = self.grid(grid)
        size = icon_side(self, cell)
        pictures = (visible(self.icons[i]) for i in chosen.cells)
        words = [self.label(i) for i in chosen.cells] if names else None
        places = list(zip(chosen.rows.tolist(), chosen.columns.tolist(), strict=True))
        return placed(atlas(pictures, places, chosen.side, size, words), ax)

    def grid(self, side: int | None = None) -> Grid:
        """One of the grids; None: the finest with at most 20 rows, else the coarsest.

        Raises
        ------
        InputError
            If there is no such grid.
        """
        grids = self.grids
        if side is None:
            return grids[default_grid(grids)]
        if side not in grids:
            raise InputError(
                f"The atlas has grids of {', '.join(map(str, grids))} rows, none of {side}."
            )
        return grids[side]


def default_grid(sides: Iterable[int]) -> int:
    """The finest grid with at most 20 rows, else the coarsest."""
    known = sorted(sides)
    return max([side for side in known if side <= _FINEST] or known[:1])


def icon_side(atlas: ActivationAtlas, cell: int | None) -> int:
    """Side of an icon in the picture of ``atlas.plot(cell=cell)`` in pixels."""
    side = max(atlas.icons.shape[1:3])
    size = side * max(1, -(-_LEGIBLE // side)) if cell is None else cell
    return whole("cell", size, 1, LARGEST_CELL)
