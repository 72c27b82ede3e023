"""Photos in tar files, as WebDataset lays them out."""

import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from optogram.errors import InputError, PhotoError
from optogram.files import kind_at, reading
from optogram.pictures.arrays import reason
from optogram.pictures.photo_arrays import chosen
from optogram.pictures.read import ENDINGS

_LARGEST = 512 << 20
"""Largest size in bytes of a picture file in a tar file."""
_LONGEST_LABEL = 1000  # bytes

COMPRESSED = (".tar.gz", ".tgz", ".tar.bz2", ".tbz", ".tbz2", ".tar.xz", ".txz", ".tar.zst")
"""Endings of compressed tar files, in which no member can be found without reading all before."""


@dataclass(frozen=True, eq=False)
class TarPhotos:
    """The photos of tar files, each a member with the ending of an image file.

    Only headers are read to find them; a photo is read from its place in the file.

    Attributes
    ----------
    shards : tuple of str
        The tar files.
    names : list of str
        Names of the members; of several tar files, after the name of the file: "a.tar/0001.jpg".
    labels : list of str or None
        Content of the member with the same name and the ending ".cls"; None if one has none.
    _shard, _start, _length : ndarray of shape (N,)
        The file of each photo, where it begins in it, and its length in bytes.
    """

    shards: tuple[str, ...]
    names: list[str]
    labels: list[str] | None
    _shard: np.ndarray
    _start: np.ndarray
    _length: np.ndarray

    @classmethod
    def of(cls, shards: Sequence[str]) -> "TarPhotos":
        """The photos of tar files, in the order of the files, then of the members.

        Raises
        ------
        InputError
            If a file is missing, compressed, damaged or cut short, or none has a photo.
        """
        names: list[str] = []
        labels: list[str] | None = []
        columns: list[list[int]] = [[], [], []]
        known: dict[str, str] = {}  # one text for all photos of a class
        for number, (path, short) in enumerate(zip(shards, _short_names(shards), strict=True)):
            found, classes = _photos_in(path)
            for name, (start, length) in found.items():
                names.append(f"{short}{name}")
                for column, value in zip(columns, (number, start, length), strict=True):
                    column.append(value)
                label = classes.get(_key(name))
                if label is None:
                    labels = None
                elif labels is not None:
                    labels.append(known.setdefault(label, label))
        if not names:
            which = repr(shards[0]) if len(shards) == 1 else f"{len(shards)} tar files"
            raise InputError(
                f"No member of {which} is an image file: expected names ending in "
                f"{', '.join(sorted(ENDINGS))}."
            )
        arrays = [np.array(column, np.int64) for column in columns]
        return cls(tuple(shards), names, labels, *arrays)

    def part(self, numbers: Sequence[int]) -> "TarPhotos":
        """Some of the photos."""
        rows = list(numbers)
        return TarPhotos(
            self.shards,
            chosen(self.names, rows),
            None if self.labels is None else chosen(self.labels, rows),
            self._shard[rows],
            self._start[rows],
            self._length[rows],
        )

    def source(self, index: int) -> bytes:
        """The bytes of a picture file."""
        path, length = self.shards[self._shard[index]], int(self._length[index])
        name = f"{self.names[index]!r}, a member of {path!r},"
        if length > _LARGEST:
            raise PhotoError(f"{name} is larger than {_LARGEST >> 20} MB: shrink the image.")
        if length == 0:
            raise PhotoError(f"{name} is empty (0 bytes): make the tar file again.")
        try:
            with Path(path).open("rb") as file:
                file.seek(int(self._start[index]))
                content = file.read(length)
        except FileNotFoundError as error:
            raise PhotoError(f"{path!r} does not exist any more: put it back.") from error
        except OSError as error:
            raise PhotoError(f"{path!r} cannot be read ({reason(error)}): check it.") from error
        if len(content) < length:
            raise PhotoError(f"{path!r} was cut short since it was opened: copy it again.")
        return content

    def mark(self, index: int) -> str:
        """The size of a picture file in bytes."""
        return str(self._length[index])


def _photos_in(path: str) -> tuple[dict[str, tuple[int, int]], dict[str, str]]:
    """Places and lengths of the photos in a tar file by name, and labels by key.

    Of several members with one name, as ``tar --append`` makes them, the last counts.
    """
    if path.lower().endswith(COMPRESSED):
        raise InputError(
            f"{path!r} is compressed, so that no photo in it can be read by its place: unpack it "
            "to a .tar file."
        )
    if kind_at(Path(path)) != "file":
        raise InputError(f"{path!r} is not a file: check the path.")
    reading(Path(path))
    photos: dict[str, tuple[int, int]] = {}
    labels: dict[str, str] = {}
    try:
        with tarfile.open(path, "r:") as archive:
            while (member := archive.next()) is not None:
                archive.members = []  # type: ignore[attr-defined]  # it would keep them all
                if not member.isreg() or member.issparse():
                    continue
                ending = PurePosixPath(member.name).suffix.lower()
                if ending in ENDINGS:
                    photos.pop(member.name, None)
                    photos[member.name] = member.offset_data, member.size
                elif ending == ".cls" and member.size <= _LONGEST_LABEL:
                    file = archive.extractfile(member)
                    text = b"" if file is None else file.read()
                    labels[_key(member.name)] = text.decode(errors="replace").strip()
            # A damaged header ends the members without an error; at their end, zeros follow.
            archive.fileobj.seek(archive.offset)
            is_whole = archive.fileobj.read(tarfile.BLOCKSIZE) == bytes(tarfile.BLOCKSIZE)
    except OSError as error:
        raise InputError(f"{path!r} cannot be read ({reason(error)}): check it.") from error
    # A damaged or hostile file can raise any exception inside tarfile.
    except Exception as error:
        raise InputError(
            f"{path!r} is no tar file, or is damaged or cut short ({reason(error)}): copy or make "
            "it again."
        ) from error
    if not is_whole:
        raise InputError(
            f"{path!r} is damaged or cut short, its end is missing: copy or make it again."
        )
    return photos, labels


def _key(name: str) -> str:
    """What the members of one sample share: the name up to the first dot after the last slash."""
    folder, slash, file = name.rpartition("/")
    return folder + slash + file.partition(".")[0]


def _short_names(shards: Sequence[str]) -> list[str]:
    """What comes before the names of members: nothing for one tar file."""
    if len(shards) == 1:
        return [""]
    names = [Path(shard).name for shard in shards]
    if len(set(names)) < len(names):
        names = [Path(shard).as_posix() for shard in shards]
    if len(set(names)) < len(names):
        raise InputError("A tar file is named twice in the list: name each once.")
    return [f"{name}/" for name in names]
