"""Writing files without replacing foreign ones, and reading arrays without running code.

All files are written through `replacing`. An existing file is replaced only if optogram made it,
which a mark inside shows: pictures have `MARK` in their metadata, HTML pages in their head,
archives as their comment, HDF5 files as an attribute. Tables cannot have a mark, so their hashes
are listed in the file ``.optogram`` next to them. A file with class names next to a model has
neither: it is kept unless it has the same names.
"""

import contextlib
import hashlib
import json
import os
import platform
import re
import stat
import sys
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
"""The mark in files made by optogram."""

_NEAR = 4096  # bytes at the beginning and the end of a file that are searched for the mark
_ARCHIVE, _HDF5 = b"PK\x03\x04", b"\x89HDF\r\n\x1a\n"

_LIST = ".optogram"
_LONGEST_LIST = 1 << 24  # bytes

_STEM = 60  # bytes of a name in the name of its temporary file
_PART = re.compile(r"\.(?P<host>\w+)-(?P<process>\d+)-(?P<begun>\d+)-\w+\.part")
_CLOCK = 5.0  # tolerance of process start times, in seconds

# Limits of unpacked arrays: bytes, and a multiple of the file size.
_UNPACKED = 1 << 28
_EXPANSION = 100

_read: ContextVar[set[tuple[int, int]] | None] = ContextVar("read", default=None)
_written: ContextVar[list[Path] | None] = ContextVar("written", default=None)


def cache_folder() -> Path:
    """The folder for files that can be made again, by the convention of the operating system."""
    if sys.platform == "win32":
        given, usual = os.environ.get("LOCALAPPDATA"), "AppData/Local"
    elif sys.platform == "darwin":
        given, usual = None, "Library/Caches"
    else:
        given, usual = os.environ.get("XDG_CACHE_HOME"), ".cache"
    return Path(given or Path.home() / usual) / "optogram"


def kind_at(path: Path) -> str:
    """The kind of ``path``: "file", "folder", "device" (or a pipe) or "nothing".

    Unlike `Path.is_file` and similar methods, it never raises, even for overlong names.
    """
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return "nothing"
    if stat.S_ISREG(mode):
        return "file"
    return "folder" if stat.S_ISDIR(mode) else "device"


# Files that may be replaced


@contextmanager
def one_run() -> Iterator[list[Path]]:
    """In the block, no file that was read in it is replaced; yields the files written so far."""
    written: list[Path] = []
    tokens = _read.set(set()), _written.set(written)
    try:
        yield written
    finally:
        _read.reset(tokens[0])
        _written.reset(tokens[1])


def reading(path: Path) -> None:
    """Register that the file at ``path`` is read in this run: it is not replaced."""
    read = _read.get()
    if read is not None:
        with contextlib.suppress(OSError, ValueError):
            read.add(_identity(path))


def require_place(path: Path) -> None:
    """Check that a file can be written at ``path``.

    Raises
    ------
    OutputError
        If the parent folder does not exist, or ``path`` is a folder, a device, a file that was read
        in this run, or a file that optogram did not make.
    """
    if "\0" in str(path):
        raise OutputError(f"{str(path)!r} is not a file name: it contains a NUL character.")
    kind = kind_at(path)
    if kind == "folder":
        raise OutputError(f"{path} is a folder: give the name of a file.")
    if kind == "device":
        raise OutputError(f"{path} is a pipe or device: give the name of a file.")
    if kind == "nothing":
        if path.is_symlink():
            raise OutputError(f"{path} is a broken link: remove it.")
        if kind_at(path.parent) != "folder" or not os.access(path.parent, os.W_OK):
            raise OutputError(f"{path} cannot be written: {path.parent} is not a folder.")
        return
    if _identity(path) in (_read.get() or ()):
        raise OutputError(
            f"{path} was read in this run, so it is not replaced: choose another path."
        )
    if not is_own(path):
        raise OutputError(
            f"{path} exists, and optogram did not make it: choose another path, or move it away."
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
    """The same text for all names of a file: links, and names that differ in case only."""
    status = path.stat()
    return status.st_dev, status.st_ino


# Writing


@contextmanager
def replacing(path: Path, *, is_listed: bool = False) -> Iterator[Path]:
    """A temporary path for the block, which replaces ``path`` when the block succeeds.

    Writing is atomic. A link stays, and its target is replaced. Archives and HDF5 files get their
    mark here; ``is_listed``: the file cannot have a mark. Temporary files left for ``path`` by
    processes that were killed are removed.

    Raises
    ------
    OutputError
        If the file cannot be written, or the existing file may not be replaced.
    """
    require_place(path)
    place = path.resolve() if path.is_symlink() else path
    _remove_left_over(place)
    # The extension is kept: Keras, for example, chooses the format by it.
    part = place.with_name(f"{_beginning(place)}.{_process()}.part{place.suffix}")
    try:
        yield part
        _sign(part)
        if is_listed:
            _add_to_list(place, hash_of_file(part))
        require_place(path)  # another program may have written there in the meantime
        part.replace(place)
        if (written := _written.get()) is not None:
            written.append(path)
    except OutputError:
        raise
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}.") from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink()


def write_table(values: "np.ndarray", path: Path) -> None:
    """Write a matrix as CSV, with nine digits, which is exact for float32.

    Raises
    ------
    OutputError
        If the file cannot be written, or the existing file may not be replaced.
    """
    import numpy as np

    with replacing(path, is_listed=True) as part:
        np.savetxt(part, values, fmt="%.9g", delimiter=",")


def write_names(names: tuple[str, ...], path: Path) -> None:
    """Write names, one per line; a file with the same names is not changed.

    Raises
    ------
    OutputError
        If the file cannot be written, or there is another one.
    """
    if not holds_names(path, names):
        with replacing(path) as part:
            part.write_text(_lines(names), encoding="utf-8")


def holds_names(path: Path, names: tuple[str, ...]) -> bool:
    """Whether the file at ``path`` has exactly the content that `write_names` would write."""
    try:
        return kind_at(path) == "file" and path.read_bytes() == _lines(names).encode()
    except OSError:
        return False


def labels_beside(model: Path) -> Path:
    """The text file with class names next to a model file."""
    return model.with_suffix(".labels.txt")


def _lines(names: tuple[str, ...]) -> str:
    return "".join(f"{name}\n" for name in names)


def _sign(path: Path) -> None:
    """Add the mark to an archive or HDF5 file without one."""
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
    """Prefix of temporary files of ``place``, short enough for any file system."""
    stem = os.fsencode(place.stem)[:_STEM].decode(errors="ignore")
    name = hashlib.blake2b(os.fsencode(place.name), digest_size=4).hexdigest()
    return f".{stem}.{name}"


def _process() -> str:
    """A unique name of this process and a file."""
    own = psutil.Process()
    return f"{_host()}-{own.pid}-{int(own.create_time())}-{uuid.uuid4().hex[:8]}"


def _host() -> str:
    return hashlib.blake2b(platform.node().encode(), digest_size=4).hexdigest()


def _remove_left_over(place: Path) -> None:
    """Remove temporary files of ``place`` whose processes have ended."""
    beginning = _beginning(place)
    with contextlib.suppress(OSError), os.scandir(place.parent) as entries:
        for name in [entry.name for entry in entries if entry.name.startswith(beginning)]:
            found = _PART.match(name, len(beginning))
            if found and _has_ended(found):
                place.with_name(name).unlink()


def _has_ended(part: re.Match[str]) -> bool:
    """Whether the process of a temporary file is known to have ended."""
    if part["host"] != _host():  # processes of other machines are unknown
        return False
    try:
        begun = psutil.Process(int(part["process"])).create_time()
    except psutil.NoSuchProcess:
        return True
    except (psutil.Error, OverflowError):
        return False
    return abs(begun - int(part["begun"])) > _CLOCK  # another process with the same id


# The list of files without a mark


def _listed(path: Path) -> list[str]:
    """The hashes for ``path`` in the list next to it."""
    return _read_list(path.with_name(_LIST)).get(path.name, [])


def _add_to_list(path: Path, digest: str) -> None:
    """Add the file about to be at ``path``; the current file stays listed until then."""
    beside = path.with_name(_LIST)
    files = _read_list(beside)
    files[path.name] = [*files.get(path.name, [])[-1:], digest]
    with replacing(beside) as part:
        part.write_text(json.dumps({"about": MARK, "files": files}, indent=1), encoding="utf-8")


def _read_list(path: Path) -> dict[str, list[str]]:
    """The hashes by name in a list; empty if there is no list, or it is damaged."""
    try:
        if kind_at(path) != "file" or path.stat().st_size > _LONGEST_LIST:
            return {}
        files = json.loads(path.read_text(encoding="utf-8"))["files"]
        return {name: list(map(str, digests)) for name, digests in files.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


def hash_of_file(path: Path) -> str:
    """The hash of the content of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "blake2b").hexdigest()


# Reading


def read_arrays(path: Path) -> "dict[str, np.ndarray]":
    """The arrays of an ``.npz`` file by name; no code in it is run.

    Reading an untrusted file can raise any exception; these are raised here:

    Raises
    ------
    FileNotFoundError
        If ``path`` does not exist.
    ValueError
        If it is not a file, or a decompression bomb.
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
        raise ValueError("members that are not arrays")
    return arrays


def read_array(path: Path) -> "np.ndarray":
    """The array of an ``.npy`` file; no code in it is run.

    Raises
    ------
    ValueError
        If it is not a file, or has no array.
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
        raise ValueError(f"{path} has no array")
    return array
