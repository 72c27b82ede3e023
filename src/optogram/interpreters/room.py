"""What one image takes on its way through a network, and whether there is room for it."""

import math
from collections.abc import Iterable, Mapping, Sequence

from optogram.errors import InputError
from optogram.graph.steps import Graph, Output
from optogram.interpreters.geometry import Geometry, peak_memory, total_memory
from optogram.interpreters.memory import free, in_words

WORKSPACE = 3
"""Backends take about this many times the bytes of the maps alive: copies, padding, workspace."""

_BYTES_TRIED = 16
"""What is tried out is there as float32, once or twice, and as float64."""


def bytes_forward(graph: Graph, geometry: Mapping[int, Geometry], wanted: Sequence[Output]) -> int:
    """About how many bytes one image takes on the way to ``wanted``."""
    return WORKSPACE * peak_memory(graph, geometry, wanted)


def bytes_backward(graph: Graph, geometry: Mapping[int, Geometry], wanted: Sequence[Output]) -> int:
    """About how many bytes one image takes on the way to ``wanted`` and back again."""
    return WORKSPACE * total_memory(graph, geometry, wanted)


def has_room(graph: Graph, steps: Iterable[int], examples: int, side: int) -> bool:
    """Whether so many examples of all that ``steps`` make can be tried out as a network is opened.

    By what the graph declares; ``side`` stands for what it leaves open.
    """
    numbers = sum(
        math.prod(length or side for length in shape[1:])
        for index in steps
        for shape in graph.steps[index].shapes
    )
    return _BYTES_TRIED * examples * numbers <= free()


def with_room(each: int, name: str, graph: Graph, geometry: Mapping[int, Geometry]) -> int:
    """``each``, what one image takes in the network called ``name``, where there is as much.

    At least one image is fed at a time, however little ``memory`` a call may take.

    Raises
    ------
    InputError
        If it is more than is free; the sentence names the step that makes most.
    """
    left = free()
    if each <= left:
        return each
    index = max(geometry, key=lambda index: geometry[index].memory)
    fed = geometry[graph.inputs[0].step].shape
    sides = "×".join(map(str, fed[1:3]))
    raise InputError(
        f"One image of {sides} pixels takes about {in_words(each)} in {name!r}, and "
        f"{in_words(left)} are free: the layer {graph.steps[index].name!r} alone makes "
        f"{in_words(geometry[index].memory)}, of the shape {geometry[index].shape[1:]}. Feed "
        "smaller images, where the network takes any size, or free memory."
    )
