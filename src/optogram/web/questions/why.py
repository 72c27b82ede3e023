"""Why: a photo's map by each attribution method, and how it does in sanity checks."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from optogram.methods import ATTRIBUTIONS, COMMON, OF_A_LAYER, attribution_method
from optogram.methods.check import check
from optogram.network.network import Network
from optogram.result import Attribution
from optogram.result.titles import method_title
from optogram.web.asking import MODEL, PHOTO, TARGET, Tell, choice, question, words
from optogram.web.opening import (
    call,
    made_again,
    place_of,
    target_in_python,
    target_in_words,
)
from optogram.web.packing import Answer
from optogram.web.photos import Photo
from optogram.web.workspace import Workspace

METHOD = choice("method", "The attribution method.", ATTRIBUTIONS)
EXPLAINED_LAYER = words(
    "layer", "Layer, for the methods that explain one. Empty: the last one with feature maps.", ""
)

_MANY_PASSES = (
    "smoothgrad",
    "vargrad",
    "squaregrad",
    "integrated_gradients",
    "expected_gradients",
    "guided_integrated_gradients",
    "xrai",
    "scorecam",
    "ablationcam",
    "layer_conductance",
    "occlusion",
    "rise",
    "sobol",
    "kernel_shap",
    "lime",
)
_MEMORY = "512MB"
"""Of a batch: between small batches, questions of the other views get their turn."""
_CHECK_STEPS = 6
"""As in the report: a whole check takes minutes."""
_MOST_PIXELS = 4
"""Largest number of pixels of a map for each of the network's input."""


@question(has_numbers=False)
def methods(workspace: Workspace, tell: Tell) -> Answer:
    """The attribution methods: name, title, whether they explain a layer, or take many passes.

    Those that are not common are shown where they are asked for.
    """
    return Answer(
        {
            "methods": [
                {
                    "name": name,
                    "title": method_title(name),
                    "has_layer": name in OF_A_LAYER,
                    "is_slow": name in _MANY_PASSES,
                    "is_common": name in COMMON,
                }
                for name in ATTRIBUTIONS
            ]
        }
    )


@question(MODEL, PHOTO, TARGET, METHOD, EXPLAINED_LAYER, is_long=True)
def attribution(
    workspace: Workspace,
    tell: Tell,
    model: Network,
    photo: Photo,
    target: str,
    method: str,
    layer: str,
) -> Answer:
    """A map over a photo, (h, w) in the map's unit, NaN outside what the network saw.

    `cells` is the heatmap before it is resized; `python` and `command` make it again.
    """
    result = explained(workspace, tell, model, photo, target, method, layer)
    again = _again(workspace, model, photo, target, method, _options(method, layer))
    return Answer(
        {
            "method": method,
            "title": result.title,
            "unit": result.unit,
            "target": result.targets[0],
            "score": result.score[0],
            "score_unit": result.score_unit,
            "layer": result.layer,
            "parameters": {name: str(value) for name, value in result.parameters.items()},
            "warnings": [each for each in result.warnings if each not in model.warnings],
            **again,
        },
        {"values": result.at(_size(photo, result)), "cells": result.heatmap[0]},
    )


@question(MODEL, PHOTO, TARGET, METHOD, EXPLAINED_LAYER, is_long=True)
def verdict(
    workspace: Workspace,
    tell: Tell,
    model: Network,
    photo: Photo,
    target: str,
    method: str,
    layer: str,
) -> Answer:
    """Sanity checks of a map, in a sentence and in numbers.

    Correlations with the map after each stage of scrambling, (stages,); scores during `deletion`
    and `insertion`, (3, points): of the map, of a random one, of edges.
    """
    result = explained(workspace, tell, model, photo, target, method, layer)
    checked = check(result, steps=_CHECK_STEPS, progress=tell.progress)
    return Answer(
        {
            "sentence": checked.sentence,
            "depends_on_weights": checked.depends_on_weights,
            "marks_what_matters": checked.marks_what_matters,
            "similarity": checked.similarity[0],
            "stages": checked.stages,
            "steps": _CHECK_STEPS,
        },
        {
            "correlations": checked.values[0],
            "deletion": checked.deletion[0],
            "insertion": checked.insertion[0],
        },
    )


def explained(
    workspace: Workspace,
    tell: Tell,
    model: Network,
    photo: Photo,
    target: str,
    method: str,
    layer: str,
) -> Attribution:
    """The result of a method, computed once."""
    options = _options(method, layer)

    def make() -> tuple[Any, int]:
        result = attribution_method(method)(
            model,
            workspace.prepared(model, photo),
            workspace.target(model, target),
            memory=_MEMORY,
            progress=tell.progress,
            **options,
        )
        held = (getattr(result, name) for name in vars(result))
        return result, sum(each.nbytes for each in held if isinstance(each, np.ndarray))

    key = ("attribution", id(model), photo.id, target, method, options.get("layer", ""))
    return workspace.objects.once(key, make)


def _again(
    workspace: Workspace,
    model: Network,
    photo: Photo,
    target: str,
    method: str,
    options: dict[str, Any],
) -> dict[str, str | None]:
    """How the result of a method is made again."""
    place = place_of(photo)
    explaining = call(method, "net", repr(place), target_in_python(target), **options)
    command: Sequence[str] | str = "optogram explain explains classes, not filters."
    if not target.startswith("filter:"):
        given = [word for name, option in options.items() for word in (f"--{name}", str(option))]
        command = ["explain", "--method", method, *target_in_words(target), *given, "--", place]
    return made_again(workspace, model, [f"result = {explaining}"], command)


def _options(method: str, layer: str) -> dict[str, Any]:
    return {"layer": layer} if layer and method in OF_A_LAYER else {}


def _size(photo: Photo, result: Attribution) -> tuple[int, int]:
    """(height, width) with the photo's proportions, at which no pixel of the network's is lost."""
    height, width = result.images.shape[1:3]
    factor = max(height / photo.height, width / photo.width)
    area = factor**2 * photo.height * photo.width
    factor *= min(1.0, (_MOST_PIXELS * height * width / area) ** 0.5)
    return max(1, round(factor * photo.height)), max(1, round(factor * photo.width))
