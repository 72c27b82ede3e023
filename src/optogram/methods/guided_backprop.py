"""Guided backpropagation: the gradient, with only positive parts passing each rectifier."""

from collections.abc import Sequence
from typing import Any

from optogram.arguments import checked
from optogram.interpreters.rectifiers import Rectifiers, find_rectifiers
from optogram.methods.request.request import GradientAnswer, Request, ask
from optogram.network.network import Network
from optogram.progress import Progress, ShownProgress, reporting
from optogram.result import GuidedAttribution


@checked
def guided_backprop(
    net: Network,
    image: Any,
    target: Any = None,
    *,
    score: str = "logit",
    fit: str | None = None,
    memory: float | str | None = None,
    progress: ShownProgress = None,
) -> GuidedAttribution:
    """Guided backpropagation: ∂S/∂x, with only positive gradients passing each rectifier.

    Springenberg et al., "Striving for simplicity" (2014), section 3.4: in the backward pass, a
    rectifier passes a gradient where both the gradient and the rectifier's input are positive.
    This covers ReLU, ReLU6, leaky, parametric and thresholded rectifiers: fused into a layer,
    separate layers, operations, and those in nested models.

    The result is sharp, and nearly the same when the weights are scrambled (Adebayo et al., 2018):
    it shows edges that the network can see rather than reasons for its prediction.
    `optogram.check` measures this.

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
        answer = guided_gradient(request, rectifiers, memory, told)
    return answer.attribution(
        "guided_backprop",
        answer.gradient,
        {"score": score},
        kind=GuidedAttribution,
        **treatment(rectifiers, "guided backpropagation"),
    )


def guided_gradient(
    request: Request, rectifiers: Rectifiers, memory: float | str | None, progress: Progress
) -> GradientAnswer:
    """The gradient at the image, with the rectifiers guided."""
    return request.gradients(
        rectifiers=[step.index for step in rectifiers.treated], memory=memory, progress=progress
    )


def treatment(rectifiers: Rectifiers, method: str) -> dict[str, Any]:
    """Fields of a `GuidedAttribution` on the activations, with warnings about others.

    ``method`` is called so in the warnings.
    """
    treated, left_alone = (
        tuple(step.name.removesuffix(":tokens") for step in steps)
        for steps in (rectifiers.treated, rectifiers.left_alone)
    )
    warnings = []
    if not treated:
        warnings.append(
            f"No rectifier was found between the image and the score: {method} is the plain "
            "gradient here."
        )
    if left_alone:
        warnings.append(
            f"{method[0].upper()}{method[1:]} applies to rectifiers ({len(treated)} here) and left "
            f"{_counted(left_alone)} alone: the plain gradient passes through these."
        )
    return {"treated": treated, "left_alone": left_alone, "warnings": warnings}


def _counted(names: Sequence[str]) -> str:
    shown = ", ".join(map(repr, names[:3]))
    more = ", …" if len(names) > 3 else ""
    return f"{len(names)} other activation{'s' if len(names) > 1 else ''} ({shown}{more})"
