"""The edited forward interpreter: channels of some steps are scaled and shifted, or set.

The outputs that the change does not reach are computed once for an image; from there on, one
compiled program computes the rest for any factors.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from optogram.graph.steps import Graph, Output
from optogram.interpreters import forward
from optogram.interpreters.engine import Computation

Factors = Mapping[int, np.ndarray]
"""For each edited step, an array (2, C), float32: the factor and the summand of each channel."""


class Edited:
    """Runs a network with edited channels of the first outputs of some steps.

    Parameters
    ----------
    net : Computation
        The network.
    layers : collection of int
        Indices of the edited steps.
    wanted : sequence of Output
        The outputs to compute.

    Attributes
    ----------
    unread : tuple of int
        The edited steps that no output in ``wanted`` depends on.
    held : tuple of Output
        The outputs that the change does not reach, and from which the rest is computed.
    """

    def __init__(self, net: Computation, layers: Collection[int], wanted: Sequence[Output]) -> None:
        self._net, self._layers, self._wanted = net, tuple(sorted(layers)), tuple(wanted)
        again = computed_again(net.graph, self._layers)
        self.held, run = held_outputs(net.graph, self._wanted, again)
        # Outputs before any change are edited where they are known, the others where they are made.
        self._first = frozenset(self._layers) - again
        read = run | {output.step for output in self.held if not output.index}
        self.unread = tuple(index for index in self._layers if index not in read)

    def bytes_each(self, size: tuple[int, int]) -> int:
        """Approximate number of bytes for one image; see `Computation.bytes_forward`."""
        return self._net.bytes_forward(size, [*self.held, *self._wanted])

    def base(self, x: np.ndarray, is_short: bool = True) -> list[Any]:
        """The outputs `held` for images (N, H, W, C), as tensors, for `run`."""
        held, graph = self.held, self._net.graph

        def build() -> Callable[[Any], list[Any]]:
            return forward.schedule(graph, held).run

        made: list[Any] = self._net.run(
            ("base", held), build, [x], batched=(0,), is_short=is_short, as_tensors=True
        )
        return made

    def run(self, base: Sequence[Any], factors: Factors, is_short: bool = True) -> list[np.ndarray]:
        """The outputs in the order of ``wanted``, with channels edited by ``factors``."""
        graph, held, wanted = self._net.graph, self.held, self._wanted
        layers, first = self._layers, self._first

        def build() -> Callable[..., list[Any]]:
            schedule = forward.schedule(graph, wanted, held)

            def function(*tensors: Any) -> list[Any]:
                known = dict(zip(held, tensors, strict=False))
                given = dict(zip(layers, tensors[len(held) :], strict=True))
                for index in first:
                    known[Output(index)] = _edited(known[Output(index)], given[index])
                replace = {
                    index: lambda _, made, factors=factors: _edited(made, factors)
                    for index, factors in given.items()
                    if index not in first
                }
                return schedule.run(None, replace=replace, known=known)

            return function

        steps = graph.steps
        batched = [i for i, out in enumerate(held) if is_batch(steps[out.step].shapes[out.index])]
        made: list[np.ndarray] = self._net.run(
            ("edited", layers, wanted),
            build,
            [*base, *(factors[index] for index in layers)],
            batched=batched,
            is_short=is_short,
        )
        return made

    def bytes_copy(self, size: tuple[int, int]) -> int:
        """Approximate number of bytes for one copy of an image in `ablated`."""
        return self._net.bytes_forward(size, self._wanted, self.held)

    def ablated(
        self,
        base: Sequence[Any],
        kept: np.ndarray,
        is_short: bool = True,
        fill: np.ndarray | None = None,
    ) -> list[np.ndarray]:
        """The outputs for copies of one image, each without some channels of the edited step.

        ``base`` is that of one image; ``kept`` (N, C), bool, says which channels each copy keeps.
        The others are set to 0, or to ``fill`` (C,). One step is edited.
        """
        graph, held, wanted = self._net.graph, self.held, self._wanted
        (place,) = (Output(layer) for layer in self._layers)
        steps = graph.steps
        is_copied = [is_batch(steps[out.step].shapes[out.index]) for out in held]

        def build() -> Callable[..., list[Any]]:
            schedule = forward.schedule(graph, wanted, held)

            def function(kept: Any, fill: Any, *tensors: Any) -> list[Any]:
                count, known = keras.ops.shape(kept)[0], dict[Output, Any]()
                for output, tensor, copied in zip(held, tensors, is_copied, strict=True):
                    if output == place:
                        # Not a product: infinity times 0 is NaN.
                        middle = [1] * (len(tensor.shape) - 2)
                        mask = keras.ops.reshape(kept, (count, *middle, tensor.shape[-1]))
                        others = keras.ops.cast(fill, tensor.dtype)
                        known[output] = keras.ops.where(mask, tensor, others)
                    elif copied:
                        shape = (count, *tensor.shape[1:])
                        known[output] = keras.ops.broadcast_to(tensor, shape)
                    else:
                        known[output] = tensor
                return schedule.run(None, known=known)

            return function

        fill = np.zeros(kept.shape[1], np.float32) if fill is None else fill
        made: list[np.ndarray] = self._net.run(
            ("ablated", self._layers, wanted),
            build,
            [kept, fill, *base],
            batched=(0,),
            is_short=is_short,
        )
        return made


def bases(net: Computation, each: Sequence[Edited], x: np.ndarray) -> list[list[Any]]:
    """`Edited.base` of several for images (N, H, W, C), from one forward pass."""
    held = tuple(dict.fromkeys(output for one in each for output in one.held))

    def build() -> Callable[[Any], list[Any]]:
        return forward.schedule(net.graph, held).run

    made = net.run(("base", held), build, [x], batched=(0,), is_short=True, as_tensors=True)
    known = dict(zip(held, made, strict=True))
    return [[known[output] for output in one.held] for one in each]


def _edited(tensor: Any, factors: Any) -> Any:
    """``tensor`` (..., C) times the first row of ``factors`` plus the second, in its own dtype."""
    factor, summand = factors[0], factors[1]
    changed = keras.ops.cast(tensor, "float32") * factor + summand
    # Infinity times 0 is NaN, but a channel that is set has the value that it is set to.
    return keras.ops.cast(keras.ops.where(factor == 0, summand, changed), tensor.dtype)


def computed_again(graph: Graph, layers: Sequence[int]) -> frozenset[int]:
    """The steps that read, directly or not, what an edited step makes."""
    changed, again = set(layers), set[int]()
    for step in graph.steps:
        if any(output.step in changed for output in step.inputs):
            changed.add(step.index)
            again.add(step.index)
    return frozenset(again)


def held_outputs(
    graph: Graph, wanted: Sequence[Output], again: Collection[int]
) -> tuple[tuple[Output, ...], frozenset[int]]:
    """The outputs of other steps that ``wanted`` is computed from, and the steps computed again."""
    held, run = set[Output](), set[int]()
    waiting = list(wanted)
    while waiting:
        output = waiting.pop()
        if output.step not in again:
            held.add(output)
        elif output.step not in run:
            run.add(output.step)
            waiting.extend(graph.steps[output.step].inputs)
    return tuple(sorted(held, key=lambda output: (output.step, output.index))), frozenset(run)


def is_batch(shape: Sequence[int | None]) -> bool:
    """Whether the first axis of an output of that shape is that of images."""
    return bool(shape) and shape[0] is None
