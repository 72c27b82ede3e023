"""All measures of all methods for one photo."""

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from optogram.errors import OptogramError, PhotoError
from optogram.evaluating.boxes import on_input
from optogram.evaluating.maps import Map, rival
from optogram.evaluating.measures import curves, fidelity, localization, sensitivity
from optogram.evaluating.measures import infidelity as squared
from optogram.evaluating.measures import randomization as random_weights
from optogram.evaluating.measures import road as roads
from optogram.evaluating.measures.sparseness import sparseness
from optogram.evaluating.plan import Plan, target_of
from optogram.evaluating.variants import Variants, scores_of_all
from optogram.explaining.method import MapMethod
from optogram.methods.request.request import Request, ask
from optogram.methods.sanity.perturbation import Removal, is_no, ranking
from optogram.network.network import Network
from optogram.pictures.prepared import PreparedPhotos
from optogram.progress import Progress, silent
from optogram.result import Attribution
from optogram.result.measures import RIVALS
from optogram.target import Target

_OF_MAP, _OF_TIES, _OF_ROAD, _OF_PARTS, _OF_SQUARES, _OF_NOISE = range(6)
"""Streams of random numbers: each measure has its own."""

Figures = dict[str, dict[str, float]]
"""Values by row and measure."""


@dataclass(eq=False)
class Known:
    """What is kept from photo to photo.

    Attributes
    ----------
    warm : set of str
        Methods whose programs are compiled, so that their time can be taken.
    scrambled : mapping
        Networks with scrambled weights, by what is scored.
    coarse : mapping of str to bool
        Whether maps of a row are coarser than the image.
    """

    warm: set[str]
    scrambled: dict[Any, Network]
    coarse: dict[str, bool]


@dataclass(frozen=True, eq=False)
class _Photo:
    """One photo, and its targets."""

    plan: Plan
    name: str
    x: Any
    request: Request
    target: Target
    key: tuple[int, ...]
    spread: float

    @property
    def size(self) -> tuple[int, int]:
        return self.request.size

    def explain(self, method: MapMethod, x: Any, net: Network | None = None) -> Attribution:
        return replace(method, target=self.target).explain(net or self.plan.net, x)


def read(plan: Plan, number: int) -> Any:
    """Photo ``number``, prepared (1, H, W, C).

    Raises
    ------
    PhotoError
        If it cannot be read.
    """
    return plan.net.fed([plan.photos.source(number)], plan.fit, plan.size)


def measured(
    plan: Plan,
    number: int,
    x: Any,
    wanted: Mapping[str, frozenset[str]],
    known: Known,
    told: Progress,
) -> tuple[Figures, dict[str, str], str]:
    """The figures that are ``wanted`` of each row, for one photo.

    Parameters
    ----------
    plan : Plan
        The evaluation.
    number : int
        Number of the photo.
    x
        The photo, from `read`.
    wanted : mapping of str to set of str
        The measures that are missing, by row; rows are methods and `RIVALS`.
    known : Known
        What is kept from photo to photo.
    told : callable
        Called with the number of rows that are done, one more than there are at the end.

    Returns
    -------
    dict, dict, str
        The figures, the reasons why methods failed, and what was explained.
    """
    photo = _photo(plan, number, x)
    total = len(wanted) + 1
    figures: Figures = {row: {} for row in wanted}
    reasons: dict[str, str] = {}
    maps: dict[str, Map] = {}
    picture = plan.net.display(np.asarray(x))[0]
    for done, (row, measures) in enumerate(wanted.items()):
        told(done, total, f"{plan.photos.names[number]}: {row}")
        try:
            if row in RIVALS:
                own = np.random.default_rng([*photo.key, _OF_MAP, RIVALS.index(row)])
                maps[row] = rival(row, picture, own)
                figures[row] |= _of_rival(row, measures)
            else:
                maps[row], found = _of_calls(photo, plan.methods[row], measures, known)
                figures[row] |= found
        except PhotoError:
            raise
        except OptogramError as error:
            reasons[row] = str(error)
            continue
        known.coarse[row] = maps[row].is_coarse
        figures[row] |= _of_map(photo, maps[row], measures)
    told(total - 1, total, f"{plan.photos.names[number]}: scores of altered copies")
    for row, found in _of_scores(photo, maps, wanted).items():
        figures[row] |= found
    told(total, total, plan.photos.names[number])
    return {row: figures[row] for row in maps}, reasons, photo.target.describe(plan.net)


def _photo(plan: Plan, number: int, x: Any) -> _Photo:
    name = plan.photos.names[number]
    asked = ask(plan.net, x, target_of(plan, name), plan.score)
    request = asked if asked.targets else asked.answer(plan.memory).request
    assert request.targets is not None
    (target,) = request.targets
    black, white = (
        plan.net.preparation.to_network(np.full((1, 1, 1, plan.net.channels), level, np.float32))
        for level in (0.0, 255.0)
    )
    digest = hashlib.blake2b(name.encode(errors="surrogateescape"), digest_size=8).digest()
    key = (plan.numbers.seed, int.from_bytes(digest, "big"))
    return _Photo(plan, name, x, request, target, key, float(np.abs(white - black).mean()))


def _of_rival(row: str, measures: frozenset[str]) -> dict[str, float]:
    """What is known of the map of edges, which is the same for all weights."""
    of_edges = {"randomization": 1.0, "complexity_change": 0.0}
    found = of_edges if row == "edges" else {}
    return {name: value for name, value in found.items() if name in measures}


def _of_calls(
    photo: _Photo, method: MapMethod, measures: frozenset[str], known: Known
) -> tuple[Map, dict[str, float]]:
    """The map of a method, and the measures for which it is called again."""
    found: dict[str, float] = {}
    if "seconds" in measures and method.name not in known.warm:
        photo.explain(method, photo.x)
    begun = time.perf_counter()
    result = photo.explain(method, photo.x)
    if "seconds" in measures:
        found["seconds"] = time.perf_counter() - begun
    known.warm.add(method.name)
    one = Map.of(result, photo.size)
    if measures & {"randomization", "complexity_change"}:
        again = np.nan_to_num(photo.explain(method, photo.x, _scrambled(photo, known)).heatmap[0])
        if "randomization" in measures:
            found["randomization"] = random_weights.randomization(one.own, again)
        if "complexity_change" in measures:
            found["complexity_change"] = random_weights.complexity_change(one.own, again)
    if "max_sensitivity" in measures:
        repeats, key = photo.plan.numbers.repeats, (*photo.key, _OF_NOISE)
        near = sensitivity.noisy(np.asarray(photo.x)[0], photo.spread, repeats, key)
        around = np.nan_to_num(photo.explain(method, near).values)
        values = np.nan_to_num(result.values[0])
        found["max_sensitivity"] = sensitivity.max_sensitivity(values, around)
    return one, found


def _scrambled(photo: _Photo, known: Known) -> Network:
    """The network with scrambled weights, made once."""
    scored = tuple(photo.request.scored())
    if scored not in known.scrambled:
        known.scrambled.clear()
        seed = photo.plan.numbers.seed
        known.scrambled[scored] = random_weights.scrambled(photo.request, seed)
    return known.scrambled[scored]


def _of_map(photo: _Photo, one: Map, measures: frozenset[str]) -> dict[str, float]:
    """The measures that a map alone decides."""
    found = {"sparseness": sparseness(one.heat)} if "sparseness" in measures else {}
    boxes = photo.plan.boxes.get(photo.name, ())
    if boxes and measures & {"pointing_game", "box_energy"}:
        known = photo.x.photos if isinstance(photo.x, PreparedPhotos) else None
        inside, pixel = on_input(boxes, known[0] if known else None, photo.size)
        if "pointing_game" in measures:
            found["pointing_game"] = localization.pointing_game(one.heat, inside, pixel)
        if "box_energy" in measures:
            found["box_energy"] = localization.box_energy(one.heat, inside)
    return found


def _of_scores(
    photo: _Photo, maps: Mapping[str, Map], wanted: Mapping[str, frozenset[str]]
) -> Figures:
    """The measures that scores of altered copies decide, of all rows in one stream of batches."""
    found: Figures = {row: {} for row in maps}
    numbers = photo.plan.numbers
    removal = Removal.of(photo.plan.net, np.asarray(photo.x), numbers.steps)
    whole, gray, _ = removal.ends
    # The ends of all curves: the first is the score of the photo, which others need, too.
    asked = [Variants(len(removal.ends), lambda i: removal.ends[i])]
    receivers: list[Callable[[np.ndarray, np.ndarray], None]] = []

    def ask_for(variants: Variants, then: Callable[[np.ndarray, np.ndarray], None]) -> None:
        asked.append(variants)
        receivers.append(then)

    def of_parts(name: str, parts: np.ndarray, value: Callable[[Map, np.ndarray], float]) -> None:
        """Ask for the photo without each part, which is the same for all maps."""
        rows = [row for row in maps if name in wanted[row]]

        def receive(ends: np.ndarray, scores: np.ndarray) -> None:
            for row in rows:
                found[row][name] = value(maps[row], ends[0, 0] - scores[0])

        if rows:
            ask_for(fidelity.removed_variants(whole, gray, parts), receive)

    if any("mu_fidelity" in measures for measures in wanted.values()):
        subsets = fidelity.subsets(photo.size, numbers.samples, (*photo.key, _OF_PARTS))
        of_parts(
            "mu_fidelity", subsets, lambda one, d: fidelity.mu_fidelity(one.signed, subsets, d)
        )
    if any("infidelity" in measures for measures in wanted.values()):
        squares = squared.squares(photo.size, numbers.samples, (*photo.key, _OF_SQUARES))
        of_parts(
            "infidelity", squares, lambda one, d: squared.infidelity(one, whole - gray, squares, d)
        )
    shift = float(is_no(photo.plan.net, photo.target))
    for row, one in maps.items():
        if not wanted[row] & {*curves.KINDS, "road"}:
            continue
        ranks = ranking(one.heat, np.random.default_rng([*photo.key, _OF_TIES]))
        for kind in wanted[row] & {*curves.KINDS}:

            def of_curve(
                ends: np.ndarray, scores: np.ndarray, row: str = row, kind: str = kind
            ) -> None:
                found[row][kind] = curves.area(ends[1], scores[1], kind) + shift

            ask_for(curves.curve_variants(removal, ranks, kind), of_curve)
        if "road" in wanted[row]:

            def of_road(_: np.ndarray, scores: np.ndarray, row: str = row) -> None:
                found[row]["road"] = roads.road(scores[1])

            key = (*photo.key, _OF_ROAD)
            ask_for(roads.road_variants(whole, ranks, photo.spread, key), of_road)
    if not receivers:
        return found
    request = photo.request
    probable = request if photo.target.functions() else replace(request, score="probability")
    ends, *scores = scores_of_all([request, probable], asked, photo.plan.memory, silent)
    for then, own in zip(receivers, scores, strict=True):
        then(ends, own)
    return found
