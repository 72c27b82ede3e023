"""Writing files so that nothing of anybody's is lost, and reading arrays as mere data.

All that optogram writes goes through `replacing`. What stands at a place already gives way only
if optogram made it, which is told by a mark inside: pictures carry `MARK` among their texts,
pages in their head, archives as their comment, HDF5 files as an attribute. Tables can carry none,
so their digests are listed in the file ``.optogram`` beside them. Names of classes beside a model
have neither: such a file stays unless it holds the same names.
"""

import contextlib
import hashlib
import json
import os
import platform
import re
import stat
import uuid
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from optogram.errors import OutputError

if TYPE_CHECKING:
    import numpy as np

MARK = "made by optogram, which may replace this file"
"""What files that optogram makes have in them."""

_NEAR = 4096  # bytes from the beginning or the end of a file, in which the mark is looked for
_ARCHIVE, _HDF5 = b"PK\x03\x04", b"\x89HDF\r\n\x1a\n"

_LIST = ".optogram"
_LONGEST_LIST = 1 << 24  # bytes

_STEM = 60  # bytes of a name that its temporary file keeps
_PART = re.compile(r"\.(?P<host>\w+)-(?P<process>\d+)-(?P<begun>\d+)-\w+\.part")
_CLOCK = 5.0  # seconds by which two answers to when a process began may differ

# What arrays may unpack to: so many bytes, and this many times the size of their file.
_UNPACKED = 1 << 28
_EXPANSION = 100

_read: ContextVar[set[tuple[int, int]] | None] = ContextVar("read", default=None)


def kind_at(path: Path) -> str:
    """What is at ``path``: "file", "folder", "device" (or a pipe) or "nothing".

    Unlike `Path.is_file` and its like it answers whatever the name is, however long.
    """
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return "nothing"
    if stat.S_ISREG(mode):
        return "file"
    return "folder" if stat.S_ISDIR(mode) else "device"


# What may be replaced


@contextmanager
def one_run() -> Iterator[None]:
    """While the block runs, nothing takes the place of a file that was read in it."""
    token = _read.set(set())
    try:
        yield
    finally:
        _read.reset(token)


def reading(path: Path) -> None:
    """Say that the file at ``path`` is read, or will be: in this run nothing replaces it."""
    read = _read.get()
    if read is not None:
        with contextlib.suppress(OSError, ValueError):
            read.add(_identity(path))


def require_place(path: Path) -> None:
    """Make sure that a file can be written at ``path`` without a loss.

    Raises
    ------
    OutputError
        If there is no folder to write to, or at ``path`` is a folder, a device, a file that was
        read in this run, or one that optogram did not make.
    """
    if "\0" in str(path):
        raise OutputError(f"{str(path)!r} is no name of a file: it has a NUL character in it.")
    kind = kind_at(path)
    if kind == "folder":
        raise OutputError(f"{path} is a folder: give the name of a file.")
    if kind == "device":
        raise OutputError(f"{path} is a pipe or device: give the name of a file.")
    if kind == "nothing":
        if path.is_symlink():
            raise OutputError(f"{path} is a link that leads nowhere: remove it.")
        if kind_at(path.parent) != "folder" or not os.access(path.parent, os.W_OK):
            raise OutputError(f"{path} cannot be written: {path.parent} is no folder to write to.")
        return
    if _identity(path) in (_read.get() or ()):
        raise OutputError(
            f"{path} was read in this run, and is not written over: choose another place."
        )
    if not is_own(path):
        raise OutputError(
            f"{path} exists, and optogram did not make it: choose another place, or move it away."
        )


def is_own(path: Path) -> bool:
    """Whether ``path`` is a file that optogram made."""
    if kind_at(path) != "file":
        return False
    try:
        with path.open("rb") as file:
            begin = file.read(_NEAR)
            file.seek(max(0, path.stat().st_size - _NEAR))
            end = file.read(_NEAR)
        if begin.startswith(_HDF5):
            return _is_own_hdf5(path)
        mark = MARK.encode()
        if mark in begin or mark in end:
            return True
        listed = _listed(path)
        return bool(listed) and hash_of_file(path) in listed
    except OSError:
        return False


def _is_own_hdf5(path: Path) -> bool:
    import h5py

    # A damaged or foreign file can fail anywhere, with any exception.
    with contextlib.suppress(Exception), h5py.File(path, "r") as file:
        return bool(file.attrs.get("made") == MARK)
    return False


def _identity(path: Path) -> tuple[int, int]:
    """The same for all names that a file has: links, and cases where these do not count."""
    status = path.stat()
    return status.st_dev, status.st_ino


# Writing


@contextmanager
def replacing(path: Path, *, is_listed: bool = False) -> Iterator[Path]:
    """Give the block a temporary path, which takes the place of ``path`` when it ends well.

    At no moment is a file there in part. A link stays, and what it leads to is replaced.
    Archives and HDF5 files get their mark here; ``is_listed`` says that what is written can carry
    none. Temporary files that processes which were killed left of ``path`` are removed.

    Raises
    ------
    OutputError
        If the file cannot be written, or what is at ``path`` may not be replaced.
    """
    require_place(path)
    place = path.resolve() if path.is_symlink() else path
    _remove_left_over(place)
    # The ending stays: Keras, for one, writes by it.
    part = place.with_name(f"{_beginning(place)}.{_process()}.part{place.suffix}")
    try:
        yield part
        _sign(part)
        if is_listed:
            _add_to_list(place, hash_of_file(part))
        require_place(path)  # another program may have written there meanwhile
        part.replace(place)
    except OutputError:
        raise
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}.") from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink()


def write_table(values: "np.ndarray", path: Path) -> None:
    """Write a matrix as comma-separated values, a row a line; nine digits keep float32 exact.

    Raises
    ------
    OutputError
        If the file cannot be written, or what is there may not be replaced.
    """
    import numpy as np

    with replacing(path, is_listed=True) as part:
        np.savetxt(part, values, fmt="%.9g", delimiter=",")


def write_names(names: tuple[str, ...], path: Path) -> None:
    """Write names, one a line; a file that holds them stays as it is.

    Raises
    ------
    OutputError
        If the file cannot be written, or there is another one.
    """
    if not holds_names(path, names):
        with replacing(path) as part:
            part.write_text(_lines(names), encoding="utf-8")


def holds_names(path: Path, names: tuple[str, ...]) -> bool:
    """Whether there is a file at ``path`` that `write_names` would write just so."""
    try:
        return kind_at(path) == "file" and path.read_bytes() == _lines(names).encode()
    except OSError:
        return False


def labels_beside(model: Path) -> Path:
    """Where the names of a model file's classes are looked for: a text file beside it."""
    return model.with_suffix(".labels.txt")


def _lines(names: tuple[str, ...]) -> str:
    return "".join(f"{name}\n" for name in names)


def _sign(path: Path) -> None:
    """Put the mark into an archive or an HDF5 file that has none."""
    if is_own(path):
        return
    with path.open("rb") as file:
        begin = file.read(len(_HDF5))
    if begin.startswith(_ARCHIVE):
        with zipfile.ZipFile(path, "a") as archive:
            archive.comment = MARK.encode()
    elif begin == _HDF5:
        import h5py

        with h5py.File(path, "r+") as hdf5:
            hdf5.attrs["made"] = MARK


# Temporary files


def _beginning(place: Path) -> str:
    """How the names of the temporary files of ``place`` begin, not too long for any system."""
    stem = os.fsencode(place.stem)[:_STEM].decode(errors="ignore")
    name = hashlib.blake2b(os.fsencode(place.name), digest_size=4).hexdigest()
    return f".{stem}.{name}"


def _process() -> str:
    """This process as no other is called, and a number of its own."""
    own = psutil.Process()
    return f"{_host()}-{own.pid}-{int(own.create_time())}-{uuid.uuid4().hex[:8]}"


def _host() -> str:
    return hashlib.blake2b(platform.node().encode(), digest_size=4).hexdigest()


def _remove_left_over(place: Path) -> None:
    """Remove the temporary files of ``place`` whose processes have ended."""
    beginning = _beginning(place)
    with contextlib.suppress(OSError), os.scandir(place.parent) as entries:
        for name in [entry.name for entry in entries if entry.name.startswith(beginning)]:
            found = _PART.match(name, len(beginning))
            if found and _has_ended(found):
                place.with_name(name).unlink()


def _has_ended(part: re.Match[str]) -> bool:
    """Whether the process that wrote a temporary file is known to be gone."""
    if part["host"] != _host():  # of another machine's processes nothing is known
        return False
    try:
        begun = psutil.Process(int(part["process"])).create_time()
    except psutil.NoSuchProcess:
        return True
    except (psutil.Error, OverflowError):
        return False
    return abs(begun - int(part["begun"])) > _CLOCK  # another one, under the same number


# The list of files that carry no mark


def _listed(path: Path) -> list[str]:
    """The digests that the list beside ``path`` has under its name."""
    return _read_list(path.with_name(_LIST)).get(path.name, [])


def _add_to_list(path: Path, digest: str) -> None:
    """Add what is about to be at ``path``; what is there now stays known until then."""
    beside = path.with_name(_LIST)
    files = _read_list(beside)
    files[path.name] = [*files.get(path.name, [])[-1:], digest]
    with replacing(beside) as part:
        part.write_text(json.dumps({"about": MARK, "files": files}, indent=1), encoding="utf-8")


def _read_list(path: Path) -> dict[str, list[str]]:
    """The digests by name that a list holds; none where there is no list, or it is damaged."""
    try:
        if kind_at(path) != "file" or path.stat().st_size > _LONGEST_LIST:
            return {}
        files = json.loads(path.read_text(encoding="utf-8"))["files"]
        return {name: list(map(str, digests)) for name, digests in files.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


def hash_of_file(path: Path) -> str:
    """The digest of what is in a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "blake2b").hexdigest()


# Reading


def read_arrays(path: Path) -> "dict[str, np.ndarray]":
    """The arrays of an ``.npz`` file by name; nothing in it is run.

    A file from anywhere can fail with any exception; what follows are those of its own.

    Raises
    ------
    FileNotFoundError
        If there is nothing at ``path``.
    ValueError
        If it is no file, or would fill the memory out of a few bytes.
    """
    import numpy as np

    size = path.stat().st_size
    if kind_at(path) != "file":  # opening a pipe would wait for its other end
        raise ValueError("not a file")
    with zipfile.ZipFile(path) as archive:
        if sum(member.file_size for member in archive.infolist()) > _UNPACKED + _EXPANSION * size:
            raise ValueError("a decompression bomb")
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    if not all(isinstance(array, np.ndarray) for array in arrays.values()):
        raise ValueError("members that are no arrays")
    return arrays


def read_array(path: Path) -> "np.ndarray":
    """The array of an ``.npy`` file; nothing in it is run.

    Raises
    ------
    ValueError
        If it is no file, or holds no array.
    OSError, EOFError, MemoryError
        If it cannot be read.
    """
    import numpy as np

    kind = kind_at(path)
    if kind != "file":  # opening a pipe would wait for its other end
        raise ValueError(f"{path} does not exist" if kind == "nothing" else f"{path} is a {kind}")
    reading(path)
    array = np.load(path, allow_pickle=False)
    if not isinstance(array, np.ndarray):
        raise ValueError(f"{path} holds no array")
    return array
