"""`optogram audit`: a classifier on labeled photos."""

from pathlib import Path
from typing import Any

import click

from optogram.cli.console import say, shown_progress
from optogram.cli.options.attribution import memory_option
from optogram.cli.options.network import (
    fit_option,
    model_option,
    network_options,
    open_network,
    require_folder,
)
from optogram.cli.options.output import output_options
from optogram.cli.photos import end_with_left_out, pictures_left_in, skipped_records
from optogram.cli.records import Records
from optogram.errors import InputError
from optogram.files import kind_at
from optogram.methods import ATTRIBUTIONS

_COLUMNS = (
    "photo", "truth", "truth_label", "predicted", "predicted_label", "confidence",
    "truth_probability", "rank", "cluster", "error",
)  # fmt: skip


@click.command()
@click.argument("folder")
@model_option
@click.option(
    "--truth",
    metavar="FILE.csv",
    help="Labels: a CSV file with the columns photo and label.  [default: the name of the "
    "subfolder in which a photo lies]",
)
@click.option(
    "--out", metavar="DIR", default="audit", show_default=True, help="Folder for the pages."
)
@click.option(
    "--method",
    type=click.Choice(ATTRIBUTIONS),
    help="Attribution method.  [default: gradcam, or saliency for networks without feature maps]",
)
@click.option("--layer", metavar="NAME", help="Layer, for the CAM methods.")
@click.option("--listed", default=24, show_default=True, help="Photos in each list of the page.")
@click.option(
    "--seed", default=0, show_default=True, help="Random seed of clusters and of random places."
)
@fit_option
@memory_option
@network_options
@output_options
def audit(
    folder: str,
    model: str,
    truth: str | None,
    out: str,
    method: str | None,
    layer: str | None,
    listed: int,
    seed: int,
    fit: str,
    memory: str | None,
    **opening: Any,
) -> None:
    """Audit a classifier on the labeled photos of FOLDER: errors, labels, duplicates, shortcuts.

    FOLDER has one subfolder per class, named by label, WordNet id or class number; or give --truth.
    Writes index.html, a page for each photo that it lists, and audit.json. Only files that
    optogram made are replaced. Photos that cannot be read are skipped and listed on standard
    error; the exit status is then 1.
    """
    photos = pictures_left_in(folder)
    if truth is None:
        from optogram.methods.request.truth import require_subfolders

        require_subfolders(Path(folder), photos)
    require_folder(out)
    if truth is not None and kind_at(Path(truth)) != "file":
        raise InputError(f"{truth} is no file: give a CSV file with the columns photo and label.")
    net = open_network(model, **opening)
    import optogram

    with shown_progress() as progress:
        result = optogram.audit(
            net,
            folder,
            truth,
            out,
            method=method,
            layer=layer,
            fit=fit,
            listed=listed,
            seed=seed,
            memory=memory,
            progress=progress,
        )
    records = Records(*_COLUMNS)
    for note in result.notes:
        say(f"Note: {note}", err=True)
    say(result.sentence, f"Open {out}/index.html in a browser.")
    figures, names = result.as_json(), net.labels.names
    figures["skipped"] = skipped_records(figures.pop("unread"))
    for photo in figures["photos"]:
        photo |= {f"{key}_label": names[photo[key]] for key in ("truth", "predicted")}
        records.row(**photo)
    for name, why in result.unread.items():
        records.row(photo=name, error=why)
    records.finish(net, **figures)
    end_with_left_out(list(result.unread), len(result.photos) + len(result.unread))
