"""A single map with its scale bar."""

import numpy as np
from PIL import Image

from optogram.arguments import checked
from optogram.render.colors import ColorMap, color_table, paint
from optogram.render.display import Scale, scale_of, to_unit
from optogram.render.frame import framed, scale_bar
from optogram.render.resample import Interpolation, as_map, legible, resize_map


@checked
def heatmap(
    values: np.ndarray,
    *,
    size: tuple[int, int] | None = None,
    scale: Scale | None = None,
    cmap: ColorMap | None = None,
    bar: bool = True,
    unit: str | None = None,
    interpolation: Interpolation = "bicubic",
    title: str | None = None,
) -> Image.Image:
    """Draw a map in colors.

    Parameters
    ----------
    values : array (h, w)
        Integers, booleans or floats; gray if not finite.
    size : (int, int), optional
        Height and width of the map in the picture, in pixels. Default: its own size, times a whole
        number that makes it at least 224 pixels high.
    scale : Scale, optional
        Values at the ends of the bar. Default: `scale_of` the values.
    cmap : str, sequence of str, array or callable, optional
        Colormap; see `colorize`.
    bar : bool, default True
        Whether to draw the scale bar at the right.
    unit : str, optional
        Unit of the values, written along the bar.
    interpolation : "bicubic", "bilinear" or "nearest"
        Smooth, with each cell's own value at its center; straight lines between centers; or each
        cell as a block of one color.
    title : str, optional
        Title above the map.

    Returns
    -------
    PIL.Image.Image
        RGB; exactly ``size`` if there is no bar and no title.

    Raises
    ------
    InputError
        If the map, the size, the colormap or the interpolation is invalid.
    """
    values = as_map(values)
    scale = scale_of(values) if scale is None else scale
    size = legible(values.shape) if size is None else size
    table = color_table(scale, cmap)
    places = resize_map(to_unit(values, scale), size, interpolation)
    picture = Image.fromarray(paint(places, table))
    drawn = None
    if bar:
        drawn = scale_bar(scale, picture.size[::-1], lambda places: paint(places, table), unit)
    return framed(picture, bar=drawn, title=title)
