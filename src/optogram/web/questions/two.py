"""Two photos or two networks: the units that differ most, and how classes correspond."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from optogram.errors import InputError
from optogram.methods.request.pairs import paired_layers
from optogram.methods.unit_correlations import unit_correlations
from optogram.methods.unit_differences import unit_differences
from optogram.network.network import Network
from optogram.result import UnitCorrelations, UnitDifferences
from optogram.web.asking import (
    LAYER,
    MODEL,
    PHOTO,
    Parameter,
    Tell,
    choice,
    question,
    whole,
    words,
)
from optogram.web.opening import differences_in_python
from optogram.web.packing import Answer
from optogram.web.photos import Photo
from optogram.web.workspace import Workspace

MODEL2 = Parameter(
    "model2",
    "Number of the network of the other side, from 0.",
    MODEL.schema,
    MODEL.read,
)
PHOTO2 = Parameter("photo2", "Identifier of the photo of the other side.", PHOTO.schema, PHOTO.read)
ANY_LAYER = words(
    "layer",
    "Name of a layer. Empty: the outputs of all convolutions, after normalization and activation.",
    "",
)
LAYER2 = words("layer2", "Name of a layer of the other network.")
BY = choice(
    "by",
    "What units are compared by. first: maps for two networks, mean for two photos.",
    ("first", "maps", "mean", "maximum", "weights"),
    "first",
)


@question(
    MODEL,
    PHOTO,
    MODEL2,
    PHOTO2,
    ANY_LAYER,
    BY,
    whole("count", "Units, at most.", 1, 500, default=20),
    is_long=True,
)
def differing_units(
    workspace: Workspace,
    tell: Tell,
    model: Network,
    photo: Photo,
    model2: Network,
    photo2: Photo,
    layer: str,
    by: str,
    count: int,
) -> Answer:
    """The units that differ most between two photos or two networks, largest difference first.

    `layers` are pairs of compared layers; `measures` what units can be compared by here.
    """
    found = _differences(workspace, tell, model, photo, model2, photo2, layer)
    measure = found.measures[0] if by == "first" else by
    wanted = layer if layer else None
    most = found.most(count, measure, wanted)
    here = np.ones(len(found.rows), bool)
    if wanted is not None:
        here = found.rows == found.layers.index(wanted)
    about: dict[str, Any] = {
        "by": measure,
        "measures": found.measures,
        "units": [each._asdict() for each in most],
        "compared": int(here.sum()),
        "inactive": int(found.inactive[here].sum()),
        "layers": list(zip(found.layers, found.other_layers, strict=True)),
        "python": differences_in_python(
            workspace.openings.get(id(model)),
            workspace.openings.get(id(model2)) if model2 is not model else None,
            photo,
            photo2 if photo2 is not photo else None,
            is_same_network=model2 is model,
            layer=wanted,
            count=count,
            by=measure,
        ),
        "warnings": [
            each
            for each in found.warnings
            if each not in model.warnings and each not in model2.warnings
        ],
    }
    return Answer(about)


@question(MODEL, PHOTO, LAYER, MODEL2, LAYER2, is_long=True)
def nearest_units(
    workspace: Workspace,
    tell: Tell,
    model: Network,
    photo: Photo,
    layer: str,
    model2: Network,
    layer2: str,
) -> Answer:
    """For each unit of a layer the unit of another network's layer whose map correlates most.

    `nearest` (units,) are numbers of units, -1 where a map is equal everywhere; `correlations`
    (units,) their correlations over the positions of one photo.
    """

    def make() -> tuple[Any, int]:
        nets = workspace.uncompiled(model), workspace.uncompiled(model2)
        made = unit_correlations(
            nets[0], photo.source, layer, nets[1], layer2, progress=tell.progress
        )
        return made, made.values.nbytes

    key = ("correlations", id(model), photo.id, layer, id(model2), layer2)
    found: UnitCorrelations = workspace.objects.once(key, make)
    best = [found.nearest(unit) for unit in range(len(found.values))]
    return Answer(
        {"layer": layer, "layer2": layer2},
        {
            "nearest": np.array([each[0][0] if each else -1 for each in best], np.int32),
            "correlations": np.array([each[0][1] if each else np.nan for each in best], np.float32),
        },
    )


@question(MODEL, MODEL2)
def correspondence(workspace: Workspace, tell: Tell, model: Network, model2: Network) -> Answer:
    """What corresponds in two networks: layers with the same units, and classes.

    `layers` are pairs of names. `classes` (classes,) is the number in the other network of each
    class, -1 where it has none; `how` says by what they were matched (number, name or none), and
    `sentence` what there is to know about it.
    """
    how, sentence, matches = _matched(model.labels.names, model2.labels.names)
    about = {"how": how, "sentence": sentence, "layers": _paired(model, model2)}
    return Answer(about, {"classes": np.array(matches, np.int32)})


def _paired(model: Network, model2: Network) -> list[tuple[str, str]]:
    if model.is_opaque or model2.is_opaque:
        return []
    try:
        return paired_layers(model, model2, list(model.map_layers()), is_strict=False)
    except InputError:
        return []


def _matched(names: Sequence[str], others: Sequence[str]) -> tuple[str, str, list[int]]:
    """How classes were matched, a sentence where that is to be known, and the matches."""
    numbers = list(range(len(names)))
    if list(names) == list(others):
        return "number", "", numbers
    numbered, numbered_others = (_are_numbered(each) for each in (names, others))
    if numbered or numbered_others:
        if len(names) == len(others):
            which = "both networks" if numbered and numbered_others else "one network"
            return "number", f"Classes are matched by number: {which} has no class names.", numbers
        return (
            "none",
            f"The classes cannot be compared: one network has {len(names)}, the other "
            f"{len(others)}, and names are not known of both.",
            [-1] * len(names),
        )
    places: dict[str, int] = {}
    for number, name in enumerate(others):
        places.setdefault(name.casefold(), number)
    matches = [places.get(name.casefold(), -1) for name in names]
    common = sum(match >= 0 for match in matches)
    if not common:
        return (
            "none",
            "The classes cannot be compared: the networks have no class name in common.",
            matches,
        )
    return "name", f"Classes are matched by name: {common} names are common to both.", matches


def _are_numbered(names: Sequence[str]) -> bool:
    """Whether classes have numbers instead of names."""
    return all(name == f"class {number}" for number, name in enumerate(names))


def _differences(
    workspace: Workspace,
    tell: Tell,
    model: Network,
    photo: Photo,
    model2: Network,
    photo2: Photo,
    layer: str,
) -> UnitDifferences:
    """The differences of all layers, or of one that is not among these."""

    def of(layers: str | None) -> UnitDifferences:
        def make() -> tuple[Any, int]:
            found = unit_differences(
                workspace.uncompiled(model),
                photo.source,
                other_image=None if photo2 is photo else photo2.source,
                other_net=None if model2 is model else workspace.uncompiled(model2),
                layers=layers,
                progress=tell.progress,
            )
            held = (found.values, found.means, found.maxima, found.deviations)
            return found, sum(array.nbytes for array in held)

        key = ("differences", id(model), photo.id, id(model2), photo2.id, layers)
        made: UnitDifferences = workspace.objects.once(key, make)
        return made

    if not layer:
        return of(None)
    known = workspace.objects.get(("differences", id(model), photo.id, id(model2), photo2.id, None))
    if known is not None and layer in known.layers:
        return known
    model.step(layer)  # a name, not a pattern
    return of(layer)
