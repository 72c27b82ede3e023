"""Finer-CAM: Grad-CAM of what sets a class apart from the most similar ones."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from optogram.arguments import as_index, checked, number, whole
from optogram.errors import InputError
from optogram.methods.gradcam import weighted_maps
from optogram.methods.request.explained_layer import ExplainedLayer, explained_layers
from optogram.methods.request.request import GradientAnswer, ask
from optogram.network.network import Network
from optogram.progress import ShownProgress, continued, reporting
from optogram.result import Attribution
from optogram.target import Class, Target
from optogram.words import counted


@checked
def finercam(
    net: Network,
    image: Any,
    target: Any = None,
    layer: str | Sequence[str] | None = None,
    *,
    similar: int | Sequence[Any] = 3,
    strength: float = 0.6,
    rectify: bool = True,
    score: str = "logit",
    fit: str | None = None,
    memory: float | str | None = None,
    progress: ShownProgress = None,
) -> Attribution | Any:
    """Finer-CAM: Grad-CAM of a class against the most similar classes.

    Zhang et al., "Finer-CAM" (2025): Grad-CAM of S − γ · S', where S is the score of the class and
    S' the mean score of ``similar`` other classes, those with the nearest scores. What these
    classes share with the target cancels; what sets it apart is left. (pytorch-grad-cam weights
    these classes by their probabilities, and its γ is 1.)

    Parameters
    ----------
    net : Network
        The network to explain.
    image
        Image or images, as for `Network.prepare`.
    target : Target, int, str, function or a list of these, optional
        Target of the score: one for all images, one per image, or several for one image. None:
        the highest-scoring class of each image.
    layer : str or sequence of str, optional
        Layer to explain. None: `Network.default_layer`. Several names, or a pattern such as
        ``"block*_add"`` (see `Network.layer_names`), give one result for each layer, from one
        forward and backward pass as far as memory allows.
    similar : int or sequence
        Number of classes to compare with; or the classes themselves, such as ``["tabby", 282]``, or
        one such list for each explanation.
    strength : float
        γ, at least 0. 0 is Grad-CAM; 1 removes what all classes share.
    rectify : bool
        False: omit the ReLU; negative values lower the score.
    score : {"logit", "probability"}
        Score of a class: before or after the final softmax or sigmoid.
    fit : {"stretch", "crop", "pad"}, optional
        How photos are brought to the input size; see `Network.prepare`.
    memory : float or str, optional
        Memory budget in bytes, or a string such as ``"2GB"``; None: a quarter of the free memory.
    progress : bool or callable, optional
        True shows a bar, in terminals and notebooks; a function is called as
        ``progress(done, total, what)``; ``what`` describes the work.

    Returns
    -------
    Attribution, or dict of str to Attribution for several layers
        ``values`` (N, h, w), as large as the layer's maps, in units of the score.
        ``parameters["compared"]`` names the classes that each explanation was compared with.

    Raises
    ------
    InputError
        If image, target or layer cannot be used, or the score does not depend on the layer.
    """
    number("strength", strength, 0)
    request = ask(net, image, target, score, fit)
    _require_classes(net)
    _classes(net, request.targets or ())
    layers = explained_layers(request, layer)
    total = len(request.x) + len(request.which) * len(layers.outputs)

    with reporting(progress) as told:
        of_all = [net.score_output(score)]
        answer, (outputs,) = request.answer_with(of_all, None, memory, continued(told, 0, total))
        classes = _classes(net, answer.request.targets or ())
        compared = _compared(net, similar, outputs[answer.request.which], classes)
        differences = tuple(
            _difference(own, others, strength)
            for own, others in zip(classes, compared, strict=True)
        )
        answers = replace(answer.request, targets=differences).gradients_at(
            layers.outputs, memory, continued(told, len(request.x), total), then=weighted_maps
        )
    names = tuple(tuple(map(net.labels.numbered_name, others)) for others in compared)
    parameters = {"strength": strength, "rectify": rectify, "score": score}

    def result(explained: ExplainedLayer, found: GradientAnswer) -> Attribution:
        values = np.maximum(found.gradient, 0) if rectify else found.gradient
        # The score is that of the class: what it is compared with is a part of the method.
        own = replace(found, request=answer.request, scores=answer.scores)
        return own.attribution(
            "finercam",
            values,
            {"similar": _described(similar), "compared": names, **parameters},
            layer=explained.name,
            arguments={"similar": compared, **parameters},
            warnings=explained.warnings,
        )

    return layers.results(result, answers)


def _require_classes(net: Network) -> None:
    """Raise an InputError if the network has fewer than two scores of classes."""
    net.require_class_scores()
    if net.head.outputs < 2:
        raise InputError(
            f"Finer-CAM compares the scores of classes, and {net.name!r} has a single output: use "
            "gradcam."
        )


def _classes(net: Network, targets: Sequence[Target]) -> list[int]:
    """The indices of the classes that are the ``targets``."""
    for target in targets:
        if not isinstance(target, Class) or target.region is not None:
            raise InputError(
                "Finer-CAM compares a class with similar ones: give classes as targets, such as "
                f"285 or 'tabby', not {target.describe(net)}; gradcam explains other targets."
            )
    return [net.class_index(target.label) for target in targets if isinstance(target, Class)]


def _compared(
    net: Network, similar: Any, scores: np.ndarray, classes: Sequence[int]
) -> tuple[tuple[int, ...], ...]:
    """The classes that each of ``classes`` is compared with, for ``scores`` (N, classes)."""
    if as_index(similar) is not None:
        count = whole("similar", similar, 1)
        rows = np.arange(len(classes))
        apart = np.abs(scores - scores[rows, classes][:, None]).astype(np.float64)
        apart[rows, classes] = np.inf
        nearest = np.argsort(apart, axis=1, kind="stable")[:, : min(count, net.head.classes - 1)]
        return tuple(map(tuple, nearest.tolist()))
    given = [similar] if isinstance(similar, str) else list(similar)
    is_each = bool(given) and all(isinstance(one, list | tuple | np.ndarray) for one in given)
    lists = given if is_each else [given] * len(classes)
    if len(lists) != len(classes) or not all(map(len, lists)):
        raise InputError(
            "similar must be a number of classes, some classes, or a list of classes for each of "
            f"{counted(len(classes), 'explanation')}."
        )
    found = [tuple(net.class_index(Class(label).label) for label in one) for one in lists]
    for own, others in zip(classes, found, strict=True):
        if own in others:
            raise InputError(
                f"similar names {net.labels.numbered_name(own)}, the class that is explained: name "
                "other classes."
            )
    return tuple(found)


def _difference(own: int, others: Sequence[int], strength: float) -> Target:
    """The score of a class minus ``strength`` times the mean score of others."""
    return Class(own) - (strength / len(others)) * sum(
        (Class(one) for one in others[1:]), Class(others[0])
    )


def _described(similar: Any) -> Any:
    """What was asked for: a number, or "classes"."""
    number_of_classes = as_index(similar)
    return "given classes" if number_of_classes is None else number_of_classes
