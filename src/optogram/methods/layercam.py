"""LayerCAM: each element of the maps weighted by its own gradient."""

from typing import Any

import numpy as np

from optogram.arguments import checked
from optogram.methods.request.explained_layer import explained_layer
from optogram.methods.request.request import ask
from optogram.network.network import Network
from optogram.progress import Progress, silent
from optogram.result import Attribution


@checked
def layercam(
    net: Network,
    image: Any,
    target: Any = None,
    layer: str | None = None,
    *,
    score: str = "logit",
    memory: float | str | None = None,
    progress: Progress = silent,
) -> Attribution:
    """The maps of a layer, each element weighted by its positive gradient.

    Jiang et al., "LayerCAM" (2021), equations 5 to 7: ReLU(Σₖ ReLU(∂S/∂Aₖ) · Aₖ). It keeps
    detail at early layers, where Grad-CAM blurs.

    Parameters
    ----------
    net : Network
        What is explained.
    image
        Everything that `Network.prepare` takes.
    target : Target, int, str or a list of these, optional
        What is scored; one image may have several, one explanation each. None: each image's own
        answer.
    layer : str, optional
        Whose maps; None: `Network.default_layer`.
    score : {"logit", "probability"}
        Whether classes are scored before or after the last softmax or sigmoid.
    memory : float or str, optional
        What the call may add to the process, as in ``"2GB"``; None: a quarter of what is free.
    progress : callable, optional
        Called as ``progress(done, total, what)``.

    Returns
    -------
    Attribution
        ``values`` (N, h, w) of the size of the layer's maps, in units of the score.

    Raises
    ------
    InputError
        If image, target or layer cannot be used, or the score does not depend on the layer.
    """
    request = ask(net, image, target, score)
    layer, at, warnings = explained_layer(request, layer)
    answer = request.gradients(at, memory=memory, progress=progress, then=_combined)
    return answer.attribution(
        "layercam", answer.gradient, {"score": score}, layer=layer, warnings=warnings
    )


def _combined(gradient: np.ndarray, maps: np.ndarray) -> np.ndarray:
    """ReLU(Σₖ ReLU(∂S/∂Aₖ)·Aₖ) of gradients (T, N, h, w, K) and maps (N, h, w, K)."""
    return np.maximum(np.einsum("tnhwk,nhwk->tnhw", np.maximum(gradient, 0), maps), 0)
