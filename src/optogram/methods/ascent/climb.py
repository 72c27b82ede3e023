"""Gradient ascent on a batch of targets, in one compiled loop."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import keras
import numpy as np

from optogram.errors import InputError
from optogram.graph.steps import Output
from optogram.interpreters import forward
from optogram.interpreters.engine import lengthened
from optogram.interpreters.gradients import Layout, layout_of, weighted
from optogram.interpreters.rectifiers import find_rectifiers, redirected
from optogram.methods.ascent.optimizers import moments, step
from optogram.methods.ascent.parametrization import Fourier, Parametrization, Phase, Pixels
from optogram.methods.ascent.recipe import Recipe
from optogram.methods.ascent.recoloring import Recoloring, recolored, recolorings
from optogram.methods.ascent.transforms import Size, view, views
from optogram.network.network import Network
from optogram.target import Target, stacked_weights
from optogram.words import counted

_SECONDS = 2.0
"""Target duration of one call of the compiled loop; progress is reported after each."""
_PUBLISHED_SIDE = 128
"""Side in pixels for which the parameters of Lucid's transforms are published."""
_OF_A_PICTURE = 16
"""Approximate number of floats per pixel during ascent: moments, spectra, copies."""
_OF_A_VIEW = 12
"""Approximate number of floats per pixel of a view: four neighbors, forward and backward."""
_LEAST_COSINE = 0.1
"""Smaller cosines count as this, so that a start with none has a gradient (lucid/optvis)."""
_LEAST_SQUARE = 1e-12
"""Added to squared norms, whose root has no gradient at 0."""
_PATIENCE = 16
"""A batch without any gradient is abandoned after this many steps."""


@dataclass(frozen=True)
class Plan:
    """What to maximize, and how.

    Attributes
    ----------
    net : Network
        The network.
    recipe : Recipe
        The recipe, with transforms scaled to the size.
    size : (height, width)
        Size of the images.
    fed : (height, width)
        Size of the views that are fed to the network.
    scored : tuple of Output
        Outputs that the scores are computed from.
    score : {"logit", "probability"}
        Score of a class.
    seed : int
        Random seed.
    frames : int
        Number of intermediate images kept per target.
    """

    net: Network
    recipe: Recipe
    size: Size
    fed: Size
    scored: tuple[Output, ...]
    score: str
    seed: int
    frames: int = 0

    @property
    def parametrization(self) -> Parametrization:
        """The parametrization, in network units."""
        recipe, net = self.recipe, self.net
        shape = (*self.size, net.channels)
        if recipe.parametrization != "pixels":
            kind = Phase if recipe.parametrization == "phase" else Fourier
            return kind(shape, net.preparation)
        if recipe.units == "network":
            return Pixels(shape, recipe.center, recipe.spread)
        level = np.full((1, 1, net.channels), recipe.center, np.float32)
        return Pixels(shape, net.preparation.to_network(level), recipe.spread * self.unit)

    @property
    def unit(self) -> float:
        """One unit of the recipe's pixel units, in network units."""
        if self.recipe.parametrization != "pixels" or self.recipe.units == "network":
            return 1.0
        ends = np.zeros((2, 1, self.net.channels), np.float32)
        ends[1] = 255
        black, white = self.net.preparation.to_network(ends)
        return float(np.abs(white - black).mean() / 255)

    def memory_each(self) -> int:
        """Approximate number of bytes that one image takes during ascent."""
        maps = self.net.bytes_backward(self.fed, self.scored, self.recipe.views)
        pixels = (
            4
            * self.net.channels
            * (
                _OF_A_PICTURE * math.prod(self.size)
                + (
                    _OF_A_VIEW * self.recipe.views * math.prod(self.fed)
                    if self.recipe.transforms
                    else 0
                )
            )
        )
        frames = self.net.channels * math.prod(self.size) * self.frames
        return maps + pixels + frames


def plan(
    net: Network,
    recipe: Recipe,
    size: Size,
    scored: tuple[Output, ...],
    score: str,
    seed: int,
    frames: int = 0,
) -> Plan:
    """The plan for images of ``size``, whose views have a size that the network accepts.

    Raises
    ------
    InputError
        If the steps up to the target do not accept this size, or one image takes more memory
        than is free.
    """
    factor = min(1.0, min(size) / _PUBLISHED_SIDE)
    transforms = tuple(transform.scaled(factor) for transform in recipe.transforms)
    recipe = replace(recipe, transforms=transforms)
    fed, _ = views(transforms, size, None, 1, seed)
    if min(fed) < 1:
        raise InputError(
            f"The recipe's transforms leave nothing of {size[0]}×{size[1]} pixels: give a larger "
            "size."
        )
    try:
        net.geometry(fed, scored)
    except InputError:
        if not recipe.transforms or None in net.size:
            raise
        fed = (net.size[0] or fed[0], net.size[1] or fed[1])
        net.geometry(fed, scored)
    found = Plan(net, recipe, size, fed, scored, score, seed, frames)
    found.memory_each()
    return found


@dataclass
class Climb:
    """The state of a batch of targets.

    Attributes
    ----------
    numbers : ndarray of shape (N, ...)
        The parameters of the images.
    kept : list of ndarray
        State of the optimizer.
    history : ndarray of shape (N, steps)
        The score before each step; NaN for steps not yet taken.
    slopes : ndarray of shape (N, steps)
        Root mean square of the gradient at each step.
    done : int
        Steps taken.
    frames : list of uint8 ndarray of shape (N, h, w, C)
        Intermediate images, appended by the caller.
    """

    numbers: np.ndarray
    kept: list[np.ndarray]
    history: np.ndarray
    slopes: np.ndarray
    done: int = 0
    frames: list[np.ndarray] = field(default_factory=list)

    def is_dead(self, recipe: Recipe) -> np.ndarray:
        """(N,): which targets always had a zero gradient, redirected steps aside."""
        first = min(recipe.redirected, self.done - 1)
        return np.logical_not((self.slopes[:, first : self.done] > 0).any(axis=1))

    def is_whole(self, every: int | None) -> bool:
        """Whether nothing of the steps taken is missing, where the user stopped the work.

        ``every`` so many steps there is a frame, after that of the start.
        """
        frames = 1 + self.done // every if every else 0
        known = np.isfinite(self.history[:, : self.done])
        return bool(known.all()) and len(self.frames) == frames

    def arrays(self) -> dict[str, np.ndarray]:
        """All arrays, for a checkpoint."""
        arrays = {"numbers": self.numbers, "history": self.history, "slopes": self.slopes}
        arrays |= {f"kept {i}": array for i, array in enumerate(self.kept)}
        return arrays | {f"frame {i}": array for i, array in enumerate(self.frames)}

    def is_like(self, fresh: "Climb") -> bool:
        """Whether the arrays have the shapes of those of ``fresh``."""
        mine = {name: array.shape for name, array in self.arrays().items() if "frame" not in name}
        its = {name: array.shape for name, array in fresh.arrays().items()}
        steps = self.history.shape[1] if self.history.ndim > 1 else 0
        return mine == its and isinstance(self.done, int) and 0 <= self.done <= steps

    @classmethod
    def of(cls, arrays: dict[str, np.ndarray], done: int) -> "Climb":
        """The inverse of `arrays`."""
        kept, frames = (
            [arrays[f"{name} {i}"] for i in range(sum(key.startswith(name) for key in arrays))]
            for name in ("kept", "frame")
        )
        return cls(arrays["numbers"], kept, arrays["history"], arrays["slopes"], done, frames)


def begin(plan: Plan, targets: int, photo: np.ndarray | None) -> Climb:
    """The start of ``targets`` images: the same noise, ``photo`` (H, W, C), or both.

    A ``photo`` (1 or N, H, W, C) is used without noise, by the parametrization "pixels" only. There
    is no noise where the recipe keeps the image near the photo.
    """
    if photo is not None and photo.ndim == 4:
        start = photo
    else:
        generator = None if plan.recipe.near else np.random.default_rng(plan.seed)
        start = plan.parametrization.begin(photo, generator)
    numbers = np.repeat(start, targets, axis=0) if len(start) == 1 else start
    return Climb(
        numbers=numbers,
        kept=[np.asarray(kept) for kept in moments(plan.recipe.optimizer, numbers)],
        history=np.full((targets, plan.recipe.steps), np.nan, np.float32),
        slopes=np.zeros((targets, plan.recipe.steps), np.float32),
    )


def climb(
    plan: Plan,
    state: Climb,
    targets: tuple[Target, ...],
    every: int | None = None,
    photo: np.ndarray | None = None,
) -> Iterator[Climb]:
    """Take all remaining steps; yield ``state``, changed in place, after some of them.

    It is yielded at least every ``every`` steps. ``photo``, (H, W, C) or (N, H, W, C), is what the
    images stay near, if the recipe says so.

    Raises
    ------
    InputError
        If a score is NaN or infinite.
    """
    recipe, net = plan.recipe, plan.net
    weights = stacked_weights(targets, net, plan.fed, plan.score)
    given = [weights[output][None] for output in plan.scored]
    layouts = [layout_of(array) for array in given]
    _, matrices = views(
        recipe.transforms, plan.size, plan.fed, recipe.steps * recipe.views, plan.seed
    )
    matrices = matrices.reshape(recipe.steps, recipe.views, 2, 3)
    colors = recolorings(
        recipe.transforms, plan.fed, net.channels, recipe.steps, recipe.views, plan.seed
    )
    by_step, field = [matrices, *colors[:2]], colors[2:]
    key = (
        "climb",
        *(plan.scored, plan.size, plan.fed, len(targets), tuple(layouts)),
        replace(recipe, steps=1, center=0.0, spread=0.0, contrast=None, crop=0),
    )
    count, longest = 1, net.backend.longest_loop()
    kept_near = [] if photo is None or not recipe.near else [photo.reshape(-1, *photo.shape[-3:])]
    while state.done < recipe.steps:
        left = recipe.steps - state.done
        if every:
            left = min(left, every - state.done % every)
        count = max(1, min(count, left, longest))
        part = slice(state.done, state.done + count)
        begun = time.monotonic()
        numbers, kept, records = net.run(
            key,
            lambda: _loop(plan, layouts),
            [
                np.array(count, np.int32),
                np.array(state.done, np.int32),
                state.numbers,
                *state.kept,
                *(lengthened(drawn[part], longest) for drawn in by_step),
                *field,
                *kept_near,
                *given,
            ],
        )
        state.numbers, state.kept, state.done = numbers, kept, part.stop
        state.history[:, part], state.slopes[:, part] = records[:count].transpose(1, 2, 0)
        wrong = ~np.isfinite(state.history[:, part]).all(axis=1)
        if wrong.any():
            name = targets[int(wrong.argmax())].describe(net)
            raise InputError(
                f"The score of {name} is NaN or infinite after {counted(part.stop, 'step')}: use "
                "a smaller "
                "learning_rate, or check the weights of the network."
            )
        yield state
        if state.done >= recipe.redirected + _PATIENCE and state.is_dead(recipe).all():
            return
        pace = (time.monotonic() - begun) / count
        count = int(min(2 * count, _SECONDS / max(pace, 1e-6))) or 1


def pictures(plan: Plan, state: Climb) -> np.ndarray:
    """(N, H, W, C): the images that the numbers stand for, in network units."""
    key = ("pictures", plan.recipe.parametrization, plan.size, len(state.numbers))
    return plan.net.run(key, lambda: plan.parametrization.picture, [state.numbers])


def scores(plan: Plan, found: np.ndarray, targets: tuple[Target, ...]) -> np.ndarray:
    """(N,): the scores of the images ``found`` (N, H, W, C) themselves, without transforms.

    If the network does not accept their size, they are resized to the size that it takes.
    """
    size = plan.size
    try:
        plan.net.geometry(size, plan.scored)
    except InputError:
        size = plan.fed
    weights = stacked_weights(targets, plan.net, size, plan.score)
    given = [weights[output][None] for output in plan.scored]
    layouts = [layout_of(array) for array in given]
    graph, scored, own = plan.net.graph, plan.scored, plan.size
    _, matrices = views((), own, size, 1, 0)
    fill = np.zeros(plan.net.channels, np.float32)

    def build() -> Callable[..., Any]:
        schedule = forward.schedule(graph, scored)

        def function(pictures: Any, *weights: Any) -> Any:
            x = pictures if size == own else view(pictures, matrices[0], size, fill)
            return sum(map(weighted, schedule.run(x), weights, layouts))[0]

        return function

    key = ("scores", scored, own, size, len(found), tuple(layouts))
    return plan.net.run(key, build, [found, *given])


def _loop(plan: Plan, layouts: list[Layout]) -> Callable[..., Any]:
    """The compiled loop: (count, done, numbers, *kept, *drawn, *near, *weights) to the new state.

    ``drawn`` are the matrices of views and what `recolorings` returns. ``near`` are the photos that
    the images stay near, if the recipe says so.

    The third result is (steps, 2, N): score and slope of each step.
    """
    scored, fed, recipe = plan.scored, plan.fed, plan.recipe
    graph = plan.net.graph
    schedule = forward.schedule(graph, scored)
    own = {output.step for output in scored} if recipe.redirected else set()
    rectifiers = [
        step.index for step in find_rectifiers(graph, scored).treated if step.index in own
    ]
    rate = recipe.learning_rate * plan.unit
    parametrization, gradient = plan.parametrization, plan.net.backend.gradient
    longest = plan.net.backend.longest_loop()
    gray = np.full((1, 1, plan.net.channels), 127.5, np.float32)
    fill = plan.net.preparation.to_network(gray)[0, 0]
    ends = np.zeros((2, 1, 1, plan.net.channels), np.float32)
    ends[1] = 255
    black, white = plan.net.preparation.to_network(ends)
    is_recolored = any(isinstance(each, Recoloring) for each in recipe.transforms)
    by_step = 3 if is_recolored else 1
    ops = keras.ops

    def objective(numbers: Any, share: Any, matrices: Any, *others: Any) -> tuple[Any, Any]:
        colors, others = others[: 3 * is_recolored], others[3 * is_recolored :]
        near, weights = others[: bool(recipe.near)], others[bool(recipe.near) :]
        picture = parametrization.picture(numbers)
        seen = [picture]
        if recipe.transforms:
            seen = [view(picture, matrices[i], fed, fill) for i in range(recipe.views)]
        if colors:
            levels, corners, field = colors
            seen = [
                recolored(x, levels[i], corners[i], field, black, white) for i, x in enumerate(seen)
            ]
        x = seen[0] if len(seen) == 1 else ops.concatenate(seen)
        weights = tuple(
            # The weights of a single target apply to every view.
            ops.tile(array, (1, len(seen), *[1] * (len(array.shape) - 2))) if is_own else array
            for array, (is_own, _) in zip(weights, layouts, strict=True)
        )
        terms = schedule.run(x, replace=dict.fromkeys(rectifiers, partial(redirected, share)))
        scores = sum(map(weighted, terms, weights, layouts))
        scores = ops.mean(ops.reshape(scores, (1, len(seen), -1)), axis=1)
        total = scores
        if recipe.cosine:
            aligned = sum(map(partial(_aligned, recipe.cosine), terms, weights))
            total = ops.mean(ops.reshape(aligned, (1, len(seen), -1)), axis=1)
        if recipe.l2:
            total = total - recipe.l2 / 2 * ops.sum(ops.square(picture), axis=(1, 2, 3))
        if recipe.tv:
            total = total - recipe.tv * _total_variation(picture)
        if recipe.near:
            away = ops.divide(picture - near[0], white - black)
            total = total - recipe.near * ops.mean(ops.square(away), axis=(1, 2, 3))
        return total, scores[0]

    def loop(count: Any, done: Any, numbers: Any, *others: Any) -> Any:
        held = len(moments(recipe.optimizer, numbers))
        kept, others = list(others[:held]), others[held:]
        drawn, fixed = others[:by_step], others[by_step:]
        records = ops.zeros((longest, 2, numbers.shape[0]), "float32")

        def body(i: Any, state: Any) -> Any:
            numbers, kept, records = state
            share = ops.cast(done + i < recipe.redirected, "float32")
            sampled = (array[i] for array in drawn)
            gradients, scores = gradient(objective)(numbers, share, *sampled, *fixed)
            numbers, kept, slopes = step(
                recipe.optimizer, rate, numbers, gradients[0], list(kept), done + i + 1
            )
            record = ops.stack([scores, slopes])[None]
            return numbers, kept, ops.slice_update(records, (i, 0, 0), record)

        state = numbers, kept, records
        return body(0, state) if longest == 1 else ops.fori_loop(0, count, body, state)

    return loop


def _aligned(power: float, tensor: Any, weights: Any) -> Any:
    """(N,): Σ h·v · max(0.1, cos(h, v))ⁿ over positions; activations h (N, ..., C), weights v.

    ``weights`` (1, N or 1, ..., C) are the same at all positions.
    """
    ops = keras.ops
    h, v = ops.cast(tensor, "float32"), weights[0]
    product = ops.sum(h * v, axis=-1)
    norms = [ops.sqrt(ops.sum(ops.square(a), axis=-1) + _LEAST_SQUARE) for a in (h, v)]
    cosine = ops.maximum(product / (norms[0] * norms[1]), _LEAST_COSINE)
    aligned = product * ops.power(cosine, power)
    return ops.sum(ops.reshape(aligned, (aligned.shape[0], -1)), axis=1)


def _total_variation(pictures: Any) -> Any:
    """(N,): the sum of the magnitudes of all differences between neighboring pixels."""
    ops = keras.ops
    down = ops.abs(pictures[:, 1:] - pictures[:, :-1])
    right = ops.abs(pictures[:, :, 1:] - pictures[:, :, :-1])
    return ops.sum(down, axis=(1, 2, 3)) + ops.sum(right, axis=(1, 2, 3))
