"""TensorFlow behind the contract that ``optogram.backend`` states."""

from collections.abc import Callable, Iterable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

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
    """See the contract. Variables are read where they stand, so none has to be passed in."""

    # Photos of many sizes would otherwise leave one trace each behind.
    @tf.function(reduce_retracing=True)
    def traced(*tensors: Any) -> Any:
        with keras.StatelessScope():
            return function(*tensors)

    # Asked for by hand: a direct call counts the first traces of all programs as retracing of one
    # and warns of it.
    return lambda *tensors: traced.get_concrete_function(*tensors)(*tensors)


def gradient(function: Callable[..., Any]) -> Callable[..., Any]:
    """See the contract."""

    def value_and_gradient(at: Any, *others: Any) -> tuple[Any, Any]:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(at)
            scores, extras = function(at, *others)
        back = tape.gradient(scores, at, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        return back, extras

    return value_and_gradient
