"""The windowed forward interpreter: of each map, only the window that a change can reach.

An image is changed at many positions, one at a time. The maps of the original image are computed
once; for each change, a step is run on the inputs of the changed window of its output, gathered
from changed windows and original maps. After Nakandala, Kumar and Papakonstantinou,
"Incremental and approximate inference for faster occlusion-based deep CNN explanations" (2019),
section 3; here windows end at the border, changes with windows of one size are computed together,
and whole maps are used where they are cheaper.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from optogram.interpreters import forward
from optogram.interpreters.engine import Computation, lengthened
from optogram.interpreters.memory import LARGEST_BATCH, allowance, taking
from optogram.interpreters.turns import SHORT
from optogram.interpreters.windowed.costs import TOGETHER
from optogram.interpreters.windowed.plan import WindowPlan
from optogram.progress import Progress, silent


class Windowed:
    """Runs a network on an image that is changed in one window at a time.

    Parameters
    ----------
    net : Computation
        The network.
    plan : WindowPlan
        The plan.

    Attributes
    ----------
    cost : float
        See `WindowPlan`.
    """

    def __init__(self, net: Computation, plan: WindowPlan) -> None:
        self._net, self._plan = net, plan
        self.cost = plan.cost

    def fits(self, memory: float | str | None) -> bool:
        """Whether one change at a time fits into ``memory``."""
        return self._plan.footprint.least <= allowance(memory)

    def base(self, x: np.ndarray) -> list[Any]:
        """The original maps of the image (1, H, W, C), as tensors, for `stream`."""
        net, bases = self._net, self._plan.program.bases
        image = net.backend.to_tensor(np.asarray(x))
        if not bases:
            return [image]
        graph = net.graph

        def build() -> Callable[[Any], list[Any]]:
            return forward.schedule(graph, bases).run

        with taking(net.bytes_forward(x.shape[1:3], bases)):
            return [
                image,
                *net.run(("base", bases), build, [image], is_short=True, as_tensors=True),
            ]

    def stream(
        self,
        base: Sequence[Any],
        paint: np.ndarray,
        places: np.ndarray,
        memory: float | str | None = None,
        progress: Progress = silent,
    ) -> Iterator[tuple[np.ndarray, list[np.ndarray]]]:
        """Yield the wanted outputs for all changes, group by group.

        Parameters
        ----------
        base : list of tensor
            Result of `base` for the image.
        paint : ndarray of shape (1, H, W, C)
            Fill of the changed windows.
        places : int ndarray of shape (P, 2)
            Index of rows and index of columns of each change.
        memory : float or str, optional
            Memory budget, without the arrays returned.
        progress : callable, optional
            Called with the number of changes done.

        Yields
        ------
        (int ndarray, list of ndarray)
            Indices of the places, and their outputs in the order of ``wanted``.
        """
        net, plan = self._net, self._plan
        program, footprint = plan.program, plan.footprint
        free = max(0, allowance(memory) - footprint.held)
        together = min(LARGEST_BATCH, len(places), max(1, free // 2 // footprint.behind))
        painted = net.backend.to_tensor(paint)
        waiting = _Waiting(together)
        done, is_short = 0, len(places) <= SHORT
        with taking(footprint.held + together * footprint.behind):
            for which, length in self._batches(places, free // 2):
                image, *others = plan.layout.arrays(lengthened(places[which], length))
                fed = [base[0], painted, image, *base[1:], *others]
                # A batch that fits the next program stays on the device.
                is_direct = len(which) == length == together and waiting.is_empty
                is_direct = is_direct and plan.behind is not None
                made = net.run(
                    ("windowed", program.key),
                    lambda: program,
                    fed,
                    is_short=is_short,
                    as_tensors=is_direct,
                )
                done += len(which)
                if is_direct:
                    yield which, self._finished(made, together, together, is_short)
                else:
                    waiting.add(which, made)
                for some, arrays in waiting.taken(is_last=done == len(places)):
                    yield some, self._finished(arrays, together, len(some), is_short)
                progress(done, len(places), "positions")

    def one(self, base: Sequence[Any], paint: Any, place: np.ndarray) -> list[np.ndarray]:
        """The wanted outputs (1, ...) for one change, by one program: faster than `stream`.

        ``base`` and ``place`` (2,) are as for `stream`; ``paint`` may be a tensor.
        """
        net, plan = self._net, self._plan
        program, behind = plan.program, plan.behind

        def build() -> Callable[..., list[Any]]:
            def function(*tensors: Any) -> list[Any]:
                known = dict(zip(program.outputs, program(*tensors), strict=True))
                return (
                    [known[output] for output in plan.wanted]
                    if behind is None
                    else behind.run(None, known=known)
                )

            return function

        image, *others = plan.layout.arrays(place[None])
        fed = [base[0], paint, image, *base[1:], *others]
        with taking(plan.footprint.held + plan.footprint.behind):
            key = ("one window", plan.wanted, program.key)
            made: list[np.ndarray] = net.run(key, build, fed, is_short=True)
            return made

    def _batches(self, places: np.ndarray, free: int) -> Iterator[tuple[np.ndarray, int]]:
        """Groups of places, and the padded batch sizes."""
        blocks = self._plan.layout.blocks_of(places)
        for rows, columns in np.unique(blocks, axis=0).tolist():
            members = np.flatnonzero((blocks == (rows, columns)).all(axis=1))
            fit = max(1, min(TOGETHER, free // self._plan.footprint.each((rows, columns))))
            parts = math.ceil(len(members) / fit)
            length = math.ceil(len(members) / parts)
            for part in np.array_split(members, parts):
                yield part, length

    def _finished(
        self, crossing: Sequence[Any], together: int, count: int, is_short: bool
    ) -> list[np.ndarray]:
        """The wanted outputs, from the outputs of the program."""
        wanted, known = self._plan.wanted, self._plan.program.outputs
        behind = self._plan.behind
        if behind is None:
            return [crossing[known.index(output)] for output in wanted]

        def build() -> Callable[..., list[Any]]:
            return lambda *tensors: behind.run(None, known=dict(zip(known, tensors, strict=True)))

        fed = [lengthened(one, together) for one in crossing]
        made = self._net.run(("behind windows", wanted, known), build, fed, is_short=is_short)
        return [array[:count] for array in made]


class _Waiting:
    """Outputs of windows, collected until they fill a batch of the next program."""

    def __init__(self, together: int) -> None:
        self._together = together
        self._which = np.empty(0, int)
        self._arrays: list[list[np.ndarray]] = []

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits."""
        return not len(self._which)

    def add(self, which: np.ndarray, arrays: Sequence[np.ndarray]) -> None:
        """Add the changes ``which``; arrays may be longer because of padding."""
        self._which = np.concatenate([self._which, which])
        self._arrays.append([array[: len(which)] for array in arrays])

    def taken(self, is_last: bool) -> Iterator[tuple[np.ndarray, list[np.ndarray]]]:
        """The next batch of changes and their arrays; only the last batch is shorter."""
        if len(self._which) < self._together and not is_last:
            return
        arrays = [np.concatenate(column) for column in zip(*self._arrays, strict=True)]
        start = 0
        while len(self._which) - start >= (1 if is_last else self._together):
            part = slice(start, start + self._together)
            yield self._which[part], [array[part] for array in arrays]
            start = part.stop
        self._which, self._arrays = self._which[start:], [[array[start:] for array in arrays]]
