"""Running a network: programs, compiled once, on batches that fit into memory."""

import copy
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from typing import Any, Protocol, Self, TypeVar

import keras
import numpy as np

from optogram import backend
from optogram.errors import InputError, ModelError
from optogram.graph.snapshot import Snapshot
from optogram.graph.steps import Graph, Output
from optogram.graph.variables import all_variables
from optogram.interpreters import forward
from optogram.interpreters.ends.head import find_head
from optogram.interpreters.ends.score_function import key_of, name_of, with_function
from optogram.interpreters.geometry import Geometry, measure
from optogram.interpreters.kept import Kept
from optogram.interpreters.memory import batches
from optogram.interpreters.room import bytes_backward, bytes_forward, with_room
from optogram.interpreters.turns import SHORT, turn
from optogram.progress import Progress, silent

_KEPT = 64
"""Cached programs, plans, geometries and amounts of memory, at most: memory does not grow with
image sizes."""

_KEPT_FUNCTIONS = 8
"""Networks extended by functions of the scores, at most: each has programs of its own."""

_TRIAL_SIDE = 7
"""Height and width of maps of scores on which functions are tried, where any size is taken."""


class _WithGraph(Protocol):
    @property
    def graph(self) -> Graph: ...


_Made = TypeVar("_Made", bound=_WithGraph)


class Computation:
    """A graph that can be run; the base of Network.

    Parameters
    ----------
    graph : Graph
        The list of steps, with one input (N, H, W, C) and one output.
    name : str
        Name of the network in error messages.
    variables : sequence of keras.Variable
        Variables of the model.

    Attributes
    ----------
    graph : Graph
        The graph, extended by the steps for scores.
    name : str
        Name of the network.
    head : Head
        How scores and probabilities are read.
    variables : tuple of keras.Variable
        Variables of the model, followed by others that the steps read.
    backend : module
        The backend, see ``optogram.backend``.
    plans : Kept
        Plans made of the graph for repeated questions; they hold no weights.
    """

    def __init__(self, graph: Graph, name: str, variables: Sequence[keras.Variable]) -> None:
        self.name = name
        self.variables = all_variables(graph, variables)
        self.graph, self.head = find_head(graph, self.variables)
        self.backend = backend.current()
        self._compiles = True
        self._snapshot: Snapshot | None = None
        self._weights: list[Any] | None = None
        self._measured: Kept[Any] = Kept(_KEPT)
        self._programs: Kept[backend.Program] = Kept(_KEPT)
        self.plans: Kept[Any] = Kept(_KEPT)
        self._functions: dict[Hashable, tuple[str, Output]] = {}
        self._extended: Kept[Self] = Kept(_KEPT_FUNCTIONS)

    def geometry(
        self, size: tuple[int, int], wanted: Sequence[Output] | None = None
    ) -> dict[int, Geometry]:
        """Geometry per example of the steps for an image of ``size`` (height, width), by index.

        ``wanted`` limits it to the steps that these outputs depend on. Steps up to a convolution
        accept sizes that the whole network does not.

        Raises
        ------
        InputError
            If a step does not accept images of that size.
        """
        steps = None if wanted is None else self.graph.ancestors(wanted)
        channels = self.graph.steps[self.graph.inputs[0].step].shape[3]
        found: dict[int, Geometry] = self._measured.get(
            ("geometry", tuple(size), steps),
            lambda: measure(self.graph, (1, *size, channels), steps),
        )
        return found

    def shape(self, output: Output, size: tuple[int, int]) -> tuple[int, ...]:
        """Shape of one example of ``output``, the first output of its step."""
        return tuple(side or 1 for side in self.geometry(size, [output])[output.step].shape[1:])

    def bytes_forward(
        self, size: tuple[int, int], wanted: Sequence[Output], known: Collection[Output] = ()
    ) -> int:
        """Approximate number of bytes for one image in a forward pass to ``wanted``.

        From the image, or from ``known`` outputs.

        Raises
        ------
        InputError
            If it is more than the free memory, or a step does not accept the size.
        """
        wanted = tuple(wanted)
        each = self._measured.get(
            ("forward", tuple(size), wanted, frozenset(known)),
            lambda: bytes_forward(self.graph, self.geometry(size, wanted), wanted, known),
        )
        return with_room(each, self.name, self.graph, lambda: self.geometry(size, wanted))

    def bytes_backward(
        self, size: tuple[int, int], wanted: Sequence[Output], views: int = 1
    ) -> int:
        """Approximate number of bytes for one image in a forward and backward pass.

        So many ``views`` of an image are fed at a time. Raises as `bytes_forward`.
        """
        wanted = tuple(wanted)
        each = views * self._measured.get(
            ("backward", tuple(size), wanted),
            lambda: bytes_backward(self.graph, self.geometry(size, wanted), wanted),
        )
        return with_room(each, self.name, self.graph, lambda: self.geometry(size, wanted))

    def with_weights(self, arrays: Mapping[int, np.ndarray]) -> Self:
        """The same network with other weights; the model keeps its own.

        ``arrays`` replace some of `variables`, by index.
        """
        other = copy.copy(self)
        # Not the variables themselves, which TensorFlow would read again in each call.
        other._weights = [
            self.backend.to_tensor(arrays.get(i, variable.value))
            for i, variable in enumerate(self.variables)
        ]
        return other

    def with_functions(self, functions: Sequence[Callable[[Any], Any]], score: str) -> Self:
        """The same network, extended by ``functions`` of the scores; see `function_output`.

        Functions that compute the same share compiled programs, of which a few are kept.

        Raises
        ------
        InputError
            If a function fails, or does not return one number per image.
        """
        keys = [key_of(function) for function in functions]
        if all(self._function(*pair)[0] == score for pair in zip(keys, functions, strict=True)):
            return self
        if None in keys or self._weights is not None:
            return self._extended_by(functions, keys, score)
        return self._extended.get((score, *keys), lambda: self._extended_by(functions, keys, score))

    def function_output(self, function: Callable[[Any], Any]) -> Output:
        """The output (N, 1) of a function that the network was extended by.

        Raises
        ------
        InputError
            If it was not.
        """
        found = self._function(key_of(function), function)[1]
        if found is None:
            raise InputError(
                f"{self.name!r} does not compute {name_of(function)}: pass it to a method as the "
                "target."
            )
        return found

    def _function(self, key: Hashable, function: Callable[[Any], Any]) -> tuple[str, Output | None]:
        """The kind of scores that a function reads, and its output; None if it is not known."""
        # Functions of the graph stay alive, so that ids are unique.
        return self._functions.get(id(function) if key is None else key, ("", None))

    def _extended_by(
        self, functions: Sequence[Callable[[Any], Any]], keys: Sequence[Hashable], score: str
    ) -> Self:
        other, scores = copy.copy(self), self.score_output(score)
        trial = self._trial_of(scores)
        other._functions = dict(self._functions)
        for key, function in zip(keys, functions, strict=True):
            other.graph, output = with_function(other.graph, scores, function)
            other.graph.steps[output.step].run(trial)  # raises before anything is computed
            other._functions[id(function) if key is None else key] = score, output
        other._measured, other._programs, other.plans = Kept(_KEPT), Kept(_KEPT), Kept(_KEPT)
        other._extended = Kept(_KEPT_FUNCTIONS)
        return other

    def _trial_of(self, scores: Output) -> Any:
        """Some scores, a tensor: of two images, or of three where there are two classes."""
        shape = self.graph.steps[scores.step].shapes[scores.index][1:]
        sides = [side or _TRIAL_SIDE for side in shape]
        count = 3 if sides[0] == 2 else 2
        generator = np.random.default_rng(0)
        return self.backend.to_tensor(generator.normal(size=(count, *sides)).astype(np.float32))

    def with_graph(self, key: Hashable, made: Callable[[Graph], _Made]) -> tuple[Self, _Made]:
        """The same network with a graph made of its own, and all else that ``made`` returns.

        Its first steps are those of the network. It is kept, with its programs, by ``key``.
        """
        other = copy.copy(self)

        def build() -> tuple[_Made, list[Kept]]:
            lengths = _KEPT, _KEPT, _KEPT, _KEPT_FUNCTIONS
            return made(self.graph), [Kept(length) for length in lengths]

        found, kept = self.plans.get(("graph", self._compiles, key), build)
        other.graph = found.graph
        other._measured, other._programs, other.plans, other._extended = kept
        return other, found

    def uncompiled(self) -> Self:
        """The same network, whose programs are run step by step where that starts faster.

        For questions that are asked once. Results are equal up to rounding. See ``direct`` in
        `optogram.backend`.
        """
        other = copy.copy(self)
        other._compiles = False
        other._programs, other._extended = Kept(_KEPT), Kept(_KEPT_FUNCTIONS)
        return other

    def evaluate(
        self,
        x: np.ndarray,
        wanted: Sequence[Output],
        memory: float | str | None = None,
        progress: Progress = silent,
        beside: int = 0,
    ) -> list[np.ndarray]:
        """Outputs of steps for prepared images; only the steps that they depend on are run.

        Parameters
        ----------
        x : ndarray of shape (N, H, W, C)
            Images in network units.
        wanted : sequence of Output
            The outputs.
        memory : float or str, optional
            Memory budget, without the arrays returned.
        progress : callable, optional
            Called with the number of images done.
        beside : int
            Bytes of ``memory`` already used by the caller, such as for ``x``.

        Returns
        -------
        list of ndarray
            Outputs in the order of ``wanted``, each with N examples.
        """
        x = np.asarray(x)  # without the data on photos
        found: list[np.ndarray] = []
        for part, arrays in self.stream(
            lambda part: x[part], len(x), x.shape[1:3], wanted, memory, progress, beside=beside
        ):
            # Allocated once: concatenating batches at the end would need twice the memory.
            found = found or [np.empty((len(x), *a.shape[1:]), a.dtype) for a in arrays]
            for whole in reversed(found):
                whole[part] = arrays.pop()  # frees a batch before the next one
        return found

    def stream(
        self,
        feed: Callable[[slice], np.ndarray],
        count: int,
        size: tuple[int, int],
        wanted: Sequence[Output],
        memory: float | str | None = None,
        progress: Progress = silent,
        then: Callable[[Any], Any] | tuple[Callable[[Any], Any] | None, ...] | None = None,
        beside: int = 0,
        made_by: tuple[Callable[..., Any], Sequence[np.ndarray]] | None = None,
    ) -> Iterator[tuple[slice, list[np.ndarray]]]:
        """`evaluate` for images that are made on demand; yields results batch by batch.

        Parameters
        ----------
        feed : callable
            Returns the images for a slice of ``range(count)``, in network units.
        count : int
            Number of images.
        size : (height, width)
            Size of each image.
        wanted, memory, progress, beside
            See `evaluate`.
        then : callable, optional
            Reduces each output before it leaves the backend: tensor (N, ...) to tensor (N, ...).
            A tuple: one for each of ``wanted``, or None.
        made_by : (callable, sequence of ndarray), optional
            Makes the images, on the backend, of what ``feed`` returns and of these arrays.

        Yields
        ------
        (slice, list of ndarray)
            The slice of images, and their outputs in the order of ``wanted``.
        """
        wanted, graph = tuple(wanted), self.graph
        reductions = then if isinstance(then, tuple) else (then,) * len(wanted)

        def build() -> Callable[[Any], list[Any]]:
            schedule = forward.schedule(graph, wanted)

            def function(fed: Any, *shared: Any) -> list[Any]:
                x = fed if made_by is None else made_by[0](fed, *shared)
                made = zip(schedule.run(x), reductions, strict=True)
                return [reduce(output) if reduce else output for output, reduce in made]

            return function

        each = self.bytes_forward(size, wanted)
        length = 0
        for part in batches(count, each, memory, beside, is_forward=True):
            taken = part.stop - part.start
            length = length or taken
            fed = [lengthened(feed(part), length), *(made_by[1] if made_by else ())]
            key = ("evaluate", wanted, then, made_by and made_by[0])
            made = self.run(key, build, fed, batched=(0,), is_short=count <= SHORT)
            yield part, [made.pop(0)[:taken] for _ in wanted]
            progress(part.stop, count, "images")

    def run(
        self,
        key: Hashable,
        build: Callable[[], Callable[..., Any]],
        arrays: Sequence[Any],
        batched: Collection[int] = (),
        is_short: bool = False,
        as_tensors: bool = False,
    ) -> Any:
        """Run the program ``key``, which is compiled from the result of ``build`` on first use.

        Takes arrays or tensors and returns arrays, in any nesting that the program returns; with
        ``as_tensors`` it returns tensors, which stay on the device. Use batches of one length, so
        that it is compiled once. Arrays at the positions ``batched`` are batches. The program is
        compiled at once and run in turn: see `turn`, also for ``is_short``.

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
            made = compute()
            return made if as_tensors else keras.tree.map_structure(self.backend.to_array, made)

    def _program(
        self,
        key: Hashable,
        build: Callable[[], Callable[..., Any]],
        tensors: Sequence[Any],
        batched: Collection[int],
    ) -> backend.Program:
        """The program ``key`` for ``tensors``, shared by all threads."""
        compiled = self.backend.compile if self._compiles else self.backend.direct
        return self._programs.get(
            (key, self.backend.signature(tensors)),
            lambda: compiled(build(), self.variables, batched),
        )

    def require_unchanged(self) -> None:
        """Raise a ModelError if the settings of the model have changed since it was opened."""
        change = self._snapshot and self._snapshot.change()
        if change:
            raise ModelError(
                f"The model {self.name!r} was changed after it was opened ({change}): open it "
                "again with optogram.Network(model)."
            )

    def score_output(self, score: str) -> Output:
        """The outputs with class scores: before ("logit") or after the final activation."""
        if score not in ("logit", "probability"):
            raise InputError(f'score must be "logit" or "probability", not {score!r}.')
        return self.head.logits if score == "logit" else self.head.output

    def require_class_scores(self) -> None:
        """Raise an InputError if the network does not return one score per class."""
        if self.head.is_spatial:
            kind = "Box" if self.head.scores_boxes else "Class"
            raise InputError(
                f"{self.name!r} returns an output of shape {self.head.shape}, not one score per "
                f"class: give a target, such as {kind}(3, region=(top, left, bottom, right)), "
                "Filter(layer, channel) or Neuron(layer, (y, x), channel)."
            )


def lengthened(array: np.ndarray, length: int) -> np.ndarray:
    """``array`` with its last example repeated up to ``length``."""
    missing = length - len(array)
    return np.concatenate([array, np.repeat(array[-1:], missing, axis=0)]) if missing else array
