"""Layer conductance: integrated gradients that go through the units of a layer."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from optogram.arguments import checked, whole
from optogram.errors import InputError
from optogram.graph.steps import Output
from optogram.interpreters.conductance import conductance
from optogram.interpreters.gradients import fitting
from optogram.methods.request.baseline import baseline_images, described
from optogram.methods.request.explained_layer import ExplainedLayer, explained_layers
from optogram.methods.request.request import Request, ask
from optogram.network.network import Network
from optogram.progress import ShownProgress, continued, reporting
from optogram.result import LayerConductance

_POINTS = 32
_POWERS = {"even": 1, "cubic": 3}
_TOLERATED_GAP = 0.1
"""Largest relative gap without a warning, where all of the score goes through the layer."""
_ROUNDING = 1e-4
"""Gaps below this fraction of the score are rounding errors."""


@checked
def layer_conductance(
    net: Network,
    image: Any,
    target: Any = None,
    layer: str | Sequence[str] | None = None,
    *,
    points: int | None = None,
    spacing: str | None = None,
    baseline: Any = "black",
    score: str = "logit",
    fit: str | None = None,
    memory: float | str | None = None,
    progress: ShownProgress = None,
) -> LayerConductance | Any:
    """Layer conductance: how much of integrated gradients goes through each unit of a layer.

    Dhamdhere, Sundararajan and Yan, "How important is a neuron?" (2018): the conductance of a unit
    y is ∫ ∂S/∂y · ∂y/∂t dt on the line x(t) = x₀ + t · (x − x₀) from a baseline x₀ to the image.
    Computed as Σᵢ ∂S/∂y(x(tᵢ)) · (y(x(eᵢ₊₁)) − y(x(eᵢ))): the gradient at a point of each interval,
    times the change of the unit over the interval. (Captum takes the gradient at the beginning of
    each interval.) ``values`` are sums over channels, ``channels`` sums over positions; either sum
    up to S(x) − S(x₀), up to ``completeness_gap``, where all of the score goes through the layer. A
    layer that a skip connection passes by has only a part of it.

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
    points : int, optional
        Number of intervals, at least 1. None: 32.
    spacing : {"cubic", "even"}, optional
        Ends and points of the intervals. "cubic": t = u³, with u at the ends and midpoints of equal
        intervals, because gradients change most near x₀. "even": t itself. None: "cubic" if
        ``points`` is None, else "even".
    baseline : str, number or picture
        Start of the line: "black", "white", "gray", "mean" (the image's mean color), "blur" (the
        blurred image), a gray level in 0..255, or an image, prepared like the explained one: a
        path, a PIL image, an array (H, W, C) in 0..255, or one per image.
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
    LayerConductance, or dict of str to LayerConductance for several layers
        ``values`` (N, h, w), as large as the layer's maps, signed, in units of the score;
        ``channels`` (N, K) ranks the channels; ``completeness_gap`` (N,) is the sum of the values
        minus S(x) − S(x₀).

    Raises
    ------
    InputError
        If image, target, baseline or layer cannot be used, the score does not depend on the layer,
        points is not positive, or spacing is unknown.
    """
    points_used = _POINTS if points is None else whole("points", points, 1)
    if spacing not in (None, *_POWERS):
        raise InputError(f'spacing must be "cubic" or "even", not {spacing!r}.')
    spacing = spacing or ("cubic" if points is None else "even")
    request = ask(net, image, target, score, fit)
    layers = explained_layers(request, layer)
    images, count = len(request.x), len(request.which)
    groups = fitting(request.net, request.size, request.scored(), layers.outputs, memory)
    total = 2 * images + len(groups) * count * points_used

    with reporting(progress) as told:
        answer = request.answer(memory, continued(told, 0, total))
        request, done = answer.request, 2 * images
        start = baseline_images(request, baseline)
        (before,) = request.scores_of_variants(
            lambda i, _: start[i], 1, memory, continued(told, images, total)
        ).T
        change = answer.scores.astype(np.float64) - before
        found: dict[Output, tuple[np.ndarray, np.ndarray]] = {}
        for group in groups:
            arrays = _conductances(
                request,
                start,
                group,
                points_used,
                _POWERS[spacing],
                memory,
                continued(told, done, total),
            )
            found |= dict(zip(group, arrays, strict=True))
            done += count * points_used
    parameters = {
        "points": points_used,
        "spacing": spacing,
        "baseline": described(baseline),
        "score": score,
    }

    def result(explained: ExplainedLayer, units: tuple[np.ndarray, np.ndarray]) -> LayerConductance:
        values, channels = units
        gap = values.sum(axis=(1, 2), dtype=np.float64) - change
        return answer.attribution(
            "layer_conductance",
            values,
            parameters,
            kind=LayerConductance,
            layer=explained.name,
            arguments={**parameters, "baseline": start},
            warnings=[
                *explained.warnings,
                *(
                    f"The values for {answer.places[i]} add up to {change[i] + gap[i]:.3g}, but "
                    f"the score changes by {change[i]:.3g} from the baseline "
                    f"({described(baseline)}) to the image: too few points ({points_used}), raise "
                    f"points, as in points={10 * points_used}."
                    for i in _unfinished(request, explained.output, gap, change, answer.scores)
                ),
            ],
            channels=channels,
            baseline_score=before,
            completeness_gap=gap.astype(np.float32),
        )

    return layers.results(result, [found[output] for output in layers.outputs])


def _conductances(
    request: Request,
    start: np.ndarray,
    at: Sequence[Output],
    points: int,
    power: int,
    memory: float | str | None,
    progress: Any,
) -> list[tuple[np.ndarray, np.ndarray]]:
    """For each output: the conductance of positions (N, h, w) and of channels (N, K)."""
    net, weights, done = request.net, request.weights(), 0
    ends = (np.arange(points + 1) / points) ** power
    places = ((np.arange(points) + 0.5) / points) ** power
    shapes = [net.shape(output, request.size) for output in at]
    count = len(request.which)
    found = [
        (np.empty((count, *shape[:2]), np.float32), np.empty((count, shape[2]), np.float32))
        for shape in shapes
    ]
    for image in range(len(request.x)):
        own = np.flatnonzero(request.which == image)
        one = slice(image, image + 1)
        units = conductance(
            net,
            start[one],
            request.x[one],
            places.astype(np.float32),
            ends.astype(np.float32),
            request.weights_of(image, weights),
            at,
            memory,
            continued(progress, done, count * points),
        )
        for (values, channels), array in zip(found, units, strict=True):
            values[own] = array.sum(axis=3, dtype=np.float64)
            channels[own] = array.sum(axis=(1, 2), dtype=np.float64)
        done += len(own) * points
    return found


def _unfinished(
    request: Request, at: Output, gap: np.ndarray, change: np.ndarray, scores: np.ndarray
) -> np.ndarray:
    """The explanations with too few points, where all of the score goes through the layer."""
    graph = request.net.graph
    if graph.inputs[0].step in graph.ancestors(request.scored(), [at]):
        return np.zeros(0, int)
    allowed = _TOLERATED_GAP * np.abs(change) + _ROUNDING * np.abs(scores)
    return np.flatnonzero(np.abs(gap) > allowed)
