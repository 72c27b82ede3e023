"""Everything that decides how a picture comes about, and the combinations that have a name."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from math import inf
from typing import Any

from optogram.arguments import number, shown, whole
from optogram.errors import InputError, nearest
from optogram.methods.ascent.optimizers import OPTIMIZERS
from optogram.methods.ascent.transforms import Crop, Jitter, Pad, Rotate, Scale, Transform

PARAMETRIZATIONS = ("pixels", "fourier", "phase")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How `maximize` climbs. ``optogram.RECIPES`` holds the named ones.

    Attributes
    ----------
    steps : int
        How many steps.
    optimizer : {"rms", "l2", "adam"}
        What a step is: the gradient over its root mean square, over its L2 norm, or Adam.
    learning_rate : float
        The size of a step; of pixels in ``units``.
    parametrization : {"pixels", "fourier", "phase"}
        What is changed: pixels in network units; frequencies in decorrelated colors (Olah et al.
        2017); the phases alone of a natural spectrum (Fel et al. 2023).
    units : {"network", "display"}
        Units of ``learning_rate``, ``center`` and ``spread`` of pixels: the network's, or the 255
        levels of a screen.
    center, spread : float
        Of the uniform noise that pixels start from: its middle and its width.
    transforms : tuple of Transform
        Other views of the picture, drawn anew at each step, that are scored in its place. Their
        pixels count at 128 pixels a side and more; of smaller pictures they are fewer.
    views : int
        How many such views a step.
    redirected : int
        For so many steps the target's own rectifier lets gradients through where it is shut, as
        Lucid's do: a filter that does not answer to noise at all would have none.
    l2 : float
        λ of λ‖x‖²/2, which is taken from the score; x in network units.
    tv : float
        Weight of the total variation, the sum of the differences between neighboring pixels,
        which is taken from the score.
    side : int or None
        Height and width of the picture where none are asked for; None: what the network takes.
    contrast : float or None
        How it is shown: with its mean at mid-gray and this standard deviation, in 0…1; None: the
        way back of the network's preparation, which is what the network would be shown.
    crop : int
        How many pixels on each side are not shown.
    """

    steps: int
    optimizer: str
    learning_rate: float
    parametrization: str = "pixels"
    units: str = "network"
    center: float = 0.0
    spread: float = 0.0
    transforms: tuple[Transform, ...] = ()
    views: int = 1
    redirected: int = 0
    l2: float = 0.0
    tv: float = 0.0
    side: int | None = None
    contrast: float | None = None
    crop: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be climbed by."""
        for name, known in (
            ("optimizer", OPTIMIZERS),
            ("parametrization", PARAMETRIZATIONS),
            ("units", ("network", "display")),
        ):
            given = getattr(self, name)
            if not isinstance(given, str) or given not in known:
                raise InputError(f"{name} must be one of {', '.join(known)}, not {shown(given)}.")
        for name, least in (("steps", 1), ("views", 1), ("redirected", 0), ("crop", 0)):
            object.__setattr__(self, name, whole(name, getattr(self, name), least))
        for name, lowest in (
            ("learning_rate", 0),
            ("center", -inf),
            ("spread", 0),
            ("l2", 0),
            ("tv", 0),
        ):
            object.__setattr__(self, name, number(name, getattr(self, name), lowest))
        if self.learning_rate == 0:
            raise InputError("learning_rate must be a number more than 0, not 0.")
        if self.side is not None:
            object.__setattr__(self, "side", whole("side", self.side, 1))
        if self.contrast is not None:
            object.__setattr__(self, "contrast", number("contrast", self.contrast, 0))
            if self.contrast == 0:
                raise InputError("contrast must be a number more than 0, or None, not 0.")
        if not isinstance(self.transforms, tuple) or not all(
            isinstance(transform, Transform) for transform in self.transforms
        ):
            raise InputError(
                f"transforms is a tuple of Pad, Jitter, Scale, Rotate and Crop, "
                f"not {self.transforms!r}."
            )


RECIPES: dict[str, Recipe] = {
    # Tutorial row A3, its numbers in levels of a screen, so that they suit any network.
    "tutorial": Recipe(
        steps=50,
        optimizer="rms",
        learning_rate=1.0,
        units="display",
        center=138.0,
        spread=20.0,
        contrast=0.1,
    ),
    "fast": Recipe(
        steps=128,
        optimizer="adam",
        learning_rate=0.05,
        parametrization="fourier",
        transforms=(Pad(16), Jitter(32), Scale(0.8, 1.2), Rotate(15)),
        redirected=16,
        side=128,
    ),
    # Olah, Mordvintsev and Schubert (2017), with the parameters published in Lucid.
    "lucid": Recipe(
        steps=512,
        optimizer="adam",
        learning_rate=0.05,
        parametrization="fourier",
        transforms=(Pad(12), Jitter(8), Scale(0.9, 1.1), Rotate(10), Jitter(4)),
        redirected=16,
        side=128,
    ),
    "maco": Recipe(
        steps=192,
        optimizer="adam",
        learning_rate=0.3,
        parametrization="phase",
        transforms=(Crop(0.35, 0.95),),
        views=2,
        redirected=16,
        side=128,
    ),
}
"""The recipes that have a name."""


def recipe_of(recipe: str | Recipe, changes: Mapping[str, Any]) -> Recipe:
    """The recipe meant, with ``changes`` to its fields.

    Raises
    ------
    InputError
        If there is no such recipe or field, or a value cannot be used.
    """
    if isinstance(recipe, str):
        if recipe not in RECIPES:
            hint = nearest(recipe, RECIPES) or "or a Recipe"
            raise InputError(f"recipe is one of {', '.join(RECIPES)}, not {recipe!r}: {hint}.")
        recipe = RECIPES[recipe]
    if not isinstance(recipe, Recipe):
        raise InputError(f"recipe is one of {', '.join(RECIPES)} or a Recipe, not {recipe!r}.")
    known = [field.name for field in fields(Recipe)]
    unknown = [name for name in changes if name not in known]
    if unknown:
        raise InputError(f"A recipe has no {unknown[0]!r}; it has {', '.join(known)}.")
    return replace(recipe, **changes)
