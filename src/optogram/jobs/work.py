"""Work units: what is computed at once, by one process, and kept in a store."""

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from optogram.jobs.store import Index, Store
from optogram.network.network import Network


@dataclass(frozen=True)
class Made:
    """What a unit computed.

    Attributes
    ----------
    chunks : sequence of (str, index, array)
        Whole chunks of the store: path of the array, where in it, and the values.
    count : int
        Number of photos, or of units of the network, that were computed.
    """

    chunks: Sequence[tuple[str, Index, Any]]
    count: int


class WorkUnit(ABC):
    """Work that is done at once: picklable, and the same whoever does it.

    Attributes
    ----------
    marks : str
        Path of the array of marks of its kind.
    numbers : tuple of int
        Its places in that array.
    """

    marks: str
    numbers: tuple[int, ...]

    @abstractmethod
    def told(self) -> Any:
        """All that its result depends on beside the identity of the store, as JSON."""

    @abstractmethod
    def compute(self, net: Network) -> Made:
        """The result; it depends on nothing but the unit and the network."""

    @property
    def mark(self) -> int:
        """What is written when it is done; see `mark_of`."""
        return mark_of(self.marks, self.told())


_Unit = TypeVar("_Unit", bound=WorkUnit)


def mark_of(marks: str, told: Any) -> int:
    """The mark of units of a kind that depend on ``told``: a number of 64 bits, not 0."""
    words = json.dumps([marks, told]).encode()
    return int.from_bytes(hashlib.blake2b(words, digest_size=8).digest(), "big") or 1


def perform(unit: WorkUnit, net: Network, store: Store) -> int:
    """Compute a unit, write its chunks, and mark it as done; returns `Made.count`."""
    mark = np.uint64(unit.mark)  # before photos are read: one that is replaced then is noticed
    made = unit.compute(net)
    for path, index, values in made.chunks:
        store.write(path, index, values)
    for number in unit.numbers:
        store.write(unit.marks, number, mark)
    return made.count


def left_to_do(units: Iterable[_Unit], store: Store | None) -> list[_Unit]:
    """The units that are not done; those of other photos or parameters count as not done."""
    units = list(units)
    kept = {path: marks_in(store, path) for path in dict.fromkeys(unit.marks for unit in units)}
    return [unit for unit in units if not is_done(kept[unit.marks], unit.numbers, unit.mark)]


def marks_in(store: Store | None, path: str) -> np.ndarray:
    """The marks of a kind of units; none where the store has none."""
    if store is None or not store.holds(path):
        return np.zeros(0, np.uint64)
    return store.read(path)


def is_done(marks: np.ndarray, numbers: Iterable[int], mark: int) -> bool:
    """Whether all ``numbers`` have the ``mark``."""
    return all(number < len(marks) and int(marks[number]) == mark for number in numbers)
