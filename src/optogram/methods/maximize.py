"""Activation maximization: images that maximize a filter, a neuron or a class."""

import dataclasses
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from optogram.arguments import checked
from optogram.errors import InputError, NoGradientError
from optogram.interpreters.memory import batches
from optogram.methods.ascent.climb import Climb, Plan, begin, climb, pictures, scores
from optogram.methods.ascent.recipe import Recipe, recipe_of
from optogram.methods.ascent.task import Task, read
from optogram.methods.request.checkpoint import Checkpoint, fingerprint
from optogram.methods.request.request import provenance_of
from optogram.network.network import Network
from optogram.progress import Progress, ShownProgress, reporting
from optogram.render import standardized
from optogram.result import Maximization, is_result, load_result

OnFrame = Callable[[int, np.ndarray], None]


@checked
def maximize(
    net: Network,
    target: Any,
    recipe: str | Recipe = "fast",
    *,
    start: Any = None,
    size: tuple[int, int] | None = None,
    as_layer: bool = False,
    score: str = "logit",
    precision: str = "exact",
    seed: int = 0,
    frames: int | None = None,
    on_frame: OnFrame | None = None,
    checkpoint: str | os.PathLike | None = None,
    memory: float | str | None = None,
    progress: ShownProgress = None,
    **changes: Any,
) -> Maximization:
    """An image that maximizes a score, by gradient ascent from noise or a photo.

    Erhan et al., "Visualizing higher-layer features of a deep network" (2009); Olah et al.,
    "Feature visualization" (2017). Gallery: ``docs/gallery/filters_and_classes.py``.

    Parameters
    ----------
    net : Network
        The network; only the steps up to the target are run.
    target : Target, int, str, function or a list of these
        What to maximize: ``Filter("conv1", range(64))``, ``Class("tabby")``, a sum. Several
        targets are maximized together, one image each.
    recipe : str or Recipe
        "tutorial", "fast", "lucid", "maco", "transformer" or "accentuation"; see `Recipe`.
        "transformer" is for classes of vision transformers. "accentuation" (Hamblin et al.,
        "Feature accentuation", 2024) starts from a photo, stays near it, and shows the parts of it
        that the target answers to.
    start : "gray", photo or ndarray, optional
        A photo is anything that `Network.prepare` takes as one image; the noise of the recipe is
        added to it. A float array (1 or N, H, W, C), in network units, is used as it is. None:
        noise.
    size : (height, width), optional
        Size of the images: any size that the steps up to the target accept. None: the recipe's
        ``side`` for filters, if these steps accept it; else the network's size, or 224×224 if it
        takes any size.
    as_layer : bool
        Make the images as large as the maps of the target's layer are for an image of ``size``.
        Deep layers then take a fraction of the time.
    score : {"logit", "probability"}
        Score of a class: before or after the final softmax or sigmoid.
    precision : {"exact", "fast"}
        "fast": where that is faster, large products of the network in bfloat16, and normalizations
        folded into convolutions. ``score`` of the
        result is computed exactly.
    seed : int
        Random seed. The random numbers do not depend on the backend, the target or the batch
        size.
    frames : int, optional
        Keep an image every so many steps.
    on_frame : callable, optional
        ``on_frame(index, frame)`` is called with each of these images as soon as it is made, the
        start image included: the index of the target, and uint8 (h, w, C). Needs ``frames``.
    checkpoint : path, optional
        An .npz file for intermediate results: an interrupted run continues from it. When the run
        is finished, it holds the result, as `Result.save` writes it, and the same call returns
        that result.
    memory : float or str, optional
        Memory budget in bytes, or a string such as ``"2GB"``; None: a quarter of the free memory.
    progress : bool or callable, optional
        True shows a bar, in terminals and notebooks; a function is called as
        ``progress(done, total, what)``; ``what`` describes the work.
    **changes
        Fields of the recipe to change: ``steps=300``, ``learning_rate=10.0``, ``l2=1e-6``.

    Returns
    -------
    Maximization
        ``values`` (N, H, W, C) in network units; ``images``, uint8; ``history``
        (N, steps), the score before each step; ``frames``.

    Raises
    ------
    InputError
        If a target, the recipe or the start cannot be used, or the steps up to a target do not
        accept the size.
    NoGradientError
        If the gradients of all targets are zero. If only some are, the result has a warning.
    """
    chosen = recipe_of(recipe, changes)
    if on_frame is not None and frames is None:
        raise InputError("on_frame needs frames: after how many steps it is called, such as 8.")
    task = read(net, target, chosen, start, size, as_layer, score, seed, frames, precision)
    rounding = task.net.graph.rounding
    provenance = provenance_of(net, (*task.canvas, net.channels), rounding=rounding)
    saved = None
    if checkpoint is not None:
        saved = _checkpoint(task, Path(checkpoint))
        provenance["run"] = saved.mark
        finished = _finished(saved)
        if finished is not None:
            return finished
    work = _Work.begin(task)
    with reporting(progress) as told:
        _climb_all(task, work, saved, memory, told, on_frame)
    result = Maximization(
        values=work.values,
        method="maximize",
        parameters=task.parameters,
        provenance=provenance,
        warnings=(*net.warnings, *task.warnings, *_warnings_about_gradients(work.dead, task.names)),
        images=_shown(net, chosen, work.values),
        targets=task.names,
        history=work.history,
        score=work.score,
        frames=work.frames[:, 1:],
        start=work.frames[:, 0] if task.every else None,
    )
    if saved:
        result.save(saved.path)
    return result


def _checkpoint(task: Task, path: Path) -> Checkpoint:
    """The checkpoint of this run."""
    if path.suffix != ".npz":
        raise InputError(f"checkpoint must be an .npz file, not {path.name!r}.")
    scored = [output for plan, _ in task.plans for output in plan.scored]
    wanted = (task.targets, task.recipe, task.parameters, task.photo)
    mark = fingerprint(task.exact, scored, task.canvas, *wanted)
    return Checkpoint(path, mark, "maximize")


def _finished(saved: Checkpoint) -> Maximization | None:
    """The result of a run that was already finished; None otherwise."""
    if not is_result(saved.path):
        return None
    result = load_result(saved.path)
    if isinstance(result, Maximization) and result.provenance.get("run") == saved.mark:
        return result
    raise saved.other_run()


def _climb_all(
    task: Task,
    work: "_Work",
    saved: Checkpoint | None,
    memory: float | str | None,
    progress: Progress,
    on_frame: OnFrame | None,
) -> None:
    """Maximize every target; a batch from a checkpoint comes first in its group."""
    half_way = work.read(saved) if saved else None
    for own, members in task.plans:
        if saved and half_way and half_way[0][0] in members:
            batch, state = half_way
            if not set(batch) <= set(members):
                raise saved.damaged()
            if not state.is_like(begin(own, len(batch), task.start_of(batch))):
                raise saved.damaged()
            _climb_batch(task, own, work, batch, state, saved, progress, on_frame)
        left = np.array([i for i in members if not work.finished[i]], int)
        for part in batches(len(left), own.memory_each(), memory):
            batch = left[part]
            state = begin(own, len(batch), task.start_of(batch))
            _climb_batch(task, own, work, batch, state, saved, progress, on_frame)
    progress(task.steps, task.steps, "steps")


def _climb_batch(
    task: Task,
    plan: Plan,
    work: "_Work",
    batch: np.ndarray,
    state: Climb,
    saved: Checkpoint | None,
    progress: Progress,
    on_frame: OnFrame | None,
) -> None:
    """Maximize the targets with the indices ``batch``."""
    targets, every = tuple(task.targets[i] for i in batch), task.every
    before = int(work.finished.sum()) * task.recipe.steps

    def keep_frame() -> None:
        state.frames.append(_shown(task.net, task.recipe, pictures(plan, state)))
        if on_frame is not None:
            for index, frame in zip(batch, state.frames[-1], strict=True):
                on_frame(int(index), frame.copy())

    if every and not state.done:
        keep_frame()
    try:
        for _ in climb(plan, state, targets, every, task.start_of(batch)):
            if every and state.done % every == 0:
                keep_frame()
            progress(before + state.done * len(batch), task.steps, "steps")
            if saved and saved.is_due:
                work.write(saved, batch, state)
    except KeyboardInterrupt:
        if saved and state.done and state.is_whole(every):
            work.write(saved, batch, state)
        raise
    found = pictures(plan, state)
    if not np.isfinite(found).all():
        raise InputError("An image has NaN or infinite values: use a smaller learning_rate.")
    reached = scores(dataclasses.replace(plan, net=task.exact), found, targets)
    work.add(batch, found, reached, state, state.is_dead(task.recipe))


@dataclass
class _Work:
    """The state of all targets.

    Attributes
    ----------
    values : ndarray of shape (N, H, W, C)
        Finished images.
    history : ndarray of shape (N, steps)
        The score before each step.
    score : ndarray of shape (N,)
        Final scores.
    frames : ndarray of shape (N, 1 + frames, h, w, C)
        The start image and intermediate images, if requested.
    finished, dead : bool ndarray of shape (N,)
        Which images are finished, and which of these always had a zero gradient.
    """

    values: np.ndarray
    history: np.ndarray
    score: np.ndarray
    frames: np.ndarray
    finished: np.ndarray
    dead: np.ndarray

    @classmethod
    def begin(cls, task: Task) -> "_Work":
        """The state before the first step."""
        count, recipe = len(task.targets), task.recipe
        shown = [side - 2 * recipe.crop for side in task.canvas]
        frames = 1 + recipe.steps // task.every if task.every else 0
        return cls(
            values=np.zeros((count, *task.canvas, task.net.channels), np.float32),
            history=np.full((count, recipe.steps), np.nan, np.float32),
            score=np.full(count, np.nan, np.float32),
            frames=np.zeros((count, frames, *shown, task.net.channels), np.uint8),
            finished=np.zeros(count, bool),
            dead=np.zeros(count, bool),
        )

    def add(
        self,
        batch: np.ndarray,
        values: np.ndarray,
        score: np.ndarray,
        state: Climb,
        dead: np.ndarray,
    ) -> None:
        """Store the finished targets with the indices ``batch``."""
        self.values[batch], self.history[batch] = values, state.history
        self.score[batch], self.dead[batch] = score, dead
        for number, frame in enumerate(state.frames):
            self.frames[batch, number] = frame
        self.finished[batch] = True

    def write(self, saved: Checkpoint, batch: np.ndarray, state: Climb) -> None:
        """Write a checkpoint, with the unfinished ``batch``."""
        fields = dataclasses.fields(self)
        arrays = {field.name: getattr(self, field.name)[self.finished] for field in fields}
        arrays |= {"finished": self.finished, "batch": batch}
        arrays |= {f"half way {name}": array for name, array in state.arrays().items()}
        saved.write(arrays, {"done": state.done})

    def read(self, saved: Checkpoint) -> tuple[np.ndarray, Climb] | None:
        """Load a checkpoint and return its unfinished batch, if there is one."""
        kept = saved.read()
        if kept is None:
            return None
        arrays, texts = kept
        half_way = {
            name.removeprefix("half way "): array
            for name, array in arrays.items()
            if name.startswith("half way ")
        }
        try:
            finished, batch = arrays["finished"], arrays["batch"]
            for name in ("values", "history", "score", "frames", "dead"):
                getattr(self, name)[finished] = arrays[name]
            self.finished[:] = finished
            state = Climb.of(half_way, texts["done"])
        # In a modified file anything may be missing or have another shape.
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise saved.damaged() from error
        left, frame = np.flatnonzero(~self.finished), (len(batch), *self.frames.shape[2:])
        is_whole = batch.ndim == 1 and len(batch) and batch.dtype.kind in "iu"
        if not is_whole or not np.isin(batch, left).all():
            raise saved.damaged()
        if any(array.shape != frame for array in state.frames):
            raise saved.damaged()
        return batch, state


def _shown(net: Network, recipe: Recipe, values: np.ndarray) -> np.ndarray:
    """Images (N, H, W, C), uint8, with the recipe's contrast and crop."""
    if recipe.contrast is None:
        shown = net.display(values)
    else:
        shown = standardized(values, recipe.contrast)
        shown = shown[..., ::-1] if net.preparation.is_reversed else shown
    edge = slice(recipe.crop, -recipe.crop or None)
    return np.ascontiguousarray(shown[:, edge, edge])


def _warnings_about_gradients(dead: np.ndarray, names: tuple[str, ...]) -> tuple[str, ...]:
    """A warning about targets whose gradient was always zero.

    Raises
    ------
    NoGradientError
        If all were.
    """
    if not dead.any():
        return ()
    which = ", ".join(name for name, is_dead in zip(names, dead, strict=True) if is_dead)
    words = (
        f"The gradient of {which} is zero at the start image: try another seed, start from a "
        "photo, or choose the layer before its rectifier (NAME:pre)."
    )
    if dead.all():
        raise NoGradientError(words)
    return (words,)
