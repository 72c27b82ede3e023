"""Paths of arrays in a store of attribution maps; ``docs/stores.md`` describes them."""

KIND = "attributions"
"""Kind of the store."""

RANKINGS = ("map", "random", "edges")
"""The orders in which pixels are deleted and inserted by a check."""

DETAILS = {"integrated_gradients": ("baseline_score", "completeness_gap")}
"""Further fields of results, one number a map, that are kept, by method."""


def maps_of(method: str) -> str:
    """The group with the maps of a method."""
    return f"maps/{method}"


def checks_of(method: str) -> str:
    """The group with the checks of maps of a method."""
    return f"checks/{method}"
