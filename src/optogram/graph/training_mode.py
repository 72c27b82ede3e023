"""What ``training=True`` inside a model comes to: what ``model.predict`` answers for each image.

``model.predict`` runs a functional model in inference mode, whatever mode its layers were called
in. Only the code of a custom layer, or of a subclassed model, still puts a layer in training mode:
there, what an image is given depends on which others share its batch, or on random numbers.
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
    """The layers that a model calls with ``training=True``, by name, in the order of their steps.

    Attributes
    ----------
    overruled : tuple of str
        Those that ``model.predict`` runs in inference mode all the same.
    alone : tuple of str
        Batch normalization that is left in training mode: by the statistics of each image alone.
    silenced : tuple of str
        Those that are left to draw random numbers, and do not here.
    switched : tuple of keras.Layer
        Batch normalization that is left in training mode if, and only if, it is trainable.
    """

    overruled: tuple[str, ...] = ()
    alone: tuple[str, ...] = ()
    silenced: tuple[str, ...] = ()
    switched: tuple[keras.Layer, ...] = ()

    def warnings(self) -> tuple[str, ...]:
        """What the user should know of them, a sentence or two each."""
        found = []
        if self.overruled:
            found.append(
                f"{_listed(self.overruled)} called with training=True in the model: model.predict "
                "runs that in inference mode all the same, and so does optogram; model(x) answers "
                "otherwise."
            )
        if self.alone:
            found.append(
                f"{_listed(self.alone)} in training mode by the model's own code: each image is "
                "normalized by its own statistics, as model.predict does with a batch of one "
                "image. Several images in a batch would change each other's answers."
            )
        if self.silenced:
            found.append(
                f"{_listed(self.silenced)} in training mode by the model's own code: the answers "
                "of model.predict are random. optogram explains the network without that noise."
            )
        return tuple(found)


NOTHING_TRAINED = Trained()


class Alone:
    """Batch normalization in training mode, by the statistics of each image instead of the batch.

    It is what Keras computes for a batch of one, and writes to no moving average.

    Parameters
    ----------
    layer : keras.layers.BatchNormalization
        Its weights and epsilon are read at every call.
    """

    def __init__(self, layer: keras.layers.BatchNormalization) -> None:
        self._layer = layer

    def __call__(self, x: Any, training: bool | None = None, mask: Any = None) -> Any:
        """``x`` (N, ..., C) normalized; of vectors (N, C) nothing but the offset is left."""
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
    """Whether the call is of a batch normalization that `Alone` stands for."""
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
