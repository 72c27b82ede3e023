"""LayerCAM: each element of the maps weighted by its own gradient."""

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
def layercam(
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
    """LayerCAM: the feature maps of a layer, each element weighted by its positive gradient.

    Jiang et al., "LayerCAM" (2021), equations 5 to 7: ReLU(Σₖ ReLU(∂S/∂Aₖ) · Aₖ). In
    early layers it keeps detail that Grad-CAM blurs.

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
        ``values`` (N, h, w), as large as the layer's maps, in units of the score.

    Raises
    ------
    InputError
        If image, target or layer cannot be used, or the score does not depend on the layer.
    """
    request = ask(net, image, target, score, fit, precision=precision)
    layers = explained_layers(request, layer)

    def result(explained: ExplainedLayer, found: CheckedGradients) -> Attribution:
        return found.answer.attribution(
            "layercam",
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


def _combined(gradient: np.ndarray, maps: np.ndarray) -> np.ndarray:
    """ReLU(Σₖ ReLU(∂S/∂Aₖ)·Aₖ) of gradients (T, N, h, w, K) and maps (N, h, w, K)."""
    return np.maximum(np.einsum("tnhwk,nhwk->tnhw", np.maximum(gradient, 0), maps), 0)
