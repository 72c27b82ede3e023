"""A Zarr 3 store, in a folder or in object storage, to which each work unit adds whole chunks.

Work units write disjoint chunks, and each chunk is written at once: a folder gets a new file that
is renamed, object storage a new object. So a chunk is whole or absent, whenever a process is
killed. A unit is done once its mark is written, after all its chunks.
"""

import importlib.util
import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from optogram.errors import InputError, OutputError
from optogram.files import kind_at
from optogram.version import __version__
from optogram.words import brief

if TYPE_CHECKING:
    import zarr

_OWN = "optogram"
"""Attribute of the root group that says what the store is."""
SCHEMA = 1
"""Version of the layout of arrays, which docs/stores.md describes."""

_MADE_BY = {"attributions": "explain", "evaluation": "evaluate"}
"""Commands that are not called as the kind of store that they make."""

_LEVEL = 3
"""Level of zstd: higher ones are slower and hardly smaller."""
_LONGEST = 200
_OLD = 3600.0
"""Seconds after which a temporary file belongs to a process that was killed."""

Index = int | slice | tuple[int | slice, ...]


def require_packages(place: str) -> None:
    """Raise an InputError if the packages for a store at ``place`` are missing."""
    if importlib.util.find_spec("zarr") is None:
        raise InputError('Stores need the package zarr: run pip install "optogram[survey]".')
    if is_remote(place) and importlib.util.find_spec("fsspec") is None:
        raise InputError(
            'Stores in object storage need the package fsspec: run pip install "optogram[survey]".'
        )


def is_remote(place: str) -> bool:
    """Whether ``place`` is a URL, such as ``s3://bucket/net.zarr``."""
    return "://" in place


class Store:
    """A Zarr group that optogram made.

    Attributes
    ----------
    place : str
        Path or URL.
    group : zarr.Group
        The root.
    """

    def __init__(self, place: str, group: "zarr.Group") -> None:
        self.place = place
        self.group = group
        # Opening an array asks object storage for its metadata.
        self._arrays: dict[str, Any] = {}
        self._begun = time.time()

    @classmethod
    def open(cls, place: str, kind: str) -> Self:
        """Open a store for reading.

        Raises
        ------
        InputError
            If there is none, or one of another kind.
        OutputError
            If the place cannot be reached.
        """
        store = cls.existing(place, kind)
        if store is None:
            raise InputError(
                f"There is no store at {place}: make one with optogram {_MADE_BY.get(kind, kind)}."
            )
        return store

    @classmethod
    def existing(cls, place: str, kind: str) -> Self | None:
        """As `open`; None if there is no store."""
        require_packages(place)
        with telling(place, "read"):
            group = _opened(place, is_read=True)
        if group is None:
            return None
        store = cls(place, group)
        store._require(kind)
        return store

    @classmethod
    def resumed(cls, place: str, kind: str, identity: Mapping[str, Any]) -> Self:
        """Open a store for writing, or make it.

        Parameters
        ----------
        place : str
            Path or URL.
        kind : str
            What the store holds, such as "survey".
        identity : mapping
            What its content depends on, as JSON: a later run must have the same.

        Raises
        ------
        InputError
            If the store holds something else, or was made with another ``identity``.
        OutputError
            If it cannot be written.
        """
        require_packages(place)
        _require_place(place)
        identity = json.loads(json.dumps(identity))
        with telling(place):
            group = _opened(place)
            if group is None:
                attributes = {_OWN: {"kind": kind, "schema": SCHEMA, "identity": identity}}
                group = _made(place, attributes)
        store = cls(place, group)
        store._require(kind)
        store._require_identity(identity)
        return store

    @classmethod
    def opened_to_write(cls, place: str, kind: str) -> Self:
        """Open a store that another process has made, for writing."""
        with telling(place):
            group = _opened(place)
        if group is None:
            raise OutputError(
                f"There is no store at {place} on this machine: workers need the same folder, or "
                "object storage."
            )
        store = cls(place, group)
        store._require(kind)
        return store

    @property
    def kind(self) -> str:
        """What it holds, such as "survey"."""
        return self._about["kind"]

    @property
    def identity(self) -> dict[str, Any]:
        """What the content depends on."""
        return self._about["identity"]

    def array(
        self,
        path: str,
        shape: Sequence[int],
        chunks: Sequence[int],
        dtype: Any,
        dimensions: Sequence[str],
        fill: Any = None,
        attributes: Mapping[str, Any] | None = None,
    ) -> None:
        """Make the array at ``path``; one that is there grows to ``shape``.

        ``dimensions`` are the names of its axes. ``fill`` is the value where no chunk is.
        """
        from zarr.codecs import ZstdCodec

        with telling(self.place):
            if self._has(path):
                found = self._found(path)
                if tuple(found.shape) != tuple(shape):
                    found.resize(tuple(shape))
                if attributes:
                    found.attrs.update(dict(attributes))
                return
            self._arrays[path] = self.group.create_array(
                path,
                shape=tuple(shape),
                chunks=tuple(max(1, side) for side in chunks),
                dtype=dtype,
                dimension_names=list(dimensions),
                fill_value="" if dtype is str else fill,
                # The checksum finds chunks that a disk or a copy has damaged.
                compressors=[ZstdCodec(level=_LEVEL, checksum=True)],
                attributes=dict(attributes or {}),
            )

    def write(self, path: str, index: Index, values: Any) -> None:
        """Write whole chunks of the array at ``path``."""
        with telling(self.place):
            self._found(path)[index] = values

    def read(self, path: str, index: Index = slice(None)) -> np.ndarray:
        """Read from the array at ``path``.

        Raises
        ------
        InputError
            If a chunk is damaged.
        """
        with telling(self.place, "read"):
            found = self._found(path)
            try:
                return np.asarray(found[index])
            # A damaged chunk fails in the decompressor, with any exception.
            except (RuntimeError, ValueError) as error:
                raise InputError(
                    f"{self.place} is damaged in {path}: delete {path}/ in it, and run the "
                    "command that made it again."
                ) from error

    def remove(self, path: str) -> None:
        """Remove the array or group at ``path``, if there is one."""
        with telling(self.place):
            if self._has(path):
                self._arrays.pop(path, None)
                del self.group[path]

    def forget_if_missing(self, marks: str, needed: Iterable[str]) -> None:
        """Remove marks whose units are to be done again, since arrays with their results are gone.

        A user deletes an array in which a chunk is damaged.
        """
        if self.holds(marks) and not all(self.holds(path) for path in needed):
            self.remove(marks)

    def holds(self, path: str) -> bool:
        """Whether there is an array or group at ``path``."""
        with telling(self.place, "read"):
            return self._has(path)

    def members(self, path: str) -> tuple[str, ...]:
        """The names of the arrays and groups in the group at ``path``, sorted; none if missing."""
        with telling(self.place, "read"):
            if path not in self.group:
                return ()
            return tuple(sorted(self._found(path).keys()))

    def attributes(self, path: str) -> dict[str, Any]:
        """The attributes of the array or group at ``path``."""
        with telling(self.place, "read"):
            return dict(self.group[path].attrs)

    def describe(self, path: str, attributes: Mapping[str, Any]) -> None:
        """Set attributes of the group at ``path``, which is made if missing."""
        with telling(self.place):
            self.group.require_group(path).attrs.update(json.loads(json.dumps(dict(attributes))))

    def finish(self) -> None:
        """Write the metadata of all arrays into one object, and remove remains of killed runs."""
        import warnings

        import zarr

        with telling(self.place), warnings.catch_warnings():
            # Consolidated metadata is an extension that Zarr 3 has not adopted yet.
            warnings.simplefilter("ignore")
            zarr.consolidate_metadata(self.group.store)
        if not is_remote(self.place):
            for left in Path(self.place).rglob("*.partial"):
                if left.stat().st_mtime < min(self._begun, time.time() - _OLD):
                    left.unlink(missing_ok=True)

    def _has(self, path: str) -> bool:
        return path in self._arrays or path in self.group

    def _found(self, path: str) -> Any:
        """The array or group at ``path``."""
        if path not in self._arrays:
            found = self.group[path]
            if not hasattr(found, "shape"):  # a group can get members
                return found
            self._arrays[path] = found
        return self._arrays[path]

    @property
    def _about(self) -> Any:
        """What optogram says about the store."""
        return self.group.attrs.get(_OWN)

    def _require(self, kind: str) -> None:
        about = self._about
        if not isinstance(about, Mapping):
            raise InputError(
                f"{self.place} is a Zarr store that optogram did not make: give another name."
            )
        if about.get("kind") != kind:
            raise InputError(
                f"{self.place} holds {about.get('kind')!r}, expected {kind!r}: give another name."
            )
        if about.get("schema") != SCHEMA:
            raise InputError(
                f"{self.place} has schema {about.get('schema')}, and optogram {__version__} reads "
                f"schema {SCHEMA}: use the version that made it, or give another name."
            )

    def _require_identity(self, identity: Mapping[str, Any]) -> None:
        kept = self.identity
        for name in (*identity, *kept):
            if identity.get(name) != kept.get(name):
                raise InputError(
                    f"{self.place} was made with other values of {name.replace('_', ' ')} "
                    f"({_in_words(kept.get(name))}, now {_in_words(identity.get(name))}): results "
                    "are never mixed. Give another name, or delete it to start over."
                )


@contextmanager
def telling(place: str, what: str = "written") -> Iterator[None]:
    """Turn errors of disks, networks and cloud libraries into one sentence.

    Raises
    ------
    OutputError
        If the store cannot be read or written.
    """
    try:
        yield
    except (InputError, OutputError):
        raise
    except ImportError as error:
        scheme = place.partition("://")[0]
        raise OutputError(
            f"{place} needs a package for {scheme}://: {brief(str(error), _LONGEST)}."
        ) from error
    except OSError as error:
        reason = error.strerror or str(error) or type(error).__name__
        raise OutputError(
            f"{place} cannot be {what}: {brief(reason, _LONGEST).rstrip('.')}. What was finished "
            "is kept: run the same command again."
        ) from error
    # Each cloud library has exceptions of its own: wrong credentials, no bucket, no connection.
    except Exception as error:
        if not is_remote(place):
            raise
        raise OutputError(
            f"{place} cannot be {what}: {brief(str(error), _LONGEST).rstrip('.')}. Check the "
            "address and the credentials, and run the same command again."
        ) from error


def _in_words(value: Any) -> str:
    """A part of an identity for a sentence."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else f"{text[:37]}…"


def _require_place(place: str) -> None:
    """Raise an OutputError if ``place`` holds something that optogram did not make."""
    if is_remote(place):
        return
    path = Path(place)
    kind = kind_at(path)
    if kind in ("file", "device"):
        raise OutputError(f"{place} is a {kind}: give the name of a folder such as net.zarr.")
    is_other = kind == "folder" and any(path.iterdir()) and kind_at(path / "zarr.json") != "file"
    if is_other:
        raise OutputError(
            f"{place} holds files that are no Zarr store: give the name of a new folder."
        )
    if kind == "nothing" and kind_at(path.parent) != "folder":
        raise OutputError(f"{place} cannot be written: {path.parent} is not a folder.")


def _opened(place: str, is_read: bool = False) -> "zarr.Group | None":
    """The group at ``place``; None if there is none."""
    import zarr

    try:
        return zarr.open_group(
            _zarr_store(place, is_read),
            mode="r" if is_read else "r+",
            zarr_format=3,
            use_consolidated=False,
        )
    except FileNotFoundError:
        return None


def _made(place: str, attributes: Mapping[str, Any]) -> "zarr.Group":
    import zarr

    return zarr.create_group(_zarr_store(place), zarr_format=3, attributes=dict(attributes))


def _zarr_store(place: str, is_read: bool = False) -> Any:
    from zarr.storage import FsspecStore, LocalStore

    if is_remote(place):
        return FsspecStore.from_url(place, read_only=is_read)
    return LocalStore(place, read_only=is_read)
