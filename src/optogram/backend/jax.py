"""JAX behind the contract that ``optogram.backend`` states."""

from collections.abc import Callable, Iterable, Sequence
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
    def compiled(values: Sequence[Any], tensors: Sequence[Any]) -> Any:
        with keras.StatelessScope(state_mapping=zip(variables, values, strict=True)):
            return function(*tensors)

    def program(*tensors: Any, values: Sequence[Any] | None = None) -> Any:
        held = [variable.value for variable in variables] if values is None else list(values)
        return compiled(held, list(tensors))

    return program


def gradient(function: Callable[..., Any]) -> Callable[..., Any]:
    """See the contract."""

    def gradients(at: Any, *others: Any) -> tuple[Any, Any]:
        def summed(at: Any) -> tuple[Any, Any]:
            scores, extras = function(at, *others)
            return scores.sum(axis=1), extras

        sums, back, extras = jax.vjp(summed, at, has_aux=True)
        if len(sums) == 1:
            return back(jax.numpy.ones_like(sums))[0][None], extras
        (found,) = jax.vmap(back)(jax.numpy.eye(len(sums), dtype=sums.dtype))
        return found, extras

    return gradients


@jax.custom_vjp
def pass_positive(tensor: Any) -> Any:
    """See the contract."""
    return tensor


pass_positive.defvjp(lambda tensor: (tensor, None), lambda _, back: (jax.numpy.maximum(back, 0),))
