"""Gradient × input: the gradient of a score, times the image."""

from typing import Any

from optogram.arguments import checked
from optogram.methods.request.request import ask
from optogram.network.network import Network
from optogram.progress import ShownProgress, reporting
from optogram.result import Attribution


@checked
def gradient_times_input(
    net: Network,
    image: Any,
    target: Any = None,
    *,
    score: str = "logit",
    fit: str | None = None,
    memory: float | str | None = None,
    progress: ShownProgress = None,
) -> Attribution:
    """Gradient × input: x ⊙ ∂S/∂x, with the image x in network units.

    Shrikumar et al., "Not just a black box" (2016), section 3.2. Of a network without biases and
    with rectifiers only, the values sum to the score. They depend on what the preparation calls
    zero: black with ``"unit"``, mid-gray with ``"tf"``, the mean color of ImageNet with ``"torch"``
    and ``"caffe"``. Pixels of that color are zero, whatever the network sees in them.

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
        ``values`` (N, H, W, C), signed, in units of the score; ``heatmap`` is the largest
        magnitude over channels.

    Raises
    ------
    InputError
        If image or target cannot be used.
    """
    with reporting(progress) as told:
        answer = ask(net, image, target, score, fit).gradients(memory=memory, progress=told)
    values = answer.gradient * answer.request.x[answer.request.which]
    return answer.attribution("gradient_times_input", values, {"score": score})
