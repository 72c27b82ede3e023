"""Running a network: programs compiled once, fed in batches that fit into memory."""

import copy
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any, Self

import keras
import numpy as np

from optogram import backend
from optogram.errors import InputError, ModelError
from optogram.graph.snapshot import Snapshot
from optogram.graph.steps import Graph, Output
from optogram.graph.variables import all_variables
from optogram.interpreters import forward
from optogram.interpreters.ends.head import find_head
from optogram.interpreters.geometry import Geometry, measure
from optogram.interpreters.memory import batches
from optogram.interpreters.room import bytes_backward, bytes_forward, with_room
from optogram.interpreters.turns import SHORT, turn
from optogram.progress import Progress, silent

_KEPT = 64
"""Compiled programs and measured sizes kept, so that nothing grows with the photos explained."""


class Computation:
    """A graph that can be run. What every method computes with.

    Parameters
    ----------
    graph : Graph
        With one input (N, H, W, C) and one output.
    name : str
        What the network is called in errors.
    variables : sequence of keras.Variable
        Those of the model.

    Attributes
    ----------
    graph : Graph
        As handed in, and behind it what scores are read from.
    name : str
        As handed in.
    head : Head
        How the network ends.
    variables : tuple of keras.Variable
        As handed in, and behind them what else the steps read.
    backend : module
        What computes, under the contract of ``optogram.backend``.
    """

    def __init__(self, graph: Graph, name: str, variables: Sequence[keras.Variable]) -> None:
        self.name = name
        self.variables = all_variables(graph, variables)
        self.graph, self.head = find_head(graph, self.variables)
        self.backend = backend.current()
        self._snapshot: Snapshot | None = None
        self._weights: list[Any] | None = None
        self._lock = threading.RLock()
        self._measured: OrderedDict[Hashable, dict[int, Geometry]] = OrderedDict()
        self._programs: OrderedDict[Hashable, backend.Program] = OrderedDict()

    def geometry(
        self, size: tuple[int, int], wanted: Sequence[Output] | None = None
    ) -> dict[int, Geometry]:
        """The geometry of steps for an image of ``size`` (height, width), per example, by index.

        ``wanted`` limits it to the steps that lead there: up to a convolution, images of sizes go
        through that the whole network does not take.

        Raises
        ------
        InputError
            If images of that size do not go through a step.
        """
        steps = None if wanted is None else self.graph.ancestors(wanted)
        key = (tuple(size), steps)
        found = self._measured.get(key)
        if found is None:
            channels = self.graph.steps[self.graph.inputs[0].step].shape[3]
            found = measure(self.graph, (1, *size, channels), steps)
            with self._lock:
                self._measured[key] = found
                if len(self._measured) > _KEPT:
                    self._measured.popitem(last=False)
        return found

    def shape(self, output: Output, size: tuple[int, int]) -> tuple[int, ...]:
        """The shape of one example of ``output``, the first output of its step."""
        return tuple(side or 1 for side in self.geometry(size, [output])[output.step].shape[1:])

    def bytes_forward(self, size: tuple[int, int], wanted: Sequence[Output]) -> int:
        """About how many bytes one image takes on the way to ``wanted``.

        Raises
        ------
        InputError
            If it takes more than is free, or does not go through a step.
        """
        geometry = self.geometry(size, wanted)
        each = bytes_forward(self.graph, geometry, wanted)
        return with_room(each, self.name, self.graph, geometry)

    def bytes_backward(
        self, size: tuple[int, int], wanted: Sequence[Output], views: int = 1
    ) -> int:
        """About how many bytes one image takes on the way to ``wanted`` and back again.

        Of an image so many ``views`` are fed at a time. Errors are those of `bytes_forward`.
        """
        geometry = self.geometry(size, wanted)
        each = views * bytes_backward(self.graph, geometry, wanted)
        return with_room(each, self.name, self.graph, geometry)

    def with_weights(self, arrays: Mapping[int, np.ndarray]) -> Self:
        """The same network computing with other weights; the model keeps its own.

        ``arrays`` stand in for some of `variables`, by their place in that list.
        """
        other = copy.copy(self)
        other._weights = [
            self.backend.to_tensor(arrays[i])
            if i in arrays
            else keras.ops.convert_to_tensor(variable)
            for i, variable in enumerate(self.variables)
        ]
        return other

    def evaluate(
        self,
        x: np.ndarray,
        wanted: Sequence[Output],
        memory: float | str | None = None,
        progress: Progress = silent,
        beside: int = 0,
    ) -> list[np.ndarray]:
        """Outputs of steps for prepared images; only the steps that lead there are run.

        Parameters
        ----------
        x : ndarray of shape (N, H, W, C)
            In network units.
        wanted : sequence of Output
            Which outputs.
        memory : float or str, optional
            Memory budget, without the arrays returned.
        progress : callable, optional
            Told of images done.
        beside : int
            Bytes out of ``memory`` that the caller holds already, such as ``x``.

        Returns
        -------
        list of ndarray
            In the order of ``wanted``, each with N examples.
        """
        x = np.asarray(x)  # batches that remember their photos are fed as mere numbers
        found: list[np.ndarray] = []
        for part, arrays in self.stream(
            lambda part: x[part], len(x), x.shape[1:3], wanted, memory, progress, beside=beside
        ):
            # Made once and filled: batches put together in the end would be there twice.
            found = found or [np.empty((len(x), *a.shape[1:]), a.dtype) for a in arrays]
            for whole in reversed(found):
                whole[part] = arrays.pop()  # nothing of a batch is held beside the next one
        return found

    def stream(
        self,
        feed: Callable[[slice], np.ndarray],
        count: int,
        size: tuple[int, int],
        wanted: Sequence[Output],
        memory: float | str | None = None,
        progress: Progress = silent,
        then: Callable[[Any], Any] | None = None,
        beside: int = 0,
    ) -> Iterator[tuple[slice, list[np.ndarray]]]:
        """`evaluate` for images that are made as they are needed, and results let go as they come.

        Parameters
        ----------
        feed : callable
            Given a slice of ``range(count)``, returns those images, in network units.
        count : int
            How many images there are.
        size : (height, width)
            Of each.
        wanted, memory, progress, beside
            See `evaluate`.
        then : callable, optional
            Makes less of each output before it leaves the backend: tensor (N, ...) to tensor
            (N, ...).

        Yields
        ------
        (slice, list of ndarray)
            Which images, and the outputs for them in the order of ``wanted``.
        """
        wanted, graph = tuple(wanted), self.graph

        def build() -> Callable[[Any], list[Any]]:
            schedule = forward.schedule(graph, wanted)

            def function(x: Any) -> list[Any]:
                made = schedule.run(x)
                return [then(output) for output in made] if then else made

            return function

        each = self.bytes_forward(size, wanted)
        length = 0
        for part in batches(count, each, memory, beside):
            taken = part.stop - part.start
            length = length or taken
            fed = [lengthened(feed(part), length)]
            key = ("evaluate", wanted, then)
            made = self.run(key, build, fed, batched=1, is_short=count <= SHORT)
            yield part, [made.pop(0)[:taken] for _ in wanted]
            progress(part.stop, count, "images")

    def run(
        self,
        key: Hashable,
        build: Callable[[], Callable[..., Any]],
        arrays: Sequence[np.ndarray],
        batched: int = 0,
        is_short: bool = False,
    ) -> Any:
        """Run the program called ``key``, compiled at first use out of what ``build`` returns.

        Arrays go in, and arrays come out in whatever nesting the program returns. Feed batches of
        one length, so that it is compiled once. The first ``batched`` arrays are batches. It is
        compiled at once, and run when it is its turn: see `turn`, also for ``is_short``.

        Raises
        ------
        ModelError
            If the model was changed after it was opened.
        """
        self.require_unchanged()
        tensors = [self.backend.to_tensor(array) for array in arrays]
        program = self._program(key, build, tensors, batched)
        compute = program.ready(*tensors, weights=self._weights)
        with turn(is_short):
            return keras.tree.map_structure(self.backend.to_array, compute())

    def _program(
        self,
        key: Hashable,
        build: Callable[[], Callable[..., Any]],
        tensors: Sequence[Any],
        batched: int,
    ) -> backend.Program:
        """The program called ``key`` for such ``tensors``: the same in all threads."""
        key = key, self.backend.signature(tensors)
        with self._lock:
            if key not in self._programs:
                self._programs[key] = self.backend.compile(build(), self.variables, batched)
                if len(self._programs) > _KEPT:
                    self._programs.popitem(last=False)
            self._programs.move_to_end(key)
            return self._programs[key]

    def require_unchanged(self) -> None:
        """Raise a ModelError if the model is set otherwise than when it was opened."""
        change = self._snapshot and self._snapshot.change()
        if change:
            raise ModelError(
                f"The model {self.name!r} was changed after it was opened ({change}): open it "
                "again with optogram.Network(model)."
            )

    def score_output(self, score: str) -> Output:
        """Where the scores of classes are read: before ("logit") or after the last activation."""
        if score not in ("logit", "probability"):
            raise InputError(f'score must be "logit" or "probability", not {score!r}.')
        return self.head.logits if score == "logit" else self.head.output

    def require_class_scores(self) -> None:
        """Raise an InputError if the network does not return one score a class."""
        if self.head.is_spatial:
            raise InputError(
                f"{self.name!r} returns an output of shape {self.head.shape}, not one score a "
                "class: name a target, such as Class(3, region=(top, left, bottom, right)), "
                "Filter(layer, channel) or Neuron(layer, (y, x), channel)."
            )


def lengthened(array: np.ndarray, length: int) -> np.ndarray:
    """``array`` with its last example repeated until there are ``length``."""
    missing = length - len(array)
    return np.concatenate([array, np.repeat(array[-1:], missing, axis=0)]) if missing else array
