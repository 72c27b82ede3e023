"""Memory that the windowed forward pass takes."""

from collections.abc import Sequence
from dataclasses import replace

from optogram.interpreters.geometry import peak_memory
from optogram.interpreters.room import WORKSPACE, bytes_forward
from optogram.interpreters.windowed.layout import Block, Layout
from optogram.interpreters.windowed.program import Program
from optogram.interpreters.windowed.reached import Reached


class Footprint:
    """Approximate bytes that changes take.

    Parameters
    ----------
    reached : Reached
        Windows that the changes reach.
    steps : sequence of int
        Steps that are run on windows.
    program : Program
        The program for a batch of changes.
    layout : Layout
        Positions of the windows.

    Attributes
    ----------
    held : int
        Bytes of the original maps, and of the tables that they are copied to.
    behind : int
        Maximum bytes of a change after the windows.
    """

    def __init__(
        self, reached: Reached, steps: Sequence[int], program: Program, layout: Layout
    ) -> None:
        geometry = reached.geometry
        self.held = 2 * sum(geometry[output.step].memory for output in program.bases)
        self.behind = bytes_forward(reached.graph, geometry, reached.wanted)
        self._reached, self._steps, self._program, self._layout = reached, steps, program, layout
        self._sizes: dict[Block, int] = {}

    @property
    def least(self) -> int:
        """Total bytes of one change at a time, for the largest block."""
        return self.held + self.behind + max(map(self.each, self._layout.blocks))

    def each(self, block: Block) -> int:
        """Bytes of a change of a block on windows."""
        if block not in self._sizes:
            self._sizes[block] = self._counted(block)
        return self._sizes[block]

    def _counted(self, block: Block) -> int:
        reached, layout = self._reached, self._layout
        whole, geometry = reached.geometry, dict(reached.geometry)
        for index in self._steps:
            if index not in reached.windows:
                continue
            size = whole[index].memory * layout.share(index, block)
            if index in reached.rules:
                size += sum(
                    whole[move.source].memory * layout.share(index, block, move)
                    for move in reached.moves(index)
                    if move
                )
            geometry[index] = replace(geometry[index], memory=int(size))
        leaving = sum(whole[output.step].memory for output in self._program.outputs)
        return WORKSPACE * (peak_memory(reached.graph, geometry, self._program.outputs) + leaving)
