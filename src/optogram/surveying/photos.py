"""The pass over the photos: statistics of all units, and the photos that activate each most."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from optogram.errors import PhotoError
from optogram.interpreters.precision import in_rounding
from optogram.jobs.photo_units import told_of
from optogram.jobs.work import Made, WorkUnit
from optogram.network.network import Network
from optogram.pictures.photo_set import PhotoSet
from optogram.pictures.prefetch import prefetched
from optogram.surveying.activations import activations
from optogram.surveying.table import UnitTable


@dataclass(frozen=True)
class Reading:
    """How the photos of a survey are read; the same for all work units.

    Attributes
    ----------
    size : (height, width)
        Input size.
    fit : str
        How photos are brought to it.
    batch : int
        Images of a batch.
    block : int
        Photos of a work unit.
    every : int
        Every so many photos, one is sampled; a power of two that divides ``block``.
    top : int
        Photos that are kept for each unit.
    rounding : str
        The `Graph.rounding` of the network that reads them.
    """

    size: tuple[int, int]
    fit: str
    batch: int
    block: int
    every: int
    top: int
    rounding: str = ""


@dataclass(frozen=True, eq=False)
class Block(WorkUnit):
    """Some photos that follow one another.

    Attributes
    ----------
    photos : PhotoSet
        The photos of the block.
    first : int
        Number of its first photo among all.
    table : UnitTable
        The units.
    reading : Reading
        How photos are read.
    """

    photos: PhotoSet
    first: int
    table: UnitTable
    reading: Reading

    @property
    def numbers(self) -> tuple[int, ...]:  # type: ignore[override]
        """Its place among the blocks."""
        return (self.first // self.reading.block,)

    def told(self) -> Any:
        """The photos, by name and content."""
        return told_of(self.photos)


@dataclass(frozen=True, eq=False)
class PhotoBlock(Block):
    """One forward pass of the whole network for each photo of a block."""

    marks: str = "blocks/done"

    def compute(self, net: Network) -> Made:
        """The statistics of the block, and the strongest photos in it."""
        reading, count = self.reading, len(self.photos)
        net = in_rounding(net, reading.rounding)
        strongest = Strongest(len(self.table), reading.top)
        sums = Sums(len(self.table))
        errors = [""] * count
        winners = np.full(count, -1, np.int32)
        rows = rows_of(self.first, count, reading.every)
        sampled = np.full((len(rows), len(self.table)), np.nan, np.float32)
        for numbers, x in batches_of(net, self.photos, range(count), reading, errors):
            at = positions_of(self.first + np.array(numbers))
            made = activations(net, x, self.table, at, reading.batch)
            sums.add(made.mean, made.active, made.peak)
            strongest.add(made.peak, made.place, self.first + np.array(numbers))
            if not net.head.is_spatial:
                winners[numbers] = winning_classes(net, made.logits)
            for row, number in enumerate(numbers):
                if number in rows:
                    sampled[rows[number]] = made.sampled[row]
        block = self.numbers[0]
        part = slice(self.first, self.first + count)
        kept = slice(self.first // reading.every, self.first // reading.every + len(rows))
        totals = {**sums.arrays(), **strongest.arrays()}
        chunks: list[tuple[str, Any, Any]] = [
            ("photos/error", part, np.array(errors, object)),
            ("photos/class", part, winners),
            ("samples/activation", kept, sampled),
            *((f"blocks/{name}", block, array) for name, array in totals.items()),
        ]
        return Made(chunks, count)


class Sums:
    """Sums over photos, for each unit.

    Attributes
    ----------
    photos : int
        Number of photos that were read.
    mean, active : float64 ndarrays of shape (units,)
        Sums of the mean activation, and of the share of active positions.
    fires : int64 ndarray of shape (units,)
        Number of photos in which the unit is active somewhere.
    """

    def __init__(self, units: int) -> None:
        self.photos = 0
        self.mean, self.active = np.zeros(units), np.zeros(units)
        self.fires = np.zeros(units, np.int64)

    def add(self, mean: np.ndarray, active: np.ndarray, peak: np.ndarray) -> None:
        """Add photos: arrays (N, units)."""
        self.photos += len(mean)
        self.mean += mean.sum(axis=0, dtype=np.float64)
        self.active += active.sum(axis=0, dtype=np.float64)
        self.fires += (peak > 0).sum(axis=0)

    def arrays(self) -> dict[str, Any]:
        """The sums by name."""
        return {
            "photos": self.photos,
            "mean": self.mean,
            "active": self.active,
            "fires": self.fires,
        }


class Strongest:
    """The strongest photos of each unit so far.

    Attributes
    ----------
    value, photo, place : ndarray of shape (units, top)
        Activations, strongest first; numbers of photos, −1 where there are fewer; flat positions
        in the map. Of equal activations, the first photo comes first.
    """

    def __init__(self, units: int, top: int) -> None:
        shape = (units, top)
        self.value = np.full(shape, -np.inf, np.float32)
        self.photo = np.full(shape, -1, np.int64)
        self.place = np.zeros(shape, np.int32)

    def add(self, peaks: np.ndarray, places: np.ndarray, photos: np.ndarray) -> None:
        """Add the ``peaks`` (N, units) of ``photos`` (N,), at ``places``."""
        self.merge(peaks.T, np.broadcast_to(photos, peaks.T.shape), places.T)

    def merge(self, value: np.ndarray, photo: np.ndarray, place: np.ndarray) -> None:
        """Add candidates (units, n), with later photos than those that are known."""
        # Few units gain a photo once many are known.
        top = self.value.shape[1]
        rows = np.flatnonzero((value > self.value[:, -1:]).any(axis=1))
        values = np.hstack([self.value[rows], value[rows]])
        order = np.argsort(-values, axis=1, kind="stable")[:, :top]
        self.value[rows] = np.take_along_axis(values, order, axis=1)
        for known, given in ((self.photo, photo), (self.place, place)):
            both = np.hstack([known[rows], given[rows]])
            known[rows] = np.take_along_axis(both, order, axis=1)

    def arrays(self) -> dict[str, Any]:
        """The arrays by name."""
        return {
            "strongest_activation": self.value,
            "strongest_photo": self.photo,
            "strongest_place": self.place,
        }


def positions_of(photos: np.ndarray) -> np.ndarray:
    """Where the maps of photos are sampled, by their numbers: (y, x) in 0…1, 1 excluded, (N, 2).

    Random: SplitMix64 (Steele, Lea and Flood 2014), which needs no generator for each photo.
    """
    counters = 2 * photos.astype(np.uint64)[:, None] + np.arange(1, 3, dtype=np.uint64)
    mixed: Any = counters * np.uint64(0x9E3779B97F4A7C15)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    mixed ^= mixed >> np.uint64(31)
    return (mixed >> np.uint64(40)).astype(np.float32) * np.float32(2**-24)


def rows_of(first: int, count: int, every: int) -> dict[int, int]:
    """The sampled photos of a block: from the number in the block to the row in its sample."""
    sampled = [number for number in range(count) if (first + number) % every == 0]
    return {number: row for row, number in enumerate(sampled)}


def batches_of(
    net: Network, photos: PhotoSet, numbers: Sequence[int], reading: Reading, errors: list[str]
) -> Iterator[tuple[list[int], np.ndarray]]:
    """The photos with these ``numbers``, prepared, in batches; notes what cannot be read.

    A batch is read while the one before is computed.
    """

    def read(part: Sequence[int]) -> np.ndarray:
        return np.asarray(
            net.fed([photos.source(number) for number in part], reading.fit, reading.size)
        )

    parts = [numbers[i : i + reading.batch] for i in range(0, len(numbers), reading.batch)]
    for part, x in zip(parts, prefetched(read, parts, ahead=1), strict=True):
        if not isinstance(x, PhotoError):
            yield list(part), x
            continue
        one_by_one: dict[int, np.ndarray] = {}
        for number in part:
            try:
                one_by_one[number] = read([number])
            except PhotoError as error:
                errors[number] = str(error)
        if one_by_one:
            yield list(one_by_one), np.concatenate(list(one_by_one.values()))


def winning_classes(net: Network, logits: np.ndarray) -> np.ndarray:
    """The most probable class of each row of ``logits`` (N, outputs)."""
    return net.head.probabilities(logits).argmax(axis=-1).astype(np.int32)
