"""Guided backpropagation: a gradient that only rectifiers which are on, and agree, let through."""

from collections.abc import Sequence
from typing import Any

from optogram.arguments import checked
from optogram.interpreters.rectifiers import Rectifiers, find_rectifiers
from optogram.methods.request.request import GradientAnswer, Request, ask
from optogram.network.network import Network
from optogram.progress import Progress, silent
from optogram.result import GuidedAttribution


@checked
def guided_backprop(
    net: Network,
    image: Any,
    target: Any = None,
    *,
    score: str = "logit",
    memory: float | str | None = None,
    progress: Progress = silent,
) -> GuidedAttribution:
    """The gradient of the score, each rectifier passing only what is positive: ∂S/∂x, guided.

    Springenberg et al., "Striving for simplicity" (2014), section 3.4: on the way back a rectifier
    passes a gradient where that gradient is positive and the rectifier's input is. Reached are
    ReLU, ReLU6, leaky, parametric and thresholded rectifiers, fused into a layer, layers of their
    own, operations, and those of nested models.

    The pictures are sharp, and nearly the same when the weights are scrambled (Adebayo et al.,
    2018): they show edges that the network can see more than reasons for its answer.
    `optogram.check` measures that.

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
    GuidedAttribution
        ``values`` (N, H, W, C), signed, score per network unit; ``treated`` and ``left_alone``
        name the activations on the way.

    Raises
    ------
    InputError
        If image or target cannot be used, or the network is code that cannot be seen into.
    """
    net.require_layers()
    request = ask(net, image, target, score)
    rectifiers = find_rectifiers(net.graph, request.scored())
    answer = guided_gradient(request, rectifiers, memory, progress)
    return answer.attribution(
        "guided_backprop",
        answer.gradient,
        {"score": score},
        kind=GuidedAttribution,
        **treatment(rectifiers),
    )


def guided_gradient(
    request: Request, rectifiers: Rectifiers, memory: float | str | None, progress: Progress
) -> GradientAnswer:
    """The gradient at the image, with the rectifiers guided."""
    return request.gradients(
        rectifiers=[step.index for step in rectifiers.treated], memory=memory, progress=progress
    )


def treatment(rectifiers: Rectifiers) -> dict[str, Any]:
    """What a `GuidedAttribution` says of the activations, with a warning where one was missed."""
    treated = tuple(step.name for step in rectifiers.treated)
    left_alone = tuple(step.name for step in rectifiers.left_alone)
    warnings = []
    if not treated:
        warnings.append(
            "No rectifier that can be told apart lies on the way to the score: guided "
            "backpropagation is the plain gradient here."
        )
    if left_alone:
        warnings.append(
            f"Guided backpropagation treats rectifiers ({len(treated)} here) and left "
            f"{_counted(left_alone)} alone: through those the gradient came back as it was."
        )
    return {"treated": treated, "left_alone": left_alone, "warnings": warnings}


def _counted(names: Sequence[str]) -> str:
    shown = ", ".join(map(repr, names[:3]))
    more = ", …" if len(names) > 3 else ""
    return f"{len(names)} other activation{'s' if len(names) > 1 else ''} ({shown}{more})"
