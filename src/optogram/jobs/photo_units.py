"""What stores of photos and work units over photos have in common."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from optogram.errors import InputError
from optogram.jobs.store import Store
from optogram.pictures.photo_set import PhotoSet
from optogram.words import counted

_NAMES = 65536
"""Names of a chunk."""


def in_order_of(store: Store, photos: PhotoSet) -> PhotoSet:
    """The photos in the order of the store, followed by new ones.

    Raises
    ------
    InputError
        If photos of the store are missing.
    """
    if not store.holds("photos/name"):
        return photos
    places = {name: i for i, name in enumerate(photos.names)}
    known = [str(name) for name in store.read("photos/name")]
    missing = [name for name in known if name not in places]
    if missing:
        raise InputError(
            f"{counted(len(missing), 'photo')} of {store.place} cannot be found, such as "
            f"{missing[0]}: give the same photos, with others added if you like, or another name."
        )
    old = set(known)
    order = [places[name] for name in known]
    order += [i for i, name in enumerate(photos.names) if name not in old]
    return photos.part(order)


def make_photos(store: Store, photos: PhotoSet, block: int) -> None:
    """Make the arrays about each photo, which units of ``block`` photos fill, and write names."""
    count, labels = len(photos), photos.labels
    store.describe("photos", {"origin": photos.origin})
    store.array("photos/name", (count,), (_NAMES,), str, ("photo",))
    store.write("photos/name", slice(None), np.array(photos.names, object))
    if labels is not None:
        store.array("photos/label", (count,), (_NAMES,), str, ("photo",))
        store.write("photos/label", slice(None), np.array(labels, object))
    store.array("photos/error", (count,), (block,), str, ("photo",))
    store.array("photos/class", (count,), (block,), np.int32, ("photo",), -1)


def names_in(store: Store) -> tuple[str, ...]:
    """The names of the photos of a store."""
    if not store.holds("photos/name"):
        return ()
    return tuple(map(str, store.read("photos/name")))


def origin_in(store: Store) -> str:
    """Folder or file that the names of photos belong to; "" if they came from a list."""
    return str(store.attributes("photos").get("origin", "")) if store.holds("photos") else ""


def unread_in(store: Store, names: Sequence[str]) -> dict[str, str]:
    """The photos of a store, called ``names``, that could not be read, with the reasons."""
    if not names:
        return {}
    pairs = zip(names, store.read("photos/error"), strict=True)
    return {name: str(error) for name, error in pairs if error}


def told_of(photos: PhotoSet) -> Any:
    """The photos by name and content, as JSON."""
    return [[photos.names[i], photos.mark(i)] for i in range(len(photos))]
