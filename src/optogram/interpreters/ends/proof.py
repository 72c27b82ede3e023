"""Proves from the graph that a network ends in a softmax, a sigmoid, or unbounded numbers.

A claim is also tested: the steps from a tensor to the output are run on random numbers, and must
return the softmax, or the sigmoid, of that tensor.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np

from optogram.graph.steps import Graph, Output, Returned, Shape, Step
from optogram.interpreters import forward
from optogram.interpreters.ends.bounds import MOVES, name_of, unbounded
from optogram.interpreters.room import has_room

_LONGEST = 24
"""Largest number of steps after the last weights that are searched for an activation."""
_EXAMPLES, _NUMBERS = 16, 20_000
"""Number of test examples; fewer if they have too many values."""
_UNKNOWN_SIDE = 4
_TOLERANCE = {"bfloat16": 2e-2, "float16": 2e-3}
_EXACT = 1e-5
_REACH, _REACH_OF_HALVES = 20.0, 5.0
"""Largest random numbers; a softmax in float16 overflows sooner."""


@dataclass(frozen=True)
class Ending:
    """The end of a network.

    Attributes
    ----------
    kind : {"softmax", "sigmoid", "linear"}
        The activation, over the last axis of the output.
    logits : Output
        The input of the activation; the output itself for a linear end.
    moves : tuple of Step
        Later steps that move elements; logits are passed through them.
    """

    kind: str
    logits: Output
    moves: tuple[Step, ...] = ()


def proven(graph: Graph, output: Output) -> Ending | None:
    """The end of the network at ``output``, if the graph proves it.

    Steps after the activation are passed if they keep a softmax over the last axis, or a sigmoid:
    casts, clips to 0…1, products with 1, reshapes, pooling over 1×1 maps.
    """
    graph, output = without_returned(graph, output)
    found = _looked_through(graph, output)
    if found is None and unbounded(graph, output):
        return Ending("linear", output)
    return found


def without_returned(graph: Graph, output: Output) -> tuple[Graph, Output]:
    """The graph with steps that stand for inlined layers replaced by their inputs."""
    if not any(isinstance(step.operation, Returned) for step in graph.steps):
        return graph, output

    def behind(leaf: Any) -> Any:
        while isinstance(leaf, Output) and isinstance(graph.steps[leaf.step].operation, Returned):
            leaf = graph.steps[leaf.step].inputs[leaf.index]
        return leaf

    steps = (
        replace(
            step,
            args=keras.tree.map_structure(behind, step.args),
            kwargs=keras.tree.map_structure(behind, dict(step.kwargs)),
            inputs=tuple(map(behind, step.inputs)),
        )
        for step in graph.steps
    )
    return replace(graph, steps=tuple(steps)), behind(output)


def _looked_through(graph: Graph, output: Output) -> Ending | None:
    tensor, between = output, list[Step]()
    moves: tuple[Step, ...] = ()
    while True:
        read, steps = _before(graph, tensor)
        between += steps
        if read is None or len(between) > _LONGEST:
            return None
        shape, made = _shape(graph, read), _shape(graph, tensor)
        if len(steps) == 1 and (shape != made or name_of(steps[0]) in MOVES):
            moves = (steps[0], *moves)
        elif shape != made:
            return None
        elif kind := _activation(graph, read, moves, output, _tolerance(graph, read, between)):
            return Ending(kind, read, moves)
        tensor = read


def _before(graph: Graph, tensor: Output) -> tuple[Output | None, list[Step]]:
    """The nearest tensor that determines ``tensor``, and the steps between.

    None if the steps between have weights, or are too many.
    """
    waiting, steps = {tensor}, list[Step]()
    while len(steps) < _LONGEST:
        last = max(waiting, key=lambda one: one.step)
        step = graph.steps[last.step]
        if not step.inputs or has_weights(step):
            break
        steps.append(step)
        waiting = {one for one in waiting if one.step != last.step}
        waiting |= set(step.inputs)
        if len(waiting) == 1:
            return waiting.pop(), steps
    return None, steps


def has_weights(step: Step) -> bool:
    """Whether the output of the step depends on weights."""
    is_layer = isinstance(step.operation, keras.Layer) and step.half != "activation"
    return is_layer and bool(step.operation.weights)


def _activation(
    graph: Graph, read: Output, moves: Sequence[Step], output: Output, tolerance: float
) -> str | None:
    """Whether ``output`` is the softmax or the sigmoid of ``read``, passed through ``moves``."""
    if not can_be_tried(graph, output, [read]):
        return None
    given = random_numbers(graph, [read])[read]
    logits = given
    # Custom code can raise any exception for test numbers.
    try:
        (answers,) = forward.run(graph, None, [output], known={read: given})
        for step in moves:
            (logits,) = forward.run_step(step, {step.inputs[0]: logits})
    except Exception:
        return None
    logits, answers = as_array(logits), as_array(answers)
    for kind, activation in _ACTIVATIONS.items():
        expected = activation(logits)
        is_alike = expected.shape == answers.shape
        if is_alike and np.allclose(answers, expected, rtol=0, atol=tolerance):
            return kind
    return None


def can_be_tried(graph: Graph, output: Output, known: Sequence[Output]) -> bool:
    """Whether there is memory for the steps from ``known`` to ``output`` on `random_numbers`."""
    steps = graph.ancestors([output], known) | {tensor.step for tensor in known}
    _, count = _examples(graph, known)
    return has_room(graph, steps, count, _UNKNOWN_SIDE)


def _examples(graph: Graph, wanted: Sequence[Output]) -> tuple[list[list[int]], int]:
    """Shapes of ``wanted`` with invented open sides, and the number of test examples."""
    shapes = [[side or _UNKNOWN_SIDE for side in _shape(graph, tensor)[1:]] for tensor in wanted]
    return shapes, int(np.clip(_NUMBERS // max(1, *map(math.prod, shapes)), 2, _EXAMPLES))


def random_numbers(graph: Graph, wanted: Sequence[Output]) -> dict[Output, Any]:
    """Tensors for ``wanted``, from unsaturated to saturated values."""
    rng = np.random.default_rng(0)
    shapes, count = _examples(graph, wanted)
    found = {}
    for tensor, sides in zip(wanted, shapes, strict=True):
        kind = graph.steps[tensor.step].dtypes[tensor.index]
        reach = np.geomspace(0.5, _REACH_OF_HALVES if "16" in kind else _REACH, count)
        drawn = rng.uniform(-1, 1, (count, *sides)) * reach.reshape(-1, *(1 for _ in sides))
        found[tensor] = keras.ops.cast(keras.ops.convert_to_tensor(drawn.astype(np.float32)), kind)
    return found


def as_array(tensor: Any) -> np.ndarray:
    """A tensor of any dtype as float64."""
    array = keras.ops.convert_to_numpy(keras.ops.cast(tensor, "float32"))
    return np.asarray(array, np.float64)


def _tolerance(graph: Graph, read: Output, between: Sequence[Step]) -> float:
    """Tolerance of probabilities after rounding in the steps ``between``."""
    types = [kind for step in (graph.steps[read.step], *between) for kind in step.dtypes]
    return max(_TOLERANCE.get(kind, _EXACT) for kind in types)


def softmax(logits: np.ndarray) -> np.ndarray:
    """The softmax over the last axis."""
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """The logistic function of each element."""
    return 0.5 * (1 + np.tanh(logits / 2))


_ACTIVATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "softmax": softmax,
    "sigmoid": sigmoid,
}


def _shape(graph: Graph, tensor: Output) -> Shape:
    return graph.steps[tensor.step].shapes[tensor.index]
