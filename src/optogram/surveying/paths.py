"""Paths of arrays in the store of a survey."""

from urllib.parse import quote

COLUMNS = (
    "mean",
    "active",
    "fires",
    "quantiles",
    "strongest_activation",
    "strongest_photo",
    "strongest_position",
    "strongest_window",
    "served_class",
    "served_contribution",
    "nearest_unit",
    "nearest_correlation",
)
"""Columns of the table of units."""

ROUNDING_ERROR = "layers/rounding_error"
"""The column of the table of layers with the error of reduced precision."""

KIND = "survey"
"""Kind of the store."""


def part_of_path(layer: str) -> str:
    """The name of a layer as one part of a path."""
    return quote(layer, safe="")


def patterns_of(layer: str) -> str:
    """The group with the patterns of a layer."""
    return f"patterns/{part_of_path(layer)}"


def kernels_of(layer: str) -> str:
    """The array with the kernels of a layer."""
    return f"kernels/{part_of_path(layer)}"
