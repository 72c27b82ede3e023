"""The map that measures look at, and the maps that every method is compared with."""

from dataclasses import dataclass

import numpy as np

from optogram.methods.request.upsampling import Upsampling
from optogram.methods.sanity.perturbation import edge_map, on_image
from optogram.result import Attribution

_CELLS = 7
"""Rows and columns of a coarse random map, as of the last feature maps of many networks."""
_GRADIENT = "per unit of input"
"""The end of the unit of gradients by the image."""


@dataclass(frozen=True, eq=False)
class Map:
    """A map at each pixel of the network's input.

    Attributes
    ----------
    heat : ndarray of shape (H, W)
        What is shown: `Attribution.heatmap`, the largest magnitude over channels where the method
        gives channels.
    signed : ndarray of shape (H, W)
        Contributions: the sum over channels where the method gives channels. ``heat`` for
        gradients, which are no contributions.
    gradient : ndarray of shape (H, W, C), or None
        The values of a method that gives score per unit of input.
    own : ndarray of shape (h, w)
        `Attribution.heatmap`, at its own resolution.
    """

    heat: np.ndarray
    signed: np.ndarray
    gradient: np.ndarray | None
    own: np.ndarray

    @classmethod
    def of(cls, result: Attribution, size: tuple[int, int]) -> "Map":
        """The map of a result of one image of ``size`` (height, width)."""
        heat, values = on_image(result, 0, size), np.nan_to_num(result.values[0])
        own = np.nan_to_num(result.heatmap[0])
        if values.ndim == 3 and result.unit.endswith(_GRADIENT):
            return cls(heat, heat, values, own)
        return cls(heat, values.sum(axis=-1) if values.ndim == 3 else heat, None, own)

    @classmethod
    def plain(cls, heat: np.ndarray) -> "Map":
        """The map with the values ``heat`` (H, W)."""
        return cls(heat, heat, None, heat)

    @property
    def is_coarse(self) -> bool:
        """Whether it has fewer values than the image has pixels."""
        return self.own.size < self.heat.size


def rival(name: str, picture: np.ndarray, generator: np.random.Generator) -> Map:
    """One of the `RIVALS`, for a ``picture`` (H, W, C) in 0…255."""
    size = (picture.shape[0], picture.shape[1])
    if name == "edges":
        return Map.plain(edge_map(picture))
    if name == "random_pixels":
        return Map.plain(generator.random(size, np.float32))
    few = (min(size[0], _CELLS), min(size[1], _CELLS))
    cells = generator.random(few, np.float32)
    large = Upsampling(few, size)(cells)
    return Map(large, large, None, cells)
