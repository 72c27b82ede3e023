"""The forward interpreter: runs only the steps that the wanted outputs depend on."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import keras

from optogram import backend
from optogram.errors import ModelError
from optogram.graph import layer_types
from optogram.graph.keras_private.copies import own_names
from optogram.graph.steps import Graph, Output, Step
from optogram.interpreters.merging import chains

_LENGTH = 200
"""Number of characters quoted from the error message of custom code."""

Tensors = Mapping[Output, Any]
"""Computed outputs, by their place in the graph."""


@dataclass(frozen=True)
class MergedSteps:
    """Steps that can be one operation.

    Attributes
    ----------
    earlier : tuple of int
        Indices of the steps before the last one, whose outputs are not made.
    run : callable
        Returns the list of the outputs of the last one, given the available tensors.
    """

    earlier: tuple[int, ...]
    run: Callable[[Tensors], list[Any]]


@dataclass(frozen=True)
class ScheduledStep:
    """One step of a `Schedule`.

    Attributes
    ----------
    index : int
        Index of the step.
    run : callable
        Returns the list of its outputs, given the available tensors; None for the input step.
    made : tuple of Output
        The outputs of the step.
    unneeded : tuple of Output
        The outputs that no later step reads.
    overwriting : callable, optional
        As ``run``, but overwrites the tensor that it reads, which nothing else holds.
    merged : tuple of MergedSteps
        The chains that end with this step and can be one operation, the longest first.
    """

    index: int
    run: Callable[[Tensors], list[Any]] | None
    made: tuple[Output, ...]
    unneeded: tuple[Output, ...]
    overwriting: Callable[[Tensors], list[Any]] | None = None
    merged: tuple[MergedSteps, ...] = ()


@dataclass(frozen=True)
class Schedule:
    """The steps to run for some outputs: made once by `schedule`, run for each batch.

    Attributes
    ----------
    graph : Graph
        The graph, with one input.
    wanted : tuple of Output
        The outputs to compute.
    steps : tuple of ScheduledStep
        The necessary steps, in order.
    """

    graph: Graph
    wanted: tuple[Output, ...]
    steps: tuple[ScheduledStep, ...]

    def run(
        self,
        x: Any,
        add: Mapping[int, Any] | None = None,
        replace: Mapping[int, Callable[[Any, Any], Any]] | None = None,
        known: Tensors | None = None,
    ) -> list[Any]:
        """The outputs wanted for the input ``x``.

        Tensors are released as soon as no later step reads them.

        Parameters
        ----------
        x : tensor of shape (N, H, W, C)
            The images, in network units.
        add : mapping of int to tensor, optional
            Added to the first output of the step with that index (perturbed forward pass). The
            gradient with respect to an added zero is the gradient at that step, however the output
            is used afterwards.
        replace : mapping of int to callable
            Replaces the first output of the step with that index, given its first input and that
            output (guided and edited forward pass).
        known : mapping of Output to tensor
            The known outputs that the schedule starts from.

        Returns
        -------
        list of tensor
            Outputs in the order of ``wanted``.
        """
        add, replace = add or {}, replace or {}
        tensors: dict[Output, Any] = dict(known or {})
        merged = self._merged(add.keys() | replace.keys())
        done_later = {index for chain in merged.values() for index in chain.earlier}
        with own_names():
            for scheduled in self.steps:
                index, step = scheduled.index, self.graph.steps[scheduled.index]
                if index in done_later:
                    continue
                run = scheduled.run
                # What replaces an output may be held elsewhere, or reads the input, too.
                if scheduled.overwriting and replace.keys().isdisjoint(
                    (index, step.inputs[0].step)
                ):
                    run = scheduled.overwriting
                chain = merged.get(index)
                run = run if chain is None else chain.run
                outputs = run(tensors) if run else [_fed(step, x)]
                if index in replace:
                    outputs[0] = replace[index](tensors[step.inputs[0]], outputs[0])
                if index in add:
                    outputs[0] = outputs[0] + keras.ops.cast(add[index], outputs[0].dtype)
                tensors.update(zip(scheduled.made, outputs, strict=False))
                for one in (index,) if chain is None else (*chain.earlier, index):
                    for unneeded in self._unneeded[one]:
                        tensors.pop(unneeded, None)  # what is merged has no output
        return [tensors[output] for output in self.wanted]

    @cached_property
    def _unneeded(self) -> dict[int, tuple[Output, ...]]:
        """The outputs that no step after the one with that index reads."""
        return {scheduled.index: scheduled.unneeded for scheduled in self.steps}

    def _merged(self, changed: Set[int]) -> dict[int, MergedSteps]:
        """The chains that run as one operation, by the index of their last step.

        Steps whose outputs are ``changed`` stay apart.
        """
        found, done = dict[int, MergedSteps](), set[int]()
        for scheduled in reversed(self.steps):
            for chain in scheduled.merged:
                steps = {*chain.earlier, scheduled.index}
                if scheduled.index not in done and changed.isdisjoint(steps):
                    found[scheduled.index] = chain
                    done |= steps
        return found


def schedule(graph: Graph, wanted: Sequence[Output], known: Collection[Output] = ()) -> Schedule:
    """A schedule for the outputs ``wanted``, from the image or from outputs that are ``known``.

    It contains only the necessary steps, each in its fastest form for the backend.
    """
    indices = sorted(graph.ancestors(wanted, known))
    unneeded = graph.last_uses(indices, keep=wanted)
    steps = []
    for index in indices:
        step = graph.steps[index]
        # Some layers differ in training.
        operation = step.run if step.kwargs.get("training") else fastest(step.run)
        run = None if Output(index) in graph.inputs else runner(step, operation)
        made = tuple(Output(index, i) for i in range(len(step.shapes)))
        free = tuple(unneeded.get(index, ()))
        overwriting = _overwriting(graph, step, set(free) - set(known))
        merged = tuple(
            MergedSteps(tuple(one.index for one in chain.earlier), do)
            for chain in chains(graph, step, indices, unneeded)
            if (do := chain.merged(chain.convolution.run)) is not None
        )
        steps.append(ScheduledStep(index, run, made, free, overwriting, merged))
    return Schedule(graph, tuple(wanted), tuple(steps))


def _overwriting(
    graph: Graph, step: Step, unneeded: Collection[Output]
) -> Callable[[Tensors], list[Any]] | None:
    """A rectifier that overwrites what it reads, if that is faster and nothing else holds it."""
    if len(step.inputs) != 1 or step.inputs[0] not in unneeded or len(step.applied) != 1:
        return None
    before = graph.steps[step.inputs[0].step]
    # Layers of other kinds may return their input, or a view of it.
    if type(before.operation) not in layer_types.WITH_NEW_OUTPUT or before.dtypes != step.dtypes:
        return None
    if before.half == "activation":
        return None
    run = backend.current().overwriting(step.applied[0])
    return None if run is None else runner(step, outside_training(run))


def run(
    graph: Graph,
    x: Any,
    wanted: Sequence[Output],
    add: Mapping[int, Any] | None = None,
    replace: Mapping[int, Callable[[Any, Any], Any]] | None = None,
    known: Tensors | None = None,
) -> list[Any]:
    """The outputs ``wanted`` for ``x``, with a temporary `schedule`."""
    return schedule(graph, wanted, known or ()).run(x, add, replace, known)


def fastest(operation: Callable[..., Any]) -> Callable[..., Any]:
    """The fastest equivalent of ``operation`` on the backend."""
    faster = backend.current().faster(operation)
    return operation if faster is None else outside_training(faster)


def outside_training(run: Callable[[Any], Any]) -> Callable[..., Any]:
    """``run``, called as a layer, in inference mode."""
    return partial(_called_as_layer, run)


def _called_as_layer(
    run: Callable[[Any], Any], x: Any, training: bool | None = None, mask: None = None
) -> Any:
    return run(x)


def _fed(step: Step, x: Any) -> Any:
    """The output of the conversions of ``x`` before the first layer of a model."""
    return keras.ops.cast(x, step.dtypes[0])


def runner(step: Step, run: Callable[..., Any] | None = None) -> Callable[[Tensors], list[Any]]:
    """A function from the tensors that ``step`` reads to the list of its outputs.

    ``run`` replaces the operation of the step.
    """
    if step.passes_on:
        (source,) = step.inputs
        return lambda tensors: [passed_on(step, tensors[source])]
    function = run or step.run
    args = [_argument(given) for given in step.args]
    kwargs = {name: _argument(given) for name, given in step.kwargs.items()}

    def outputs(tensors: Tensors) -> list[Any]:
        given = [argument(tensors) for argument in args]
        named = {name: argument(tensors) for name, argument in kwargs.items()}
        try:
            made = function(*given, **named)
        except Exception as error:
            if not isinstance(step.operation, keras.Model):
                raise  # unchanged, so that the author of the layer recognizes it
            raise ModelError(
                f"The model {step.name!r} ({step.kind}) has a call() that failed when optogram "
                f"ran it ({_reason(error)}): write it with layers and keras.ops, which have "
                "gradients."
            ) from error
        # Layers may return None; later steps cannot read it.
        return [keras.ops.zeros(()) if one is None else one for one in keras.tree.flatten(made)]

    return outputs


def _argument(given: Any) -> Callable[[Tensors], Any]:
    """A function from tensors to an argument of a call, with each `Output` in it replaced."""
    if isinstance(given, Output):
        return lambda tensors: tensors[given]
    if not keras.tree.is_nested(given):
        return lambda tensors: given
    if type(given) in (list, tuple) and all(isinstance(leaf, Output) for leaf in given):
        kind = type(given)
        return lambda tensors: kind([tensors[output] for output in given])
    return lambda tensors: keras.tree.map_structure(
        lambda leaf: tensors[leaf] if isinstance(leaf, Output) else leaf, given
    )


def run_step(step: Step, tensors: Tensors) -> list[Any]:
    """The outputs of ``step`` for ``tensors``, which contain its inputs."""
    return runner(step)(tensors)


def passed_on(step: Step, tensor: Any) -> Any:
    """``tensor`` in the dtype of the step output."""
    is_same = keras.backend.standardize_dtype(tensor.dtype) == step.dtypes[0]
    return tensor if is_same else keras.ops.cast(tensor, step.dtypes[0])


def _reason(error: Exception) -> str:
    """The first meaningful line of an error message of Keras."""
    bold = re.search(r"\x1b\[1m(.*?)\x1b\[0m", str(error), re.DOTALL)
    words = " ".join((bold[1] if bold else str(error)).split())
    return words[:_LENGTH].rstrip(".") or type(error).__name__
