"""Grad-CAM: where the maps that speak for a score are active."""

from typing import Any

import numpy as np

from optogram.errors import InputError
from optogram.methods.request import ask, diagnosed
from optogram.network.network import Network
from optogram.network.steps import Value
from optogram.progress import Progress, silent
from optogram.result import Attribution


def gradcam(
    net: Network,
    image: Any,
    target: Any = None,
    layer: str | None = None,
    *,
    rectify: bool = True,
    score: str = "logit",
    memory: int | str | None = None,
    progress: Progress = silent,
) -> Attribution:
    """The maps of a layer, weighted by what each does for the score: ReLU(Σₖ αₖ Aₖ).

    Selvaraju et al., "Grad-CAM" (2017), equations 1 and 2: αₖ is the mean over positions of
    ∂S/∂Aₖ.

    Parameters
    ----------
    net : Network
        What is explained.
    image
        Everything that `Network.prepare` takes.
    target : Target, int, str or a list of these, optional
        What is scored; one image may have several, one explanation each. None: each image's own
        answer.
    layer : str, optional
        Whose maps; None: `Network.default_layer`.
    rectify : bool
        Off, the sum keeps its sign: negative where the maps speak against the score.
    score : {"logit", "probability"}
        Whether classes are scored before or after the last softmax or sigmoid.
    memory : int or str, optional
        What the call may add to the process, as in ``"2GB"``; None: a quarter of what is free.
    progress : callable, optional
        Called as ``progress(done, total, what)``.

    Returns
    -------
    Attribution
        ``values`` (N, h, w) of the size of the layer's maps, in units of the score.

    Raises
    ------
    InputError
        If image, target or layer cannot be used, or the score does not depend on the layer.
    """
    request = ask(net, image, target, score)
    layer = net.default_layer if layer is None else layer
    weights = request.weights()
    at = _maps_of(net, layer, [net.score_value(score)] if weights is None else list(weights))
    found = net.gradients(
        request.x[request.which], weights, at, score=score, memory=memory, progress=progress
    )
    alphas = found.gradient.mean(axis=(1, 2))
    values = np.einsum("nk,nhwk->nhw", alphas, found.maps)
    if rectify:
        values = np.maximum(values, 0)
    names = request.names(found.outputs)
    return Attribution(
        values=values,
        method="gradcam",
        parameters={"rectify": rectify, "score": score},
        warnings=diagnosed(net, values, names),
        targets=names,
        score=found.scores,
        layer=layer,
        **request.common(),
    )


def _maps_of(net: Network, layer: str, scored: list[Value]) -> Value:
    """The output of ``layer``, which must be maps that the scored values depend on."""
    step = net.step(layer)
    if len(step.shape) != 4:
        raise InputError(
            f"{layer!r} makes no maps, its output has the shape {step.shape}: "
            f"choose a layer before it, such as {net.default_layer!r}."
        )
    if step.index not in net.graph.ancestors(scored):
        raise InputError(
            f"The score does not depend on {layer!r}: choose a layer on the way to it, "
            f"such as {net.default_layer!r}."
        )
    return Value(step.index)
