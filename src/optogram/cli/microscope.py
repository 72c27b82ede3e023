"""`optogram microscope`: the pages of a survey."""

import click

from optogram.cli.console import say, shown_progress
from optogram.cli.options.network import require_folder
from optogram.cli.options.output import quiet_option
from optogram.cli.options.parsing import numbers


@click.command()
@click.argument("store")
@click.option(
    "--out", metavar="DIR", default="microscope", show_default=True, help="Folder for the pages."
)
@click.option(
    "--layers",
    metavar="NAMES",
    help='Layers whose units get pictures, such as "block5b_add,block*_relu6".  [default: all]',
)
@click.option(
    "--units",
    metavar="NUMBERS",
    help='Units of each layer that get pictures, such as "0-63".  [default: those with patterns; '
    "of layers without patterns, the 64 strongest]",
)
@quiet_option
def microscope(store: str, out: str, layers: str | None, units: str | None) -> None:
    """Write pages that show every unit of STORE, which `optogram survey` made.

    Patterns, the strongest photos and where in them, statistics, classes and nearest units. The
    pages need no network, no server and no connection. Photos that are no longer there are named
    in their places. Only files that optogram made are replaced.
    """
    if units is not None:
        numbers(units, option="--units")
    require_folder(out)
    import optogram

    survey = optogram.load_survey(store)
    widest = max(survey.layers.values())
    chosen = None if units is None else numbers(units, widest, store, "--units")
    names = None if layers is None else [part.strip() for part in layers.split(",")]
    with shown_progress() as progress:
        page = survey.page(out, layers=names, units=chosen, progress=progress)
    say(f"Open {page} in a browser.")
