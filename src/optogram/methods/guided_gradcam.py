"""Guided Grad-CAM: guided backpropagation times Grad-CAM."""

from typing import Any

import numpy as np

from optogram.arguments import checked
from optogram.interpreters.rectifiers import find_rectifiers
from optogram.methods.gradcam import weighted_maps
from optogram.methods.guided_backprop import guided_gradient, treatment
from optogram.methods.request.explained_layer import explained_layer
from optogram.methods.request.request import ask
from optogram.methods.request.upsampling import Upsampling
from optogram.network.network import Network
from optogram.progress import ShownProgress, reporting
from optogram.result import GuidedAttribution


@checked
def guided_gradcam(
    net: Network,
    image: Any,
    target: Any = None,
    layer: str | None = None,
    *,
    score: str = "logit",
    fit: str | None = None,
    memory: float | str | None = None,
    progress: ShownProgress = None,
) -> GuidedAttribution:
    """Guided Grad-CAM: guided backpropagation times Grad-CAM, at the size of the image.

    Selvaraju et al., "Grad-CAM" (2017), section 3.2. The Grad-CAM map is
    upsampled bilinearly. As in guided backpropagation, the fine detail is mostly edges.

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
    GuidedAttribution
        ``values`` (N, H, W, C), signed; ``treated`` and ``left_alone`` name the activations before
        the score.

    Raises
    ------
    InputError
        If image, target or layer cannot be used, or the score does not depend on the layer.
    """
    request = ask(net, image, target, score, fit)
    layer, at, warnings = explained_layer(request, layer)
    rectifiers = find_rectifiers(net.graph, request.scored())
    count = 2 * len(request.which)
    with reporting(progress) as told:
        answer = request.gradients(
            at,
            memory=memory,
            progress=lambda done, total, what: told(done, count, what),
            then=weighted_maps,
        )
        guided = guided_gradient(
            answer.request,
            rectifiers,
            memory,
            lambda done, total, what: told(total + done, count, what),
        )
    cam = np.maximum(answer.gradient, 0)
    values, enlarge = guided.gradient, Upsampling(cam.shape[1:], request.size)
    for one, own in zip(values, cam, strict=True):
        one *= enlarge(own)[..., None]
    treated = treatment(rectifiers)
    return answer.attribution(
        "guided_gradcam",
        values,
        {"score": score},
        kind=GuidedAttribution,
        layer=layer,
        **{**treated, "warnings": (*warnings, *treated["warnings"])},
    )
