"""The window of each map that a change of the image can reach, and the rules for it."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import keras
import numpy as np

from optogram.graph.steps import Graph, Output
from optogram.interpreters.geometry import Geometry
from optogram.interpreters.reach import POINT
from optogram.interpreters.windowed.program import Move
from optogram.interpreters.windowed.rules import is_channels_last, rule
from optogram.interpreters.windowed.spans import Spans, windows

_LITTLE = 1 / 3
"""Share of a map; if more of it changes, its mean is computed anew."""


class Reached:
    """The windows of maps that changes of the image can reach, and how steps run on them.

    Parameters
    ----------
    graph : Graph
        Graph with one input.
    wanted : sequence of Output
        The outputs to compute.
    geometry : mapping of int to Geometry
        Geometry of the necessary steps, for the whole image.
    rows, columns : int ndarrays of shape (P, 2)
        First row of each change and its last row plus one; the same for columns.

    Attributes
    ----------
    graph, wanted, geometry
        The arguments.
    image : int
        Index of the input step.
    ancestors : list of int
        Indices of the steps that ``wanted`` depend on, in order.
    rules : mapping of int to Rule
        Rules for running steps on windows.
    windows : mapping of int to Window
        Changed windows of their maps.
    """

    def __init__(
        self,
        graph: Graph,
        wanted: Sequence[Output],
        geometry: Mapping[int, Geometry],
        rows: np.ndarray,
        columns: np.ndarray,
    ) -> None:
        self.graph, self.wanted, self.geometry = graph, tuple(wanted), geometry
        self.image = graph.inputs[0].step
        self.ancestors = sorted(graph.ancestors(self.wanted))
        shapes = {index: geometry[index].shape for index in self.ancestors}
        rules = {
            index: rule(step, [shapes[output.step] for output in step.inputs], shapes[index])
            for index in self.ancestors
            if (step := graph.steps[index]).inputs
        }
        self.rules = {index: found for index, found in rules.items() if found is not None}
        height, width = (
            Spans(places[:, 0], places[:, 1], side or 0)
            for places, side in zip((rows, columns), shapes[self.image][1:3], strict=True)
        )
        self.windows = windows(graph, shapes, (height, width), self.rules)

    def key(self, index: int) -> Any:
        """Equal for maps with equal windows."""
        return tuple(spans.key for spans in self.windows[index])

    def moves(self, index: int) -> list[Move | None]:
        """The elements that a step on windows gathers for each of its inputs; None: nothing."""
        step, rule = self.graph.steps[index], self.rules[index]
        return [
            None
            if rule.reach == POINT and self.key(output.step) == self.key(index)
            else Move(output.step, index, rule.reach, rule.run is not None, rule.fill)
            for output in step.inputs
        ]

    def ratio(self, index: int, move: Move | None = None) -> float:
        """Mean share of a map in its window, or gathered for a window by ``move``."""
        ratio = 1.0
        for axis, spans in enumerate(self.windows[index]):
            length, side = spans.lengths.mean(), spans.side
            if move is not None:
                length, side = move.length(axis, length), self.windows[move.source][axis].side
            ratio *= length / side
        return float(ratio)

    @cached_property
    def means(self) -> frozenset[int]:
        """Steps that take the mean of a map that changes only in a small part."""
        return frozenset(
            index
            for index in self.ancestors
            if isinstance(
                (step := self.graph.steps[index]).operation, keras.layers.GlobalAveragePooling2D
            )
            and is_channels_last(step)
            and step.inputs[0].step in self.windows
            and self.ratio(step.inputs[0].step) < _LITTLE
        )

    def is_windowed(self, index: int) -> bool:
        """Whether the step can be run on windows."""
        return index in self.windows or index in self.means
