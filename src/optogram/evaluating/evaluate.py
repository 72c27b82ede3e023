"""Attribution methods compared by measures, over photos."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from optogram.arguments import checked
from optogram.errors import InputError, PhotoError
from optogram.evaluating.board import KIND, Board
from optogram.evaluating.one_photo import Known, measured, read
from optogram.evaluating.plan import Plan, mark_of_network, planned, target_of
from optogram.jobs.photo_units import in_order_of, told_of
from optogram.jobs.store import Store
from optogram.jobs.work import mark_of
from optogram.methods.request.request import provenance_of
from optogram.network.network import Network
from optogram.progress import Progress, ShownProgress, reporting
from optogram.result import Evaluation
from optogram.result.measures import MEASURES, RIVALS


@checked
def evaluate(
    net: Network,
    photos: Any,
    methods: str | Sequence[str] | Mapping[str, Any] = "all",
    *,
    truth: Any = None,
    boxes: Any = None,
    measures: str | Sequence[str] | None = None,
    target: Any = None,
    out: str | os.PathLike | None = None,
    score: str = "logit",
    fit: str = "stretch",
    size: tuple[int, int] | None = None,
    steps: int = 24,
    samples: int = 128,
    repeats: int = 4,
    seed: int = 0,
    memory: float | str | None = None,
    progress: ShownProgress = None,
) -> Evaluation:
    """Compare attribution methods on a network by measures, over photos: which one to use?

    Each method is called once for each photo, and its map is used for all measures. A random map of
    pixels, one of coarse cells, and a map of edges are measured beside the methods. Altered copies
    of a photo go through the network in one stream of batches for all methods; its own score and
    those of removed parts that do not depend on a map are computed once.

    ``docs/methods/evaluate.md`` says what each measure means, what it costs, and what it cannot
    tell.

    Parameters
    ----------
    net : Network
        The network.
    photos : path, list or array
        A folder, WebDataset's tar files, Parquet files, an array: see `PhotoSet.of`.
    methods : str, sequence of str or mapping
        "all", "common", names, or a mapping of names to arguments, as
        ``{"gradcam": {"layer": "conv3"}}``.
        A method that cannot explain this network has a row without values, and ``reasons`` says
        why; one whose arguments are given raises.
    truth : path, sequence, "folders", optional
        The class of each photo, which is explained: a CSV file with the columns photo and label, a
        class for each photo of a list, or "folders" for the subfolders in which photos lie. Labels
        are matched as in `audit`. None: the highest-scoring class of each photo.
    boxes : path, mapping or sequence, optional
        Boxes of the objects in pixels of the photos: a CSV file with the columns photo, top, left,
        bottom, right, where a photo may have several rows; a mapping of names to one box or
        several; or these for each photo.
    measures : str or sequence of str, optional
        "all" or names: "deletion", "insertion", "road", "mu_fidelity", "infidelity",
        "max_sensitivity", "sparseness", "randomization", "complexity_change", "pointing_game",
        "box_energy", "seconds". None: all but "max_sensitivity", for which each method is called
        for ``repeats`` more images. "pointing_game" and "box_energy" need boxes. For
        "randomization" and "complexity_change" each method is called once more.
    target : Target, int, str or function, optional
        What is explained in all photos, in place of ``truth``.
    out : path or URL, optional
        A Zarr store, such as ``evaluation.zarr``. A run that was interrupted continues where it
        stopped; photos, methods and measures that are added are computed, and nothing else. None:
        nothing is kept.
    score : {"logit", "probability"}
        Score of a class that methods explain. Deletion, insertion and ROAD take the probability
        in any case; µFidelity and infidelity take this score.
    fit : {"stretch", "crop", "pad"}
        How photos are brought to the input size; see `Network.prepare`.
    size : (height, width), optional
        Input size in pixels. None: the network's size, 224×224 if it takes any size.
    steps : int
        Steps of deletion and insertion, at least 2.
    samples : int
        Random parts that are removed for µFidelity, and squares for infidelity.
    repeats : int
        Noisy images for max-sensitivity.
    seed : int
        Random seed. What a photo gets depends on it and the photo's name, not on other photos.
    memory : float or str, optional
        Memory budget in bytes, or a string such as ``"2GB"``; None: a quarter of the free memory.
        16 bytes a figure come on top, about 6 KB a photo for all methods.
    progress : bool or callable, optional
        True shows a bar, in terminals and notebooks; a function is called as
        ``progress(done, total, what)``; ``what`` describes the work.

    Returns
    -------
    Evaluation
        ``values`` (methods, photos, measures), with means, intervals, a ranking and a sentence.
        Photos that cannot be read are listed in ``unread``.

    Raises
    ------
    InputError
        If an argument cannot be used, no method can explain the network, no photo can be read, or
        the store was made with another network or other arguments.
    OutputError
        If the store cannot be written. What was finished is kept.
    """
    plan = planned(
        net,
        photos,
        methods,
        target=target,
        truth=truth,
        boxes=boxes,
        measures=measures,
        fit=fit,
        size=size,
        score=score,
        steps=steps,
        samples=samples,
        repeats=repeats,
        seed=seed,
        memory=memory,
    )
    store = None
    if out is not None:
        place = os.fspath(out)
        existing = Store.existing(place, KIND)
        if existing is not None:
            plan = plan.with_photos(in_order_of(existing, plan.photos))
        store = Store.resumed(place, KIND, plan.identity)
    rows = {**plan.described, **{name: {} for name in RIVALS}}
    board = Board(plan.photos, rows, plan.measures, store)
    with reporting(progress) as told:
        reasons = _fill(board, plan, told)
    board.finish()
    return _result(plan, board, reasons)


def _fill(board: Board, plan: Plan, told: Progress) -> dict[str, str]:
    """Compute what is missing; the reason why each method that failed did so first."""
    rows, count = (*plan.methods, *RIVALS), len(plan.photos)
    known, reasons = Known(set(), {}, {}), dict(plan.reasons)
    total = count * (len(rows) + 1)
    for number in range(count):
        before = number * (len(rows) + 1)
        marks = _marks(plan, number)
        wanted = {row: _missing(board, number, row, marks) for row in rows}
        wanted = {row: missing for row, missing in wanted.items() if missing}
        if not wanted:
            told(before + len(rows) + 1, total, "photos")
            continue

        def within(done: int, of: int, what: str, before: int = before) -> None:
            told(min(before + done, total), total, what)

        try:
            x = read(plan, number)
        except PhotoError as error:
            board.errors[number] = str(error)
            board.write(number)
            continue
        figures, failed, target = measured(plan, number, x, wanted, known, within)
        for row, why in failed.items():
            reasons.setdefault(row, why)
        board.errors[number], board.targets[number] = "", target
        for row, found in figures.items():
            for name in wanted[row]:
                place = (number, *board.place(row, name))
                board.values[place] = found.get(name, np.nan)
                board.marks[place] = marks[name]
            board.coarse[board.rows.index(row)] = known.coarse[row]
        board.write(number)
    _require_some(board, plan, reasons)
    return reasons


def _marks(plan: Plan, number: int) -> dict[str, int]:
    """What the figures of a photo depend on beside the store and the row, by measure."""
    name = plan.photos.names[number]
    target = target_of(plan, name)
    described = "" if target is None else target.describe(plan.net)
    told = [told_of(plan.photos.part([number])), described]
    boxes = plan.boxes.get(name, ())
    return {
        measure: mark_of(measure, [*told, boxes if MEASURES[measure].needs_boxes else ()])
        for measure in plan.measures
    }


def _missing(board: Board, number: int, row: str, marks: Mapping[str, int]) -> frozenset[str]:
    """The measures that are not known."""
    return frozenset(
        name
        for name, mark in marks.items()
        if int(board.marks[(number, *board.place(row, name))]) != mark
    )


def _require_some(board: Board, plan: Plan, reasons: Mapping[str, str]) -> None:
    count = len(plan.photos)
    unread = [error for error in board.errors if error]
    if len(unread) == count:
        raise InputError(f"None of the {count} photos can be read: {unread[0]}")
    if all(name in reasons for name in plan.asked) and not _has_values(board, plan):
        raise InputError(f"No method can explain these photos: {next(iter(reasons.values()))}")


def _has_values(board: Board, plan: Plan) -> bool:
    rows = [board.rows.index(name) for name in plan.methods]
    return bool(board.marks[:, rows].any())


def _result(plan: Plan, board: Board, reasons: Mapping[str, str]) -> Evaluation:
    """The result for the methods and measures that were asked for."""
    kept = [number for number, error in enumerate(board.errors) if not error]
    columns = [board.measures.index(name) for name in plan.measures]
    names = (*plan.asked, *RIVALS)
    values = np.full((len(names), len(kept), len(columns)), np.nan)
    coarse = np.zeros(len(names), bool)
    for row, name in enumerate(names):
        if name in board.rows:
            place = board.rows.index(name)
            values[row] = board.values[kept, place][:, columns]
            coarse[row] = board.coarse[place] == 1
    photos = plan.photos.names
    numbers = plan.numbers
    return Evaluation(
        values=values,
        method="evaluate",
        parameters={
            "score": plan.score,
            "fit": plan.fit,
            "size": plan.size,
            "steps": numbers.steps,
            "samples": numbers.samples,
            "repeats": numbers.repeats,
            "seed": numbers.seed,
        },
        provenance=provenance_of(plan.net, (*plan.size, plan.net.channels)),
        warnings=(*plan.net.warnings, *plan.notes),
        methods=names,
        photos=tuple(photos[i] for i in kept),
        measures=plan.measures,
        targets=tuple(str(board.targets[i]) for i in kept),
        coarse=coarse,
        arguments={name: _told(plan, name) for name in plan.methods},
        reasons=dict(reasons),
        unread={photos[i]: str(why) for i, why in enumerate(board.errors) if why},
        network_mark=mark_of_network(plan.net, plan.size),
    )


def _told(plan: Plan, name: str) -> dict[str, Any]:
    """The arguments of a method that differ from its defaults, as JSON where that is possible."""
    described = plan.described[name]
    return {"layer": described["layer"], **described["parameters"]}
