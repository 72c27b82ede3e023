"""`optogram strongest`: the photos that activate filters most."""

from typing import TYPE_CHECKING, Any

import click

from optogram.cli.console import say, shown_progress
from optogram.cli.options.attribution import memory_option, warn
from optogram.cli.options.network import (
    fit_option,
    made_folder,
    model_option,
    network_options,
    open_network,
    require_folder,
)
from optogram.cli.options.output import output_options
from optogram.cli.options.parsing import file_stem, numbers
from optogram.cli.options.precision import precision_options
from optogram.cli.photos import end_with_left_out, photos_at, skipped_by
from optogram.cli.records import Records
from optogram.cli.stopping import CONTINUE, when_stopped
from optogram.words import counted

if TYPE_CHECKING:
    from optogram.result import StrongestImages

_COLUMNS = (
    "filter", "rank", "photo", "value", "y", "x", "top", "left", "bottom", "right", "error",
)  # fmt: skip


@click.command()
@click.argument("folder", metavar="PHOTOS")
@click.option("--layer", metavar="NAME", required=True, help="Layer of the filters.")
@click.option(
    "--filters",
    metavar="NUMBERS",
    help='Filter numbers, such as "0-9,17".  [default: all are computed, the first ten are drawn]',
)
@click.option(
    "--top", type=click.IntRange(1), default=9, show_default=True, help="Photos per filter."
)
@click.option(
    "--by",
    type=click.Choice(["activation", "relevance"]),
    default="activation",
    show_default=True,
    help="Order of the photos: by activation, or by the relevance of the filter for their class.",
)
@model_option
@click.option(
    "--out",
    metavar="DIR",
    default="strongest",
    show_default=True,
    help="Folder for the picture and the results. An interrupted run continues from it.",
)
@fit_option
@precision_options
@memory_option
@network_options
@output_options
def strongest(
    folder: str,
    layer: str,
    filters: str | None,
    top: int,
    by: str,
    model: str,
    out: str,
    fit: str,
    precision: str,
    memory: str | None,
    **opening: Any,
) -> None:
    """Show which of the PHOTOS activate each filter of a layer most, and where.

    PHOTOS is a folder of images, of .tar files (WebDataset) or of .parquet files; one of these
    files, or a pattern such as "shard-{000..012}.tar"; "data.parquet::column"; or an .npy file of
    uint8 images.

    Photos that cannot be read are skipped and listed on standard error; the exit status is then 1.
    """
    require_folder(out)
    if filters is not None:
        numbers(filters)
    photos = photos_at(folder)
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
    done = total = 0
    checkpoint = place / f"{stem}.progress.npz"

    def stopped() -> str:
        """How far the work is."""
        return f"Stopped after {done} of {counted(total, 'photo')}. {CONTINUE}" if done else ""

    when_stopped(stopped)
    with shown_progress() as progress:

        def counting(now: int, of: int, what: str) -> None:
            nonlocal done, total
            done, total = now, of
            progress(now, of, what)

        result = optogram.strongest_images(
            net,
            layer,
            photos,
            top,
            by=by,
            filters=chosen,
            fit=fit,
            precision=precision,
            checkpoint=checkpoint,
            memory=memory,
            progress=counting,
        )
    told = {*net.warnings}
    skipped = skipped_by(result, told)
    warn(layer, result, told)
    write(result.plot(chosen), place / f"{stem}.png")
    result.save(place / f"{stem}.npz")
    count, shown = len(result.photos), len(result.filters)
    say(f"{counted(count, 'photo')}, {counted(shown, 'filter')}: {place / stem}.png")
    records = Records(*_COLUMNS)
    found = [_filter_record(result, row) for row in range(shown)]
    for of_filter in found:
        for rank, where in enumerate(of_filter["photos"], 1):
            records.row(filter=of_filter["filter"], rank=rank, **_cells(where))
    for photo in skipped:
        records.row(photo=photo["photo"], error=photo["reason"])
    files = [place / f"{stem}.{ending}" for ending in ("png", "npz")]
    read = [path for path in result.photos if path not in result.unread]
    records.finish(net, layer=layer, photos=read, filters=found, files=files, skipped=skipped)
    end_with_left_out(result.unread, len(result.photos))


def _filter_record(result: "StrongestImages", row: int) -> dict[str, Any]:
    """The strongest photos of the filter in ``row``, and where in them, for programs."""
    ranks = [rank for rank, index in enumerate(result.indices[row]) if index >= 0]
    return {
        "filter": result.filters[row],
        "photos": [
            {
                "photo": result.photos[result.indices[row, rank]],
                "value": result.values[row, rank],
                "position": result.positions[row, rank],
                "window": result.windows[row, rank],
            }
            for rank in ranks
        ],
    }


def _cells(where: dict[str, Any]) -> dict[str, Any]:
    """The cells of one photo in the table."""
    names = ("y", "x", "top", "left", "bottom", "right")
    places = zip(names, (*where["position"], *where["window"]), strict=True)
    return {"photo": where["photo"], "value": where["value"], **dict(places)}
