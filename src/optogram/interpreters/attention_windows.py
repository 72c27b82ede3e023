"""Where the tokens of windows stand: which patch is at each place of each window of attention.

Windows are cut out of a map by reshaping, rolling, padding and transposing. The same steps, run on
the numbers of rows and of columns in place of channels, say where each patch goes.
"""

import math
from collections.abc import Iterator

import keras
import numpy as np

from optogram.graph.steps import Output, Step
from optogram.interpreters import forward
from optogram.interpreters.attention import AttentionLayer
from optogram.interpreters.engine import Computation

_MOVING = (
    *("ExpandDims", "GetItem", "Moveaxis", "Pad", "Permute", "Reshape", "Roll", "Squeeze"),
    *("Swapaxes", "Transpose", "ZeroPadding2D"),
)
"""Kinds of steps that move elements, and change none."""

Places = tuple[tuple[int, int], np.ndarray]


def window_patches(net: Computation, size: tuple[int, int], layer: AttentionLayer) -> Places | None:
    """The patches in the windows of ``layer``, for images of ``size``.

    Returns
    -------
    ((rows, columns), int ndarray of shape (windows, keys)) or None
        The grid of patches, and the patch, row · columns + column, at each place of each window;
        −1 for padding. None where that is not known, and where there are no windows.
    """
    if layer.windows == 1 or layer.queries != layer.keys:
        return None
    found: Places | None = net.plans.get(
        ("windows", layer.softmax, tuple(size)), lambda: next(_found(net, size, layer), None)
    )
    return found


def _found(net: Computation, size: tuple[int, int], layer: AttentionLayer) -> Iterator[Places]:
    steps = net.graph.steps
    for index in sorted(net.graph.ancestors([layer.softmax]), reverse=True):
        step = steps[index]
        source = _source(steps, step) if step.per_image == layer.windows else None
        if source is None:
            continue
        shape = net.geometry(size, [source])[source.step].shape
        grid, channels = (shape[1] or 1, shape[2] or 1), shape[3] or 1
        moved = [_moved(net, source, Output(index), each) for each in _numbers(grid, channels)]
        if moved[0].size != layer.windows * layer.keys * channels:
            continue
        rows, columns = (each.reshape(layer.windows, layer.keys, channels) for each in moved)
        places = np.where(rows > 0, (rows - 1) * grid[1] + columns - 1, -1)
        if _is_whole(places, math.prod(grid)):
            yield grid, places[..., 0].astype(np.int32)


def _source(steps: tuple[Step, ...], step: Step) -> Output | None:
    """The first map that the elements of a step come from, moved and unchanged."""
    found = None
    while len(step.inputs) == 1 and (step.kind in _MOVING or step.passes_on):
        (output,) = step.inputs
        step = steps[output.step]
        shape = step.shapes[output.index]
        if len(shape) == 4 and step.is_map and step.per_image == 1:
            found = output
    return found


def _numbers(grid: tuple[int, int], channels: int) -> Iterator[np.ndarray]:
    """The row of each element, and its column, from 1 on: padding is 0."""
    for numbers in np.indices(grid, np.float32) + 1:
        yield np.broadcast_to(numbers[None, ..., None], (1, *grid, channels))


def _moved(net: Computation, source: Output, output: Output, numbers: np.ndarray) -> np.ndarray:
    """``numbers`` in place of ``source``, where they are in ``output``."""
    dtype = net.graph.steps[source.step].dtypes[source.index]
    fed = keras.ops.cast(np.array(numbers), dtype)
    (moved,) = forward.run(net.graph, None, [output], known={source: fed})
    return np.rint(keras.ops.convert_to_numpy(keras.ops.cast(moved, "float32"))).astype(int)


def _is_whole(places: np.ndarray, patches: int) -> bool:
    """Whether all channels of a token moved together, and each patch is at one place."""
    if (places != places[..., :1]).any():
        return False
    known = places[..., 0][places[..., 0] >= 0]
    return np.array_equal(np.sort(known), np.arange(patches))
