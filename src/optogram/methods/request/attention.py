"""What methods that follow attention ask of a network: all its layers, between the same tokens."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from optogram.errors import InputError
from optogram.graph.steps import Output
from optogram.graph.token_grids import Grid
from optogram.interpreters.attention import AttentionLayer, attention_layers, tokens_read
from optogram.network.network import Network
from optogram.result.titles import method_title
from optogram.words import counted

_INSTEAD = "use gradcam at a layer of tokens, or saliency"


@dataclass(frozen=True, eq=False)
class AttentionStack:
    """The attention layers between an image and a score, all between the same tokens.

    Attributes
    ----------
    layers : tuple of AttentionLayer
        The layers, in order of the network.
    grid : Grid
        Where their tokens stand.
    read : int ndarray
        The tokens that the score is read from: the class token, or all that are averaged.
    """

    layers: tuple[AttentionLayer, ...]
    grid: Grid
    read: np.ndarray

    def map_of(self, relevance: np.ndarray) -> np.ndarray:
        """(N, h, w): the patches in the rows of tokens that the score is read from, averaged.

        ``relevance`` (N, tokens, tokens).
        """
        return self.patches(relevance[:, self.read].mean(axis=1))

    def patches(self, tokens: np.ndarray) -> np.ndarray:
        """(N, h, w): values (N, tokens) of the patches, without the tokens in front."""
        own = tokens[:, self.grid.front :].astype(np.float32)
        return own.reshape(-1, self.grid.rows, self.grid.columns)


def attention_before(
    net: Network, size: tuple[int, int], scored: Collection[Output]
) -> tuple[AttentionLayer, ...]:
    """The attention layers between images of ``size`` and a score, in order of the network."""
    before = net.graph.ancestors(scored)
    return tuple(layer for layer in attention_layers(net, size) if layer.softmax.step in before)


def attention_stack(
    net: Network, size: tuple[int, int], scored: Collection[Output], method: str
) -> AttentionStack:
    """The attention layers that a method follows, between images of ``size`` and a score.

    Raises
    ------
    InputError
        If there are none, or attention cannot be followed through all of them.
    """
    title = method_title(method).partition(" (")[0]
    net.require_layers()
    layers = attention_before(net, size, scored)
    if not layers:
        raise InputError(
            f"{title} follows attention, and no attention layer lies between the image and the "
            "score: use gradcam, or saliency, which needs no layer."
        )
    follows = f"{title} follows attention between the same tokens through all layers"
    for layer in layers:
        if layer.windows > 1:
            raise InputError(
                f"{follows}, but that of {layer.name!r} is within "
                f"{counted(layer.windows, 'window')} of {layer.keys} tokens: {_INSTEAD}."
            )
        if not layer.queries == layer.keys == layers[0].keys:
            before_it = "" if layer is layers[0] else f" after one of {layers[0].keys}"
            raise InputError(
                f"{follows}, but {layer.name!r} has {counted(layer.queries, 'query', 'queries')} "
                f"and {counted(layer.keys, 'key')}{before_it}: {_INSTEAD}."
            )
    grid = layers[0].grid
    if grid is None:
        raise InputError(
            f"{title} shows tokens on the image, but where the {layers[0].keys} tokens of "
            f"{layers[0].name!r} stand is not known: {_INSTEAD}."
        )
    return AttentionStack(layers, grid, tokens_read(net.graph, layers[-1], scored))


def with_heads(attention: np.ndarray, leading: int = 1) -> np.ndarray:
    """Attention, or gradients, with an axis of heads behind ``leading`` axes, if there is none."""
    return attention if attention.ndim == leading + 3 else np.expand_dims(attention, leading)
