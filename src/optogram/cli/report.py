"""`optogram report`: an HTML report on photos."""

from typing import Any

import click

from optogram.cli.console import say
from optogram.cli.options.attribution import memory_option
from optogram.cli.options.network import fit_option, model_option, network_options, open_network
from optogram.cli.photos import Photos
from optogram.cli.progress import progress_bar


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
@click.option("--top", default=3, show_default=True, help="Number of classes to explain.")
@fit_option
@memory_option
@network_options
def report(
    photos: tuple[str, ...],
    model: str,
    out: str,
    top: int,
    fit: str,
    memory: str | None,
    **opening: Any,
) -> None:
    """Explain photos on one self-contained HTML page. Default: a sample photo.

    PHOTOS are files or folders. Photos that cannot be read are skipped and listed on standard
    error; the exit status is then 1.
    """
    net = open_network(model, **opening)
    import optogram
    from optogram.pictures.read import read_picture

    given = Photos(photos or [str(optogram.datasets.sample_photo())])
    readable = []
    for path in given.paths:
        with given.reading(path):
            read_picture(path, net.channels)
            readable.append(path)
    given.require_some()
    with progress_bar() as progress:
        page = optogram.report(
            net, readable, out=out, top=top, fit=fit, memory=memory, progress=progress
        )
    say(f"Open {page} in a browser.")
    given.finish()
