"""The head of a network: its logits, probabilities and number of classes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import keras
import numpy as np

from optogram.graph.keras_private.copies import no_updates, own_names
from optogram.graph.steps import Graph, Output, Step
from optogram.interpreters.ends.outputs import kind_of_outputs
from optogram.interpreters.ends.proof import Ending, proven, sigmoid, softmax

_RANK_OF_SCORES = 2
_RANK_OF_BOXES = 3
_LEAST = 1e-30
"""Smaller probabilities are replaced by this one, because log 0 is infinite."""
LEAST_LOGIT = float(np.log(_LEAST))
"""The logarithm that replaces log 0."""


@dataclass(frozen=True)
class Head:
    """The head of a network.

    Attributes
    ----------
    kind : {"softmax", "sigmoid", "linear"}
        The final activation.
    logits : Output
        The input of that activation; the output itself for a linear head.
    output : Output
        The output of the network.
    shape : tuple
        Shape of the output, batch first.
    is_hidden : bool
        Whether no softmax or sigmoid was found, so that logits are logarithms of probabilities
        (log-odds for independent classes).
    """

    kind: str
    logits: Output
    output: Output
    shape: tuple[int | None, ...]
    is_hidden: bool = False

    @property
    def is_spatial(self) -> bool:
        """Whether the output is a map, not one vector per image, as in segmentation."""
        return len(self.shape) != 2

    @property
    def scores_boxes(self) -> bool:
        """Whether the output has scores for each of many boxes, (N, boxes, classes)."""
        return len(self.shape) == _RANK_OF_BOXES

    @property
    def outputs(self) -> int:
        """Length of the output vector, or number of output channels."""
        return self.shape[-1] or 0

    @property
    def is_binary(self) -> bool:
        """Whether one sigmoid output stands for two classes, no and yes."""
        return self.kind == "sigmoid" and self.outputs == 1

    @property
    def is_regression(self) -> bool:
        """Whether the single output is a number that stands for no class."""
        return self.kind == "linear" and self.outputs == 1

    @property
    def classes(self) -> int:
        """Number of classes."""
        return 2 if self.is_binary else self.outputs

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """The probability of each class, (..., classes), from logits (..., outputs).

        Several linear outputs are treated as logits of a softmax; a single one is returned as is.
        """
        logits = logits.astype(np.float64)
        if self.kind == "sigmoid":
            positive = sigmoid(logits)
            if not self.is_binary:
                return positive
            return np.concatenate([1 - positive, positive], axis=-1)
        return logits if self.is_regression else softmax(logits)

    def winning_weights(self, outputs: np.ndarray, score: str = "logit") -> np.ndarray:
        """Weights (N, outputs) that select the predicted class of each row of ``outputs``.

        ``score``: whether the outputs are logits or probabilities. A single sigmoid output counts
        negative below 0.5.
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


@no_updates()  # it runs parts of the network
def find_head(graph: Graph, variables: Sequence[keras.Variable]) -> tuple[Graph, Head]:
    """The head of a network with one output, and the graph extended by steps for scores.

    If the graph proves what the end is, that is used (`proven`); otherwise the outputs on test
    images decide (`kind_of_outputs`). For probabilities without logits, a step computes their
    logarithms, which equal logits up to a constant per image. For class scores on 1×1 maps, a step
    drops these axes.
    """
    graph, output = _flat(graph, graph.outputs[0])
    shape = graph.steps[output.step].shapes[output.index]
    ending = proven(graph, output)
    if ending is not None:
        graph, logits = _moved(graph, ending)
        return graph, Head(ending.kind, logits, output, shape)
    kind = kind_of_outputs(graph, output, variables)
    if kind == "linear":
        return graph, Head(kind, output, output, shape)
    run = _log_odds if kind == "sigmoid" else _logarithm
    graph, logits = _appended(graph, output, "log", run)
    return graph, Head(kind, logits, output, shape, is_hidden=True)


def logits_warning(head: Head) -> str:
    """A warning about a head that `is_hidden`."""
    sums, explained = " and add up to 1", "the logarithm of the probability"
    if head.kind == "sigmoid":
        sums, explained = "", "the log-odds of the probability, log p − log(1 − p)"
    return (
        f"Outputs of the network are in 0…1{sums}, so they are treated as probabilities; no "
        'softmax or sigmoid was found that computes them from logits. score="logit" explains '
        f"{explained} instead of a logit."
    )


def _flat(graph: Graph, output: Output) -> tuple[Graph, Output]:
    """The graph with scores (N, 1, 1, C) as (N, C), if they have that shape: one axis is not 1.

    Scores (N, boxes, 1) are of one class, and stay as they are.
    """
    sides = graph.steps[output.step].shapes[output.index][1:]
    ones = [axis for axis, side in enumerate(sides, 1) if side == 1]
    if len(sides) < _RANK_OF_SCORES or None in sides or len(ones) < len(sides) - 1:
        return graph, output
    if len(sides) == _RANK_OF_BOXES - 1 and ones == [len(sides)]:
        return graph, output
    drop = partial(keras.ops.squeeze, axis=tuple(ones[: len(sides) - 1]))
    return _appended(graph, output, "flat", drop)


def _moved(graph: Graph, ending: Ending) -> tuple[Graph, Output]:
    """The graph with logits passed through the steps that move elements after the activation."""
    steps, logits = list(graph.steps), ending.logits
    for step in ending.moves:
        taken = _reading(step, logits)
        kind = steps[logits.step].dtypes[logits.index]
        steps.append(replace(taken, index=len(steps), name=f"{step.name}:logits", dtypes=(kind,)))
        logits = Output(steps[-1].index)
    return replace(graph, steps=tuple(steps)), logits


def _reading(step: Step, output: Output) -> Step:
    """The step, reading ``output`` instead of its only input."""
    args, kwargs = keras.tree.map_structure(
        lambda leaf: output if isinstance(leaf, Output) else leaf, (step.args, dict(step.kwargs))
    )
    return replace(step, args=args, kwargs=kwargs, inputs=(output,) * len(step.inputs))


def _appended(
    graph: Graph, output: Output, what: str, run: Callable[[Any], Any]
) -> tuple[Graph, Output]:
    """The graph with one more step, ``run`` on ``output``, and the output of that step."""
    read = graph.steps[output.step]
    with own_names():
        made = run(keras.KerasTensor(read.shapes[output.index], read.dtypes[output.index]))
    step = Step(
        index=len(graph.steps),
        name=f"{read.name}:{what}",
        kind=what.title(),
        operation=run,
        run=run,
        args=(output,),
        kwargs={},
        inputs=(output,),
        shapes=(tuple(made.shape),),
        dtypes=(made.dtype,),
    )
    return replace(graph, steps=(*graph.steps, step)), Output(step.index)


def _logarithm(probabilities: Any) -> Any:
    return keras.ops.log(keras.ops.maximum(keras.ops.cast(probabilities, "float32"), _LEAST))


def _log_odds(probabilities: Any) -> Any:
    return _logarithm(probabilities) - _logarithm(1 - keras.ops.cast(probabilities, "float32"))


def _threshold(score: str) -> float:
    """The threshold of a sigmoid output between no and yes."""
    return 0.0 if score == "logit" else 0.5
