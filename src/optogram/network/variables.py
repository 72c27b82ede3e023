"""All variables that the steps of a network read: the model's, and those it does not list."""

from collections.abc import Iterable
from contextlib import suppress

import keras

from optogram.network.steps import Graph


def all_variables(graph: Graph, listed: Iterable[keras.Variable]) -> tuple[keras.Variable, ...]:
    """The variables ``listed``, then those of steps that are not among them, each once.

    A layer that is the activation of another is built when it first runs, so that its model does
    not know its weights before: it is built here.
    """
    found = {id(variable): variable for variable in listed}
    for step in graph.steps:
        activation = getattr(step.operation, "activation", None)
        if isinstance(activation, keras.Layer) and not activation.built:
            with suppress(Exception):  # where it cannot be built it says so when it runs
                activation.build(step.shape)
        for layer in (step.operation, activation):
            if isinstance(layer, keras.Layer):
                found.update((id(v), v) for v in layer.variables if id(v) not in found)
    return tuple(found.values())
