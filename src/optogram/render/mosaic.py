"""All maps of a layer in one picture."""

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
    cmap: ColorMap | None = None,
    labels: Sequence[str] | None = None,
    bar: bool = True,
    title: str | None = None,
) -> Image.Image:
    """Draw every map in a near-square grid, on one common scale unless asked otherwise.

    Parameters
    ----------
    maps : array (h, w, n), or sequence of arrays (h, w)
        From left to right, then from top to bottom; each keeps its proportions.
    columns : int, optional
        Default: as many as make the grid near square, ⌈√n⌉.
    cell : int, optional
        Longer side of a cell in pixels. Default: that of the largest map, times the whole number
        that brings the mosaic near a width of 1024 pixels, and a cell near 128 at most.
    margin : int, default 2
        White pixels between cells.
    scale : Scale, optional
        What the ends of the bar mean; `scale_of` all maps together by default.
    per_map : bool or "range", default False
        Give each map its own scale; colors then tell nothing between maps, and there is no bar.
        "range": from the map's lowest value to its highest, wherever zero lies, as R's ``image``
        and matplotlib's ``imshow`` do (tutorial rows A1, B8).
    cmap : str, sequence of str, array or callable, optional
        Color map; see `colorize`.
    labels : sequence of str, optional
        Words under each map.
    bar : bool, default True
        Draw the bar of the common scale at the right.
    title : str, optional
        Words above the mosaic.

    Returns
    -------
    PIL.Image.Image
        RGB; each cell of a map is a block of one color. Places beyond the last map are blank.

    Raises
    ------
    InputError
        If there is no map, one cannot be used, or options contradict each other.
    """
    if per_map not in (False, True, "range"):
        raise InputError(f'per_map is True, False or "range", but got {per_map!r}.')
    if per_map and scale is not None:
        raise InputError(f"A mosaic has one scale, or per_map={per_map!r}, but not both.")
    tiles = _tiles(maps)
    columns = column_count(len(tiles), columns)
    room = cell_size([tile.shape for tile in tiles], columns, cell, labels is not None)
    if scale is None:
        everything = np.concatenate([tile.ravel() for tile in tiles])
        scale = range_of(everything) if per_map == "range" else scale_of(everything)
    table = color_table(scale, cmap)
    pictures = []
    for tile in tiles:
        if per_map == "range":
            own = range_of(tile)
        else:
            own = scale_of(tile, signed=scale.signed) if per_map else scale
        unit = resize_map(to_unit(tile, own), fit(tile.shape, room), "nearest")
        pictures.append(Image.fromarray(paint(unit, table)))
    picture = arrange(pictures, room, columns=columns, margin=margin, labels=labels)
    with_bar = bar and not per_map
    drawn = scale_bar(scale, picture.height, lambda unit: paint(unit, table)) if with_bar else None
    return framed(picture, bar=drawn, title=title)


def _tiles(maps: np.ndarray | Sequence[np.ndarray]) -> list[np.ndarray]:
    if isinstance(maps, Sequence):
        return [as_numbers(as_map(tile)) for tile in maps]
    maps = np.asarray(maps)
    if maps.ndim != 3 or not maps.size:
        raise InputError(
            f"Maps are an array (h, w, n) or a list of arrays (h, w), but got {maps.shape}."
        )
    return list(np.moveaxis(as_numbers(maps), -1, 0))
