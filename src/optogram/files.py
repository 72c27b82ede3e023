"""Writing files so that at no moment one is there in part."""

import contextlib
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from optogram.errors import OutputError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give the block a temporary path, which takes the place of ``path`` when it ends well.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    try:
        yield part
        part.replace(path)
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror}.") from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink()
