"""Operations that are the identity outside training, such as dropout and augmentation."""

from typing import Any

import keras

from optogram.graph import layer_types


def is_identity(operation: Any, training: bool) -> bool:
    """Whether ``operation`` returns its input outside training, apart from the dtype.

    Subclasses of Keras classes do not count: they may do anything.
    """
    kind = type(operation)
    if operation is keras.activations.linear or kind in layer_types.ALWAYS_IDENTITY:
        return True
    return kind in layer_types.IDENTITY_OUTSIDE_TRAINING and not training
