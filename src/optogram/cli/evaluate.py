"""`optogram evaluate`: attribution methods compared by measures, over photos."""

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from optogram.cli.console import complain, say, shown_progress
from optogram.cli.options.attribution import TAKEN_BY, memory_option
from optogram.cli.options.best import NAME
from optogram.cli.options.network import (
    fit_option,
    made_folder,
    model_option,
    network_options,
    open_network,
    require_folder,
)
from optogram.cli.options.output import output_options
from optogram.cli.options.parsing import class_label
from optogram.cli.photos import end_with_left_out, photos_at, skipped_records
from optogram.cli.records import Records
from optogram.cli.stopping import CONTINUE, when_stopped
from optogram.errors import InputError
from optogram.files import kind_at
from optogram.methods import ATTRIBUTIONS, named_methods
from optogram.result.measures import MEASURES

if TYPE_CHECKING:
    from optogram.result import Evaluation

_COLUMNS = (
    "method", "rank", "mean_rank", "is_tied", "measure", "better", "mean", "low", "high", "photos",
    "photo", "error",
)  # fmt: skip


@click.command()
@click.argument("folder", metavar="PHOTOS")
@model_option
@click.option(
    "--method",
    "methods",
    multiple=True,
    type=click.Choice([*ATTRIBUTIONS, "common", "all"]),
    default=("all",),
    show_default=True,
    help="Attribution method; repeatable. common: those that most tools have; all can take "
    "minutes for each photo.",
)
@click.option("--layer", metavar="NAME", help="Layer, for the CAM methods.")
@click.option(
    "--measure",
    "measures",
    multiple=True,
    type=click.Choice([*MEASURES, "all"]),
    help="Measure; repeatable.  [default: all but max_sensitivity]",
)
@click.option(
    "--boxes",
    metavar="FILE.csv",
    help="Boxes of the objects, for pointing_game and box_energy: a CSV file with the columns "
    "photo, top, left, bottom, right, in pixels of the photos.",
)
@click.option(
    "--truth",
    metavar="FILE.csv|folders",
    help="Explain the class of each photo: a CSV file with the columns photo and label, or folders "
    "for the subfolder in which it lies.  [default: the highest-scoring class]",
)
@click.option("--target", metavar="CLASS", help="Explain this class in all photos.")
@click.option(
    "--score",
    type=click.Choice(["logit", "probability"]),
    default="logit",
    show_default=True,
    help="Score to explain.",
)
@click.option(
    "--steps",
    type=click.IntRange(2),
    default=24,
    show_default=True,
    help="Number of steps in which pixels are deleted and inserted.",
)
@click.option(
    "--samples",
    type=click.IntRange(2),
    default=128,
    show_default=True,
    help="Random parts that are removed for mu_fidelity, and for infidelity.",
)
@click.option(
    "--repeats",
    type=click.IntRange(1),
    default=4,
    show_default=True,
    help="Noisy copies of each photo for max_sensitivity.",
)
@click.option("--seed", default=0, show_default=True, help="Random seed.")
@click.option(
    "--out",
    metavar="DIR",
    default="evaluated",
    show_default=True,
    help="Folder for the picture and the results. An interrupted run continues from it.",
)
@fit_option
@memory_option
@network_options
@output_options
def evaluate(
    folder: str,
    model: str,
    methods: tuple[str, ...],
    layer: str | None,
    measures: tuple[str, ...],
    boxes: str | None,
    truth: str | None,
    target: str | None,
    score: str,
    steps: int,
    samples: int,
    repeats: int,
    seed: int,
    out: str,
    fit: str,
    memory: str | None,
    **opening: Any,
) -> None:
    """Compare attribution methods on PHOTOS by measures: which one suits this network?

    PHOTOS is a folder of images, of .tar files (WebDataset) or of .parquet files; one of these
    files, or an .npy file of uint8 images.

    Prints a table of methods and measures beside random maps and edges, and writes evaluation.png
    and evaluation.npz, from which optogram explain --method best takes the best method. The same
    command continues an interrupted run from evaluation.zarr, and adds photos, methods and measures
    that are new. Photos that cannot be read are skipped and listed on standard error; the exit
    status is then 1.
    """
    if target is not None and truth is not None:
        raise click.UsageError("--target and --truth exclude each other.")
    for option, file in (("--boxes", boxes), ("--truth", truth)):
        if file is not None and file != "folders" and kind_at(Path(file)) != "file":
            raise InputError(f"{option}: there is no file {file!r}.")
    names = named_methods(methods)
    if layer is not None and not set(names) & set(TAKEN_BY["layer"]):
        raise click.UsageError(f"{', '.join(names)}: no CAM method, so leave --layer out.")
    require_folder(out)
    photos = photos_at(folder)
    net = open_network(model, **opening)
    import optogram
    from optogram.files import require_place
    from optogram.render import write

    place = made_folder(out)
    picture, arrays, store = (place / f"{NAME}.{ending}" for ending in ("png", "npz", "zarr"))
    for path in (picture, arrays):
        require_place(path)
    is_kept = importlib.util.find_spec("zarr") is not None
    if not is_kept:
        say(
            "Note: a run that is stopped starts anew, since the package zarr is missing: run pip "
            'install "optogram[survey]".',
            err=True,
        )
    last = (0, 1)

    def stopped() -> str:
        """How far the work is."""
        return f"Stopped after {last[0] / last[1]:.0%} of the maps. {CONTINUE}" if is_kept else ""

    when_stopped(stopped)
    taking = {name: {"layer": layer} if name in TAKEN_BY["layer"] else {} for name in names}
    with shown_progress() as progress:

        def counting(done: int, total: int, what: str) -> None:
            nonlocal last
            last = done, max(1, total)
            progress(done, total, what)

        result = optogram.evaluate(
            net,
            photos,
            names if layer is None else taking,
            truth=truth,
            boxes=boxes,
            measures=list(measures) or None,
            target=None if target is None else class_label(target),
            out=store if is_kept else None,
            score=score,
            fit=fit,
            steps=steps,
            samples=samples,
            repeats=repeats,
            seed=seed,
            memory=memory,
            progress=counting,
        )
    for name, why in result.unread.items():
        complain(f"Skipped: {name}: {why}")
    for warning in result.warnings:
        if warning not in net.warnings:
            say(f"Note: {warning}", err=True)
    write(result.plot(), picture)
    result.save(arrays)
    table = result.table().split("\n")
    say(*table, "", result.sentence, *_reasons(result), "", f"Table and figures: {picture}")
    _tell(result, [picture, arrays], net)
    end_with_left_out(list(result.unread), len(result.photos) + len(result.unread))


def _reasons(result: "Evaluation") -> list[str]:
    """A line for each method that is not ranked."""
    return [f"  {name}: {why}" for name, why in result.left_out.items()]


def _tell(result: "Evaluation", files: list[Path], net: Any) -> None:
    """The records of the command."""
    records, skipped = Records(*_COLUMNS), skipped_records(dict(result.unread))
    found = [_method_record(result, row) for row in range(len(result.methods))]
    for method in found:
        for measure in method["measures"]:
            records.row(**{**method, **measure, "photos": measure["count"]})
        if method["method"] in result.reasons:
            records.row(method=method["method"], error=result.reasons[method["method"]])
    for photo in skipped:
        records.row(photo=photo["photo"], error=photo["reason"])
    records.finish(
        net,
        sentence=result.sentence,
        best=result.best,
        ranking=result.ranking,
        tied=result.tied,
        left_out=result.left_out,
        photos=[
            {"photo": photo, "target": target}
            for photo, target in zip(result.photos, result.targets, strict=True)
        ],
        methods=found,
        parameters=result.parameters,
        files=files,
        skipped=skipped,
    )


def _method_record(result: "Evaluation", row: int) -> dict[str, Any]:
    """What is known of a method, for programs."""
    name = result.methods[row]
    is_ranked = name in result.ranking
    return {
        "method": name,
        "rank": result.ranking.index(name) + 1 if is_ranked else None,
        "mean_rank": result.mean_ranks.get(name),
        "is_tied": name in result.tied,
        "arguments": result.arguments.get(name),
        "measures": [
            {
                "measure": measure,
                "better": result.better[column],
                "mean": result.mean[row, column],
                "low": result.interval[row, column, 0],
                "high": result.interval[row, column, 1],
                "count": sum(value == value for value in result.values[row, :, column].tolist()),
                "values": result.values[row, :, column],
            }
            for column, measure in enumerate(result.measures)
        ],
    }
