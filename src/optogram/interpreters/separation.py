"""Proves from the steps that a network treats the images of a batch separately.

Each output has its images along one axis, in order: usually the first, where windows of an image
follow one another. This file follows that axis through operations that move it.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Any

import keras

from optogram.graph.mixing import is_written_by_keras, mixed_axes
from optogram.graph.steps import Graph, Output, Returned, Shape, Step
from optogram.graph.token_grids import taken
from optogram.graph.training_mode import Alone

_RANK_OF_MAPS = 4


class _UnprovenError(Exception):
    """Whether a step mixes images is not known."""


def treats_images_separately(graph: Graph, answer: Output) -> bool:
    """Whether ``answer`` provably is deterministic, and depends on one image for each image.

    ``graph`` has one input.
    """
    axes: dict[Output, int | None] = {}
    try:
        for index in sorted(graph.ancestors([answer])):
            step = graph.steps[index]
            shapes = [graph.steps[read.step].shapes[read.index] for read in step.inputs]
            found = _axes(step, [axes[read] for read in step.inputs], shapes)
            axes |= {Output(index, i): axis for i, axis in enumerate(found)}
    except _UnprovenError:
        return False
    return axes[answer] in (0, None)


def _axes(step: Step, axes: Sequence[int | None], shapes: Sequence[Shape]) -> list[int | None]:
    """The axis of images of each output, given those of what is read; None: the same for all."""
    count = len(step.shapes)
    if step.kind == "InputLayer":
        return [0]
    if step.kind == "Constant":
        return [None] * count
    if isinstance(step.operation, Returned):
        return list(axes)
    if all(axis is None for axis in axes):
        _require(step.passes_on or _is_keras(step))
        return [None] * count
    is_ours = not isinstance(step.operation, keras.Operation) or isinstance(step.run, Alone)
    if step.passes_on:
        return [axes[0]]
    if is_ours or isinstance(step.operation, keras.Layer):
        # Layers of Keras take the first axis for that of images.
        _require((is_ours or _is_keras(step)) and set(axes) <= {0, None})
        return [0] * count
    rule = _RULES.get(step.kind)
    if rule is not None:
        return [rule(step, axes, shapes)] * count
    mixed = mixed_axes(step)
    _require(mixed is not None)
    return [_kept(step, axes, shapes, mixed or ())] * count


def _is_keras(step: Step) -> bool:
    is_known = not step.is_foreign and all(map(is_written_by_keras, step.applied))
    return is_known and not step.kwargs.get("training")


def _require(is_proven: bool) -> None:
    if not is_proven:
        raise _UnprovenError


def _only(axes: Sequence[int | None]) -> int:
    """The axis of the first input, which alone has images."""
    first, *others = axes
    if first is None or any(axis is not None for axis in others):
        raise _UnprovenError
    return first


def _from_right(axes: Sequence[int | None], shapes: Sequence[Shape]) -> int:
    """How far from the right the axis is, which broadcasting does not change."""
    found = {
        len(shape) - axis for axis, shape in zip(axes, shapes, strict=True) if axis is not None
    }
    _require(len(found) == 1)
    return found.pop()


def _kept(
    step: Step, axes: Sequence[int | None], shapes: Sequence[Shape], mixed: Collection[int]
) -> int:
    """The axis after an operation that mixes elements along the axes ``mixed``, of a map."""
    axis = len(step.shape) - _from_right(axes, shapes)
    # Axes are counted as those of maps, from the left or from the right.
    _require(not mixed or (len(step.shape) == _RANK_OF_MAPS and axis not in mixed))
    return axis


def _listed(axis: Any, rank: int) -> set[int]:
    _require(axis is not None)
    given = axis if isinstance(axis, list | tuple) else (axis,)
    return {each % rank for each in given}


def _along(step: Step, axes: Sequence[int | None], shapes: Sequence[Shape]) -> int:
    """Operations along other axes, which stay where they are."""
    axis = len(step.shape) - _from_right(axes, shapes)
    _require(axis not in _listed(step.operation.axis, len(step.shape)))
    return axis


def _reduced(step: Step, axes: Sequence[int | None], shapes: Sequence[Shape]) -> int:
    axis, gone = _only(axes), _listed(step.operation.axis, len(shapes[0]))
    _require(axis not in gone)
    if getattr(step.operation, "keepdims", False):
        return axis
    return axis - sum(each < axis for each in gone)


def _expanded(step: Step, axes: Sequence[int | None], shapes: Sequence[Shape]) -> int:
    axis = _only(axes)
    added = _listed(step.operation.axis, len(step.shape))
    places = [place for place in range(len(step.shape)) if place not in added]
    return places[axis]


def _reshaped(step: Step, axes: Sequence[int | None], shapes: Sequence[Shape]) -> int:
    """Elements keep their order, so that those of an image stay together."""
    axis, read = _only(axes), shapes[0]
    is_same_before = None not in read[:axis] and read[:axis] == step.shape[:axis]
    _require(is_same_before and step.shape[axis : axis + 1] == (None,))
    return axis


def _transposed(step: Step, axes: Sequence[int | None], shapes: Sequence[Shape]) -> int:
    axis, order = _only(axes), step.operation.axes
    _require(order is not None)
    return [each % len(shapes[0]) for each in order].index(axis)


def _multiplied(step: Step, axes: Sequence[int | None], shapes: Sequence[Shape]) -> int:
    right = _from_right(axes, shapes)
    _require(right > 2 and all(len(shape) > 1 for shape in shapes))
    return len(step.shape) - right


def _summed(step: Step, axes: Sequence[int | None], shapes: Sequence[Shape]) -> int:
    """Einstein's sums: the letter of images is that of no other axis, and is not summed."""
    read, arrow, made = step.operation.subscripts.replace(" ", "").partition("->")
    _require(bool(arrow) and "." not in read)
    letters = set()
    for term, axis in zip(read.split(","), axes, strict=True):
        if axis is not None:
            letters.add(term[axis])
    _require(len(letters) == 1)
    letter = letters.pop()
    pairs = zip(read.split(","), axes, strict=True)
    is_theirs = all((letter in term) == (axis is not None) for term, axis in pairs)
    _require(is_theirs and made.count(letter) == 1)
    return made.index(letter)


def _taken(step: Step, axes: Sequence[int | None], shapes: Sequence[Shape]) -> int:
    axis = _only(axes)
    _require(len(step.args) == 2)
    key = taken(step)
    before, own = key[:axis], key[axis : axis + 1]
    # An ellipsis stands for whole axes.
    own_is_whole = own in ((), (slice(None),)) or (own == (Ellipsis,) and axis == 0)
    _require(own_is_whole and all(isinstance(each, int | slice) for each in before))
    _require(all(isinstance(each, int | slice) or each is Ellipsis for each in key[axis:]))
    return axis - sum(isinstance(each, int) for each in before)


def _padded(step: Step, axes: Sequence[int | None], shapes: Sequence[Shape]) -> int:
    axis = _only(axes)
    _require(tuple(step.operation.pad_width[axis]) == (0, 0))
    return axis


def _first(step: Step, axes: Sequence[int | None], shapes: Sequence[Shape]) -> int:
    """Operations that take the first axis for that of images."""
    _require(axes[0] == 0 and all(axis is None for axis in axes[1:]))
    return 0


_RULES: dict[str, Callable[[Step, Sequence[int | None], Sequence[Shape]], int]] = {
    **dict.fromkeys(("Concatenate", "LogSoftmax", "Repeat", "Roll", "Softmax", "Split"), _along),
    **dict.fromkeys(("Max", "Mean", "Min", "Sum", "Squeeze", "Unstack", "Var"), _reduced),
    **dict.fromkeys(("Conv", "DepthwiseConv", "ExtractPatches", "MaxPool", "Resize"), _first),
    "Einsum": _summed,
    "ExpandDims": _expanded,
    "GetItem": _taken,
    "Matmul": _multiplied,
    "Pad": _padded,
    "Reshape": _reshaped,
    "Transpose": _transposed,
}
