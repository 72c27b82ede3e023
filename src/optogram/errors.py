"""Exceptions of optogram: one sentence with what was expected, what came, and what to do."""

import difflib
import re
from collections.abc import Iterable, Sequence

from optogram.words import LONGEST_LABEL, brief

_LONGEST = 1000

_SPELLED = 3
"""Largest number of names that are suggested because of their spelling alone."""

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
    known = list(dict.fromkeys(candidates))
    names = [repr(known[i]) for i in similar(name, known, count)]
    return the_nearest(names, " and " if len(names) == 2 else ", ")


def the_nearest(names: Sequence[str], between: str = ", ") -> str:
    """A clause that lists ``names``, or ``""`` if there are none."""
    verb = "is" if len(names) == 1 else "are"
    return f"the nearest {verb} {between.join(names)}" if names else ""


def similar(name: str, candidates: Sequence[str], count: int) -> list[int]:
    """Indices of the ``count`` entries of ``candidates`` most similar to ``name``.

    First those `containing` it; those that are spelled similarly only where there are none.
    """
    if len(name) > LONGEST_LABEL or len(candidates) > _COMPARED:
        return []
    found = containing(name, candidates)
    if not found:
        places = {
            text.lower(): i for i, text in enumerate(candidates) if len(text) <= LONGEST_LABEL
        }
        close = difflib.get_close_matches(name.lower(), places, n=min(count, _SPELLED), cutoff=0.5)
        found = [places[text] for text in close]
    return found[:count]


def containing(name: str, candidates: Sequence[str]) -> list[int]:
    """Indices of the ``candidates`` that contain ``name``, whatever its case.

    First those with most words of ``name`` (if not all of them, by similarity), then those with a
    word that begins with it, then those that contain it anywhere; otherwise in their order.
    Anything but letters and digits separates words.
    """
    wanted = _words(name)
    if not wanted.strip():
        return []
    words = set(wanted.split())
    ranked = []
    for i, candidate in enumerate(candidates):
        text = _words(candidate)
        shared = len(words & set(text.split()))
        if shared:
            is_part = shared < len(words)
            likeness = difflib.SequenceMatcher(None, wanted, text).ratio() if is_part else 0.0
            ranked.append((-shared, -likeness, i))
        elif wanted.rstrip() in text:
            ranked.append((1, 0.0, i))
        elif wanted.strip() in text:
            ranked.append((2, 0.0, i))
    return [i for _, _, i in sorted(ranked)]


def _words(text: str) -> str:
    """``text`` in lower case, with a space before, between and after words."""
    words = re.split(r"[\W_]+", text.casefold())
    return f" {' '.join(words).strip()} "
