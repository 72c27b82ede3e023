"""The result of an audit."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, overload

import numpy as np

from optogram.result.base import Result
from optogram.result.plotting import placed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from PIL.Image import Image

_Z = 1.959963984540054  # of the standard normal distribution, for 95%
_ALMOST_SURE = 3.290526731491896  # for 99.9%: a dozen regions are tested
_TOP = 5
_DRAWN = 8

DISTINCT = 3.0
"""How many times as alike photos are in a suspicious region as elsewhere, at least."""


@dataclass(frozen=True)
class Rate:
    """A share with its 95% interval.

    Attributes
    ----------
    count, total : int
        So many of so many.
    share : float
        ``count / total``; 0 if there are none.
    low, high : float
        Wilson score interval (Wilson 1927), which also holds near 0 and 1.
    """

    count: int
    total: int
    share: float
    low: float
    high: float

    @classmethod
    def of(cls, count: int, total: int) -> "Rate":
        """The rate of ``count`` out of ``total``."""
        count, total = int(count), int(total)
        if not total:
            return cls(0, 0, 0.0, 0.0, 1.0)
        share, spread = count / total, _Z * _Z / total
        middle = (share + spread / 2) / (1 + spread)
        half = _Z / (1 + spread) * math.sqrt(share * (1 - share) / total + spread / 4 / total)
        return cls(count, total, share, max(0.0, middle - half), min(1.0, middle + half))

    def __str__(self) -> str:
        """For example ``81.2% (77.0 to 84.7%, 324 of 399)``."""
        return (
            f"{self.share:.1%} ({100 * self.low:.1f} to {self.high:.1%}, "
            f"{self.count} of {self.total})"
        )


@dataclass(frozen=True)
class Mean:
    """A mean with its 95% interval, by the normal approximation."""

    mean: float
    low: float
    high: float

    @classmethod
    def of(cls, values: np.ndarray) -> "Mean":
        """The mean of ``values``."""
        mean = float(np.mean(values))
        half = _Z * float(np.std(values, ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else 0
        return cls(mean, mean - half, mean + half)


@dataclass(frozen=True)
class Confusion:
    """Photos of one class that were predicted as another.

    Attributes
    ----------
    truth, predicted : int
        Class indices.
    count, total : int
        So many of the photos of the class.
    photos : tuple of int
        These photos, the most confident mistakes first.
    """

    truth: int
    predicted: int
    count: int
    total: int
    photos: tuple[int, ...]


@dataclass(frozen=True)
class DuplicateGroup:
    """Photos that look the same.

    Attributes
    ----------
    photos : tuple of int
        The photos.
    is_conflict : bool
        Whether their labels differ.
    correlation : float
        The smallest correlation of the pixels of a linked pair.
    """

    photos: tuple[int, ...]
    is_conflict: bool
    correlation: float


@dataclass(frozen=True)
class SuspectedLabel:
    """A label that may be wrong.

    Attributes
    ----------
    photo, given, suggested : int
        The photo, its label, and the class that it is counted in.
    margin : float
        Probability of the label minus that of the suggested class; smaller is more suspect.
    """

    photo: int
    given: int
    suggested: int
    margin: float


@dataclass(frozen=True)
class Cluster:
    """Photos of one class with similar explanations.

    Attributes
    ----------
    of_class, number : int
        The class, and the cluster within it, from 0; the largest is 0.
    count : int
        Number of photos.
    typical : tuple of int
        The photos nearest to the mean explanation.
    """

    of_class: int
    number: int
    count: int
    typical: tuple[int, ...]


@dataclass(frozen=True)
class Suspect:
    """A region that may be a shortcut, and the test that settles it.

    Attributes
    ----------
    of_class : int
        The class.
    cluster : int or None
        The cluster of its photos; None: all photos of the class.
    region : (float, float, float, float)
        Top, left, bottom, right as fractions of the network's input.
    relevance : float
        Share of the explanation in the region.
    alikeness : float
        Mean correlation of the fine structure in the region between photos: 0 unrelated, 1 equal.
    alikeness_elsewhere : float
        The same outside of the region.
    photos : tuple of int
        Photos in which the region is most relevant.
    fall, fall_elsewhere : Mean
        Fall of the score (logit) when the region, or a random place of the same size, is covered.
    difference : Mean
        The fall minus that at random places, photo by photo.
    lost, lost_elsewhere : Rate
        Photos that lose the class when it is covered.
    flipped : Rate
        Photos of other classes that become this class when the region of a photo is pasted there.
    flipped_elsewhere : Rate
        The same with a piece of the same photo from a random place.
    flipped_others : Rate
        The same with the region of photos of other classes.
    chance : float
        Probability that so many more photos flip than with the controls by chance alone: exact
        test of McNemar (1947), the larger of both.
    is_shortcut : bool
        Whether photos are at least three times as alike in the region as elsewhere, covering
        lowers the score more than at random places (the interval of ``difference`` is above 0),
        ``chance`` is below 0.001, and ``effect`` is 0.1 or more.
    """

    of_class: int
    cluster: int | None
    region: tuple[float, float, float, float]
    relevance: float
    alikeness: float
    alikeness_elsewhere: float
    photos: tuple[int, ...]
    fall: Mean
    fall_elsewhere: Mean
    difference: Mean
    lost: Rate
    lost_elsewhere: Rate
    flipped: Rate
    flipped_elsewhere: Rate
    flipped_others: Rate
    chance: float
    is_shortcut: bool

    @property
    def effect(self) -> float:
        """Share that flips, beyond the larger of the two controls."""
        return self.flipped.share - max(self.flipped_elsewhere.share, self.flipped_others.share)

    @property
    def contributes(self) -> bool:
        """Whether the region adds to the score without being a shortcut by itself.

        Photos are at least three times as alike there as elsewhere, and the fall of the score
        minus that at random places is above 0 with its 99.9% interval.
        """
        half = (self.difference.mean - self.difference.low) * _ALMOST_SURE / _Z
        return (
            not self.is_shortcut
            and self.alikeness >= DISTINCT * self.alikeness_elsewhere
            and self.difference.mean > half
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class Audit(Result):
    """The audit of a classifier on N labeled photos.

    ``values`` (N,) is the probability of each photo's label. Photos are numbered from 0, in the
    order of ``photos``; those that could not be read are not among them.

    Attributes
    ----------
    photos : tuple of str
        Names of the photos.
    labels : tuple of str
        Names of all classes of the network.
    truth, predicted : ndarray of shape (N,)
        Class index of the label, and of the highest probability.
    confidence : ndarray of shape (N,)
        Probability of the predicted class.
    rank : ndarray of shape (N,)
        Number of classes more probable than the label.
    maps : ndarray of shape (N, h, w)
        Where the score of the label comes from, with a sum of 1; 0 where there is no evidence.
    cluster : ndarray of shape (N,)
        Number of the cluster of explanations within the class; -1 where there is none.
    duplicates : tuple of DuplicateGroup
        Near-duplicates, label conflicts first.
    suspected_labels : tuple of SuspectedLabel
        Labels that may be wrong, most suspect first.
    clusters : tuple of Cluster
        Clusters of explanations, by class.
    suspects : tuple of Suspect
        Regions that were tested as shortcuts, largest effect first.
    unread : mapping of str to str
        Photos that cannot be read, and why.
    notes : tuple of str
        How labels were found, and photos left out.
    """

    shapes: ClassVar = {
        "values": "N",
        "photos": "N",
        "truth": "N",
        "predicted": "N",
        "confidence": "N",
        "rank": "N",
        "maps": "N h w",
        "cluster": "N",
    }

    photos: tuple[str, ...]
    labels: tuple[str, ...]
    truth: np.ndarray
    predicted: np.ndarray
    confidence: np.ndarray
    rank: np.ndarray
    maps: np.ndarray
    cluster: np.ndarray
    unread: Mapping[str, str]
    notes: tuple[str, ...]
    findings: Mapping[str, Any]

    # -- figures --------------------------------------------------------------------------------

    @property
    def is_right(self) -> np.ndarray:
        """(N,): whether the predicted class is the label."""
        return self.predicted == self.truth

    @property
    def classes(self) -> tuple[int, ...]:
        """Indices of the classes that photos are labeled as."""
        return tuple(int(index) for index in np.unique(self.truth))

    @property
    def accuracy(self) -> Rate:
        """Share of photos whose predicted class is their label."""
        return Rate.of(int(self.is_right.sum()), len(self.truth))

    @property
    def top5(self) -> Rate | None:
        """Share of photos with their label among the five most probable classes.

        None for a network of ten classes or fewer.
        """
        if len(self.labels) <= 2 * _TOP:
            return None
        return Rate.of(int((self.rank < _TOP).sum()), len(self.rank))

    @property
    def class_accuracy(self) -> dict[int, Rate]:
        """The accuracy on the photos of each class."""
        return {
            index: Rate.of(
                int(self.is_right[self.truth == index].sum()), int((self.truth == index).sum())
            )
            for index in self.classes
        }

    @property
    def confusions(self) -> tuple[Confusion, ...]:
        """Pairs of label and predicted class that differ, most photos first."""
        wrong = np.flatnonzero(~self.is_right)
        pairs = np.stack([self.truth[wrong], self.predicted[wrong]], axis=1)
        found, which, counts = np.unique(
            pairs.reshape(-1, 2), axis=0, return_inverse=True, return_counts=True
        )
        totals = np.bincount(self.truth, minlength=len(self.labels))
        confusions = []
        for number in np.argsort(-counts, kind="stable"):
            photos = wrong[which.reshape(-1) == number]
            photos = photos[np.argsort(-self.confidence[photos], kind="stable")]
            truth, predicted = map(int, found[number])
            confusions.append(
                Confusion(
                    truth, predicted, len(photos), int(totals[truth]), tuple(map(int, photos))
                )
            )
        return tuple(confusions)

    @property
    def mistakes(self) -> np.ndarray:
        """Photos predicted as another class than their label, most confident first."""
        wrong = np.flatnonzero(~self.is_right)
        return wrong[np.argsort(-self.confidence[wrong], kind="stable")]

    @property
    def unsure(self) -> np.ndarray:
        """Photos predicted as their label, least confident first."""
        right = np.flatnonzero(self.is_right)
        return right[np.argsort(self.confidence[right], kind="stable")]

    @property
    def duplicates(self) -> tuple[DuplicateGroup, ...]:
        """Near-duplicates, label conflicts first."""
        return tuple(_as(DuplicateGroup, found) for found in self.findings["duplicates"])

    @property
    def suspected_labels(self) -> tuple[SuspectedLabel, ...]:
        """Labels that may be wrong, most suspect first."""
        return tuple(_as(SuspectedLabel, found) for found in self.findings["suspected_labels"])

    @property
    def clusters(self) -> tuple[Cluster, ...]:
        """Clusters of explanations, by class."""
        return tuple(_as(Cluster, found) for found in self.findings["clusters"])

    @property
    def suspects(self) -> tuple[Suspect, ...]:
        """Regions that were tested as shortcuts, largest effect first."""
        return tuple(_suspect(found) for found in self.findings["suspects"])

    @property
    def shortcuts(self) -> tuple[Suspect, ...]:
        """The suspects that the test confirmed."""
        return tuple(suspect for suspect in self.suspects if suspect.is_shortcut)

    @property
    def contributing(self) -> tuple[Suspect, ...]:
        """The suspects that add to the score of a class, but do not decide it: look at them."""
        return tuple(suspect for suspect in self.suspects if suspect.contributes)

    @property
    def sentence(self) -> str:
        """The result in plain words."""
        parts = [f"Accuracy {self.accuracy}."]
        if self.shortcuts:
            first = self.shortcuts[0]
            names = dict.fromkeys(self.labels[one.of_class] for one in self.shortcuts)
            several = "s" if len(self.shortcuts) > 1 else ""
            parts.append(
                f"{len(self.shortcuts)} shortcut{several} found, for {', '.join(names)}: pasted "
                f"on photos of other classes, the first turns {first.flipped} into "
                f"{self.labels[first.of_class]}."
            )
        else:
            parts.append("No shortcut was found.")
        if self.contributing:
            regions = "region" if len(self.contributing) == 1 else "regions"
            names = dict.fromkeys(self.labels[one.of_class] for one in self.contributing)
            parts.append(
                f"Look at {len(self.contributing)} {regions} of {', '.join(names)}: photos look "
                "the same there, which adds to the score but does not decide the class."
            )
        conflicts = sum(group.is_conflict for group in self.duplicates)
        parts.append(
            f"Suspected labels: {len(self.suspected_labels)}. Groups of near-duplicates: "
            f"{len(self.duplicates)}, {conflicts} of them with different labels. Photos that "
            f"cannot be read: {len(self.unread)}."
        )
        return " ".join(parts)

    def verdict(self, suspect: Suspect) -> str:
        """What the test of a suspect says, in plain words."""
        name = self.labels[suspect.of_class]
        if suspect.is_shortcut:
            control = max(suspect.flipped_elsewhere.share, suspect.flipped_others.share)
            return (
                f"Shortcut: pasted on photos of other classes, this region alone turns "
                f"{suspect.flipped.share:.0%} of them into {name} (controls: at most "
                f"{control:.0%}). Covering it lowers the score."
            )
        if suspect.difference.low <= 0:
            why = "covering it lowers the score no more than covering random places does"
        elif suspect.effect <= 0 or suspect.chance > 0.05:
            why = (
                f"pasting it on photos of other classes turns no more of them into {name} than "
                "the controls do"
            )
        elif suspect.effect >= 0.1 and suspect.chance < 0.001:
            return (
                f"No shortcut claimed: the region makes the class, but the photos of {name} are "
                "alike elsewhere, too, so it may be a part of the object. Look at it."
            )
        else:
            why = (
                f"pasting it on photos of other classes turns only a few more of them into {name} "
                "than the controls do"
            )
        if suspect.contributes:
            return (
                f"Look at it: photos of {name} look the same there, and covering it lowers the "
                f"score by {suspect.fall.mean:.2f} (control: {suspect.fall_elsewhere.mean:.2f}). "
                f"Not confirmed as a shortcut: {why}."
            )
        return f"Not confirmed: {why}."

    def as_json(self) -> dict[str, Any]:
        """All figures as plain lists, texts and numbers, for `json.dumps`.

        Photos are given by name, classes by index and label. Maps are left out: `save` keeps them.
        """
        top5 = self.top5
        return {
            "sentence": self.sentence,
            "accuracy": dataclasses.asdict(self.accuracy),
            "top5": None if top5 is None else dataclasses.asdict(top5),
            "classes": [
                {
                    **self._class(index),
                    "accuracy": dataclasses.asdict(rate),
                    "predicted": int((self.predicted == index).sum()),
                }
                for index, rate in self.class_accuracy.items()
            ],
            "confusions": [
                {
                    "truth": self._class(one.truth),
                    "predicted": self._class(one.predicted),
                    "count": one.count,
                    "total": one.total,
                    "photos": self._names(one.photos),
                }
                for one in self.confusions
            ],
            "photos": [
                {
                    "photo": name,
                    "truth": int(self.truth[i]),
                    "predicted": int(self.predicted[i]),
                    "confidence": float(self.confidence[i]),
                    "truth_probability": float(self.values[i]),
                    "rank": int(self.rank[i]),
                    "cluster": int(self.cluster[i]),
                }
                for i, name in enumerate(self.photos)
            ],
            "mistakes": self._names(self.mistakes),
            "unsure": self._names(self.unsure[:100]),
            "duplicates": [
                {**dataclasses.asdict(one), "photos": self._names(one.photos)}
                for one in self.duplicates
            ],
            "suspected_labels": [
                {
                    "photo": self.photos[one.photo],
                    "given": self._class(one.given),
                    "suggested": self._class(one.suggested),
                    "margin": one.margin,
                }
                for one in self.suspected_labels
            ],
            "clusters": [
                {
                    **dataclasses.asdict(one),
                    "of_class": self._class(one.of_class),
                    "typical": self._names(one.typical),
                }
                for one in self.clusters
            ],
            "suspects": [
                {
                    **dataclasses.asdict(one),
                    "of_class": self._class(one.of_class),
                    "photos": self._names(one.photos),
                    "effect": one.effect,
                    "contributes": one.contributes,
                    "verdict": self.verdict(one),
                }
                for one in self.suspects
            ],
            "unread": dict(self.unread),
            "notes": list(self.notes),
            "warnings": list(self.warnings),
            "parameters": dict(self.parameters),
            "provenance": dict(self.provenance),
        }

    @overload
    def plot(self, *, ax: None = None) -> "Image": ...

    @overload
    def plot(self, *, ax: "Axes") -> "Axes": ...

    def plot(self, *, ax: "Axes | None" = None) -> "Image | Axes":
        """The mean explanation of each class, and of each of its clusters, with their numbers.

        The eight classes with the most photos. ``ax`` as in `Result.plot`.
        """
        from optogram.render import heatmap, sheet

        sizes = np.bincount(self.truth, minlength=len(self.labels))
        shown = sorted(self.classes, key=lambda index: -sizes[index])[:_DRAWN]
        rows, captions = [], []
        for index in shown:
            own = self.truth == index
            rate = self.class_accuracy[index]
            numbers = sorted({int(n) for n in self.cluster[own]} - {-1})
            groups = [own, *(own & (self.cluster == n) for n in numbers if len(numbers) > 1)]
            rows.append(
                [
                    heatmap(
                        self.maps[group].mean(axis=0).astype(np.float32),
                        size=(160, 160),
                        bar=False,
                        title=f"{'all' if i == 0 else f'cluster {i}'}, {int(group.sum())}",
                    )
                    for i, group in enumerate(groups)
                ]
            )
            captions.append(f"{self.labels[index]}: {rate.share:.0%} right")
        return placed(sheet(rows, captions=captions), ax)

    def _class(self, index: int) -> dict[str, Any]:
        return {"index": int(index), "label": self.labels[index]}

    def _names(self, photos: Sequence[int] | np.ndarray) -> list[str]:
        return [self.photos[int(photo)] for photo in photos]


def _as(kind: type, found: Mapping[str, Any]) -> Any:
    """A dataclass from the fields of a saved result, where tuples have become lists."""
    return kind(
        **{name: tuple(item) if isinstance(item, list) else item for name, item in found.items()}
    )


def _suspect(found: Mapping[str, Any]) -> Suspect:
    fields = {
        name: (Rate if "count" in item else Mean)(**item) if isinstance(item, Mapping) else item
        for name, item in found.items()
    }
    return _as(Suspect, fields)
