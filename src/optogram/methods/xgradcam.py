"""XGrad-CAM: feature maps, each weighted by its mean gradient where it is active."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from optogram.arguments import checked
from optogram.methods.request.combined_maps import combined_maps
from optogram.methods.request.request import ask
from optogram.network.network import Network
from optogram.progress import ShownProgress
from optogram.result import Attribution

_CANCELED = 1e-6
"""Maps whose sum is a smaller share of the sum of their magnitudes add up to zero."""


@checked
def xgradcam(
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
    """XGrad-CAM: feature maps, weighted by gradients averaged over the maps: ReLU(Σₖ αₖ Aₖ).

    Fu et al., "Axiom-based Grad-CAM" (2020): αₖ = Σᵢⱼ ∂S/∂Aₖ(i, j) · Aₖ(i, j) / Σᵢⱼ
    Aₖ(i, j), the mean gradient with the map as weights. Before the ReLU, the values have the same
    sum as those of HiResCAM.

    Where a map adds up to zero, within rounding (1e-6 of the sum of its magnitudes), αₖ is 0. Maps
    with both signs can nearly cancel and have very large weights: choose a layer after a rectifier.

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
        "xgradcam", request, layer, _combined, rectify, memory, progress, precision
    )


def _combined(gradient: np.ndarray, maps: np.ndarray) -> np.ndarray:
    """Σₖ αₖ Aₖ of gradients (T, N, h, w, K) and maps (N, h, w, K): (T, N, h, w)."""
    own = maps.astype(np.float64)
    sums, sizes = own.sum(axis=(1, 2)), np.abs(own).sum(axis=(1, 2))
    # Terms of both signs: float32 would lose digits where they cancel.
    shares = np.einsum("tnhwk,nhwk->tnk", gradient, own)
    is_sum = np.abs(sums) > _CANCELED * sizes
    weights = np.divide(shares, sums, out=np.zeros_like(shares), where=is_sum)
    return np.einsum("tnk,nhwk->tnhw", weights, own).astype(np.float32)
