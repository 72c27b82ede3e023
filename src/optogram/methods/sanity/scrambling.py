"""A network whose weights are scrambled, layer after layer from the top."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import keras
import numpy as np

from optogram.errors import InputError
from optogram.graph.steps import Output
from optogram.network.network import Network


@dataclass(frozen=True)
class Stage:
    """One stage of the cascade.

    Attributes
    ----------
    label : str
        How much is scrambled, in words.
    layer : str
        The lowest layer that is; all above it are too.
    net : Network
        The network that computes with the scrambled weights; the model keeps its own.
    """

    label: str
    layer: str
    net: Network


SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Shares of the layers with weights that are scrambled in turn; the first means the top one."""


def stage_labels() -> tuple[str, ...]:
    """What the stages are called."""
    return tuple(f"{share:.0%} of layers" if share else "top layer" for share in SHARES)


def cascade(net: Network, scored: Sequence[Output], seed: int) -> Iterator[Stage]:
    """The network with more and more of its weights scrambled, from the score downwards.

    Adebayo et al., "Sanity checks for saliency maps" (2018), section 3.1, where weights are drawn
    anew. Here the numbers of each weight array are put into random order instead: whatever the
    layer is, they keep their spread, so that no signal dies out or overflows.

    Raises
    ------
    InputError
        If no layer that the score depends on has weights.
    """
    places = {id(variable): i for i, variable in enumerate(net.variables)}
    layers: dict[int, tuple[str, keras.Layer]] = {}
    for index in sorted(net.graph.ancestors(scored), reverse=True):
        step = net.graph.steps[index]
        if isinstance(step.operation, keras.Layer) and step.operation.weights:
            layers.setdefault(id(step.operation), (step.name.removesuffix(":pre"), step.operation))
    order = list(layers.values())
    if not order:
        raise InputError("No layer on the way to the score has weights: there is none to scramble.")
    scrambled: dict[int, np.ndarray] = {}
    done = 0
    for share, label in zip(SHARES, stage_labels(), strict=True):
        count = min(len(order), max(1, round(share * len(order))))
        for _, layer in order[done:count]:
            for variable in layer.weights:
                array = keras.ops.convert_to_numpy(variable)
                generator = np.random.default_rng([seed, places[id(variable)]])
                shuffled = generator.permutation(array.ravel()).reshape(array.shape)
                scrambled[places[id(variable)]] = shuffled
        done = max(done, count)
        yield Stage(label, order[count - 1][0], net.with_weights(scrambled))
