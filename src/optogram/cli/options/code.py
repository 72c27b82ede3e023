"""Running the user's Python file that defines the custom layers of a model."""

import contextlib
import sys
import traceback
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

from optogram.errors import InputError, ModelError
from optogram.files import kind_at

_MODULE = "optogram_custom_code"


def require_code(code: str | None, *, is_trusted: bool, is_file: bool) -> None:
    """Check the options around ``--code``, before anything is run or imported.

    Raises
    ------
    InputError
        If the code is not trusted, or not a Python file, or the model is not a file.
    """
    if code is None:
        return
    if not is_trusted:
        raise InputError(
            f"--code runs {code} on this machine with your rights: add --trust if you trust its "
            "author."
        )
    if not is_file:
        raise InputError("--code is for model files: leave it out for a network given by name.")
    if kind_at(Path(code)) != "file" or not code.endswith(".py"):
        raise InputError(f"--code must be a Python file (.py) that exists, not {code!r}.")


def defined_in(code: str) -> dict[str, Any]:
    """Run the Python file ``code``; the classes and functions that it defines, by name.

    What it prints goes to standard error. Files beside it can be imported, as in ``python FILE``.

    Raises
    ------
    ModelError
        If it raises an exception.
    """
    path = Path(code)
    sys.path.insert(0, str(path.parent.resolve()))
    spec = spec_from_file_location(_MODULE, path, loader=SourceFileLoader(_MODULE, str(path)))
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[_MODULE] = module  # dataclasses look for their module
    try:
        with contextlib.redirect_stdout(sys.stderr):
            spec.loader.exec_module(module)
    # Any program can raise anything, or end itself.
    except (Exception, SystemExit) as error:
        raise ModelError(_what_failed(path, error)) from error
    return {
        name: content
        for name, content in vars(module).items()
        if callable(content) and getattr(content, "__module__", None) == _MODULE
    }


def _what_failed(path: Path, error: BaseException) -> str:
    """One sentence with the line of the file at which it failed."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return f"{path}, line {error.lineno}: {error.msg}: correct the file."
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == str(path)]
    where = f"{path}, line {lines[-1]}" if lines else str(path)
    words = str(error).strip().partition("\n")[0]
    told = f"{type(error).__name__}: {words}" if words else type(error).__name__
    return f"{where}: {told.rstrip('.')}: correct the file."
