"""`optogram report`: an HTML report on photos."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
from optogram.cli.options.output import quiet_option
from optogram.cli.options.parsing import class_label
from optogram.cli.photos import Photos
from optogram.errors import InputError
from optogram.files import kind_at
from optogram.methods import ATTRIBUTIONS

if TYPE_CHECKING:
    import numpy as np

_FOLDERS = "folders"


@click.command()
@click.argument("photos", nargs=-1)
@model_option
@click.option(
    "--out",
    metavar="DIR",
    default="report",
    show_default=True,
    help="Folder for index.html.",
)
@click.option(
    "--top",
    type=click.IntRange(1),
    default=3,
    show_default=True,
    help="Number of classes to explain.",
)
@click.option(
    "--target",
    "targets",
    metavar="CLASS",
    multiple=True,
    help="Class to explain in each photo instead of the top ones: number, name or WordNet id; "
    "repeatable.",
)
@click.option(
    "--method",
    "methods",
    multiple=True,
    type=click.Choice([*ATTRIBUTIONS, "common", "all"]),
    default=("gradcam", "saliency", "occlusion"),
    show_default=True,
    help="Attribution method; repeatable.",
)
@click.option(
    "--truth",
    metavar="folders|FILE.csv",
    help="True classes: the name of each photo's folder, or a CSV file with the columns photo and "
    "label.",
)
@click.option(
    "--check/--no-check",
    default=None,
    help="Run sanity checks on all maps of each photo's first class, which can take minutes, or on "
    "none.  [default: on the map of the first method, for up to 4 photos]",
)
@click.option(
    "--patterns/--no-patterns",
    default=None,
    help="Show images that maximize the strongest filters. They are computed once for each network "
    "and filter, and kept in the user's cache folder.  [default: show those already computed]",
)
@fit_option
@memory_option
@network_options
@quiet_option
def report(
    photos: tuple[str, ...],
    model: str,
    out: str,
    top: int,
    targets: tuple[str, ...],
    methods: tuple[str, ...],
    truth: str | None,
    check: bool | None,
    patterns: bool | None,
    fit: str,
    memory: str | None,
    **opening: Any,
) -> None:
    """Explain photos on one self-contained HTML page. Default: a sample photo.

    PHOTOS are files or folders. Photos that cannot be read are skipped and listed on standard
    error; the exit status is then 1.
    """
    require_folder(out)
    if truth not in (None, _FOLDERS) and kind_at(Path(truth)) != "file":
        raise InputError(
            f"{truth!r} is no file: give --truth folders, or a CSV file with the columns photo and "
            "label."
        )
    labels = list(map(class_label, targets))
    given = Photos(photos) if photos else None
    net = open_network(model, **opening)
    import optogram

    if given is None:
        given = Photos([str(optogram.datasets.sample_photo())])

    def prepared() -> Iterator["np.ndarray"]:
        for path in given.paths:
            with given.reading(path):
                yield net.prepare([path], fit)
        given.require_some()

    with shown_progress() as progress:
        page = optogram.report(
            net,
            prepared(),
            out=out,
            top=top,
            target=labels or None,
            methods=methods,
            truth=True if truth == _FOLDERS else truth,
            check=check,
            patterns=patterns,
            memory=memory,
            progress=progress,
        )
    say(f"Open {page} in a browser.")
    given.finish()
