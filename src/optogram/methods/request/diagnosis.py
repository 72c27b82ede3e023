"""What is wrong with a map, in words: warnings that travel with results."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from optogram.interpreters.ends.head import LEAST_LOGIT
from optogram.network.network import Network
from optogram.target import Class, Target

_FEW_LEVELS = 16
"""Gray levels out of 255 that a photo rarely stays within."""
_FAR_OUTSIDE = 64
"""Gray levels beyond 0…255 that resampling and noise do not reach."""
_NEARLY = 0.99
"""Of the logarithm that stands for that of 0: a difference of two has another part in it."""
_SATURATED = 0.9999
"""From here on float32 keeps few digits of what a probability lacks to 1."""


def warnings_about_images(net: Network, image: Any, x: np.ndarray) -> tuple[str, ...]:
    """What is odd about the images ``x`` (M, H, W, C) that were made of what a user gave.

    Only arrays are doubted: photos out of files have gone through no other hands.
    """
    given = image if isinstance(image, list | tuple) else [image]
    if not any(isinstance(item, np.ndarray) and item.dtype.kind == "f" for item in given):
        return ()
    if net.preparation.name == "none" and not net.takes_pixels:
        return ()  # such a network may take numbers of any size
    found = []
    pixels = net.preparation.to_display(x)
    for i, (low, high) in enumerate(
        zip(pixels.min(axis=(1, 2, 3)), pixels.max(axis=(1, 2, 3)), strict=True)
    ):
        which = f"Image {i}" if len(x) > 1 else "The image"
        if 0 < high - low < _FEW_LEVELS:
            found.append(
                f"{which} spans only {high - low:.2g} of 255 gray levels: it may have been scaled "
                "or prepared before, and now again; hand in the photo itself, in 0…255."
            )
        elif low < -_FAR_OUTSIDE or high > 255 + _FAR_OUTSIDE:
            found.append(
                f"{which} reaches from {low:.0f} to {high:.0f} where a photo has 0…255: it may "
                f"have been prepared twice, or not as {net.preparation.name!r}, as this network's "
                "images are."
            )
    return tuple(found)


def warnings_about_scores(
    net: Network, score: str, scores: np.ndarray, targets: Sequence[Target], names: Sequence[str]
) -> tuple[str, ...]:
    """Where probabilities of classes are so near to 0 or 1 that their gradients are lost.

    ``scores`` (N,) are what is explained of the ``targets``, which are called ``names``.
    """
    if score == "logit" and net.head.is_hidden:
        return tuple(
            f"The probability of {name} is 0 or 1 here, as far as its digits go, where its "
            'logarithm has no gradient: explain score="probability", or another class.'
            for name, target, value in zip(names, targets, scores, strict=True)
            if net.head.logits in target.outputs(net) and abs(value) >= -_NEARLY * LEAST_LOGIT
        )
    if score != "probability" or net.head.kind == "linear":
        return ()
    return tuple(
        f"The {net.head.kind} is saturated for {name} (probability {value:.6f}): a probability "
        'hardly changes there, and its gradients are rounding errors; explain score="logit".'
        for name, target, value in zip(names, targets, scores, strict=True)
        if isinstance(target, Class) and abs(value) >= _SATURATED
    )


def warnings_about_gradients(
    vanished: np.ndarray, names: Sequence[str], where: str
) -> tuple[str, ...]:
    """Which of the gradients ``vanished`` (N,); ``where``: at what they were taken."""
    return tuple(
        f"The gradient of {name} at {where} is zero everywhere: it vanished on the way, in "
        "rectifiers that are off or an activation that is saturated; the map says nothing."
        for name, is_nothing in zip(names, vanished, strict=True)
        if is_nothing
    )


def warnings_about_maps(maps: np.ndarray, names: Sequence[str]) -> tuple[str, ...]:
    """Which of the maps (N, ...) are not finite, zero or the same everywhere."""
    found = []
    for name, values in zip(names, maps, strict=True):
        bad = int(np.count_nonzero(~np.isfinite(values)))
        if bad:
            found.append(
                f"The map for {name} has {bad} NaN or infinite values: the network overflows here."
            )
        elif not values.any():
            found.append(
                f"The map for {name} is zero everywhere: nothing in this image speaks for it."
            )
        elif values.size > 1 and np.ptp(values) == 0:
            found.append(
                f"The map for {name} is the same everywhere: it tells no place from another."
            )
    return tuple(found)
