"""Number of weights of a configuration, without creating them.

This file uses private parts of Keras.
"""

import json
import math
from collections.abc import Callable
from typing import Any

import keras
from keras.src.legacy.saving import json_utils, saving_options, saving_utils
from keras.src.saving.serialization_lib import ObjectSharingScope, SafeModeScope

from optogram.graph.keras_private.copies import no_updates, own_names


def numbers_asked(config: Any, is_h5: bool) -> tuple[int, Exception | None]:
    """Number of values in the weights of ``config``, and the error if Keras could not build it.

    The model is built in a scope in which variables have shapes but no values, so it takes almost
    no memory, whatever the configuration is. The scope is local to the thread.

    Parameters
    ----------
    config : dict
        Configuration in a ``.keras`` file or, if ``is_h5``, in an ``.h5`` file (an older format).
    """
    failure = None
    with no_updates() as variables, own_names():
        # A foreign configuration can fail anywhere inside Keras, with any exception.
        try:
            _build(json.dumps(_without_states(config)), is_h5)
        except Exception as error:
            failure = error
    return sum(math.prod(variable.shape) for variable in variables), failure


def _build(text: str, is_h5: bool) -> None:
    """Build the model as in `keras.saving.load_model`, without reading its weights."""
    if is_h5:
        with saving_options.keras_option_scope(use_legacy_config=True), SafeModeScope(True):
            saving_utils.model_from_config(json_utils.decode(text))
        return
    with ObjectSharingScope():
        keras.saving.deserialize_keras_object(json.loads(text), safe_mode=True)


def _without_states(config: Any) -> Any:
    """``config`` without parts that Keras cannot, or need not, build in such a scope.

    Recurrent layers create their states with values; these are not weights of the file.
    """
    rewritten: dict[str, Callable[[Any], Any]] = {
        "stateful": lambda _: False,
        "compile_config": lambda _: None,
    }
    if isinstance(config, dict):
        return {key: rewritten.get(key, _without_states)(value) for key, value in config.items()}
    return [_without_states(one) for one in config] if isinstance(config, list) else config
