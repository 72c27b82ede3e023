"""Receptive fields: the input window that an element of a feature map can depend on."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from optogram.graph.mixing import mixed_axes
from optogram.graph.steps import Returned, Shape, Step
from optogram.graph.token_grids import Placed
from optogram.interpreters.reach import POINT, Reach, reach


@dataclass(frozen=True)
class ReceptiveField:
    """The input window that elements of a feature map can depend on.

    Element (i, j) sees input rows ``start[0] + i * stride[0]`` to ``end[0] + i * stride[0]``,
    both included, and columns likewise; pixels outside the border are padding.

    Attributes
    ----------
    start, end : tuple of float
        First and last (row, column) of the window of element (0, 0), in pixels.
    stride : tuple of float
        Step of the window from one element to the next, in pixels.
    """

    start: tuple[float, float]
    end: tuple[float, float]
    stride: tuple[float, float]

    @property
    def is_whole(self) -> bool:
        """Whether every element can depend on the whole input."""
        return math.inf in self.end

    @property
    def size(self) -> tuple[float, float]:
        """(height, width) of the window in pixels; ``inf`` for the whole input."""
        return (self.end[0] - self.start[0] + 1, self.end[1] - self.start[1] + 1)

    @property
    def offset(self) -> tuple[float, float]:
        """(y, x) of the center of the window of element (0, 0), in pixels; 0 if whole."""
        if self.is_whole:
            return (0.0, 0.0)
        return ((self.start[0] + self.end[0]) / 2, (self.start[1] + self.end[1]) / 2)

    def spans(self, axis: int, places: np.ndarray, side: int) -> np.ndarray:
        """(..., 2): the windows along rows (axis 0) or columns (axis 1) of elements at ``places``.

        The first pixel and the last plus one, clipped to the ``side`` of the input.
        """
        if self.is_whole:
            return np.broadcast_to(np.array([0, side], np.float32), (*places.shape, 2))
        first = places * self.stride[axis] + self.start[axis]
        last = places * self.stride[axis] + self.end[axis] + 1
        return np.clip(np.stack([first, last], axis=-1), 0, side).astype(np.float32)

    def boxes(self, positions: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """(..., 4): the windows of elements at ``positions`` (..., 2), clipped to ``size``.

        Top, left, bottom, right in pixels; bottom and right are exclusive.
        """
        rows, columns = (self.spans(axis, positions[..., axis], size[axis]) for axis in (0, 1))
        return np.stack([rows[..., 0], columns[..., 0], rows[..., 1], columns[..., 1]], axis=-1)


_RANK_OF_TOKENS = 3

WHOLE = ReceptiveField((-math.inf, -math.inf), (math.inf, math.inf), (0.0, 0.0))
PIXEL = ReceptiveField((0.0, 0.0), (0.0, 0.0), (1.0, 1.0))


def receptive_field(
    step: Step, seen: Sequence[ReceptiveField], read: Sequence[Shape], made: Shape
) -> ReceptiveField:
    """The receptive field of the output of ``step``.

    For steps without a rule, it is the whole input, which is never too small.

    Parameters
    ----------
    step : Step
        The step.
    seen : sequence of ReceptiveField
        Receptive fields of the inputs.
    read, made : shapes
        Shapes of the inputs and of the output, batch first; None if unknown.
    """
    if step.kind == "InputLayer":
        return PIXEL
    reaches = POINT if _keeps_tokens(step, read, made) else reach(step, read, made)
    # Inputs with different strides have no common window with one stride.
    if (
        reaches is None
        or any(field.is_whole for field in seen)
        or len({f.stride for f in seen}) > 1
    ):
        return WHOLE
    (rows, columns) = (
        _through(
            along,
            min(field.start[axis] for field in seen),
            max(field.end[axis] for field in seen),
            seen[0].stride[axis],
        )
        for axis, along in enumerate(reaches)
    )
    return ReceptiveField(*zip(rows, columns, strict=True))


def _keeps_tokens(step: Step, read: Sequence[Shape], made: Shape) -> bool:
    """Whether each token or position that is returned depends on that at its place alone."""
    if isinstance(step.operation, Placed):
        return True
    if step.part == "tokens" and step.kind in ("Concatenate", "Reshape"):
        return True
    if len(made) != _RANK_OF_TOKENS or {shape[1:2] for shape in read} != {made[1:2]}:
        return False
    mixed = mixed_axes(step)
    is_along_channels = mixed is not None and 1 not in mixed
    return step.passes_on or isinstance(step.operation, Returned) or is_along_channels


def _through(along: Reach, start: float, end: float, stride: float) -> tuple[float, float, float]:
    """Start, end and stride, in pixels, of what sees elements of that field through ``along``."""
    step = stride / along.factor
    return start + along.first * step, end + along.last * step, step * along.stride
