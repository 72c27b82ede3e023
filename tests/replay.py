"""What a model answers when it is run eagerly, and when a replay of it has to say the same."""

from contextlib import nullcontext

import keras
import numpy as np
from keras import layers

from optogram import backend

KERAS_BACKEND = keras.config.backend()


def eager():
    """No writes to variables; on PyTorch no graph for gradients either."""
    if KERAS_BACKEND == "torch":
        import torch

        return torch.no_grad()
    return nullcontext()


def answer(function, x):
    """``function`` of ``x`` as an array; random numbers are the same at every call."""
    keras.utils.set_random_seed(0)
    with eager(), keras.StatelessScope():
        return keras.tree.map_structure(
            backend.current().to_array, function(backend.current().to_tensor(x))
        )


def assert_equal(found, expected, is_exact=KERAS_BACKEND != "torch"):
    if not is_exact:
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6 * np.abs(expected).max())
    else:
        np.testing.assert_array_equal(found, expected)


def is_bit_for_bit(graph):
    """Whether the steps compute in the very order in which Keras does."""
    # On JAX depthwise and 1×1 convolutions are summed in another order.
    reordered = any(
        isinstance(step.operation, layers.DepthwiseConv2D)
        or (isinstance(step.operation, layers.Conv2D) and step.operation.kernel_size == (1, 1))
        for step in graph.steps
    )
    return KERAS_BACKEND == "tensorflow" or (KERAS_BACKEND == "jax" and not reordered)
