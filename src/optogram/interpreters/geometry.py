"""The geometry interpreter: shape, receptive field, FLOPs and memory of every step."""

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import keras

from optogram.errors import InputError
from optogram.graph import layer_types
from optogram.graph.keras_private import nodes
from optogram.graph.keras_private.copies import own_names
from optogram.graph.steps import Graph, Output, Returned, Shape, Step
from optogram.interpreters import forward
from optogram.interpreters.receptive_field import ReceptiveField, receptive_field

_MOST_TRIED = 1 << 28
"""Layers are not tested on shapes with more bytes than this."""

_BITS_IN_NAME = {"8": 1, "16": 2, "32": 4, "64": 8}


@dataclass(frozen=True)
class Geometry:
    """Geometry of a step for one example.

    Attributes
    ----------
    shape : tuple
        Shape of the first output, batch first; None for sizes that depend on the input.
    receptive_field : ReceptiveField
        Receptive field of an element of that output.
    flops : int
        Floating-point operations; a multiplication and an addition count as two. Unknown sizes
        count as one pixel.
    memory : int
        Bytes of the outputs and of attention scores; unknown sizes count as one pixel.
    """

    shape: Shape
    receptive_field: ReceptiveField
    flops: int
    memory: int


def shapes(
    graph: Graph, input_shape: Shape, steps: Collection[int] | None = None
) -> dict[int, tuple[Shape, ...]]:
    """The output shapes of every step for ``input_shape`` (N, H, W, C), by index.

    Parameters
    ----------
    graph : Graph
        The graph, with one input.
    input_shape : tuple
        Shape of the images, also another one than the model was built for.
    steps : collection of int, optional
        Steps to include, with all steps that they depend on. None: all.

    Raises
    ------
    InputError
        If a step does not accept images of that shape.
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
    tensors: dict[Output, keras.KerasTensor] = {}
    own = {
        Output(index, i): shape
        for index in run
        for i, shape in enumerate(graph.steps[index].shapes)
    }
    with own_names():
        for index in run:
            outputs = _specs(graph.steps[index], tensors, input_shape, own)
            tensors.update((Output(index, i), output) for i, output in enumerate(outputs))
    return {
        index: tuple(
            tuple(tensors[Output(index, i)].shape) for i in range(len(graph.steps[index].shapes))
        )
        for index in run
    }


def sized(graph: Graph) -> Graph:
    """The graph with known shapes of all steps, also where a nested model left them open.

    For example, a base of keras.applications for any size inside a network with a fixed size.
    """
    sides = graph.steps[graph.inputs[0].step].shape[1:]
    if None in sides or all(None not in shape[1:] for step in graph.steps for shape in step.shapes):
        return graph
    try:
        known = shapes(graph, (None, *sides))
    except InputError:  # a step without shape inference
        return graph
    steps = (replace(step, shapes=known[step.index]) for step in graph.steps)
    return replace(graph, steps=tuple(steps))


def measure(
    graph: Graph, input_shape: Shape, steps: Collection[int] | None = None
) -> dict[int, Geometry]:
    """The geometry of steps for an input of ``input_shape`` (N, H, W, C), by index, per example.

    Parameters and errors as in `shapes`.
    """
    all_shapes = shapes(graph, input_shape, steps)
    measured: dict[int, Geometry] = {}
    for index, made in all_shapes.items():
        step = graph.steps[index]
        read = [all_shapes[output.step][output.index] for output in step.inputs]
        varying = [output for output in step.inputs if graph.steps[output.step].kind != "Constant"]
        seen = [measured[output.step].receptive_field for output in varying]
        memory = _attention_bytes(step, read) + sum(
            _elements(shape) * dtype_bytes(dtype)
            for shape, dtype in zip(made, step.dtypes, strict=True)
        )
        measured[index] = Geometry(
            made[0],
            receptive_field(step, seen, [all_shapes[o.step][o.index] for o in varying], made[0]),
            _flops(step, read, made[0]),
            memory,
        )
    return measured


def _attention_bytes(step: Step, read: list[Shape]) -> int:
    """Bytes of the attention scores inside a layer; 0 for other layers."""
    layer = step.operation
    match layer:
        case keras.layers.MultiHeadAttention():
            heads = layer.num_heads
        case keras.layers.GroupQueryAttention():
            heads = layer.num_query_heads
        case keras.layers.Attention() | keras.layers.AdditiveAttention():
            heads = 1
        case _:
            return 0
    asking, asked = (math.prod(size or 1 for size in shape[1:-1]) for shape in (*read, *read)[:2])
    return int(heads * asking * asked * dtype_bytes(step.dtypes[0]))


def peak_memory(
    graph: Graph,
    geometry: Mapping[int, Geometry],
    wanted: Iterable[Output],
    known: Collection[Output] = (),
) -> int:
    """Peak number of bytes of a forward pass of one example up to ``wanted``.

    It starts from the image, or from outputs that are ``known``.
    """
    wanted = list(wanted)
    indices = sorted(graph.ancestors(wanted, known))
    unneeded = graph.last_uses(indices, keep=wanted)
    alive = peak = sum(geometry[step].memory for step in {output.step for output in known})
    for index in indices:
        alive += geometry[index].memory
        peak = max(peak, alive)
        alive -= sum(geometry[step].memory for step in {v.step for v in unneeded.get(index, ())})
    return peak


def total_memory(graph: Graph, geometry: Mapping[int, Geometry], wanted: Iterable[Output]) -> int:
    """Bytes of all outputs for one example up to ``wanted``, which the backward pass reads."""
    return sum(geometry[index].memory for index in graph.ancestors(wanted))


def _specs(
    step: Step,
    tensors: dict[Output, keras.KerasTensor],
    input_shape: Shape,
    own: Mapping[Output, Shape],
) -> list[keras.KerasTensor]:
    """The symbolic outputs of ``step``, without traces on the user's graph."""
    if step.kind == "InputLayer":
        return [keras.KerasTensor(input_shape, step.dtypes[0])]
    if step.kind == "Constant":
        return [
            keras.KerasTensor(
                (input_shape[0], *shape[1:]) if shape[:1] == (None,) else shape, dtype
            )
            for shape, dtype in zip(step.shapes, step.dtypes, strict=True)
        ]
    read = [tensors[output] for output in step.inputs]
    if step.passes_on or step.half == "activation":
        made = [keras.KerasTensor(read[0].shape, step.dtypes[0])]
        _require_fit(step, read, made, input_shape, own)
        return made
    args, kwargs = keras.tree.map_structure(
        lambda leaf: tensors[leaf] if isinstance(leaf, Output) else leaf,
        (step.args, dict(step.kwargs)),
    )
    try:
        _check_axes(step, read)
        kwargs = nodes.shape_arguments(step.shaping, kwargs)
        specs = getattr(step.shaping, "compute_output_spec", step.run)(*args, **kwargs)
        # In place of None, graphs have a number.
        flat = keras.tree.flatten(specs)
        made = [keras.KerasTensor(()) if spec is None else spec for spec in flat]
        # EinsumDense and others declare less than is known.
        if _is_open(made) and not _is_open(read):
            made = nodes.tried(_runner(step), read)
        # Older releases of Keras allow empty inputs of convolutions, which fail when run.
        if any(side is not None and side < 1 for spec in made for side in spec.shape[1:]):
            raise ValueError("nothing is left")
    # Layers raise exceptions of any type for shapes that they do not accept.
    except Exception as error:
        raise _misfit(step, read, input_shape, own) from error
    _require_fit(step, read, made, input_shape, own)
    return made


def _are_declared_wrong(graph: Graph, run: Iterable[int]) -> bool:
    """Whether Keras declares a wrong shape for an identity step, as for random crops."""
    return any(
        step.passes_on and step.shape != graph.steps[output.step].shapes[output.index]
        for step in map(graph.steps.__getitem__, run)
        for output in step.inputs
    )


def _require_fit(
    step: Step, read: list[Any], made: list[Any], input_shape: Shape, own: Mapping[Output, Shape]
) -> None:
    """Raise an InputError if a layer computes a shape for an input that it fails on when run.

    This also covers layers with weights for every position of a map.
    """
    operation = step.operation
    if step.half == "activation":
        operation = nodes.fused_activation(operation)
    is_sure = step.passes_on or isinstance(operation, layer_types.CHECKING_THEIR_INPUT_SHAPE)
    # Layers that are built on their first run get their size then.
    if is_sure or not isinstance(operation, keras.Layer) or not operation.built:
        return
    size = sum(_elements(tensor.shape) * dtype_bytes(tensor.dtype) for tensor in (*read, *made))
    # PyTorch may run it on values.
    if _is_open(read) or size > _MOST_TRIED:
        return

    try:
        nodes.tried(_runner(step), read)
    # Layers raise exceptions of any type for shapes that they do not accept.
    except Exception as error:
        raise _misfit(step, read, input_shape, own, is_fixed=True) from error


def _runner(step: Step) -> Callable[..., Any]:
    """A function from the tensors that ``step`` reads to its outputs."""
    return lambda *given: forward.run_step(step, dict(zip(step.inputs, given, strict=True)))


def _is_open(tensors: Iterable[Any]) -> bool:
    """Whether a size other than that of the batch is unknown."""
    return any(None in tensor.shape[1:] for tensor in tensors)


def _misfit(
    step: Step,
    read: list[Any],
    input_shape: Shape,
    own: Mapping[Output, Shape],
    is_fixed: bool = False,
) -> InputError:
    """The error if ``step`` does not accept ``read``; it may be made for one size."""
    sides, given, takes = (
        "×".join(str(side or "any") for side in input_shape[1:3]),
        tuple(read[0].shape[1:]),
        tuple(own[step.inputs[0]][1:]),
    )
    if None in given and None not in input_shape[1:]:
        return InputError(
            f"The layer {step.name!r} reads an array of shape {given}, whose size does not follow "
            "from that of the image: networks with such layers are not supported. Open the part "
            "before it, such as an image encoder, by itself."
        )
    words = (
        f"The layer {step.name!r} does not accept images of {sides} pixels, it would get {given}"
    )
    is_smaller = any(side < want for side, want in zip(given, takes, strict=True) if side and want)
    if None in takes or (is_smaller and not is_fixed):
        return InputError(f"{words}: use another size, usually a larger one.")
    return InputError(
        f"{words} and takes only {takes}: use the size that the network was made for."
    )


def _check_axes(step: Step, read: list[Any]) -> None:
    """Raise a ValueError if a layer needs another length along an axis.

    A dense layer computes a shape for any input, but fails when it is run.
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
    """Bytes per number of a dtype."""
    return next((size for bits, size in _BITS_IN_NAME.items() if dtype.endswith(bits)), 1)


def _flops(step: Step, read: list[Shape], made: Shape) -> int:
    """Floating-point operations for one example; 0 for steps that only move numbers."""
    layer, out = step.operation, _elements(made)
    if not read or step.kind in ("Cast", "Constant", "Reshape") or isinstance(layer, Returned):
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
