"""Activation maximization: the picture that a filter, a neuron or a class wants to see."""

import dataclasses
import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from optogram.errors import InputError
from optogram.methods.ascent.climb import Climb, begin, climb, pictures, plan, scores
from optogram.methods.ascent.recipe import Recipe, recipe_of
from optogram.methods.request import source_of
from optogram.methods.resuming import Ledger, fingerprint
from optogram.network.fitting import fit_picture
from optogram.network.images import read_picture
from optogram.network.memory import batches
from optogram.network.network import Network
from optogram.network.steps import Value
from optogram.progress import Progress, silent
from optogram.render import standardized
from optogram.result import Maximization, is_result, load_result
from optogram.target import Target, targets_of

_GREY = 127.5


def maximize(
    net: Network,
    target: Any,
    recipe: str | Recipe = "fast",
    *,
    start: Any = None,
    size: tuple[int, int] | None = None,
    as_layer: bool = False,
    score: str = "logit",
    seed: int = 0,
    frames: int | None = None,
    resume: str | os.PathLike | None = None,
    memory: int | str | None = None,
    progress: Progress = silent,
    **changes: Any,
) -> Maximization:
    """The picture that makes a score large, found by gradient ascent from noise or from a photo.

    Erhan et al., "Visualizing higher-layer features of a deep network" (2009); Olah et al.,
    "Feature visualization" (2017). Tutorial rows A3, B4 and D1 to D4 are recipes of it.

    Parameters
    ----------
    net : Network
        What is looked into; only the steps up to the target are run.
    target : Target, int, str or a list of these
        What the picture shall fire: ``Filter("conv1", range(64))``, ``Class("tabby")``, a sum.
        Several targets are climbed together, one picture each.
    recipe : str or Recipe
        "tutorial", "fast", "lucid" or "maco"; see `Recipe`.
    start : "grey", photo or ndarray, optional
        A photo is everything that `Network.prepare` takes as one; noise as in the recipe is added
        to it. A batch of floats (1 or N, H, W, C), in network units, is what each pixel starts
        from as it is. None: noise.
    size : (height, width), optional
        Of the pictures, any that the steps up to the target take. None: the recipe's ``side`` for
        means of maps, else the size that the network takes, 224×224 where it takes any.
    as_layer : bool
        Make the pictures as large as the maps of the target's layer are for an image of ``size``
        (tutorial row A3): deep layers then take a fraction of the time.
    score : {"logit", "probability"}
        Whether classes are scored before or after the last softmax or sigmoid.
    seed : int
        Of all that is drawn: the same on every backend, for every target and in batches of any
        length.
    frames : int, optional
        Keep a picture every so many steps.
    resume : path, optional
        An .npz file that keeps what is known so far, pictures half way included: a run that was
        interrupted goes on from it. In the end it holds the result, as `Result.save` writes it,
        and the same call returns that.
    memory : int or str, optional
        What the call may add to the process, as in ``"2GB"``; None: a quarter of what is free.
    progress : callable, optional
        Called as ``progress(done, total, what)``.
    **changes
        Other values for fields of the recipe: ``steps=300``, ``rate=10.0``, ``l2=1e-6``.

    Returns
    -------
    Maximization
        ``values`` (N, H, W, C) in network units; ``images`` as they are shown; ``history``
        (N, steps); ``frames``.

    Raises
    ------
    InputError
        If a target, the recipe or the start cannot be used, the size does not go through the
        steps up to a target, or no target has a gradient at all.
    """
    chosen = recipe_of(recipe, changes)
    if resume is not None and Path(resume).suffix != ".npz":
        raise InputError(f"resume is an .npz file, not {Path(resume).name!r}.")
    if frames is not None and not (isinstance(frames, int | np.integer) and frames >= 1):
        raise InputError(f"frames is a number of steps, 1 or more, not {frames!r}.")
    if not (isinstance(seed, int | np.integer) and seed >= 0):
        raise InputError(f"seed is a whole number, 0 or more, not {seed!r}.")
    seed, frames = int(seed), None if frames is None else int(frames)
    net.score_value(score)
    targets = targets_of(target)
    if size is None and not as_layer and chosen.side and _are_means(net, targets, score):
        size = (chosen.side, chosen.side)
    groups: dict[tuple[Value, ...], list[int]] = {}
    for i, single in enumerate(targets):
        groups.setdefault(single.outputs(net, score), []).append(i)
    canvas = _canvas(net, groups, size, as_layer)
    if 2 * chosen.crop >= min(canvas):
        raise InputError(
            f"Nothing of {canvas[0]}×{canvas[1]} pixels is left without {chosen.crop}."
        )
    photo = _photo(net, start, canvas, chosen)
    if photo is not None and photo.ndim == 4 and len(photo) not in (1, len(targets)):
        raise InputError(f"Got {len(photo)} starts for {len(targets)} targets: give one, or each.")
    parameters = {
        **{field.name: _plain(getattr(chosen, field.name)) for field in dataclasses.fields(chosen)},
        "start": _named(start),
        "size": canvas,
        "score": score,
        "seed": seed,
        "frames": frames,
    }
    plans = {values: plan(net, chosen, canvas, values, score, seed) for values in groups}
    for values, members in groups.items():
        for i in members:
            targets[i].weights(net, plans[values].fed, score)  # raises where there is no such thing
    names = tuple(target.describe(net) for target in targets)
    work = _Work.begin(len(targets), (*canvas, net.channels), chosen, frames)
    source, ledger = source_of(net, (*canvas, net.channels)), None
    if resume is not None:
        scored = [value for values in groups for value in values]
        given = "" if photo is None else hashlib.blake2b(photo.tobytes()).hexdigest()
        mark = fingerprint(net, scored, list(map(repr, targets)), parameters, given)
        source["run"] = mark
        ledger = Ledger(Path(resume), mark, "maximize")
        if is_result(resume):
            result = load_result(resume)
            if isinstance(result, Maximization) and result.source.get("run") == mark:
                return result
            raise ledger.other_run()
    half_way = work.read(ledger) if ledger else None

    def told(state: Climb, of: int) -> None:
        done = int(work.finished.sum()) * chosen.steps + state.done * of
        progress(min(done, len(targets) * chosen.steps), len(targets) * chosen.steps, "steps")

    def finish(values: tuple[Value, ...], batch: np.ndarray, state: Climb) -> None:
        some = tuple(targets[i] for i in batch)
        for _ in climb(plans[values], state, some, frames):
            if frames and state.done % frames == 0:
                state.frames.append(_shown(net, chosen, pictures(plans[values], state)))
            told(state, len(batch))
            if ledger and ledger.is_due:
                work.write(ledger, batch, state)
        found = pictures(plans[values], state)
        if not np.isfinite(found).all():
            raise InputError("A picture has NaN or infinite values: make rate smaller.")
        reached = scores(plans[values], found, some)
        work.add(batch, found, state, reached, state.is_dead(chosen))

    for values, members in groups.items():
        if half_way and half_way[0][0] in members:
            finish(values, *half_way)
        left = np.array([i for i in members if not work.finished[i]], int)
        for part in batches(len(left), plans[values].memory_each(), memory):
            batch = left[part]
            own = photo if photo is None or len(photo) == 1 or photo.ndim == 3 else photo[batch]
            finish(values, batch, begin(plans[values], len(batch), own))
    progress(len(targets) * chosen.steps, len(targets) * chosen.steps, "steps")
    result = Maximization(
        values=work.values,
        method="maximize",
        parameters=parameters,
        source=source,
        warnings=(*net.notes, *_doubts(work.dead, names)),
        images=_shown(net, chosen, work.values),
        targets=names,
        history=work.history,
        score=work.score,
        frames=work.frames,
    )
    if ledger:
        result.save(ledger.path)
    return result


@dataclass
class _Work:
    """What is known of all targets so far.

    Attributes
    ----------
    values : ndarray of shape (N, H, W, C)
        Finished pictures.
    history : ndarray of shape (N, steps)
        The score before each step.
    score : ndarray of shape (N,)
        Of the finished pictures.
    frames : ndarray of shape (N, frames, h, w, C)
        As they are shown.
    finished, dead : bool ndarray of shape (N,)
        Which pictures are finished, and which of them never had a gradient.
    """

    values: np.ndarray
    history: np.ndarray
    score: np.ndarray
    frames: np.ndarray
    finished: np.ndarray
    dead: np.ndarray

    @classmethod
    def begin(
        cls, count: int, shape: tuple[int, int, int], recipe: Recipe, every: int | None
    ) -> "_Work":
        """Nothing is known."""
        sides = [side - 2 * recipe.crop for side in shape[:2]]
        return cls(
            values=np.zeros((count, *shape), np.float32),
            history=np.full((count, recipe.steps), np.nan, np.float32),
            score=np.full(count, np.nan, np.float32),
            frames=np.zeros((count, recipe.steps // every if every else 0, *sides, shape[2]), "u1"),
            finished=np.zeros(count, bool),
            dead=np.zeros(count, bool),
        )

    def add(
        self,
        batch: np.ndarray,
        values: np.ndarray,
        state: Climb,
        score: np.ndarray,
        dead: np.ndarray,
    ) -> None:
        """Take in the targets numbered ``batch``, which are finished."""
        self.values[batch], self.history[batch] = values, state.history
        self.score[batch], self.dead[batch] = score, dead
        if state.frames:
            self.frames[batch, : len(state.frames)] = np.stack(state.frames, axis=1)
        self.finished[batch] = True

    def write(self, ledger: Ledger, batch: np.ndarray, state: Climb) -> None:
        """Keep all of it in a file, with the ``batch`` that is half way."""
        fields = dataclasses.fields(self)
        arrays = {field.name: getattr(self, field.name)[self.finished] for field in fields}
        arrays |= {"finished": self.finished, "batch": batch}
        arrays |= {f"half way {name}": array for name, array in state.arrays().items()}
        ledger.write(arrays, {"done": state.done})

    def read(self, ledger: Ledger) -> tuple[np.ndarray, Climb] | None:
        """Take in what `write` kept; the batch that was half way, where there is one."""
        kept = ledger.read()
        if kept is None:
            return None
        arrays, texts = kept
        finished = arrays.pop("finished")
        for name in ("values", "history", "score", "frames", "dead"):
            getattr(self, name)[finished] = arrays[name]
        self.finished[:] = finished
        half_way = {
            name.removeprefix("half way "): array
            for name, array in arrays.items()
            if name.startswith("half way ")
        }
        return arrays["batch"], Climb.of(half_way, texts["done"])


def _are_means(net: Network, targets: tuple[Target, ...], score: str) -> bool:
    """Whether each target is a mean over maps, which pictures of any size have."""
    shares = [
        np.count_nonzero(array.any(axis=-1)) > 1 or array.shape[:-1] == (1, 1)
        for target in targets
        for array in target.weights(net, net.nominal_size, score).values()
        if array.ndim == 3
    ]
    maps = [
        len(net.shape(value, net.nominal_size)) == 3
        for target in targets
        for value in target.outputs(net, score)
    ]
    return all(maps) and all(shares)


def _canvas(
    net: Network,
    groups: Iterable[tuple[Value, ...]],
    size: tuple[int, int] | None,
    as_layer: bool,
) -> tuple[int, int]:
    """(height, width) of the pictures."""
    sides = net.nominal_size if size is None else size
    is_pair = isinstance(sides, Sequence) and len(sides) == 2
    if not is_pair or not all(isinstance(s, int | np.integer) and s >= 1 for s in sides):
        raise InputError(f"size is (height, width), at least one pixel each, not {size!r}.")
    height, width = int(sides[0]), int(sides[1])
    if not as_layer:
        return height, width
    layers = {value for values in groups for value in values}
    shapes = {net.shape(value, (height, width)) for value in layers}
    if len(shapes) != 1 or len(next(iter(shapes))) != 3:
        raise InputError(
            "as_layer makes pictures as large as the maps of one layer: name targets in one layer "
            "that makes maps."
        )
    ((rows, columns, _),) = shapes
    return rows, columns


def _photo(net: Network, start: Any, canvas: tuple[int, int], recipe: Recipe) -> np.ndarray | None:
    """What pictures start from in network units: (H, W, C) to add noise to, or (N, H, W, C)."""
    if start is None:
        return None
    if isinstance(start, str) and start == "grey":
        grey = np.full((*canvas, net.channels), _GREY, np.float32)
        return net.preparation.to_network(grey)
    if not (isinstance(start, np.ndarray) and start.ndim == 4 and start.dtype.kind == "f"):
        picture = fit_picture(read_picture(start, net.channels), canvas)
        return np.asarray(net.preparation.to_network(picture), np.float32)
    if recipe.parametrization != "pixels":
        raise InputError(
            f"The recipe climbs by {recipe.parametrization}, not by pixels: start from a picture."
        )
    if start.shape[1:] != (*canvas, net.channels) or not np.isfinite(start).all():
        raise InputError(
            f"A start of floats has the shape (N, {canvas[0]}, {canvas[1]}, {net.channels}), all "
            f"finite, here: got {start.shape}."
        )
    return np.ascontiguousarray(start, np.float32)


def _shown(net: Network, recipe: Recipe, values: np.ndarray) -> np.ndarray:
    """Pictures (N, H, W, C) as the recipe shows them."""
    if recipe.contrast is None:
        shown = net.display(values)
    else:
        shown = standardized(values, recipe.contrast)
        shown = shown[..., ::-1] if net.preparation.is_reversed else shown
    edge = slice(recipe.crop, -recipe.crop or None)
    return np.ascontiguousarray(shown[:, edge, edge])


def _doubts(dead: np.ndarray, names: tuple[str, ...]) -> tuple[str, ...]:
    """A warning about targets that had no gradient.

    Raises
    ------
    InputError
        If none had any.
    """
    if not dead.any():
        return ()
    which = ", ".join(name for name, is_dead in zip(names, dead, strict=True) if is_dead)
    words = (
        f"The gradient of {which} is zero everywhere: nothing that the start shows fires it, so "
        "there is no way up. It may be dead; try another start or seed, or its layer before the "
        "rectifier (NAME:pre)."
    )
    if dead.all():
        raise InputError(words)
    return (words,)


def _named(start: Any) -> str | None:
    """What the result keeps of the start: "grey", the name of a file, or what kind it was."""
    if start is None or isinstance(start, str | os.PathLike):
        return None if start is None else os.fspath(start)
    return "array" if isinstance(start, np.ndarray) else "picture"


def _plain(value: Any) -> Any:
    """A field of a recipe as a file can keep it."""
    return tuple(map(str, value)) if isinstance(value, tuple) else value
