"""Settings of layers, and the objects that they hold.

This file uses private parts of Keras.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any

import keras

_POLICY = "_dtype_policy"
"""Attribute of a layer with its dtype policy."""

_OF_TRAINING = frozenset(
    (
        "auto_scale_loss",
        "compiled",
        "history",
        "jit_compile",
        "loss",
        "optimizer",
        "output_names",
        "predict_function",
        "run_eagerly",
        "steps_per_execution",
        "stop_evaluating",
        "stop_predicting",
        "stop_training",
        "test_function",
        "train_function",
        "unrolled_steps_per_execution",
    )
)
"""Attributes of models for training, evaluation and prediction."""


def layers_within(model: keras.Layer) -> list[keras.Layer]:
    """``model`` and all layers inside it, including activations."""
    return model._flatten_layers()


def settings(layer: keras.Layer) -> Iterator[tuple[dict[str, Any], str]]:
    """Dictionaries and names of the attributes that are settings of ``layer``.

    Attributes that every layer has are excluded, except the dtype policy and an own ``call``; so
    are attributes of models for training.
    """
    every = _what_every_layer_has()
    is_keras = type(layer).__module__.startswith("keras.")
    is_model = isinstance(layer, keras.Model)
    own = vars(layer)
    # PyTorch keeps layers inside layers in a place of their own.
    for names in (own, own.get("_modules", {})) if not (is_model and is_keras) else ():
        for name in list(names):  # another thread may use the model
            is_private = name.startswith("_" if is_keras or is_model else "_self_")
            is_training = is_model and name in _OF_TRAINING
            if not is_private and not is_training and name not in every:
                yield names, name
    yield own, _POLICY
    yield own, "call"


@cache
def _what_every_layer_has() -> frozenset[str]:
    return frozenset(vars(keras.layers.Layer(name="bare")))


def trainable(layer: keras.Layer) -> tuple[dict[str, Any], str]:
    """Dictionary and name of the attribute for trainability."""
    return vars(layer), "_trainable"


def held(layer: keras.Layer) -> tuple[Any, ...]:
    """Variables and layers that ``layer`` itself holds; empty before it is built."""
    if not layer.built:
        return ()
    return (*layer._trainable_variables, *layer._non_trainable_variables, *layer._layers)
