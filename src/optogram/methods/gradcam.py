"""Grad-CAM: gradient-weighted class activation mapping."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from optogram.arguments import checked
from optogram.methods.request.checked_gradients import CheckedGradients, checked_gradients
from optogram.methods.request.explained_layer import ExplainedLayer, explained_layers
from optogram.methods.request.request import GradientAnswer, ask
from optogram.network.network import Network
from optogram.progress import ShownProgress, reporting
from optogram.result import GradCAM


@checked
def gradcam(
    net: Network,
    image: Any,
    target: Any = None,
    layer: str | Sequence[str] | None = None,
    *,
    rectify: bool = True,
    score: str = "logit",
    precision: str = "exact",
    fit: str | None = None,
    memory: float | str | None = None,
    progress: ShownProgress = None,
) -> GradCAM | Any:
    """Grad-CAM: the feature maps of a layer, weighted by mean gradients: ReLU(Σₖ αₖ Aₖ).

    Selvaraju et al., "Grad-CAM" (2017), equations 1 and 2: αₖ is the mean over positions of
    ∂S/∂Aₖ.

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
    rectify : bool
        False: omit the ReLU; negative values lower the score.
    score : {"logit", "probability"}
        Score of a class: before or after the final softmax or sigmoid.
    precision : {"exact", "fast"}
        "fast": where that is faster, large products of the network in bfloat16, and normalizations
        folded into convolutions. For several images: four of them are computed again exactly;
        ``rounding_error`` of the result is the error of the maps, measured on these.
    fit : {"stretch", "crop", "pad"}, optional
        How photos are brought to the input size; see `Network.prepare`.
    memory : float or str, optional
        Memory budget in bytes, or a string such as ``"2GB"``; None: a quarter of the free memory.
    progress : bool or callable, optional
        True shows a bar, in terminals and notebooks; a function is called as
        ``progress(done, total, what)``; ``what`` describes the work.

    Returns
    -------
    GradCAM, or dict of str to GradCAM for several layers
        ``values`` (N, h, w), as large as the layer's maps, in units of the score; ``steps``
        holds the intermediate stages.

    Raises
    ------
    InputError
        If image, target or layer cannot be used, or the score does not depend on the layer.
    """
    request = ask(net, image, target, score, fit, precision=precision)
    layers = explained_layers(request, layer)

    def maps_of(answer: GradientAnswer) -> np.ndarray:
        values = weighted_maps(answer.gradient, answer.maps)
        return np.maximum(values, 0) if rectify else values

    def result(explained: ExplainedLayer, found: CheckedGradients) -> GradCAM:
        answer = found.answer
        return answer.attribution(
            "gradcam",
            found.maps,
            {"rectify": rectify, "score": score, "precision": precision},
            kind=GradCAM,
            layer=explained.name,
            warnings=[*explained.warnings, *found.warnings],
            rounding_error=found.error,
            maps=answer.maps,
            gradients=answer.gradient,
        )

    with reporting(progress) as told:
        found = checked_gradients(request, layers.outputs, maps_of, memory, told)
    return layers.results(result, found)


def weighted_maps(gradient: np.ndarray, maps: np.ndarray) -> np.ndarray:
    """Σₖ αₖ Aₖ for gradients (..., h, w, K) and maps that broadcast to them: (..., h, w)."""
    weights = gradient.mean(axis=(-3, -2))
    return np.einsum("...k,...hwk->...hw", weights, np.broadcast_to(maps, gradient.shape))
