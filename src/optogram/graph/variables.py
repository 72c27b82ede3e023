"""All variables that the steps of a network read."""

from collections.abc import Iterable
from functools import partial

import keras

from optogram.graph.steps import Graph


def all_variables(graph: Graph, listed: Iterable[keras.Variable]) -> tuple[keras.Variable, ...]:
    """The variables ``listed``, then further variables of steps, without duplicates."""
    found = {id(variable): variable for variable in listed}
    for step in graph.steps:
        applied = step.run.args if isinstance(step.run, partial) else (step.run,)
        for layer in (step.operation, *applied):
            if isinstance(layer, keras.Layer):
                found.update((id(v), v) for v in layer.variables if id(v) not in found)
    return tuple(found.values())
