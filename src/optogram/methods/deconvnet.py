"""Deconvolutional network: the gradient, with rectifiers applied to it on the way back."""

from typing import Any

from optogram.arguments import checked
from optogram.interpreters.rectifiers import find_rectifiers
from optogram.methods.guided_backprop import treatment
from optogram.methods.request.request import ask
from optogram.network.network import Network
from optogram.progress import ShownProgress, reporting
from optogram.result import GuidedAttribution


@checked
def deconvnet(
    net: Network,
    image: Any,
    target: Any = None,
    *,
    score: str = "logit",
    fit: str | None = None,
    memory: float | str | None = None,
    progress: ShownProgress = None,
) -> GuidedAttribution:
    """Deconvolutional network: ∂S/∂x, with each rectifier applied to the gradient instead.

    Zeiler and Fergus, "Visualizing and understanding convolutional networks" (2014), section 2: in
    the backward pass, a rectifier passes a gradient where the gradient is positive, whatever the
    rectifier's input was. Max-poolings hand it to where the maximum was, as in the paper. The
    rectifiers are those of `guided_backprop`, which differs in one thing: there, the input must be
    positive, too.

    Of rectifiers, max-poolings and linear layers, only the max-poolings tell the backward pass of
    the image: without one, the result is the same for all images (Mahendran and Vedaldi, 2016).

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
    GuidedAttribution
        ``values`` (N, H, W, C), signed, score per network unit; ``treated`` and ``left_alone``
        name the activations before the score.

    Raises
    ------
    InputError
        If image or target cannot be used, or the network is a single opaque step.
    """
    net.require_layers()
    request = ask(net, image, target, score, fit)
    rectifiers = find_rectifiers(request.net.graph, request.scored())
    with reporting(progress) as told:
        answer = request.gradients(
            [step.index for step in rectifiers.treated], memory, told, rule="deconvolved"
        )
    return answer.attribution(
        "deconvnet",
        answer.gradient,
        {"score": score},
        kind=GuidedAttribution,
        **treatment(rectifiers, "deconvolution"),
    )
