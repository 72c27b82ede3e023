"""One output element of a convolution: the input elements that it reads, and their weights."""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from optogram.graph import layer_types
from optogram.graph.mixing import is_written_by_keras, mixed_axes
from optogram.graph.steps import Graph, Output, Shape, Step
from optogram.interpreters.reach import pair, reach


@dataclass(frozen=True)
class Taps:
    """What one output element of a convolution reads: rows × columns × channels of its input.

    Attributes
    ----------
    rows, columns : int ndarrays of shape (h,) and (w,)
        Rows and columns of the input; those outside it are padding with zeros.
    channels : int ndarray of shape (C,)
        Channels of the input.
    kernel : float32 ndarray of shape (h, w, C)
        The weight of each of these elements.
    bias : float
        The bias; 0 if the layer has none.
    """

    rows: np.ndarray
    columns: np.ndarray
    channels: np.ndarray
    kernel: np.ndarray
    bias: float


def is_convolution(step: Step) -> bool:
    """Whether `taps` knows the step: a two-dimensional convolution, or dense on each position."""
    layer, half = step.operation, step.half
    if half == "activation" or len(step.shape) != 4 or not is_written_by_keras(layer):
        return False
    if isinstance(layer, keras.layers.Dense):
        return step.spatial == (1, 2)
    return isinstance(layer, layer_types.CONVOLUTIONS_AND_TRANSPOSED)


def elementwise_source(step: Step) -> Output | None:
    """The one output that the step transforms element by element, such as for a rectifier."""
    if len(step.inputs) != 1 or len(step.shapes) != 1:
        return None
    is_elementwise = step.passes_on or mixed_axes(step) == frozenset()
    return step.inputs[0] if is_elementwise else None


def since_convolution(graph: Graph, step: Step) -> list[Step]:
    """The convolution whose output ``step`` transforms element by element, and all up to ``step``.

    Empty if there is none. Steps that pass on their input unchanged, such as dropout, are left out.
    """
    found = [step]
    while not is_convolution(found[-1]):
        source = elementwise_source(found[-1])
        if source is None or source.index:
            return []
        found.append(graph.steps[source.step])
    return [one for one in reversed(found) if not one.passes_on]


def elementwise_after(graph: Graph, step: Step) -> list[Step]:
    """The elementwise steps that follow ``step``, each the only one that reads the one before.

    Those that pass on their input unchanged are left out.
    """
    found, last = list[Step](), step
    while True:
        output = Output(last.index)
        readers = [other for other in graph.steps if output in other.inputs]
        if len(readers) != 1 or elementwise_source(readers[0]) != output:
            return found
        last = readers[0]
        if not last.passes_on:
            found.append(last)


def taps(step: Step, read: Shape, made: Shape, position: tuple[int, int], channel: int) -> Taps:
    """What the output element at ``position`` (row, column) of ``channel`` reads.

    Parameters
    ----------
    step : Step
        A step for which `is_convolution` is true.
    read, made : shapes
        Shapes of the input and of the output, batch first.
    position, channel
        The element.
    """
    layer = step.operation
    reached = reach(step, [read], made)
    assert reached is not None  # known for all convolutions
    kernel, channels = _weights(layer, read[3] or 0, channel)
    dilation = pair(getattr(layer, "dilation_rate", 1))
    places, used = [], []
    for axis, along in enumerate(reached):
        offsets = np.arange(kernel.shape[axis]) * dilation[axis]
        if isinstance(layer, keras.layers.Conv2DTranspose):
            # Output i is fed by input j through weight k where i + last = j · stride + k.
            found, rest = np.divmod(position[axis] + along.last - offsets, along.factor)
            weights = np.flatnonzero(rest == 0)[::-1]  # so that places ascend
            places.append(found[weights])
        else:
            weights = np.arange(len(offsets))
            places.append(position[axis] * along.stride + along.first + offsets)
        used.append(weights)
    bias = getattr(layer, "bias", None)
    return Taps(
        rows=places[0],
        columns=places[1],
        channels=channels,
        kernel=kernel[np.ix_(used[0], used[1])],
        bias=0.0 if bias is None else float(_numbers(bias)[channel]),
    )


def _weights(layer: Any, inputs: int, channel: int) -> tuple[np.ndarray, np.ndarray]:
    """The weights (kh, kw, C) of an output channel, and the C input channels that it reads."""
    every = np.arange(inputs)
    if isinstance(layer, keras.layers.SeparableConv2D):
        # Two linear steps: their weights multiply.
        depthwise = _numbers(layer.depthwise_kernel)
        pointwise = _numbers(layer.pointwise_kernel)[0, 0, :, channel]
        return (depthwise * pointwise.reshape(inputs, -1)).sum(axis=-1), every
    kernel = _numbers(layer.kernel)
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        source, multiple = divmod(channel, layer.depth_multiplier)
        return kernel[:, :, source, multiple, None], np.array([source])
    if isinstance(layer, keras.layers.Conv2DTranspose):
        return kernel[:, :, channel], every
    if isinstance(layer, keras.layers.Dense):
        return kernel[None, None, :, channel], every
    group = channel // (kernel.shape[-1] // layer.groups)
    count = kernel.shape[2]
    return kernel[..., channel], group * count + np.arange(count)


def channel_weights(layer: Any) -> np.ndarray:
    """(channels, n): the n weights of each output channel of a convolution, its bias the last.

    Of a separable convolution, these are the products of its two kernels.
    """
    if isinstance(layer, keras.layers.SeparableConv2D):
        depthwise, pointwise = _numbers(layer.depthwise_kernel), _numbers(layer.pointwise_kernel)
        shared = pointwise.reshape(*depthwise.shape[2:], -1)
        kernel = np.einsum("hwim,imo->ohwi", depthwise, shared)
    elif isinstance(layer, keras.layers.DepthwiseConv2D):
        kernel = np.moveaxis(_numbers(layer.kernel), (2, 3), (0, 1))
        kernel = kernel.reshape(-1, *kernel.shape[2:])
    elif isinstance(layer, keras.layers.Conv2DTranspose):
        kernel = np.moveaxis(_numbers(layer.kernel), 2, 0)
    else:
        kernel = np.moveaxis(_numbers(layer.kernel), -1, 0)
    flat = kernel.reshape(len(kernel), -1)
    bias = getattr(layer, "bias", None)
    return flat if bias is None else np.column_stack([flat, _numbers(bias)])


def _numbers(variable: Any) -> np.ndarray:
    """A weight as float32 array."""
    return np.asarray(keras.ops.convert_to_numpy(variable), np.float32)
