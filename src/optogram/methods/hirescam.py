"""HiResCAM: feature maps times their gradients, element by element."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from optogram.arguments import checked
from optogram.methods.request.combined_maps import combined_maps
from optogram.methods.request.request import ask
from optogram.network.network import Network
from optogram.progress import ShownProgress
from optogram.result import Attribution


@checked
def hirescam(
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
) -> Attribution | Any:
    """HiResCAM: the feature maps of a layer times their gradients: ReLU(Σₖ ∂S/∂Aₖ ⊙ Aₖ).

    Draelos and Carin, "Use HiResCAM instead of Grad-CAM for faithful explanations of convolutional
    neural networks" (2020). Gradients are not averaged over positions, as in Grad-CAM.
    At the last maps before a mean over positions and a dense layer both are equal; in a network
    that is piecewise linear from the layer to the score, the values without ReLU add up to the
    score less what biases after the layer contribute.

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
    Attribution, or dict of str to Attribution for several layers
        ``values`` (N, h, w), as large as the layer's maps, in units of the score.

    Raises
    ------
    InputError
        If image, target or layer cannot be used, or the score does not depend on the layer.
    """
    request = ask(net, image, target, score, fit, precision=precision)
    return combined_maps(
        "hirescam", request, layer, _combined, rectify, memory, progress, precision
    )


def _combined(gradient: np.ndarray, maps: np.ndarray) -> np.ndarray:
    """Σₖ ∂S/∂Aₖ ⊙ Aₖ of gradients (T, N, h, w, K) and maps (N, h, w, K): (T, N, h, w)."""
    return np.einsum("tnhwk,nhwk->tnhw", gradient, maps)
