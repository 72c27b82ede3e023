"""All maps of a layer: as they are, and with a patch over the photo."""

from typing import Any

import numpy as np
from PIL import Image

from optogram.graph.token_grids import kind_of
from optogram.methods.feature_map_probe import FeatureMapProbe, feature_map_probe
from optogram.methods.feature_maps import feature_maps
from optogram.network.network import Network
from optogram.result import FeatureMaps, OccludedMaps
from optogram.web.asking import LAYER, MODEL, PHOTO, TARGET, Tell, choice, question
from optogram.web.opening import call, made_again, place_of, target_in_python
from optogram.web.packing import Answer, Scaled, scaled
from optogram.web.photos import Photo
from optogram.web.questions.patch import FILL, FILLS, PATCH, X, Y
from optogram.web.questions.photos import class_numbers, for_display
from optogram.web.workspace import Workspace

SIDE = 112
"""Height and width of the maps, at most; of larger ones, blocks of elements are averaged."""

SHOW = choice(
    "show",
    "Maps with the patch, or how they differ from those without.",
    ("maps", "difference"),
    "maps",
)


@question(MODEL, PHOTO, LAYER)
def layer_maps(
    workspace: Workspace, tell: Tell, model: Network, photo: Photo, layer: str
) -> Answer:
    """All maps of a layer, scaled uint8 (maps, h, w), and their orders by strength and contrast.

    Maps are at most 112×112: `factor` is the side of the blocks that were averaged.
    """
    found = maps_of(workspace, model, photo, layer)
    values = found.values[0]
    about = {
        "kind": kind_of(model.step(layer)),
        "shape": values.shape,
        "factor": _factor(values),
        "is_signed": found.signed,
        "warnings": found.warnings,
        **maps_again(workspace, model, photo, layer),
    }
    count = values.shape[-1]
    arrays = {
        "maps": _sprite(values),
        "by_strength": found.strongest(count)[0],
        "by_contrast": found.strongest(count, by="variation")[0],
    }
    return Answer(about, arrays)


@question(MODEL, PHOTO, LAYER, TARGET)
def map_contributions(
    workspace: Workspace, tell: Tell, model: Network, photo: Photo, layer: str, target: str
) -> Answer:
    """How much each map of a layer contributes to a score, (maps,), and their order."""
    x = workspace.prepared(model, photo)
    if not target:
        numbers = class_numbers(model, model.scores(x)[0])
        target = str(int(numbers["probabilities"].argmax()))
    wanted = workspace.target(model, target)
    model.step(layer)
    (found,) = feature_maps(model, x, layer, target=wanted).values()
    assert found.contributions is not None
    count = found.values.shape[-1]
    asked = f"target={target_in_python(target)}"
    made = call("feature_maps", "net", repr(place_of(photo)), repr(layer), asked)
    lines = [f"maps = {made}[{layer!r}]", "contributions = maps.contributions[0]"]
    again = made_again(workspace, model, lines, "contributions are computed in Python.")
    arrays = {
        "contributions": found.contributions[0],
        "order": found.strongest(count, by="contribution")[0],
    }
    return Answer(again, arrays)


@question(MODEL, PHOTO, LAYER, is_kept=False)
def map_values(
    workspace: Workspace, tell: Tell, model: Network, photo: Photo, layer: str
) -> Answer:
    """All maps of a layer as they are: float32 (h, w, maps)."""
    found = maps_of(workspace, model, photo, layer)
    return Answer(maps_again(workspace, model, photo, layer), {"values": found.values[0]})


@question(MODEL, PHOTO, LAYER, PATCH, FILL, is_long=True, is_kept=False)
def layer_probe(
    workspace: Workspace,
    tell: Tell,
    model: Network,
    photo: Photo,
    layer: str,
    patch: int,
    fill: str,
) -> Answer:
    """Prepare a patch over the photo for the maps of a layer: its size, and what it shows.

    `covered_maps` is fast afterwards.
    """
    tell.progress(0, 1, "preparing the patch")
    probe = _probe(workspace, model, photo, layer, patch, fill)
    shown = for_display(model, np.asarray(probe.fill, np.float32))
    return Answer({"patch": probe.patch, "size": probe.size}, {"fill": shown})


@question(MODEL, PHOTO, LAYER, PATCH, FILL, Y, X, SHOW, is_kept=False)
def covered_maps(
    workspace: Workspace,
    tell: Tell,
    model: Network,
    photo: Photo,
    layer: str,
    patch: int,
    fill: str,
    y: int,
    x: int,
    show: str,
) -> Answer:
    """All maps of a layer with a patch at one place, scaled uint8 (maps, h, w), or the difference.

    `by_change` has the maps in the order of how much they change.
    """
    found = _probe(workspace, model, photo, layer, patch, fill)(y, x)
    values = _chosen(found, show)
    order = found.most_changed(values.shape[-1])
    about = {"y": y, "x": x, **_covered_again(workspace, model, photo, layer, patch, fill, y, x)}
    return Answer(about, {"maps": _sprite(values), "by_change": order})


@question(MODEL, PHOTO, LAYER, PATCH, FILL, Y, X, SHOW, is_kept=False)
def covered_values(
    workspace: Workspace,
    tell: Tell,
    model: Network,
    photo: Photo,
    layer: str,
    patch: int,
    fill: str,
    y: int,
    x: int,
    show: str,
) -> Answer:
    """All maps of a layer with a patch at one place, float32 (h, w, maps), or the difference."""
    found = _probe(workspace, model, photo, layer, patch, fill)(y, x)
    again = _covered_again(workspace, model, photo, layer, patch, fill, y, x)
    return Answer(again, {"values": _chosen(found, show)})


def _chosen(found: OccludedMaps, show: str) -> np.ndarray:
    """(h, w, maps): the maps with the patch, or how they differ."""
    return (found.difference if show == "difference" else found.values)[0]


def _covered_again(
    workspace: Workspace,
    model: Network,
    photo: Photo,
    layer: str,
    patch: int,
    fill: str,
    y: int,
    x: int,
) -> dict[str, str | None]:
    """How maps with a patch are made again."""
    given = {"patch": patch or None, "fill": FILLS[fill]}
    probe = call("feature_map_probe", "net", repr(place_of(photo)), repr(layer), **given)
    lines = [f"probe = {probe}", f"maps = probe({y}, {x})", "difference = maps.difference"]
    return made_again(workspace, model, lines, "maps with a patch are computed in Python.")


def maps_again(
    workspace: Workspace, model: Network, photo: Photo, layer: str, *lines: str
) -> dict[str, str | None]:
    """How the maps of a layer, and what follows from them, are made again."""
    place = place_of(photo)
    maps = f"maps = {call('feature_maps', 'net', repr(place), repr(layer))}[{layer!r}]"
    command = ["maps", "--layer", layer, "--arrays", "--", place]
    return made_again(workspace, model, [maps, *lines], command)


def maps_of(workspace: Workspace, model: Network, photo: Photo, layer: str) -> FeatureMaps:
    """The maps of a layer for a photo, which are kept."""
    model.require_layers()
    model.step(layer)  # a name, not a pattern

    def make() -> tuple[Any, int]:
        x = workspace.prepared(model, photo)
        (found,) = feature_maps(workspace.uncompiled(model), x, layer).values()
        return found, found.values.nbytes

    made: FeatureMaps = workspace.objects.once(("maps", id(model), photo.id, layer), make)
    return made


def _probe(
    workspace: Workspace, model: Network, photo: Photo, layer: str, patch: int, fill: str
) -> FeatureMapProbe:
    model.require_layers()

    def make() -> tuple[Any, int]:
        x = workspace.prepared(model, photo)
        probe = feature_map_probe(model, x, layer, patch=patch or None, fill=FILLS[fill])
        return probe, probe.nbytes

    key = ("maps with a patch", id(model), photo.id, layer, patch, fill)
    made: FeatureMapProbe = workspace.objects.once(key, make)
    return made


def _factor(values: np.ndarray) -> int:
    """Side of the blocks of maps (h, w, C) that are averaged."""
    return -(-max(values.shape[:2]) // SIDE)


def _sprite(values: np.ndarray) -> Scaled:
    """Maps (h, w, C) as (C, h, w), shrunk, each over its own range."""
    maps, factor = np.moveaxis(np.asarray(values, np.float32), -1, 0), _factor(values)
    if factor > 1:
        maps = np.stack([np.asarray(Image.fromarray(each).reduce(factor)) for each in maps])
    return scaled(maps, each=True)
