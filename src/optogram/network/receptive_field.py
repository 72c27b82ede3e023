"""Which window of the input an element of a feature map can depend on, step by step."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import keras

from optogram.network.steps import Returned, Shape, Step


@dataclass(frozen=True)
class ReceptiveField:
    """The window of the input that the elements of one feature map see.

    Element (i, j) sees input rows ``start[0] + i * stride[0]`` to ``end[0] + i * stride[0]``,
    both included, and columns likewise; what lies beyond the border is padding.

    Attributes
    ----------
    start, end : tuple of float
        First and last (row, column) that element (0, 0) sees, in pixels.
    stride : tuple of float
        How far the window moves from one element to the next, in pixels.
    """

    start: tuple[float, float]
    end: tuple[float, float]
    stride: tuple[float, float]

    @property
    def is_whole(self) -> bool:
        """Whether every element can depend on the whole input."""
        return math.inf in self.end

    @property
    def size(self) -> tuple[float, float]:
        """(height, width) of the window in pixels; ``inf`` where it is the whole input."""
        return (self.end[0] - self.start[0] + 1, self.end[1] - self.start[1] + 1)

    @property
    def offset(self) -> tuple[float, float]:
        """(y, x) of the window's centre for element (0, 0), in pixels; 0 for the whole input."""
        if self.is_whole:
            return (0.0, 0.0)
        return ((self.start[0] + self.end[0]) / 2, (self.start[1] + self.end[1]) / 2)


WHOLE = ReceptiveField((-math.inf, -math.inf), (math.inf, math.inf), (0.0, 0.0))
PIXEL = ReceptiveField((0.0, 0.0), (0.0, 0.0), (1.0, 1.0))

_CONVOLUTIONS = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.SeparableConv2D)
_POOLS = (keras.layers.MaxPooling2D, keras.layers.AveragePooling2D)
_POINTWISE_LAYERS = (
    keras.layers.Activation,
    keras.layers.ActivityRegularization,
    keras.layers.Add,
    keras.layers.Average,
    keras.layers.BatchNormalization,
    keras.layers.Dense,
    keras.layers.Dropout,
    keras.layers.ELU,
    keras.layers.GaussianDropout,
    keras.layers.GaussianNoise,
    keras.layers.Identity,
    keras.layers.LeakyReLU,
    keras.layers.Maximum,
    keras.layers.Minimum,
    keras.layers.Multiply,
    keras.layers.Normalization,
    keras.layers.PReLU,
    keras.layers.ReLU,
    keras.layers.Rescaling,
    keras.layers.SpatialDropout2D,
    keras.layers.Subtract,
)
_ALONG_CHANNELS = (
    keras.layers.Concatenate,
    keras.layers.LayerNormalization,
    keras.layers.Softmax,
)
# Operations used in place of layers have no public classes: they are told by their names.
_POINTWISE_OPERATIONS = frozenset(
    (
        "Abs",
        "Absolute",
        "Add",
        "Cast",
        "Clip",
        "Divide",
        "Elu",
        "Exp",
        "Gelu",
        "HardSigmoid",
        "HardSilu",
        "HardTanh",
        "Identity",
        "LeakyRelu",
        "Log",
        "Maximum",
        "Minimum",
        "Multiply",
        "Negative",
        "Power",
        "Relu",
        "Relu6",
        "Rsqrt",
        "Selu",
        "Sigmoid",
        "Silu",
        "Softplus",
        "Sqrt",
        "Square",
        "Subtract",
        "Tanh",
        "TrueDivide",
    )
)
_OPERATIONS_ALONG_CHANNELS = frozenset(("Concatenate", "Softmax"))


def receptive_field(
    step: Step, seen: Sequence[ReceptiveField], read: Sequence[Shape], made: Shape
) -> ReceptiveField:
    """The receptive field of what ``step`` makes.

    Where no rule is known for the step the answer is the whole input: never less than the truth.

    Parameters
    ----------
    step : Step
        What is done.
    seen : sequence of ReceptiveField
        Of the step's inputs.
    read, made : shapes
        Of the step's inputs and of its output, batch first; None where not known.
    """
    layer = step.operation
    if step.kind == "InputLayer":
        return PIXEL
    if not seen or len(made) != 4 or any(field.is_whole for field in seen):
        return WHOLE
    if step.half == "activation" or isinstance(layer, Returned):
        return seen[0]
    if isinstance(layer, _CONVOLUTIONS):
        dilations = _pair(layer.dilation_rate)
        spans = [(k - 1) * d for k, d in zip(layer.kernel_size, dilations, strict=True)]
        return _windowed(seen[0], spans, _pair(layer.strides), layer.padding, read[0])
    if isinstance(layer, _POOLS):
        spans = [size - 1 for size in layer.pool_size]
        return _windowed(seen[0], spans, layer.strides, layer.padding, read[0])
    if isinstance(layer, keras.layers.Conv2DTranspose):
        return _transposed(seen[0], layer, read[0], made)
    if isinstance(layer, keras.layers.ZeroPadding2D):
        return _along(seen[0], lambda axis, a: a.shift(-layer.padding[axis][0]))
    if isinstance(layer, keras.layers.Cropping2D):
        return _along(seen[0], lambda axis, a: a.shift(layer.cropping[axis][0]))
    if isinstance(layer, keras.layers.UpSampling2D) and layer.interpolation == "nearest":
        return _along(seen[0], lambda axis, a: a.spread(1 - layer.size[axis], 0, layer.size[axis]))
    if _is_pointwise(step):
        return _union(seen, read, made)
    return WHOLE


@dataclass(frozen=True)
class _Axis:
    """A receptive field along one axis."""

    start: float
    end: float
    stride: float

    def window(self, before: int, span: int, stride: int) -> "_Axis":
        """Seen through windows of ``span + 1`` elements that begin at ``i * stride - before``."""
        return _Axis(
            self.start - before * self.stride,
            self.end + (span - before) * self.stride,
            self.stride * stride,
        )

    def shift(self, elements: int) -> "_Axis":
        """Seen from a map whose element i was element ``i + elements``."""
        return self.window(-elements, 0, 1)

    def spread(self, first: int, last: int, factor: int) -> "_Axis":
        """Seen from a map ``factor`` times finer, element i made of (i + first … last) / factor."""
        step = self.stride / factor
        return _Axis(self.start + first * step, self.end + last * step, step)


def _along(field: ReceptiveField, rule: Callable[[int, _Axis], _Axis]) -> ReceptiveField:
    """``rule(axis number, axis)`` applied to rows and to columns."""
    rows, columns = (
        rule(i, _Axis(field.start[i], field.end[i], field.stride[i])) for i in range(2)
    )
    return ReceptiveField(
        (rows.start, columns.start), (rows.end, columns.end), (rows.stride, columns.stride)
    )


def _windowed(
    field: ReceptiveField,
    spans: Sequence[int],
    strides: Sequence[int],
    padding: str,
    read: Shape,
) -> ReceptiveField:
    """Through sliding windows; "same" padding puts the smaller half before, as TensorFlow does."""

    def rule(i: int, axis: _Axis) -> _Axis:
        span, stride, size = spans[i], strides[i], read[1 + i]
        before = 0
        if padding == "same":
            fits = stride if size is None else size - (math.ceil(size / stride) - 1) * stride
            before = max(span + 1 - fits, 0) // 2
        return axis.window(before, span, stride)

    return _along(field, rule)


def _transposed(
    field: ReceptiveField, layer: keras.layers.Conv2DTranspose, read: Shape, made: Shape
) -> ReceptiveField:
    """Output i takes input j where ``i + cut - j * stride`` falls inside the kernel."""
    dilations = _pair(layer.dilation_rate)

    def rule(i: int, axis: _Axis) -> _Axis:
        span, stride = (layer.kernel_size[i] - 1) * dilations[i], layer.strides[i]
        size, out = read[1 + i], made[1 + i]
        cut = 0
        if layer.padding == "same":
            grown = stride if size is None or out is None else out - (size - 1) * stride
            cut = max(span + 1 - grown, 0) // 2
        return axis.spread(cut - span, cut, stride)

    return _along(field, rule)


def _is_pointwise(step: Step) -> bool:
    layer = step.operation
    if isinstance(layer, keras.layers.BatchNormalization) and step.kwargs.get("training"):
        return False  # statistics of the batch mix all positions
    is_layer = isinstance(layer, keras.layers.Layer)
    is_operation_along_channels = not is_layer and step.kind in _OPERATIONS_ALONG_CHANNELS
    if isinstance(layer, _ALONG_CHANNELS) or is_operation_along_channels:
        return getattr(step.shaping, "axis", None) in (-1, 3, [-1], [3])
    if is_layer:
        return isinstance(layer, _POINTWISE_LAYERS)
    return step.kind in _POINTWISE_OPERATIONS


def _union(seen: Sequence[ReceptiveField], read: Sequence[Shape], made: Shape) -> ReceptiveField:
    """The smallest window that holds those of all inputs, all as large as the output."""
    if len({field.stride for field in seen}) > 1 or any(s[1:3] != made[1:3] for s in read):
        return WHOLE
    return ReceptiveField(
        (min(field.start[0] for field in seen), min(field.start[1] for field in seen)),
        (max(field.end[0] for field in seen), max(field.end[1] for field in seen)),
        seen[0].stride,
    )


def _pair(value: int | Sequence[int]) -> Sequence[int]:
    return (value, value) if isinstance(value, int) else value
