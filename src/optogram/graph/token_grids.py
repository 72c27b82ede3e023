"""Tokens of transformers as feature maps: (N, tokens, C) in, (N, h, w, C) out, and back.

A patch convolution makes a map (N, h, w, C), which is flattened to tokens (N, h·w, C); class and
register tokens are put in front. Wherever a layer returns such tokens, three steps are added: the
map, which gets the name of the layer, the tokens in front, and both joined again for the layers
that read them. So maps of tokens are maps like any others, for every interpreter and method. What
the heads of attention sum, (N, tokens, heads, size), is a map (N, h, w, heads · size).
"""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import keras

from optogram.graph.mixing import mixed_axes
from optogram.graph.steps import Graph, Output, Returned, Shape, Step

_RANK_OF_TOKENS, _RANK_OF_MAPS = 3, 4
_TOKENS = 1
"""The axis of tokens."""
_TURNING = ("Permute", "Swapaxes", "Transpose")


@dataclass(frozen=True)
class Grid:
    """Where tokens stand: rows and columns of patches, and how many tokens are in front of them."""

    rows: int
    columns: int
    front: int = 0

    @property
    def tokens(self) -> int:
        """How many there are."""
        return self.front + self.rows * self.columns


@dataclass(frozen=True)
class Placed:
    """The operation of the steps that are added to one that returns tokens.

    Attributes
    ----------
    tokens : Step
        The step that returns the tokens.
    grid : Grid
        Where they stand.
    """

    tokens: Step
    grid: Grid


def with_token_maps(graph: Graph) -> Graph:
    """The same network, with a step for the map of each layer that returns tokens.

    Such a layer, ``ln``, is ``ln:tokens``, and ``ln`` is its map. Steps of four axes that are no
    maps, such as attention scores, are marked.
    """
    found = _Found(graph)
    if not any(found.grid(Output(step.index)) for step in graph.steps):
        if not any(found.per_image(step) > 1 for step in graph.steps):
            return graph
        marked = (replace(step, per_image=found.per_image(step)) for step in graph.steps)
        return replace(graph, steps=tuple(marked))
    return _Rewriting(graph, found).graph()


def grid_of(step: Step) -> Grid | None:
    """The grid of whole tokens, in front and patches, that a step returns; None for others."""
    return step.operation.grid if step.part == "joined" else None


def kind_of(step: Step) -> str:
    """The kind of a step; of a part of tokens, of the step that returns them."""
    operation = step.operation
    return operation.tokens.kind if isinstance(operation, Placed) else step.kind


class _Found:
    """The grids of tokens in a graph."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._known: dict[Output, frozenset[Grid]] = {}
        self._turned: set[Output] = set()
        self._windows: dict[Output, int] = {}
        self.no_maps: set[int] = set()
        for step in graph.steps:
            self._enter(step)

    def grid(self, output: Output) -> Grid | None:
        """The grid of an output with tokens; None for other outputs."""
        shape, step = self._shape(output), self._graph.steps[output.step]
        is_single = self._windows.get(output, 1) == 1 and output not in self._turned
        has_tokens = len(shape) == _RANK_OF_TOKENS or _sums_in_heads(step)
        if not has_tokens or shape[0] is not None or not is_single:
            return None
        fitting = [grid for grid in self._known.get(output, ()) if grid.tokens == shape[_TOKENS]]
        return fitting[0] if len(fitting) == 1 else None

    def per_image(self, step: Step) -> int:
        """How many elements of the first axis of an output belong to each image."""
        return self._windows.get(Output(step.index), 1)

    def _shape(self, output: Output) -> Shape:
        return self._graph.steps[output.step].shapes[output.index]

    def _enter(self, step: Step) -> None:
        if step.kind == "Constant" or not step.inputs:
            # The inputs of the network may be constant images.
            if not isinstance(step.operation, keras.layers.InputLayer):
                self.no_maps.add(step.index)
            return
        grids = frozenset[Grid]().union(*(self._known.get(each, ()) for each in step.inputs))
        if step.kind == "Reshape":
            grids |= self._flattened(step)
        grids |= self._with_more(step) | self._without_front(step)
        windows = self._reshaped(step)
        turns = step.kind in _TURNING and len(step.shape) == _RANK_OF_TOKENS
        was_turned = not self._turned.isdisjoint(step.inputs)
        for output in (Output(step.index, i) for i in range(len(step.shapes))):
            self._known[output], self._windows[output] = grids, windows
            if turns != was_turned:
                self._turned.add(output)
        if len(step.shape) == _RANK_OF_MAPS and not self._is_map(step, grids, windows):
            self.no_maps.add(step.index)

    def _flattened(self, step: Step) -> frozenset[Grid]:
        """The grid of a map that is flattened to tokens."""
        read, made = self._shape(step.inputs[0]), step.shape
        is_map = len(read) == _RANK_OF_MAPS and step.inputs[0].step not in self.no_maps
        # Attention splits channels into heads at once, (N, tokens, heads, size).
        if not is_map or len(made) not in (_RANK_OF_TOKENS, _RANK_OF_MAPS):
            return frozenset()
        rows, columns = (side or 0 for side in read[1:3])
        is_grid = made[_TOKENS] == rows * columns and rows * columns > 1
        return frozenset([Grid(rows, columns)]) if is_grid else frozenset()

    def _with_more(self, step: Step) -> frozenset[Grid]:
        """The grid of tokens with others in front."""
        if step.kind != "Concatenate" or len(step.shape) != _RANK_OF_TOKENS:
            return frozenset()
        sides = [self._shape(each)[_TOKENS] or 0 for each in step.inputs]
        *front, last = step.inputs
        grid = self.grid(last)
        if grid is None or sum(sides) != step.shape[_TOKENS]:
            return frozenset()
        if any(self.grid(each) for each in front):
            return frozenset()
        return frozenset([replace(grid, front=grid.front + sum(sides[:-1]))])

    def _without_front(self, step: Step) -> frozenset[Grid]:
        """The grid of tokens of which some in front were cut off."""
        grid = self.grid(step.inputs[0])
        first = _first_taken(step)
        if grid is None or first is None or len(step.shape) != _RANK_OF_TOKENS:
            return frozenset()
        is_front = 0 < first <= grid.front and step.shape[_TOKENS] == grid.tokens - first
        return frozenset([replace(grid, front=grid.front - first)]) if is_front else frozenset()

    def _reshaped(self, step: Step) -> int:
        """What `per_image` is for a step, by what it reads."""
        windows = max(self._windows.get(each, 1) for each in step.inputs)
        if step.kind != "Reshape":
            return windows
        read, made = _numbers(self._shape(step.inputs[0])), _numbers(step.shape)
        total = self._windows.get(step.inputs[0], 1) * read
        return total // made if made and total % made == 0 else windows

    def keeps_tokens(self, step: Step) -> bool:
        """Whether each token that a step returns depends on the tokens at its place alone."""
        read = [each for each in step.inputs if self._known.get(each)]
        sides = {self._shape(each)[_TOKENS : _TOKENS + 1] for each in read}
        if sides != {step.shape[_TOKENS : _TOKENS + 1]} or not self._turned.isdisjoint(read):
            return False
        return mixes_no_tokens(step)

    def _is_map(self, step: Step, grids: frozenset[Grid], windows: int) -> bool:
        """Whether an output of four axes has rows and columns of the image."""
        if windows != 1 or step.shape[0] is not None:
            return False
        if any((grid.rows, grid.columns) == tuple(step.shape[1:3]) for grid in grids):
            return True
        is_split = step.kind == "Reshape" and bool(self._flattened(step))
        is_among_tokens = any(
            len(self._shape(each)) != _RANK_OF_MAPS or each.step in self.no_maps
            for each in step.inputs
            if self._known.get(each)
        )
        return not (is_split or is_among_tokens)


@dataclass
class _Parts:
    """Tokens in parts: the map, the tokens in front, and the whole, once something reads it."""

    grid: Grid
    tokens: Step
    map: Output
    front: Output | None
    whole: Output | None = None


class _Rewriting:
    """Builds the graph with the steps added."""

    def __init__(self, graph: Graph, found: _Found) -> None:
        self._graph, self._found = graph, found
        self._steps: list[Step] = []
        self._new: dict[Output, Output] = {}
        self._parts: dict[Output, _Parts] = {}
        self._read = _live(graph, found)

    def graph(self) -> Graph:
        """The graph with the steps added."""
        for step in self._graph.steps:
            self._enter(step)
        inputs, outputs = (
            tuple(map(self._whole, ends)) for ends in (self._graph.inputs, self._graph.outputs)
        )
        return replace(self._graph, steps=tuple(self._steps), inputs=inputs, outputs=outputs)

    def _enter(self, step: Step) -> None:
        output = Output(step.index)
        grid = self._found.grid(output) if step.half != "pre" and len(step.shapes) == 1 else None
        source = self._parts.get(step.inputs[0]) if len(step.inputs) == 1 else None
        is_front = source is not None and _takes_front(step, source.grid)
        if grid and source and (step.passes_on or isinstance(step.operation, Returned)):
            self._pass_on(step, grid, source)
        elif source and source.front and is_front:
            args = (source.front, *step.args[1:])
            self._new[output] = self._add(replace(step, args=args, inputs=(source.front,)))
        elif grid:
            self._split(step, grid)
        else:
            is_map = step.index not in self._found.no_maps
            windows = self._found.per_image(step)
            placed = replace(self._placed(step), is_map=is_map, per_image=windows)
            made = self._add(placed)
            self._new.update(
                (Output(step.index, i), Output(made.step, i)) for i in range(len(step.shapes))
            )

    def _split(self, step: Step, grid: Grid) -> None:
        """Add a step that returns tokens, its map and the tokens in front."""
        name = f"{step.name}:tokens"
        placed = replace(self._placed(step), name=name, part="tokens", is_map=False)
        tokens = self._add(placed)
        placed = self._steps[tokens.step]
        front = None
        if grid.front:
            few = (step.shape[0], grid.front, *step.shape[2:])
            run = partial(_front, grid)
            front = self._own(placed, grid, "front", "GetItem", run, (tokens,), few)
        shape = _map_shape(step, grid)
        is_read = Output(step.index) in self._read
        run = partial(_map, grid, shape[-1])
        shown = self._own(placed, grid, "", "Reshape", run, (tokens,), shape, is_read)
        self._parts[Output(step.index)] = _Parts(grid, placed, shown, front)

    def _pass_on(self, step: Step, grid: Grid, source: _Parts) -> None:
        """Add a step that returns the tokens that it reads, in parts."""
        shape = _map_shape(step, grid)
        is_read = Output(step.index) in self._read
        passed = replace(
            step, args=(source.map,), inputs=(source.map,), shapes=(shape,), is_read=is_read
        )
        made = self._add(passed)
        self._parts[Output(step.index)] = _Parts(grid, source.tokens, made, source.front)

    def _own(
        self,
        tokens: Step,
        grid: Grid,
        part: str,
        kind: str,
        run: Callable[..., Any],
        read: Sequence[Output],
        shape: Shape,
        is_read: bool = True,
    ) -> Output:
        """Add a step for a part of what ``tokens`` returns."""
        name = tokens.name.removesuffix(":tokens")
        return self._add(
            Step(
                index=0,
                name=f"{name}:{part}" if part else name,
                kind=kind,
                operation=Placed(tokens, grid),
                run=run,
                args=tuple(read),
                kwargs={},
                inputs=tuple(read),
                shapes=(shape,),
                dtypes=tokens.dtypes,
                path=tokens.path,
                part=part,
                is_map=not part,
                is_read=is_read,
            )
        )

    def _add(self, step: Step) -> Output:
        self._steps.append(replace(step, index=len(self._steps)))
        return Output(len(self._steps) - 1)

    def _placed(self, step: Step) -> Step:
        """``step`` with what it reads at its new place."""
        args, kwargs = keras.tree.map_structure(
            lambda leaf: self._whole(leaf) if isinstance(leaf, Output) else leaf,
            (step.args, dict(step.kwargs)),
        )
        return replace(step, args=args, kwargs=kwargs, inputs=tuple(map(self._whole, step.inputs)))

    def _whole(self, output: Output) -> Output:
        """The new place of an output; of tokens in parts, of both joined."""
        parts = self._parts.get(output)
        if parts is None:
            return self._new[output]
        if parts.whole is None:
            shape = self._graph.steps[output.step].shape
            read = (parts.map,) if parts.front is None else (parts.front, parts.map)
            kind = "Concatenate" if parts.front else "Reshape"
            run = partial(_joined, shape[2:])
            parts.whole = self._own(parts.tokens, parts.grid, "joined", kind, run, read, shape)
        return parts.whole


def _live(graph: Graph, found: _Found) -> set[Output]:
    """The outputs with tokens whose map, not only the tokens in front, the network's output reads.

    Classifiers read the class token alone: in the last block, what follows attention is computed
    for patches, too, but nothing reads it.
    """
    whole: set[Output] = set(graph.outputs)
    front: set[Output] = set()
    for step in reversed(graph.steps):
        outputs = [Output(step.index, i) for i in range(len(step.shapes))]
        is_whole = not whole.isdisjoint(outputs)
        if not is_whole and front.isdisjoint(outputs):
            continue
        if is_whole:
            grid = found.grid(step.inputs[0]) if step.inputs else None
            keeps_front = grid is not None and _takes_front(step, grid)
        else:
            keeps_front = found.keeps_tokens(step)
        (front if keeps_front else whole).update(step.inputs)
    return whole


def mixes_no_tokens(step: Step) -> bool:
    """Whether each token (N, tokens, …) that a step returns depends on one token that it reads."""
    if step.passes_on or isinstance(step.operation, Returned):
        return True
    if isinstance(step.operation, keras.layers.EinsumDense) and step.half != "activation":
        return _is_along_others(step.operation.equation)
    mixed = mixed_axes(step)
    return mixed is not None and _TOKENS not in mixed


def _sums_in_heads(step: Step) -> bool:
    """Whether a step sums values by weights in heads, (N, tokens, heads, size)."""
    if step.kind != "Einsum" or len(step.inputs) != 2:
        return False
    terms = re.split(",|->", step.operation.subscripts.replace(" ", ""))
    if len(terms) != 3 or len(terms[2]) != _RANK_OF_MAPS:
        return False
    weights, values, made = map(list, terms)
    image, query, head, size = made
    is_of_both = all(each in weights and each in values for each in (image, head))
    is_by_query = query in weights and query not in values
    return is_of_both and is_by_query and size in values and size not in weights


def _is_along_others(equation: str) -> bool:
    """Whether an equation of einsum keeps the axis of tokens, ``abc,cde->abde``."""
    read, kernel, made = re.split(",|->", equation)
    tokens = read[_TOKENS : _TOKENS + 1]
    return tokens == made[_TOKENS : _TOKENS + 1] != "" and tokens not in kernel


def taken(step: Step) -> tuple[Any, ...]:
    """What a step ``x[…]`` takes along the first axes: indices, slices and others.

    Files of models have lists of them in place of tuples.
    """
    key = step.args[1]
    is_listed = isinstance(key, list) and any(isinstance(each, slice) for each in key)
    return tuple(key) if is_listed or isinstance(key, tuple) else (key,)


def taken_tokens(step: Step) -> Any:
    """What is taken along the axis of tokens: an index or a slice."""
    if step.kind != "GetItem" or len(step.args) != 2:
        return None
    key = taken(step)
    is_along = len(key) > _TOKENS and key[0] == slice(None)
    return key[_TOKENS] if is_along else None


def _takes_front(step: Step, grid: Grid) -> bool:
    """Whether a step takes tokens in front of the patches alone."""
    key = taken_tokens(step)
    last = key.stop if isinstance(key, slice) else key + 1 if isinstance(key, int) else None
    return isinstance(last, int) and 0 < last <= grid.front


def _first_taken(step: Step) -> int | None:
    """The first token that a step takes, with all after it."""
    key = taken_tokens(step)
    is_rest = isinstance(key, slice) and key.stop is None and key.step is None
    return key.start if is_rest and isinstance(key.start, int) else None


def _map_shape(step: Step, grid: Grid) -> Shape:
    """The shape of the map of a step that returns tokens; heads are side by side in channels."""
    *heads, size = step.shape[2:]
    channels = None if size is None else size * _numbers(tuple(heads))
    return (step.shape[0], grid.rows, grid.columns, channels)


def _numbers(shape: Shape) -> int:
    return math.prod(side for side in shape if side)


def _front(grid: Grid, tokens: Any) -> Any:
    return tokens[:, : grid.front]


def _map(grid: Grid, channels: int | None, tokens: Any) -> Any:
    patches = tokens[:, grid.front :]
    if patches.shape[_TOKENS] is None:  # TensorFlow does not know it
        images = keras.ops.shape(tokens)[0]
        return keras.ops.reshape(patches, (images, grid.rows, grid.columns, channels))
    # Where tokens were dropped, those left stand in a column.
    is_whole = patches.shape[_TOKENS] == grid.rows * grid.columns
    columns = grid.columns if is_whole else 1
    rows = patches.shape[_TOKENS] // columns
    return keras.ops.reshape(patches, (-1, rows, columns, channels))


def _joined(each: Shape, *parts: Any) -> Any:
    """All tokens, of the shape ``each`` from their third axis on."""
    *front, shown = parts
    count = shown.shape[1] * shown.shape[2]
    patches = keras.ops.reshape(shown, (-1, count, *each))
    return keras.ops.concatenate([*front, patches], axis=_TOKENS) if front else patches
