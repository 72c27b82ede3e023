"""The units of a network that a survey describes, as one table over all layers."""

from collections.abc import Sequence
from dataclasses import dataclass

import keras

from optogram.errors import InputError
from optogram.graph import layer_types
from optogram.graph.steps import Output, Step
from optogram.network.network import Network

_RANK_OF_MAPS, _RANK_OF_VECTORS = 4, 2
_FINISHING = (
    *layer_types.ELEMENTWISE_WITH_PARAMETERS,
    keras.layers.Activation,
    keras.layers.ELU,
    keras.layers.LeakyReLU,
    keras.layers.ReLU,
)
"""Layers after which the units of the layer before are what other layers read."""


@dataclass(frozen=True)
class SurveyedLayer:
    """A layer of the table.

    Attributes
    ----------
    name : str
        Its name.
    step : int
        Index of its step.
    first, count : int
        Its first row in the table, and the number of its units.
    maps : (height, width)
        Size of its maps; (1, 1) for vectors.
    is_map : bool
        Whether its output is feature maps (N, h, w, C), not vectors (N, C).
    """

    name: str
    step: int
    first: int
    count: int
    maps: tuple[int, int]
    is_map: bool

    @property
    def rows(self) -> slice:
        """Its rows in the table."""
        return slice(self.first, self.first + self.count)

    @property
    def output(self) -> Output:
        """Its output."""
        return Output(self.step)


@dataclass(frozen=True)
class UnitTable:
    """The layers of a survey, in the order of the network."""

    layers: tuple[SurveyedLayer, ...]

    def __len__(self) -> int:
        """Number of units."""
        return sum(layer.count for layer in self.layers)

    @property
    def outputs(self) -> list[Output]:
        """The outputs of the layers."""
        return [layer.output for layer in self.layers]


def unit_table(
    net: Network, layers: str | Sequence[str] | None, size: tuple[int, int]
) -> UnitTable:
    """The units of ``layers``: names or patterns. None: see `surveyed_layers`.

    Raises
    ------
    InputError
        If a layer does not exist, or its output is neither maps nor vectors.
    """
    net.require_layers()
    names = surveyed_layers(net, size) if layers is None else net.layer_names(layers)
    steps = sorted((net.step(name) for name in names), key=lambda step: step.index)
    found, first = [], 0
    for step in steps:
        shape = net.shape(Output(step.index), size)
        if len(step.shape) not in (_RANK_OF_MAPS, _RANK_OF_VECTORS):
            raise InputError(
                f"{step.name!r} has an output of shape {step.shape}, neither feature maps nor "
                "vectors: choose other layers."
            )
        is_map = len(step.shape) == _RANK_OF_MAPS
        maps = (shape[0], shape[1]) if is_map else (1, 1)
        found.append(SurveyedLayer(step.name, step.index, first, shape[-1], maps, is_map))
        first += shape[-1]
    if not found:
        raise InputError(f"{net.name!r} has no layers with units.")
    return UnitTable(tuple(found))


def surveyed_layers(net: Network, size: tuple[int, int]) -> list[str]:
    """The layers that a survey describes by default.

    Those of `Network.map_layers`, and dense layers, on the way to the logits. Of a layer that only
    a normalization or an activation reads, the units are those of the latter.
    """
    graph, maps = net.graph, net.map_layers(size)
    before = graph.ancestors([net.head.logits])
    readers: dict[int, list[Step]] = {}
    for index in sorted(before):
        for read in graph.steps[index].inputs:
            readers.setdefault(read.step, []).append(graph.steps[index])
    chosen = []
    for index in sorted(before):
        step = graph.steps[index]
        is_dense = len(step.shape) == _RANK_OF_VECTORS and _is_unit_of_dense(net, step)
        if not (step.name in maps or is_dense):
            continue
        next_ones = readers.get(index, [])
        is_finished = not (len(next_ones) == 1 and _finishes(next_ones[0]))
        if is_finished or index == net.head.logits.step:
            chosen.append(step.name)
    return chosen


def _is_unit_of_dense(net: Network, step: Step) -> bool:
    """Whether a step is a dense layer, or an activation or normalization that follows one."""
    while _finishes(step) and step.inputs:
        step = net.graph.steps[step.inputs[0].step]
    return isinstance(step.operation, layer_types.DENSE)


def _finishes(step: Step) -> bool:
    """Whether a step changes each unit by itself: a normalization or an activation."""
    return step.half == "activation" or isinstance(step.operation, _FINISHING)
