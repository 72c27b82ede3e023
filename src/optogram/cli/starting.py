"""Importing Keras and its backend, without log messages and what no command needs."""

import gc
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from optogram import backend
from optogram.cli.console import say

_OPTIONAL = ("matplotlib", "pandas", "sklearn")
"""What Keras imports where it is installed: for its own plots, for tables and for wrappers."""


def start_backend(runs_code: bool = False) -> None:
    """Import Keras on an installed backend, without the log messages of that backend.

    With ``runs_code``, custom code may ask Keras for anything: all of Keras is imported.
    """
    notice = backend.fall_back()
    if notice:
        say(notice, err=True)
    backend_is_known = backend.configured() in backend.NAMES
    if backend_is_known and backend.is_installed(backend.configured()):
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        unneeded = () if runs_code else _OPTIONAL
        with _standard_error_kept_back(), _left_out(unneeded), _no_collection():
            backend.current()


@contextmanager
def _left_out(names: tuple[str, ...]) -> Iterator[None]:
    """Have imports find none of the packages ``names``, except those that are imported already.

    Together they take longer to import than Keras itself. Afterwards they are imported as ever.
    """
    absent = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(absent))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]


@contextmanager
def _no_collection() -> Iterator[None]:
    """Do not collect garbage: imports make many objects, and nearly all of them stay."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@contextmanager
def _standard_error_kept_back() -> Iterator[None]:
    """Hold back what libraries write to standard error; release it if they raise.

    TensorFlow writes from C++ before its own log settings take effect.
    """
    sys.stderr.flush()
    with tempfile.TemporaryFile() as kept:
        original = os.dup(2)
        os.dup2(kept.fileno(), 2)
        try:
            yield
        except Exception:  # not where the user stops it
            kept.seek(0)
            os.write(original, kept.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(original, 2)
            os.close(original)
