"""Writing files so that at no moment one is there in part, and reading arrays as mere data."""

import contextlib
import stat
import uuid
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from optogram.errors import OutputError

# What arrays may unpack to: so many bytes, and this many times the size of their file.
_UNPACKED = 1 << 28
_EXPANSION = 100


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


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give the block a temporary path, which takes the place of ``path`` when it ends well.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    # The ending stays: Keras, for one, writes by it.
    part = path.with_name(f".{path.stem}.{uuid.uuid4().hex}.part{path.suffix}")
    try:
        yield part
        part.replace(path)
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}.") from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink()


def write_table(values: np.ndarray, path: Path) -> None:
    """Write a matrix as comma-separated values, a row a line; nine digits keep float32 exact.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    with replacing(path) as part:
        np.savetxt(part, values, fmt="%.9g", delimiter=",")


def labels_beside(model: Path) -> Path:
    """Where the names of a model file's classes are looked for: a text file beside it."""
    return model.with_suffix(".labels.txt")


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an ``.npz`` file by name; nothing in it is run.

    A file from anywhere can fail with any exception; what follows are those of its own.

    Raises
    ------
    FileNotFoundError
        If there is nothing at ``path``.
    ValueError
        If it is no file, or would fill the memory out of a few bytes.
    """
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
