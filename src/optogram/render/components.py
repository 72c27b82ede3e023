"""Three components of maps as colors."""

import numpy as np
from PIL import Image

_ENDS = 1, 99
"""Percentiles of a component at the ends of its color."""
_BRIGHTEST, _FLAGGED = 235, 255
"""Of components; and white, of what is flagged."""


def component_colors(values: np.ndarray, flagged: np.ndarray) -> np.ndarray:
    """Colors (..., 3), uint8: components (..., 3) as red, green and blue; white where flagged.

    Each component is scaled from its 1st to its 99th percentile over all that is not ``flagged``.
    """
    low, high = np.percentile(values[~flagged], _ENDS, axis=0)
    places = np.clip((values - low) / np.where(high > low, high - low, 1), 0, 1)
    colors = np.rint(_BRIGHTEST * places).astype(np.uint8)
    colors[flagged] = _FLAGGED
    return colors


def blocks(colors: np.ndarray, size: tuple[int, int]) -> Image.Image:
    """Colors (h, w, 3) as a picture of ``size`` (height, width), a block each."""
    return Image.fromarray(colors).resize((size[1], size[0]), Image.Resampling.NEAREST)
