"""One pass over the photos: predictions, explanations, small copies."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from optogram.errors import InputError, PhotoError
from optogram.network.network import Network
from optogram.pictures.prepared import is_prepared
from optogram.progress import Progress
from optogram.target import Class

SIDE = 64
"""Height and width of the small gray copies."""

_BATCH = 64
_MOST_CELLS = 16


@dataclass(frozen=True, eq=False)
class Observed:
    """What one pass over the photos found; photos that cannot be read are left out.

    Attributes
    ----------
    kept : int ndarray of shape (N,)
        Numbers of the photos that were read.
    probabilities : float32 ndarray of shape (N, classes)
        Probability of each class that photos are labeled as; of the predicted class where it is
        another, see ``predicted``.
    classes : int ndarray
        These classes.
    predicted, rank : int ndarray of shape (N,)
        Most probable class; number of classes more probable than the label.
    confidence, own : ndarray of shape (N,)
        Probability of the predicted class, and of the label.
    maps : float32 ndarray of shape (N, h, w)
        Positive evidence for the label, with a sum of 1 or 0.
    copies : uint8 ndarray of shape (N, SIDE, SIDE)
        Small gray copies of what the network saw.
    unread : dict of int to str
        Photos that cannot be read, and why.
    warnings : tuple of str
        Warnings of the method, without those about single maps.
    """

    kept: np.ndarray
    probabilities: np.ndarray
    classes: np.ndarray
    predicted: np.ndarray
    rank: np.ndarray
    confidence: np.ndarray
    own: np.ndarray
    maps: np.ndarray
    copies: np.ndarray
    unread: dict[int, str]


@dataclass(frozen=True, eq=False)
class Explainer:
    """An attribution method with its settings."""

    method: Callable[..., Any]
    settings: dict[str, Any]

    def maps(self, net: Network, x: np.ndarray, targets: Sequence[Any]) -> np.ndarray:
        """(N, h, w): the heatmap of each image for its target."""
        return self.method(net, x, list(targets), **self.settings).heatmap


def prepared_one(net: Network, source: Any, fit: str | None) -> np.ndarray:
    """One photo as a plain batch (1, H, W, C) in network units."""
    if is_prepared(source):
        return np.asarray(net.prepare(source, fit))
    size = net.nominal_size if None in net.size else None
    return np.asarray(net.fed([source], fit, size))


def observe(
    net: Network,
    sources: Sequence[Any],
    truth: np.ndarray,
    explainer: Explainer,
    fit: str | None,
    memory: float | str | None,
    progress: Progress,
) -> Observed:
    """Read each photo once, in batches.

    Raises
    ------
    InputError
        If no photo can be read.
    """
    classes = np.unique(truth)
    kept: list[int] = []
    unread: dict[int, str] = {}
    found: dict[str, list[np.ndarray]] = {}
    total = len(sources)
    for start in range(0, total, _BATCH):
        numbers, pictures = [], []
        for number in range(start, min(start + _BATCH, total)):
            try:
                pictures.append(prepared_one(net, sources[number], fit))
                numbers.append(number)
            except PhotoError as error:
                unread[number] = str(error)
        if numbers:
            kept += numbers
            part = _of_batch(
                net, np.concatenate(pictures), truth[numbers], classes, explainer, memory
            )
            for name, array in part.items():
                found.setdefault(name, []).append(array)
        progress(min(start + _BATCH, total), total, "photos")
    if not kept:
        raise InputError(f"None of the {total} photos can be read: {next(iter(unread.values()))}")
    arrays = {name: np.concatenate(parts) for name, parts in found.items()}
    return Observed(kept=np.array(kept), classes=classes, unread=unread, **arrays)


def _of_batch(
    net: Network,
    x: np.ndarray,
    truth: np.ndarray,
    classes: np.ndarray,
    explainer: Explainer,
    memory: float | str | None,
) -> dict[str, np.ndarray]:
    probabilities = net.head.probabilities(net.scores(x, memory))
    rows = np.arange(len(x))
    own, predicted = probabilities[rows, truth], probabilities.argmax(axis=1)
    return {
        "probabilities": probabilities[:, classes].astype(np.float32),
        "predicted": predicted,
        "rank": (probabilities > own[:, None]).sum(axis=1),
        "confidence": probabilities[rows, predicted].astype(np.float32),
        "own": own.astype(np.float32),
        "maps": _normalized(explainer.maps(net, x, [Class(int(one)) for one in truth])),
        "copies": small_copies(net.display(x)),
    }


def small_copies(pictures: np.ndarray) -> np.ndarray:
    """(N, SIDE, SIDE) uint8: pictures (N, H, W, C) in gray, averaged over areas."""
    gray = pictures.mean(axis=-1)
    copies = [
        Image.fromarray(one.astype(np.float32)).resize((SIDE, SIDE), Image.Resampling.BOX)
        for one in gray
    ]
    return np.rint(np.stack([np.asarray(copy) for copy in copies])).astype(np.uint8)


def _normalized(maps: np.ndarray) -> np.ndarray:
    """Positive values, of at most 16×16 cells, with a sum of 1; 0 where there are none."""
    maps = np.nan_to_num(np.maximum(maps, 0), posinf=0).astype(np.float32)
    size = tuple(min(side, _MOST_CELLS) for side in maps.shape[1:])
    if size != maps.shape[1:]:
        maps = np.stack(
            [
                np.asarray(Image.fromarray(one).resize(size[::-1], Image.Resampling.BOX))
                for one in maps
            ]
        )
    sums = maps.sum(axis=(1, 2), keepdims=True)
    return np.divide(maps, sums, out=np.zeros_like(maps), where=sums > 0)
