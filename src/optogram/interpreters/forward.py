"""The forward interpreter: runs only the steps that the wanted outputs depend on."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras

from optogram import backend
from optogram.errors import ModelError
from optogram.graph import layer_types
from optogram.graph.keras_private.copies import own_names
from optogram.graph.steps import Graph, Output, Step

_LENGTH = 200
"""Number of characters quoted from the error message of custom code."""

Tensors = Mapping[Output, Any]
"""Computed outputs, by their place in the graph."""


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
    before : int, optional
        Index of the convolution whose output only this step, a batch normalization, reads.
    folded : callable, optional
        As ``run``, from what the convolution ``before`` reads: both are one convolution.
    """

    index: int
    run: Callable[[Tensors], list[Any]] | None
    made: tuple[Output, ...]
    unneeded: tuple[Output, ...]
    overwriting: Callable[[Tensors], list[Any]] | None = None
    before: int | None = None
    folded: Callable[[Tensors], list[Any]] | None = None


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
        later = self._folded(add.keys() | replace.keys())
        with own_names():
            for scheduled in self.steps:
                index, step = scheduled.index, self.graph.steps[scheduled.index]
                if index in later:
                    continue
                run = scheduled.run
                if scheduled.before in later:
                    run = scheduled.folded
                # What replaces an output may be held elsewhere, or reads the input, too.
                if scheduled.overwriting and replace.keys().isdisjoint(
                    (index, step.inputs[0].step)
                ):
                    run = scheduled.overwriting
                outputs = run(tensors) if run else [_fed(step, x)]
                if index in replace:
                    outputs[0] = replace[index](tensors[step.inputs[0]], outputs[0])
                if index in add:
                    outputs[0] = outputs[0] + keras.ops.cast(add[index], outputs[0].dtype)
                tensors.update(zip(scheduled.made, outputs, strict=False))
                for unneeded in (*later.get(scheduled.before, ()), *scheduled.unneeded):
                    tensors.pop(unneeded, None)  # a folded convolution has no output
        return [tensors[output] for output in self.wanted]

    def _folded(self, changed: Set[int]) -> dict[int | None, tuple[Output, ...]]:
        """The convolutions that normalizations do, and what is unneeded after each.

        Steps whose outputs are ``changed`` stay apart.
        """
        unneeded = {scheduled.index: scheduled.unneeded for scheduled in self.steps}
        return {
            scheduled.before: unneeded[scheduled.before]
            for scheduled in self.steps
            if scheduled.before is not None
            and changed.isdisjoint((scheduled.index, scheduled.before))
        }


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
        before = foldable(graph, step, indices, unneeded)
        folded = None if before is None else folding(before, before.run, step)
        at = before.index if before is not None and folded else None
        steps.append(ScheduledStep(index, run, made, free, overwriting, at, folded))
    return Schedule(graph, tuple(wanted), tuple(steps))


def foldable(
    graph: Graph, step: Step, indices: Sequence[int], unneeded: Mapping[int, Collection[Output]]
) -> Step | None:
    """The convolution that the batch normalization ``step`` can be folded into, if there is one.

    Of the steps ``indices``, which run in order, only the normalization reads it; what it reads is
    not among what is ``unneeded`` after a step between them. A graph that rounds as the model does
    has none.
    """
    if not graph.rounding or not step.inputs:
        return None
    normalization: Any = step.run
    if type(normalization) is not keras.layers.BatchNormalization or step.kwargs.get("training"):
        return None
    before = graph.steps[step.inputs[0].step]
    if before.index not in indices or step.inputs[0] not in unneeded.get(step.index, ()):
        return None
    if not before.inputs:  # the image
        return None
    is_convolution = type(before.run) in (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)
    dtypes = {*step.dtypes, *before.dtypes, *graph.steps[before.inputs[0].step].dtypes}
    if not is_convolution or before.half == "activation" or dtypes != {"float32"}:
        return None
    is_last = normalization.axis % len(step.shape) == len(step.shape) - 1
    if getattr(before.run, "quantization_mode", None) or not is_last:
        return None
    readers = [index for index in indices if step.inputs[0] in graph.steps[index].inputs]
    between = [index for index in indices if before.index < index < step.index]
    freed = {output for index in between for output in unneeded.get(index, ())}
    is_kept = freed.isdisjoint(before.inputs)
    return before if readers == [step.index] and is_kept else None


def folding(before: Step, layer: Any, step: Step) -> Callable[[Tensors], list[Any]] | None:
    """The convolution ``before`` and the normalization ``step`` as one, if that is faster.

    ``layer`` is the convolution, or a view of it.
    """
    run = backend.current().folded(layer, step.run)
    if run is None:
        return None
    source = before.inputs[0]
    return lambda tensors: [run(tensors[source])]


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
