"""Input elements that each output element of a step depends on, for each axis."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import keras

from optogram.graph import layer_types
from optogram.graph.mixing import is_written_by_keras, mixed_axes
from optogram.graph.steps import Returned, Shape, Step


@dataclass(frozen=True)
class Reach:
    """Input window of each output element of a step along one axis.

    Output element i reads the input elements j with ``i * stride + first <= j * factor`` and
    ``j * factor <= i * stride + last``. Elements beyond the border are padding.

    Attributes
    ----------
    first, last : int
        First and last element of the window of output 0.
    stride : int
        Step of the window from one output to the next.
    factor : int
        Upsampling factor of the output; 1 for most steps.
    """

    first: int = 0
    last: int = 0
    stride: int = 1
    factor: int = 1


POINT = (Reach(), Reach())
"""Each element depends on the element at the same position."""


def reach(step: Step, read: Sequence[Shape], made: Shape) -> tuple[Reach, Reach] | None:
    """How ``step`` reads its inputs along rows and along columns.

    None if unknown: then an element may depend on anything.

    Parameters
    ----------
    step : Step
        The step.
    read, made : shapes
        Shapes of the inputs and of the first output, batch first; None if unknown.
    """
    layer = step.operation
    if not read or len(made) != 4 or any(len(shape) != 4 for shape in read):
        return None
    keeps_places = all(shape[1:3] == made[1:3] for shape in read)
    if isinstance(layer, Returned) or (keeps_places and _is_pointwise(step)):
        return POINT
    if step.half == "activation" or not is_written_by_keras(layer):
        return None
    if isinstance(layer, layer_types.CONVOLUTIONS):
        dilations = pair(layer.dilation_rate)
        spans = [(k - 1) * d for k, d in zip(layer.kernel_size, dilations, strict=True)]
        return _sliding(spans, pair(layer.strides), layer.padding, read[0])
    if isinstance(layer, layer_types.LOCAL_POOLING):
        spans = [size - 1 for size in layer.pool_size]
        return _sliding(spans, layer.strides, layer.padding, read[0])
    if isinstance(layer, keras.layers.Conv2DTranspose):
        return _transposed(layer, read[0], made)
    if isinstance(layer, keras.layers.ZeroPadding2D):
        return _shifted(*(-before for before, _ in layer.padding))
    if isinstance(layer, keras.layers.Cropping2D):
        return _shifted(*(before for before, _ in layer.cropping))
    if isinstance(layer, keras.layers.UpSampling2D) and layer.interpolation == "nearest":
        rows, columns = (Reach(1 - size, 0, 1, size) for size in layer.size)
        return rows, columns
    return None


def _sliding(
    spans: Sequence[int], strides: Sequence[int], padding: str, read: Shape
) -> tuple[Reach, Reach]:
    """Windows of ``span + 1``; "same" padding adds the smaller half before, as in TensorFlow."""

    def along(axis: int) -> Reach:
        span, stride, size = spans[axis], strides[axis], read[1 + axis]
        before = 0
        if padding == "same":
            fits = stride if size is None else size - (math.ceil(size / stride) - 1) * stride
            before = max(span + 1 - fits, 0) // 2
        return Reach(-before, span - before, stride)

    return along(0), along(1)


def _transposed(
    layer: keras.layers.Conv2DTranspose, read: Shape, made: Shape
) -> tuple[Reach, Reach]:
    """Output i reads input j if ``i + cut - j * stride`` is inside the kernel."""
    dilations = pair(layer.dilation_rate)

    def along(axis: int) -> Reach:
        span, stride = (layer.kernel_size[axis] - 1) * dilations[axis], layer.strides[axis]
        size, out = read[1 + axis], made[1 + axis]
        cut = 0
        if layer.padding == "same":
            grown = stride if size is None or out is None else out - (size - 1) * stride
            cut = max(span + 1 - grown, 0) // 2
        return Reach(cut - span, cut, 1, stride)

    return along(0), along(1)


def _shifted(down: int, right: int) -> tuple[Reach, Reach]:
    """Element i reads element ``i + down`` or ``i + right``."""
    return Reach(down, down), Reach(right, right)


def _is_pointwise(step: Step) -> bool:
    mixed = mixed_axes(step)
    return bool(step.spatial) and mixed is not None and mixed.isdisjoint(step.spatial)


def pair(value: int | Sequence[int]) -> Sequence[int]:
    """(rows, columns) of a setting that Keras keeps as one number or two."""
    return (value, value) if isinstance(value, int) else value
