"""Linear operations with weights, whose weights can be replaced."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import keras

from optogram.graph import layer_types
from optogram.graph.mixing import is_written_by_keras
from optogram.graph.steps import Step
from optogram.interpreters import forward

_DEPTHWISE = (keras.layers.DepthwiseConv1D, keras.layers.DepthwiseConv2D)
_TRANSPOSED = (
    keras.layers.Conv1DTranspose,
    keras.layers.Conv2DTranspose,
    keras.layers.Conv3DTranspose,
)


@dataclass(frozen=True)
class Linear:
    """A linear operation: ``apply(x, kernel)``, plus a bias.

    Attributes
    ----------
    apply : callable
        Of the input and a kernel: the output without bias.
    kernel : tensor
        The weights.
    bias : tensor or None
        Broadcasts to the output.
    to_kernel : callable
        Gives numbers for each output channel the shape that broadcasts to the kernel.
    to_output : callable
        The same for the output.
    """

    apply: Callable[[Any, Any], Any]
    kernel: Any
    bias: Any
    to_kernel: Callable[[Any], Any]
    to_output: Callable[[Any], Any]

    def scaled(self, scale: Any, shift: Any) -> "Linear":
        """Followed by ``scale · output + shift``: a number each for every output channel."""
        scales, shifts = self.to_output(scale), self.to_output(shift)
        bias = shifts if self.bias is None else self.bias * scales + shifts
        return replace(self, kernel=self.kernel * self.to_kernel(scale), bias=bias)


def has_kernel(step: Step) -> bool:
    """Whether `linears` knows the step: a convolution or a dense layer of Keras."""
    layer = step.operation
    if step.half == "activation" or not is_written_by_keras(layer):
        return False
    is_changed = getattr(layer, "lora_enabled", False) or getattr(layer, "quantization_mode", None)
    is_linear = isinstance(layer, layer_types.WITH_FUSED_ACTIVATION)
    is_linear = is_linear and not isinstance(layer, keras.layers.SeparableConv1D)
    return is_linear and not is_changed and len(step.inputs) == 1


def channel_axis(step: Step) -> int | None:
    """The axis of the output channels of a step with a kernel; None where they have several."""
    if isinstance(step.operation, keras.layers.EinsumDense):
        return None
    return len(step.shape) - 1 - _axes_after_channels(step.run)


def linears(step: Step) -> list[Linear]:
    """The linear operations that a step with a kernel applies, in order.

    A separable convolution is two: one per channel, and one that mixes channels.
    """
    layer = step.operation
    if isinstance(layer, keras.layers.SeparableConv2D):
        return _separable(step)
    return [_of_layer(step)]


def _of_layer(step: Step) -> Linear:
    layer = step.operation
    run = forward.fastest(step.run)
    kernel, bias = _value(layer.kernel), getattr(layer, "bias", None)
    known = [] if bias is None else [(bias, keras.ops.zeros_like(_value(bias)))]

    def apply(x: Any, kernel: Any) -> Any:
        # Variables are looked up in this scope before the one outside.
        with keras.StatelessScope(state_mapping=[(layer.kernel, kernel), *known]):
            return keras.ops.cast(run(keras.ops.cast(x, layer.compute_dtype)), "float32")

    shape = _channels_in_kernel(layer)
    to_output = partial(_to_output, _axes_after_channels(step.run))
    own = None if bias is None else _value(bias)
    if own is not None and len(own.shape) == 1:
        own = to_output(own)
    return Linear(apply, kernel, own, lambda values: keras.ops.reshape(values, shape), to_output)


def _separable(step: Step) -> list[Linear]:
    ops, layer = keras.ops, step.operation
    # The copy that runs may have another layout than the user's layer.
    run: Any = step.run
    settings = {"data_format": run.data_format}
    strides = layer.strides[0] if len(set(layer.strides)) == 1 else layer.strides
    depthwise, pointwise = _value(layer.depthwise_kernel), _value(layer.pointwise_kernel)
    to_output = partial(_to_output, _axes_after_channels(run))
    bias = None if layer.bias is None else to_output(_value(layer.bias))

    def per_channel(x: Any, kernel: Any) -> Any:
        return ops.depthwise_conv(
            x, kernel, strides, layer.padding, dilation_rate=layer.dilation_rate, **settings
        )

    def mixing(x: Any, kernel: Any) -> Any:
        return ops.conv(x, kernel, 1, "valid", **settings)

    def to_depthwise(values: Any) -> Any:
        return ops.reshape(values, (1, 1, *depthwise.shape[2:]))

    return [
        Linear(per_channel, depthwise, None, to_depthwise, to_output),
        Linear(mixing, pointwise, bias, lambda values: ops.reshape(values, (-1,)), to_output),
    ]


def _value(variable: Any) -> Any:
    """The value of a weight, as float32 tensor."""
    return keras.ops.cast(keras.ops.convert_to_tensor(variable), "float32")


def _channels_in_kernel(layer: Any) -> tuple[int, ...]:
    """The shape in which numbers per output channel broadcast to the kernel of a layer."""
    kernel = tuple(layer.kernel.shape)
    if isinstance(layer, _DEPTHWISE):
        return (*(1 for _ in kernel[:-2]), *kernel[-2:])
    if isinstance(layer, _TRANSPOSED):
        return (*(1 for _ in kernel[:-2]), kernel[-2], 1)
    return (*(1 for _ in kernel[:-1]), kernel[-1])


def _axes_after_channels(layer: Any) -> int:
    """How many axes of the output come after its channels."""
    is_first = getattr(layer, "data_format", "channels_last") == "channels_first"
    return getattr(layer, "rank", 2) if is_first else 0


def _to_output(after: int, values: Any) -> Any:
    return keras.ops.reshape(values, (-1, *(1 for _ in range(after)))) if after else values
