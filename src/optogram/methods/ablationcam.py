"""Ablation-CAM: feature maps weighted by how much the score falls without each."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from optogram.arguments import checked
from optogram.graph.steps import Output
from optogram.interpreters.edited import Edited, bases
from optogram.interpreters.engine import lengthened
from optogram.interpreters.memory import batches
from optogram.interpreters.precision import share_between
from optogram.methods.request.explained_layer import ExplainedLayer, explained_layers
from optogram.methods.request.request import Answer, Request, ask, weighted_sums
from optogram.methods.request.rounding import ALONE, SAMPLE, Rounding, repaid, rounding, sample_of
from optogram.network.network import Network
from optogram.progress import Progress, ShownProgress, continued, reporting, silent
from optogram.result import Attribution

_ZERO = 1e-6
"""A score that is a smaller share of the largest drop is zero."""


@checked
def ablationcam(
    net: Network,
    image: Any,
    target: Any = None,
    layer: str | Sequence[str] | None = None,
    *,
    rectify: bool = True,
    score: str = "logit",
    precision: str = "exact",
    fit: str | None = None,
    memory: float | str | None = None,
    progress: ShownProgress = None,
) -> Attribution | Any:
    """Ablation-CAM: feature maps, weighted by the drop of the score without each; no gradients.

    Desai and Ramaswamy, "Ablation-CAM" (2020): ReLU(Σₖ αₖ Aₖ) with αₖ = (S − Sₖ) / |S|. Sₖ is the
    score with map k set to zero wherever it is read, also by skip connections. Only the steps
    behind the layer are run for each map, shared by all targets of an image.

    The paper divides by S, which turns the map around where S is negative; the magnitude keeps
    positive what raises the score. Where S is zero, within 1e-6 of the largest drop, the drops are
    not divided; a warning says so.

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
        ``"block*_add"`` (see `Network.layer_names`), give one result for each layer, from one
        forward and backward pass as far as memory allows.
    rectify : bool
        False: omit the ReLU; negative values lower the score.
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
    request = _repaid(request, layers.outputs, counts)
    net, images = request.net, len(request.x)
    total = images * (1 + sum(counts))
    found = [np.empty((len(request.which), count), np.float32) for count in counts]
    values: list[list[np.ndarray]] = [[] for _ in counts]
    unscaled = np.zeros((len(counts), len(request.which)), bool)

    with reporting(progress) as told:
        answer = request.answer(memory, continued(told, 0, total))
        request, done = answer.request, images
        each = [Edited(net, [at.step], request.scored()) for at in layers.outputs]
        for number in range(images):
            own = np.flatnonzero(request.which == number)
            tensors = bases(net, each, request.x[number : number + 1])
            for place, (edited, base) in enumerate(zip(each, tensors, strict=True)):
                place_in_base = edited.held.index(layers.outputs[place])
                maps = np.asarray(net.backend.to_array(base[place_in_base]))[0]
                within = continued(told, done, total)
                kept = _kept(maps.shape[-1])
                scores = _scores(request, number, edited, base, kept, memory, within)
                weights, unscaled[place, own] = _weights(scores)
                made = np.einsum("tk,hwk->thw", weights, maps).astype(np.float32)
                values[place].append(np.maximum(made, 0) if rectify else made)
                found[place][own] = scores
                done += counts[place]
        roundings = [
            _rounding(answer, at, scores, memory)
            for at, scores in zip(layers.outputs, found, strict=True)
        ]
    order = np.argsort(np.concatenate([np.flatnonzero(request.which == i) for i in range(images)]))
    places = iter(range(len(counts)))

    def result(explained: ExplainedLayer, values: np.ndarray) -> Attribution:
        place = next(places)
        return roundings[place].answer.attribution(
            "ablationcam",
            values,
            {"rectify": rectify, "score": score, "precision": precision},
            layer=explained.name,
            warnings=[
                *explained.warnings,
                *(
                    f"The score of {name} is zero: the weights of its map are drops of the score, "
                    "not shares of it."
                    for name, is_zero in zip(answer.places, unscaled[place], strict=True)
                    if is_zero
                ),
                *roundings[place].warnings,
            ],
            rounding_error=roundings[place].error,
        )

    return layers.results(result, [np.concatenate(made)[order] for made in values])


def _repaid(request: Request, layers: Sequence[Output], counts: Sequence[int]) -> Request:
    """See `repaid`; only what lies behind each layer is run for each map."""
    net, size, wanted = request.net, request.size, request.scored()
    behind = [share_between(net, size, [layer], wanted) for layer in layers]
    passes = sum(share * count for share, count in zip(behind, counts, strict=True))
    # Besides a sample, the scores of each image and what is held of it, each alone.
    checks = ALONE * (1 + len(layers)) + SAMPLE * sum(behind)
    return repaid(request, passes, checks)


def _kept(channels: int) -> np.ndarray:
    """(1 + K, K): all maps, and all but each of them."""
    return np.concatenate([np.ones((1, channels), bool), ~np.eye(channels, dtype=bool)])


def _rounding(
    answer: Answer, at: Output, scores: np.ndarray, memory: float | str | None
) -> Rounding:
    """The error of reduced precision of ``scores`` (N, 1 + K)."""
    chosen = 1 + sample_of(scores.shape[1] - 1)
    kept = _kept(scores.shape[1] - 1)[chosen]

    def again(exact: Request) -> np.ndarray:
        edited = Edited(exact.net, [at.step], exact.scored())
        found = np.empty((len(exact.which), len(chosen)), np.float32)
        for image, x in enumerate(exact.x):
            base = edited.base(x[None])
            own = _scores(exact, image, edited, base, kept, memory, silent)
            found[exact.which == image] = own
        return found

    changes = scores[:, chosen] - scores[:, :1]
    return rounding(answer, changes, again, scores.std(axis=1), memory)


def _scores(
    request: Request,
    image: int,
    edited: Edited,
    base: Sequence[Any],
    kept: np.ndarray,
    memory: float | str | None,
    progress: Progress,
) -> np.ndarray:
    """(T, P): the scores of an image with some maps, of which ``kept`` (P, K) are True."""
    own = request.weights_of(image, request.weights())
    scores, length, count = [], 0, len(kept)
    for part in batches(count, edited.bytes_copy(request.size), memory, is_forward=True):
        taken = part.stop - part.start
        length = length or taken
        made = edited.ablated(base, lengthened(kept[part], length), is_short=False)
        scores.append(weighted_sums([array[:taken] for array in made], own))
        progress(part.stop, count, "maps")
    return np.concatenate(scores, axis=1)


def _weights(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The weights (T, K), and whether each score is zero, (T,)."""
    scores = scores.astype(np.float64)
    drops, sizes = scores[:, :1] - scores[:, 1:], np.abs(scores[:, 0])
    is_zero = sizes <= _ZERO * np.abs(drops).max(axis=1)
    return drops / np.where(is_zero, 1, sizes)[:, None], is_zero
