"""Saliency: the gradient of a score with respect to the image."""

from typing import Any

from optogram.arguments import checked
from optogram.methods.request.request import ask
from optogram.network.network import Network
from optogram.progress import Progress, silent
from optogram.result import Attribution


@checked
def saliency(
    net: Network,
    image: Any,
    target: Any = None,
    *,
    score: str = "logit",
    memory: float | str | None = None,
    progress: Progress = silent,
) -> Attribution:
    """How the score changes with each pixel: ∂S/∂x.

    Simonyan, Vedaldi and Zisserman, "Deep inside convolutional networks" (2013), section 3.

    Parameters
    ----------
    net : Network
        What is explained.
    image
        Everything that `Network.prepare` takes.
    target : Target, int, str or a list of these, optional
        What is scored; one image may have several, one explanation each. None: each image's own
        answer.
    score : {"logit", "probability"}
        Whether classes are scored before or after the last softmax or sigmoid.
    memory : float or str, optional
        What the call may add to the process, as in ``"2GB"``; None: a quarter of what is free.
    progress : callable, optional
        Called as ``progress(done, total, what)``.

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
    answer = ask(net, image, target, score).gradients(memory=memory, progress=progress)
    return answer.attribution("saliency", answer.gradient, {"score": score})
