"""How a network ends: where its logits and probabilities are, and how many classes it names."""

from dataclasses import dataclass

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
