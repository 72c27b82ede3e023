"""`optogram report`: a page that says what the network saw."""

from typing import Any

import click

from optogram.cli.attribution import memory_option
from optogram.cli.network import fit_option, model_option, network_options, open_network
from optogram.cli.progress import progress_bar


@click.command()
@click.argument("photos", nargs=-1)
@model_option
@click.option(
    "--out",
    metavar="DIR",
    default="report",
    show_default=True,
    help="Where index.html is written.",
)
@click.option("--top", default=3, show_default=True, help="How many classes to explain.")
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
    """Explain PHOTOS on one self-contained page; without any, a sample photo."""
    net = open_network(model, **opening)
    import optogram

    images: list[Any] = list(photos) or [optogram.datasets.sample_photo()]
    with progress_bar() as progress:
        page = optogram.report(
            net, images, out=out, top=top, fit=fit, memory=memory, progress=progress
        )
    click.echo(f"Open {page} in a browser.")
