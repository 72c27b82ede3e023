"""What a survey computes, decided before anything is computed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import keras
import numpy as np

from optogram import backend
from optogram.arguments import MOST_SEED, whole, wholes
from optogram.errors import InputError, nearest
from optogram.graph.steps import Output
from optogram.graph.token_grids import kind_of
from optogram.interpreters.precision import EXACT, FAST, in_precision, require_precision
from optogram.jobs.photo_units import in_order_of
from optogram.jobs.store import Store
from optogram.jobs.work import WorkUnit, is_done, mark_of, marks_in
from optogram.methods.ascent.recipe import Recipe, recipe_of
from optogram.methods.request.checkpoint import fingerprint
from optogram.network.network import Network
from optogram.pictures.photo_set import PhotoSet
from optogram.surveying.activations import batch_length
from optogram.surveying.contributions import ContributionBlock
from optogram.surveying.paths import patterns_of
from optogram.surveying.patterns import PatternGroup, PatternSettings, grouped
from optogram.surveying.photos import PhotoBlock, Reading
from optogram.surveying.table import SurveyedLayer, UnitTable, unit_table
from optogram.version import __version__
from optogram.words import counted

PARTS = ("photos", "statistics", "neighbors", "classes", "kernels", "patterns")
"""What a survey can hold."""
DEFAULT_PARTS = PARTS[:-1]
"""What it holds by default: patterns of all units take hours."""

_OF_ONE_PASS = frozenset({"photos", "statistics", "neighbors"})
"""Parts that the forward pass over all photos gives."""
_SAMPLES = 2048
"""Photos whose activations are sampled, about."""
_BLOCK = 512


@dataclass(frozen=True, eq=False)
class Plan:
    """The validated arguments of a survey.

    Attributes
    ----------
    net : Network
        The network.
    photos : PhotoSet
        The photos, in the order of their numbers.
    wanted : frozenset of str
        Parts to compute; see `PARTS`.
    table : UnitTable
        The units of the store.
    chosen : tuple of (SurveyedLayer, tuple of int)
        The layers and units whose patterns are made.
    reading : Reading
        How photos are read.
    settings : PatternSettings
        How patterns are made.
    identity : mapping
        What the store depends on.
    """

    net: Network
    photos: PhotoSet
    wanted: frozenset[str]
    table: UnitTable
    chosen: tuple[tuple[SurveyedLayer, tuple[int, ...]], ...]
    reading: Reading
    settings: PatternSettings
    identity: Mapping[str, Any]

    @property
    def reads_all(self) -> bool:
        """Whether there is a pass over all photos."""
        return bool(self.wanted & (_OF_ONE_PASS | {"classes"}))

    def photo_units(self) -> list[WorkUnit]:
        """The work units of all passes over photos."""
        kinds: list[type] = [PhotoBlock] if self.reads_all else []
        kinds += [ContributionBlock] if "classes" in self.wanted else []
        block, count = self.reading.block, len(self.photos)
        return [
            kind(self.photos.part(range(first, min(first + block, count))), first, self.table,
                 self.reading)
            for kind in kinds
            for first in range(0, count, block)
        ]  # fmt: skip

    def missing_patterns(
        self, store: Store | None
    ) -> list[tuple[SurveyedLayer, tuple[int, ...], tuple[int, int]]]:
        """The layers and units whose patterns are not in the store, and the size of the images."""
        if "patterns" not in self.wanted:
            return []
        found = []
        for layer, units in self.chosen:
            path = f"{patterns_of(layer.name)}/done"
            marks, mark = marks_in(store, path), mark_of(path, [])
            missing = tuple(unit for unit in units if not is_done(marks, [unit], mark))
            found.append((layer, missing, self.settings.canvas(self.net, layer)))
        return found

    def pattern_units(self, store: Store) -> list[WorkUnit]:
        """The work units of the patterns that are not in the store."""
        return [
            PatternGroup(
                layer.name,
                patterns_of(layer.name),
                numbers,
                self.settings,
                canvas,
            )
            for layer, missing, canvas in self.missing_patterns(store)
            for numbers in grouped(missing)
        ]

    def pattern_identity(self) -> dict[str, Any]:
        """What the patterns depend on, as JSON."""
        settings = self.settings
        recipe = {field.name: getattr(settings.recipe, field.name) for field in fields(Recipe)}
        recipe["transforms"] = [str(one) for one in settings.recipe.transforms]
        return {
            "recipe": recipe,
            "variants": settings.variants,
            "seed": settings.seed,
        }

    def kinds(self) -> list[str]:
        """The kind of each layer of the table."""
        return [kind_of(self.net.graph.steps[layer.step]) for layer in self.table.layers]


def planned(
    net: Network,
    photos: Any,
    store: Store | None,
    *,
    layers: str | Sequence[str] | None,
    units: Iterable[int] | None,
    what: str | Iterable[str] | None,
    top: int,
    fit: str,
    size: tuple[int, int] | None,
    recipe: str | Recipe,
    changes: Mapping[str, Any],
    variants: int,
    seed: int,
    precision: str = EXACT,
) -> Plan:
    """The validated arguments of `survey`; ``store`` is the one to go on with, if there is one.

    Raises
    ------
    InputError
        If an argument cannot be used, or does not fit the store.
    """
    wanted = _parts(what, net)
    height, width = size or net.nominal_size
    fitted = (whole("size, height,", height, 1), whole("size, width,", width, 1))
    require_precision(precision)
    # Any picture: a mistaken fit or size is found before a store is made.
    net.fed([np.zeros((*fitted, net.channels), np.uint8)], fit, fitted)
    photo_set = PhotoSet.of(photos)
    kept = store.identity if store else {}
    if store:
        _require_layers(net, store)
        photo_set = in_order_of(store, photo_set)
    count = len(photo_set)
    every = kept.get("every") or min(_BLOCK, 1 << max(0, (count // _SAMPLES).bit_length() - 1))
    asked = None if layers is None else unit_table(net, layers, fitted)
    table = unit_table(net, kept["layers"], fitted) if store else asked
    table = table or unit_table(net, None, fitted)
    length, top = batch_length(net, fitted), whole("top", top, 1)
    rounding = ""
    if precision == FAST:
        # Another machine may round otherwise: a store keeps to one.
        rounding = kept.get("precision") or in_precision(net, precision, fitted)[0].graph.rounding
    if store and kept.get("precision", "") != rounding:
        before = FAST if "precision" in kept else EXACT
        raise InputError(
            f'{store.place} was made with precision="{before}", and results are never mixed: give '
            "the same precision, or another name."
        )
    reading = Reading(fitted, fit, length, _BLOCK, every, top, rounding)
    settings = _settings(recipe, changes, variants, seed)
    return Plan(
        net,
        photo_set,
        wanted,
        table,
        _chosen(table, asked, units, store),
        reading,
        settings,
        _identity(net, table, reading),
    )


def _require_layers(net: Network, store: Store) -> None:
    """Raise an InputError if the network does not have the layers of the store."""
    names = {step.name for step in net.graph.steps}
    foreign = [name for name in store.identity["layers"] if name not in names]
    if foreign:
        raise InputError(
            f"{store.place} was made with another network, {store.identity['model']!r}, which has "
            f"a layer {foreign[0]!r}: results are never mixed. Give another name."
        )


def _parts(what: str | Iterable[str] | None, net: Network) -> frozenset[str]:
    """The parts to compute."""
    if what is None:
        return frozenset(DEFAULT_PARTS) - ({"classes"} if net.head.is_spatial else set())
    names = [what] if isinstance(what, str) else list(what)
    names = list(PARTS) if names == ["all"] else names
    for name in names:
        if name not in PARTS:
            hint = nearest(str(name), PARTS)
            raise InputError(
                f"what must be all, or some of {', '.join(PARTS)}, not {name!r}"
                f"{': ' if hint else ''}{hint}."
            )
    if not names:
        raise InputError(f"what must name at least one of {', '.join(PARTS)}.")
    if "classes" in names and net.head.is_spatial:
        raise InputError(
            f"{net.name!r} scores classes at every position, and has no class per photo: leave "
            "classes out."
        )
    return frozenset(names)


def _chosen(
    table: UnitTable,
    asked: UnitTable | None,
    units: Iterable[int] | None,
    store: Store | None,
) -> tuple[tuple[SurveyedLayer, tuple[int, ...]], ...]:
    """The layers and units whose patterns are made."""
    layers = {layer.name: layer for layer in table.layers}
    names = list(layers) if asked is None else [layer.name for layer in asked.layers]
    foreign = [name for name in names if name not in layers]
    if foreign and store:
        raise InputError(
            f"{store.place} does not describe {foreign[0]!r}: its layers were chosen when it was "
            "made. Choose some of them, or another name."
        )
    numbers = None if units is None else tuple(wholes("units", units))
    chosen = []
    for name in names:
        count = layers[name].count
        mine = tuple(range(count)) if numbers is None else numbers
        if wrong := [unit for unit in mine if not 0 <= unit < count]:
            raise InputError(
                f"{name!r} has {counted(count, 'unit')}, numbered 0 to {count - 1}: {wrong[0]} is "
                "out of range."
            )
        chosen.append((layers[name], mine))
    return tuple(chosen)


def _settings(
    recipe: str | Recipe, changes: Mapping[str, Any], variants: int, seed: int
) -> PatternSettings:
    """How patterns are made."""
    return PatternSettings(
        recipe_of(recipe, changes),
        whole("variants", variants, 1),
        whole("seed", seed, 0, MOST_SEED),
    )


def _identity(net: Network, table: UnitTable, reading: Reading) -> dict[str, Any]:
    """What a store depends on, as JSON."""
    outputs = [net.head.logits, *(Output(layer.step) for layer in table.layers)]
    mark = fingerprint(net, outputs, reading.size, net.resample)
    return {
        "model": net.name,
        "layers": [layer.name for layer in table.layers],
        "size": list(reading.size),
        "fit": reading.fit,
        "resample": net.resample,
        "top": reading.top,
        "batch": reading.batch,
        "block": reading.block,
        "every": reading.every,
        **({"precision": reading.rounding} if reading.rounding else {}),
        "backend": backend.configured(),
        "keras_version": keras.__version__,
        "optogram_version": __version__,
        # Last: where something else differs, too, that says more.
        "weights_or_preprocessing": mark[:32],
    }
