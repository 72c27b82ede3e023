"""Sanity checks for attribution maps: weight randomization, deletion and insertion."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from PIL import Image

from optogram.arguments import MOST_SEED, checked, whole
from optogram.errors import InputError
from optogram.methods.request.request import Request, provenance_of
from optogram.methods.request.upsampling import Upsampling
from optogram.methods.sanity.again import ask_again
from optogram.methods.sanity.perturbation import (
    edge_map,
    is_no,
    on_image,
    perturbation_curves,
    rank_correlation,
    ranking,
)
from optogram.methods.sanity.scrambling import cascade, stage_labels
from optogram.progress import Progress, ShownProgress, reporting, while_going_on
from optogram.result import Attribution, Check, Question


@checked
def check(
    result: Attribution | Iterable[Attribution],
    *,
    steps: int = 24,
    seed: int = 0,
    memory: float | str | None = None,
    progress: ShownProgress = None,
) -> Check:
    """Run sanity checks on attribution maps.

    Weight randomization (Adebayo et al., "Sanity checks for saliency maps", 2018): the weights are
    scrambled layer by layer from the output, and the map is computed again. A map that stays the
    same does not depend on what the network learned. The map of an edge detector always stays the
    same.

    Deletion and insertion (Petsiuk et al., "RISE", 2018, section 4.3): pixels are removed, or
    inserted, in the order of the map, and the score is recorded. A good map has a small area under
    the deletion curve and a large area under the insertion curve, compared with a random map and
    an edge map of the same resolution.

    Parameters
    ----------
    result : Attribution, or iterable of Attribution
        Result of an attribution method, computed in this process. Several results, such as one
        per photo of a folder, are checked one at a time and summarized by mean and standard
        deviation; they must come from one method.
    steps : int
        Number of deletion and insertion steps, at least 2.
    seed : int
        Random seed of the scrambling and the random map.
    memory : float or str, optional
        Memory budget in bytes, or a string such as ``"2GB"``; None: a quarter of the free memory.
        One set of scrambled weights comes on top.
    progress : bool or callable, optional
        True shows a bar, in terminals and notebooks; a function is called as
        ``progress(done, total, what)`` for each result; ``what`` describes the work.

    Returns
    -------
    Check
        ``values`` (N, stages): rank correlation of each map with the map after each stage of
        scrambling, 0 where the latter is empty; ``deletion`` and ``insertion`` curves with their
        areas; ``sentence``, the conclusion.

    Raises
    ------
    InputError
        If a result was loaded from a file, the results are of several methods, there is none, or
        steps is too small.
    """
    steps, seed = whole("steps", steps, 2), whole("seed", seed, 0, MOST_SEED)
    results = result if isinstance(result, Iterable) else [result]
    parts: list[Check] = []
    with reporting(progress) as told:
        for one in results:
            if not isinstance(one, Attribution) or one.question is None:
                raise InputError(
                    "check needs a result of saliency, gradcam or another attribution method, made "
                    "in this process: one loaded from a file has no network to ask; explain again."
                )
            if parts and (one.method, one.layer) != (parts[0].checked, parts[0].layer):
                raise InputError(
                    f"The results come from {parts[0].checked} and {one.method}, or from two "
                    "layers: check one method at a time."
                )
            part = _checked(one, one.question, steps, seed, memory, told)
            parts.append(part.with_pictures_of(parts[0]) if parts else part)
    if not parts:
        raise InputError("Expected at least one result to check, got none.")
    return Check.joined(parts)


def _checked(
    result: Attribution,
    question: Question,
    steps: int,
    seed: int,
    memory: float | str | None,
    progress: Progress,
) -> Check:
    """The check of all explanations of one result."""
    net, count = question.net, len(result.targets)
    pictures = result.images
    total, done = len(stage_labels()) + count, 0
    is_function = any(target.functions() for target in question.targets)
    score = question.arguments["score"] if is_function else "probability"
    whole = Request(net, question.x, question.which, question.targets, score)
    similarity = np.zeros((count, len(stage_labels())), np.float32)
    heats = np.nan_to_num(result.heatmap)
    scrambled = [heats[0]]
    for number, stage in enumerate(cascade(net, whole.scored(), seed)):
        within = while_going_on(progress, done, total, "scrambled networks")
        again = np.nan_to_num(ask_again(question, stage.net, memory, within).heatmap)
        scrambled.append(again[0])
        similarity[:, number] = [rank_correlation(*pair) for pair in zip(heats, again, strict=True)]
        done += 1
        progress(done, total, "scrambled networks")
    deletion = np.empty((count, 3, steps + 1), np.float32)
    insertion = np.empty_like(deletion)
    edge_similarity = np.empty(count, np.float32)
    edges = np.zeros(0)
    for i in reversed(range(count)):
        heat = heats[i]
        generator = np.random.default_rng(seed)
        edges = _as_coarse(edge_map(pictures[i]), heat.shape)
        maps = np.stack([heat, generator.random(heat.shape, np.float32), edges])
        enlarged = Upsampling(heat.shape, whole.size)(maps)
        enlarged[0] = on_image(result, i, whole.size)
        alone = replace(
            whole,
            x=question.x[question.which[i]][None],
            which=np.zeros(1, int),
            targets=(question.targets[i],),
        )
        rankings = np.stack([ranking(each, generator) for each in enlarged])
        within = while_going_on(progress, done, total, "deletion and insertion")
        deletion[i], insertion[i] = perturbation_curves(alone, rankings, steps, memory, within)
        if is_no(net, question.targets[i]):
            deletion[i] += 1
            insertion[i] += 1
        edge_similarity[i] = rank_correlation(heat, edges)
        done += 1
        progress(done, total, "deletion and insertion")
    return Check(
        values=similarity,
        method="check",
        parameters={**result.parameters, "steps": steps, "seed": seed},
        provenance=provenance_of(net, question.x.shape[1:], result.prepared),
        warnings=result.warnings,
        checked=result.method,
        layer=result.layer,
        targets=result.targets,
        stages=stage_labels(),
        deletion=deletion,
        insertion=insertion,
        edge_similarity=edge_similarity,
        image=pictures[0],
        scrambled=np.stack(scrambled),
        edges=edges,
    )


def _as_coarse(values: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """A map at a smaller ``size`` (height, width), each cell the mean of what it covers."""
    height, width = size
    image = Image.fromarray(values.astype(np.float32))
    return np.asarray(image.resize((width, height), Image.Resampling.BOX))
