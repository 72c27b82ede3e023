"""Similarity to another image: a target for networks that embed images."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from optogram.errors import InputError
from optogram.graph.steps import Output
from optogram.network.network import Network
from optogram.target import Score, Target, Weights
from optogram.words import counted

_LEAST = 1e-12
"""Squared length below which an embedding has no direction."""


@dataclass(frozen=True, eq=False)
class Similarity(Target):
    """The cosine of the angle between the outputs of the network for an image and for another one.

    For networks that embed images, such as the image towers of CLIP, SigLIP and DINO: why are
    these two alike? The score is in −1…1. Maps show where in the image explained it is; ask again
    with the two exchanged for the other one.

    Parameters
    ----------
    other : image or array-like of shape (outputs,)
        The other image, as for `Network.prepare`, or its embedding, such as that of a text:
        docs/kerashub.md shows it for CLIP.
    """

    other: Any

    def resolved(self, net: Network) -> Target:
        """The target with the embedding of the other image.

        Raises
        ------
        InputError
            If ``other`` is neither one image nor a vector of as many finite numbers as the network
            has outputs, or has no direction.
        """
        vector = _vector(self.other)
        name = "a vector"
        if vector is None:
            found = net.scores(self.other)
            if len(found) != 1:
                raise InputError(
                    f"Similarity is to one image, and {counted(len(found), 'image')} were given: "
                    "give a list of targets, one for each."
                )
            vector, name = found[0], "another image"
        if vector.shape != (net.head.outputs,) or not np.isfinite(vector).all():
            raise InputError(
                f"{net.name!r} has {counted(net.head.outputs, 'output')}: other must be an image "
                f"or a vector of as many finite numbers, not of shape {vector.shape}."
            )
        length = float(np.linalg.norm(vector))
        if length**2 < _LEAST:
            raise InputError("Similarity is to a vector that is zero everywhere: choose another.")
        return Score(_cosine_with((vector / length).astype(np.float32)), f"similarity to {name}")

    def weights(self, net: Network, size: tuple[int, int], score: str = "logit") -> Weights:
        """See `Target.weights`."""
        return self.resolved(net).weights(net, size, score)

    def outputs(self, net: Network, score: str = "logit") -> tuple[Output, ...]:
        """See `Target.outputs`."""
        return self.resolved(net).outputs(net, score)

    def describe(self, net: Network) -> str:
        """What it is to."""
        return f"similarity to {'another image' if _vector(self.other) is None else 'a vector'}"


def _vector(other: Any) -> np.ndarray | None:
    """A vector of numbers; None for an image."""
    is_listed = isinstance(other, list | tuple) and all(
        isinstance(each, int | float) for each in other
    )
    is_vector = is_listed or (hasattr(other, "shape") and len(other.shape) == 1)
    return np.asarray(other, np.float32) if is_vector else None


def _cosine_with(vector: np.ndarray) -> Callable[[Any], Any]:
    """A function of outputs (N, C): the cosine with a vector of length 1."""

    def cosine_similarity(outputs: Any) -> Any:
        ops = keras.ops
        squares = ops.maximum(ops.sum(outputs * outputs, axis=-1), _LEAST)
        return ops.sum(outputs * ops.convert_to_tensor(vector), axis=-1) * ops.rsqrt(squares)

    return cosine_similarity
