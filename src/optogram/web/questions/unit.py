"""One unit of a layer: its map, its arithmetic, what it causes, and what activates it."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from optogram.errors import OptogramError
from optogram.methods.intervening.changes import Change
from optogram.methods.intervention_probe import InterventionProbe, intervention_probe
from optogram.methods.maximize import maximize
from optogram.methods.pixel_arithmetic import pixel_arithmetic
from optogram.methods.strongest_images import strongest_images
from optogram.network.network import Network
from optogram.result import StrongestImages
from optogram.target import Filter, Neuron, require_channel
from optogram.web.asking import (
    FILTER,
    LAYER,
    MODEL,
    PHOTO,
    Tell,
    choice,
    number,
    question,
    whole,
)
from optogram.web.packing import Answer
from optogram.web.questions.layer import maps_of
from optogram.web.questions.photos import class_numbers
from optogram.web.workspace import Photo, Workspace

CROPS = 9
"""Crops of photos for each filter."""
_CROP_SIDE = 224
"""Height and width of a crop, at most; larger ones are shrunk."""
_FRAMES = 8
"""Steps between images of a pattern that is made."""


@question(MODEL, PHOTO, LAYER, FILTER)
def unit_map(
    workspace: Workspace, tell: Tell, model: Network, photo: Photo, layer: str, filter: int
) -> Answer:
    """The map of a filter, (h, w), also at the pixels of the photo as the network takes it, (H, W).

    `field_rows` and `field_columns`, (h, 2) and (w, 2), are the receptive field of each row and
    column in these pixels, from the first to beyond the last. `counts` and `edges` are a histogram.
    """
    found = maps_of(workspace, model, photo, layer)
    values = found.matrix(filter)
    counts, edges = found.histogram(filter)
    finite = np.where(np.isfinite(values), values, -np.inf)
    highest = np.unravel_index(int(finite.argmax()), values.shape)
    about = {
        "kind": model.step(layer).kind,
        "filters": found.values.shape[-1],
        "size": found.images.shape[1:3],
        "highest": [int(place) for place in highest],
        "is_signed": found.signed,
    }
    assert found.field_rows is not None and found.field_columns is not None
    arrays = {
        "map": values,
        "over": found.at("network", filter),
        "field_rows": found.field_rows,
        "field_columns": found.field_columns,
        "counts": counts,
        "edges": edges,
    }
    return Answer(about, arrays)


@question(
    MODEL,
    PHOTO,
    LAYER,
    whole("y", "Row of a pixel of the photo as the network takes it.", 0),
    whole("x", "Column of that pixel.", 0),
    choice("by", "Rank of filters there.", ("activation", "z-score"), "activation"),
)
def units_at(
    workspace: Workspace,
    tell: Tell,
    model: Network,
    photo: Photo,
    layer: str,
    y: int,
    x: int,
    by: str,
) -> Answer:
    """The filters of a layer that a pixel activates most, and the element that is drawn there."""
    found = maps_of(workspace, model, photo, layer)
    units = found.strongest_at(y, x, 10, by=by, size="network")
    listed = [
        {"filter": each.channel, "value": each.value, "z_score": each.z_score} for each in units
    ]
    return Answer({"units": listed, "cell": found.cell_at(y, x, size="network")})


@question(
    MODEL,
    PHOTO,
    LAYER,
    FILTER,
    whole("row", "Row in the map.", 0),
    whole("column", "Column in the map.", 0),
    whole("count", "Input channels, at most.", 1, 64, default=6),
)
def arithmetic(
    workspace: Workspace,
    tell: Tell,
    model: Network,
    photo: Photo,
    layer: str,
    filter: int,
    row: int,
    column: int,
    count: int,
) -> Answer:
    """How an element of a map is computed: window × kernel, (n, h, w), on n input channels.

    These are the channels that add most; `rest` is the sum of the products on all others. `weights`
    are the kernel on the channels where it is largest, by the sum of magnitudes.
    """
    found = pixel_arithmetic(
        model, workspace.prepared(model, photo), Neuron(layer, (row, column), filter)
    )
    chosen = found.strongest(count)
    sums = found.values.sum(axis=(0, 1), dtype=np.float64)
    largest = np.argsort(-np.abs(found.kernel).sum(axis=(0, 1)), kind="stable")[:count]
    about = {
        "convolution": found.layer,
        "row": int(found.rows[0]),
        "column": int(found.columns[0]),
        "channels": found.input_channels[chosen],
        "sums": sums[chosen],
        "rest": found.sum - sums[chosen].sum(),
        "others": len(sums) - len(chosen),
        "sum": found.sum,
        "bias": found.bias,
        "steps": [{"name": name, "value": value} for name, value in found.steps],
        "field": found.receptive_field,
        "weight_channels": found.input_channels[largest],
    }
    arrays = {
        "window": np.moveaxis(found.window[..., chosen], -1, 0),
        "kernel": np.moveaxis(found.kernel[..., chosen], -1, 0),
        "products": np.moveaxis(found.values[..., chosen], -1, 0),
        "weights": np.moveaxis(found.kernel[..., largest], -1, 0),
        "padding": found.padding.astype(np.uint8),
    }
    return Answer(about, arrays)


@question(MODEL, PHOTO, LAYER, is_long=True, is_kept=False)
def unit_probe(
    workspace: Workspace, tell: Tell, model: Network, photo: Photo, layer: str
) -> Answer:
    """Prepare changes of the units of a layer: `changed_unit` is fast afterwards."""
    tell.progress(0, 1, "preparing the slider")
    probe = _probe(workspace, model, photo, layer)
    return Answer({}, class_numbers(model, probe.scores))


@question(
    MODEL,
    PHOTO,
    LAYER,
    FILTER,
    number("factor", "What the map is multiplied by; 0 silences the unit.", -100, 100),
    is_kept=False,
)
def changed_unit(
    workspace: Workspace,
    tell: Tell,
    model: Network,
    photo: Photo,
    layer: str,
    filter: int,
    factor: float,
) -> Answer:
    """Scores and probabilities of all classes, (classes,), with the map of a unit multiplied."""
    probe = _probe(workspace, model, photo, layer)
    scores = probe({Filter(layer, filter): Change(scale=factor)}, of="scores")
    return Answer({"factor": factor}, class_numbers(model, scores))


@question(MODEL, LAYER, FILTER, is_long=True)
def pattern(workspace: Workspace, tell: Tell, model: Network, layer: str, filter: int) -> Answer:
    """An image that maximizes the mean of a filter's map, uint8 (H, W, 3 or 1), as it grows."""

    def show(_: int, frame: np.ndarray) -> None:
        tell.partial(Answer({}, {"pixels": _visible(frame)}))

    made = maximize(
        model, Filter(layer, filter), frames=_FRAMES, on_frame=show, progress=tell.progress
    )
    about = {"score": made.score[0], "warnings": made.warnings}
    return Answer(about, {"pixels": _visible(made.images[0])})


@question(MODEL, LAYER, FILTER, is_long=True)
def strongest_crops(
    workspace: Workspace, tell: Tell, model: Network, layer: str, filter: int
) -> Answer:
    """The parts of the folder's photos that activate a filter most: uint8 arrays crop0, crop1, …

    `photos` is the number of photos of the folder; 0: there is no folder.
    """
    if not workspace.folder:
        return Answer({"photos": 0, "crops": []})

    def make() -> tuple[Any, int]:
        found = _strongest(workspace, tell, model, layer)
        arrays = (found.values, found.indices, found.positions, found.windows)
        return found, sum(array.nbytes for array in arrays)

    found = workspace.objects.once(("strongest", id(model), layer), make)
    row = require_channel(filter, len(found.filters), layer)
    return _cropped(found, row, len(found.photos))


@question(MODEL, PHOTO, LAYER, FILTER)
def photo_crop(
    workspace: Workspace, tell: Tell, model: Network, photo: Photo, layer: str, filter: int
) -> Answer:
    """The part of a photo that activates a filter most: an uint8 array crop0."""
    found = strongest_images(model, layer, [photo.source], top=1, filters=[filter])
    answer = _cropped(found, 0, 1)
    return Answer({"crops": [{**answer.about["crops"][0], "photo": photo.name}]}, answer.arrays)


def _cropped(found: StrongestImages, row: int, photos: int) -> Answer:
    """The crops of the filter in a row of a result."""
    crops, arrays = [], {}
    for rank, index in enumerate(found.indices[row]):
        if index < 0:
            break
        crop = found.crop(row, rank).convert("RGB")
        crop.thumbnail((_CROP_SIDE, _CROP_SIDE))
        arrays[f"crop{rank}"] = np.asarray(crop)
        value = float(found.values[row, rank])
        crops.append({"photo": Path(found.photos[index]).name, "value": value})
    return Answer({"photos": photos, "crops": crops}, arrays)


def _strongest(workspace: Workspace, tell: Tell, model: Network, layer: str) -> StrongestImages:
    """The strongest photos of all filters of a layer; files that cannot be read are left out.

    A search that was stopped goes on where it was.
    """
    files = workspace.folder
    name = hashlib.sha256(f"{workspace.networks.index(model)} {layer}".encode()).hexdigest()
    saved = workspace.scratch / f"{name}.npz"

    def search(photos: Sequence[Path]) -> StrongestImages:
        return strongest_images(
            model, layer, photos, CROPS, checkpoint=saved, progress=tell.progress
        )

    try:
        return search(files)
    except OptogramError:
        readable = [file for file in files if _is_readable(model, file)]
        if not readable or len(readable) == len(files):
            raise
    return search(readable)


def _is_readable(model: Network, file: Path) -> bool:
    try:
        model.prepare(file)
    except OptogramError:
        return False
    return True


def _probe(workspace: Workspace, model: Network, photo: Photo, layer: str) -> InterventionProbe:
    model.step(layer)  # a name, not a pattern

    def make() -> tuple[Any, int]:
        probe = intervention_probe(model, workspace.prepared(model, photo))
        probe({layer: Change()})  # compiles
        return probe, probe.nbytes

    made: InterventionProbe = workspace.objects.once(
        ("intervention", id(model), photo.id, layer), make
    )
    return made


def _visible(pixels: np.ndarray) -> np.ndarray:
    """Pixels (H, W, C) in color or gray."""
    return pixels[..., :3] if pixels.shape[-1] >= 3 else pixels[..., :1]
