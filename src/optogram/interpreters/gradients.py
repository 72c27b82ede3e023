"""Gradients of scores with respect to an image or layers; one forward pass for all of them."""

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras
import numpy as np

from optogram.graph.steps import Output
from optogram.interpreters import forward
from optogram.interpreters.engine import Computation, lengthened
from optogram.interpreters.memory import LARGEST_BATCH, allowance, batches, taking
from optogram.interpreters.rectifiers import RULES
from optogram.interpreters.turns import SHORT
from optogram.progress import Progress, silent

_SMALLEST = np.finfo(np.float32).tiny

Weights = Mapping[Output, np.ndarray]
"""An array (T, N, ...) or (T, 1, ...) for each output that scores depend on.

Score t of image n is Σ output[n] · weights[t, n] over all outputs and their elements; the rest of
the array broadcasts to one example of the output.
"""


Reduction = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Of gradients (t, n, ...) at a step and its outputs (n, ...): (t, n, ...)."""


@dataclass(frozen=True)
class GradientsAt:
    """The gradients of T scores of N images, at the image or at the output of a step.

    Attributes
    ----------
    gradient : ndarray of shape (T, N, H, W, C) or (T, N, h, w, channels)
        ∂score/∂x, or ∂score/∂(output of the step), or their reduction by `then`.
    vanished : bool ndarray of shape (T, N)
        Whether the gradient is zero everywhere.
    maps : ndarray of shape (N, ...)
        Where the gradient is taken: x, or the output of the step; empty if `then` is given.
    """

    gradient: np.ndarray
    vanished: np.ndarray
    maps: np.ndarray


@dataclass(frozen=True)
class Gradients:
    """T scores of N images, with their gradients.

    Attributes
    ----------
    at : tuple of GradientsAt
        The gradients at each output asked for; at the image if none was.
    scores : ndarray of shape (T, N)
        The scores.
    outputs : ndarray of shape (N, outputs), or None
        Logits or probabilities of all classes, if the highest-scoring class was explained.
    """

    at: tuple[GradientsAt, ...]
    scores: np.ndarray
    outputs: np.ndarray | None


def gradients(
    net: Computation,
    x: np.ndarray,
    weights: Weights | None,
    at: Sequence[Output] = (),
    score: str = "logit",
    rectifiers: Collection[int] = (),
    memory: float | str | None = None,
    progress: Progress = silent,
    then: Reduction | Sequence[Reduction] | None = None,
    rule: str = "guided",
) -> Gradients:
    """The gradients of scores with respect to the image, or the outputs of steps.

    One forward and one backward pass give the gradients at all of them.

    Parameters
    ----------
    net : Computation
        The network.
    x : ndarray of shape (N, H, W, C)
        Images in network units.
    weights : mapping, or None
        The scores, as `Weights`. None: the highest-scoring class of each image (T is 1); a single
        sigmoid output counts negative below 0.5. Needs a network with one score per class.
    at : sequence of Output
        First outputs of distinct steps. Empty: the image.
    score : {"logit", "probability"}
        Score of the highest-scoring class.
    rectifiers : collection of int
        Indices of the steps whose gradient follows ``rule``.
    memory, progress
        See `Computation.evaluate`.
    then : callable, optional
        Reduces gradients (t, n, ...) at a step and its maps (n, ...), batch by batch, to
        (t, n, ...), because all gradients together may exceed ``memory``. A sequence: one for
        each of ``at``.
    rule : {"guided", "deconvolved"}
        The gradient of ``rectifiers``.

    Returns
    -------
    Gradients
    """
    scored = (net.score_output(score),) if weights is None else tuple(weights)
    given = [] if weights is None else list(weights.values())
    layouts = tuple(map(layout_of, given))
    at = tuple(at)
    wanted, count = (*scored, *at), max(1, len(at))

    # Programs are cached and must not hold more than these.
    graph, head, gradient = net.graph, net.head, net.backend.gradient
    replace = dict.fromkeys(rectifiers, partial(RULES[rule], net.backend.pass_positive))

    def build() -> Callable[..., Any]:
        schedule = forward.schedule(graph, wanted)

        def function(perturbed: list[Any], *others: Any) -> tuple[Any, Any]:
            fed, *weights = others if at else (*perturbed, *others)
            add = (
                {output.step: zero for output, zero in zip(at, perturbed, strict=True)}
                if at
                else {}
            )
            tensors = schedule.run(fed, add, replace)
            terms, maps = tensors[: len(scored)], tensors[len(scored) :]
            if layouts:
                total = sum(map(weighted, terms, weights, layouts))
                return total, (total, [], maps)
            total = weighted(terms[0], head.winning_weights_inside(terms[0], score)[None], _OWN)
            return total, (total, terms, maps)

        differentiated = gradient(function)
        return lambda *tensors: differentiated(list(tensors[:count]), *tensors[count:])

    size = x.shape[1:3]
    net.bytes_backward(size, wanted)  # raises if there is not enough memory
    shapes = [net.shape(output, size) for output in at] or [x.shape[1:]]
    rows = len(given[0]) if given else 1
    found: list[np.ndarray | None] = [None] * count
    maps = [np.empty((0 if then else len(x), *shape), np.float32) for shape in shapes]
    maps = maps if at else [x]
    found_scores = np.empty((rows, len(x)), np.float32)
    vanished = [np.zeros((rows, len(x)), bool) for _ in shapes]
    outputs = None if given else np.empty((len(x), net.head.outputs), np.float32)
    key = ("gradients", scored, at, score, layouts, rows == 1, frozenset(rectifiers), rule)
    total = 0
    beside = bytes_beside(net, size, at)
    for some, part, length in chunks(rows, len(x), size, net, wanted, memory, beside):
        fed = [lengthened(x[part], length[1])]
        if at:
            fed = [np.zeros((length[1], *shape), np.float32) for shape in shapes] + fed
        fed += [cut(array, some, part, length) for array in given]
        backs, (scores, terms, made) = net.run(
            key,
            build,
            fed,
            batched=range(count + 1) if at else (0,),
            is_short=rows * len(x) <= SHORT,
        )
        taken = (slice(some.stop - some.start), slice(part.stop - part.start))
        found_scores[some, part] = scores[taken]
        if outputs is not None:
            outputs[part] = terms[0][taken[1]]
        for place in range(count):
            back, backs[place] = backs[place][taken], None
            vanished[place][some, part] = [[_is_nothing(one) for one in row] for row in back]
            if then is not None:
                reduced = then if callable(then) else then[place]
                back = reduced(back, made[place][taken[1]])
            elif at and some.start == 0:
                maps[place][part] = made[place][taken[1]]
            whole = found[place]
            if whole is None:
                whole = found[place] = np.empty((rows, len(x), *back.shape[2:]), np.float32)
            whole[some, part] = back
        total += taken[0].stop * taken[1].stop
        progress(total, rows * len(x), "images")
    places = (
        GradientsAt(back, gone, own)
        for back, gone, own in zip(found, vanished, maps, strict=True)
        if back is not None
    )
    return Gradients(tuple(places), found_scores, outputs)


def bytes_beside(net: Computation, size: tuple[int, int], at: Sequence[Output]) -> int:
    """Bytes for one image that gradients at all outputs ``at`` take more than at one of them.

    These are the zeros that are added, and the gradients, which are kept until the pass is done.
    """
    return 2 * 4 * sum(math.prod(net.shape(output, size)) for output in at[1:])


def fitting(
    net: Computation,
    size: tuple[int, int],
    scored: Sequence[Output],
    at: Sequence[Output],
    memory: float | str | None,
) -> list[list[Output]]:
    """The outputs ``at`` in groups of which one image and one score fit into ``memory``."""
    if len(at) == 1:
        return [list(at)]
    room, groups = allowance(memory), list[list[Output]]()
    for output in at:
        tried = [*(groups[-1] if groups else []), output]
        each = net.bytes_backward(size, [*scored, *tried]) + bytes_beside(net, size, tried)
        if groups and each <= room:
            groups[-1] = tried
        else:
            groups.append([output])
    return groups


def _is_nothing(gradient: np.ndarray) -> bool:
    """Whether a gradient is zero everywhere, within float32."""
    low, high = gradient.min(), gradient.max()
    return bool(max(-low, high) < _SMALLEST)  # False for NaN


def summed_gradient(
    net: Computation,
    x: np.ndarray,
    offsets: Callable[[slice], np.ndarray],
    shares: np.ndarray,
    weights: Weights,
    memory: float | str | None = None,
    progress: Progress = silent,
) -> np.ndarray:
    """Σₙ shareₙ · ∂S/∂x at x + offsetₙ: a weighted sum of gradients at altered copies of an image.

    Parameters
    ----------
    net : Computation
        The network.
    x : ndarray of shape (1, H, W, C)
        Images in network units.
    offsets : callable
        Returns the offsets (n, H, W, C) for a slice of ``range(len(shares))``. Slices are in
        order, and start again for each group of scores.
    shares : ndarray of shape (copies,)
        Weight of each copy.
    weights : mapping
        The scores, arrays (T, 1, ...) as in `Weights`.
    memory, progress
        See `Computation.evaluate`.

    Returns
    -------
    ndarray of shape (T, H, W, C), float32
    """
    scored, given = tuple(weights), list(weights.values())
    layouts = tuple(map(layout_of, given))
    graph, gradient = net.graph, net.backend.gradient

    def build() -> Callable[..., Any]:
        schedule = forward.schedule(graph, scored)

        def function(at: Any, offsets: Any, shares: Any, *weights: Any) -> tuple[Any, Any]:
            terms = schedule.run(at + offsets)
            return sum(map(weighted, terms, weights, layouts)) * shares, []

        return gradient(function)

    rows, count, size = len(given[0]), len(shares), x.shape[1:3]
    summed = np.zeros((rows, *x.shape[1:]), np.float64)
    key = ("summed gradient", scored, layouts, rows == 1)
    total = 0
    for some, part, length in chunks(rows, count, size, net, scored, memory):
        # Copies that pad the batch have weight 0.
        counted = np.zeros(length[1], np.float32)
        counted[: part.stop - part.start] = shares[part]
        fed = [x, lengthened(offsets(part), length[1]), counted]
        fed += [cut(array, some, slice(None), length) for array in given]
        back, _ = net.run(key, build, fed, batched=(1, 2), is_short=rows * count <= SHORT)
        summed[some] += back[: some.stop - some.start, 0]
        total += (some.stop - some.start) * (part.stop - part.start)
        progress(total, rows * count, "copies")
    return summed.astype(np.float32)


Layout = tuple[bool, tuple[int, ...]]
"""Whether each image has weights of its own, and the axes of an output that share one weight."""
_OWN: Layout = (True, ())


def layout_of(weights: np.ndarray) -> Layout:
    """Whether each image has its own weights, and the axes of an output that share one weight."""
    return weights.shape[1] > 1, tuple(
        axis - 1 for axis in range(2, weights.ndim) if weights.shape[axis] == 1
    )


def weighted(tensor: Any, weights: Any, layout: Layout) -> Any:
    """Σ tensor · weights: (N, ...) and (T, N or 1, ...) give (T, N)."""
    is_own, shared = layout
    tensor = keras.ops.cast(tensor, "float32")
    if shared:
        tensor = keras.ops.sum(tensor, axis=shared, keepdims=True)
    if is_own:
        products = tensor[None] * weights
        return keras.ops.sum(products, axis=tuple(range(2, len(products.shape))))
    # As matrices: all products of scores and elements would fill the memory.
    tensor, weights = (keras.ops.reshape(a, (keras.ops.shape(a)[0], -1)) for a in (tensor, weights))
    return keras.ops.matmul(weights, keras.ops.transpose(tensor))


def chunks(
    rows: int,
    count: int,
    size: tuple[int, int],
    net: Computation,
    wanted: Sequence[Output],
    memory: float | str | None,
    beside: int = 0,
) -> Iterator[tuple[slice, slice, tuple[int, int]]]:
    """Slices of scores and of images, and the batch sizes for padding.

    As many scores as fit with one image, then as many images as fit with these. One score of one
    image takes ``beside`` bytes more than the passes do.
    """
    each = net.bytes_backward(size, wanted) + beside
    # In the backward pass, each score needs its own memory; forward maps are shared.
    row = net.bytes_forward(size, wanted) + beside
    fit = min(LARGEST_BATCH, 1 + max(0, allowance(memory) - each) // max(1, row))
    together = math.ceil(rows / math.ceil(rows / fit))
    taken = each + (together - 1) * row
    parts = list(batches(count, taken, memory))
    with taking(parts[0].stop * taken):
        for start in range(0, rows, together):
            for part in parts:
                some = slice(start, min(start + together, rows))
                yield some, part, (together, parts[0].stop)


def cut(weights: np.ndarray, some: slice, part: slice, length: tuple[int, int]) -> np.ndarray:
    """The weights of one batch, padded."""
    chosen = lengthened(weights[some], length[0])
    if weights.shape[1] == 1:
        return chosen
    return lengthened(chosen[:, part].swapaxes(0, 1), length[1]).swapaxes(0, 1)
