"""The forward interpreter: run the steps that are asked for, and no others."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras

from optogram.network import keras_graph
from optogram.network.steps import Graph, Step, Value


def run(
    graph: Graph,
    x: Any,
    wanted: Sequence[Value],
    add: Mapping[int, Any] | None = None,
    replace: Mapping[int, Callable[[Any, Any], Any]] | None = None,
) -> list[Any]:
    """The values ``wanted`` for the input ``x``.

    Tensors are let go as soon as no later step reads them.

    Parameters
    ----------
    graph : Graph
        With one input.
    x : tensor of shape (N, H, W, C)
        What is fed, in network units.
    wanted : sequence of Value
        What is asked for; steps that none of them depends on are not run.
    add : mapping of int to tensor, optional
        Added to the first output of the step with that index: the perturbed forward pass. The
        gradient with respect to such a zero is the gradient at that step, whichever way the
        output is used afterwards.
    replace : mapping of int to callable
        What to put in the place of the output of the step with that index, given what the step
        read and what it made: the guided forward pass.

    Returns
    -------
    list of tensor
        In the order of ``wanted``.
    """
    add, replace = add or {}, replace or {}
    indices = sorted(graph.ancestors(wanted))
    let_go = graph.last_uses(indices, keep=wanted)
    tensors: dict[Value, Any] = {}
    with keras_graph.losses_kept(graph.steps[index].operation for index in indices):
        for index in indices:
            step = graph.steps[index]
            outputs = [_fed(step, x)] if Value(index) in graph.inputs else _run_step(step, tensors)
            if index in replace:
                outputs = [replace[index](tensors[step.inputs[0]], outputs[0])]
            if index in add:
                outputs[0] = outputs[0] + keras.ops.cast(add[index], outputs[0].dtype)
            tensors.update((Value(index, i), output) for i, output in enumerate(outputs))
            for value in let_go.get(index, ()):
                del tensors[value]
    return [tensors[value] for value in wanted]


def _fed(step: Step, x: Any) -> Any:
    """What the model makes of ``x`` before its first layer."""
    return keras.ops.cast(x, step.dtypes[0])


def _run_step(step: Step, tensors: Mapping[Value, Any]) -> list[Any]:
    args, kwargs = keras.tree.map_structure(
        lambda leaf: tensors[leaf] if isinstance(leaf, Value) else leaf,
        (step.args, dict(step.kwargs)),
    )
    return keras.tree.flatten(step.run(*args, **kwargs))
