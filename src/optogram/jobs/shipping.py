"""Sending an opened network to another process."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from optogram.errors import ModelError
from optogram.network.network import Network
from optogram.words import brief

_LONGEST = 200


@dataclass(frozen=True)
class Shipped:
    """A network as data: the model in a .keras file, and how it was opened.

    Attributes
    ----------
    model : bytes
        Content of the file.
    classes : dict of str to type
        Classes of layers that Keras does not have.
    opening : dict
        Arguments of `Network`.
    """

    model: bytes
    classes: dict[str, type]
    opening: dict[str, Any]


def shipped(net: Network) -> Shipped:
    """The network as data.

    Raises
    ------
    ModelError
        If Keras cannot save the model.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.keras")
        try:
            net.model.save(path, include_optimizer=False)
        # Custom layers can fail to be saved with any exception.
        except Exception as error:
            raise ModelError(
                f"{net.name!r} cannot be sent to workers, since Keras cannot save it: "
                f"{brief(str(error), _LONGEST)}. Compute in this process."
            ) from error
        content = path.read_bytes()
    classes = {
        type(layer).__name__: type(layer)
        for layer in net.model._flatten_layers()
        if not type(layer).__module__.startswith("keras.")
    }
    opening = {
        "preprocess": net.preparation,
        "labels": net.labels,
        "origin": net.origin,
        "resample": net.resample,
        "name": net.name,
        **net.choices,
    }
    return Shipped(content, classes, opening)


def opened(sent: Shipped) -> Network:
    """The network that was sent."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.keras")
        path.write_bytes(sent.model)
        # The model was opened by its user in the process that sent it, who trusts it.
        model = keras.models.load_model(
            path, custom_objects=sent.classes, compile=False, safe_mode=False
        )
    return Network(model, **sent.opening)
