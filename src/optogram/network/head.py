"""How a network ends: where its logits and probabilities are, and how many classes it names."""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from optogram.network.steps import Graph, Step, Value


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
    """

    kind: str
    logits: Value
    output: Value
    shape: tuple[int | None, ...]

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


def find_head(graph: Graph) -> Head:
    """The head of a network with one output: softmax and sigmoid are looked through."""
    output = graph.outputs[0]
    shape = graph.steps[output.step].shapes[output.output]
    step = graph.steps[output.step]
    while _passes_on(step):
        step = graph.steps[step.inputs[0].step]
    kind = _final_activation(step)
    logits = step.inputs[0] if kind != "linear" else output
    return Head(kind, logits, output, shape)


def _passes_on(step: Step) -> bool:
    """Whether the step returns what it is given, but for its type."""
    layer = step.operation
    if isinstance(layer, keras.layers.Activation):
        return layer.activation is keras.activations.linear
    return isinstance(layer, keras.layers.Identity | keras.layers.Dropout)


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
