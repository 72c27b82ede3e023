"""What functions are given, read in one way: whole numbers, numbers, and words of a choice."""

import math
import operator
import reprlib
from collections.abc import Collection, Iterable
from typing import Any

import numpy as np

from optogram.errors import InputError

MOST = 10_000_000
"""Largest whole number taken where nothing else limits it: enough, and no memory is filled."""

_REPR = reprlib.Repr()
_REPR.maxstring = _REPR.maxother = 100


def shown(given: Any) -> str:
    """``repr`` of what was given, in about a hundred characters however large it is."""
    return _REPR.repr(given)


def whole(name: str, given: Any, least: int = 0, most: int = MOST) -> int:
    """A whole number of ``least`` to ``most``: Python's, NumPy's, or any other that is an index.

    Raises
    ------
    InputError
        If it is another number, a float, True or False, or no number at all.
    """
    number = None if isinstance(given, bool | np.bool_) else _index(given)
    if number is None or not least <= number <= most:
        limit = f"{least:,} to {most:,}" if most < MOST else f"{least:,} or more"
        if number is not None and number > MOST == most:
            limit = f"{least:,} to {most:,}"
        raise InputError(f"{name} is a whole number, {limit}, not {shown(given)}.")
    return number


def wholes(name: str, given: Any, least: int = 0, most: int = MOST) -> list[int]:
    """Several `whole` numbers, out of any iterable, or one."""
    is_many = isinstance(given, Iterable) and not isinstance(given, str | bytes)
    if not is_many or getattr(given, "ndim", 1) == 0:
        return [whole(name, given, least, most)]
    return [whole(name, number, least, most) for number in given]


def number(name: str, given: Any, least: float = -math.inf, most: float = math.inf) -> float:
    """A finite number of ``least`` to ``most``, of any kind that has one value.

    Raises
    ------
    InputError
        If it is another number, NaN, infinite, True or False, or no number at all.
    """
    value = _float(given)
    if not math.isfinite(value) or not least <= value <= most:
        if math.isinf(least) and math.isinf(most):
            limit = "a finite number"
        elif math.isinf(most):
            limit = f"a number, {least:g} or more"
        else:
            limit = f"a number in {least:g} to {most:g}"
        raise InputError(f"{name} is {limit}, not {shown(given)}.")
    return value


def choice(name: str, given: Any, known: Collection[str]) -> str:
    """One of the words ``known``.

    Raises
    ------
    InputError
        If it is none of them; the sentence names them all.
    """
    if not isinstance(given, str) or given not in known:
        raise InputError(f"{name} is one of {', '.join(map(repr, known))}, not {shown(given)}.")
    return given


def _index(given: Any) -> int | None:
    try:
        return operator.index(given)
    # A tensor that is no single whole number may fail with anything.
    except Exception:
        return None


def _float(given: Any) -> float:
    """``given`` as a float; NaN where it is no number, or a text that only spells one."""
    if isinstance(given, bool | np.bool_ | str | bytes) or getattr(given, "ndim", 0) != 0:
        return math.nan
    try:
        return float(given)
    except Exception:
        return math.nan
