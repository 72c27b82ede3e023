"""Eigen-CAM: the first principal component of the feature maps of a layer."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from optogram.arguments import checked
from optogram.methods.request.explained_layer import ExplainedLayer, explained_layers
from optogram.methods.request.principal import principal_map
from optogram.methods.request.request import ask
from optogram.network.network import Network
from optogram.progress import ShownProgress, reporting
from optogram.result import Attribution

_SAME = "Eigen-CAM does not depend on the target: the map is the same for every class."


@checked
def eigencam(
    net: Network,
    image: Any,
    target: Any = None,
    layer: str | Sequence[str] | None = None,
    *,
    score: str = "logit",
    fit: str | None = None,
    memory: float | str | None = None,
    progress: ShownProgress = None,
) -> Attribution | Any:
    """Eigen-CAM: feature maps, projected on their first singular vector; the same for any target.

    Muhammad and Yeasin, "Eigen-CAM" (2020): M v, where M has a row for each
    position and a column for each channel of the maps, and v is its first right singular vector. It
    shows what the layer responds to most, not what a class is recognized by: ``target`` chooses the
    ``score`` that the result states, and nothing else.

    M is not centered, as in the paper; pytorch-grad-cam subtracts the mean of each map. The sign of
    v, which is arbitrary, is chosen so that the values have a positive sum; where that is zero, the
    one of the largest magnitude is positive. There is no ReLU: negative values are where maps with
    both signs point the other way.

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
        ``values`` (N, h, w), as large as the layer's maps, in units of the maps.

    Raises
    ------
    InputError
        If image, target or layer cannot be used, or the score does not depend on the layer.
    """
    request = ask(net, image, target, score, fit)
    layers = explained_layers(request, layer)
    told_of_target = () if target is None else (_SAME,)

    def result(explained: ExplainedLayer, values: np.ndarray) -> Attribution:
        return answer.attribution(
            "eigencam",
            values[answer.request.which],
            {"score": score},
            layer=explained.name,
            warnings=(*told_of_target, *explained.warnings),
        )

    with reporting(progress) as told:
        answer, found = request.answer_with(layers.outputs, _projected, memory, told)
    return layers.results(result, found)


def _projected(maps: np.ndarray) -> np.ndarray:
    """The projections (N, h, w) of maps (N, h, w, K)."""
    return np.stack([principal_map(own) for own in maps])
