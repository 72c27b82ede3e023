"""Exceptions of optogram: one sentence with what was expected, what came, and what to do."""

import difflib
from collections.abc import Iterable

from optogram.words import LONGEST_LABEL, brief

_LONGEST = 1000

_COMPARED = 5000
"""Largest number of candidates for similar names."""


class OptogramError(Exception):
    """Base of all exceptions that optogram raises on purpose; the text is for the user.

    The text is one line: unprintable characters in names are escaped as in ``repr``.
    """

    def __init__(self, text: str = "") -> None:
        super().__init__(brief(text, _LONGEST))


class InputError(OptogramError, ValueError):
    """A photo, array, target, layer or option that cannot be used."""


class PhotoError(InputError):
    """A photo that cannot be read; another photo may work."""


class NoGradientError(InputError):
    """The gradient of every target is zero."""


class ModelError(OptogramError, ValueError):
    """A model or model file that cannot be opened or explained."""


class BackendError(OptogramError, ImportError):
    """The Keras backend is missing or cannot compute gradients."""


class OutputError(OptogramError, OSError):
    """A path that cannot be written to."""


def nearest(name: str, candidates: Iterable[str], count: int = 3) -> str:
    """A clause with the ``count`` entries of ``candidates`` most similar to ``name``, or ``""``.

    Very many or very long candidates are not compared, because this would take too long.
    """
    by_key: dict[str, str] = {}
    for candidate in candidates:
        if len(by_key) == _COMPARED:
            return ""
        if len(candidate) <= LONGEST_LABEL:
            by_key[candidate.lower()] = candidate
    if len(name) > LONGEST_LABEL:
        return ""
    close = difflib.get_close_matches(name.lower(), by_key, n=count, cutoff=0.5)
    if not close:
        return ""
    names = " and ".join(repr(by_key[key]) for key in close)
    return f"the nearest is {names}" if len(close) == 1 else f"the nearest are {names}"
