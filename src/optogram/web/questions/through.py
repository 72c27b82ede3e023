"""A pixel of a photo through all layers: which filter of each layer it stands out in most."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from optogram.methods.feature_maps import feature_maps
from optogram.network.network import Network
from optogram.web.asking import MODEL, PHOTO, Tell, question
from optogram.web.packing import Answer, as_bytes
from optogram.web.photos import Photo
from optogram.web.questions.space import shrunk
from optogram.web.questions.unit import PIXEL_X, PIXEL_Y
from optogram.web.workspace import Workspace

_BYTES = 64 << 20
"""Bytes of the maps that are computed at a time, unless one layer has more."""


@question(MODEL, PHOTO, PIXEL_Y, PIXEL_X, is_long=True)
def units_through_layers(
    workspace: Workspace, tell: Tell, model: Network, photo: Photo, y: int, x: int
) -> Answer:
    """The filter of each layer that a pixel activates most, against its map; in running order.

    `units`: layer, filter, value, z-score (value minus the mean of its map, in standard
    deviations). Arrays map0, map1, …: their maps, uint8, at most 32×32.
    """
    model.require_layers()
    prepared, runs = workspace.prepared(model, photo), workspace.uncompiled(model)
    total = len(model.map_layers(prepared.shape[1:3]))
    units: list[dict[str, Any]] = []
    arrays: dict[str, np.ndarray] = {}
    for layers in _groups(model, prepared.shape[1:3]):
        tell.progress(len(units), total, f"{len(units)} of {total} layers")
        for layer, maps in feature_maps(runs, prepared, layers).items():
            (best,) = maps.strongest_at(y, x, 1, by="z-score", size="network")
            arrays[f"map{len(units)}"] = _drawn(maps.values[0, ..., best.channel])
            units.append(
                {
                    "layer": layer,
                    "filter": best.channel,
                    "value": best.value,
                    "z_score": best.z_score,
                }
            )
    return Answer({"units": units}, arrays)


def _groups(model: Network, size: tuple[int, int]) -> Iterator[list[str]]:
    """The layers with maps, a part at a time, by the memory that their maps take."""
    geometry = model.geometry(size)
    layers: list[str] = []
    held = 0
    for layer in model.map_layers(size):
        each = geometry[model.step(layer).index].memory
        if layers and held + each > _BYTES:
            yield layers
            layers, held = [], 0
        layers.append(layer)
        held += each
    if layers:
        yield layers


def _drawn(values: np.ndarray) -> np.ndarray:
    """A map (h, w) over its own range, as uint8, at most 32 high and wide."""
    small = shrunk(np.nan_to_num(np.asarray(values, np.float32)))
    return as_bytes(small, float(small.min()), float(small.max()))
