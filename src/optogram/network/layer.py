"""Layers, and the table of layers."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import keras
import numpy as np

from optogram.graph.steps import Shape, Step
from optogram.graph.token_grids import Placed
from optogram.interpreters.geometry import Geometry, dtype_bytes
from optogram.interpreters.receptive_field import ReceptiveField
from optogram.words import brief, counted, printable


@dataclass(frozen=True)
class Layer:
    """One layer of a network, or one half of a layer with a fused activation.

    Attributes
    ----------
    name, kind : str
        Unique name, and class of the Keras layer (or name of the activation).
    output_shape : tuple
        Shape of the output, batch first; None for sizes that depend on the image.
    parameters : int
        Number of parameters; a layer that is used again (``conv1@2``) shares them.
    trainable : bool
        Whether training changes any of them.
    flops : int
        Floating-point operations per image; a multiplication and an addition count as two.
    memory : int
        Bytes of the output per image.
    receptive_field : ReceptiveField
        Window of the image that an element of the output can depend on.
    """

    name: str
    kind: str
    output_shape: Shape
    parameters: int
    trainable: bool
    flops: int
    memory: int
    receptive_field: ReceptiveField
    operation: Any = field(repr=False)

    def __repr__(self) -> str:
        """One line: name, kind, shape, parameters."""
        parameters = counted(self.parameters, "parameter")
        return f"<Layer {brief(self.name)}, {self.kind}: output {self.output_shape}, {parameters}>"

    @property
    def config(self) -> dict[str, Any]:
        """The Keras configuration of the layer; empty for an operation."""
        return self.operation.get_config() if isinstance(self.operation, keras.Layer) else {}

    @property
    def weights(self) -> tuple[np.ndarray, ...]:
        """Copies of its weights, in the order of Keras (convolution: kernel, then bias)."""
        return tuple(self.operation.get_weights()) if self.parameters else ()


def describe(step: Step, geometry: Mapping[int, Geometry]) -> Layer:
    """The layer that ``step`` completes; for a ``:pre`` step, the first half of the layer."""
    operation, measured = step.operation, geometry[step.index]
    if isinstance(operation, Placed):
        return replace(
            describe(operation.tokens, geometry),
            name=step.name,
            output_shape=step.shape,
            memory=measured.memory,
            receptive_field=measured.receptive_field,
        )
    flops = measured.flops
    kind = step.kind
    if step.half == "activation":
        flops += geometry[step.inputs[0].step].flops
        kind = type(operation).__name__
    is_layer = isinstance(operation, keras.Layer)
    # Custom layers may leave layers without weights unbuilt.
    has_weights = is_layer and operation.built
    return Layer(
        name=step.name,
        kind=kind,
        output_shape=step.shape,
        parameters=operation.count_params() if has_weights else 0,
        trainable=is_layer and bool(operation.trainable_weights),
        flops=flops,
        memory=measured.memory,
        receptive_field=measured.receptive_field,
        operation=operation,
    )


HEADER = ("layer", "kind", "output", "parameters", "MFLOPs", "receptive field")


def row(layer: Layer) -> tuple[str, ...]:
    """The cells of ``layer`` in a table, under `HEADER`."""
    return (
        layer.name,
        layer.kind,
        sizes(layer.output_shape),
        f"{layer.parameters:,}",
        f"{layer.flops / 1e6:,.1f}",
        field_text(layer.receptive_field),
    )


def summary(title: str, layers: Sequence[Layer], weights: Sequence[keras.Variable]) -> str:
    """A table of ``layers`` with totals, as text."""
    rows = [tuple(brief(text) for text in row(layer)) for layer in layers]
    widths = [max(len(texts[i]) for texts in (HEADER, *rows)) for i in range(len(HEADER))]
    left_aligned = 3

    def line(texts: Sequence[str]) -> str:
        cells = [
            cell.ljust(width) if i < left_aligned else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(texts, widths, strict=True))
        ]
        return "  ".join(cells).rstrip()

    rule = "-" * sum(widths, 2 * (len(widths) - 1))
    return "\n".join(
        [printable(title), "", line(HEADER), rule, *map(line, rows), rule, totals(layers, weights)]
    )


def totals(layers: Sequence[Layer], weights: Sequence[keras.Variable]) -> str:
    """Total parameters, size, FLOPs and memory, in one sentence."""
    count = sum(math.prod(weight.shape) for weight in weights)
    trainable = sum(math.prod(weight.shape) for weight in weights if weight.trainable)
    size = sum(math.prod(weight.shape) * dtype_bytes(weight.dtype) for weight in weights)
    flops = sum(layer.flops for layer in layers)
    memory = sum(layer.memory for layer in layers)
    return (
        f"{count:,} parameters ({trainable:,} trainable, {count - trainable:,} not) in "
        f"{size / 1e6:,.1f} MB; {flops / 1e9:,.2f} GFLOPs and {memory / 1e6:,.1f} MB of maps "
        "an image"
    )


def sizes(shape: Shape) -> str:
    """A shape without its batch size: ``14×14×512``."""
    return "×".join("?" if size is None else str(size) for size in shape[1:])


def field_text(field: ReceptiveField) -> str:
    """The size of a receptive field in pixels, as text."""
    if field.is_whole:
        return "whole image"
    return "×".join(f"{size:g}" for size in field.size)
