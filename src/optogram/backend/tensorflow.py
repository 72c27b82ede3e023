"""TensorFlow, by the contract in ``optogram.backend``."""

import contextlib
import functools
import math
from collections.abc import Callable, Collection, Hashable, Iterable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.client import device_lib

from optogram.backend import Program
from optogram.processor import flags

NAME = "tensorflow"
_PASSES = 3
"""Passes over the maps of one image that folding a normalization saves, to one over the kernel."""


def to_tensor(array: np.ndarray) -> Any:
    """See the contract."""
    return tf.convert_to_tensor(array)


def to_array(tensor: Any) -> np.ndarray:
    """See the contract."""
    if tensor.dtype in (tf.bfloat16, tf.float16):
        tensor = tf.cast(tensor, tf.float32)
    return np.asarray(tensor)


def compile(
    function: Callable[..., Any], variables: Iterable[keras.Variable], batched: Collection[int] = ()
) -> Program:
    """See the contract. Variables are read directly, unless other weights are given."""
    variables = list(variables)
    known: dict[Any, Callable[..., Any]] = {}

    # Otherwise photos of many sizes would leave one trace each. As in Keras, without AutoGraph:
    # exceptions keep their types.
    @tf.function(reduce_retracing=True, autograph=False)
    def traced(weights: list[Any], tensors: list[Any]) -> Any:
        given = zip(variables, weights, strict=True) if weights else None
        with keras.StatelessScope(state_mapping=given):
            return function(*tensors)

    def traced_for(weights: list[Any], tensors: list[Any]) -> Callable[..., Any]:
        # Asked for by hand: a direct call counts the first traces of all programs as retracing of
        # one and warns of it.
        specs = [
            tf.TensorSpec([None, *one.shape[1:]], one.dtype) if place in batched else one
            for place, one in enumerate(tensors)
        ]
        # TensorFlow rounds differently for fixed and for unknown lengths. Custom code may need a
        # known length.
        with contextlib.suppress(Exception):
            return traced.get_concrete_function(weights, specs)
        return traced.get_concrete_function(weights, tensors)

    def ready(tensors: Sequence[Any], weights: Sequence[Any] | None) -> Callable[[], Any]:
        arguments: tuple[list[Any], list[Any]] = list(weights or ()), list(tensors)
        shapes = bool(weights), *((tuple(one.shape), one.dtype) for one in tensors)
        # Looked up here first: TensorFlow makes all callers wait while it traces for one.
        trace = known.get(shapes)
        if trace is None:
            trace = traced_for(*arguments)
            if len(known) >= most_shapes():
                known.clear()
            known[shapes] = trace
        return functools.partial(trace, *arguments)

    return Program(ready)


def direct(
    function: Callable[..., Any], variables: Iterable[keras.Variable], batched: Collection[int] = ()
) -> Program:
    """See the contract. Tracing a graph takes longer than running it once or a few times."""
    variables = list(variables)

    def run(tensors: Sequence[Any], weights: Sequence[Any] | None) -> Any:
        given = zip(variables, weights, strict=True) if weights else None
        with keras.StatelessScope(state_mapping=given):
            return function(*tensors)

    return Program(lambda tensors, weights: functools.partial(run, tensors, weights))


def signature(tensors: Sequence[Any]) -> Hashable:
    """See the contract. After the second shape, one trace serves all."""
    return ()


def gradient(function: Callable[..., Any]) -> Callable[..., Any]:
    """See the contract."""

    def gradients(at: Any, *others: Any) -> tuple[Any, Any]:
        with tf.GradientTape(persistent=True, watch_accessed_variables=False) as tape:
            tape.watch(at)
            scores, extras = function(at, *others)
            sums = tf.reduce_sum(scores, axis=1)
        zero = tf.UnconnectedGradients.ZERO
        if sums.shape[0] == 1:
            found = tape.gradient(sums, at, unconnected_gradients=zero)
            return tf.nest.map_structure(lambda one: one[None], found), extras
        # Row by row: all at once would need every map once per row.
        found = tape.jacobian(
            sums,
            at,
            unconnected_gradients=zero,
            parallel_iterations=1,
            experimental_use_pfor=False,
        )
        return found, extras

    return gradients


def pullback(
    function: Callable[[list[Any]], list[Any]], at: Sequence[Any]
) -> tuple[list[Any], Callable[[Sequence[Any]], list[Any]]]:
    """See the contract."""
    leaves = [tf.identity(leaf) for leaf in at]  # of one that is listed twice, each its own
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(leaves)
        made = function(leaves)

    def back(seeds: Sequence[Any]) -> list[Any]:
        found: list[Any] = tape.gradient(
            made,
            leaves,
            output_gradients=list(seeds),
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        return found

    return made, back


def inverse_fft2(real: Any, imaginary: Any, size: tuple[int, int]) -> Any:
    """See the contract."""
    return tf.signal.irfft2d(tf.complex(real, imaginary), size)


def free_memory() -> int | None:
    """See the contract. TensorFlow preallocates GPU memory; this is the free part of it."""
    place = _place()
    if not place.startswith("GPU"):
        return None
    return max(0, _limits()[place] - tf.config.experimental.get_memory_info(place)["current"])


@functools.cache
def _has_gpu() -> bool:
    return bool(tf.config.list_logical_devices("GPU"))


def _place() -> str:
    """The default device, such as CPU:0."""
    if not _has_gpu():
        return "CPU:0"
    return str(tf.zeros(()).device.rpartition("/device:")[2])


@functools.cache
def _limits() -> dict[str, int]:
    """Memory limit of TensorFlow in bytes for each device, by names such as GPU:0."""
    return {
        device.name.rpartition("/device:")[2]: device.memory_limit
        for device in device_lib.list_local_devices()
    }


def bfloat16_gain() -> float:
    """See the contract. Measured on processors: 4 to 6 with AMX, 1.9 with AVX-512 BF16."""
    place = _place()
    if not place.startswith("GPU"):
        return 4.0 if "amx_bf16" in flags() else 2.0 if "avx512_bf16" in flags() else 1.0
    number = int(place.rpartition(":")[2])
    details = tf.config.experimental.get_device_details(
        tf.config.list_physical_devices("GPU")[number]
    )
    return 4.0 if details.get("compute_capability", (0, 0)) >= (8, 0) else 1.0


def longest_loop() -> int:
    """See the contract."""
    return 64


def most_shapes() -> int:
    """See the contract. After a second shape, one trace serves all."""
    return 64


def gather(table: Any, places: Any) -> Any:
    """See the contract."""
    return tf.gather(table, places)


def fused(function: Callable[..., Any]) -> Callable[..., Any]:
    """See the contract. XLA fuses them; convolutions would be slower with it."""
    return tf.function(function, jit_compile=True, autograph=False)


@tf.custom_gradient
def pass_positive(tensor: Any) -> Any:
    """See the contract."""
    return tf.identity(tensor), tf.nn.relu


def faster(layer: keras.Layer) -> Callable[..., Any] | None:
    """See the contract. TensorFlow's depthwise convolutions are slow in bfloat16."""
    if type(layer) is keras.layers.SeparableConv2D and hasattr(layer, "product_dtype"):
        return functools.partial(_separable, layer)
    return None


def _separable(layer: Any, x: Any) -> Any:
    """A convolution of each channel, and a product in ``product_dtype``, without an activation."""
    value, low = tf.convert_to_tensor, layer.product_dtype
    maps = keras.ops.depthwise_conv(
        tf.cast(x, tf.float32),
        value(layer.depthwise_kernel),
        strides=layer.strides,
        padding=layer.padding,
        data_format=layer.data_format,
        dilation_rate=layer.dilation_rate,
    )
    kernel = tf.cast(value(layer.pointwise_kernel), low)
    made = keras.ops.conv(tf.cast(maps, low), kernel, data_format=layer.data_format)
    return made + tf.cast(value(layer.bias), low) if layer.use_bias else made


def unpadded(layer: keras.Layer) -> Callable[..., Any] | None:
    """See the contract."""
    return faster(layer)


def folding_saves() -> float:
    """See the contract. Keras's normalization is a product and a sum, each a pass over the maps."""
    return 0.9


def merged(
    layer: keras.Layer, normalization: keras.Layer | None, rectifier: Any
) -> Callable[..., Any] | None:
    """See the contract. TensorFlow itself merges rectifiers with convolutions."""
    if layer.data_format != "channels_last" or normalization is None or rectifier is not None:
        return None
    return functools.partial(_convolved_and_normalized, layer, normalization)


def _convolved_and_normalized(layer: Any, normalization: Any, x: Any) -> Any:
    """The product of the normalization goes into the kernel, its sum into the bias."""
    value = tf.convert_to_tensor
    factor = tf.math.rsqrt(value(normalization.moving_variance) + normalization.epsilon)
    if normalization.scale:
        factor *= value(normalization.gamma)
    offset = -factor * value(normalization.moving_mean)
    if normalization.center:
        offset += value(normalization.beta)
    if layer.use_bias:
        offset += factor * value(layer.bias)
    kernel = value(layer.kernel)
    given = {"strides": layer.strides, "padding": layer.padding}
    given["dilation_rate"] = layer.dilation_rate
    is_depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
    convolve = keras.ops.depthwise_conv if is_depthwise else keras.ops.conv
    made = layer.compute_output_shape((1, *x.shape[1:]))
    # Kernels of late layers are larger than their maps.
    if None not in made and _PASSES * math.prod(made) < math.prod(kernel.shape):
        return convolve(x, kernel, **given) * factor + offset
    scale = tf.reshape(factor, kernel.shape[2:]) if is_depthwise else factor
    return tf.nn.bias_add(convolve(x, kernel * scale, **given), offset)


def overwriting(operation: Any) -> Callable[[Any], Any] | None:
    """See the contract. TensorFlow decides by itself."""
    return None
