"""`optogram audit`: a classifier on labeled photos."""

from typing import Any

import click

from optogram.cli.console import say
from optogram.cli.options.attribution import memory_option
from optogram.cli.options.network import fit_option, model_option, network_options, open_network
from optogram.cli.photos import end_with_left_out
from optogram.methods import ATTRIBUTIONS
from optogram.progress import progress_bar


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
@click.option("--json", "as_json", is_flag=True, help="Print all figures as JSON.")
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
def audit(
    folder: str,
    model: str,
    truth: str | None,
    out: str,
    as_json: bool,
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
    net = open_network(model, **opening)
    import json

    import optogram

    with progress_bar() as progress:
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
    for note in result.notes:
        say(f"Note: {note}", err=True)
    if as_json:
        click.echo(json.dumps(result.as_json(), indent=1))
    else:
        say(result.sentence, f"Open {out}/index.html in a browser.")
    end_with_left_out(list(result.unread), len(result.photos) + len(result.unread))
