"""Guided Grad-CAM: guided backpropagation times Grad-CAM."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from optogram.arguments import checked
from optogram.interpreters.rectifiers import find_rectifiers
from optogram.methods.gradcam import weighted_maps
from optogram.methods.guided_backprop import guided_gradient, treatment
from optogram.methods.request.explained_layer import ExplainedLayer, explained_layers
from optogram.methods.request.request import GradientAnswer, ask
from optogram.methods.request.upsampling import Upsampling
from optogram.network.network import Network
from optogram.progress import ShownProgress, continued, reporting
from optogram.result import GuidedAttribution


@checked
def guided_gradcam(
    net: Network,
    image: Any,
    target: Any = None,
    layer: str | Sequence[str] | None = None,
    *,
    score: str = "logit",
    fit: str | None = None,
    memory: float | str | None = None,
    progress: ShownProgress = None,
) -> GuidedAttribution | Any:
    """Guided Grad-CAM: guided backpropagation times Grad-CAM, at the size of the image.

    Selvaraju et al., "Grad-CAM" (2017), section 3.2. The Grad-CAM map is
    upsampled bilinearly. As in guided backpropagation, the fine detail is mostly edges.

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
        ``"block*_add"`` (see `Network.layer_names`), give one result for each layer; the gradients
        are shared as far as memory allows.
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
    GuidedAttribution, or dict of str to GuidedAttribution for several layers
        ``values`` (N, H, W, C), signed; ``treated`` and ``left_alone`` name the activations before
        the score.

    Raises
    ------
    InputError
        If image, target or layer cannot be used, or the score does not depend on the layer.
    """
    request = ask(net, image, target, score, fit)
    layers = explained_layers(request, layer)
    rectifiers = find_rectifiers(request.net.graph, request.scored())
    count = 2 * len(request.which)
    with reporting(progress) as told:
        answers = request.gradients_at(
            layers.outputs,
            memory,
            lambda done, total, what: told(len(request.which) * done // total, count, what),
            then=weighted_maps,
        )
        guided = guided_gradient(
            answers[0].request, rectifiers, memory, continued(told, len(request.which), count)
        )
    treated = treatment(rectifiers, "guided backpropagation")

    def result(explained: ExplainedLayer, answer: GradientAnswer) -> GuidedAttribution:
        cam = np.maximum(answer.gradient, 0)
        values, enlarge = np.empty_like(guided.gradient), Upsampling(cam.shape[1:], request.size)
        for one, back, own in zip(values, guided.gradient, cam, strict=True):
            np.multiply(back, enlarge(own)[..., None], out=one)
        return answer.attribution(
            "guided_gradcam",
            values,
            {"score": score},
            kind=GuidedAttribution,
            layer=explained.name,
            **{**treated, "warnings": (*explained.warnings, *treated["warnings"])},
        )

    return layers.results(result, answers)
