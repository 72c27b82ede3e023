"""Operations that return what they are given: what augments or drops does so in training alone."""

from typing import Any

import keras

from optogram.graph import layer_types


def is_identity(operation: Any, training: bool) -> bool:
    """Whether ``operation`` returns the values that it is given; their type may be another.

    Classes derived from those of Keras are not known: they may do anything.
    """
    kind = type(operation)
    if operation is keras.activations.linear or kind in layer_types.ALWAYS_IDENTITY:
        return True
    return kind in layer_types.IDENTITY_OUTSIDE_TRAINING and not training
