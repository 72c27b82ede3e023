"""Runs a transformer without some of the tokens of an image.

Attention takes any number of tokens, so that what lies behind the embedding of patches runs on
those that are left: nothing has to be put in their place, and it costs less.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np

from optogram.errors import InputError
from optogram.graph.keras_private import nodes
from optogram.graph.steps import Output
from optogram.graph.token_grids import Grid, grid_of
from optogram.interpreters import forward
from optogram.interpreters.engine import Computation, lengthened
from optogram.interpreters.memory import batches
from optogram.progress import Progress, silent


class DroppedTokens:
    """A network that leaves out tokens of its patches.

    Parameters
    ----------
    net : Computation
        The network.
    wanted : sequence of Output
        The outputs to compute.
    size : (height, width)
        Size of the images.

    Attributes
    ----------
    grid : Grid
        Where the tokens stand.

    Raises
    ------
    InputError
        If the network has no tokens, or needs all of them, as for attention in windows.
    """

    def __init__(self, net: Computation, wanted: Sequence[Output], size: tuple[int, int]) -> None:
        self._net, self._wanted, self._size = net, tuple(wanted), size
        self._entry, self.grid = self._found()

    def _found(self) -> tuple[Output, Grid]:
        """The tokens before the first step that mixes them, and their grid."""
        graph, geometry = self._net.graph, self._net.geometry(self._size)
        image = graph.inputs[0].step
        needed = graph.ancestors(self._wanted)
        for index in sorted(needed, reverse=True):
            step, entry = graph.steps[index], Output(index)
            grid = grid_of(step)
            is_entry = (
                grid is not None
                and not geometry[index].receptive_field.is_whole
                and image not in graph.ancestors(self._wanted, [entry])
            )
            if grid is not None and is_entry and self._takes_fewer(entry, grid):
                return entry, grid
        raise InputError(
            f"{self._net.name!r} needs all tokens of an image, or has none, so that none can be "
            'dropped: choose a gray level, "mean" or "blur" as fill.'
        )

    def _takes_fewer(self, entry: Output, grid: Grid) -> bool:
        """Whether what lies behind runs on another number of tokens."""
        graph = self._net.graph
        schedule = forward.schedule(graph, self._wanted, [entry])
        step = graph.steps[entry.step]
        fewer = keras.KerasTensor((2, grid.tokens - 1, step.shape[2]), step.dtypes[0])
        # Layers raise exceptions of any type for shapes that they do not accept.
        try:
            nodes.tried(lambda tokens: schedule.run(None, known={entry: tokens}), [fewer])
        except Exception:
            return False
        return True

    def stream(
        self,
        x: np.ndarray,
        kept: np.ndarray,
        wanted: Sequence[Output],
        memory: float | str | None = None,
        progress: Progress = silent,
    ) -> Iterator[tuple[slice, list[np.ndarray]]]:
        """Outputs for one image with some tokens only.

        Parameters
        ----------
        x : ndarray of shape (1, H, W, C)
            The image, in network units.
        kept : int ndarray of shape (P, tokens)
            For each of P runs, the tokens that are left, those in front included.
        wanted : sequence of Output
            The outputs to compute, among those of the network.
        memory, progress
            See `Computation.evaluate`.

        Yields
        ------
        (slice, list of ndarray)
            Some of the runs, and their outputs in the order of ``wanted``.
        """
        entry, wanted = self._entry, tuple(wanted)
        (tokens,) = self._net.evaluate(x, [entry], memory)

        def build() -> Callable[..., list[Any]]:
            schedule = forward.schedule(self._net.graph, wanted, [entry])

            def function(which: Any, tokens: Any) -> list[Any]:
                return schedule.run(None, known={entry: keras.ops.take(tokens[0], which, axis=0)})

            return function

        key = ("dropped tokens", entry, wanted, kept.shape[1])
        each = self._net.bytes_forward(self._size, wanted, [entry])
        length = 0
        for part in batches(len(kept), each, memory, is_forward=True):
            taken = part.stop - part.start
            length = length or taken
            fed = lengthened(kept[part].astype(np.int32), length)
            made = self._net.run(key, build, [fed, tokens], batched=(0,))
            yield part, [array[:taken] for array in made]
            progress(part.stop, len(kept), "positions")
