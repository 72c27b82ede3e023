"""How much memory a call may take, and how many examples it may hold at a time."""

import math
import re
from collections.abc import Iterator

import psutil

from optogram.arguments import number
from optogram.errors import InputError

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
LARGEST_BATCH = 32
"""Beyond this no backend gains speed on a processor."""


def allowance(memory: int | float | str | None) -> int:
    """``memory`` in bytes.

    Parameters
    ----------
    memory : int, float, str or None
        Bytes, or a text like ``"2GB"`` or ``"500 MB"``; None: a quarter of what is free now.

    Raises
    ------
    InputError
        If it is neither, or not positive.
    """
    if memory is None:
        return psutil.virtual_memory().available // 4
    if isinstance(memory, str):
        match = re.fullmatch(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*([KMGT]?)B?\s*", memory.upper())
        amount = float(match[1]) * _UNITS[match[2]] if match else 0.0
    else:
        amount = number("memory", memory)
    if not (math.isfinite(amount) and amount >= 1):
        raise InputError(f'memory must be bytes or a text like "2GB", not {memory!r}.')
    return int(amount)


def batches(count: int, bytes_each: int, memory: int | float | str | None) -> Iterator[slice]:
    """Slices that cover ``count`` examples, all of one length but for the last.

    As many at a time as fit into ``memory``, at least one; the work is spread evenly, so that a
    last batch filled up to the common length wastes little.
    """
    fit = max(1, min(LARGEST_BATCH, allowance(memory) // max(1, bytes_each)))
    length = math.ceil(count / math.ceil(count / fit)) if count else 1
    for start in range(0, count, length):
        yield slice(start, min(start + length, count))
