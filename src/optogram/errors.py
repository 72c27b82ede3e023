"""What optogram raises: one clear sentence each, saying what was expected, what came, what next."""

import difflib
from collections.abc import Iterable

from optogram.words import LONGEST_LABEL, brief

_LONGEST = 1000

_COMPARED = 5000
"""Most names that the nearest one is sought among."""


class OptogramError(Exception):
    """Base of every error that optogram raises on purpose; its text is meant for the user.

    It is one line whatever names are in it: what does not print stands as in ``repr``.
    """

    def __init__(self, text: str = "") -> None:
        super().__init__(brief(text, _LONGEST))


class InputError(OptogramError, ValueError):
    """A photo, array, target, layer or option that cannot be used as given."""


class PhotoError(InputError):
    """A photo or picture that cannot be read: another one in its place may well do."""


class NoGradientError(InputError):
    """Targets whose scores nothing in the picture changes: there is no way up for any of them."""


class ModelError(OptogramError, ValueError):
    """A model or model file that cannot be opened or explained."""


class BackendError(OptogramError, ImportError):
    """The backend that Keras is set to use is missing or cannot compute gradients."""


class OutputError(OptogramError, OSError):
    """A place that cannot be written to."""


def nearest(name: str, candidates: Iterable[str], count: int = 3) -> str:
    """A clause that names the ``count`` entries of ``candidates`` most like ``name``, or ``""``.

    Of very many or very long candidates none is named: comparing takes the product of lengths.
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
