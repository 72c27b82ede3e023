"""Score-CAM: feature maps weighted by the score of the image masked by each."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from optogram.arguments import checked
from optogram.methods.request.explained_layer import ExplainedLayer, explained_layers
from optogram.methods.request.masked import scores_of_masked
from optogram.methods.request.request import Answer, Request, ask, black_image
from optogram.methods.request.rounding import Rounding, repaid, rounding, sample_of
from optogram.methods.request.upsampling import Upsampling
from optogram.network.network import Network
from optogram.progress import Progress, ShownProgress, continued, reporting, silent
from optogram.result import Attribution


@checked
def scorecam(
    net: Network,
    image: Any,
    target: Any = None,
    layer: str | Sequence[str] | None = None,
    *,
    score: str = "logit",
    precision: str = "exact",
    fit: str | None = None,
    memory: float | str | None = None,
    progress: ShownProgress = None,
) -> Attribution | Any:
    """Score-CAM: feature maps weighted by the score of the image masked by each; no gradients.

    Wang et al., "Score-CAM" (2020), section 3: ReLU(Σₖ softmax(ΔS)ₖ Aₖ). ΔSₖ is the score of the
    image masked by map k minus the score of a black image. The mask is the map, upsampled
    bilinearly and scaled to 0…1 by its minimum and maximum; masked pixels are black. Takes one
    forward pass per map, shared by all targets of an image.

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
        ``"block*_add"`` (see `Network.layer_names`), give one result for each layer.
    score : {"logit", "probability"}
        Score of a class: before or after the final softmax or sigmoid.
    precision : {"exact", "fast"}
        "fast": where that is faster, large products of the network in bfloat16, and normalizations
        folded into convolutions. ``rounding_error``
        of the result is the error of the scores, measured on a few of them.
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
    request = ask(net, image, target, score, fit, precision=precision)
    layers = explained_layers(request, layer)
    counts = [1 + (net.graph.steps[at.step].shape[-1] or 0) for at in layers.outputs]
    request, images = repaid(request, min(counts)), len(request.x)
    total = images * (1 + sum(counts))

    roundings: list[Rounding] = []
    numbers = iter(range(len(counts)))

    def result(explained: ExplainedLayer, values: np.ndarray) -> Attribution:
        rounded = roundings[next(numbers)]
        return rounded.answer.attribution(
            "scorecam",
            values,
            {"score": score, "precision": precision},
            layer=explained.name,
            warnings=[*explained.warnings, *rounded.warnings],
            rounding_error=rounded.error,
        )

    with reporting(progress) as told:
        answer = request.answer(memory, continued(told, 0, total))
        request, done, found = answer.request, images, []
        for at, count in zip(layers.outputs, counts, strict=True):
            (maps,) = request.net.evaluate(request.x, [at], memory, continued(told, done, total))
            masks = _Masks(request, maps)
            chosen = np.arange(count - 1)
            within = continued(told, done + images, total)
            scores = masks.scores(request, chosen, memory, within)
            gains = scores - request.scores_of(masks.black[None], memory)[:, None]
            shared = np.broadcast_to(maps, (len(gains), *maps.shape[1:]))
            values = np.einsum("nk,nhwk->nhw", _softmax(gains), shared)
            found.append(np.maximum(values, 0).astype(np.float32))
            roundings.append(_rounding(answer, masks, scores, memory))
            done += images * count
    return layers.results(result, found)


class _Masks:
    """The ``maps`` (M, h, w, K) of the images as masks; masked pixels are black."""

    def __init__(self, request: Request, maps: np.ndarray) -> None:
        self.black = black_image(request)
        self._maps = maps
        self._enlarge = Upsampling(maps.shape[1:3], request.size)

    def scores(
        self,
        request: Request,
        channels: np.ndarray,
        memory: float | str | None,
        progress: Progress,
    ) -> np.ndarray:
        """(N, P): the score of each explanation for its image through each of some maps."""
        scores = np.empty((len(request.which), len(channels)), np.float32)
        for image, maps in enumerate(self._maps):
            chosen = np.moveaxis(maps[..., channels], -1, 0)

            def masks(part: slice, chosen: np.ndarray = chosen) -> np.ndarray:
                return _normalized(self._enlarge(chosen[part]))[..., None]

            before, total = image * len(channels), len(self._maps) * len(channels)
            for part, found in scores_of_masked(
                request,
                image,
                self.black,
                masks,
                len(channels),
                memory,
                continued(progress, before, total),
            ):
                scores[request.which == image, part] = found
        return scores


def _rounding(
    answer: Answer, masks: _Masks, scores: np.ndarray, memory: float | str | None
) -> Rounding:
    """The error of reduced precision of ``scores`` (N, K)."""
    chosen = sample_of(scores.shape[1])
    return rounding(
        answer,
        scores[:, chosen] - answer.scores[:, None],
        lambda exact: masks.scores(exact, chosen, memory, silent),
        scores.std(axis=1),
        memory,
    )


def _normalized(masks: np.ndarray) -> np.ndarray:
    """``masks`` (P, H, W), each from 0 to 1; one that is the same everywhere becomes 0."""
    low, high = masks.min(axis=(1, 2), keepdims=True), masks.max(axis=(1, 2), keepdims=True)
    return (masks - low) / np.where(high > low, high - low, 1)


def _softmax(gains: np.ndarray) -> np.ndarray:
    exponentials = np.exp((gains - gains.max(axis=1, keepdims=True)).astype(np.float64))
    return exponentials / exponentials.sum(axis=1, keepdims=True)
