"""The forward interpreter: run the steps that are asked for, and no others."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras

from optogram.errors import ModelError
from optogram.graph.keras_private.copies import own_names
from optogram.graph.steps import Graph, Output, Step

_LENGTH = 200
"""How much is quoted of what somebody else's code says."""


def run(
    graph: Graph,
    x: Any,
    wanted: Sequence[Output],
    add: Mapping[int, Any] | None = None,
    replace: Mapping[int, Callable[[Any, Any], Any]] | None = None,
    known: Mapping[Output, Any] | None = None,
) -> list[Any]:
    """The outputs ``wanted`` for the input ``x``.

    Tensors are let go as soon as no later step reads them.

    Parameters
    ----------
    graph : Graph
        With one input.
    x : tensor of shape (N, H, W, C)
        What is fed, in network units.
    wanted : sequence of Output
        What is asked for; steps that none of them depends on are not run.
    add : mapping of int to tensor, optional
        Added to the first output of the step with that index: the perturbed forward pass. The
        gradient with respect to such a zero is the gradient at that step, whichever way the
        output is used afterwards.
    replace : mapping of int to callable
        What to put in the place of the output of the step with that index, given what the step
        read and what it made: the guided forward pass.
    known : mapping of Output to tensor
        Outputs that are there already; steps that lead only to them are not run.

    Returns
    -------
    list of tensor
        In the order of ``wanted``.
    """
    add, replace = add or {}, replace or {}
    tensors: dict[Output, Any] = dict(known or {})
    indices = sorted(graph.ancestors(wanted, tensors))
    let_go = graph.last_uses(indices, keep=wanted)
    with own_names():
        for index in indices:
            step = graph.steps[index]
            is_fed = Output(index) in graph.inputs
            outputs = [_fed(step, x)] if is_fed else run_step(step, tensors)
            if index in replace:
                outputs = [replace[index](tensors[step.inputs[0]], outputs[0])]
            if index in add:
                outputs[0] = outputs[0] + keras.ops.cast(add[index], outputs[0].dtype)
            tensors.update((Output(index, i), output) for i, output in enumerate(outputs))
            for unneeded in let_go.get(index, ()):
                del tensors[unneeded]
    return [tensors[output] for output in wanted]


def _fed(step: Step, x: Any) -> Any:
    """What the model makes of ``x`` before its first layer."""
    return keras.ops.cast(x, step.dtypes[0])


def run_step(
    step: Step, tensors: Mapping[Output, Any], run: Callable[..., Any] | None = None
) -> list[Any]:
    """What ``step`` makes of ``tensors``, those that it reads among them.

    ``run`` stands in for what the step runs.
    """
    if step.passes_on:
        return [passed_on(step, tensors[step.inputs[0]])]
    args, kwargs = keras.tree.map_structure(
        lambda leaf: tensors[leaf] if isinstance(leaf, Output) else leaf,
        (step.args, dict(step.kwargs)),
    )
    try:
        return keras.tree.flatten((run or step.run)(*args, **kwargs))
    except Exception as error:
        if not isinstance(step.operation, keras.Model):
            raise  # as it is: whoever wrote the layer knows it by that
        raise ModelError(
            f"The model {step.name!r} ({step.kind}) has a call() that failed when optogram ran it "
            f"({_reason(error)}): write it with layers and keras.ops, on which gradients can be "
            "had."
        ) from error


def passed_on(step: Step, tensor: Any) -> Any:
    """``tensor`` in the type of what ``step`` makes, which changes nothing else."""
    is_same = keras.backend.standardize_dtype(tensor.dtype) == step.dtypes[0]
    return tensor if is_same else keras.ops.cast(tensor, step.dtypes[0])


def _reason(error: Exception) -> str:
    """What went wrong, in a line: Keras prints it in bold, among the arguments of the call."""
    bold = re.search(r"\x1b\[1m(.*?)\x1b\[0m", str(error), re.DOTALL)
    words = " ".join((bold[1] if bold else str(error)).split())
    return words[:_LENGTH].rstrip(".") or type(error).__name__
