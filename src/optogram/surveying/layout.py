"""The arrays of a survey: their paths, axes and chunks. ``docs/stores.md`` describes them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from optogram.jobs.photo_units import make_photos
from optogram.jobs.store import Store
from optogram.pictures.photo_set import PhotoSet
from optogram.surveying.paths import ROUNDING_ERROR, kernels_of, patterns_of
from optogram.surveying.photos import Reading
from optogram.surveying.table import UnitTable

QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
"""Quantiles that are computed of sampled activations."""
CLASSES = 5
"""Classes that are listed for each unit."""
NEIGHBORS = 8
"""Nearest units that are listed for each unit."""

_CHUNK = 4096
"""Units of a chunk, where not all are in one."""
_NAMES = 65536
"""Names of a chunk."""


def make_table(store: Store, table: UnitTable, kinds: Sequence[str]) -> None:
    """Make and write the table of layers, and the layer and channel of each unit."""
    layers = table.layers
    columns: dict[str, tuple[Any, Any]] = {
        "name": (str, [layer.name for layer in layers]),
        "kind": (str, list(kinds)),
        "first": (np.int64, [layer.first for layer in layers]),
        "units": (np.int64, [layer.count for layer in layers]),
        "height": (np.int32, [layer.maps[0] for layer in layers]),
        "width": (np.int32, [layer.maps[1] for layer in layers]),
    }
    for name, (dtype, values) in columns.items():
        _write_column(store, f"layers/{name}", dtype, values, "layer")
    names = np.repeat(np.array([layer.name for layer in layers], object), _counts(table))
    channels = np.concatenate([np.arange(layer.count) for layer in layers])
    _write_column(store, "units/layer", str, names, "unit")
    _write_column(store, "units/channel", np.int32, channels, "unit")


def write_rounding_error(store: Store, error: np.ndarray) -> None:
    """Write the error of reduced precision, a column of the table of layers."""
    _write_column(store, ROUNDING_ERROR, np.float32, error, "layer")


def make_blocks(store: Store, photo_set: PhotoSet, units: int, reading: Reading) -> None:
    """Make the arrays that the pass over the photos fills, and write the names of the photos."""
    photos, block = len(photo_set), reading.block
    sums = ("photos", "mean", "active", "fires", *_STRONGEST)
    store.forget_if_missing(
        "blocks/done",
        [
            *(f"blocks/{name}" for name in sums),
            *("photos/error", "photos/class", "samples/activation"),
        ],
    )
    make_photos(store, photo_set, block)
    blocks = -(-photos // block)
    samples, rows = -(-photos // reading.every), block // reading.every
    for name, dtype in (("mean", np.float64), ("active", np.float64), ("fires", np.int64)):
        store.array(f"blocks/{name}", (blocks, units), (1, units), dtype, ("block", "unit"), 0)
    store.array("blocks/photos", (blocks,), (1,), np.int64, ("block",), 0)
    for name, kind in _STRONGEST.items():
        shape = (units, reading.top)
        axes = ("block", "unit", "rank")
        store.array(f"blocks/{name}", (blocks, *shape), (1, *shape), kind, axes, -1)
    store.array("blocks/done", (blocks,), (1,), np.uint64, ("block",), 0)
    _make_samples(store, "activation", samples, rows, units)
    numbers = np.arange(samples) * reading.every
    store.array("samples/photo", (samples,), (_NAMES,), np.int64, ("sample",))
    store.write("samples/photo", slice(None), numbers)


def make_contributions(store: Store, photos: int, units: int, reading: Reading) -> None:
    """Make the arrays that the pass over the sampled photos fills."""
    samples, rows = -(-photos // reading.every), reading.block // reading.every
    store.forget_if_missing("blocks/contributions_done", ["samples/contribution"])
    _make_samples(store, "contribution", samples, rows, units)
    blocks = -(-photos // reading.block)
    store.array("blocks/contributions_done", (blocks,), (1,), np.uint64, ("block",), 0)


def make_patterns(store: Store, layer: str, units: int, shape: tuple[int, int, int, int]) -> None:
    """Make the arrays of the patterns of a layer: (variants, height, width, channels) each."""
    group, variants = patterns_of(layer), shape[0]
    axes = ("unit", "variant", "y", "x", "color")
    store.forget_if_missing(f"{group}/done", [f"{group}/image", f"{group}/score"])
    store.array(f"{group}/image", (units, *shape), (1, *shape), np.uint8, axes, 0)
    store.array(f"{group}/score", (units, variants), (1, variants), np.float32, axes[:2], np.nan)
    store.array(f"{group}/done", (units,), (1,), np.uint64, axes[:1], 0)
    store.describe(group, {"layer": layer})


def write_units(store: Store, columns: Mapping[str, tuple[Sequence[str], np.ndarray]]) -> None:
    """Write columns of the table of units: the names of their axes, and values (units, …)."""
    for name, (axes, values) in columns.items():
        chunks = (_CHUNK, *values.shape[1:])
        fill = np.nan if values.dtype.kind == "f" else -1
        store.array(f"units/{name}", values.shape, chunks, values.dtype, axes, fill)
        store.write(f"units/{name}", slice(None), values)


def write_coordinate(store: Store, path: str, axis: str, values: np.ndarray) -> None:
    """Write the values along an axis."""
    _write_column(store, path, values.dtype, values, axis)


def write_network(store: Store, labels: Sequence[str], channels: int) -> None:
    """Write the names of all classes of the network, by index, and its number of channels."""
    store.describe("photos", {"channels": channels})
    _write_column(store, "classes/label", str, labels, "label")


def write_classes(store: Store, classes: np.ndarray, contribution: np.ndarray) -> None:
    """Write the mean contribution (classes, units) of each unit to each class that was seen."""
    # The classes seen may differ from those of a run before.
    for path in ("classes/class", "classes/contribution"):
        store.remove(path)
    write_coordinate(store, "classes/class", "class", classes)
    chunks = (64, _CHUNK)
    axes = ("class", "unit")
    store.array("classes/contribution", contribution.shape, chunks, np.float32, axes, np.nan)
    store.write("classes/contribution", slice(None), contribution)


def write_kernels(store: Store, layer: str, values: np.ndarray) -> None:
    """Write the kernels (height, width, in, out) of a layer."""
    path = kernels_of(layer)
    axes = ("y", "x", "input", "output")
    store.array(path, values.shape, values.shape, np.float32, axes, np.nan, {"layer": layer})
    store.write(path, slice(None), values)


_STRONGEST = {
    "strongest_activation": np.float32,
    "strongest_photo": np.int64,
    "strongest_place": np.int32,
}


def _make_samples(store: Store, name: str, samples: int, rows: int, units: int) -> None:
    chunks = (rows, min(units, _CHUNK))
    axes = ("sample", "unit")
    store.array(f"samples/{name}", (samples, units), chunks, np.float32, axes, np.nan)


def _write_column(store: Store, path: str, dtype: Any, values: Any, axis: str) -> None:
    values = np.asarray(values, object if dtype is str else dtype)
    store.array(path, (len(values),), (_NAMES,), dtype, (axis,), None if dtype is str else 0)
    store.write(path, slice(None), values)


def _counts(table: UnitTable) -> list[int]:
    return [layer.count for layer in table.layers]
