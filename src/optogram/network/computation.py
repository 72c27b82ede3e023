"""Running a network: programs compiled once, fed in batches that fit into memory."""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from optogram import backend
from optogram.errors import InputError
from optogram.network import forward
from optogram.network.geometry import Geometry, measure, peak_memory
from optogram.network.head import find_head
from optogram.network.memory import batches
from optogram.network.steps import Graph, Value
from optogram.progress import Progress, silent

_KEPT = 32
"""Compiled programs and measured sizes kept, so that nothing grows with the photos explained."""

_WORKSPACE = 3
"""Backends take about this many times the bytes of the maps alive: copies, padding, workspace."""


@dataclass(frozen=True)
class Gradients:
    """Scores of N images and how they change.

    Attributes
    ----------
    gradient : ndarray of shape (N, H, W, C) or (N, h, w, channels)
        ∂score/∂x, or ∂score/∂(output of the step asked for).
    maps : ndarray
        What the gradient is taken at: x itself, or that step's output.
    scores : ndarray of shape (N,)
        What was explained.
    outputs : ndarray of shape (N, outputs), or None
        The logits or probabilities of all classes, where each image's own answer was explained.
    """

    gradient: np.ndarray
    maps: np.ndarray
    scores: np.ndarray
    outputs: np.ndarray | None


class Computation:
    """A graph that can be run. What every method computes with.

    Parameters
    ----------
    graph : Graph
        With one input (N, H, W, C) and one output.
    name : str
        What the network is called in errors.
    variables : sequence of keras.Variable
        All that the steps read.

    Attributes
    ----------
    graph, name
        As handed in.
    head : Head
        How the network ends.
    """

    def __init__(self, graph: Graph, name: str, variables: Sequence[keras.Variable]) -> None:
        self.graph = graph
        self.name = name
        self.head = find_head(graph)
        self._variables = variables
        self._backend = backend.current()
        self._measured: dict[tuple[int, int], list[Geometry]] = {}
        self._programs: OrderedDict[Any, Callable[..., Any]] = OrderedDict()

    def geometry(self, size: tuple[int, int]) -> list[Geometry]:
        """The geometry of every step for an image of ``size`` (height, width), per example."""
        if size not in self._measured:
            channels = self.graph.steps[self.graph.inputs[0].step].shape[3]
            if len(self._measured) == _KEPT:
                del self._measured[next(iter(self._measured))]
            self._measured[size] = measure(self.graph, (1, *size, channels))
        return self._measured[size]

    def evaluate(
        self,
        x: np.ndarray,
        values: Sequence[Value],
        memory: int | str | None = None,
        progress: Progress = silent,
    ) -> list[np.ndarray]:
        """Outputs of steps for prepared images; only the steps that lead there are run.

        Parameters
        ----------
        x : ndarray of shape (N, H, W, C)
            In network units.
        values : sequence of Value
            Which outputs.
        memory : int or str, optional
            What the computation may add to the process, beside the arrays returned.
        progress : callable, optional
            Told of images done.

        Returns
        -------
        list of ndarray
            In the order of ``values``, each with N examples.
        """
        streamed = self.stream(lambda part: x[part], len(x), x.shape[1:3], values, memory, progress)
        return [
            np.concatenate(column) for column in zip(*(out for _, out in streamed), strict=True)
        ]

    def stream(
        self,
        feed: Callable[[slice], np.ndarray],
        count: int,
        size: tuple[int, int],
        values: Sequence[Value],
        memory: int | str | None = None,
        progress: Progress = silent,
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
        values, memory, progress
            See `evaluate`.

        Yields
        ------
        (slice, list of ndarray)
            Which images, and the outputs for them in the order of ``values``.
        """
        values = tuple(values)

        def build() -> Callable[..., Any]:
            return lambda x: forward.run(self.graph, x, values)

        each = _WORKSPACE * peak_memory(self.graph, self.geometry(size), values)
        return self._in_batches(
            ("evaluate", values), build, lambda part: [feed(part)], count, each, memory, progress
        )

    def gradients(
        self,
        x: np.ndarray,
        weights: Mapping[Value, np.ndarray] | None,
        at: Value | None = None,
        score: str = "logit",
        memory: int | str | None = None,
        progress: Progress = silent,
    ) -> Gradients:
        """How a score changes with the image, or with the output of a step.

        The score of example n is Σ value[n] · weights[n], summed over the ``weights`` given and
        over all elements.

        Parameters
        ----------
        x : ndarray of shape (N, H, W, C)
            In network units.
        weights : mapping of Value to ndarray, or None
            For each output that the score depends on, an array (N, ...) that broadcasts to it.
            None: each image's own highest-scoring class; a single sigmoid output counts
            negative where it says no. The network must have a score a class.
        at : Value, optional
            The step whose output is perturbed, first output only; None: the image.
        score : {"logit", "probability"}
            What each image's own answer is chosen and scored by.
        memory, progress
            See `evaluate`.

        Returns
        -------
        Gradients
        """
        answer = self.score_value(score)
        own_answer = weights is None
        scored = (answer,) if weights is None else tuple(weights)
        wanted = scored if at is None else (*scored, at)

        def build() -> Callable[..., Any]:
            def function(perturbed: Any, *others: Any) -> tuple[Any, Any]:
                x, given = (perturbed, others) if at is None else (others[0], others[1:])
                add = {} if at is None else {at.step: perturbed}
                values = forward.run(self.graph, x, wanted, add)
                terms, maps = values[: len(scored)], values[len(scored) :]
                if own_answer:
                    given = (self._winner(terms[0], score),)
                total = sum(map(_weighted_sum, terms, given))
                return total, (total, terms[:own_answer], maps)

            return self._backend.gradient(function)

        arrays = [x] if weights is None else [x, *(weights[value] for value in scored)]
        measured = self.geometry(x.shape[1:3])
        if at is not None:
            sizes = (side or 1 for side in measured[at.step].shape[1:])
            arrays.insert(0, np.zeros((len(x), *sizes), np.float32))
        each = _WORKSPACE * sum(measured[i].memory for i in self.graph.ancestors(wanted))
        key = ("gradients", scored, at, own_answer)
        parts = self._in_batches(
            key, build, lambda part: [a[part] for a in arrays], len(x), each, memory, progress
        )
        columns = zip(
            *((back, score, *own, *maps) for _, (back, (score, own, maps)) in parts), strict=True
        )
        gradient, scores, *rest = (np.concatenate(column) for column in columns)
        outputs = rest.pop(0) if own_answer else None
        return Gradients(gradient, rest[0] if at else x, scores, outputs)

    def score_value(self, score: str) -> Value:
        """Where the scores of classes are read: before ("logit") or after the last activation."""
        if score not in ("logit", "probability"):
            raise InputError(f'score must be "logit" or "probability", not {score!r}.')
        return self.head.logits if score == "logit" else self.head.output

    def winning_weights(self, outputs: np.ndarray, score: str = "logit") -> np.ndarray:
        """For each row of ``outputs``, the weights (N, outputs) that pick its own answer."""
        if self.head.outputs > 1:
            return np.eye(self.head.outputs, dtype=np.float32)[outputs.argmax(axis=1)]
        if not self.head.is_binary:
            return np.ones_like(outputs, np.float32)
        return np.where(outputs >= _threshold(score), 1, -1).astype(np.float32)

    def _winner(self, outputs: Any, score: str) -> Any:
        """`winning_weights` inside a compiled program."""
        if self.head.outputs > 1:
            return keras.ops.one_hot(keras.ops.argmax(outputs, axis=1), self.head.outputs)
        ones = keras.ops.ones_like(outputs)
        if not self.head.is_binary:
            return ones
        return keras.ops.where(outputs >= _threshold(score), ones, -ones)

    def _in_batches(
        self,
        key: Any,
        build: Callable[[], Callable[..., Any]],
        feed: Callable[[slice], list[np.ndarray]],
        count: int,
        bytes_each: int,
        memory: int | str | None,
        progress: Progress,
    ) -> Iterator[tuple[slice, Any]]:
        """Run a program over ``count`` examples; yield what it returns, batch by batch.

        All batches are fed at one length, so that the program is compiled once.
        """
        program = self._program(key, build)
        length = None
        for part in batches(count, bytes_each, memory):
            taken = part.stop - part.start
            length = length or taken
            fed = [self._backend.to_tensor(_lengthened(array, length)) for array in feed(part)]
            yield (
                part,
                keras.tree.map_structure(
                    lambda tensor, taken=taken: self._backend.to_array(tensor)[:taken],
                    program(*fed),
                ),
            )
            progress(part.stop, count, "images")

    def _program(self, key: Any, build: Callable[[], Callable[..., Any]]) -> Callable[..., Any]:
        """The compiled program called ``key``, built at first use; the oldest ones are let go."""
        if key not in self._programs:
            self._programs[key] = self._backend.compile(build(), self._variables)
            if len(self._programs) > _KEPT:
                self._programs.popitem(last=False)
        self._programs.move_to_end(key)
        return self._programs[key]

    def require_class_scores(self) -> None:
        """Raise an InputError if the network does not return one score a class."""
        if self.head.is_spatial:
            raise InputError(
                f"{self.name!r} returns an output of shape {self.head.shape}, not one score a "
                "class: name a target, such as Filter(layer, channel) or Neuron(layer, (y, x), "
                "channel)."
            )


def _threshold(score: str) -> float:
    """Where a sigmoid output turns from no to yes."""
    return 0.0 if score == "logit" else 0.5


def _weighted_sum(values: Any, weights: Any) -> Any:
    """Σ values · weights for each example, (N,)."""
    products = keras.ops.cast(values, "float32") * weights
    return keras.ops.sum(products, axis=tuple(range(1, len(products.shape))))


def _lengthened(array: np.ndarray, length: int) -> np.ndarray:
    """``array`` with its last example repeated until there are ``length``."""
    missing = length - len(array)
    return np.concatenate([array, np.repeat(array[-1:], missing, axis=0)]) if missing else array
