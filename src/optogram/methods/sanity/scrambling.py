"""Cascading randomization: networks with scrambled weights, from the output down."""

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
        Share of scrambled layers.
    layer : str
        The lowest scrambled layer; all layers above it are scrambled too.
    net : Network
        The network with scrambled weights; the model keeps its own.
    """

    label: str
    layer: str
    net: Network


SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Shares of layers with weights that are scrambled in turn; the first stands for one layer."""


def stage_labels() -> tuple[str, ...]:
    """Labels of the stages."""
    return tuple(f"{share:.0%} of layers" if share else "top layer" for share in SHARES)


def cascade(net: Network, scored: Sequence[Output], seed: int) -> Iterator[Stage]:
    """Networks with more and more of their weights scrambled, from the score down.

    Adebayo et al., "Sanity checks for saliency maps" (2018), section 3.1, where weights are sampled
    anew. Here the values of each weight array are permuted instead: they keep their distribution in
    every kind of layer, so that signals neither vanish nor overflow.

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
        raise InputError(
            "No layer that the score depends on has weights: there is nothing to scramble."
        )
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
