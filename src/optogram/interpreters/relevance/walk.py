"""The walk back through the steps: from the score to the image."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras

from optogram.graph.mixing import mixed_axes
from optogram.graph.steps import Graph, Output, Step
from optogram.interpreters import forward
from optogram.interpreters.forward import Tensors
from optogram.interpreters.relevance.composites import Composite
from optogram.interpreters.relevance.linear import Linear, channel_axis, has_kernel, linears
from optogram.interpreters.relevance.rules import Box, Read, Rule, of_images, stabilized
from optogram.interpreters.relevance.signs import never_negative, silences_negatives
from optogram.interpreters.relevance.spreading import (
    EPSILON,
    Spreading,
    Visit,
    is_gate,
    is_product,
    shared,
    spreading_of,
    weighed,
)


@dataclass(frozen=True)
class Accounted:
    """The steps of a route whose relevance is counted, with the rule of each.

    Attributes
    ----------
    step : Step
        The step; of a convolution with the normalization that follows it, the normalization.
    rule : str
        The rule, in words.
    is_known : bool
        Whether there is a rule for its kind; otherwise relevance can leak.
    """

    step: Step
    rule: str
    is_known: bool


class Route:
    """The way of relevance through a graph: made once for some scores, walked for each batch.

    Parameters
    ----------
    graph : Graph
        The steps.
    scored : sequence of Output
        The outputs that the scores are read from.
    composite : Composite
        The rules of linear steps.
    """

    def __init__(self, graph: Graph, scored: Sequence[Output], composite: Composite) -> None:
        self._graph, self._scored, self._composite = graph, tuple(scored), composite
        self._schedule = forward.schedule(graph, self._scored)
        indices = [scheduled.index for scheduled in self._schedule.steps]
        self._folded = _folded(graph, indices, self._scored)
        self._positive = never_negative(graph, indices)
        self._gates = _gates(graph, indices)
        self._held = _without_images(graph, indices)
        readers = _readers(graph, indices)
        self._first = _first_linear(graph, indices)
        self._rules: dict[int, Rule] = {}
        self._silenced: set[int] = set()
        self.accounts: list[Accounted] = []
        before = set(self._folded.values())
        for index in reversed(indices):
            step = graph.steps[index]
            if index in before or index in self._held or Output(index) in graph.inputs:
                continue
            linear = graph.steps[self._folded.get(index, index)]
            if has_kernel(linear):
                self._rules[index] = composite.rule(linear, linear.index in self._first)
                after = readers.get(index, [])
                is_scored = Output(index) in self._scored
                if len(after) == 1 and not is_scored and silences_negatives(graph.steps[after[0]]):
                    self._silenced.add(index)
                self.accounts.append(Accounted(step, repr(self._rules[index]), True))
            elif _is_scaling(step):
                self.accounts.append(Accounted(step, "one linear step", True))
            else:
                found = self._spreading(step)
                words = "none" if found is None else found.__name__.replace("_", " ")
                self.accounts.append(Accounted(step, words, found is not None))
        # Computed as their rules compute them. In half precision that would round otherwise than
        # the network.
        self._exact = frozenset(filter(self._is_exact, self._rules))
        self._within = before & {self._folded.get(index) for index in self._exact}

    def _spreading(self, step: Step) -> Spreading | None:
        """How a step without weights hands on its relevance."""
        holds = self._composite.holds_attention and not self._gates.isdisjoint(step.inputs)
        return weighed if holds and is_product(step) else spreading_of(step)

    def _is_exact(self, index: int) -> bool:
        """Whether a step with a rule is computed in float32, and a normalization in it, too."""
        steps = (self._graph.steps[i] for i in (index, self._folded.get(index, index)))
        return all(step.operation.compute_dtype == "float32" for step in steps)

    @property
    def bounded(self) -> list[Output]:
        """What is read by the rules that need its values for black and white images."""
        boxed = (
            self._source(self._graph.steps[index])
            for index, rule in self._rules.items()
            if isinstance(rule, Box)
        )
        return list(dict.fromkeys(boxed))

    def walk(
        self,
        x: Any,
        weighing: Callable[[Tensors], Mapping[Output, Any]],
        at: Collection[Output] = (),
        kept: Mapping[Output, Any] | None = None,
        bounds: Mapping[Output, tuple[Any, Any]] | None = None,
    ) -> tuple[Any, list[Any], list[Any], Any, Any]:
        """The relevance of images for scores.

        Parameters
        ----------
        x : tensor of shape (N, H, W, C)
            The images.
        weighing : callable
            Gives the weights of the outputs that are scored, as (N, ...) that broadcasts: the score
            of each image is Σ output · weights.
        at : collection of Output
            Where relevance is wanted beside the image.
        kept : mapping of Output to tensor, optional
            Factors of the relevance there, such as 1 for one channel and 0 for others.
        bounds : mapping of Output to pair of tensors
            The lowest and highest values of each of `bounded`, for one image.

        Returns
        -------
        relevance : tensor of shape (N, H, W, C)
            At the image.
        wanted : list of tensors
            At each output ``at``.
        sums : list of tensors of shape (N, 3)
            For each of `accounts`: relevance that arrived, that was handed on, and that biases and
            constants took.
        scores : tensor of shape (N,)
            The relevance that was put in.
        scored : tensor
            The first output that the scores are read from.
        """
        tensors, passes = self._computed(x)
        pending = _Waiting(self._graph, keras.ops.shape(x)[0])
        scored_weights = weighing(tensors)
        for output, given in scored_weights.items():
            pending.add(output, _float(tensors[output]) * given)
        scores = sum(pending[output].sums for output in scored_weights)
        wanted: dict[Output, Any] = {}
        sums = []
        for account in self.accounts:
            step = account.step
            outputs = [Output(step.index, i) for i in range(len(step.shapes))]
            arriving = list[_Pending]()
            for output in outputs:
                one = pending.pop(output, tensors)
                # A convolution and its normalization count as one: both have the same relevance.
                before = Output(self._folded.get(step.index, step.index))
                for place in dict.fromkeys((output, before)):
                    if kept and place in kept:
                        one = pending.of(output, one.relevance * kept[place])
                    if place in at:
                        wanted[place] = one.relevance
                arriving.append(one)
            relevance = [one.relevance for one in arriving]
            read, owed, bias = self._owed(step, tensors, passes, relevance, bounds or {})
            known = {id(one.relevance): one.sums for one in arriving}
            arrived = sum(one.sums for one in arriving)
            none = keras.ops.zeros_like(arrived)
            taken = none if bias is None else pending.of_images(step, bias)
            handed = [
                pending.add(output, one, known.get(id(one)))
                for output, one in zip(read, owed, strict=True)
                if output.step not in self._held
            ]
            constants = self._held_by(step)
            for output, one in zip(read, owed, strict=True):
                if output in constants:
                    taken = taken + pending.of(Output(step.index), one).sums
            sums.append(keras.ops.stack([arrived, sum(handed), taken], axis=1))
        source = self._graph.inputs[0]
        image = pending[source].relevance
        if kept and source in kept:
            image = image * kept[source]
        wanted[source] = image
        found = [wanted[output] for output in at]
        return image, found, sums, scores, tensors[self._scored[0]]

    def _present(self, source: Output, tensors: Tensors) -> Any:
        """0 where an output is padding and 1 elsewhere; None if it is not padded."""
        step = self._graph.steps[source.step]
        if not isinstance(step.operation, keras.layers.ZeroPadding2D):
            return None
        (inside,) = step.inputs
        (present,) = forward.run_step(step, {inside: keras.ops.ones_like(tensors[inside])})
        return _float(present)

    def _computed(self, x: Any) -> tuple[dict[Output, Any], "dict[int, list[_Pass]]"]:
        """All outputs of the forward pass, and the linear operations on the way, by step."""
        tensors, passes = dict[Output, Any](), dict[int, list["_Pass"]]()
        for scheduled in self._schedule.steps:
            index, step = scheduled.index, self._graph.steps[scheduled.index]
            if index in self._within:
                continue  # its normalization computes both
            if index in self._exact:
                passes[index] = self._run(step, tensors)
                tensors[Output(index)] = passes[index][-1].read.z
                continue
            outputs = (
                scheduled.run(tensors) if scheduled.run else [keras.ops.cast(x, step.dtypes[0])]
            )
            tensors.update(zip(scheduled.made, outputs, strict=False))
        return tensors, passes

    def _held_by(self, step: Step) -> list[Output]:
        """The constants that a step combines with others, element by element."""
        if mixed_axes(step) != frozenset():
            return []
        return [output for output in step.inputs if output.step in self._held]

    def _repeated(self, step: Step, tensors: Tensors) -> Tensors:
        """``tensors`` with the constants that a step reads repeated for each image.

        So it is known what they take of the relevance of each image.
        """
        held = self._held_by(step)
        if not held:
            return tensors
        shape = keras.ops.shape(tensors[Output(step.index)])
        return {
            **tensors,
            **{output: keras.ops.broadcast_to(tensors[output], shape) for output in held},
        }

    def _source(self, step: Step) -> Output:
        """What a step with a rule reads, or the convolution before its normalization."""
        return self._graph.steps[self._folded.get(step.index, step.index)].inputs[0]

    def _run(self, step: Step, tensors: Tensors) -> "list[_Pass]":
        """The linear operations of a step with a rule, the last one with its normalization."""
        before = self._graph.steps[self._folded.get(step.index, step.index)]
        source, rule = self._source(step), self._rules[step.index]
        parts = linears(before)
        if before is not step:
            parts[-1] = parts[-1].scaled(*_scaling(step))
        passes, x = list[_Pass](), _float(tensors[source])
        for linear in parts:
            is_positive = linear is parts[0] and source in self._positive
            ends_negative = linear is not parts[-1] or step.index not in self._silenced
            passes.append(_Pass(linear, rule.run(linear, x, is_positive, ends_negative)))
            x = passes[-1].read.z
        return passes

    def _owed(
        self,
        step: Step,
        tensors: Tensors,
        passes: "dict[int, list[_Pass]]",
        relevance: Sequence[Any],
        bounds: Mapping[Output, tuple[Any, Any]],
    ) -> tuple[list[Output], list[Any], Any]:
        """What was read, its relevance, and what biases took, if any."""
        index = step.index
        if index in self._rules:
            source, run = self._source(step), passes.pop(index, None)
            if run is None:
                *before, last = self._run(step, tensors)
                own = replace(last.read, z=_float(tensors[Output(index)]))
                run = [*before, replace(last, read=own)]
            lowest, highest = (
                (
                    keras.ops.broadcast_to(bound, keras.ops.shape(tensors[source]))
                    for bound in bounds[source]
                )
                if source in bounds
                else (None, None)
            )
            present, arriving, taken = self._present(source, tensors), relevance[0], 0.0
            for one in reversed(run):
                read = replace(
                    one.read, relevance=arriving, lowest=lowest, highest=highest, present=present
                )
                owed = self._rules[index].apply(one.linear, read)
                arriving, taken = owed.relevance, taken + owed.bias
            return [source], [arriving], taken
        if _is_scaling(step):
            source, (scale, shift) = step.inputs[0], _scaling(step)
            seed = relevance[0] / stabilized(_float(tensors[Output(index)]), EPSILON)
            return [source], [_float(tensors[source]) * scale * seed], of_images(shift * seed)
        visit = Visit(step, self._repeated(step, tensors), relevance, self._gates)
        shares = (self._spreading(step) or shared)(visit)
        return visit.read, shares.read, shares.offset


@dataclass(frozen=True)
class _Pass:
    """A linear operation, and what it read and made."""

    linear: Linear
    read: Read


@dataclass(frozen=True)
class _Pending:
    """Relevance that has arrived at an output so far, and its sum over each image, (N,)."""

    relevance: Any
    sums: Any


class _Waiting:
    """The relevance that has arrived at outputs, until their steps are visited."""

    def __init__(self, graph: Graph, count: Any) -> None:
        self._graph, self._count = graph, count
        self._known: dict[Output, _Pending] = {}

    def of(self, output: Output, relevance: Any) -> _Pending:
        """The relevance at an output, with the sum over each image."""
        if not _has_images(self._graph, output):
            return _Pending(relevance, keras.ops.zeros((self._count,)))
        step = self._graph.steps[output.step]
        shape = step.shapes[output.index]
        images = shape.index(None) if None in shape else 0
        axes = tuple(axis for axis in range(len(shape)) if axis != images)
        sums = keras.ops.sum(relevance, axis=axes) if axes else relevance
        return _Pending(relevance, self.of_images(step, sums))

    def of_images(self, step: Step, sums: Any) -> Any:
        """Sums over elements of the first axis of a step, added up for each image, (N,)."""
        if step.per_image == 1:
            return sums
        return keras.ops.sum(keras.ops.reshape(sums, (self._count, -1)), axis=1)

    def add(self, output: Output, relevance: Any, sums: Any = None) -> Any:
        """Add relevance at an output; returns its sum, which is computed unless it is known."""
        one = self.of(output, relevance) if sums is None else _Pending(relevance, sums)
        known = self._known.get(output)
        self._known[output] = (
            one if known is None else _Pending(known.relevance + relevance, known.sums + one.sums)
        )
        return one.sums

    def pop(self, output: Output, tensors: Tensors) -> _Pending:
        """What has arrived at an output; zeros if nothing has."""
        known = self._known.pop(output, None)
        if known is not None:
            return known
        return self.of(output, keras.ops.zeros_like(_float(tensors[output])))

    def __getitem__(self, output: Output) -> _Pending:
        return self._known[output]


def _has_images(graph: Graph, output: Output) -> bool:
    """Whether an output has an axis of images; in networks for one batch size it is not marked."""
    return None in graph.steps[output.step].shapes[output.index] or _is_of_one_size(graph)


def _is_of_one_size(graph: Graph) -> bool:
    """Whether the network takes batches of one size alone."""
    return None not in graph.steps[graph.inputs[0].step].shape


def _without_images(graph: Graph, indices: Sequence[int]) -> set[int]:
    """The steps that are the same for each image: constants, and what is computed of them."""
    images, found = {output.step for output in graph.inputs}, set[int]()
    for index in indices:
        step = graph.steps[index]
        is_sized = any(None in shape for shape in step.shapes)
        is_behind = _is_of_one_size(graph) and not found.issuperset(x.step for x in step.inputs)
        if index not in images and not is_sized and not is_behind:
            found.add(index)
    return found


def _gates(graph: Graph, indices: Collection[int]) -> frozenset[Output]:
    """The outputs that are gates or weights, also where a step passes them on."""
    found: set[Output] = set()
    for index in indices:
        step = graph.steps[index]
        if is_gate(step) or (step.passes_on and step.inputs[0] in found):
            found.add(Output(index))
    return frozenset(found)


def _float(tensor: Any) -> Any:
    return keras.ops.cast(tensor, "float32")


def _readers(graph: Graph, indices: Collection[int]) -> dict[int, list[int]]:
    """The steps that read each step."""
    found: dict[int, list[int]] = {}
    for index in indices:
        for output in graph.steps[index].inputs:
            found.setdefault(output.step, []).append(index)
    return found


def _first_linear(graph: Graph, indices: Sequence[int]) -> set[int]:
    """Linear steps with a kernel that read the image, with no other of them before."""
    behind, constant, first = set[int](), set[int](), set[int]()
    for index in indices:
        step = graph.steps[index]
        read = {output.step for output in step.inputs}
        if step.kind == "Constant" or (read and read <= constant):
            constant.add(index)
            continue
        is_behind = not read.isdisjoint(behind)
        if has_kernel(step):
            if not is_behind:
                first.add(index)
            is_behind = True
        if is_behind:
            behind.add(index)
    return first


def _is_scaling(step: Step) -> bool:
    """Whether a step is a batch normalization with fixed statistics: a scale and a shift."""
    is_plain = type(step.operation) is keras.layers.BatchNormalization
    return is_plain and not step.kwargs.get("training")


def _scaling(step: Step) -> tuple[Any, Any]:
    """The scale and shift of a batch normalization, per channel."""
    layer = step.operation

    def value(variable: Any) -> Any:
        return keras.ops.cast(keras.ops.convert_to_tensor(variable), "float32")

    scale = keras.ops.rsqrt(value(layer.moving_variance) + layer.epsilon)
    if layer.scale:
        scale = scale * value(layer.gamma)
    shift = -value(layer.moving_mean) * scale
    if layer.center:
        shift = shift + value(layer.beta)
    after = len(step.shape) - 1 - _axis(step)
    if after:
        scale, shift = (keras.ops.reshape(one, (-1, *[1] * after)) for one in (scale, shift))
    return scale, shift


def _axis(step: Step) -> int:
    """The axis of a batch normalization in the layout in which it runs."""
    run: Any = step.run
    return int(run.axis % len(step.shape))


def _folded(graph: Graph, indices: Sequence[int], scored: Sequence[Output]) -> dict[int, int]:
    """Batch normalizations that alone read a linear step, and that step: both are one operation."""
    readers, found = _readers(graph, indices), {}
    for index in indices:
        step = graph.steps[index]
        if not _is_scaling(step):
            continue
        before = graph.steps[step.inputs[0].step]
        is_alone = readers[before.index] == [index] and Output(before.index) not in scored
        if has_kernel(before) and is_alone and _axis(step) == channel_axis(before):
            found[index] = before.index
    return found
