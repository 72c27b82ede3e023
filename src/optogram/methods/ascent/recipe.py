"""Recipes: all settings of gradient ascent, and named combinations."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from math import inf
from typing import Any

from optogram.arguments import number, shown, whole
from optogram.errors import InputError, nearest
from optogram.methods.ascent.optimizers import OPTIMIZERS
from optogram.methods.ascent.recoloring import ColorJitter, Noise, Recoloring
from optogram.methods.ascent.transforms import Crop, Jitter, Pad, Rotate, Scale, Transform

PARAMETRIZATIONS = ("pixels", "fourier", "phase")
_OF_PIXELS = ("center", "spread", "units")
"""Fields that only ``parametrization="pixels"`` uses."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Settings of `maximize`. ``optogram.RECIPES`` holds the named recipes.

    Attributes
    ----------
    steps : int
        Number of steps.
    optimizer : {"rms", "l2", "adam"}
        How a step follows from the gradient: divided by its root mean square, divided by its L2
        norm, or Adam.
    learning_rate : float
        Step size; for pixels, in ``units``.
    parametrization : {"pixels", "fourier", "phase"}
        What is optimized: pixels in network units; Fourier coefficients of decorrelated colors
        (Olah et al. 2017); or only the phases of a natural spectrum (Fel et al. 2023).
    units : {"network", "display"}
        Units of ``learning_rate``, ``center`` and ``spread`` for pixels: network units, or gray
        levels 0..255.
    center, spread : float
        Center and width of the uniform noise that pixels start from.
    transforms : tuple of Transform
        Random transforms, sampled anew at each step; the score is that of the transformed image.
        Widths in pixels hold for images of 128 pixels a side and more; for smaller images they
        shrink in proportion. `ColorJitter` and `Noise` come last: they change the finished view.
    views : int
        Number of transformed views per step.
    redirected : int
        Number of first steps in which the target's own rectifier also passes gradients where its
        input is negative, as in Lucid. Without this, a filter that noise does not activate has a
        zero gradient.
    l2 : float
        Weight λ of the penalty λ‖x‖²/2, subtracted from the score; x in network units.
    tv : float
        Weight of the total variation (the sum of absolute differences between neighboring pixels),
        subtracted from the score.
    near : float
        Weight λ of the penalty λ · mean((x − start)²), subtracted from the score, with x in 0…1
        from black to white; λ is in units of the score. It keeps the image near the photo that it
        starts from, which is taken without noise. 0: off.
    cosine : float
        For targets that are a `Direction`: exponent n of the cosine in what is maximized. At each
        position the dot product of activations h and vector v is multiplied by max(0.1, cos)ⁿ,
        where cos = h·v / (‖h‖ ‖v‖), so that images go in the direction instead of only raising
        activations (Carter et al. 2019; 2 in Lucid). ``history`` and ``score`` stay those of the
        target, without it. 0: off.
    side : int or None
        Default height and width of the images. None: the size that the network takes.
    contrast : float or None
        Standard deviation of the displayed image, in 0…1, with its mean at mid-gray. None: display
        by inverting the network's preprocessing.
    crop : int
        Number of pixels to cut off on each side for display.
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
    near: float = 0.0
    cosine: float = 0.0
    side: int | None = None
    contrast: float | None = None
    crop: int = 0

    def __post_init__(self) -> None:
        """Check all fields."""
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
            ("near", 0),
            ("cosine", 0),
        ):
            object.__setattr__(self, name, number(name, getattr(self, name), lowest))
        if self.learning_rate == 0:
            raise InputError("learning_rate must be greater than 0, not 0.")
        if self.side is not None:
            object.__setattr__(self, "side", whole("side", self.side, 1))
        if self.contrast is not None:
            object.__setattr__(self, "contrast", number("contrast", self.contrast, 0))
            if self.contrast == 0:
                raise InputError("contrast must be None or greater than 0, not 0.")
        if not isinstance(self.transforms, tuple) or not all(
            isinstance(transform, Transform) for transform in self.transforms
        ):
            raise InputError(
                "transforms must be a tuple of Pad, Jitter, Scale, Rotate, Crop, ColorJitter and "
                f"Noise, not {self.transforms!r}."
            )
        kinds = [isinstance(transform, Recoloring) for transform in self.transforms]
        if kinds != sorted(kinds):
            raise InputError(
                "ColorJitter and Noise change the finished view: give them after all other "
                f"transforms, not {self.transforms!r}."
            )


RECIPES: dict[str, Recipe] = {
    # docs/tutorials.md, row A3, in gray levels, so that the numbers suit any network.
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
    # With noise and jittered colors, as Ghiasi et al. (2022), but less of both, and Fourier
    # coefficients. Its numbers were chosen on two transformers; docs/methods/maximize.md has them.
    "transformer": Recipe(
        steps=128,
        optimizer="adam",
        learning_rate=0.05,
        parametrization="fourier",
        transforms=(Pad(8), Jitter(16), ColorJitter(0.2, 1.5), Noise(0.5)),
        views=4,
        redirected=16,
        side=128,
    ),
    # Hamblin et al. (2024): from the Fourier coefficients of a photo, with crops, near the photo.
    # After 64 steps of Adam, more change little.
    "accentuation": Recipe(
        steps=64,
        optimizer="adam",
        learning_rate=0.05,
        parametrization="fourier",
        transforms=(Crop(0.35, 0.95),),
        views=2,
        near=3000.0,
    ),
}
"""The named recipes."""


def recipe_of(recipe: str | Recipe, changes: Mapping[str, Any]) -> Recipe:
    """The recipe, with ``changes`` to its fields.

    Raises
    ------
    InputError
        If there is no such recipe or field, or a value cannot be used, or would not be.
    """
    if isinstance(recipe, str):
        if recipe not in RECIPES:
            hint = nearest(recipe, RECIPES) or "or a Recipe"
            raise InputError(
                f"recipe must be one of {', '.join(RECIPES)}, or a Recipe, not {recipe!r}: {hint}."
            )
        recipe = RECIPES[recipe]
    if not isinstance(recipe, Recipe):
        raise InputError(
            f"recipe must be one of {', '.join(RECIPES)}, or a Recipe, not {recipe!r}."
        )
    known = [field.name for field in fields(Recipe)]
    unknown = [name for name in changes if name not in known]
    if unknown:
        raise InputError(f"A recipe has no field {unknown[0]!r}; it has {', '.join(known)}.")
    changed = replace(recipe, **changes)
    unused = [name for name in _OF_PIXELS if name in changes]
    if unused and changed.parametrization != "pixels":
        raise InputError(
            f"{', '.join(unused)} (of noise and steps) apply to recipes that optimize pixels, such "
            f'as "tutorial"; this one optimizes {changed.parametrization}: leave them out.'
        )
    return changed
