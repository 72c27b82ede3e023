"""Attention in a network: its layers, where their tokens stand, and which of them are pooled."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np

from optogram.graph.steps import Graph, Output, Returned, Step
from optogram.graph.token_grids import Grid, Placed, mixes_no_tokens, taken_tokens
from optogram.interpreters.engine import Computation

_PRODUCTS = ("Einsum", "Matmul")
_RANKS = (3, 4)
"""Scores (N, tokens, tokens), or with an axis of heads."""
_RANK_OF_TOKENS = 3


@dataclass(frozen=True)
class AttentionLayer:
    """Attention: a softmax over keys, by which values are summed.

    Attributes
    ----------
    name : str
        Name of the layer, or of its softmax where that stands alone.
    softmax : Output
        Its weights (N, heads, queries, keys), or (N, queries, keys) of a single head.
    product : int
        Index of the step that sums values.
    heads, queries, keys : int
        Their numbers; of one window, if there are windows.
    windows : int
        Windows of an image; 1 if each token attends to all.
    query_grid, grid : Grid or None
        Where queries and keys stand on the image; None if unknown, and in windows.
    """

    name: str
    softmax: Output
    product: int
    heads: int
    queries: int
    keys: int
    windows: int
    query_grid: Grid | None
    grid: Grid | None


def attention_layers(net: Computation, size: tuple[int, int]) -> tuple[AttentionLayer, ...]:
    """The attention layers of a network for images of ``size``, in its order.

    They are found by what they compute: a softmax over the last axis, whose output multiplies
    something in a matrix product.
    """
    found: tuple[AttentionLayer, ...] = net.plans.get(
        ("attention", tuple(size)), lambda: tuple(_found(net, size))
    )
    return found


def _found(net: Computation, size: tuple[int, int]) -> Iterator[AttentionLayer]:
    readers = _readers(net.graph)
    for step in net.graph.steps:
        if not _is_softmax(step):
            continue
        product = _product(net.graph, step, readers)
        if product is None:
            continue
        shape = [side or 1 for side in net.geometry(size, [Output(step.index)])[step.index].shape]
        _, *heads, queries, keys = shape
        windows = step.per_image
        grids = {number: _grid(net.graph, step, number) for number in {queries, keys}}
        yield AttentionLayer(
            name=_name(net.graph, step),
            softmax=Output(step.index),
            product=product,
            heads=heads[0] if heads else 1,
            queries=queries,
            keys=keys,
            windows=windows,
            query_grid=grids[queries] if windows == 1 else None,
            grid=grids[keys] if windows == 1 else None,
        )


def _readers(graph: Graph) -> dict[int, list[Step]]:
    """The steps that read each step."""
    readers: dict[int, list[Step]] = {}
    for step in graph.steps:
        for index in {output.step for output in step.inputs}:
            readers.setdefault(index, []).append(step)
    return readers


def _is_softmax(step: Step) -> bool:
    rank = len(step.shape)
    if step.kind.lower() != "softmax" or rank not in _RANKS or step.shape[0] is not None:
        return False
    axis = getattr(step.operation, "axis", -1)
    axes = tuple(axis) if isinstance(axis, list | tuple) else (axis,)
    return axes in ((-1,), (rank - 1,))


def _product(graph: Graph, softmax: Step, readers: dict[int, list[Step]]) -> int | None:
    """The index of the matrix product that reads a softmax."""
    waiting = list(readers.get(softmax.index, ()))
    while waiting:
        step = waiting.pop(0)
        if step.kind in _PRODUCTS:
            return step.index
        if step.passes_on:
            waiting += readers.get(step.index, ())
    return None


def _name(graph: Graph, softmax: Step) -> str:
    """The name of the layer that a softmax is in, if it is no layer of the model's own."""
    owners = (
        step
        for step in graph.steps[softmax.index :]
        if isinstance(step.operation, Returned) and step.path == softmax.path[:-1]
    )
    owner = next(owners, None)
    return softmax.name if owner is None or not owner.path else owner.name


def _grid(graph: Graph, softmax: Step, tokens: int) -> Grid | None:
    """The grid of so many tokens that is nearest before a softmax."""
    for index in sorted(graph.ancestors(softmax.inputs), reverse=True):
        operation = graph.steps[index].operation
        if isinstance(operation, Placed) and operation.grid.tokens == tokens:
            return operation.grid
    return None


def source_of(graph: Graph, output: Output) -> Output:
    """The step that made tokens: before maps of them, and layers that do nothing."""
    while True:
        step = graph.steps[output.step]
        if isinstance(step.operation, Placed) and step.part != "front":
            output = Output(step.operation.tokens.index)
        elif isinstance(step.operation, Returned):
            output = step.inputs[output.index]
        elif step.passes_on:
            output = step.inputs[0]
        else:
            return output


def behind(graph: Graph, output: Output) -> frozenset[int]:
    """The indices of the steps that depend on ``output``, without its own."""
    found: set[int] = set()
    for step in graph.steps[output.step + 1 :]:
        if any(each == output or each.step in found for each in step.inputs):
            found.add(step.index)
    return frozenset(found)


def tokens_read(graph: Graph, layer: AttentionLayer, scored: Collection[Output]) -> np.ndarray:
    """Which tokens ``scored`` outputs read of what attention returns: their indices.

    A classifier reads its class token alone, or the mean of all tokens; others are computed, but
    change nothing after the last attention. All, if it is not known.
    """
    after = behind(graph, Output(layer.product)) & graph.ancestors(scored)
    needed: dict[Output, np.ndarray] = {}
    returned: Output | None = None
    for index in sorted(after, reverse=True):
        step = graph.steps[index]
        for place, shape in enumerate(step.shapes):
            output = Output(index, place)
            if len(shape) == _RANK_OF_TOKENS and shape[1] == layer.queries:
                returned = output
            own = np.ones(_sides(shape), bool) if output in scored else needed.get(output)
            if own is None:
                continue
            for read, mask in _needed(graph, step, place, own):
                needed[read] = needed.get(read, False) | mask
    if returned is None or returned not in needed:
        return np.arange(layer.queries)
    return np.flatnonzero(needed[returned])


def _sides(shape: tuple[int | None, ...]) -> tuple[int, ...]:
    """Of tokens (N, tokens, C), their number; of a map, rows and columns; of others, nothing."""
    sides = {3: shape[1:2], 4: shape[1:3]}.get(len(shape), ())
    return tuple(side or 1 for side in sides)


def _needed(
    graph: Graph, step: Step, place: int, own: np.ndarray
) -> Iterator[tuple[Output, np.ndarray]]:
    """What of its inputs a step needs for the part ``own`` of its output."""
    shapes = [graph.steps[each.step].shapes[each.index] for each in step.inputs]
    whole = [np.ones(_sides(shape), bool) for shape in shapes]
    key = taken_tokens(step)
    if isinstance(step.operation, Placed) and len(step.operation.tokens.shape) == _RANK_OF_TOKENS:
        grid = step.operation.grid
        if step.part == "joined":
            if grid.front:
                yield step.inputs[0], own[: grid.front]
            yield step.inputs[-1], own[grid.front :].reshape(grid.rows, grid.columns)
            return
        mask = np.zeros(grid.tokens, bool)
        mask[slice(grid.front) if step.part == "front" else slice(grid.front, None)] = own.ravel()
        yield step.inputs[0], mask
    elif isinstance(step.operation, Returned):
        yield step.inputs[place], own
    elif key is not None and len(shapes[0]) == _RANK_OF_TOKENS:
        mask = np.zeros_like(whole[0])
        mask[key] = own if own.ndim else True
        yield step.inputs[0], mask
    else:
        keeps = step.passes_on or (len(step.shape) == _RANK_OF_TOKENS and mixes_no_tokens(step))
        for read, every in zip(step.inputs, whole, strict=True):
            yield read, own if keeps and every.shape == own.shape else every
