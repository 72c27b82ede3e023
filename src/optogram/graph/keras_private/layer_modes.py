"""Effects of training mode on layers, and sources of random numbers.

This file uses private parts of Keras.
"""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
from keras.src.backend.common import global_state

_SHARED_GENERATOR = "global_seed_generator"
"""Attribute of Keras with the default source of random numbers."""

_RATES = ("rate", "stddev", "dropout", "recurrent_dropout")
"""Attributes of random layers with their strength; other random layers are always active."""


def trains_by_default(operation: Any) -> bool:
    """Whether ``operation`` is in training mode by default, as augmentation layers are.

    Keras treats this as if the author of the model had set it.
    """
    training = inspect.signature(operation.call).parameters.get("training")
    return training is not None and training.default is True


def draws(operation: Any) -> bool:
    """Whether ``operation``, or a layer inside it, is random in training mode."""
    if not isinstance(operation, keras.Layer):
        return False
    drawing = [layer for layer in operation._flatten_layers() if layer._seed_generators]
    return any(map(_has_rate, drawing))


def _has_rate(layer: keras.Layer) -> bool:
    rates = [vars(layer)[name] for name in _RATES if name in vars(layer)]
    return not rates or any(bool(np.any(rate)) for rate in rates)


def acts_in_training(operation: keras.Layer) -> bool:
    """Whether training mode changes the output of Keras layers in ``operation``."""
    return draws(operation) or any(
        isinstance(layer, keras.layers.BatchNormalization) and layer.trainable
        for layer in operation._flatten_layers()
    )


@contextmanager
def seed_states(model: keras.Layer) -> Iterator[list[keras.Variable]]:
    """Sources of random numbers of ``model``: states of its generators, and Keras's own.

    Keras creates its own on first use; the block has a temporary one until then.
    """
    own = [generator for layer in model._flatten_layers() for generator in layer._seed_generators]
    kept = global_state.get_global_attribute(_SHARED_GENERATOR)
    shared = kept or keras.random.SeedGenerator(0, name="optogram")
    global_state.set_global_attribute(_SHARED_GENERATOR, shared)
    try:
        yield [generator.state for generator in (*own, shared)]
    finally:
        global_state.set_global_attribute(_SHARED_GENERATOR, kept)
