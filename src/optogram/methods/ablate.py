"""Ablation: what each channel of a layer contributes to class scores and to accuracy."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from optogram.arguments import checked, shown
from optogram.errors import InputError, PhotoError
from optogram.graph.steps import Output
from optogram.interpreters.edited import Edited
from optogram.interpreters.engine import lengthened
from optogram.interpreters.memory import batches
from optogram.methods.intervening.changes import require_effect, step_with_channels
from optogram.methods.request.request import provenance_of
from optogram.methods.request.truth import classes_of
from optogram.network.network import Network
from optogram.pictures.photo_set import PhotoSet
from optogram.pictures.prepared import is_prepared
from optogram.pictures.sources import is_stream, labeled
from optogram.progress import Progress, ShownProgress, continued, reporting
from optogram.result import Ablation
from optogram.words import counted


@checked
def ablate(
    net: Network,
    photos: Any,
    layer: str,
    *,
    truth: Any = None,
    to: str = "zero",
    score: str = "logit",
    fit: str = "stretch",
    memory: float | str | None = None,
    progress: ShownProgress = None,
) -> Ablation:
    """What each channel of a layer contributes: scores and accuracy without it, over photos.

    Each channel is silenced alone, wherever it is read, also by skip connections; only the steps
    behind the layer are run for each. Morcos et al., "On the importance of single directions for
    generalization" (ICLR 2018), and Bau et al., "Understanding the role of individual units in a
    deep neural network" (PNAS 2020), ablate units in this way and measure the accuracy that
    remains. For several channels together, see `intervene`.

    Parameters
    ----------
    net : Network
        The network, with one score per class.
    photos : path, sequence of what `Network.prepare` takes, array, prepared batch, or stream
        As for `strongest_images`. They are prepared one at a time; those of a stream are held in
        memory as they come.
    layer : str
        Name of a layer with feature maps or units.
    truth : str, path or sequence, optional
        The true class of each photo, for accuracies: one class index or name for each photo; a CSV
        file with the columns photo and label, where photos without a label are left out; or
        ``"folders"``, for photos that come with their class, such as one subfolder per class.
    to : {"zero", "mean"}
        What a silenced channel is set to everywhere: 0, or its mean over all positions of all
        photos, which takes another pass over the photos.
    score : {"logit", "probability"}
        Score of a class: before or after the final softmax or sigmoid.
    fit : {"stretch", "crop", "pad"}
        How photos are brought to the input size; see `Network.prepare`.
    memory : float or str, optional
        Memory budget in bytes, or a string such as ``"2GB"``; None: a quarter of the free memory.
    progress : bool or callable, optional
        True shows a bar, in terminals and notebooks; a function is called as
        ``progress(done, total, what)``; ``what`` describes the work.

    Returns
    -------
    Ablation
        ``values`` (channels, classes): the mean change of the score of each class without each
        channel; the change for the predicted class, with its standard error; the share of photos
        whose predicted class changes; the accuracy, if ``truth`` is given. Photos at a path that
        cannot be read are skipped: ``unread`` lists them, and a warning for each gives the reason.

    Raises
    ------
    InputError
        If the network does not return one score per class, the layer has no channels or the scores
        do not depend on it, ``truth`` does not fit the photos or classes, no photo can be read, or
        a photo of a list cannot be read.
    """
    if to not in ("zero", "mean"):
        raise InputError(f'to must be "zero" or "mean", not {shown(to)}.')
    net.score_output(score)
    if net.head.is_spatial or net.head.is_regression:
        raise InputError(
            f"{net.name!r} returns an output of shape {net.head.shape}, not one score per class: "
            "og.intervene shows the effect of channels on other outputs."
        )
    step = step_with_channels(net, layer)
    edited = Edited(net, [step.index], [net.head.logits])
    require_effect(net, edited.unread)
    if is_stream(photos):
        photos = [photo for photo, _ in labeled(photos)]
    if is_prepared(photos):
        photos = [photos[i : i + 1] for i in range(len(photos))]
    found, classes, notes = classes_of(net, photos, truth)
    reader = _Reader(net, found, fit)
    totals = _Totals(net, score, step.shape[-1] or 0, classes)
    count, passes = 1 + totals.channels, 2 if to == "mean" else 1
    total = len(found) * (count + passes - 1)
    fill: np.ndarray | None = None
    with reporting(progress) as told:
        done = 0
        if to == "mean":
            place = edited.held.index(Output(step.index))
            means: list[np.ndarray] = []
            for number, x in reader:
                maps = np.asarray(net.backend.to_array(edited.base(x, is_short=False)[place]))
                means.append(maps.reshape(-1, count - 1).mean(axis=0, dtype=np.float64))
                told(number + 1, total, "photos")
            fill, done = np.mean(means, axis=0).astype(np.float32), len(found)
        for number, x in reader:
            base = edited.base(x, is_short=False)
            within = continued(told, done + number * count, total)
            logits = _logits(edited, base, fill, totals.channels, x.shape[1:3], memory, within)
            totals.add(found.names[number], logits)
    change, errors = totals.change
    places = dict(zip(found.names, found.paths or found.names, strict=True))
    return Ablation(
        values=totals.values,
        method="ablate",
        parameters={"to": to, "score": score, "fit": fit, "size": reader.size},
        provenance={**provenance_of(net, (*reader.size, net.channels)), "resample": net.resample},
        warnings=(*net.warnings, *notes, *reader.unread.values(), *totals.warnings()),
        layer=layer,
        classes=tuple(map(net.labels.numbered_name, range(net.head.classes))),
        unit=score,
        change=change,
        errors=errors,
        flipped=totals.flipped,
        accuracy_before=float(totals.accuracies[0]),
        accuracies=totals.accuracies[1:],
        photos=tuple(places[found.names[number]] for number in reader.numbers),
        unread=tuple(places[name] for name in reader.unread),
    )


@dataclass
class _Reader:
    """Photos, prepared one at a time: iterate over (number, image (1, H, W, C)).

    Attributes
    ----------
    net, photos, fit
        The network, the photos, and how they are brought to its size.
    numbers : list of int
        The photos that were read in the last pass.
    unread : dict of str to str
        Those that cannot be read, with the reason.
    """

    net: Network
    photos: PhotoSet
    fit: str
    numbers: list[int] = field(default_factory=list)
    unread: dict[str, str] = field(default_factory=dict)

    @cached_property
    def size(self) -> tuple[int, int]:
        """The first photo's, if it is prepared; else the network's."""
        first: Any = None if self.photos.origin else self.photos.source(0)
        height, width = first.shape[1:3] if is_prepared(first) else self.net.nominal_size
        return int(height), int(width)

    def __iter__(self) -> Iterator[tuple[int, np.ndarray]]:
        self.numbers = []
        for number, name in enumerate(self.photos.names):
            if name in self.unread:
                continue
            try:
                x = self._prepared(number)
            except PhotoError as error:
                if not self.photos.origin:
                    raise
                self.unread[name] = f"Skipped: {error}"
                continue
            self.numbers.append(number)
            yield number, x
        if not self.numbers:
            first = next(iter(self.unread.values()))
            raise InputError(f"None of the {len(self.photos)} photos can be read: {first}")

    def _prepared(self, number: int) -> np.ndarray:
        source = self.photos.source(number)
        if is_prepared(source):
            return np.asarray(self.net.fed(source))
        return np.asarray(self.net.fed([source], self.fit, self.size, first=number))


class _Totals:
    """What is added up photo by photo.

    Attributes
    ----------
    channels : int
        Number of channels.
    """

    def __init__(self, net: Network, score: str, channels: int, classes: dict[str, int]) -> None:
        self._head, self._score, self._classes = net.head, score, classes
        self.channels = channels
        self._sums = np.zeros((channels, net.head.classes))
        self._own: list[np.ndarray] = []
        self._flips = np.zeros(channels)
        self._right = np.zeros(1 + channels)
        self._bad = 0

    def add(self, name: str, logits: np.ndarray) -> None:
        """Add a photo: its logits (1 + C, outputs), with all channels and without each."""
        self._bad += int(np.count_nonzero(~np.isfinite(logits)))
        probabilities = self._head.probabilities(logits)
        scores = probabilities
        if self._score == "logit":
            scores = logits.astype(np.float64)
            if self._head.is_binary:
                scores = np.concatenate([-scores, scores], axis=1)
        predicted = probabilities.argmax(axis=1)
        with np.errstate(invalid="ignore"):
            changes = scores[1:] - scores[:1]
        self._sums += changes
        self._own.append(changes[:, predicted[0]].astype(np.float32))
        self._flips += predicted[1:] != predicted[0]
        if self._classes:
            self._right += predicted == self._classes[name]

    @property
    def values(self) -> np.ndarray:
        """(C, classes): the mean change of each score."""
        return (self._sums / len(self._own)).astype(np.float32)

    @property
    def change(self) -> tuple[np.ndarray, np.ndarray]:
        """(C,), (C,): the mean change of the predicted class's score, and its standard error."""
        own = np.stack(self._own).astype(np.float64)
        errors = np.full(self.channels, np.nan)
        if len(own) > 1:
            errors = own.std(axis=0, ddof=1) / np.sqrt(len(own))
        return own.mean(axis=0).astype(np.float32), errors.astype(np.float32)

    @property
    def flipped(self) -> np.ndarray:
        """(C,): the share of photos whose predicted class changes."""
        return (self._flips / len(self._own)).astype(np.float32)

    @property
    def accuracies(self) -> np.ndarray:
        """(1 + C,): the accuracy with all channels, and without each; NaN if it is not known."""
        if not self._classes:
            return np.full(1 + self.channels, np.nan, np.float32)
        return (self._right / len(self._own)).astype(np.float32)

    def warnings(self) -> list[str]:
        """Warnings about scores that are not finite, and channels without effect."""
        if self._bad:
            return [
                f"{counted(self._bad, 'score')} {'is' if self._bad == 1 else 'are'} NaN or "
                "infinite: the network overflows; means over photos are not defined there."
            ]
        if not self._sums.any():
            return [
                "No channel has an effect on any score: the maps have these values already, or no "
                "later layer uses them for these photos."
            ]
        return []


def _logits(
    edited: Edited,
    base: Sequence[Any],
    fill: np.ndarray | None,
    channels: int,
    size: tuple[int, int],
    memory: float | str | None,
    progress: Progress,
) -> np.ndarray:
    """(1 + C, outputs): the logits of an image with all channels, and without each of them."""
    kept = np.concatenate([np.ones((1, channels), bool), ~np.eye(channels, dtype=bool)])
    found, length = list[np.ndarray](), 0
    for part in batches(1 + channels, edited.bytes_copy(size), memory, is_forward=True):
        taken = part.stop - part.start
        length = length or taken
        (made,) = edited.ablated(base, lengthened(kept[part], length), is_short=False, fill=fill)
        found.append(made[:taken])
        progress(part.stop, 1 + channels, "channels")
    return np.concatenate(found)
