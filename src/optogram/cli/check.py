"""`optogram check`: sanity checks for attribution maps."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from optogram.cli.console import say, shown_progress
from optogram.cli.options.attribution import (
    Asked,
    attribution_options,
    warn,
)
from optogram.cli.options.network import (
    fit_option,
    made_folder,
    model_option,
    network_options,
    open_network,
    require_folder,
)
from optogram.cli.options.output import output_options
from optogram.cli.photos import Photos
from optogram.cli.records import Records
from optogram.words import counted

if TYPE_CHECKING:
    from optogram.result import Attribution, Check

_COMPARED = ("map", "random", "edges")
_COLUMNS = (
    "name", "method", "layer", "photo", "target", "similarity",
    *(f"{kind}_{rival}" for kind in ("deletion", "insertion") for rival in _COMPARED),
    "edge_similarity", "error",
)  # fmt: skip
_CHECK_UNITS = 500
"""Approximate cost of a check, in percent of that of the map."""


@click.command()
@click.argument("photos", nargs=-1, required=True)
@model_option
@attribution_options
@click.option(
    "--steps",
    type=click.IntRange(2),
    default=24,
    show_default=True,
    help="Number of steps in which pixels are deleted and inserted.",
)
@click.option(
    "--out",
    metavar="DIR",
    default="checked",
    show_default=True,
    help="Folder for pictures and results.",
)
@fit_option
@network_options
@output_options
def check(
    photos: tuple[str, ...],
    model: str,
    asked: Asked,
    steps: int,
    out: str,
    fit: str,
    **opening: Any,
) -> None:
    """Run sanity checks on the maps of METHODS for PHOTOS (files or folders).

    Randomization: the weights are scrambled and the map is computed again. A map that stays the
    same does not explain the network. Deletion and insertion: pixels are removed and restored in
    the order of the map. A good map changes the score more than random and edge maps do. Writes
    METHOD.png and METHOD.npz for each method, with several layers METHOD-LAYER. Photos that cannot
    be read are skipped and listed on standard error; the exit status is then 1.
    """
    require_folder(out)
    given = Photos(photos)
    net = open_network(model, **opening)
    import optogram
    from optogram.files import require_place
    from optogram.progress import Meter
    from optogram.render import write
    from optogram.result import Check

    folder = made_folder(out)
    asked = asked.usable(net)
    runs = asked.runs(net)
    for run in runs:
        for ending in ("png", "npz"):
            require_place(folder / f"{run.stem}.{ending}")
    # Weights handed over as scrambled ones are, so that both take the same compiled programs.
    net = net.with_weights({})
    parts: dict[str, list[Check]] = {run.stem: [] for run in runs}
    told = {run.stem: set(net.warnings) for run in runs}
    read: list[str] = []
    with shown_progress() as progress:
        meter = Meter(progress, (100 + _CHECK_UNITS) * len(given.paths) * len(runs))
        for path in given.paths:
            with given.reading(path):
                image = net.prepare([path], fit)
                results: dict[str, Attribution] = {}
                for run, result in asked.results(net, runs, image, meter, path):
                    warn(f"{path}, {run.stem}", result, told[run.stem])
                    results[run.stem] = result
                with meter.part(_CHECK_UNITS * len(runs), f"{path}: checks") as within:
                    checked = optogram.check(
                        results,
                        steps=steps,
                        seed=asked.seed,
                        memory=asked.memory,
                        progress=within,
                    )
                for stem, found in checked.items():
                    first = parts[stem][:1]
                    parts[stem].append(found.with_pictures_of(*first) if first else found)
                read.append(path)
    given.require_some()
    records, checks, documents = Records(*_COLUMNS), [], []
    for stem, of_run in parts.items():
        found = Check.joined(of_run)
        write(found.plot(), folder / f"{stem}.png")
        found.save(folder / f"{stem}.npz")
        checks.append(found)
        maps = [
            _map_record(path, part, index)
            for path, part in zip(read, of_run, strict=True)
            for index in range(len(part.targets))
        ]
        documents.append(_check_record(stem, found, folder) | {"maps": maps})
        for each in maps:
            records.row(name=stem, method=found.checked, layer=found.layer, **_cells(each))
        table = found.table().split("\n")
        say("", f"{stem}, {counted(len(found.targets), 'map')}", "", *table, "", found.sentence)
    if len(checks) > 1:
        say("", *_overview([run.stem for run in runs], checks))
    say("", f"Pictures and results are in {folder}.")
    for skipped in given.skipped:
        records.row(photo=skipped["photo"], error=skipped["reason"])
    records.finish(net, checks=documents, skipped=given.skipped)
    given.finish()


def _map_record(photo: str, found: "Check", index: int) -> dict[str, Any]:
    """The figures of one map, for programs."""
    return {
        "photo": photo,
        "target": found.targets[index],
        "similarity": dict(zip(found.stages, found.values[index], strict=True)),
        "deletion_area": dict(zip(_COMPARED, found.deletion_area[index], strict=True)),
        "insertion_area": dict(zip(_COMPARED, found.insertion_area[index], strict=True)),
        "edge_similarity": found.edge_similarity[index],
    }


def _check_record(name: str, found: "Check", folder: Path) -> dict[str, Any]:
    """The means over all maps of a method, and the conclusion."""
    return {
        "name": name,
        "method": found.checked,
        "layer": found.layer,
        "similarity": found.similarity.mean(),
        "deletion_area": dict(zip(_COMPARED, found.deletion_area.mean(axis=0), strict=True)),
        "insertion_area": dict(zip(_COMPARED, found.insertion_area.mean(axis=0), strict=True)),
        "edge_similarity": found.edge_similarity.mean(),
        "depends_on_weights": found.depends_on_weights,
        "marks_what_matters": found.marks_what_matters,
        "sentence": found.sentence,
        "parameters": found.parameters,
        "files": [folder / f"{name}.{ending}" for ending in ("png", "npz")],
    }


def _cells(of_map: dict[str, Any]) -> dict[str, Any]:
    """The cells of one map in the table."""
    areas = {
        f"{kind}_{rival}": area
        for kind in ("deletion", "insertion")
        for rival, area in of_map[f"{kind}_area"].items()
    }
    similarity = sum(map(float, of_map["similarity"].values())) / len(of_map["similarity"])
    return {**of_map, **areas, "similarity": similarity}


def _overview(names: list[str], checks: "list[Check]") -> list[str]:
    """One line per check, below a header."""
    width = max(map(len, names))
    lines = [f"{'':{width}}  similarity when scrambled  insertion − deletion: map, random, edges"]
    for name, found in zip(names, checks, strict=True):
        gains = (found.insertion_area - found.deletion_area).mean(axis=0)
        alike = float(found.similarity.mean())
        words = "  ".join(f"{gain:6.2f}" for gain in gains)
        lines.append(f"{name:{width}}  {alike:20.2f}  {words:>43}")
    return lines
