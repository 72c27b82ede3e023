"""Paths of arrays in a store of attribution maps; ``docs/stores.md`` describes them."""

KIND = "attributions"
"""Kind of the store."""

RANKINGS = ("map", "random", "edges")
"""The orders in which pixels are deleted and inserted by a check."""

_OF_A_BASELINE = ("baseline_score", "completeness_gap")
DETAILS = dict.fromkeys(
    ("integrated_gradients", "expected_gradients", "guided_integrated_gradients"), _OF_A_BASELINE
)
"""Further fields of results, one number a map, that are kept, by method."""


def maps_of(method: str) -> str:
    """The group with the maps of a method."""
    return f"maps/{method}"


def checks_of(method: str) -> str:
    """The group with the checks of maps of a method."""
    return f"checks/{method}"
