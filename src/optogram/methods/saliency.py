"""Saliency: the gradient of a score with respect to the image."""

from typing import Any

from optogram.arguments import checked
from optogram.methods.request.request import ask
from optogram.network.network import Network
from optogram.progress import ShownProgress, reporting
from optogram.result import Attribution


@checked
def saliency(
    net: Network,
    image: Any,
    target: Any = None,
    *,
    score: str = "logit",
    fit: str | None = None,
    memory: float | str | None = None,
    progress: ShownProgress = None,
) -> Attribution:
    """Saliency: the gradient of the score with respect to the image, ∂S/∂x.

    Simonyan, Vedaldi and Zisserman, "Deep inside convolutional networks" (2013), section 3.

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
    Attribution
        ``values`` (N, H, W, C), signed, score per network unit; ``heatmap`` is the largest
        magnitude over channels.

    Raises
    ------
    InputError
        If image or target cannot be used.
    """
    with reporting(progress) as told:
        answer = ask(net, image, target, score, fit).gradients(memory=memory, progress=told)
    return answer.attribution("saliency", answer.gradient, {"score": score})
