"""Memory budgets, and batches that fit into them."""

import math
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count as numbers

import psutil

from optogram import backend
from optogram.arguments import as_float
from optogram.errors import InputError
from optogram.interpreters.cgroups import free_in_groups

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
LARGEST_BATCH = 32
"""Larger batches are not faster on any backend on a CPU."""
_LARGEST_TURN = 2**30
"""Bytes of a forward batch on a CPU, at most: 13 images of VGG16. Larger ones are hardly faster
and keep other threads waiting."""


class _Ledger:
    """Memory reserved by the calls that run in this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken: dict[int, tuple[int, int]] = {}
        self._numbers = numbers()

    @contextmanager
    def taking(self, amount: int) -> Iterator[None]:
        """Reserve so many bytes during the block."""
        with self._lock:
            number = next(self._numbers)
            self._taken[number] = threading.get_ident(), amount
        try:
            yield
        finally:
            with self._lock:
                del self._taken[number]

    def of_others(self) -> int:
        """Bytes reserved by other threads."""
        me = threading.get_ident()
        with self._lock:
            return sum(amount for thread, amount in self._taken.values() if thread != me)


_LEDGER = _Ledger()
taking = _LEDGER.taking


def free() -> int:
    """Free bytes, on the machine and on the device of the backend.

    Limits of control groups are taken into account.
    """
    places = (
        psutil.virtual_memory().available,
        free_in_groups(),
        backend.current().free_memory(),
    )
    return min(place for place in places if place is not None)


def allowance(memory: int | float | str | None) -> int:
    """A memory budget in bytes.

    Parameters
    ----------
    memory : int, float, str or None
        Bytes, or a text such as ``"2GB"`` or ``"500 MB"``. None: a quarter of the free memory,
        minus the memory reserved by other threads, so that all threads share this quarter.

    Raises
    ------
    InputError
        If it is neither, or not positive.
    """
    if memory is None:
        return max(1, free() // 4 - _LEDGER.of_others())
    if isinstance(memory, str):
        match = re.fullmatch(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*([KMGT]?)B?\s*", memory.upper())
        amount = float(match[1]) * _UNITS[match[2]] if match else 0.0
    else:
        amount = as_float(memory) or 0.0
    if not (math.isfinite(amount) and amount >= 1):
        raise InputError(f'memory must be in bytes, or a text such as "2GB", not {memory!r}.')
    return int(amount)


def in_words(amount: int) -> str:
    """Bytes as text: "36.9 GB"."""
    unit, size = next(
        (u, s)
        for u, s in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3))
        if amount >= s or u == "kB"
    )
    return f"{amount / size:,.1f} {unit}"


def batches(
    count: int,
    bytes_each: int,
    memory: int | float | str | None,
    beside: int = 0,
    is_forward: bool = False,
) -> Iterator[slice]:
    """Slices that cover ``count`` examples, all of one length except the last.

    As many at a time as fit into ``memory`` besides existing arrays, at least one. Lengths are
    nearly equal, so that padding the last batch wastes little. The memory of a batch stays reserved
    until the last batch is done. On a CPU, batches of forward passes (``is_forward``) are limited
    so that other threads soon get their turn.
    """
    room = allowance(memory) - beside
    if is_forward and backend.current().free_memory() is None:
        room = min(room, _LARGEST_TURN)
    fit = max(1, min(LARGEST_BATCH, room // max(1, bytes_each)))
    length = math.ceil(count / math.ceil(count / fit)) if count else 1
    with taking(beside + length * bytes_each):
        for start in range(0, count, length):
            yield slice(start, min(start + length, count))
