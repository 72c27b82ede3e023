"""Pointing game and energy in the box: whether a map marks the object."""

from collections.abc import Sequence

import numpy as np

_TOLERANCE, _SHARE = 15.0, 0.04
"""How far outside the box the maximum may be: pixels of the photo, and share of its shorter side.

15 pixels are 4 % of photos such as those of Zhang et al., but most of a small picture.
"""

Box = tuple[float, float, float, float]
"""Top, left, bottom, right."""


def pointing_game(heat: np.ndarray, boxes: Sequence[Box], pixel: tuple[float, float]) -> float:
    """1 if the largest value of a map (H, W) lies in a box, or little beside it; else 0.

    Zhang et al., "Top-down neural attention by excitation backprop" (2018): at most 15 pixels of
    the photo beside it; here at most 4 % of its shorter side, too. Of several equal maxima the
    center of all of them counts.

    Parameters
    ----------
    heat : ndarray of shape (H, W)
        The map at each pixel of the network's input.
    boxes : sequence of (top, left, bottom, right)
        The boxes of the object, in pixels of the network's input.
    pixel : (height, width)
        Height and width of a pixel of the network's input, in pixels of the photo.
    """
    shorter = min(side * of_photo for side, of_photo in zip(heat.shape, pixel, strict=True))
    tolerance = min(_TOLERANCE, _SHARE * shorter)
    y, x = (axis.mean() + 0.5 for axis in np.nonzero(heat == heat.max()))
    for top, left, bottom, right in boxes:
        down = max(top - y, y - bottom, 0) * pixel[0]
        across = max(left - x, x - right, 0) * pixel[1]
        if max(down, across) <= tolerance:
            return 1.0
    return 0.0


def box_energy(heat: np.ndarray, boxes: Sequence[Box]) -> float:
    """Share of the positive sum of a map (H, W) that lies within the boxes.

    Wang et al., "Score-CAM" (2020), the energy-based pointing game. Pixels that are
    partly inside count in part. NaN for a map without positive values.
    """
    positive = np.maximum(heat, 0).astype(float)
    total = positive.sum()
    return float((positive * covered(heat.shape, boxes)).sum() / total) if total else float("nan")


def covered(size: tuple[int, ...], boxes: Sequence[Box]) -> np.ndarray:
    """(H, W): the share of each pixel that lies within one of the boxes."""
    found = np.zeros(size)
    for top, left, bottom, right in boxes:
        rows, columns = (
            np.clip(np.minimum(np.arange(side) + 1, end) - np.maximum(np.arange(side), begin), 0, 1)
            for side, begin, end in zip(size, (top, left), (bottom, right), strict=True)
        )
        found = np.maximum(found, rows[:, None] * columns)
    return found
