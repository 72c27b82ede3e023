"""The error of a survey in reduced precision: a few photos are read again, exactly."""

import numpy as np

from optogram.interpreters.precision import in_rounding
from optogram.network.network import Network
from optogram.pictures.photo_set import PhotoSet
from optogram.surveying.activations import activations
from optogram.surveying.photos import Reading, batches_of, positions_of
from optogram.surveying.table import UnitTable

_SAMPLE = 8
"""Number of photos that are read again, spread over all."""


def rounding_error(
    net: Network, photos: PhotoSet, table: UnitTable, reading: Reading
) -> np.ndarray:
    """(layers,): the error of the largest activations of each layer, relative to their spread.

    Root mean square over the units and a few photos, divided by the standard deviation over these.
    NaN if none of the photos can be read, or nothing differs between them.
    """
    chosen = np.unique(np.linspace(0, len(photos) - 1, _SAMPLE).astype(int)).tolist()
    other, errors = in_rounding(net, reading.rounding), [""] * len(photos)
    exact, rounded = list[np.ndarray](), list[np.ndarray]()
    for numbers, x in batches_of(net, photos, chosen, reading, errors):
        at = positions_of(np.array(numbers))
        exact.append(activations(net, x, table, at, reading.batch).peak)
        rounded.append(activations(other, x, table, at, reading.batch).peak)
    found = np.full(len(table.layers), np.nan, np.float32)
    if not exact:
        return found
    expected, made = np.concatenate(exact), np.concatenate(rounded)
    for row, layer in enumerate(table.layers):
        own = np.s_[:, layer.first : layer.first + layer.count]
        if spread := expected[own].std():
            found[row] = np.sqrt(np.mean((made[own] - expected[own]) ** 2)) / spread
    return found
