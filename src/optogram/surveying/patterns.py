"""Patterns: images that maximize units, for as many units as asked for."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from optogram.errors import InputError, NoGradientError
from optogram.jobs.work import Made, WorkUnit
from optogram.methods.ascent.recipe import Recipe
from optogram.methods.maximize import maximize
from optogram.network.network import Network
from optogram.surveying.table import SurveyedLayer
from optogram.target import Filter

TOGETHER = 16
"""Units whose patterns are made at once."""


@dataclass(frozen=True)
class PatternSettings:
    """How patterns are made; the same for all units.

    Attributes
    ----------
    recipe : Recipe
        The recipe of `maximize`.
    variants : int
        Patterns of each unit; each starts from other random numbers.
    seed : int
        Random seed of the first.
    """

    recipe: Recipe
    variants: int
    seed: int

    def canvas(self, net: Network, layer: SurveyedLayer) -> tuple[int, int]:
        """Size of the images of a layer while they are made: as `maximize` chooses it."""
        side = self.recipe.side
        if side and layer.is_map and (layer.maps != (1, 1)):
            with contextlib.suppress(InputError):
                net.geometry((side, side), [layer.output])
                return side, side
        return net.nominal_size

    def shown(self, canvas: tuple[int, int]) -> tuple[int, int]:
        """Size of the images, (height, width): the canvas without what the recipe crops."""
        height, width = canvas
        return height - 2 * self.recipe.crop, width - 2 * self.recipe.crop


@dataclass(frozen=True, eq=False)
class PatternGroup(WorkUnit):
    """Some units of a layer.

    Attributes
    ----------
    layer, group : str
        Name of the layer, and path of its arrays.
    numbers : tuple of int
        The units.
    settings : PatternSettings
        How they are made.
    canvas : (height, width)
        Size of the images while they are made.
    """

    layer: str
    group: str
    numbers: tuple[int, ...]
    settings: PatternSettings
    canvas: tuple[int, int]

    @property
    def marks(self) -> str:  # type: ignore[override]
        """See `WorkUnit`."""
        return f"{self.group}/done"

    def told(self) -> Any:
        """Nothing more: the identity of the store has the settings."""
        return []

    def compute(self, net: Network) -> Made:
        """The images, (units, variants, height, width, channels), and their scores."""
        settings, targets = self.settings, Filter(self.layer, self.numbers)
        shape = (len(self.numbers), settings.variants)
        images = np.full((*shape, *settings.shown(self.canvas), net.channels), 127, np.uint8)
        scores = np.full(shape, np.nan, np.float32)
        for variant in range(settings.variants):
            # Units whose gradient is zero stay gray, without a score, also in a group with others.
            with contextlib.suppress(NoGradientError):
                made = maximize(
                    net,
                    targets,
                    settings.recipe,
                    size=self.canvas,
                    seed=settings.seed + variant,
                )
                alive = np.ptp(np.column_stack([made.history, made.score]), axis=1) > 0
                images[alive, variant] = made.images[alive]
                scores[alive, variant] = made.score[alive]
        made_of_each = (("image", images), ("score", scores))
        chunks = [
            (f"{self.group}/{name}", unit, array[row])
            for name, array in made_of_each
            for row, unit in enumerate(self.numbers)
        ]
        return Made(chunks, len(self.numbers))


def grouped(numbers: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """``numbers`` in groups whose patterns are made at once."""
    for start in range(0, len(numbers), TOGETHER):
        yield tuple(numbers[start : start + TOGETHER])
