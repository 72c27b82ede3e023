"""Photos in a column of Parquet files, as bytes of picture files."""

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from optogram.errors import InputError, PhotoError, nearest
from optogram.files import kind_at, reading
from optogram.pictures.arrays import reason
from optogram.pictures.photo_arrays import Numbered, PartOfPhotos, chosen

if TYPE_CHECKING:
    import pyarrow
    from pyarrow.parquet import ParquetFile

_NAMES = ("name", "path", "file", "filename", "file_name", "image_path", "__key__")
"""Columns that are taken for the names of photos."""
_LABEL = "label"

_BATCH_BYTES = 16 << 20
"""Bytes of photos that are read together, about."""
_BATCHES = 3
"""Batches that are kept: threads that read one photo after the other may be in two."""


@dataclass(frozen=True, eq=False)
class ParquetPhotos:
    """The photos of Parquet files.

    A photo is read with its neighbors, of which a few MB are kept: read photos in their order.

    Attributes
    ----------
    files : tuple of str
        The Parquet files.
    column : str
        The column of their bytes: "image", or "image.bytes" within a struct.
    names : sequence of str
        The texts in a column of names, if each is there and unique; else "train.parquet#12", the
        file and the row.
    labels : list of str or None
        The column "label", if each photo has one.
    """

    files: tuple[str, ...]
    column: str
    names: Sequence[str]
    labels: list[str] | None
    _marks: tuple[str, ...]
    _file: np.ndarray = field(repr=False)
    _group: np.ndarray = field(repr=False)
    _first: np.ndarray = field(repr=False)
    """Of each row group: the file, its number in it, and the number of its first photo."""
    _reader: "_Reader" = field(default_factory=lambda: _Reader(), repr=False)

    @classmethod
    def of(cls, files: Sequence[str], column: str | None = None) -> "ParquetPhotos":
        """The photos of Parquet files, in the order of the files, then of the rows.

        ``column`` names the column of photos; None: it is found.

        Raises
        ------
        InputError
            If pyarrow is missing, a file is missing or damaged, or has no such column, or there are
            no rows.
        """
        names: list[str | None] = []
        labels: list[str] | None = []
        numbered: list[str] = []
        groups: list[tuple[int, int, int]] = []
        leaf = ""
        count = 0
        for number, path in enumerate(files):
            with _open(path) as file:
                leaf = _leaf(file.schema_arrow, column or leaf.removesuffix(".bytes"), path)
                for group in range(file.metadata.num_row_groups):
                    groups.append((number, group, count))
                    count += file.metadata.row_group(group).num_rows
                rows = file.metadata.num_rows
                names += _names(file, leaf, rows)
                numbered += [f"{Path(path).name}#{row}" for row in range(rows)]
                found = _labels(file)
                labels = labels + found if labels is not None and found is not None else None
        if not count:
            which = repr(files[0]) if len(files) == 1 else f"{len(files)} Parquet files"
            raise InputError(f"{which} has no rows: expected one for each photo.")
        known = [name for name in names if name]
        if len(set(known)) == count:
            numbered = known
        elif len(set(numbered)) < count:
            numbered = [f"photo {i}" for i in range(count)]
        table = np.array(groups, np.int64).reshape(-1, 3)
        marks = tuple(str(Path(path).stat().st_size) for path in files)
        return cls(tuple(files), leaf, numbered, labels, marks, *table.T)

    def part(self, numbers: Sequence[int]) -> PartOfPhotos:
        """Some of the photos; the names of the others are left out."""
        rows = tuple(numbers)
        labels = None if self.labels is None else chosen(self.labels, rows)
        whole = replace(self, names=Numbered("row ", len(self.names)), labels=None)
        return PartOfPhotos(whole, rows, chosen(self.names, rows), labels)

    def source(self, index: int) -> bytes:
        """The bytes of a picture file."""
        place = int(np.searchsorted(self._first, index, "right")) - 1
        # Row groups without rows begin with the photo that the next one begins with.
        row, group = index - int(self._first[place]), int(self._group[place])
        number = int(self._file[place])
        path = self.files[number]
        try:
            size = str(Path(path).stat().st_size)
        except OSError as error:
            raise PhotoError(
                f"{path!r} cannot be read any more ({reason(error)}): put it back."
            ) from error
        if size != self._marks[number]:
            raise PhotoError(f"{path!r} has changed since it was opened: begin again.")
        try:
            found = self._reader.read(path, group, self.column, row)
        except InputError as error:
            raise PhotoError(str(error)) from error
        if not found:
            raise PhotoError(
                f"{self.names[index]!r}, a row of {path!r}, has no bytes of a picture in "
                f"{self.column!r}: embed the pictures when you write the file."
            )
        return found

    def mark(self, index: int) -> str:
        """The size of the Parquet file in bytes: a file that was written again is another."""
        place = int(np.searchsorted(self._first, index, "right")) - 1
        return self._marks[int(self._file[place])]


class _Reader:
    """Reads rows of one column, each with those after it; pickle leaves out what it keeps."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[tuple[str, int, int], list[bytes | None]] = {}
        """Rows by file, row group and number of their first row in it."""
        self._at: tuple[str, int, int] | None = None
        """Where `_rows` goes on."""
        self._rows: Iterator[list[bytes | None]] = iter(())

    def __reduce__(self) -> tuple[Any, ...]:
        """For pickle: nothing."""
        return type(self), ()

    def read(self, path: str, group: int, column: str, row: int) -> bytes | None:
        """The bytes in a row of a row group."""
        with self._lock:
            for (kept_path, kept_group, first), rows in self._kept.items():
                is_there = (kept_path, kept_group) == (path, group)
                if is_there and first <= row < first + len(rows):
                    return rows[row - first]
            if self._at is None or self._at[:2] != (path, group) or self._at[2] > row:
                self._rows, self._at = _batches(path, group, column), (path, group, 0)
            while True:
                at = self._at
                try:
                    rows = next(self._rows)
                except StopIteration:
                    self._at = None
                    raise InputError(
                        f"{path!r} has fewer rows than it says: write it again."
                    ) from None
                except BaseException:
                    self._at = None
                    raise
                self._at = (path, group, at[2] + len(rows))
                if row < self._at[2]:
                    self._kept[at] = rows
                    while len(self._kept) > _BATCHES:
                        del self._kept[next(iter(self._kept))]
                    return rows[row - at[2]]


def _batches(path: str, group: int, column: str) -> Iterator[list[bytes | None]]:
    """The rows of a row group, some at a time."""
    with _open(path) as file:
        about = file.metadata.row_group(group)
        size = next(
            about.column(i).total_uncompressed_size
            for i in range(about.num_columns)
            if about.column(i).path_in_schema == column
        )
        length = max(1, min(about.num_rows, _BATCH_BYTES * about.num_rows // max(1, size)))
        for batch in file.iter_batches(
            length, row_groups=[group], columns=[column], use_threads=False
        ):
            rows = batch.column(0)
            yield (rows.field("bytes") if column.endswith(".bytes") else rows).to_pylist()


@contextmanager
def _open(path: str) -> Iterator["ParquetFile"]:
    """A Parquet file, whose errors become one sentence."""
    try:
        import pyarrow
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise InputError(
            'Parquet files need pyarrow: run pip install "optogram[parquet]".'
        ) from error
    if kind_at(Path(path)) != "file":
        raise InputError(f"{path!r} is not a file: check the path.")
    reading(Path(path))
    try:
        # Without these, a row group is read whole.
        with ParquetFile(path, pre_buffer=False, buffer_size=1 << 20) as file:
            yield file
    except (pyarrow.ArrowException, OSError) as error:
        raise InputError(
            f"{path!r} is no Parquet file, or is damaged or cut short ({_first_line(error)}): copy "
            "or write it again."
        ) from error


def _leaf(schema: "pyarrow.Schema", column: str, path: str) -> str:
    """The path of the column of bytes in the schema; ``column`` names it, "" finds it."""
    import pyarrow

    def is_binary(kind: "pyarrow.DataType") -> bool:
        return pyarrow.types.is_binary(kind) or pyarrow.types.is_large_binary(kind)

    found = {}
    for item in schema:
        if is_binary(item.type):
            found[item.name] = item.name
        elif pyarrow.types.is_struct(item.type):
            index = item.type.get_field_index("bytes")
            if index >= 0 and is_binary(item.type.field(index).type):
                found[item.name] = f"{item.name}.bytes"
    if column in found:
        return found[column]
    all_names = ", ".join(map(repr, schema.names))
    if column:
        hint = nearest(column, found) or (
            f"those are {', '.join(map(repr, found))}" if found else f"its columns are {all_names}"
        )
        raise InputError(f"{path!r} has no column {column!r} with the bytes of pictures: {hint}.")
    if not found:
        raise InputError(
            f"{path!r} has no column with the bytes of picture files, its columns are {all_names}: "
            "write the pictures as bytes, or as {bytes, path} as Hugging Face datasets do."
        )
    if len(found) > 1:
        raise InputError(
            f"{path!r} has several columns with bytes, {', '.join(map(repr, found))}: name one, "
            f"{path}::{next(iter(found))}."
        )
    return next(iter(found.values()))


def _names(file: "ParquetFile", leaf: str, rows: int) -> list[str | None]:
    """The texts in the column of names, or beside the bytes; None where there are none."""
    import pyarrow

    schema = file.schema_arrow
    if leaf.endswith(".bytes") and leaf not in schema.names:
        struct = leaf.removesuffix(".bytes")
        kind = schema.field(struct).type
        index = kind.get_field_index("path")
        if index >= 0 and pyarrow.types.is_string(kind.field(index).type):
            column = file.read([f"{struct}.path"], use_threads=False).column(0)
            paths = [part for chunk in column.chunks for part in chunk.field("path").to_pylist()]
            if all(paths):
                return paths
    for name in _NAMES:
        if name in schema.names and pyarrow.types.is_string(schema.field(name).type):
            return file.read([name], use_threads=False).column(0).to_pylist()
    return [None] * rows


def _labels(file: "ParquetFile") -> list[str] | None:
    """The labels as texts; those that Hugging Face's metadata names by their names."""
    import pyarrow

    schema = file.schema_arrow
    if _LABEL not in schema.names:
        return None
    kind = schema.field(_LABEL).type
    is_number = pyarrow.types.is_integer(kind)
    if not is_number and not pyarrow.types.is_string(kind):
        return None
    values = file.read([_LABEL], use_threads=False).column(0).to_pylist()
    if None in values:
        return None
    classes = _classes(schema) if is_number else []
    texts = {
        value: classes[value] if is_number and 0 <= value < len(classes) else str(value)
        for value in set(values)
    }
    return [texts[value] for value in values]


def _classes(schema: "pyarrow.Schema") -> list[str]:
    """Names of the classes in the metadata of a Hugging Face dataset."""
    try:
        about = json.loads((schema.metadata or {})[b"huggingface"])
        return list(map(str, about["info"]["features"][_LABEL]["names"]))
    # Metadata may be anything.
    except (KeyError, TypeError, ValueError):
        return []


def _first_line(error: BaseException) -> str:
    lines = reason(error).splitlines()
    return lines[0][:200] if lines else type(error).__name__
