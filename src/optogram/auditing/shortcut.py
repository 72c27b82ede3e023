"""Regions that may be shortcuts, and the test that settles it: cover them, and paste them.

A watermark is the same pixels at one place of the frame in many photos of a class, and the network
looks there. Candidates are found by both signs; whether the network relies on one is then measured
on altered photos, beside controls.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import gaussian_filter, zoom
from scipy.stats import binomtest

from optogram.auditing.observing import SIDE
from optogram.network.network import Network
from optogram.result.audit import DISTINCT, Mean, Rate, Suspect

MOST_TESTED = 12
"""Suspects that are tested, at most."""

PHOTOS = 128
"""Photos of the class, and of other classes, in a test, at most."""

_FEWEST = 8
_MOST_PER_CLASS = 2
_BLUR = 3.0  # pixels of the small copies
_LOUDEST = 3.0  # standard deviations
_ALIKE = 0.08
_STEP = 4
_WINDOWS = tuple(
    (height, width)
    for height in (8, 16, 24, 32)
    for width in (8, 16, 24, 32)
    if height * width <= 576
)
_APART = 8  # pixels of the small copies
_LARGEST = 768  # pixels of the small copies
_EDGE = 0.5
_NARROWEST = 8
_PLACES = 3
_LEAST = 0.1
_UNLIKELY = 0.001  # 1% for 12 suspects, about

Region = tuple[int, int, int, int]
"""Top, left, bottom, right in pixels."""


@dataclass(frozen=True)
class Candidate:
    """A region to test.

    Attributes
    ----------
    of_class, cluster
        The class, and the cluster of its photos; None: all of them.
    region : (int, int, int, int)
        In pixels of the small copies.
    relevance, alikeness, alikeness_elsewhere : float
        See `Suspect`.
    photos : int ndarray
        The photos of the class or cluster, those with most relevance in the region first.
    """

    of_class: int
    cluster: int | None
    region: Region
    relevance: float
    alikeness: float
    photos: np.ndarray
    alikeness_elsewhere: float = 0.0

    @property
    def weight(self) -> float:
        """How suspect it is before the test."""
        return self.relevance * (self.alikeness - max(self.alikeness_elsewhere, 0.0))

    @property
    def is_distinct(self) -> bool:
        """Whether the photos are far more alike in the region than elsewhere."""
        return self.alikeness >= DISTINCT * self.alikeness_elsewhere


# Candidates


def candidates(
    of_class: int, cluster: int | None, photos: np.ndarray, maps: np.ndarray, copies: np.ndarray
) -> list[Candidate]:
    """Regions in which ``photos`` look alike and their explanations lie.

    Parameters
    ----------
    of_class, cluster, photos
        The class, the cluster, and its photos.
    maps : ndarray of shape (n, h, w)
        Their explanations.
    copies : uint8 ndarray of shape (n, SIDE, SIDE)
        Their small gray copies.
    """
    if len(photos) < _FEWEST:
        return []
    fine = fine_structure(copies)
    together, alone = fine.sum(axis=0) ** 2, (fine**2).sum(axis=0)
    relevance = zoom(maps.mean(axis=0), (SIDE / maps.shape[1], SIDE / maps.shape[2]), order=0)
    relevance /= max(float(relevance.sum()), 1e-12)
    sums = [_integral(array) for array in (together, alone, relevance)]
    found: list[Candidate] = []
    for height, width in _WINDOWS:
        for top in range(0, SIDE - height + 1, _STEP):
            for left in range(0, SIDE - width + 1, _STEP):
                region = (top, left, top + height, left + width)
                alike = _alikeness([_inside(one, region) for one in sums], len(photos))
                if alike >= _ALIKE:
                    share = _inside(sums[2], region)
                    found.append(Candidate(of_class, cluster, region, share, alike, photos))
    chosen = apart(sorted(found, key=lambda one: -one.weight))[:_MOST_PER_CLASS]
    return [_ordered(_fitted(one, sums), maps) for one in chosen]


def apart(found: Sequence[Candidate]) -> list[Candidate]:
    """The candidates, in order, that lie apart from earlier ones of their class."""
    kept: list[Candidate] = []
    for one in found:
        if not any(
            other.of_class == one.of_class and _touch(one.region, other.region, _APART)
            for other in kept
        ):
            kept.append(one)
    return kept


def _alikeness(sums: Sequence[float], count: int) -> float:
    """Mean correlation of the fine structure between pairs of ``count`` photos.

    Pairs weigh by contrast: (|Σ f|² − Σ |f|²) / ((n − 1) Σ |f|²), from both sums over a region.
    """
    together, alone = sums[0], sums[1]
    return (together - alone) / ((count - 1) * alone) if alone > 1e-6 else 0.0


def _fitted(one: Candidate, sums: Sequence[np.ndarray]) -> Candidate:
    """The candidate without strips that are less than half as alike, with others that are more."""
    count = len(one.photos)
    enough = _EDGE * one.alikeness

    def is_alike(strip: Region) -> bool:
        return _alikeness([_inside(one, strip) for one in sums], count) >= enough

    region, is_changed = one.region, True
    while is_changed:
        is_changed = False
        for side in range(4):
            strip, smaller = _split(region, side)
            if _shorter(smaller) >= _NARROWEST and not is_alike(strip):
                region, is_changed = smaller, True
    is_changed = True
    while is_changed:
        is_changed = False
        for side in range(4):
            larger = _moved(region, side, -_STEP if side < 2 else _STEP)
            if 0 <= larger[side] <= SIDE and _area(larger) <= _LARGEST:
                strip, _ = _split(larger, side)
                if is_alike(strip):
                    region, is_changed = larger, True
    return replace(
        one,
        region=region,
        relevance=_inside(sums[2], region),
        alikeness=_alikeness([_inside(one, region) for one in sums], count),
        alikeness_elsewhere=_alikeness(
            [_inside(one, (0, 0, SIDE, SIDE)) - _inside(one, region) for one in sums], count
        ),
    )


def _moved(region: Region, side: int, by: int) -> Region:
    """The region with one side (top, left, bottom, right) moved."""
    top, left, bottom, right = (
        place + by if number == side else place for number, place in enumerate(region)
    )
    return top, left, bottom, right


def _split(region: Region, side: int) -> tuple[Region, Region]:
    """The strip along one side, and the rest."""
    by = _STEP if side < 2 else -_STEP
    rest = _moved(region, side, by)
    opposite = (side + 2) % 4
    return _moved(region, opposite, rest[side] - region[opposite]), rest


def _shorter(region: Region) -> int:
    return min(region[2] - region[0], region[3] - region[1])


def _area(region: Sequence[int]) -> int:
    return (region[2] - region[0]) * (region[3] - region[1])


def fine_structure(copies: np.ndarray) -> np.ndarray:
    """What is finer than a blur in each copy (n, s, s), with standard deviation 1."""
    pixels = copies.astype(np.float32)
    fine = pixels - gaussian_filter(pixels, (0, _BLUR, _BLUR), mode="nearest")
    spread = fine.std(axis=(1, 2), keepdims=True)
    fine = np.divide(fine, spread, out=np.zeros_like(fine), where=spread > 0)
    return np.clip(fine, -_LOUDEST, _LOUDEST)


def _ordered(one: Candidate, maps: np.ndarray) -> Candidate:
    """The candidate, its photos with most relevance in the region first."""
    rows, columns = maps.shape[1:]
    top, left, bottom, right = one.region
    inside = maps[
        :,
        top * rows // SIDE : -(-bottom * rows // SIDE),
        left * columns // SIDE : -(-right * columns // SIDE),
    ]
    order = np.argsort(-inside.sum(axis=(1, 2)), kind="stable")
    return replace(one, photos=one.photos[order])


def _integral(array: np.ndarray) -> np.ndarray:
    return np.pad(array.astype(np.float64).cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))


def _inside(integral: np.ndarray, region: Region) -> float:
    top, left, bottom, right = region
    found = integral[bottom, right] - integral[top, right] - integral[bottom, left]
    return float(found + integral[top, left])


def _touch(one: Region, other: Region, margin: int = 0) -> bool:
    """Whether two regions overlap, or have less than ``margin`` between them."""
    return min(one[2], other[2]) + margin > max(one[0], other[0]) and min(
        one[3], other[3]
    ) + margin > max(one[1], other[1])


# The test


def tested(
    net: Network,
    candidate: Candidate,
    own: np.ndarray,
    others: np.ndarray,
    seed: int,
    memory: float | str | None,
) -> Suspect:
    """Measure what the region causes.

    Parameters
    ----------
    net : Network
        The network.
    candidate : Candidate
        The region.
    own : ndarray of shape (n, H, W, C)
        Prepared photos of the candidate that are predicted as its class.
    others : ndarray of shape (m, H, W, C)
        Prepared photos of other classes that are not predicted as its class.
    seed : int
        Random seed of the places and pairs.
    memory
        Memory budget.
    """
    generator = np.random.default_rng(seed)
    size = own.shape[1:3]
    region = _scaled(candidate.region, size)

    def answers(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        logits = net.scores(x, memory)
        column = logits[:, 0] if net.head.is_binary else logits[:, candidate.of_class]
        score = -column if net.head.is_binary and candidate.of_class == 0 else column
        return score, net.head.probabilities(logits).argmax(axis=1) == candidate.of_class

    def altered(x: np.ndarray, change: Callable[[int, np.ndarray], None]) -> np.ndarray:
        copy = x.copy()
        for i, one in enumerate(copy):
            change(i, one)
        return copy

    before, is_own = answers(own)
    covered, stays = answers(altered(own, lambda _, one: _cover(one, region)))
    fall, kept = before - covered, is_own
    falls_elsewhere, stays_elsewhere = [], []
    for _ in range(_PLACES):
        score, is_kept = answers(
            altered(own, lambda _, one: _cover(one, _elsewhere(region, size, generator)))
        )
        falls_elsewhere.append(before - score)
        stays_elsewhere.append(is_kept)
    elsewhere = np.mean(falls_elsewhere, axis=0)
    sources = generator.permutation(np.arange(len(others)) % len(own))
    strangers = (np.arange(len(others)) + 1 + len(others) // 2) % len(others)
    spots = [_elsewhere(region, size, generator) for _ in others]

    def flips(piece: Callable[[int], np.ndarray]) -> np.ndarray:
        return answers(altered(others, lambda i, one: _paste(one, region, piece(i))))[1]

    flipped = flips(lambda i: _cut(own[sources[i]], region))
    flipped_elsewhere = flips(lambda i: _cut(own[sources[i]], spots[i]))
    flipped_others = flips(lambda i: _cut(others[strangers[i]], region))
    difference = Mean.of(fall - elsewhere)
    controls = (flipped_elsewhere, flipped_others)
    effect = float(flipped.mean() - max(control.mean() for control in controls))
    chance = max(more_often(flipped, control) for control in controls)
    top, left, bottom, right = candidate.region
    return Suspect(
        of_class=candidate.of_class,
        cluster=candidate.cluster,
        region=(top / SIDE, left / SIDE, bottom / SIDE, right / SIDE),
        relevance=candidate.relevance,
        alikeness=candidate.alikeness,
        alikeness_elsewhere=candidate.alikeness_elsewhere,
        photos=tuple(map(int, candidate.photos[:PHOTOS])),
        fall=Mean.of(fall),
        fall_elsewhere=Mean.of(elsewhere),
        difference=difference,
        lost=_rate(kept & ~stays),
        lost_elsewhere=_rate(np.concatenate([kept & ~one for one in stays_elsewhere])),
        flipped=_rate(flipped),
        flipped_elsewhere=_rate(flipped_elsewhere),
        flipped_others=_rate(flipped_others),
        chance=chance,
        is_shortcut=bool(
            candidate.is_distinct and difference.low > 0 and chance < _UNLIKELY and effect >= _LEAST
        ),
    )


def more_often(these: np.ndarray, those: np.ndarray) -> float:
    """The probability that ``these`` are true more often than ``those`` by chance alone.

    One-sided exact test of McNemar (1947) for pairs (n,) of bool.
    """
    only_these, only_those = int((these & ~those).sum()), int((those & ~these).sum())
    if not only_these:
        return 1.0
    return float(binomtest(only_these, only_these + only_those, alternative="greater").pvalue)


def _rate(found: np.ndarray) -> Rate:
    return Rate.of(int(found.sum()), len(found))


def _scaled(region: Region, size: tuple[int, int]) -> Region:
    """A region of the small copies in pixels of the network's input."""
    top, left, bottom, right = region
    (height, width), side = size, SIDE
    top, left = top * height // side, left * width // side
    return (
        top,
        left,
        max(-(-bottom * height // side), top + 1),
        max(-(-right * width // side), left + 1),
    )


def _elsewhere(region: Region, size: tuple[int, int], generator: np.random.Generator) -> Region:
    """A random place of the same size that does not overlap with ``region``, if there is one."""
    height, width = region[2] - region[0], region[3] - region[1]
    place = region
    for _ in range(100):
        top = int(generator.integers(size[0] - height + 1))
        left = int(generator.integers(size[1] - width + 1))
        place = (top, left, top + height, left + width)
        if not _touch(place, region):
            break
    return place


def _cut(image: np.ndarray, region: Region) -> np.ndarray:
    top, left, bottom, right = region
    return image[top:bottom, left:right]


def _paste(image: np.ndarray, region: Region, piece: np.ndarray) -> None:
    top, left, bottom, right = region
    image[top:bottom, left:right] = piece


def _cover(image: np.ndarray, region: Region) -> None:
    """Fill the region with the mean color of a ring around it."""
    top, left, bottom, right = region
    width = max(1, min(bottom - top, right - left) // 4)
    ring = np.zeros(image.shape[:2], bool)
    ring[max(0, top - width) : bottom + width, max(0, left - width) : right + width] = True
    ring[top:bottom, left:right] = False
    color = image[ring].mean(axis=0) if ring.any() else image.mean(axis=(0, 1))
    image[top:bottom, left:right] = color
