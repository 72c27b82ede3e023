"""Several maps in one picture."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from PIL import Image

from optogram.arguments import checked
from optogram.errors import InputError
from optogram.render.colors import ColorMap, color_table, paint
from optogram.render.display import Scale, as_numbers, range_of, scale_of, to_unit
from optogram.render.frame import framed, scale_bar
from optogram.render.grid import arrange, cell_size, column_count, fit
from optogram.render.resample import as_map, resize_map


@checked
def mosaic(
    maps: np.ndarray | Sequence[np.ndarray],
    *,
    columns: int | None = None,
    cell: int | None = None,
    margin: int = 2,
    scale: Scale | None = None,
    per_map: bool | Literal["range"] = False,
    signed: bool | None = None,
    cmap: ColorMap | None = None,
    labels: Sequence[str] | None = None,
    bar: bool = True,
    unit: str | None = None,
    title: str | None = None,
) -> Image.Image:
    """Draw maps in a near-square grid, by default on a common scale.

    Parameters
    ----------
    maps : array (h, w, n), or sequence of arrays (h, w)
        Row by row; each keeps its proportions.
    columns : int, optional
        Default: near square, ⌈√n⌉.
    cell : int, optional
        Longer side of a cell in pixels. Default: that of the largest map, times a whole number for
        a mosaic about 1024 pixels wide with cells of about 128 pixels at most.
    margin : int, default 2
        White pixels between cells.
    scale : Scale, optional
        Values at the ends of the bar. Default: `scale_of` all maps.
    per_map : bool or "range", default False
        Whether each map has its own scale; then colors cannot be compared between maps, and there
        is no bar. "range": from the minimum to the maximum of each map, as in R's ``image`` and
        matplotlib's ``imshow``.
    signed : bool, optional
        Whether 0 is in the middle of the scales, of the mosaic or of each map. Default: if a value
        is negative.
    cmap : str, sequence of str, array or callable, optional
        Colormap; see `colorize`.
    labels : sequence of str, optional
        Label below each map.
    bar : bool, default True
        Whether to draw the bar of the common scale at the right.
    unit : str, optional
        Unit of the values, written along the bar.
    title : str, optional
        Title above the mosaic.

    Returns
    -------
    PIL.Image.Image
        RGB; each cell of a map is a block of one color. Cells after the last map are blank.

    Raises
    ------
    InputError
        If there is no map, a map is invalid, or arguments contradict each other.
    """
    if per_map not in (False, True, "range"):
        raise InputError(f'per_map must be True, False or "range", but got {per_map!r}.')
    if per_map and scale is not None:
        raise InputError(f"Give either scale or per_map={per_map!r}, not both.")
    tiles = _tiles(maps)
    columns = column_count(len(tiles), columns)
    room = cell_size([tile.shape for tile in tiles], columns, cell, labels is not None)
    if scale is None:
        everything = np.concatenate([tile.ravel() for tile in tiles])
        scale = range_of(everything) if per_map == "range" else scale_of(everything, signed=signed)
    table = color_table(scale, cmap)
    pictures = []
    for tile in tiles:
        if per_map == "range":
            own = range_of(tile)
        else:
            own = scale_of(tile, signed=scale.signed) if per_map else scale
        places = resize_map(to_unit(tile, own), fit(tile.shape, room), "nearest")
        pictures.append(Image.fromarray(paint(places, table)))
    picture = arrange(pictures, room, columns=columns, margin=margin, labels=labels)
    with_bar = bar and not per_map
    drawn = None
    if with_bar:
        drawn = scale_bar(scale, picture.size[::-1], lambda places: paint(places, table), unit)
    return framed(picture, bar=drawn, title=title)


def _tiles(maps: np.ndarray | Sequence[np.ndarray]) -> list[np.ndarray]:
    if isinstance(maps, Sequence):
        return [as_numbers(as_map(tile)) for tile in maps]
    maps = np.asarray(maps)
    if maps.ndim != 3 or not maps.size:
        raise InputError(
            f"Maps must be an array (h, w, n) or a list of arrays (h, w), but got {maps.shape}."
        )
    return list(np.moveaxis(as_numbers(maps), -1, 0))
