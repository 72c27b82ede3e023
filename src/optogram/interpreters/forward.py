"""The forward interpreter: run the steps that are asked for, and no others."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras

from optogram import backend
from optogram.errors import ModelError
from optogram.graph.keras_private.copies import own_names
from optogram.graph.steps import Graph, Output, Step

_LENGTH = 200
"""How much is quoted of what somebody else's code says."""

Tensors = Mapping[Output, Any]
"""Outputs that are there, by their place in the graph."""


@dataclass(frozen=True)
class Turn:
    """One step of a `Schedule`.

    Attributes
    ----------
    index : int
        Of the step.
    run : callable
        Given the tensors that are there, those that the step reads among them, returns a list of
        its outputs; None for the step that is fed.
    made : tuple of Output
        The places of those outputs.
    unneeded : tuple of Output
        The outputs that no later step reads.
    """

    index: int
    run: Callable[[Tensors], list[Any]] | None
    made: tuple[Output, ...]
    unneeded: tuple[Output, ...]


@dataclass(frozen=True)
class Schedule:
    """How a graph is run up to some outputs: made once by `schedule`, run for each batch.

    Attributes
    ----------
    graph : Graph
        With one input.
    wanted : tuple of Output
        What is asked for.
    turns : tuple of Turn
        The steps that they depend on, in order.
    """

    graph: Graph
    wanted: tuple[Output, ...]
    turns: tuple[Turn, ...]

    def run(
        self,
        x: Any,
        add: Mapping[int, Any] | None = None,
        replace: Mapping[int, Callable[[Any, Any], Any]] | None = None,
        known: Tensors | None = None,
    ) -> list[Any]:
        """The outputs wanted for the input ``x``.

        Tensors are let go as soon as no later step reads them.

        Parameters
        ----------
        x : tensor of shape (N, H, W, C)
            What is fed, in network units.
        add : mapping of int to tensor, optional
            Added to the first output of the step with that index: the perturbed forward pass. The
            gradient with respect to such a zero is the gradient at that step, whichever way the
            output is used afterwards.
        replace : mapping of int to callable
            What to put in the place of the output of the step with that index, given what the step
            read and what it made: the guided forward pass.
        known : mapping of Output to tensor
            The outputs that the schedule was made to start from.

        Returns
        -------
        list of tensor
            In the order of ``wanted``.
        """
        add, replace = add or {}, replace or {}
        tensors: dict[Output, Any] = dict(known or {})
        with own_names():
            for turn in self.turns:
                index, step = turn.index, self.graph.steps[turn.index]
                outputs = turn.run(tensors) if turn.run else [_fed(step, x)]
                if index in replace:
                    outputs = [replace[index](tensors[step.inputs[0]], outputs[0])]
                if index in add:
                    outputs[0] = outputs[0] + keras.ops.cast(add[index], outputs[0].dtype)
                tensors.update(zip(turn.made, outputs, strict=False))
                for unneeded in turn.unneeded:
                    del tensors[unneeded]
        return [tensors[output] for output in self.wanted]


def schedule(graph: Graph, wanted: Sequence[Output], known: Collection[Output] = ()) -> Schedule:
    """How the outputs ``wanted`` are computed from the image, or from outputs that are ``known``.

    Steps that none of ``wanted`` depends on, or that lead only to what is known, are not run. Each
    step is run by what the backend runs fastest.
    """
    indices = sorted(graph.ancestors(wanted, known))
    unneeded = graph.last_uses(indices, keep=wanted)
    turns = []
    for index in indices:
        step = graph.steps[index]
        run = None if Output(index) in graph.inputs else runner(step, fastest(step.run))
        made = tuple(Output(index, i) for i in range(len(step.shapes)))
        turns.append(Turn(index, run, made, tuple(unneeded.get(index, ()))))
    return Schedule(graph, tuple(wanted), tuple(turns))


def run(
    graph: Graph,
    x: Any,
    wanted: Sequence[Output],
    add: Mapping[int, Any] | None = None,
    replace: Mapping[int, Callable[[Any, Any], Any]] | None = None,
    known: Tensors | None = None,
) -> list[Any]:
    """The outputs ``wanted`` for ``x``, for once: a `schedule` made and run."""
    return schedule(graph, wanted, known or ()).run(x, add, replace, known)


def fastest(operation: Callable[..., Any]) -> Callable[..., Any]:
    """What computes the same as ``operation`` and runs fastest on the backend."""
    faster = backend.current().faster(operation)
    return operation if faster is None else outside_training(faster)


def outside_training(run: Callable[[Any], Any]) -> Callable[..., Any]:
    """``run`` called as a layer is: told whether it trains, which it never does."""
    return partial(_called_as_layer, run)


def _called_as_layer(run: Callable[[Any], Any], x: Any, training: bool | None = None) -> Any:
    return run(x)


def _fed(step: Step, x: Any) -> Any:
    """What the model makes of ``x`` before its first layer."""
    return keras.ops.cast(x, step.dtypes[0])


def runner(step: Step, run: Callable[..., Any] | None = None) -> Callable[[Tensors], list[Any]]:
    """A function of the tensors that ``step`` reads that returns a list of what it makes.

    ``run`` stands in for what the step runs.
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
                raise  # as it is: whoever wrote the layer knows it by that
            raise ModelError(
                f"The model {step.name!r} ({step.kind}) has a call() that failed when optogram ran "
                f"it ({_reason(error)}): write it with layers and keras.ops, on which gradients "
                "can be had."
            ) from error
        return keras.tree.flatten(made)

    return outputs


def _argument(given: Any) -> Callable[[Tensors], Any]:
    """A function of tensors that returns an argument of a call, each `Output` in it replaced."""
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
    """What ``step`` makes of ``tensors``, those that it reads among them, for once."""
    return runner(step)(tensors)


def passed_on(step: Step, tensor: Any) -> Any:
    """``tensor`` in the type of what ``step`` makes, which changes nothing else."""
    is_same = keras.backend.standardize_dtype(tensor.dtype) == step.dtypes[0]
    return tensor if is_same else keras.ops.cast(tensor, step.dtypes[0])


def _reason(error: Exception) -> str:
    """What went wrong, in a line: Keras prints it in bold, among the arguments of the call."""
    bold = re.search(r"\x1b\[1m(.*?)\x1b\[0m", str(error), re.DOTALL)
    words = " ".join((bold[1] if bold else str(error)).split())
    return words[:_LENGTH].rstrip(".") or type(error).__name__
