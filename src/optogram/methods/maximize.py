"""Activation maximization: the picture that a filter, a neuron or a class wants to see."""

import dataclasses
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from optogram.arguments import checked
from optogram.errors import InputError, NoGradientError
from optogram.interpreters.memory import batches
from optogram.methods.ascent.asked import Asked, read
from optogram.methods.ascent.climb import Climb, Plan, begin, climb, pictures, scores
from optogram.methods.ascent.recipe import Recipe, recipe_of
from optogram.methods.request.checkpoint import Ledger, fingerprint
from optogram.methods.request.request import provenance_of
from optogram.network.network import Network
from optogram.progress import Progress, silent
from optogram.render import standardized
from optogram.result import Maximization, is_result, load_result


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
    seed: int = 0,
    frames: int | None = None,
    checkpoint: str | os.PathLike | None = None,
    memory: float | str | None = None,
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
    start : "gray", photo or ndarray, optional
        A photo is everything that `Network.prepare` takes as one; noise as in the recipe is added
        to it. A batch of floats (1 or N, H, W, C), in network units, is what each pixel starts
        from as it is. None: noise.
    size : (height, width), optional
        Of the pictures, any that the steps up to the target take. None: the recipe's ``side`` for
        means of maps where it goes through these steps, else the size that the network takes,
        224×224 where it takes any.
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
    checkpoint : path, optional
        An .npz file that keeps what is known so far, pictures half way included: a run that was
        interrupted goes on from it. In the end it holds the result, as `Result.save` writes it,
        and the same call returns that.
    memory : float or str, optional
        What the call may add to the process, as in ``"2GB"``; None: a quarter of what is free.
    progress : callable, optional
        Called as ``progress(done, total, what)``.
    **changes
        Other values for fields of the recipe: ``steps=300``, ``learning_rate=10.0``, ``l2=1e-6``.

    Returns
    -------
    Maximization
        ``values`` (N, H, W, C) in network units; ``images`` as they are shown; ``history``
        (N, steps); ``frames``.

    Raises
    ------
    InputError
        If a target, the recipe or the start cannot be used, or the size does not go through the
        steps up to a target.
    NoGradientError
        If no target has a gradient at all; where some have, the result warns of the others.
    """
    chosen = recipe_of(recipe, changes)
    asked = read(net, target, chosen, start, size, as_layer, score, seed, frames)
    provenance, ledger = provenance_of(net, (*asked.canvas, net.channels)), None
    if checkpoint is not None:
        ledger = _ledger(asked, Path(checkpoint))
        provenance["run"] = ledger.mark
        finished = _finished(ledger)
        if finished is not None:
            return finished
    work = _Work.begin(asked)
    _climb_all(asked, work, ledger, memory, progress)
    result = Maximization(
        values=work.values,
        method="maximize",
        parameters=asked.parameters,
        provenance=provenance,
        warnings=(*net.warnings, *_warnings_about_gradients(work.dead, asked.names)),
        images=_shown(net, chosen, work.values),
        targets=asked.names,
        history=work.history,
        score=work.score,
        frames=work.frames,
    )
    if ledger:
        result.save(ledger.path)
    return result


def _ledger(asked: Asked, path: Path) -> Ledger:
    """The file that keeps the progress of this run."""
    if path.suffix != ".npz":
        raise InputError(f"checkpoint is an .npz file, not {path.name!r}.")
    scored = [value for plan, _ in asked.plans for value in plan.scored]
    wanted = (asked.targets, asked.recipe, asked.parameters, asked.photo)
    mark = fingerprint(asked.net, scored, asked.canvas, *wanted)
    return Ledger(path, mark, "maximize")


def _finished(ledger: Ledger) -> Maximization | None:
    """The result, where the run came to its end before."""
    if not is_result(ledger.path):
        return None
    result = load_result(ledger.path)
    if isinstance(result, Maximization) and result.provenance.get("run") == ledger.mark:
        return result
    raise ledger.other_run()


def _climb_all(
    asked: Asked,
    work: "_Work",
    ledger: Ledger | None,
    memory: float | str | None,
    progress: Progress,
) -> None:
    """Bring every target to its end; a batch that was half way goes first in its group."""
    half_way = work.read(ledger) if ledger else None
    for own, members in asked.plans:
        if ledger and half_way and half_way[0][0] in members:
            batch, state = half_way
            if not set(batch) <= set(members):
                raise ledger.damaged()
            if not state.is_like(begin(own, len(batch), asked.start_of(batch))):
                raise ledger.damaged()
            _climb_batch(asked, own, work, batch, state, ledger, progress)
        left = np.array([i for i in members if not work.finished[i]], int)
        for part in batches(len(left), own.memory_each(), memory):
            batch = left[part]
            state = begin(own, len(batch), asked.start_of(batch))
            _climb_batch(asked, own, work, batch, state, ledger, progress)
    progress(asked.steps, asked.steps, "steps")


def _climb_batch(
    asked: Asked,
    plan: Plan,
    work: "_Work",
    batch: np.ndarray,
    state: Climb,
    ledger: Ledger | None,
    progress: Progress,
) -> None:
    """Bring the targets at the places ``batch`` to their end."""
    targets, every = tuple(asked.targets[i] for i in batch), asked.every
    before = int(work.finished.sum()) * asked.recipe.steps
    for _ in climb(plan, state, targets, every):
        if every and state.done % every == 0:
            state.frames.append(_shown(asked.net, asked.recipe, pictures(plan, state)))
        progress(before + state.done * len(batch), asked.steps, "steps")
        if ledger and ledger.is_due:
            work.write(ledger, batch, state)
    found = pictures(plan, state)
    if not np.isfinite(found).all():
        raise InputError("A picture has NaN or infinite values: make learning_rate smaller.")
    work.add(batch, found, scores(plan, found, targets), state, state.is_dead(asked.recipe))


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
    def begin(cls, asked: Asked) -> "_Work":
        """Nothing is known."""
        count, recipe = len(asked.targets), asked.recipe
        shown = [side - 2 * recipe.crop for side in asked.canvas]
        frames = recipe.steps // asked.every if asked.every else 0
        return cls(
            values=np.zeros((count, *asked.canvas, asked.net.channels), np.float32),
            history=np.full((count, recipe.steps), np.nan, np.float32),
            score=np.full(count, np.nan, np.float32),
            frames=np.zeros((count, frames, *shown, asked.net.channels), np.uint8),
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
        """Take in the targets at the places ``batch``, which are finished."""
        self.values[batch], self.history[batch] = values, state.history
        self.score[batch], self.dead[batch] = score, dead
        for number, frame in enumerate(state.frames):
            self.frames[batch, number] = frame
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
        # Whoever changed the file may have left out or reshaped anything.
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise ledger.damaged() from error
        left, frame = np.flatnonzero(~self.finished), (len(batch), *self.frames.shape[2:])
        is_whole = batch.ndim == 1 and len(batch) and batch.dtype.kind in "iu"
        if not is_whole or not np.isin(batch, left).all():
            raise ledger.damaged()
        if any(array.shape != frame for array in state.frames):
            raise ledger.damaged()
        return batch, state


def _shown(net: Network, recipe: Recipe, values: np.ndarray) -> np.ndarray:
    """Pictures (N, H, W, C) as the recipe shows them."""
    if recipe.contrast is None:
        shown = net.display(values)
    else:
        shown = standardized(values, recipe.contrast)
        shown = shown[..., ::-1] if net.preparation.is_reversed else shown
    edge = slice(recipe.crop, -recipe.crop or None)
    return np.ascontiguousarray(shown[:, edge, edge])


def _warnings_about_gradients(dead: np.ndarray, names: tuple[str, ...]) -> tuple[str, ...]:
    """A warning about targets that had no gradient.

    Raises
    ------
    NoGradientError
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
        raise NoGradientError(words)
    return (words,)
