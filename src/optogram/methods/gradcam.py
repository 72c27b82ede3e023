"""Grad-CAM: gradient-weighted class activation mapping."""

from typing import Any

import numpy as np

from optogram.arguments import checked
from optogram.methods.request.explained_layer import explained_layer
from optogram.methods.request.request import ask
from optogram.network.network import Network
from optogram.progress import ShownProgress, reporting
from optogram.result import GradCAM


@checked
def gradcam(
    net: Network,
    image: Any,
    target: Any = None,
    layer: str | None = None,
    *,
    rectify: bool = True,
    score: str = "logit",
    fit: str | None = None,
    memory: float | str | None = None,
    progress: ShownProgress = None,
) -> GradCAM:
    """Grad-CAM: the feature maps of a layer, weighted by mean gradients: ReLU(Σₖ αₖ Aₖ).

    Selvaraju et al., "Grad-CAM" (2017), equations 1 and 2: αₖ is the mean over positions of
    ∂S/∂Aₖ.

    Parameters
    ----------
    net : Network
        The network to explain.
    image
        Image or images, as for `Network.prepare`.
    target : Target, int, str or a list of these, optional
        Target of the score: one for all images, one per image, or several for one image. None:
        the highest-scoring class of each image.
    layer : str, optional
        Layer to explain. None: `Network.default_layer`.
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
    GradCAM
        ``values`` (N, h, w), as large as the layer's maps, in units of the score; ``steps``
        holds the intermediate stages.

    Raises
    ------
    InputError
        If image, target or layer cannot be used, or the score does not depend on the layer.
    """
    request = ask(net, image, target, score, fit)
    layer, at, warnings = explained_layer(request, layer)
    with reporting(progress) as told:
        answer = request.gradients(at, memory=memory, progress=told)
    values = weighted_maps(answer.gradient, answer.maps)
    return answer.attribution(
        "gradcam",
        np.maximum(values, 0) if rectify else values,
        {"rectify": rectify, "score": score},
        kind=GradCAM,
        layer=layer,
        warnings=warnings,
        maps=answer.maps,
        gradients=answer.gradient,
    )


def weighted_maps(gradient: np.ndarray, maps: np.ndarray) -> np.ndarray:
    """Σₖ αₖ Aₖ for gradients (..., h, w, K) and maps that broadcast to them: (..., h, w)."""
    weights = gradient.mean(axis=(-3, -2))
    return np.einsum("...k,...hwk->...hw", weights, np.broadcast_to(maps, gradient.shape))
