"""FullGrad: gradients of the input and of the biases of all layers."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from optogram.arguments import checked
from optogram.graph.steps import Output
from optogram.interpreters.biases import biases
from optogram.methods.request.request import ask
from optogram.methods.request.upsampling import Upsampling
from optogram.network.network import Network
from optogram.progress import ShownProgress, reporting
from optogram.result import FullGradient


@checked
def fullgrad(
    net: Network,
    image: Any,
    target: Any = None,
    *,
    score: str = "logit",
    fit: str | None = None,
    memory: float | str | None = None,
    progress: ShownProgress = None,
) -> FullGradient:
    """FullGrad: input × gradient plus bias × gradient of all layers, as one map.

    Srinivas and Fleuret, "Full-gradient representation for neural network visualization" (2019). A
    network of ReLUs is Σ ∂S/∂x · x + Σ ∂S/∂b · b, over the input x and all biases b
    (``completeness_gap`` says how nearly). The map is ψ(∂S/∂x ⊙ x) + Σₗ ψ(∂S/∂bₗ ⊙ bₗ), with a bias
    at every position of a layer's maps; ψ takes the magnitude, scales it to 0…1 by the smallest and
    largest value of the layer, sums over channels and upsamples bilinearly to the input size.

    Biases are those of convolutions, the effective ones of batch normalizations, β − γμ/σ, and the
    offsets of rescalings and normalizations inside the network. Those of dense layers have no
    position: they are in ``bias_sums``, not in the map. x is in the network's units.

    Parameters
    ----------
    net : Network
        The network to explain.
    image
        Image or images, as for `Network.prepare`.
    target : Target, int, str, function or a list of these, optional
        Target of the score: one for all images, one per image, or several for one image. None:
        the highest-scoring class of each image.
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
    FullGradient
        ``values`` (N, H, W), not negative: a sum of one map for each layer, scaled to 0…1 for each
        channel, without a unit. ``input_sum`` and ``bias_sums`` hold what the input and the biases
        of each step contribute to the score.

    Raises
    ------
    InputError
        If image or target cannot be used.
    """
    request = ask(net, image, target, score, fit)
    net, scored, size = request.net, request.scored(), request.size
    found = biases(net, size, scored)
    source = net.graph.inputs[0]
    at: list[Output] = [source, *found]
    then: list[Callable[[np.ndarray, np.ndarray], np.ndarray]] = [_of_input]
    then += [partial(_of_biases, bias) for bias in found.values()]
    with reporting(progress) as told:
        answers = request.gradients_at(at, memory, told, then)
    count = len(answers[0].scores)
    values = np.zeros((count, *size), np.float32)
    sums = np.empty((count, len(at)), np.float64)
    for place, answer in enumerate(answers):
        maps, terms = answer.gradient[..., 0], answer.gradient[..., 1]
        sums[:, place] = terms.sum(axis=(1, 2), dtype=np.float64)
        values += Upsampling(maps.shape[1:3], size)(maps)
    scores = answers[0].scores
    return answers[0].attribution(
        "fullgrad",
        values,
        {"score": score},
        kind=FullGradient,
        step_names=tuple(net.graph.steps[output.step].name for output in found),
        input_sum=sums[:, 0].astype(np.float32),
        bias_sums=sums[:, 1:].astype(np.float32),
        completeness_gap=(sums.sum(axis=1) - scores).astype(np.float32),
    )


def _of_input(gradient: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The two maps of `_two_maps` for the input."""
    return _two_maps(gradient * x)


def _of_biases(bias: np.ndarray, gradient: np.ndarray, _: np.ndarray) -> np.ndarray:
    """The two maps of `_two_maps` for biases."""
    return _two_maps(gradient * bias)


def _two_maps(terms: np.ndarray) -> np.ndarray:
    """(T, N, h, w, 2): ψ of terms (T, N, h, w, K), not yet upsampled, and their sum over channels.

    Terms without two positions are summed up; their first map is zero.
    """
    if terms.ndim != 5:
        total = terms.reshape(*terms.shape[:2], -1).sum(axis=2, dtype=np.float64)
        return np.stack([np.zeros_like(total), total], axis=-1)[:, :, None, None].astype(np.float32)
    sizes = np.abs(terms)
    low = sizes.min(axis=(2, 3, 4), keepdims=True)
    extent = sizes.max(axis=(2, 3, 4), keepdims=True) - low
    scaled = np.divide(sizes - low, extent, out=np.zeros_like(sizes), where=extent > 0)
    return np.stack([scaled.sum(axis=4), terms.sum(axis=4)], axis=-1)
