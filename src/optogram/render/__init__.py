"""Arrays to pixels: the only room that makes colors or writes images."""

from optogram.render.atlas import atlas, marked
from optogram.render.canvas import require_room
from optogram.render.chart import bars, bars_on, chart, chart_on, picture_on
from optogram.render.colors import DIVERGING, GRAY, OPENCV_JET, SEQUENTIAL, ColorMap, colorize
from optogram.render.components import blocks, component_colors
from optogram.render.display import Scale, range_of, scale_of, standardized, to_picture, to_unit
from optogram.render.encode import data_uri, layer_uri, to_bytes, write, write_gif
from optogram.render.grid import grid
from optogram.render.heatmap import heatmap
from optogram.render.mosaic import mosaic
from optogram.render.numbers import boxed, note, numbered
from optogram.render.overlay import OverlayStyle, layer, overlay, through_mask
from optogram.render.parts import part_colors, parts
from optogram.render.resample import Photo, as_image, legible, map_on, resized, visible
from optogram.render.sheet import sheet
from optogram.render.table import heat_table
from optogram.render.text import compact, label, text_size

__all__ = [
    "DIVERGING",
    "GRAY",
    "OPENCV_JET",
    "SEQUENTIAL",
    "ColorMap",
    "OverlayStyle",
    "Photo",
    "Scale",
    "as_image",
    "atlas",
    "bars",
    "bars_on",
    "blocks",
    "boxed",
    "chart",
    "chart_on",
    "colorize",
    "compact",
    "component_colors",
    "data_uri",
    "grid",
    "heat_table",
    "heatmap",
    "label",
    "layer",
    "layer_uri",
    "legible",
    "map_on",
    "marked",
    "mosaic",
    "note",
    "numbered",
    "overlay",
    "part_colors",
    "parts",
    "picture_on",
    "range_of",
    "require_room",
    "resized",
    "scale_of",
    "sheet",
    "standardized",
    "text_size",
    "through_mask",
    "to_bytes",
    "to_picture",
    "to_unit",
    "visible",
    "write",
    "write_gif",
]
