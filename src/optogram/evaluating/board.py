"""The figures of an evaluation as they are made: in memory, and in a Zarr store."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from optogram.errors import InputError
from optogram.jobs.photo_units import make_photos
from optogram.jobs.store import Store
from optogram.pictures.photo_set import PhotoSet

KIND = "evaluation"
"""Kind of the store."""
_ROWS, _COLUMNS, _PHOTOS = 64, 32, 256
"""Methods, measures and photos of a chunk."""


class Board:
    """What is known of each photo, row and measure: 16 bytes each.

    Parameters
    ----------
    photos : PhotoSet
        The photos.
    rows : mapping of str to mapping
        Methods and rivals, with what their maps depend on, as JSON.
    measures : sequence of str
        The measures.
    store : Store, optional
        Where figures are kept, and those of former runs are read.

    Attributes
    ----------
    values : ndarray of shape (photos, rows, measures)
        The figures; NaN where there are none. Rows and measures of former runs are among them.
    marks : uint64 ndarray of the same shape
        What each figure depends on, as a number; 0 where it is not known.
    errors, targets : object ndarray of shape (photos,)
        Why a photo cannot be read, or ""; what was explained.

    Raises
    ------
    InputError
        If the store has a row of this name that was made in another way.
    """

    def __init__(
        self,
        photos: PhotoSet,
        rows: Mapping[str, Mapping[str, Any]],
        measures: Sequence[str],
        store: Store | None,
    ) -> None:
        self._store, count = store, len(photos)
        kept_rows, kept_measures = _names(store, "method"), _names(store, "measure")
        self.rows = list(dict.fromkeys([*kept_rows, *rows]))
        self.measures = list(dict.fromkeys([*kept_measures, *measures]))
        shape = (count, len(self.rows), len(self.measures))
        self.values, self.marks = np.full(shape, np.nan), np.zeros(shape, np.uint64)
        self.errors, self.targets = np.full(count, "", object), np.full(count, "", object)
        self.coarse = np.full(len(self.rows), -1, np.int8)
        if store is not None:
            self._make(store, photos, rows)
            for name, array in self._arrays().items():
                array[...] = store.read(name)

    def place(self, row: str, measure: str) -> tuple[int, int]:
        """Where a row and a measure are."""
        return self.rows.index(row), self.measures.index(measure)

    def write(self, photo: int) -> None:
        """Keep what is known of a photo: the figures first, then the marks."""
        if self._store is None:
            return
        part = slice(photo, photo + 1)
        for name, array in self._arrays().items():
            if name != "coarse":
                self._store.write(name, part, array[part])
        self._store.write("coarse", slice(None), self.coarse)

    def finish(self) -> None:
        """Write the metadata of the store into one object."""
        if self._store is not None:
            self._store.finish()

    def _arrays(self) -> dict[str, np.ndarray]:
        """The arrays by path; marks are the last."""
        return {
            "coarse": self.coarse,
            "photos/error": self.errors,
            "photos/target": self.targets,
            "values": self.values,
            "done": self.marks,
        }

    def _make(self, store: Store, photos: PhotoSet, rows: Mapping[str, Mapping[str, Any]]) -> None:
        for name, described in rows.items():
            _require_same(store, name, described)
        make_photos(store, photos, _PHOTOS)
        count = len(photos)
        store.array("photos/target", (count,), (_PHOTOS,), str, ("photo",))
        axes, chunks = ("photo", "method", "measure"), (1, _ROWS, _COLUMNS)
        store.forget_if_missing("done", ("values",))
        store.array("values", self.values.shape, chunks, np.float64, axes, np.nan)
        store.array("done", self.marks.shape, chunks, np.uint64, axes, 0)
        rows_made = len(self.rows)
        store.array("coarse", (rows_made,), (_ROWS,), np.int8, ("method",), -1)
        for name, words in (("method", self.rows), ("measure", self.measures)):
            store.array(name, (len(words),), (_ROWS,), str, (name,))
            store.write(name, slice(None), np.array(words, object))
        for name, described in rows.items():
            store.describe(f"methods/{name}", described)


def _names(store: Store | None, path: str) -> list[str]:
    """The names in an array of a store, if it has any."""
    if store is None or not store.holds(path):
        return []
    return [str(name) for name in store.read(path)]


def _require_same(store: Store, name: str, described: Mapping[str, Any]) -> None:
    if not store.holds(f"methods/{name}"):
        return
    kept = store.attributes(f"methods/{name}")
    for key, value in described.items():
        if kept.get(key) != value:
            old, new = kept.get(key), value
            if isinstance(old, Mapping) and isinstance(new, Mapping):
                key = next(one for one in (*new, *old) if new.get(one) != old.get(one))
                old, new = old.get(key), new.get(key)
            raise InputError(
                f"{name} in {store.place} was evaluated with another {key} ({old}, now {new}): "
                "results are never mixed. Give another name."
            )
