"""Maps of layers that are combinations of gradients and feature maps."""

from collections.abc import Callable
from typing import Any

import numpy as np

from optogram.methods.request.checked_gradients import CheckedGradients, checked_gradients
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
    precision: str | None = None,
) -> Attribution | Any:
    """The result of ``method`` for one layer, or a dict of results for several.

    ``combine`` makes maps (T, N, h, w) of gradients (T, N, h, w, K) and feature maps (N, h, w, K);
    with ``rectify`` their negative values become 0. ``precision`` is that of the
    ``request``, for methods that take one.
    """
    layers = explained_layers(request, layer)
    parameters: dict[str, Any] = {"rectify": rectify, "score": request.score}
    if precision is not None:
        parameters["precision"] = precision

    def maps_of(answer: GradientAnswer) -> np.ndarray:
        return np.maximum(answer.gradient, 0) if rectify else answer.gradient

    def result(explained: ExplainedLayer, found: CheckedGradients) -> Attribution:
        return found.answer.attribution(
            method,
            found.maps,
            parameters,
            layer=explained.name,
            warnings=[*explained.warnings, *found.warnings],
            rounding_error=found.error,
        )

    with reporting(progress) as told:
        found = checked_gradients(request, layers.outputs, maps_of, memory, told, then=combine)
    return layers.results(result, found)
