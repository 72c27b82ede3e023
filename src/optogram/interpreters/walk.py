"""The forward pass in parts: outputs of all steps, from one pass, without keeping them all."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from optogram.graph.steps import Graph, Output
from optogram.interpreters import forward
from optogram.interpreters.engine import Computation

STEPS = 24
"""Steps of a part, at most: a part is one program."""
_BYTES = 64 << 20
"""Bytes of the outputs of a part, unless a single step has more."""


def walk(net: Computation, x: np.ndarray) -> Iterator[list[tuple[int, np.ndarray]]]:
    """The first output of each step, part by part, in the order of the steps.

    A part begins with the tensors that it reads from earlier parts; all others are freed. For a
    network of hundreds of steps this starts sooner than one program with hundreds of outputs, and
    needs the memory of one part. Give ``net.uncompiled()`` for a few images.

    Parameters
    ----------
    net : Computation
        The network.
    x : ndarray of shape (N, H, W, C)
        Images in network units.

    Yields
    ------
    list of (int, ndarray)
        Index of a step, and its first output (N, ...), for each step of the part.
    """
    x, graph = np.asarray(x), net.graph
    memory = [len(x) * each.memory for _, each in sorted(net.geometry(x.shape[1:3]).items())]
    tensors: dict[Output, Any] = {}
    for part in _parts(memory):
        read_later = {output for step in graph.steps[part.stop :] for output in step.inputs}
        own = [Output(index) for index in part]
        others = sorted(
            (output for output in read_later - set(own) if output.step in part), key=_place
        )
        wanted = (*own, *others)
        reads = sorted(
            {o for index in part for o in graph.steps[index].inputs if o.step < part.start},
            key=_place,
        )
        arrays = [tensors[output] for output in reads] if part.start else [x]
        made = net.run(
            ("walk", part.start, part.stop),
            _program(graph, wanted, reads if part.start else None),
            arrays,
            batched=range(len(arrays)),
            as_tensors=True,
        )
        tensors.update(zip(wanted, made, strict=True))
        yield [(output.step, net.backend.to_array(tensors[output])) for output in own]
        tensors = {output: tensors[output] for output in tensors.keys() & read_later}


def _place(output: Output) -> tuple[int, int]:
    return output.step, output.index


def _parts(memory: Sequence[int]) -> Iterator[range]:
    """Ranges of steps with outputs of ``memory`` bytes that are run together."""
    start, size = 0, 0
    for index, each in enumerate(memory):
        if index > start and (index - start >= STEPS or size + each > _BYTES):
            yield range(start, index)
            start, size = index, 0
        size += each
    yield range(start, len(memory))


def _program(
    graph: Graph, wanted: Sequence[Output], reads: Sequence[Output] | None
) -> Callable[[], Callable[..., Any]]:
    """Builds the program of a part: of the images, or of the outputs that it ``reads``."""

    def build() -> Callable[..., Any]:
        schedule = forward.schedule(graph, wanted, reads or ())

        def function(*given: Any) -> list[Any]:
            if reads is None:
                return schedule.run(given[0])
            return schedule.run(None, known=dict(zip(reads, given, strict=True)))

        return function

    return build
