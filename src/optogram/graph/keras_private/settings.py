"""What a layer is set to, and what it holds.

This touches Keras's private side.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any

import keras

_POLICY = "_dtype_policy"
"""Where a layer keeps the types that it computes in."""

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
"""What models keep for training, evaluation and prediction."""


def layers_within(model: keras.Layer) -> list[keras.Layer]:
    """``model`` and all layers inside it, those given as activations too."""
    return model._flatten_layers()


def settings(layer: keras.Layer) -> Iterator[tuple[dict[str, Any], str]]:
    """Where ``layer`` keeps what it is set to, and under which name: attributes that it may read.

    Attributes that every layer has are none, but for the policy of its types and a ``call`` of its
    own. What a model has for its training is none either.
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
    """Where ``layer`` keeps whether it is trained."""
    return vars(layer), "_trainable"


def held(layer: keras.Layer) -> tuple[Any, ...]:
    """The variables and the layers that ``layer`` holds itself; none before it is built."""
    if not layer.built:
        return ()
    return (*layer._trainable_variables, *layer._non_trainable_variables, *layer._layers)
