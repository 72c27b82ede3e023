"""The Keras model, programs and gradients by the backend that Keras is set to, without optogram."""

from collections.abc import Callable
from typing import Any

import keras

from ..side import Given


def parts(given: Given) -> tuple[Any, Any, Any]:
    """The model, and the two that it is made of: to the maps of the layer, and from them."""
    model = keras.saving.load_model(given.model, compile=False)
    layer = model.get_layer(given.layer)
    front, behind = keras.Model(model.input, layer.output), keras.Model(layer.output, model.output)
    return model, front, behind


def program(work: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """``work`` as one program; on JAX, which runs ahead, finished when it returns."""
    if keras.config.backend() == "tensorflow":
        import tensorflow as tf

        return tf.function(work)
    if keras.config.backend() == "jax":
        import jax

        run = jax.jit(work)
        return lambda x: jax.block_until_ready(run(x))
    return work


def gradient(
    score: Callable[[Any], Any], *, compiled: bool, as_array: bool = True
) -> Callable[[Any], Any]:
    """The gradient of the sum of ``score``."""
    taken = _gradients[keras.config.backend()](score)
    run = program(taken) if compiled else taken
    to_array = keras.ops.convert_to_numpy if as_array else lambda x: x
    return lambda x: to_array(run(keras.ops.convert_to_tensor(x)))


def _by_tensorflow(score: Callable[[Any], Any]) -> Callable[[Any], Any]:
    import tensorflow as tf

    def taken(x: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(x)
            total = tf.reduce_sum(score(x))
        return tape.gradient(total, x)

    return taken


def _by_jax(score: Callable[[Any], Any]) -> Callable[[Any], Any]:
    import jax

    return jax.grad(lambda x: score(x).sum())


def _by_torch(score: Callable[[Any], Any]) -> Callable[[Any], Any]:
    import torch

    def taken(x: Any) -> Any:
        x = x.detach().clone().requires_grad_()
        return torch.autograd.grad(score(x).sum(), x)[0]

    return taken


_gradients = {"tensorflow": _by_tensorflow, "jax": _by_jax, "torch": _by_torch}
