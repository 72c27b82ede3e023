"""Interventions: class scores with some channels set, scaled or shifted.

Everything that reads the changed maps is computed again. Bau et al., "Understanding the role of
individual units in a deep neural network" (PNAS 2020), remove units in this way to measure their
effect on each class.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from optogram.arguments import checked
from optogram.interpreters.edited import Edited
from optogram.interpreters.engine import lengthened
from optogram.interpreters.memory import batches
from optogram.interpreters.turns import SHORT
from optogram.methods.intervening.changes import Change, read_changes, require_effect
from optogram.methods.request.request import Answer, ask, provenance_of, weighted_sums
from optogram.network.network import Network
from optogram.progress import ShownProgress, reporting
from optogram.result import Intervention
from optogram.target import Class
from optogram.words import counted


@checked
def intervene(
    net: Network,
    image: Any,
    changes: Mapping[Any, float | Change],
    target: Any = None,
    *,
    score: str = "logit",
    fit: str | None = None,
    memory: float | str | None = None,
    progress: ShownProgress = None,
) -> Intervention:
    """What channels of layers cause: the scores of all classes before and after a change of them.

    ``intervene(net, photo, {og.Filter("conv1", 7): 0.0})`` silences a filter. The network is not
    modified. The layers after the changed ones are computed from the changed maps, wherever these
    are read, also by skip connections. For the same question about one image many times, see
    `intervention_probe`.

    Parameters
    ----------
    net : Network
        The network.
    image
        Image or images, as for `Network.prepare`.
    changes : mapping
        The changes, of one or several layers at once. Keys: ``Filter(layer, channel)``,
        ``Filter(layer, [3, 5, 8])``, or the name of a layer (or a pattern, see
        `Network.layer_names`) for all of its channels; a channel that is named itself takes
        precedence over its whole layer. Values: a number, to which the map is set everywhere, or
        ``Change(scale=2.0)``, ``Change(shift=-1.0)``. As everywhere, ``conv1`` is the output of a
        layer, ``conv1:pre`` the one before its activation, and ``conv1@2`` that of the second call
        of a shared layer.
    target : Target, int or str, or a list of these, optional
        A score of which the values before and after the change are returned too. None: the class of
        each image that is most probable before the change (for maps of classes, on average over all
        positions).
    score : {"logit", "probability"}
        Score of a class, for ``target``.
    fit : {"stretch", "crop", "pad"}, optional
        See `Network.prepare`.
    memory : float or str, optional
        Memory budget in bytes, or a string such as ``"2GB"``; None: a quarter of the free memory.
    progress : bool or callable, optional
        True shows a bar, in terminals and notebooks; a function is called as
        ``progress(done, total, what)``; ``what`` describes the work.

    Returns
    -------
    Intervention
        Scores and probabilities of all classes before and after; ``values`` (N, classes): the
        change of each probability.

    Raises
    ------
    InputError
        If a layer or channel does not exist, a layer has no channels, a value is not a finite
        number, the scores do not depend on a changed layer, or the image or the target cannot be
        used.
    """
    request = ask(net, image, target, score, fit, takes_maps=True)
    net, read = request.net, read_changes(net, changes)
    scored = [net.score_output(score)] if request.targets is None else request.scored()
    wanted = tuple(dict.fromkeys([net.head.logits, *scored]))
    edited = Edited(net, read.factors, wanted)
    require_effect(net, edited.unread)
    given = {} if request.targets is None else request.weights()
    count, length = len(request.x), 0
    logits: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    kept: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    with reporting(progress) as told:
        for part in batches(count, edited.bytes_each(request.size), memory, is_forward=True):
            taken = part.stop - part.start
            length = length or taken
            base = edited.base(lengthened(request.x[part], length), count <= SHORT)
            own = (
                {output: array[:, part] for output, array in given.items()} if count > 1 else given
            )
            for when, factors in enumerate((read.unchanged, read.factors)):
                made = edited.run(base, factors, count <= SHORT)
                outputs = {
                    output: array[:taken] for output, array in zip(wanted, made, strict=True)
                }
                values = [outputs[output] for output in scored]
                logits[when].append(outputs[net.head.logits])
                kept[when].append(weighted_sums(values, own).reshape(-1) if own else values[0])
            told(part.stop, count, "images")
    scores = [np.concatenate(arrays)[request.which] for arrays in logits]
    probabilities = [net.head.probabilities(array) for array in scores]
    targeted = [np.concatenate(arrays) for arrays in kept]
    if request.targets is None:
        request = replace(request, targets=_most_probable(probabilities[0]))
        targeted = [weighted_sums([array], request.weights()).reshape(-1) for array in targeted]
    answer = Answer(request, targeted[0])
    return Intervention(
        values=(probabilities[1] - probabilities[0]).astype(np.float32),
        method="intervene",
        parameters={"changes": read.names, "score": score},
        provenance=provenance_of(net, request.x.shape[1:], request.photos),
        warnings=(*net.warnings, *request.warnings, *_warnings(*scores)),
        changes=read.names,
        classes=tuple(map(net.labels.numbered_name, range(net.head.classes))),
        scores_before=scores[0],
        scores_after=scores[1],
        probabilities_before=probabilities[0].astype(np.float32),
        probabilities_after=probabilities[1].astype(np.float32),
        targets=answer.names,
        target_before=targeted[0].astype(np.float32),
        target_after=targeted[1].astype(np.float32),
        target_unit=answer.score_unit,
        unit="output" if net.head.is_regression else "probability",
    )


def _most_probable(probabilities: np.ndarray) -> tuple[Class, ...]:
    """The most probable class of each image, on average over all positions of maps."""
    means = probabilities.mean(axis=tuple(range(1, probabilities.ndim - 1)))
    return tuple(Class(int(index)) for index in means.argmax(axis=1))


def _warnings(before: np.ndarray, after: np.ndarray) -> list[str]:
    """Warnings about scores that are not finite, or do not change."""
    found = []
    bad = int(np.count_nonzero(~np.isfinite(after)))
    if bad:
        found.append(
            f"{counted(bad, 'score')} after the change {'is' if bad == 1 else 'are'} NaN or "
            "infinite: the network overflows; choose smaller values."
        )
    if np.array_equal(before, after):
        found.append(
            "The change has no effect on any score: the maps have these values already, or no "
            "later layer uses them for this image."
        )
    return found
