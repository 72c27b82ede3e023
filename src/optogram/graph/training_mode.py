"""Layers called with ``training=True`` inside a model.

``model.predict`` runs a functional model in inference mode, whatever mode its layers were called
in. Only the code of a custom layer, or of a subclassed model, still runs a layer in training mode.
Then the output for an image depends on other images of the batch, or on random numbers.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import keras

from optogram.graph.keras_private import nodes

_LISTED = 4
"""Most layers that a warning names."""


@dataclass(frozen=True)
class Trained:
    """Names of layers that a model calls with ``training=True``, in the order of steps.

    Attributes
    ----------
    overruled : tuple of str
        Those that ``model.predict`` runs in inference mode.
    alone : tuple of str
        Batch normalization that stays in training mode, with the statistics of each image.
    silenced : tuple of str
        Random layers that stay in training mode in ``model.predict``, but not here.
    switched : tuple of keras.Layer
        Batch normalization that is in training mode if, and only if, it is trainable.
    """

    overruled: tuple[str, ...] = ()
    alone: tuple[str, ...] = ()
    silenced: tuple[str, ...] = ()
    switched: tuple[keras.Layer, ...] = ()

    def warnings(self) -> tuple[str, ...]:
        """Warnings about these layers."""
        found = []
        if self.overruled:
            found.append(
                f"{_listed(self.overruled)} called with training=True in the model: model.predict "
                "uses inference mode anyway, and so does optogram; model(x) gives other outputs."
            )
        if self.alone:
            found.append(
                f"{_listed(self.alone)} in training mode by the model's own code: each image is "
                "normalized by its own statistics, as in model.predict with a batch of one image. "
                "Several images in a batch would change each other's outputs."
            )
        if self.silenced:
            found.append(
                f"{_listed(self.silenced)} in training mode by the model's own code: outputs of "
                "model.predict are random. optogram explains the network without this noise."
            )
        return tuple(found)


NOTHING_TRAINED = Trained()


class Alone:
    """Batch normalization in training mode, with the statistics of each image, not of the batch.

    Equals Keras for a batch of one image, without updating moving averages.

    Parameters
    ----------
    layer : keras.layers.BatchNormalization
        The layer; its weights and epsilon are read at every call.
    """

    def __init__(self, layer: keras.layers.BatchNormalization) -> None:
        self._layer = layer

    def __call__(self, x: Any, training: bool | None = None, mask: Any = None) -> Any:
        """``x`` (N, ..., C) normalized; for vectors (N, C), only the offset remains."""
        ops, layer = keras.ops, self._layer
        x = ops.cast(x, keras.backend.result_type(x.dtype, "float32"))
        own = layer.axis % len(x.shape)
        axes = [axis for axis in range(1, len(x.shape)) if axis != own]
        shape = [-1 if axis == own else 1 for axis in range(len(x.shape))]
        if axes:
            mean, variance = ops.moments(x, axes, keepdims=True)
        else:
            mean, variance = x, ops.zeros_like(x)
        x = (x - mean) * ops.rsqrt(variance + layer.epsilon)
        if layer.scale:
            x = x * ops.reshape(ops.cast(layer.gamma, x.dtype), shape)
        if layer.center:
            x = x + ops.reshape(ops.cast(layer.beta, x.dtype), shape)
        return ops.cast(x, layer.compute_dtype)


def can_be_alone(call: nodes.Call) -> bool:
    """Whether the call is one of a batch normalization that `Alone` replaces."""
    layer = call.operation
    if not isinstance(layer, keras.layers.BatchNormalization):
        return False
    is_plain = type(layer).call is keras.layers.BatchNormalization.call
    is_masked = any(
        nodes.mask_of(leaf) is not None
        for leaf in keras.tree.flatten((call.args, call.kwargs))
        if isinstance(leaf, keras.KerasTensor)
    )
    return is_plain and not is_masked and not getattr(layer, "renorm", False)


def _listed(names: Iterable[str]) -> str:
    """ "a", "b" and 3 more are": the beginning of a sentence."""
    names = list(dict.fromkeys(names))
    shown = [repr(name) for name in names[:_LISTED]]
    if len(names) > _LISTED:
        shown.append(f"{len(names) - _LISTED} more")
    listed = " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)
    return f"{listed} {'are' if len(names) > 1 else 'is'}"
