"""Grad-CAM++: Grad-CAM with a weight for each position, for several objects of a class."""

from collections.abc import Sequence
from operator import attrgetter
from typing import Any

import numpy as np

from optogram.arguments import checked
from optogram.methods.request.checked_gradients import CheckedGradients, checked_gradients
from optogram.methods.request.explained_layer import ExplainedLayer, explained_layers
from optogram.methods.request.request import ask
from optogram.network.network import Network
from optogram.progress import ShownProgress, reporting
from optogram.result import Attribution


@checked
def gradcam_plus_plus(
    net: Network,
    image: Any,
    target: Any = None,
    layer: str | Sequence[str] | None = None,
    *,
    score: str = "logit",
    precision: str = "exact",
    fit: str | None = None,
    memory: float | str | None = None,
    progress: ShownProgress = None,
) -> Attribution | Any:
    """Grad-CAM++: Grad-CAM with weights computed from each position's gradient.

    Chattopadhay et al., "Grad-CAM++" (2018), equation 19, with g = ∂S/∂Aₖ:
    αₖ(i, j) = g² / (2g² + g³ Σ Aₖ), 0 where g is 0; wₖ = Σ αₖ(i, j) ReLU(g); the result is
    ReLU(Σₖ wₖ Aₖ). The paper's factor exp(S) is omitted, because it is the same for all maps of an
    image.

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
    Attribution, or dict of str to Attribution for several layers
        ``values`` (N, h, w), as large as the layer's maps.

    Raises
    ------
    InputError
        If image, target or layer cannot be used, or the score does not depend on the layer.
    """
    request = ask(net, image, target, score, fit, precision=precision)
    layers = explained_layers(request, layer)

    def result(explained: ExplainedLayer, found: CheckedGradients) -> Attribution:
        return found.answer.attribution(
            "gradcam_plus_plus",
            found.maps,
            {"score": score, "precision": precision},
            layer=explained.name,
            warnings=[*explained.warnings, *found.warnings],
            rounding_error=found.error,
        )

    with reporting(progress) as told:
        found = checked_gradients(
            request, layers.outputs, attrgetter("gradient"), memory, told, then=_combined
        )
    return layers.results(result, found)


def _combined(gradients: np.ndarray, maps: np.ndarray) -> np.ndarray:
    """The maps (T, N, h, w) that gradients (T, N, h, w, K) make of maps (N, h, w, K)."""
    values = np.empty(gradients.shape[:-1], np.float32)
    for row, number in np.ndindex(*values.shape[:2]):
        own = maps[number]
        gradient = gradients[row, number].astype(np.float64)  # the cube of float32 is soon zero
        sums = own.sum(axis=(0, 1), dtype=np.float64)
        below = 2 * gradient**2 + gradient**3 * sums
        alphas = np.divide(gradient**2, below, out=np.zeros_like(below), where=below != 0)
        weights = (alphas * np.maximum(gradient, 0)).sum(axis=(0, 1))
        values[row, number] = np.maximum(np.einsum("k,hwk->hw", weights, own), 0)
    return values
