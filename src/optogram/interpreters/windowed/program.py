"""The program for a batch of changes on windows of maps; it is cached, so it has no arrays."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import keras
import numpy as np

from optogram.graph.keras_private.copies import own_names
from optogram.graph.steps import Graph, Output, Step
from optogram.interpreters import forward
from optogram.interpreters.merging import Chain, chains
from optogram.interpreters.reach import POINT, Reach
from optogram.interpreters.windowed.rules import Rule


@dataclass(frozen=True)
class Move:
    """Elements of a map, gathered from its changed window and from the original map.

    Attributes
    ----------
    source : int
        Index of the step with the map.
    made : int, or None
        Index of the step that needs them for its window. None: the whole map.
    reach : pair of Reach
        Elements that the window depends on.
    spreads : bool
        Whether all of these are gathered, or only one per element.
    fill : float
        Value outside the border.
    is_old : bool
        Whether all come from the original map.
    """

    source: int
    made: int | None
    reach: tuple[Reach, Reach] = POINT
    spreads: bool = False
    fill: float = 0.0
    is_old: bool = False

    def length(self, axis: int, length: float) -> float:
        """Number of elements gathered for a window of ``length``."""
        along = self.reach[axis]
        if not self.spreads:
            return length
        return (length - 1) * along.stride + along.last - along.first + 1

    def elements(self, axis: int, begin: np.ndarray, length: int) -> np.ndarray:
        """(N, elements): indices of elements for windows that begin at ``begin`` (N,)."""
        along = self.reach[axis]
        if self.spreads:
            count = int(self.length(axis, length))
            return begin[:, None] * along.stride + along.first + np.arange(count)
        made = begin[:, None] + np.arange(length)
        return (made * along.stride + along.last) // along.factor


@dataclass(frozen=True)
class _Turn:
    """What is run on windows at a time.

    Attributes
    ----------
    index : int
        Index of the step whose output it makes.
    inputs : tuple of Output
        The outputs that it reads.
    reads : tuple of int, or None
        For each of them, the number of the move; None: it is read directly.
    run : callable
        Returns the output, in a list, from the elements read.
    unneeded : list of Output
        The outputs that no later step reads.
    """

    index: int
    inputs: tuple[Output, ...]
    reads: tuple[int | None, ...]
    run: Callable[[forward.Tensors], list[Any]]
    unneeded: list[Output]


@dataclass(frozen=True)
class Program:
    """The program for a batch of changes; it is cached, so it has no arrays.

    Attributes
    ----------
    graph : Graph
        The list of steps.
    image : int
        Index of the input step.
    rules : mapping of int to Rule
        Rules of the steps on windows, in running order.
    means : mapping of int to int
        Steps that take the mean of a whole map, with the move for their old windows.
    moves : tuple of Move
        Elements to gather.
    reads : mapping of int to tuple
        For each step, the number of the move for each of its inputs; None: it is read directly.
    puts : mapping of int to int, or None
        Steps whose output is returned, with the move for the whole map; None: it is not a map.
    copies_nothing : bool
        Whether original maps are not copied to one table with windows: faster for one change, for
        which maps are much larger than windows, slower for many.
    gather : callable
        Function ``gather`` of the backend.
    """

    graph: Graph
    image: int
    rules: Mapping[int, Rule]
    means: Mapping[int, int]
    moves: tuple[Move, ...]
    reads: Mapping[int, tuple[int | None, ...]]
    puts: Mapping[int, int | None]
    copies_nothing: bool
    gather: Callable[[Any, Any], Any]

    @cached_property
    def key(self) -> Any:
        """Equal for programs with the same computation on one graph."""
        structure = self.moves, tuple(self.reads.items()), tuple(self.puts.items())
        return *structure, self.copies_nothing

    @cached_property
    def bases(self) -> tuple[Output, ...]:
        """The outputs whose original maps are needed."""
        indices = {move.source for move in self.moves} - {self.image} | set(self.means)
        return tuple(map(Output, sorted(indices)))

    @property
    def outputs(self) -> tuple[Output, ...]:
        """The outputs that the program returns."""
        return tuple(map(Output, self.puts))

    @cached_property
    def divided(self) -> list[int]:
        """The steps whose means are corrected at the border."""
        return [index for index, rule in self.rules.items() if rule.divides]

    @cached_property
    def _turns(self) -> list[_Turn]:
        """The steps in order; a convolution and what follows it run as one, if that is faster."""
        indices = sorted([*self.rules, *self.means])
        unneeded = self.graph.last_uses(indices, self.outputs)
        turns: dict[int, _Turn] = {}
        for index in indices:
            step, free = self.graph.steps[index], unneeded.get(index, [])
            turn = _Turn(index, step.inputs, self.reads.get(index, ()), self._runner(step), free)
            for chain in chains(self.graph, step, indices, unneeded):
                merged = self._merged(chain, step)
                if merged is not None:
                    # The turn of the step before does what is before that one already, or not.
                    before = [turns.pop(one.index) for one in chain.earlier if one.index in turns]
                    gone = [output for one in before for output in one.unneeded]
                    turn = replace(before[0], index=index, run=merged, unneeded=[*gone, *free])
                    break
            turns[index] = turn
        return list(turns.values())

    def _runner(self, step: Step) -> Callable[[forward.Tensors], list[Any]]:
        run = self.rules[step.index].run if step.index in self.rules else None
        if run is None:
            return lambda read: [forward.passed_on(step, read[step.inputs[0]])]
        return forward.runner(step, run)

    def _merged(self, chain: Chain, last: Step) -> Callable[[forward.Tensors], list[Any]] | None:
        """The ``chain`` that ends with the step ``last`` as one operation, on one window."""
        layer = self.rules[chain.convolution.index].layer
        inside = {step.index for step in chain.earlier}
        following = {*inside, last.index} - {chain.convolution.index}
        is_moved = any(move.source in inside for move in self.moves)
        is_direct = all(self.reads.get(index) == (None,) for index in following)
        return None if layer is None or is_moved or not is_direct else chain.merged(layer)

    def __call__(self, x: Any, paint: Any, places: Any, *arrays: Any) -> list[Any]:
        """The returned outputs (N, ...) for N changes.

        Parameters
        ----------
        x, paint : tensors of shape (1, H, W, C)
            The image, and the fill of changed windows.
        places : int tensor (N, h, w)
            Indices into x, followed by paint, of the changed window of the image.
        arrays : tensors
            The outputs of `bases`; the indices of `moves`; for `divided`, the factors of means,
            (N, h, w, 1).
        """
        given, graph = iter(arrays), self.graph
        dtype = graph.steps[self.image].dtypes[0]
        x, paint = keras.ops.cast(x, dtype), keras.ops.cast(paint, dtype)
        old = {output.step: next(given) for output in self.bases} | {self.image: x}
        indices = [next(given) for _ in self.moves]
        shares = {index: next(given) for index in self.divided}
        both = keras.ops.concatenate([_flat(x), _flat(paint)], axis=0)
        tensors = {Output(self.image): self.gather(both, places)}

        def moved(number: int) -> Any:
            move = self.moves[number]
            new = tensors[Output(move.source)]
            as_it_is, places = _flat(keras.ops.cast(old[move.source], new.dtype)), indices[number]
            if move.is_old:
                return self.gather(as_it_is, places)
            if self.copies_nothing:
                return self._chosen(as_it_is, _flat(new), move.fill, places)
            beyond = keras.ops.full_like(as_it_is[:1], move.fill)
            table = keras.ops.concatenate([as_it_is, beyond, _flat(new)], axis=0)
            return self.gather(table, places)

        with own_names():
            for turn in self._turns:
                index, inputs = turn.index, turn.inputs
                if index in self.means:
                    change = _sum(tensors[inputs[0]]) - _sum(moved(self.means[index]))
                    made = _averaged(old[index], change, old[inputs[0].step])
                else:
                    read = {
                        output: tensors[output] if number is None else moved(number)
                        for output, number in zip(inputs, turn.reads, strict=True)
                    }
                    made = turn.run(read)[0]
                if index in shares:
                    made = made * keras.ops.cast(shares[index], made.dtype)
                tensors[Output(index)] = made
                for output in turn.unneeded:
                    tensors.pop(output, None)
        return [
            tensors[Output(index)] if number is None else moved(number)
            for index, number in self.puts.items()
        ]

    def _chosen(self, old: Any, new: Any, fill: float, places: Any) -> Any:
        """Rows of old, the border and new, as one table, without a copy."""
        count = keras.ops.shape(old)[0]
        from_old = self.gather(old, keras.ops.minimum(places, count - 1))
        from_new = self.gather(new, keras.ops.maximum(places - count - 1, 0))
        beyond = keras.ops.full_like(from_old[:1, :1, :1], fill)
        found = keras.ops.where((places == count)[..., None], beyond, from_old)
        return keras.ops.where((places > count)[..., None], from_new, found)


def _flat(maps: Any) -> Any:
    """(N, H, W, C) as (N · H · W, C)."""
    return keras.ops.reshape(maps, (-1, maps.shape[-1]))


def _sum(window: Any) -> Any:
    """(N, h, w, C) as (N, C)."""
    return keras.ops.sum(keras.ops.cast(window, "float32"), axis=(1, 2))


def _averaged(old: Any, change: Any, maps: Any) -> Any:
    """A mean (1, C) or (1, 1, 1, C) of ``maps`` after sums changed by ``change`` (N, C)."""
    _, height, width, _ = keras.ops.shape(maps)
    change = change / keras.ops.cast(height * width, "float32")
    old = keras.ops.cast(old, keras.backend.result_type(old.dtype, "float32"))
    return old + keras.ops.cast(keras.ops.reshape(change, (-1, *old.shape[1:])), old.dtype)
