"""Score-CAM: maps weighted by what the score is when only their places are shown."""

from typing import Any

import numpy as np

from optogram.arguments import checked
from optogram.methods.request.explained_layer import explained_layer
from optogram.methods.request.request import Request, ask, black_image
from optogram.methods.request.upsampling import Upsampling
from optogram.network.network import Network
from optogram.progress import Progress, silent
from optogram.result import Attribution


@checked
def scorecam(
    net: Network,
    image: Any,
    target: Any = None,
    layer: str | None = None,
    *,
    score: str = "logit",
    memory: float | str | None = None,
    progress: Progress = silent,
) -> Attribution:
    """The maps of a layer, weighted by the score of the image seen through each: no gradients.

    Wang et al., "Score-CAM" (2020), section 3: ReLU(Σₖ softmax(ΔS)ₖ Aₖ). ΔSₖ is the score of the
    image seen through map k, minus that of the black image; the map is brought to the size of the
    image bilinearly, then to 0…1 by its minimum and maximum, and where it is 0 the image is black.
    Takes one forward pass a map, shared by all targets of an image.

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
        ``values`` (N, h, w) of the size of the layer's maps, in units of the maps.

    Raises
    ------
    InputError
        If image, target or layer cannot be used, or the score does not depend on the layer.
    """
    request = ask(net, image, target, score)
    layer, at, warnings = explained_layer(request, layer)
    answer = request.answer(memory)
    request = answer.request
    (maps,) = net.evaluate(request.x, [at], memory)
    gains = _gains(request, maps, memory, progress)
    shared = np.broadcast_to(maps, (len(gains), *maps.shape[1:]))
    values = np.einsum("nk,nhwk->nhw", _softmax(gains), shared)
    return answer.attribution(
        "scorecam",
        np.maximum(values, 0).astype(np.float32),
        {"score": score},
        layer=layer,
        warnings=warnings,
    )


def _gains(
    request: Request, maps: np.ndarray, memory: float | str | None, progress: Progress
) -> np.ndarray:
    """(N, K): the score through each of the ``maps`` (M, h, w, K), minus that of black."""
    x, black = request.x, black_image(request)
    enlarge = Upsampling(maps.shape[1:3], request.size)

    def seen(image: int, channel: int) -> np.ndarray:
        mask = _normalized(enlarge(maps[image, :, :, channel]))
        return black + mask[..., None] * (x[image] - black)

    scores = request.scores_of_variants(seen, maps.shape[-1], memory, progress)
    return scores - request.scores_of(black[None], memory)[:, None]


def _normalized(mask: np.ndarray) -> np.ndarray:
    """``mask`` from 0 to 1; one that is the same everywhere becomes 0."""
    low, high = mask.min(), mask.max()
    return (mask - low) / (high - low) if high > low else np.zeros_like(mask)


def _softmax(gains: np.ndarray) -> np.ndarray:
    exponentials = np.exp((gains - gains.max(axis=1, keepdims=True)).astype(np.float64))
    return exponentials / exponentials.sum(axis=1, keepdims=True)
