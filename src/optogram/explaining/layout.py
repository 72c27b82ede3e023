"""The arrays of a store of attribution maps: their axes and chunks.

``docs/stores.md`` describes them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from optogram.errors import InputError
from optogram.explaining.checks import TOGETHER
from optogram.explaining.paths import DETAILS, RANKINGS, checks_of, maps_of
from optogram.jobs.store import Store
from optogram.jobs.work import marks_in
from optogram.methods.sanity.scrambling import stage_labels

_AXES = ("photo", "y", "x", "channel")


def write_classes(store: Store, names: Sequence[str]) -> None:
    """Write the name of each class."""
    count = len(names)
    store.array("classes/name", (count,), (max(1, count),), str, ("class",))
    store.write("classes/name", slice(None), np.array(names, object))


def make_maps(
    store: Store,
    method: str,
    described: Mapping[str, Any],
    photos: int,
    block: int,
    shape: tuple[int, ...],
) -> None:
    """Make the arrays with the maps of a method, of ``shape`` each.

    Raises
    ------
    InputError
        If the store has maps of the method that were made in another way.
    """
    group = maps_of(method)
    names = ("score", "probability", "minimum", "maximum", *DETAILS.get(method, ()))
    _begin(store, group, described, ("values", "target", *names))
    axes = _AXES[: 1 + len(shape)]
    store.array(f"{group}/values", (photos, *shape), (block, *shape), np.float32, axes, np.nan)
    for name in names:
        store.array(f"{group}/{name}", (photos,), (block,), np.float32, ("photo",), np.nan)
    store.array(f"{group}/target", (photos,), (block,), np.int32, ("photo",), -1)
    store.array(f"{group}/done", (-(-photos // block),), (1,), np.uint64, ("block",), 0)


def make_checks(
    store: Store, method: str, described: Mapping[str, Any], photos: Sequence[int]
) -> None:
    """Make the arrays with the checks of maps of a method, for the numbers of some ``photos``.

    Raises
    ------
    InputError
        If the store has checks that were made in another way.
    """
    group, count = checks_of(method), len(photos)
    kinds: tuple[tuple[str, tuple[int, ...], tuple[str, ...]], ...] = (
        ("deletion_area", (len(RANKINGS),), ("sample", "ranking")),
        ("insertion_area", (len(RANKINGS),), ("sample", "ranking")),
        ("similarity", (len(stage_labels()),), ("sample", "stage")),
        ("edge_similarity", (), ("sample",)),
    )
    _begin(store, group, described, ("passed", "sentence", *(name for name, _, _ in kinds)))
    store.array(f"{group}/photo", (count,), (TOGETHER,), np.int64, ("sample",), -1)
    store.write(f"{group}/photo", slice(None), np.array(photos, np.int64))
    for name, shape, axes in kinds:
        chunks = (TOGETHER, *shape)
        store.array(f"{group}/{name}", (count, *shape), chunks, np.float32, axes, np.nan)
    store.array(f"{group}/passed", (count,), (TOGETHER,), bool, ("sample",), False)
    store.array(f"{group}/sentence", (count,), (TOGETHER,), str, ("sample",))
    for name, words in (("ranking", RANKINGS), ("stage", stage_labels())):
        store.array(f"{group}/{name}", (len(words),), (len(words),), str, (name,))
        store.write(f"{group}/{name}", slice(None), np.array(words, object))
    store.array(f"{group}/done", (-(-count // TOGETHER),), (1,), np.uint64, ("group",), 0)


def sample_in(store: Store | None, method: str) -> list[int]:
    """The numbers of the photos whose maps of a method are checked in a store."""
    path = f"{checks_of(method)}/photo"
    if store is None or not store.holds(path):
        return []
    return [int(number) for number in store.read(path)]


def forget_if_damaged(store: Store) -> None:
    """Have all maps made again if arrays about the photos were deleted."""
    if not (store.holds("photos/error") and store.holds("photos/class")):
        for method in store.members("maps"):
            store.remove(f"{maps_of(method)}/done")


def _begin(store: Store, group: str, described: Mapping[str, Any], needed: Sequence[str]) -> None:
    """Describe a group; one in which nothing is done, and that is described otherwise, is redone.

    All is computed again if arrays that are ``needed`` were deleted, since they were damaged.

    Raises
    ------
    InputError
        If something is done there that was made in another way.
    """
    if store.holds(group):
        kept = store.attributes(group)
        other = [name for name, value in described.items() if kept.get(name) != value]
        if other and marks_in(store, f"{group}/done").any():
            raise InputError(
                f"{group} in {store.place} was made with another {_what(other[0], kept, described)}"
                ": results are never mixed. Give another name."
            )
        if not other:
            if not set(needed) <= set(store.members(group)):
                store.remove(f"{group}/done")
            return
        store.remove(group)
    store.describe(group, described)


def _what(name: str, kept: Mapping[str, Any], described: Mapping[str, Any]) -> str:
    """What differs, with both values: the first parameter that does, for parameters."""
    old, new = kept.get(name), described[name]
    if name == "parameters" and isinstance(old, Mapping):
        name = next(key for key in (*new, *old) if new.get(key) != old.get(key))
        old, new = old.get(name), new.get(name)
    if name == "scored":
        return "target"
    return f"{name} ({old}, now {new})"
