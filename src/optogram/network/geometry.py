"""The geometry interpreter: shape, receptive field, work and memory of every step."""

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import keras

from optogram.errors import InputError
from optogram.network import keras_graph
from optogram.network.keras_copies import own_names
from optogram.network.receptive_field import ReceptiveField, receptive_field
from optogram.network.steps import Graph, Returned, Shape, Step, Value

_BITS_IN_NAME = {"8": 1, "16": 2, "32": 4, "64": 8}


@dataclass(frozen=True)
class Geometry:
    """What one step makes of one example.

    Attributes
    ----------
    shape : tuple
        Of its first output, batch first; None where it depends on what is fed.
    receptive_field : ReceptiveField
        Of an element of that output.
    flops : int
        Floating-point operations, a multiplication and an addition counted as two. What depends
        on a size that is not known is counted as for one pixel.
    memory : int
        Bytes of its outputs, under the same rule.
    """

    shape: Shape
    receptive_field: ReceptiveField
    flops: int
    memory: int


def shapes(
    graph: Graph, input_shape: Shape, steps: Collection[int] | None = None
) -> dict[int, tuple[Shape, ...]]:
    """The shape of every output when ``input_shape`` (N, H, W, C) is fed, by the step's index.

    Parameters
    ----------
    graph : Graph
        With one input.
    input_shape : tuple
        Of the images. It need not be the one that the model was built for.
    steps : collection of int, optional
        Which steps, together with all that they depend on; None: every one.

    Raises
    ------
    InputError
        If images of that shape do not go through a step.
    """
    run = range(len(graph.steps)) if steps is None else sorted(steps)
    is_own = input_shape[1:] == graph.steps[graph.inputs[0].step].shape[1:]
    if (
        is_own
        and not _are_declared_wrong(graph, run)
        and None not in (s for i in run for shape in graph.steps[i].shapes for s in shape[1:])
    ):
        batch = input_shape[0]
        return {
            index: tuple(
                (batch, *shape[1:]) if shape[:1] == (None,) else shape
                for shape in graph.steps[index].shapes
            )
            for index in run
        }
    tensors: dict[Value, keras.KerasTensor] = {}
    with own_names():
        for index in run:
            outputs = _specs(graph.steps[index], tensors, input_shape)
            tensors.update((Value(index, i), output) for i, output in enumerate(outputs))
    return {
        index: tuple(
            tuple(tensors[Value(index, i)].shape) for i in range(len(graph.steps[index].shapes))
        )
        for index in run
    }


def measure(
    graph: Graph, input_shape: Shape, steps: Collection[int] | None = None
) -> dict[int, Geometry]:
    """The geometry of steps for an input of ``input_shape`` (N, H, W, C), by index, per example.

    Parameters and errors are those of `shapes`.
    """
    all_shapes = shapes(graph, input_shape, steps)
    measured: dict[int, Geometry] = {}
    for index, made in all_shapes.items():
        step = graph.steps[index]
        read = [all_shapes[value.step][value.output] for value in step.inputs]
        seen = [measured[value.step].receptive_field for value in step.inputs]
        memory = sum(
            _elements(shape) * dtype_bytes(dtype)
            for shape, dtype in zip(made, step.dtypes, strict=True)
        )
        measured[index] = Geometry(
            made[0],
            receptive_field(step, seen, read, made[0]),
            _flops(step, read, made[0]),
            memory,
        )
    return measured


def peak_memory(graph: Graph, geometry: Mapping[int, Geometry], wanted: Iterable[Value]) -> int:
    """Bytes alive at once, at most, in a forward pass of one example up to ``wanted``."""
    wanted = list(wanted)
    indices = sorted(graph.ancestors(wanted))
    unneeded = graph.last_uses(indices, keep=wanted)
    alive = peak = 0
    for index in indices:
        alive += geometry[index].memory
        peak = max(peak, alive)
        alive -= sum(geometry[step].memory for step in {v.step for v in unneeded.get(index, ())})
    return peak


def _specs(
    step: Step, tensors: dict[Value, keras.KerasTensor], input_shape: Shape
) -> list[keras.KerasTensor]:
    """The symbolic outputs of ``step``; asking for them leaves no trace in the user's graph."""
    if step.kind == "InputLayer":
        return [keras.KerasTensor(input_shape, step.dtypes[0])]
    if step.kind == "Held":
        return [keras.KerasTensor((input_shape[0], *step.shape[1:]), step.dtypes[0])]
    if step.half == "activation" or step.passes_on:
        return [keras.KerasTensor(tensors[step.inputs[0]].shape, step.dtypes[0])]
    args, kwargs = keras.tree.map_structure(
        lambda leaf: tensors[leaf] if isinstance(leaf, Value) else leaf,
        (step.args, dict(step.kwargs)),
    )
    try:
        _check_axes(step, [tensors[value] for value in step.inputs])
        kwargs = keras_graph.shape_arguments(step.shaping, kwargs)
        specs = getattr(step.shaping, "compute_output_spec", step.run)(*args, **kwargs)
        made = keras.tree.flatten(specs)
        # Older releases of Keras give convolutions nothing to work on, and fail when they run.
        if any(side is not None and side < 1 for spec in made for side in spec.shape[1:]):
            raise ValueError("nothing is left")
    # What a layer says of a shape that it cannot take is of any type.
    except Exception as error:
        sides = "×".join(str(side or "any") for side in input_shape[1:3])
        read = tensors[step.inputs[0]].shape[1:]
        raise InputError(
            f"Images of {sides} pixels do not go through the layer {step.name!r}, which would be "
            f"given {read}: give another size, as a rule a larger one."
        ) from error
    return made


def _are_declared_wrong(graph: Graph, run: Iterable[int]) -> bool:
    """Whether Keras declares another shape for what a step passes on, as for random crops."""
    return any(
        step.passes_on and step.shape != graph.steps[value.step].shapes[value.output]
        for step in map(graph.steps.__getitem__, run)
        for value in step.inputs
    )


def _check_axes(step: Step, read: list[Any]) -> None:
    """Raise a ValueError where a layer takes another length along an axis than it would be given.

    A dense layer computes a shape for any input, and fails when it is run.
    """
    specs = keras.tree.flatten(getattr(step.shaping, "input_spec", None))
    if len(specs) != len(read):
        return
    for spec, tensor in zip(specs, read, strict=True):
        for axis, length in (getattr(spec, "axes", None) or {}).items():
            if tensor.shape[axis] not in (None, length):
                raise ValueError(f"{length} expected along axis {axis}")


def _elements(shape: Shape) -> int:
    return math.prod(size or 1 for size in shape[1:])


def dtype_bytes(dtype: str) -> int:
    """Bytes that one number takes, from the name of its type."""
    return next((size for bits, size in _BITS_IN_NAME.items() if dtype.endswith(bits)), 1)


def _flops(step: Step, read: list[Shape], made: Shape) -> int:
    """Floating-point operations for one example; 0 for what only moves numbers around."""
    layer, out = step.operation, _elements(made)
    if not read or step.kind in ("Cast", "Held", "Reshape") or isinstance(layer, Returned):
        return 0
    channels = read[0][-1] or 1
    if step.half == "activation":
        return out
    bias = out if getattr(layer, "use_bias", False) else 0
    match layer:
        case keras.layers.SeparableConv2D():
            window = math.prod(layer.kernel_size)
            inner = out // layer.filters * channels * layer.depth_multiplier
            return 2 * inner * window + 2 * out * layer.pointwise_kernel.shape[2] + bias
        case keras.layers.DepthwiseConv2D():
            return 2 * out * math.prod(layer.kernel_size) + bias
        case keras.layers.Conv2DTranspose():
            return 2 * _elements(read[0]) * math.prod(layer.kernel_size) * layer.filters + bias
        case keras.layers.Conv1D() | keras.layers.Conv2D() | keras.layers.Conv3D():
            return 2 * out * math.prod(layer.kernel.shape[:-1]) + bias
        case keras.layers.Dense():
            return 2 * out * channels + bias
        case keras.layers.MaxPooling2D() | keras.layers.AveragePooling2D():
            return out * math.prod(layer.pool_size)
        case keras.layers.GlobalAveragePooling2D() | keras.layers.GlobalMaxPooling2D():
            return _elements(read[0])
        case keras.layers.BatchNormalization() | keras.layers.Normalization():
            return 2 * out
        case keras.layers.Rescaling():
            return 2 * out
        case keras.layers.Add() | keras.layers.Multiply() | keras.layers.Subtract():
            return out * (len(read) - 1)
        case keras.layers.Average() | keras.layers.Maximum() | keras.layers.Minimum():
            return out * (len(read) - 1)
        case keras.layers.Activation() | keras.layers.ReLU() | keras.layers.LeakyReLU():
            return out
        case keras.layers.PReLU() | keras.layers.ELU() | keras.layers.Softmax():
            return out
        case keras.layers.Layer():
            return 0
        case _:
            return out
