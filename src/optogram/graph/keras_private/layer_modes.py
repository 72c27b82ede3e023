"""What training mode makes of a layer, and what random numbers are drawn from.

This touches Keras's private side.
"""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
from keras.src.backend.common import global_state

_SHARED_GENERATOR = "global_seed_generator"
"""Where Keras keeps what random operations without a generator of their own draw from."""

_RATES = ("rate", "stddev", "dropout", "recurrent_dropout")
"""What random layers call how much they do; the others always do something."""


def trains_by_default(operation: Any) -> bool:
    """Whether ``operation`` is in training mode unless told otherwise, as augmenting layers are.

    Keras keeps that as if whoever built the model had asked for it.
    """
    training = inspect.signature(operation.call).parameters.get("training")
    return training is not None and training.default is True


def draws(operation: Any) -> bool:
    """Whether ``operation``, or a layer inside it, draws random numbers in training mode."""
    if not isinstance(operation, keras.Layer):
        return False
    drawing = [layer for layer in operation._flatten_layers() if layer._seed_generators]
    return any(map(_has_rate, drawing))


def _has_rate(layer: keras.Layer) -> bool:
    rates = [vars(layer)[name] for name in _RATES if name in vars(layer)]
    return not rates or any(bool(np.any(rate)) for rate in rates)


def acts_in_training(operation: keras.Layer) -> bool:
    """Whether training mode changes what Keras's layers in ``operation`` answer."""
    return draws(operation) or any(
        isinstance(layer, keras.layers.BatchNormalization) and layer.trainable
        for layer in operation._flatten_layers()
    )


@contextmanager
def seed_states(model: keras.Layer) -> Iterator[list[keras.Variable]]:
    """What random layers of ``model`` draw from: states of its generators, and of Keras's own.

    Keras makes its own when it is first drawn from; until then there is another one in the block.
    """
    own = [generator for layer in model._flatten_layers() for generator in layer._seed_generators]
    kept = global_state.get_global_attribute(_SHARED_GENERATOR)
    shared = kept or keras.random.SeedGenerator(0, name="optogram")
    global_state.set_global_attribute(_SHARED_GENERATOR, shared)
    try:
        yield [generator.state for generator in (*own, shared)]
    finally:
        global_state.set_global_attribute(_SHARED_GENERATOR, kept)
