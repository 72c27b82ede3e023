"""Memory for one image in a network, and whether it is available."""

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from optogram.errors import InputError
from optogram.graph.steps import Graph, Output
from optogram.interpreters.geometry import Geometry, peak_memory, total_memory
from optogram.interpreters.memory import free, in_words

WORKSPACE = 3
"""Backends need about this multiple of the live maps: copies, padding, workspace."""

_BYTES_TRIED = 16
"""Test tensors exist once or twice as float32, and as float64."""


def bytes_forward(
    graph: Graph,
    geometry: Mapping[int, Geometry],
    wanted: Sequence[Output],
    known: Collection[Output] = (),
) -> int:
    """Approximate number of bytes for one image in a forward pass to ``wanted``.

    From the image, or from ``known`` outputs.
    """
    return WORKSPACE * peak_memory(graph, geometry, wanted, known)


def bytes_backward(graph: Graph, geometry: Mapping[int, Geometry], wanted: Sequence[Output]) -> int:
    """Approximate number of bytes for one image in a forward and backward pass."""
    return WORKSPACE * total_memory(graph, geometry, wanted)


def has_room(graph: Graph, steps: Iterable[int], examples: int, side: int) -> bool:
    """Whether there is memory to test so many examples of the outputs of ``steps`` on opening.

    Uses the declared shapes; ``side`` replaces unknown sizes.
    """
    numbers = sum(
        math.prod(length or side for length in shape[1:])
        for index in steps
        for shape in graph.steps[index].shapes
    )
    return _BYTES_TRIED * examples * numbers <= free()


def with_room(
    each: int, name: str, graph: Graph, measured: Callable[[], Mapping[int, Geometry]]
) -> int:
    """``each``, the bytes for one image in the network ``name``, if so much memory is free.

    At least one image is fed at a time, however small the memory budget is. ``measured`` returns
    the geometry.

    Raises
    ------
    InputError
        If it is more than the free memory; the message names the largest step.
    """
    left = free()
    if each <= left:
        return each
    geometry = measured()
    index = max(geometry, key=lambda index: geometry[index].memory)
    fed = geometry[graph.inputs[0].step].shape
    sides = "×".join(map(str, fed[1:3]))
    raise InputError(
        f"One image of {sides} pixels takes about {in_words(each)} in {name!r}, and "
        f"{in_words(left)} are free: the layer {graph.steps[index].name!r} alone makes "
        f"{in_words(geometry[index].memory)}, of the shape {geometry[index].shape[1:]}. Feed "
        "smaller images, where the network takes any size, or free memory."
    )
