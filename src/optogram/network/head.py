"""How a network ends: where its logits and probabilities are, and how many classes it names."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import keras
import numpy as np

from optogram.network import forward
from optogram.network.steps import Graph, Returned, Step, Value

_RANK_OF_SCORES = 2
_NOMINAL_SIDE = 64
_ROUNDING = 0.01
"""How far half precision lets probabilities be from adding up to 1."""
_TINY = float(np.finfo(np.float32).tiny)


@dataclass(frozen=True)
class Head:
    """The end of a network.

    Attributes
    ----------
    kind : {"softmax", "sigmoid", "linear"}
        The activation that the network ends with.
    logits : Value
        What goes into that activation; the output itself for a linear head.
    output : Value
        What the network returns.
    shape : tuple
        Of the output, batch first.
    is_hidden : bool
        Whether the activation is inside somebody's own code, and logits are logarithms of what
        that returns.
    """

    kind: str
    logits: Value
    output: Value
    shape: tuple[int | None, ...]
    is_hidden: bool = False

    @property
    def is_spatial(self) -> bool:
        """Whether the output is a map and not one vector an image, as in segmentation."""
        return len(self.shape) != 2

    @property
    def outputs(self) -> int:
        """The length of the output vector (or its number of channels)."""
        return self.shape[-1] or 0

    @property
    def is_binary(self) -> bool:
        """Whether one sigmoid output stands for two classes, no and yes."""
        return self.kind == "sigmoid" and self.outputs == 1

    @property
    def classes(self) -> int:
        """How many classes the network tells apart."""
        return 2 if self.is_binary else self.outputs

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """The probability of each class, (N, classes), from logits (N, outputs).

        Several linear outputs are taken for logits of a softmax; a single one is returned as it is.
        """
        logits = logits.astype(np.float64)
        if self.kind == "sigmoid":
            positive = 0.5 * (1 + np.tanh(logits / 2))
            return np.hstack([1 - positive, positive]) if self.is_binary else positive
        if self.outputs == 1:
            return logits
        exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
        return exponentials / exponentials.sum(axis=1, keepdims=True)

    def winning_weights(self, outputs: np.ndarray, score: str = "logit") -> np.ndarray:
        """For each row of ``outputs``, the weights (N, outputs) that pick its own answer.

        ``score`` says whether the outputs are logits or probabilities. A single sigmoid output
        counts negative where it says no.
        """
        if self.outputs > 1:
            return np.eye(self.outputs, dtype=np.float32)[outputs.argmax(axis=1)]
        if not self.is_binary:
            return np.ones_like(outputs, np.float32)
        return np.where(outputs >= _threshold(score), 1, -1).astype(np.float32)

    def winning_weights_inside(self, outputs: Any, score: str = "logit") -> Any:
        """`winning_weights` of a tensor, for compiled programs."""
        if self.outputs > 1:
            return keras.ops.one_hot(keras.ops.argmax(outputs, axis=1), self.outputs)
        ones = keras.ops.ones_like(outputs)
        if not self.is_binary:
            return ones
        return keras.ops.where(outputs >= _threshold(score), ones, -ones)


def find_head(graph: Graph) -> tuple[Graph, Head]:
    """The head of a network with one output, and the graph with all that its scores are read from.

    Softmax and sigmoid are looked through. Class scores on maps of 1×1 get a step that drops those
    axes. Where the last step is somebody's own code and returns probabilities, so that no logits
    are to be had, a step takes their logarithms: logits but for a number that is the same for all
    classes of an image.
    """
    output = graph.outputs[0]
    last = _made_by(graph, output)
    step = graph.steps[last.step]
    kind = _final_activation(step)
    logits = step.inputs[0] if kind != "linear" else output
    if len(graph.steps[output.step].shapes[output.output]) > _RANK_OF_SCORES:
        graph, logits, output = _flat(graph, logits, output)
    shape = graph.steps[output.step].shapes[output.output]
    if kind != "linear" or not step.is_foreign:
        return graph, Head(kind, logits, output, shape)
    kind = _kind_of_answers(graph, output)
    if kind == "linear":
        return graph, Head(kind, logits, output, shape)
    run = _log_odds if kind == "sigmoid" else _logarithm
    graph, logits = _appended(graph, output, "log", run)
    return graph, Head(kind, logits, output, shape, is_hidden=True)


def _made_by(graph: Graph, value: Value) -> Value:
    """Where the numbers of ``value`` are made, behind steps that only hand them on."""
    step = graph.steps[value.step]
    if isinstance(step.operation, Returned):
        return _made_by(graph, step.inputs[value.output])
    return _made_by(graph, step.inputs[0]) if step.passes_on else value


def _flat(graph: Graph, logits: Value, output: Value) -> tuple[Graph, Value, Value]:
    """The graph with scores (N, 1, 1, C) as (N, C), where they are that."""
    shape = graph.steps[output.step].shapes[output.output]
    if any(side != 1 for side in shape[1:-1]):
        return graph, logits, output
    drop = partial(keras.ops.squeeze, axis=tuple(range(1, len(shape) - 1)))
    is_output = logits == output
    graph, logits = _appended(graph, logits, "flat", drop)
    if is_output:
        return graph, logits, logits
    graph, output = _appended(graph, output, "flat", drop)
    return graph, logits, output


def _appended(
    graph: Graph, value: Value, what: str, run: Callable[[Any], Any]
) -> tuple[Graph, Value]:
    """The graph with one more step, ``run`` on ``value``, and what that makes."""
    read = graph.steps[value.step]
    symbol = keras.KerasTensor(read.shapes[value.output], read.dtypes[value.output])
    made = run(symbol)
    step = Step(
        index=len(graph.steps),
        name=f"{read.name}:{what}",
        kind=what.title(),
        operation=run,
        run=run,
        args=(value,),
        kwargs={},
        inputs=(value,),
        shapes=(tuple(made.shape),),
        dtypes=(made.dtype,),
    )
    return replace(graph, steps=(*graph.steps, step)), Value(step.index)


def _kind_of_answers(graph: Graph, output: Value) -> str:
    """What the numbers that a network returns look like, for two images of noise."""
    sides = (side or _NOMINAL_SIDE for side in graph.steps[graph.inputs[0].step].shape[1:])
    noise = np.random.default_rng(0).uniform(0, 1, (2, *sides)).astype(np.float32)
    (found,) = forward.run(graph, keras.ops.convert_to_tensor(noise), [output])
    answers = keras.ops.convert_to_numpy(keras.ops.cast(found, "float32"))
    if answers.min() < 0 or answers.max() > 1:
        return "linear"
    if answers.shape[-1] > 1 and np.allclose(answers.sum(axis=-1), 1, atol=_ROUNDING):
        return "softmax"
    return "sigmoid"


def _logarithm(probabilities: Any) -> Any:
    return keras.ops.log(keras.ops.maximum(keras.ops.cast(probabilities, "float32"), _TINY))


def _log_odds(probabilities: Any) -> Any:
    return _logarithm(probabilities) - _logarithm(1 - keras.ops.cast(probabilities, "float32"))


def _final_activation(step: Step) -> str:
    if step.half == "activation":
        name = step.kind
    elif isinstance(step.operation, keras.layers.Activation):
        name = getattr(step.operation.activation, "__name__", "")
    else:
        name = step.kind
    name = name.lower()
    return name if name in ("softmax", "sigmoid") else "linear"


def _threshold(score: str) -> float:
    """Where a sigmoid output turns from no to yes."""
    return 0.0 if score == "logit" else 0.5
