"""How many weights a configuration asks Keras for, told without making any.

This touches Keras's private side.
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
    """How many numbers the weights of ``config`` have, and why Keras could not build all of it.

    The model is built in a scope in which variables get shapes, but no numbers: it takes next to
    no memory, whatever the configuration says. The scope is this thread's own.

    Parameters
    ----------
    config : dict
        Of a ``.keras`` file, or where ``is_h5`` of an ``.h5`` file, which has an older form.
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
    """Build the model as `keras.saving.load_model` does, without reading its weights."""
    if is_h5:
        with saving_options.keras_option_scope(use_legacy_config=True), SafeModeScope(True):
            saving_utils.model_from_config(json_utils.decode(text))
        return
    with ObjectSharingScope():
        keras.saving.deserialize_keras_object(json.loads(text), safe_mode=True)


def _without_states(config: Any) -> Any:
    """``config`` without what Keras cannot build in such a scope, or need not.

    Recurrent layers make their states out of numbers; these are no weights of the file.
    """
    rewritten: dict[str, Callable[[Any], Any]] = {
        "stateful": lambda _: False,
        "compile_config": lambda _: None,
    }
    if isinstance(config, dict):
        return {key: rewritten.get(key, _without_states)(value) for key, value in config.items()}
    return [_without_states(one) for one in config] if isinstance(config, list) else config
