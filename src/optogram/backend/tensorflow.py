"""TensorFlow behind the contract that ``optogram.backend`` states."""

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.client import device_lib

NAME = "tensorflow"


def to_tensor(array: np.ndarray) -> Any:
    """See the contract."""
    return tf.convert_to_tensor(array)


def to_array(tensor: Any) -> np.ndarray:
    """See the contract."""
    if tensor.dtype in (tf.bfloat16, tf.float16):
        tensor = tf.cast(tensor, tf.float32)
    return np.asarray(tensor)


def compile(
    function: Callable[..., Any], variables: Iterable[keras.Variable]
) -> Callable[..., Any]:
    """See the contract. Variables are read where they stand, unless other weights are given."""
    variables = list(variables)

    # Photos of many sizes would otherwise leave one trace each behind. As in Keras, Python is not
    # rewritten: what is raised inside keeps its type.
    @tf.function(reduce_retracing=True, autograph=False)
    def traced(weights: list[Any], tensors: list[Any]) -> Any:
        given = zip(variables, weights, strict=True) if weights else None
        with keras.StatelessScope(state_mapping=given):
            return function(*tensors)

    def program(*tensors: Any, weights: Sequence[Any] | None = None) -> Any:
        arguments = list(weights or ()), list(tensors)
        # Asked for by hand: a direct call counts the first traces of all programs as retracing of
        # one and warns of it.
        return traced.get_concrete_function(*arguments)(*arguments)

    return program


def gradient(function: Callable[..., Any]) -> Callable[..., Any]:
    """See the contract."""

    def gradients(at: Any, *others: Any) -> tuple[Any, Any]:
        with tf.GradientTape(persistent=True, watch_accessed_variables=False) as tape:
            tape.watch(at)
            scores, extras = function(at, *others)
            sums = tf.reduce_sum(scores, axis=1)
        zero = tf.UnconnectedGradients.ZERO
        if sums.shape[0] == 1:
            return tape.gradient(sums, at, unconnected_gradients=zero)[None], extras
        # Row after row: all at once would hold every map once a row.
        found = tape.jacobian(
            sums,
            at,
            unconnected_gradients=zero,
            parallel_iterations=1,
            experimental_use_pfor=False,
        )
        return found, extras

    return gradients


def inverse_fft2(real: Any, imaginary: Any, size: tuple[int, int]) -> Any:
    """See the contract."""
    return tf.signal.irfft2d(tf.complex(real, imaginary), size)


def free_memory() -> int | None:
    """See the contract. TensorFlow takes most of a GPU at once, and is asked for its share."""
    place = _place()
    if not place.startswith("GPU"):
        return None
    return max(0, _limits()[place] - tf.config.experimental.get_memory_info(place)["current"])


def _place() -> str:
    """The device that computes, such as CPU:0."""
    return str(tf.zeros(()).device.rpartition("/device:")[2])


@functools.cache
def _limits() -> dict[str, int]:
    """How many bytes TensorFlow may take on each device, by names such as GPU:0."""
    return {
        device.name.rpartition("/device:")[2]: device.memory_limit
        for device in device_lib.list_local_devices()
    }


def longest_loop() -> int:
    """See the contract."""
    return 64


def most_shapes() -> int:
    """See the contract. A second shape makes the trace serve all."""
    return 64


def gather(table: Any, places: Any) -> Any:
    """See the contract."""
    return tf.gather(table, places)


@tf.custom_gradient
def pass_positive(tensor: Any) -> Any:
    """See the contract."""
    return tf.identity(tensor), tf.nn.relu


def faster(layer: keras.Layer) -> Callable[..., Any] | None:
    """See the contract."""
    return None


def unpadded(layer: keras.Layer) -> Callable[..., Any] | None:
    """See the contract."""
    return None
