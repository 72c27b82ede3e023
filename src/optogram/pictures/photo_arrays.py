"""Photos in one array: in memory, or in an ``.npy`` or ``.npz`` file."""

import hashlib
import threading
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, overload

import numpy as np

from optogram.errors import InputError, PhotoError
from optogram.files import kind_at, reading
from optogram.pictures.arrays import as_array, is_tensor, reason
from optogram.pictures.read import content_of

_LARGEST_PACKED = 1 << 30
"""Largest size in bytes of an array that is unpacked into memory."""
_DIGEST_BYTES = 16


class Numbered(Sequence[str]):
    """Names that differ by a number at their end, which are not kept in memory."""

    def __init__(self, stem: str, count: int) -> None:
        self._stem, self._count = stem, count

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> str: ...

    @overload
    def __getitem__(self, index: slice) -> list[str]: ...

    def __getitem__(self, index: int | slice) -> str | list[str]:
        """The name of a photo, or of several."""
        numbers = range(self._count)[index]
        if isinstance(numbers, range):
            return [f"{self._stem}{number}" for number in numbers]
        return f"{self._stem}{numbers}"


@dataclass(frozen=True, eq=False)
class ArrayPhotos:
    """The photos of an array in memory.

    Attributes
    ----------
    array : uint8 ndarray of shape (N, H, W) or (N, H, W, C)
        The photos.
    names : sequence of str
        "photo 0", "photo 1", …
    labels : None
        An array has no labels.
    """

    array: np.ndarray
    names: Sequence[str]
    labels: None = None

    @classmethod
    def of(cls, array: np.ndarray) -> "ArrayPhotos":
        """The photos of an array of three or four axes, with at least one."""
        _check(array, "The array")
        return cls(array, Numbered("photo ", len(array)))

    def part(self, numbers: Sequence[int]) -> "ArrayPhotos":
        """Some of the photos; a view of the array where they follow one another."""
        if isinstance(numbers, range) and numbers.step == 1:
            return ArrayPhotos(
                self.array[numbers.start : numbers.stop], chosen(self.names, numbers)
            )
        rows = list(numbers)
        return ArrayPhotos(self.array[rows], chosen(self.names, numbers))

    def source(self, index: int) -> np.ndarray:
        """A photo, (H, W) or (H, W, C)."""
        return self.array[index]

    def mark(self, index: int) -> str:
        """A digest of a photo."""
        return mark_of_content(self.source(index))


@dataclass(frozen=True, eq=False)
class ArrayFilePhotos:
    """The photos of an array in a file; one that is not compressed is read row by row.

    Attributes
    ----------
    path : str
        The ``.npy`` or ``.npz`` file.
    names : sequence of str
        Its name and a number: "train.npy#0".
    labels : None
        An array has no labels.
    """

    path: str
    names: Sequence[str]
    labels: None = None
    _opened: "_Opened" = field(default_factory=lambda: _Opened(), repr=False)

    @classmethod
    def of(cls, path: str) -> "ArrayFilePhotos":
        """The photos of a file that holds one array of three or four axes.

        Raises
        ------
        InputError
            If there is no such file, it is damaged, or it holds something else.
        """
        opened = _Opened()
        array = opened.array(path)
        return cls(path, Numbered(f"{Path(path).name}#", len(array)), None, opened)

    def part(self, numbers: Sequence[int]) -> "PartOfPhotos":
        """Some of the photos."""
        return PartOfPhotos(self, tuple(numbers), chosen(self.names, numbers))

    def source(self, index: int) -> np.ndarray:
        """A photo, (H, W) or (H, W, C), copied into memory."""
        return np.array(self._photo(index))

    def mark(self, index: int) -> str:
        """A digest of a photo; "" if it cannot be read."""
        try:
            return mark_of_content(self._photo(index))
        except PhotoError:
            return ""

    def _photo(self, index: int) -> np.ndarray:
        """A photo in the file, which may be mapped into memory."""
        try:
            array = self._opened.array(self.path)
        except InputError as error:
            raise PhotoError(str(error)) from error
        if len(array) != len(self.names):
            raise PhotoError(f"{self.path!r} has changed since it was opened: begin again.")
        return array[index]


@dataclass(frozen=True, eq=False)
class PartOfPhotos:
    """Some photos of a file that is read by number.

    Attributes
    ----------
    whole
        All photos of the file.
    numbers : tuple of int
        Their numbers in it.
    names : list of str
        Their names.
    labels : list of str or None
        Their classes.
    """

    whole: Any
    numbers: tuple[int, ...]
    names: list[str]
    labels: list[str] | None = None

    def part(self, numbers: Sequence[int]) -> "PartOfPhotos":
        """Some of these."""
        return PartOfPhotos(
            self.whole,
            tuple(chosen(self.numbers, numbers)),
            chosen(self.names, numbers),
            None if self.labels is None else chosen(self.labels, numbers),
        )

    def source(self, index: int) -> Any:
        """A photo."""
        return self.whole.source(self.numbers[index])

    def mark(self, index: int) -> str:
        """See `PhotoSet.mark`."""
        return self.whole.mark(self.numbers[index])


def chosen(values: Sequence[Any], numbers: Sequence[int]) -> list[Any]:
    """The values at ``numbers``."""
    return [values[number] for number in numbers]


class _Opened:
    """The array of a file, opened once in each process; pickle leaves it out."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._array: np.ndarray | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        """For pickle: nothing."""
        return type(self), ()

    def array(self, path: str) -> np.ndarray:
        """The array in the file at ``path``, which is always the same file."""
        with self._lock:
            if self._array is None:
                self._array = _array_in(path)
            return self._array


def mark_of_content(source: Any) -> str:
    """A digest of a photo in memory, or of an open file; "" if it cannot be read."""
    try:
        if isinstance(source, bytes | bytearray | memoryview) or hasattr(source, "read"):
            return hashlib.blake2b(content_of(source), digest_size=_DIGEST_BYTES).hexdigest()
        array = np.ascontiguousarray(as_array(source) if is_tensor(source) else source)
        kind = f"{array.dtype.str}{array.shape}".encode()
        whole = hashlib.blake2b(kind, digest_size=_DIGEST_BYTES)
        whole.update(array.reshape(-1).view(np.uint8).data)
        return whole.hexdigest()
    # Reading the photo later reports the error.
    except Exception:
        return ""


def _array_in(path: str) -> np.ndarray:
    if kind_at(Path(path)) != "file":
        raise InputError(f"{path!r} is not a file: check the path.")
    reading(Path(path))
    try:
        array = _packed(path) if path.lower().endswith(".npz") else _mapped(path)
    except InputError:
        raise
    # A damaged or foreign file can fail anywhere inside NumPy, with any exception.
    except Exception as error:
        raise InputError(
            f"{path!r} is not an array file, or is damaged or cut short ({reason(error)}): make it "
            "again with numpy.save."
        ) from error
    _check(array, repr(path))
    return array


def _mapped(path: str) -> np.ndarray:
    return np.load(path, mmap_mode="r", allow_pickle=False)


def _packed(path: str) -> np.ndarray:
    """The only array of an ``.npz`` file that can hold photos."""
    with zipfile.ZipFile(path) as archive:
        sizes = {member.filename: member.file_size for member in archive.infolist()}
        found = [name for name in sizes if name.endswith(".npy") and _axes(archive, name) in (3, 4)]
    if len(found) != 1:
        names = f": {', '.join(map(repr, found))}" if found else ""
        raise InputError(
            f"{path!r} must hold one array of photos (N, H, W) or (N, H, W, C), it holds "
            f"{len(found) or 'none'}{names}: save the photos with numpy.save."
        )
    if sizes[found[0]] > _LARGEST_PACKED:
        raise InputError(
            f"The array in {path!r} has {sizes[found[0]]:,} bytes, more than the "
            f"{_LARGEST_PACKED:,} that are unpacked into memory: save it with numpy.save."
        )
    with np.load(path, allow_pickle=False) as file:
        return file[found[0].removesuffix(".npy")]


def _axes(archive: zipfile.ZipFile, name: str) -> int:
    """Number of axes of an array in an archive, of which only the header is read."""
    with archive.open(name) as file:
        version = np.lib.format.read_magic(file)
        read = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[version]
        return len(read(file)[0])


def _check(array: np.ndarray, name: str) -> None:
    if array.ndim not in (3, 4):
        raise InputError(
            f"{name} has shape {array.shape}, but photos are (N, height, width) or "
            "(N, height, width, channels): give such an array."
        )
    if 0 in array.shape:
        raise InputError(f"{name} has shape {array.shape}, which holds no photo.")
    if array.dtype != np.uint8:
        raise InputError(
            f"{name} has dtype {array.dtype}, but photos are uint8 in 0..255: convert it, "
            "numpy.rint(array).astype(numpy.uint8)."
        )
