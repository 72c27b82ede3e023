"""One unit of a layer: its map, its arithmetic, and what it causes."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from optogram.graph.token_grids import kind_of
from optogram.methods.intervening.changes import Change
from optogram.methods.intervention_probe import InterventionProbe, intervention_probe
from optogram.methods.pixel_arithmetic import pixel_arithmetic
from optogram.network.network import Network
from optogram.result import PixelArithmetic
from optogram.target import Filter, Neuron
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
from optogram.web.opening import call, made_again, place_of
from optogram.web.packing import Answer
from optogram.web.photos import Photo
from optogram.web.questions.layer import maps_again, maps_of
from optogram.web.questions.photos import class_numbers
from optogram.web.workspace import Workspace

WEIGHTS = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.Conv2DTranspose)
"""Layers whose weights `optogram kernels` writes as they are multiplied with a window."""


PIXEL_Y = whole("y", "Row of a pixel of the photo as the network takes it.", 0)
PIXEL_X = whole("x", "Column of that pixel.", 0)


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
        "kind": kind_of(model.step(layer)),
        "filters": found.values.shape[-1],
        "size": found.images.shape[1:3],
        "highest": [int(place) for place in highest],
        "is_signed": found.signed,
        **maps_again(
            workspace,
            model,
            photo,
            layer,
            f"values = maps.matrix({filter})",
            f"over = maps.at('network', {filter})",
            f"counts, edges = maps.histogram({filter})",
        ),
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
    PIXEL_Y,
    PIXEL_X,
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
    about = {
        "units": listed,
        "cell": found.cell_at(y, x, size="network"),
        **maps_again(
            workspace,
            model,
            photo,
            layer,
            f"units = maps.strongest_at({y}, {x}, 10, by={by!r}, size='network')",
        ),
    }
    return Answer(about)


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
        **_arithmetic_again(workspace, model, photo, layer, filter, (row, column), found),
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
    change = f"{{og.Filter({layer!r}, {filter}): og.Change(scale={factor!r})}}"
    place = place_of(photo)
    lines = [f"result = {call('intervene', 'net', repr(place), change)}"]
    if model.head.is_spatial:
        lines += [
            "highest = result.probabilities_after[0].argmax(-1)",
            f"shares = [(highest == i).mean() for i in range({model.head.classes})]",
        ]
    command = ["intervene", "--scale", f"{layer}:{filter}={factor!r}"]
    command += ["--out", "intervention", "--", place]
    about = {"factor": factor, **made_again(workspace, model, lines, command)}
    return Answer(about, class_numbers(model, scores))


def _arithmetic_again(
    workspace: Workspace,
    model: Network,
    photo: Photo,
    layer: str,
    filter: int,
    position: tuple[int, int],
    found: PixelArithmetic,
) -> dict[str, Any]:
    """How the arithmetic of an element, and under ``weights`` the kernel, are made again."""
    neuron = f"og.Neuron({layer!r}, {position!r}, {filter})"
    line = f"result = {call('pixel_arithmetic', 'net', repr(place_of(photo)), neuron)}"
    command: Sequence[str] | str = "the arithmetic of an element is computed in Python."
    again = made_again(workspace, model, [line], command)
    convolution = model.step(found.layer).operation
    if isinstance(convolution, WEIGHTS) and not isinstance(
        convolution, keras.layers.SeparableConv2D
    ):
        command = ["kernels", "--layer", convolution.name, "--arrays"]
    else:
        command = "optogram kernels does not write these weights as one kernel."
    lines = [line, "kernel = result.kernel"]
    return {**again, "weights": made_again(workspace, model, lines, command)}


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
