"""`optogram strongest`: the photos that activate filters most."""

from typing import Any

import click

from optogram.cli.console import say
from optogram.cli.options.attribution import memory_option, warn
from optogram.cli.options.network import (
    fit_option,
    made_folder,
    model_option,
    network_options,
    open_network,
)
from optogram.cli.options.parsing import file_stem, numbers
from optogram.cli.photos import end_with_left_out
from optogram.progress import progress_bar


@click.command()
@click.argument("folder")
@click.option("--layer", metavar="NAME", required=True, help="Layer of the filters.")
@click.option(
    "--filters",
    metavar="NUMBERS",
    help='Filter numbers, such as "0-9,17".  [default: all are computed, the first ten are drawn]',
)
@click.option("--top", default=9, show_default=True, help="Photos per filter.")
@model_option
@click.option(
    "--out",
    metavar="DIR",
    default="strongest",
    show_default=True,
    help="Folder for the picture and the results. An interrupted run continues from it.",
)
@fit_option
@memory_option
@network_options
def strongest(
    folder: str,
    layer: str,
    filters: str | None,
    top: int,
    model: str,
    out: str,
    fit: str,
    memory: str | None,
    **opening: Any,
) -> None:
    """Show which photos of FOLDER activate each filter of a layer most, and where.

    Photos that cannot be read are skipped and listed on standard error; the exit status is then 1.
    """
    net = open_network(model, **opening)
    import optogram
    from optogram.files import require_place
    from optogram.render import write

    chosen = None
    if filters is not None:
        chosen = numbers(filters, net[layer].output_shape[-1] or 0, layer)
    place = made_folder(out)
    stem = file_stem(layer)
    for ending in ("png", "npz", "progress.npz"):
        require_place(place / f"{stem}.{ending}")
    with progress_bar() as progress:
        result = optogram.strongest_images(
            net,
            layer,
            folder,
            top,
            filters=chosen,
            fit=fit,
            checkpoint=place / f"{stem}.progress.npz",
            memory=memory,
            progress=progress,
        )
    warn(layer, result, set(net.warnings))
    write(result.plot(chosen), place / f"{stem}.png")
    result.save(place / f"{stem}.npz")
    say(f"{len(result.photos)} photos, {len(result.filters)} filters: {place / stem}.png")
    end_with_left_out(result.unread, len(result.photos))
