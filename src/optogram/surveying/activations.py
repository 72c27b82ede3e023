"""What each unit does in each image, reduced on the device so that no map leaves it."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from optogram.interpreters import forward
from optogram.interpreters.engine import lengthened
from optogram.network.network import Network
from optogram.surveying.table import SurveyedLayer, UnitTable

_GRID = 4
"""Positions along each side of a map, at most, at which active units are counted."""
_MOST_BATCH, _LARGEST = 256, 2**29
"""Images of a batch, at most, and bytes of a batch."""


@dataclass(frozen=True, eq=False)
class Activations:
    """The activations of the units of a table in N images, reduced; arrays (N, units), float32.

    Attributes
    ----------
    peak : ndarray
        The largest activation over all positions.
    place : int32 ndarray
        Its flat position in the map; the first of several.
    mean : ndarray
        The mean over all positions.
    active : ndarray
        Share of positions with an activation above 0, on a grid of at most 4×4 positions.
    sampled : ndarray
        The activation at one position of each image.
    logits : ndarray of shape (N, ...)
        The logits.
    """

    peak: np.ndarray
    place: np.ndarray
    mean: np.ndarray
    active: np.ndarray
    sampled: np.ndarray
    logits: np.ndarray


def batch_length(net: Network, size: tuple[int, int]) -> int:
    """Images of a batch: as many as fit into 512 MB, a power of two.

    It depends on nothing else: results depend on it in their last digits.
    """
    fit = _LARGEST // net.bytes_forward(size, [net.head.logits])
    return 1 << min(max(int(fit), 1), _MOST_BATCH).bit_length() - 1


def activations(
    net: Network, x: np.ndarray, table: UnitTable, positions: np.ndarray, batch: int
) -> Activations:
    """The activations for one batch: one forward pass.

    Parameters
    ----------
    net : Network
        The network.
    x : ndarray of shape (N, H, W, C)
        Images in network units, at most ``batch``.
    table : UnitTable
        The units.
    positions : float32 ndarray of shape (N, 2)
        Where each map is sampled: (y, x) in 0…1 of its height and width, 1 excluded.
    batch : int
        Length that shorter batches are padded to, so that one program is compiled.
    """
    wanted = (net.head.logits, *table.outputs)
    graph, layers = net.graph, table.layers

    def build() -> Callable[[Any, Any], list[Any]]:
        schedule = forward.schedule(graph, wanted)
        looked_up = net.backend.fused(functools.partial(_looked_up, gather=net.backend.gather))

        def function(fed: Any, at: Any) -> list[Any]:
            logits, *made = schedule.run(fed)
            parts = [
                _of_layer(layer, tensor, at, looked_up)
                for layer, tensor in zip(layers, made, strict=True)
            ]
            columns = zip(*parts, strict=True)
            return [logits, *(keras.ops.concatenate(column, axis=1) for column in columns)]

        return function

    fed = [lengthened(x, batch), lengthened(positions, batch)]
    key = ("survey", wanted)
    logits, *made = net.run(key, build, fed, batched=(0, 1))
    peak, place, mean, active, sampled = (array[: len(x)] for array in made)
    return Activations(peak, place, mean, active, sampled, logits[: len(x)])


def _of_layer(
    layer: SurveyedLayer, tensor: Any, at: Any, looked_up: Callable[..., Any]
) -> Sequence[Any]:
    """Peak, place, mean, active and sampled, each (N, C), of the output of a layer.

    The operations are chosen by their speed on CPUs: poolings over whole rows and maps instead of
    reductions, no argmax, no strided slices.
    """
    ops = keras.ops
    maps = ops.cast(tensor, "float32")
    if not layer.is_map:
        return maps, ops.zeros_like(maps, "int32"), maps, ops.cast(maps > 0, "float32"), maps
    height, width = layer.maps
    rows = ops.max_pool(maps, (1, width), strides=1, padding="valid")[:, :, 0]
    mean = ops.average_pool(maps, (height, width), strides=1, padding="valid")[:, 0, 0]
    peak, place, active, sampled = looked_up(maps, rows, at)
    return peak, place, mean, active, sampled


def _looked_up(
    maps: Any, rows: Any, at: Any, *, gather: Callable[[Any, Any], Any]
) -> tuple[Any, Any, Any, Any]:
    """Peak, place, active and sampled, each (N, C): reads few elements of the maps.

    Parameters
    ----------
    maps : tensor of shape (N, h, w, C)
        The maps.
    rows : tensor of shape (N, h, C)
        The largest activation in each row.
    at : tensor of shape (N, 2)
        Where each map is sampled.
    gather : callable
        The backend's.
    """
    ops = keras.ops
    height, width, channels = maps.shape[1:]
    numbers = ops.arange(ops.shape(maps)[0], dtype="int32")[:, None]
    peak = ops.max(rows, axis=1)
    y = _first_equal(rows, peak)
    first = (numbers * height + y) * (width * channels) + ops.arange(channels, dtype="int32")
    steps = ops.arange(width, dtype="int32") * channels
    row = gather(ops.reshape(maps, (-1, 1)), first[:, None] + steps[None, :, None])[..., 0]
    place = y * width + _first_equal(row, peak)
    cells = ops.reshape(maps, (-1, channels))
    grid = gather(cells, numbers * (height * width) + _grid(height, width))
    active = ops.mean(ops.cast(grid > 0, "float32"), axis=1)
    cell = ops.cast(at * np.array([height, width], np.float32), "int32")
    sampled = gather(cells, (numbers[:, 0] * height + cell[:, 0]) * width + cell[:, 1])
    return peak, place, active, sampled


def _first_equal(values: Any, peak: Any) -> Any:
    """(N, C): the first place along axis 1 of ``values`` (N, n, C) that equals ``peak`` (N, C)."""
    count = values.shape[1]
    places = keras.ops.arange(count, dtype="int32")[None, :, None]
    last = keras.ops.cast(count - 1, "int32")
    # The last one also where a NaN equals nothing.
    return keras.ops.min(keras.ops.where(values == peak[:, None], places, last), axis=1)


def _grid(height: int, width: int) -> np.ndarray:
    """Flat places of a regular grid in a map, (1, n)."""
    rows, columns = (
        np.arange(side // (2 * count), side, side // count)[:count]
        for side, count in ((side, min(side, _GRID)) for side in (height, width))
    )
    return (rows[:, None] * width + columns).reshape(1, -1).astype(np.int32)
