"""Grad-CAM: where the maps that speak for a score are active."""

from typing import Any

import numpy as np

from optogram.arguments import checked
from optogram.methods.request.explained_layer import explained_layer
from optogram.methods.request.request import ask
from optogram.network.network import Network
from optogram.progress import Progress, silent
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
    memory: float | str | None = None,
    progress: Progress = silent,
) -> GradCAM:
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
    memory : float or str, optional
        What the call may add to the process, as in ``"2GB"``; None: a quarter of what is free.
    progress : callable, optional
        Called as ``progress(done, total, what)``.

    Returns
    -------
    GradCAM
        ``values`` (N, h, w) of the size of the layer's maps, in units of the score; ``steps``
        shows how they came about.

    Raises
    ------
    InputError
        If image, target or layer cannot be used, or the score does not depend on the layer.
    """
    request = ask(net, image, target, score)
    layer, at, warnings = explained_layer(request, layer)
    answer = request.gradients(at, memory=memory, progress=progress)
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
