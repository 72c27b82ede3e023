"""A finite set of photos that processes read by number: from a folder, array, tar or Parquet."""

import glob
import itertools
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from optogram.errors import InputError
from optogram.files import kind_at
from optogram.pictures.parquet import ParquetPhotos
from optogram.pictures.photo_arrays import ArrayFilePhotos, ArrayPhotos
from optogram.pictures.photo_files import FolderPhotos, ListedPhotos
from optogram.pictures.read import NamedBytes
from optogram.pictures.tar_shards import COMPRESSED, TarPhotos

_PARQUET = (".parquet", ".pq")
_ARRAYS = (".npy", ".npz")
_COLUMN = "::"

# {000..012}, as WebDataset writes it, or {train,val}
_BRACES = re.compile(r"\{(?:(?P<first>\d+)\.\.(?P<last>\d+)|(?P<words>[^{}]*,[^{}]*))\}")
_MOST_FILES = 1_000_000


class _Photos(Protocol):
    """What each kind of photos knows."""

    @property
    def names(self) -> Sequence[str]: ...

    @property
    def labels(self) -> Sequence[str] | None: ...

    def source(self, index: int) -> Any: ...

    def mark(self, index: int) -> str: ...

    def part(self, numbers: Sequence[int]) -> "_Photos": ...


@dataclass(frozen=True, eq=False)
class PhotoSet:
    """A finite set of photos, read by number.

    Names and places are kept, pictures are not, unless they were given in memory. It can be
    pickled, and read from several threads at once.

    Attributes
    ----------
    origin : str
        Where the photos are: absolute path of the folder, file or pattern; "" for a list.
    """

    origin: str
    _photos: _Photos

    @classmethod
    def of(cls, photos: Any) -> "PhotoSet":
        """The photos of a folder, a list, an array, tar files or Parquet files.

        Parameters
        ----------
        photos
            - The path of a folder: the images in it and its subfolders, sorted by name, without
              those that optogram made; if there are none, its ``.tar`` files, or its ``.parquet``
              files.
            - A list of what `Network.prepare` takes.
            - A uint8 array (N, H, W) or (N, H, W, C), or the path of an ``.npy`` file, which is
              read photo by photo, or of an ``.npz`` file with one such array.
            - The path of a ``.tar`` file in WebDataset's layout, a pattern such as
              ``shard-{000..012}.tar`` or ``*.tar``, or a list of these files. Compressed files are
              refused.
            - The path of a ``.parquet`` file, or a pattern, whose column of photos has bytes of
              picture files, or structs {bytes, path}. ``data.parquet::column`` names the column.
              Needs pyarrow.
            - A `PhotoSet`.

        Raises
        ------
        InputError
            If there are no photos there, a file is damaged, or two photos have one name.
        """
        if isinstance(photos, PhotoSet):
            return photos
        if isinstance(photos, str | os.PathLike):
            path = os.fsdecode(photos)
            return cls(_absolute(path), _at(path))
        if isinstance(photos, np.ndarray) and photos.dtype == np.uint8 and photos.ndim in (3, 4):
            return cls("", ArrayPhotos.of(photos))
        is_many = isinstance(photos, Sequence | np.ndarray) and getattr(photos, "ndim", 1) != 0
        if not is_many or isinstance(photos, bytes | bytearray | memoryview) or not len(photos):
            raise InputError("Expected a folder or a list of photos, with at least one in it.")
        if all(_ends(photo, ".tar") for photo in photos):
            return cls("", TarPhotos.of([os.fsdecode(photo) for photo in photos]))
        if all(_ends(photo, *_PARQUET) for photo in photos):
            return cls("", ParquetPhotos.of([os.fsdecode(photo) for photo in photos]))
        return cls("", ListedPhotos.of(photos))

    def __len__(self) -> int:
        return len(self._photos.names)

    def __repr__(self) -> str:
        """One line: how many photos, and from where."""
        return f"<PhotoSet of {len(self)} photos{f' in {self.origin!r}' if self.origin else ''}>"

    @property
    def names(self) -> Sequence[str]:
        """A unique name for each photo, relative to ``origin``."""
        return self._photos.names

    @property
    def labels(self) -> Sequence[str] | None:
        """The class of each photo, if all have one; else None.

        Of a folder, the subfolder that the photo is in; of tar files, the content of the member
        with the ending ``.cls``; of Parquet files, the column ``label``.
        """
        return self._photos.labels

    def source(self, index: int) -> Any:
        """A photo, as `Network.prepare` takes it in a list: path, bytes, array or image.

        Parameters
        ----------
        index : int
            Its number, from 0.

        Raises
        ------
        PhotoError
            If the file that it is in cannot be read any more.
        """
        index = range(len(self))[index]
        found = self._photos.source(index)
        is_in_file = isinstance(found, bytes) and not isinstance(self._photos, ListedPhotos)
        return NamedBytes.of(found, self.names[index]) if is_in_file else found

    def mark(self, index: int) -> str:
        """A text that changes if the photo is replaced, and costs little to find; "" if missing.

        The size of a picture file or of a member of a tar file, or of the whole Parquet file, in
        bytes; a digest of an array.
        """
        return self._photos.mark(range(len(self))[index])

    def part(self, numbers: Sequence[int]) -> "PhotoSet":
        """Some of the photos, in the order of ``numbers``; pickling it leaves out the others."""
        return PhotoSet(self.origin, self._photos.part(numbers))

    @property
    def paths(self) -> Sequence[str] | None:
        """The paths of the photos of a folder; None for other photos."""
        photos = self._photos
        if not isinstance(photos, FolderPhotos):
            return None
        return [str(photos.source(i)) for i in range(len(self))]

    @property
    def left_out(self) -> int:
        """Number of pictures of a folder that optogram made, which are no photos."""
        return self._photos.left_out if isinstance(self._photos, FolderPhotos) else 0

    @property
    def sources(self) -> Sequence[Any]:
        """The photos as a sequence, each read when it is asked for; see `source`."""
        return _Sources(self)


@dataclass(frozen=True, eq=False)
class _Sources(Sequence[Any]):
    photos: PhotoSet

    def __len__(self) -> int:
        return len(self.photos)

    def __getitem__(self, index: Any) -> Any:
        """A photo, or a list of photos."""
        if isinstance(index, slice):
            return [self.photos.source(i) for i in range(len(self))[index]]
        return self.photos.source(index)


def _at(path: str) -> _Photos:
    """The photos at a path or pattern."""
    if kind_at(Path(path)) == "folder":
        return _in_folder(path)
    if kind_at(Path(path)) == "nothing" and _COLUMN in path:
        place, _, column = path.rpartition(_COLUMN)
        files = _files_of(place, _PARQUET)
        if not files:
            raise InputError(f"{place!r} has no Parquet files, whose column {column!r} is given.")
        return ParquetPhotos.of(files, column)
    ending = path.lower()
    if ending.endswith(_ARRAYS):
        return ArrayFilePhotos.of(path)
    if ending.endswith((".tar", *COMPRESSED)):
        return TarPhotos.of(_required(path))
    if ending.endswith(_PARQUET):
        return ParquetPhotos.of(_required(path))
    raise InputError(
        f"{path!r} is not a folder: give the path of a folder with images, of a .npy, .tar or "
        ".parquet file, or a list of photos."
    )


def _in_folder(path: str) -> _Photos:
    """The images of a folder; if there are none, its tar or Parquet files."""
    try:
        return FolderPhotos.of(path)
    except InputError:
        tars, tables = _files_of(path, (".tar",)), _files_of(path, _PARQUET)
        if tars and tables:
            raise InputError(
                f"{path!r} has .tar files and .parquet files: give one kind, as {path}/*.tar."
            ) from None
        if tars:
            return TarPhotos.of(tars)
        if tables:
            return ParquetPhotos.of(tables)
        if packed := _files_of(path, COMPRESSED):
            return TarPhotos.of(packed)  # says why not
        raise


def _required(pattern: str) -> list[str]:
    """The files that a pattern stands for, at least one."""
    files = _expanded(pattern)
    if not files:
        raise InputError(f"No file matches {pattern!r}: check the path.")
    return files


def _files_of(place: str, endings: tuple[str, ...]) -> list[str]:
    """The files with one of the endings in a folder and its subfolders, or those of a pattern."""
    if kind_at(Path(place)) != "folder":
        return [file for file in _expanded(place) if file.lower().endswith(endings)]
    found = (file for file in Path(place).rglob("*") if file.name.lower().endswith(endings))
    return [str(file) for file in sorted(found) if kind_at(file) == "file"]


def _expanded(pattern: str) -> list[str]:
    """The paths of a pattern with braces, or with ``*`` and ``?``; a path that exists is itself."""
    if kind_at(Path(pattern)) != "nothing":
        return [pattern]
    paths = list(itertools.islice(_alternatives(pattern), _MOST_FILES))
    if any(glob.has_magic(path) for path in paths):
        return sorted(file for path in paths for file in glob.glob(path))  # noqa: PTH207
    return paths


def _alternatives(pattern: str) -> Iterator[str]:
    found = _BRACES.search(pattern)
    if found is None:
        yield pattern
        return
    if found["words"] is None:
        width = len(found["first"])
        words: Any = (f"{i:0{width}d}" for i in range(int(found["first"]), int(found["last"]) + 1))
    else:
        words = found["words"].split(",")
    for word in words:
        yield from _alternatives(pattern[: found.start()] + word + pattern[found.end() :])


def _ends(photo: Any, *endings: str) -> bool:
    return isinstance(photo, str | os.PathLike) and os.fsdecode(photo).lower().endswith(endings)


def _absolute(path: str) -> str:
    return str(Path(path).absolute())
