"""What an evaluation does, decided before anything is computed."""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np

from optogram import backend
from optogram.arguments import MOST_SEED, shown, whole
from optogram.errors import InputError, OptogramError, nearest
from optogram.evaluating.boxes import boxes_of
from optogram.evaluating.measures.localization import Box
from optogram.explaining.method import MapMethod, map_methods, require_taken
from optogram.interpreters.memory import allowance
from optogram.methods import ATTRIBUTIONS, attribution_method, named_methods
from optogram.methods.request.checkpoint import fingerprint
from optogram.methods.request.truth import classes_of
from optogram.network.network import Network
from optogram.pictures.photo_set import PhotoSet
from optogram.result.measures import MEASURES
from optogram.target import Class, Target, targets_of
from optogram.version import __version__


@dataclass(frozen=True)
class Numbers:
    """The numbers that measures take; see `evaluate`."""

    steps: int
    samples: int
    repeats: int
    seed: int


@dataclass(frozen=True, eq=False)
class Plan:
    """The validated arguments of `evaluate`.

    Attributes
    ----------
    net : Network
        The network.
    size : (height, width)
        Input size.
    fit : str
        How photos are brought to it.
    score : str
        Score of a class that is explained.
    photos : PhotoSet
        The photos.
    methods : mapping of str to MapMethod
        The methods that can explain this network.
    described : mapping of str to mapping
        What their maps depend on, beside the network and the photos, as JSON.
    reasons : mapping of str to str
        The methods that cannot, with the reasons.
    measures : tuple of str
        The measures, in their order.
    target : Target or None
        What is explained; None: the class in ``truth``, or else the highest-scoring class.
    truth : mapping of str to int
        Class of each photo, by name; empty if it is not explained.
    boxes : mapping of str to tuple of Box
        Boxes by name of photo.
    numbers : Numbers
        The numbers that measures take.
    memory : int
        Memory budget in bytes.
    notes : tuple of str
        How labels were matched to classes, and what was left out.
    """

    net: Network
    size: tuple[int, int]
    fit: str
    score: str
    photos: PhotoSet
    methods: Mapping[str, MapMethod]
    described: Mapping[str, Mapping[str, Any]]
    reasons: Mapping[str, str]
    measures: tuple[str, ...]
    target: Target | None
    truth: Mapping[str, int]
    boxes: Mapping[str, tuple[Box, ...]]
    numbers: Numbers
    memory: int
    notes: tuple[str, ...]

    def with_photos(self, photos: PhotoSet) -> "Plan":
        """The same for photos in another order."""
        return replace(self, photos=photos)

    @property
    def asked(self) -> tuple[str, ...]:
        """All methods that were asked for, in their order."""
        names = {*self.methods, *self.reasons}
        return tuple(name for name in ATTRIBUTIONS if name in names)

    @property
    def identity(self) -> dict[str, Any]:
        """What a store depends on, as JSON."""
        return {
            "model": self.net.name,
            "size": list(self.size),
            "channels": self.net.channels,
            "fit": self.fit,
            "resample": self.net.resample,
            "score": self.score,
            "steps": self.numbers.steps,
            "samples": self.numbers.samples,
            "repeats": self.numbers.repeats,
            "seed": self.numbers.seed,
            "backend": backend.configured(),
            "keras_version": keras.__version__,
            "optogram_version": __version__,
            "weights_or_preprocessing": mark_of_network(self.net, self.size),
        }


def mark_of_network(net: Network, size: tuple[int, int]) -> str:
    """Identifies a network: its steps, weights and preprocessing."""
    return fingerprint(net, [net.head.logits, net.head.output], size, net.resample)[:32]


def planned(
    net: Network,
    photos: Any,
    methods: Any,
    *,
    target: Any,
    truth: Any,
    boxes: Any,
    measures: Any,
    fit: str,
    size: tuple[int, int] | None,
    score: str,
    steps: int,
    samples: int,
    repeats: int,
    seed: int,
    memory: float | str | None,
) -> Plan:
    """The validated arguments of `evaluate`.

    Raises
    ------
    InputError
        If an argument cannot be used, or no method can explain this network.
    """
    numbers = Numbers(
        whole("steps", steps, 2),
        whole("samples", samples, 2),
        whole("repeats", repeats, 1),
        whole("seed", seed, 0, MOST_SEED),
    )
    height, width = size or net.nominal_size
    fitted = (whole("size, height,", height, 1), whole("size, width,", width, 1))
    budget = allowance(memory)
    net.score_output(score)
    if target is not None and truth is not None:
        raise InputError("Give target, one for all photos, or truth, a class for each: not both.")
    explained = None if target is None else _only(targets_of(target))
    if explained is None:
        net.require_class_scores()
    # Any picture: what is wrong with the arguments is found before photos are read.
    black = net.fed([np.zeros((*fitted, net.channels), np.uint8)], fit, fitted)
    found, described, reasons = _methods(net, black, _arguments(methods), score, explained, budget)
    photo_set, classes, notes = classes_of(net, photos, truth)
    boxed = boxes_of(boxes, photo_set.names)
    return Plan(
        net=net,
        size=fitted,
        fit=fit,
        score=score,
        photos=photo_set,
        methods=found,
        described=described,
        reasons=reasons,
        measures=_measures(measures, bool(boxed)),
        target=explained,
        truth=classes,
        boxes=boxed,
        numbers=numbers,
        memory=budget,
        notes=notes,
    )


def _arguments(methods: Any) -> dict[str, dict[str, Any]]:
    """The arguments of each method, in the order of `ATTRIBUTIONS`."""
    if isinstance(methods, Mapping):
        named_methods(list(methods), "methods")
        given = {str(name): dict(own or {}) for name, own in methods.items()}
    else:
        given = {name: {} for name in named_methods(methods, "methods")}
    for name, own in given.items():
        if "score" in own:
            raise InputError("score is the same for all methods: give it to evaluate itself.")
        takes = {name: inspect.signature(attribution_method(name)).parameters}
        rest = {key: value for key, value in own.items() if key != "layer"}
        require_taken(takes, own.get("layer"), rest)
    return {name: given[name] for name in ATTRIBUTIONS if name in given}


def _methods(
    net: Network,
    x: np.ndarray,
    arguments: Mapping[str, Mapping[str, Any]],
    score: str,
    target: Target | None,
    memory: int,
) -> tuple[dict[str, MapMethod], dict[str, Any], dict[str, str]]:
    """Methods that can explain a network, what maps depend on, and why others cannot."""
    found: dict[str, MapMethod] = {}
    described: dict[str, Any] = {}
    reasons: dict[str, str] = {}
    for name, own in arguments.items():
        settings = {key: value for key, value in own.items() if key != "layer"}
        settings["score"] = score
        try:
            (method,) = map_methods(net, x, name, target, own.get("layer"), memory, settings)
            described[name] = method.described(net, x)
            found[name] = method
        except OptogramError as error:
            if own:
                raise  # an argument that was given, such as a layer, does not fit
            reasons[name] = str(error)
    if not found:
        raise InputError(f"No method can explain {net.name!r}: {next(iter(reasons.values()))}")
    return found, described, reasons


def _measures(given: Any, has_boxes: bool) -> tuple[str, ...]:
    """The measures that are asked for, in their order."""
    names = [given] if isinstance(given, str) else None if given is None else list(given)
    if names is None or names == ["all"]:
        return tuple(
            name
            for name, measure in MEASURES.items()
            if (measure.is_by_default or names) and (has_boxes or not measure.needs_boxes)
        )
    if not names:
        raise InputError("measures must name at least one measure.")
    for name in names:
        if name not in MEASURES:
            hint = nearest(str(name), MEASURES)
            raise InputError(
                f"measures must be all, or some of {', '.join(MEASURES)}, not {shown(name)}"
                f"{': ' if hint else ''}{hint}."
            )
        if MEASURES[name].needs_boxes and not has_boxes:
            raise InputError(f"{name} needs the boxes of objects: give boxes (--boxes).")
    return tuple(name for name in MEASURES if name in names)


def _only(targets: Sequence[Target]) -> Target:
    if len(targets) > 1:
        raise InputError("target must be one target, which is explained in all photos.")
    return targets[0]


def target_of(plan: Plan, name: str) -> Target | None:
    """What is explained in the photo called ``name``; None for the highest-scoring class."""
    return Class(plan.truth[name]) if name in plan.truth else plan.target
