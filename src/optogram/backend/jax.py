"""JAX behind the contract that ``optogram.backend`` states."""

from collections.abc import Callable, Iterable
from typing import Any

import jax
import keras
import numpy as np

NAME = "jax"


def to_tensor(array: np.ndarray) -> Any:
    """See the contract."""
    return jax.numpy.asarray(array)


def to_array(tensor: Any) -> np.ndarray:
    """See the contract."""
    if tensor.dtype in (jax.numpy.bfloat16, jax.numpy.float16):
        tensor = tensor.astype(jax.numpy.float32)
    return np.asarray(tensor)


def compile(
    function: Callable[..., Any], variables: Iterable[keras.Variable]
) -> Callable[..., Any]:
    """See the contract."""
    variables = list(variables)

    # Values are arguments: as constants they would be copied into every compiled program.
    @jax.jit
    def compiled(values: list[Any], *tensors: Any) -> Any:
        with keras.StatelessScope(state_mapping=zip(variables, values, strict=True)):
            return function(*tensors)

    return lambda *tensors: compiled([variable.value for variable in variables], *tensors)


def gradient(function: Callable[..., Any]) -> Callable[..., Any]:
    """See the contract."""

    def summed(at: Any, *others: Any) -> tuple[Any, Any]:
        scores, extras = function(at, *others)
        return scores.sum(), extras

    return jax.grad(summed, has_aux=True)
