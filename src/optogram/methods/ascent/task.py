"""Validation of the arguments of `maximize`."""

import dataclasses
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from optogram.arguments import MOST_SEED, whole
from optogram.errors import InputError
from optogram.graph.steps import Output
from optogram.interpreters.precision import in_precision
from optogram.methods.ascent.climb import Plan, plan
from optogram.methods.ascent.recipe import Recipe
from optogram.network.network import Network
from optogram.pictures.fit import fit_picture
from optogram.pictures.read import read_picture
from optogram.target import Direction, Target, extended, resolved
from optogram.words import counted

_GRAY = 127.5


@dataclass(frozen=True)
class Task:
    """The validated arguments of `maximize`.

    Attributes
    ----------
    net : Network
        The network, maybe in reduced precision.
    exact : Network
        The network in full precision.
    targets : tuple of Target
        One per image.
    recipe : Recipe
        The recipe, with all changes.
    canvas : (height, width)
        Size of the images.
    plans : list of (Plan, list of int)
        Groups of targets that are maximized together, by index, with the plan of each group.
    photo : ndarray or None
        Start images; see `begin`.
    every : int or None
        Number of steps between frames.
    parameters : mapping
        ``parameters`` of the result.
    warnings : tuple of str
        Warnings about the arguments.
    """

    net: Network
    exact: Network
    targets: tuple[Target, ...]
    recipe: Recipe
    canvas: tuple[int, int]
    plans: list[tuple[Plan, list[int]]]
    photo: np.ndarray | None
    every: int | None
    parameters: dict[str, Any]
    warnings: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Descriptions of the targets."""
        return tuple(target.describe(self.net) for target in self.targets)

    @property
    def steps(self) -> int:
        """Number of steps of all targets together."""
        return len(self.targets) * self.recipe.steps

    def start_of(self, batch: np.ndarray) -> np.ndarray | None:
        """Start images of the targets with the indices ``batch``."""
        has_own = self.photo is not None and self.photo.ndim == 4 and len(self.photo) > 1
        return self.photo[batch] if self.photo is not None and has_own else self.photo


def read(
    net: Network,
    target: Any,
    recipe: Recipe,
    start: Any,
    size: tuple[int, int] | None,
    as_layer: bool,
    score: str,
    seed: int,
    frames: int | None,
    precision: str,
) -> Task:
    """The validated arguments of `maximize`; InputError if they cannot be used."""
    seed = whole("seed", seed, 0, MOST_SEED)
    frames = None if frames is None else whole("frames", frames, 1)
    net.score_output(score)
    exact = net
    net, note, _ = in_precision(net, precision, net.nominal_size)
    targets = resolved(target, net)
    if recipe.cosine and not all(isinstance(single, Direction) for single in targets):
        other = next(single for single in targets if not isinstance(single, Direction))
        raise InputError(
            "cosine applies to targets that are a Direction, not to "
            f"{other.describe(extended(net, [other], score))}: leave it out."
        )
    net, exact = extended(net, targets, score), extended(exact, targets, score)
    groups: dict[tuple[Output, ...], list[int]] = {}
    for i, single in enumerate(targets):
        groups.setdefault(single.outputs(net, score), []).append(i)
    if size is None and not as_layer and recipe.side:
        for wanted in groups:
            net.bytes_forward(net.nominal_size, wanted)  # raises where there is no room
        side = (recipe.side, recipe.side)
        if _are_means(net, targets, score) and all(_takes(net, side, wanted) for wanted in groups):
            size = side
    canvas = _canvas(net, groups, size, as_layer)
    if 2 * recipe.crop >= min(canvas):
        raise InputError(
            f"Cropping {counted(recipe.crop, 'pixel')} on each side leaves nothing of "
            f"{canvas[0]}×{canvas[1]} pixels: use a smaller crop."
        )
    if recipe.near and (start is None or (isinstance(start, str) and start == "gray")):
        raise InputError(
            "This recipe keeps the image near a photo (near greater than 0): give start=photo."
        )
    photo = _photo(net, start, canvas, recipe)
    if photo is not None and photo.ndim == 4 and len(photo) not in (1, len(targets)):
        raise InputError(
            f"Got {counted(len(photo), 'start image')} for {counted(len(targets), 'target')}: "
            "give one, or "
            "one per target."
        )
    plans = []
    for wanted, members in groups.items():
        kept = 1 + recipe.steps // frames if frames else 0
        plans.append((plan(net, recipe, canvas, wanted, score, seed, kept), members))
        for i in members:
            targets[i].weights(net, plans[-1][0].fed, score)  # raises where there is no such thing
    parameters = {
        **{field.name: _plain(getattr(recipe, field.name)) for field in dataclasses.fields(recipe)},
        "start": _named(start),
        "size": canvas,
        "score": score,
        "seed": seed,
        "frames": frames,
        "precision": precision,
    }
    every = parameters["frames"]
    warnings = (note,) if note else ()
    return Task(net, exact, targets, recipe, canvas, plans, photo, every, parameters, warnings)


def _are_means(net: Network, targets: tuple[Target, ...], score: str) -> bool:
    """Whether each target is a mean over maps, which is defined for images of any size."""
    shares = [
        np.count_nonzero(array.any(axis=-1)) > 1 or array.shape[:-1] == (1, 1)
        for target in targets
        for array in target.weights(net, net.nominal_size, score).values()
        if array.ndim == 3
    ]
    maps = [
        len(net.shape(output, net.nominal_size)) == 3
        for target in targets
        for output in target.outputs(net, score)
    ]
    return all(maps) and all(shares)


def _takes(net: Network, size: tuple[int, int], wanted: Sequence[Output]) -> bool:
    """Whether the steps up to ``wanted`` accept images of ``size``."""
    try:
        net.geometry(size, wanted)
    except InputError:
        return False
    return True


def _canvas(
    net: Network,
    groups: Iterable[tuple[Output, ...]],
    size: tuple[int, int] | None,
    as_layer: bool,
) -> tuple[int, int]:
    """(height, width) of the images to make."""
    sides = net.nominal_size if size is None else size
    height, width = (whole("size, height and width,", side, 1) for side in sides)
    if not as_layer:
        return height, width
    layers = {output for wanted in groups for output in wanted}
    shapes = {net.shape(output, (height, width)) for output in layers}
    if len(shapes) != 1 or len(next(iter(shapes))) != 3:
        raise InputError(
            "as_layer makes images as large as the maps of one layer: all targets must be in one "
            "layer with feature maps."
        )
    ((rows, columns, _),) = shapes
    return rows, columns


def _photo(net: Network, start: Any, canvas: tuple[int, int], recipe: Recipe) -> np.ndarray | None:
    """Start images in network units: (H, W, C), to which noise is added, or (N, H, W, C)."""
    if start is None:
        return None
    if isinstance(start, str) and start == "gray":
        gray = np.full((*canvas, net.channels), _GRAY, np.float32)
        return net.preparation.to_network(gray)
    if not (isinstance(start, np.ndarray) and start.ndim == 4 and start.dtype.kind == "f"):
        picture = fit_picture(read_picture(start, net.channels), canvas, resample=net.resample)
        return np.asarray(net.preparation.to_network(picture), np.float32)
    if recipe.parametrization != "pixels":
        raise InputError(
            f"The recipe optimizes {recipe.parametrization}, not pixels, so it cannot start from "
            "an array of floats: start from a photo."
        )
    if start.shape[1:] != (*canvas, net.channels) or not np.isfinite(start).all():
        raise InputError(
            f"A start array must have the shape (N, {canvas[0]}, {canvas[1]}, {net.channels}) and "
            f"finite values: got {start.shape}."
        )
    return np.ascontiguousarray(start, np.float32)


def _named(start: Any) -> str | None:
    """The start for ``parameters``: "gray", a file name, "array" or "picture"."""
    if start is None or isinstance(start, str | os.PathLike):
        return None if start is None else os.fspath(start)
    return "array" if isinstance(start, np.ndarray) else "picture"


def _plain(value: Any) -> Any:
    """A field of a recipe for ``parameters``."""
    return tuple(map(str, value)) if isinstance(value, tuple) else value
