"""Maps of layers that are combinations of gradients and feature maps."""

from collections.abc import Callable
from typing import Any

import numpy as np

from optogram.methods.request.explained_layer import ExplainedLayer, explained_layers
from optogram.methods.request.request import GradientAnswer, Request
from optogram.progress import ShownProgress, reporting
from optogram.result import Attribution


def combined_maps(
    method: str,
    request: Request,
    layer: Any,
    combine: Callable[[np.ndarray, np.ndarray], np.ndarray],
    rectify: bool,
    memory: float | str | None,
    progress: ShownProgress,
) -> Attribution | Any:
    """The result of ``method`` for one layer, or a dict of results for several.

    ``combine`` makes maps (T, N, h, w) of gradients (T, N, h, w, K) and feature maps (N, h, w, K);
    with ``rectify`` their negative values become 0.
    """
    layers = explained_layers(request, layer)

    def result(explained: ExplainedLayer, answer: GradientAnswer) -> Attribution:
        return answer.attribution(
            method,
            np.maximum(answer.gradient, 0) if rectify else answer.gradient,
            {"rectify": rectify, "score": request.score},
            layer=explained.name,
            warnings=explained.warnings,
        )

    with reporting(progress) as told:
        answers = request.gradients_at(layers.outputs, memory, told, then=combine)
    return layers.results(result, answers)
