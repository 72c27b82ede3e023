"""What every attribution is asked: which images, and what about them."""

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from optogram import backend
from optogram.errors import InputError
from optogram.network.network import Network
from optogram.network.steps import Value
from optogram.target import Class, Target, stacked_weights, targets_of
from optogram.version import __version__


@dataclass(frozen=True)
class Request:
    """Images and targets, one target an explanation.

    Attributes
    ----------
    net : Network
        What is asked.
    x : ndarray of shape (M, H, W, C)
        The distinct images, in network units.
    which : ndarray of shape (N,)
        For each explanation, its image.
    targets : tuple of Target, or None
        For each explanation, its target; None: each image's own answer.
    score : {"logit", "probability"}
        How classes are scored.
    """

    net: Network
    x: np.ndarray
    which: np.ndarray
    targets: tuple[Target, ...] | None
    score: str

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the images."""
        return self.x.shape[1:3]

    def weights(self) -> Mapping[Value, np.ndarray] | None:
        """The targets as weights on outputs of steps, one example an explanation."""
        if self.targets is None:
            return None
        return stacked_weights(self.targets, self.net, self.size, self.score)

    def names(self, outputs: np.ndarray | None) -> tuple[str, ...]:
        """What was explained; ``outputs`` (N, outputs) tell each image's own answer."""
        targets = self.targets or ()
        if outputs is not None:
            picked = self.net.winning_weights(outputs, self.score)
            answers = picked[:, 0] > 0 if self.net.head.is_binary else picked.argmax(axis=1)
            targets = tuple(Class(int(answer)) for answer in answers)
        return tuple(target.describe(self.net) for target in targets)

    def common(self) -> dict[str, Any]:
        """The fields that every attribution has."""
        pictures = self.net.display(self.x)[self.which]
        return {"images": pictures, "source": source_of(self.net, self.x.shape[1:])}


def ask(net: Network, image: Any, target: Any, score: str) -> Request:
    """Read what a method was called with.

    One image and several targets, several images and one target, or as many of each.

    Raises
    ------
    InputError
        If image or target cannot be used, or their numbers do not go together.
    """
    net.score_value(score)
    x = net.prepare(image)
    if target is None:
        net.require_class_scores()
        return Request(net, x, np.arange(len(x)), None, score)
    targets = targets_of(target)
    if len(x) > 1 and len(targets) not in (1, len(x)):
        raise InputError(
            f"Got {len(x)} images and {len(targets)} targets: give one target, as many as images, "
            "or one image."
        )
    count = max(len(x), len(targets))
    which = np.arange(count) if len(x) > 1 else np.zeros(count, int)
    return Request(net, x, which, targets if len(targets) > 1 else targets * count, score)


def source_of(net: Network, shape: Sequence[int | None]) -> dict[str, str]:
    """Where a result came from; ``shape`` (H, W, C) is that of the images."""
    return {
        "network": net.name,
        "origin": net.origin,
        "preparation": net.preparation.name,
        "input": "×".join(str(side or "any") for side in shape),
        "backend": backend.title(keras.config.backend()),
        "keras": keras.__version__,
        "optogram": __version__,
        "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def diagnosed(net: Network, values: np.ndarray, names: Sequence[str]) -> tuple[str, ...]:
    """The warnings that a result with these ``values`` (N, ...) carries, one for each name."""
    found = list(net.notes)
    for name, value in zip(names, values, strict=True):
        bad = int(np.count_nonzero(~np.isfinite(value)))
        if bad:
            found.append(
                f"The map for {name} has {bad} NaN or infinite values: the network overflows here."
            )
        elif not value.any():
            found.append(
                f"The map for {name} is zero everywhere: nothing in this image speaks for it."
            )
        elif value.size > 1 and np.ptp(value) == 0:
            found.append(
                f"The map for {name} is the same everywhere: it tells no place from another."
            )
    return tuple(found)
