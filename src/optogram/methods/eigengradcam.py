"""Eigen-Grad-CAM: the first principal component of gradient × feature maps."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from optogram.arguments import checked
from optogram.methods.request.combined_maps import combined_maps
from optogram.methods.request.principal import principal_map
from optogram.methods.request.request import ask
from optogram.network.network import Network
from optogram.progress import ShownProgress
from optogram.result import Attribution


@checked
def eigengradcam(
    net: Network,
    image: Any,
    target: Any = None,
    layer: str | Sequence[str] | None = None,
    *,
    rectify: bool = True,
    score: str = "logit",
    fit: str | None = None,
    memory: float | str | None = None,
    progress: ShownProgress = None,
) -> Attribution | Any:
    """Eigen-Grad-CAM: gradient × feature maps, projected on their first singular vector.

    The method of pytorch-grad-cam (Gildenblat et al., 2021): as Eigen-CAM of Muhammad and Yeasin
    (2020), with M = (∂S/∂A ⊙ A) instead of the maps A, so that it depends on the target. M has a
    row for each position and a column for each channel; the result is ReLU(M v), with v its first
    right singular vector. M is not centered, which pytorch-grad-cam does. The sign of v,
    which is arbitrary, is chosen so that M v has a positive scalar product with HiResCAM's map,
    Σₖ ∂S/∂Aₖ ⊙ Aₖ: what is positive raises the score. Where that product is zero, the value of the
    largest magnitude is positive.

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
    request = ask(net, image, target, score, fit)
    return combined_maps("eigengradcam", request, layer, _combined, rectify, memory, progress)


def _combined(gradient: np.ndarray, maps: np.ndarray) -> np.ndarray:
    """The projections (T, N, h, w) of gradients (T, N, h, w, K) times maps (N, h, w, K)."""
    values = np.empty(gradient.shape[:-1], np.float32)
    for row, number in np.ndindex(*values.shape[:2]):
        product = gradient[row, number] * maps[number]
        values[row, number] = principal_map(product, product.sum(axis=-1, dtype=np.float64))
    return values
