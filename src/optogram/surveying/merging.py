"""From what the work units computed to the table of units."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from optogram.errors import InputError
from optogram.graph import layer_types
from optogram.jobs.store import Store
from optogram.methods.kernels import kernels
from optogram.network.network import Network
from optogram.surveying import layout
from optogram.surveying.photos import Reading, Strongest
from optogram.surveying.table import SurveyedLayer, UnitTable

Columns = dict[str, tuple[tuple[str, ...], np.ndarray]]


def merge_photos(store: Store, net: Network, table: UnitTable, reading: Reading) -> None:
    """Statistics of each unit, and its strongest photos, from all blocks.

    Raises
    ------
    InputError
        If no photo could be read.
    """
    photos = store.read("blocks/photos")
    total = int(photos.sum())
    if not total:
        errors = [error for error in store.read("photos/error") if error]
        raise InputError(f"None of the {len(errors)} photos can be read: {errors[0]}")
    names = ("mean", "active", "fires")
    sums = dict.fromkeys(names, np.zeros(len(table)))
    strongest = Strongest(len(table), reading.top)
    for block in range(len(photos)):
        for name in names:
            sums[name] = sums[name] + store.read(f"blocks/{name}", block)
        strongest.merge(*(store.read(f"blocks/{name}", block) for name in strongest.arrays()))
    known = strongest.photo >= 0
    columns: Columns = {
        name: (("unit",), (array / total).astype(np.float32)) for name, array in sums.items()
    }
    columns["strongest_activation"] = (
        ("unit", "rank"),
        np.where(known, strongest.value, np.nan).astype(np.float32),
    )
    columns["strongest_photo"] = ("unit", "rank"), strongest.photo
    positions = np.full((*known.shape, 2), -1, np.int32)
    windows = np.full((*known.shape, 4), np.nan, np.float32)
    geometry = net.geometry(reading.size)
    for layer in table.layers:
        rows = layer.rows
        at = np.stack(np.divmod(strongest.place[rows], layer.maps[1]), axis=-1)
        field = geometry[layer.step].receptive_field
        seen = known[rows, :, None]
        positions[rows] = np.where(seen, at, -1)
        windows[rows] = np.where(seen, field.boxes(at, reading.size), np.nan)
    columns["strongest_position"] = ("unit", "rank", "yx"), positions
    columns["strongest_window"] = ("unit", "rank", "edge"), windows
    layout.write_units(store, columns)


def merge_samples(
    store: Store, table: UnitTable, wanted: frozenset[str], told: Callable[[int, int], None]
) -> None:
    """Quantiles and nearest units of each unit, from sampled activations, layer by layer."""
    quantiles = np.full((len(table), len(layout.QUANTILES)), np.nan, np.float32)
    nearest = np.full((len(table), layout.NEIGHBORS), -1, np.int64)
    likeness = np.full((len(table), layout.NEIGHBORS), np.nan, np.float32)
    for number, (layer, samples) in enumerate(_samples(store, table, "activation")):
        if "statistics" in wanted:
            quantiles[layer.rows] = np.quantile(samples, layout.QUANTILES, axis=0).T
        if "neighbors" in wanted:
            units, correlations = neighbors(samples, layout.NEIGHBORS)
            kept = slice(0, units.shape[1])
            nearest[layer.rows, kept] = np.where(units < 0, -1, units + layer.first)
            likeness[layer.rows, kept] = correlations
        told(number + 1, len(table.layers))
    columns: Columns = {}
    if "statistics" in wanted:
        columns["quantiles"] = ("unit", "quantile"), quantiles
        known = np.array(layout.QUANTILES)
        layout.write_coordinate(store, "units/quantile", "quantile", known)
    if "neighbors" in wanted:
        columns["nearest_unit"] = ("unit", "neighbor"), nearest
        columns["nearest_correlation"] = ("unit", "neighbor"), likeness
    layout.write_units(store, columns)


def neighbors(samples: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The units that correlate most with each unit: numbers and correlations, (units, count).

    ``samples`` are activations (samples, units). Units that never change have no correlation: −1
    and NaN.
    """
    apart = samples - samples.mean(axis=0, dtype=np.float64)
    norms = np.linalg.norm(apart, axis=0)
    scaled = np.divide(apart, norms, out=np.zeros_like(apart), where=norms > 0)
    correlations = (scaled.T @ scaled).astype(np.float32)
    np.fill_diagonal(correlations, -np.inf)
    correlations[norms == 0] = correlations[:, norms == 0] = -np.inf
    order = np.argsort(-correlations, axis=1, kind="stable")[:, : min(count, len(correlations) - 1)]
    found = np.take_along_axis(correlations, order, axis=1)
    known = np.isfinite(found)
    return np.where(known, order, -1), np.where(known, found, np.nan)


def merge_contributions(store: Store, table: UnitTable) -> None:
    """The mean contribution of each unit to each class, and the classes that it serves most."""
    of_photo = store.read("photos/class")[store.read("samples/photo")]
    classes = np.unique(of_photo[of_photo >= 0])
    means = np.full((len(classes), len(table)), np.nan, np.float32)
    for layer, samples in _samples(store, table, "contribution", of_photo >= 0):
        winners = of_photo[of_photo >= 0]
        for row, one in enumerate(classes):
            means[row, layer.rows] = samples[winners == one].mean(axis=0, dtype=np.float64)
    layout.write_classes(store, classes, means)
    order = np.argsort(-means, axis=0, kind="stable")[: layout.CLASSES]
    served = np.full((len(table), layout.CLASSES), -1, np.int32)
    amount = np.full((len(table), layout.CLASSES), np.nan, np.float32)
    served[:, : len(order)] = classes[order].T
    amount[:, : len(order)] = np.take_along_axis(means, order, axis=0).T
    layout.write_units(
        store,
        {
            "served_class": (("unit", "served"), served),
            "served_contribution": (("unit", "served"), amount),
        },
    )


def write_kernels(store: Store, net: Network, table: UnitTable) -> None:
    """The kernels of all convolutions of the network."""
    wanted = {layer.step for layer in table.layers}
    before = net.graph.ancestors([layer.output for layer in table.layers])
    for layer in net.layers:
        step = net.step(layer.name)
        is_convolution = isinstance(layer.operation, layer_types.CONVOLUTIONS_AND_TRANSPOSED)
        if is_convolution and (step.index in before or step.index in wanted):
            layout.write_kernels(store, layer.name, kernels(net, layer.name).values)


def _samples(
    store: Store, table: UnitTable, name: str, rows: Any = None
) -> Iterator[tuple[SurveyedLayer, np.ndarray]]:
    """Each layer with its samples (samples, units) of the photos that were read."""
    for layer in table.layers:
        samples = store.read(f"samples/{name}", (slice(None), layer.rows))
        samples = samples if rows is None else samples[rows]
        yield layer, samples[~np.isnan(samples).all(axis=1)]
