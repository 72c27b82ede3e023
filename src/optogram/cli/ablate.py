"""`optogram ablate`: what each channel of a layer contributes, over photos."""

from pathlib import Path
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
from optogram.cli.options.parsing import file_stem
from optogram.cli.photos import end_with_left_out, photos_at, skipped_by
from optogram.cli.records import Records
from optogram.errors import InputError
from optogram.files import kind_at

if TYPE_CHECKING:
    from optogram.result import Ablation

_COLUMNS = ("channel", "change", "standard_error", "flipped", "accuracy", "photo", "error")
_MOST_DRAWN = 100


@click.command()
@click.argument("folder", metavar="PHOTOS")
@click.option("--layer", metavar="NAME", required=True, help="A layer with feature maps or units.")
@click.option(
    "--truth",
    metavar="FILE.csv|folders",
    help="True classes, for accuracies: a CSV file with the columns photo and label, or folders "
    "for the subfolder in which each photo lies.",
)
@click.option(
    "--to",
    type=click.Choice(["zero", "mean"]),
    default="zero",
    show_default=True,
    help="What a channel is set to: 0, or its mean over all photos.",
)
@click.option(
    "--by",
    type=click.Choice(["score", "flipped", "lost", "regained"]),
    default="score",
    show_default=True,
    help="Order of the channels: change of the predicted class's score, share of photos whose "
    "predicted class changes, accuracy lost or regained without the channel; the last two need "
    "--truth.",
)
@click.option(
    "--top",
    type=click.IntRange(1),
    default=10,
    show_default=True,
    help="Number of channels that are printed, and drawn (at most 100).",
)
@click.option(
    "--score",
    type=click.Choice(["logit", "probability"]),
    default="logit",
    show_default=True,
    help="Score of a class.",
)
@model_option
@click.option(
    "--out",
    metavar="DIR",
    default="ablated",
    show_default=True,
    help="Folder for the picture and the result.",
)
@fit_option
@memory_option
@network_options
@output_options
def ablate(
    folder: str,
    layer: str,
    truth: str | None,
    to: str,
    by: str,
    top: int,
    score: str,
    model: str,
    out: str,
    fit: str,
    memory: str | None,
    **opening: Any,
) -> None:
    """Silence each channel of a layer alone, and measure what changes over PHOTOS.

    PHOTOS is a folder of images, of .tar files (WebDataset) or of .parquet files; one of these
    files; or an .npy file of uint8 images. Prints the channels that matter most, and writes bars
    of them, and the result for all channels and classes.

    Photos that cannot be read are skipped and listed on standard error; the exit status is then 1.
    """
    if truth is None and by in ("lost", "regained"):
        raise click.UsageError(f"--by {by} needs --truth.")
    if truth not in (None, "folders") and kind_at(Path(truth)) != "file":
        raise InputError(f"--truth: there is no file {truth!r}.")
    require_folder(out)
    photos = photos_at(folder)
    net = open_network(model, **opening)
    import optogram
    from optogram.files import require_place
    from optogram.render import write

    place = made_folder(out)
    files = [place / f"{file_stem(layer)}.{ending}" for ending in ("png", "npz")]
    for path in files:
        require_place(path)
    with shown_progress() as progress:
        result = optogram.ablate(
            net,
            photos,
            layer,
            truth=truth,
            to=to,
            score=score,
            fit=fit,
            memory=memory,
            progress=progress,
        )
    told = {*net.warnings}
    skipped = skipped_by(result, told)
    warn(layer, result, told)
    write(result.plot(min(top, _MOST_DRAWN), by), files[0])
    result.save(files[1])
    say(*result.table(top, by).split("\n"), "", result.sentence, "", f"Bars: {files[0]}")
    _tell(result, by, files, skipped, net)
    end_with_left_out(result.unread, len(result.photos) + len(result.unread))


def _tell(
    result: "Ablation", by: str, files: list[Path], skipped: list[dict[str, str]], net: Any
) -> None:
    """The records of the command: all channels, in the order that was asked for."""
    records = Records(*_COLUMNS)
    found = [
        {
            "channel": one.channel,
            "change": one.change,
            "standard_error": one.error,
            "flipped": one.flipped,
            "accuracy": one.accuracy,
        }
        for one in result.strongest(len(result.values), by)
    ]
    for channel in found:
        records.row(**channel)
    for photo in skipped:
        records.row(photo=photo["photo"], error=photo["reason"])
    records.finish(
        net,
        sentence=result.sentence,
        layer=result.layer,
        unit=result.unit,
        photos=list(result.photos),
        accuracy=result.accuracy_before,
        channels=found,
        files=files,
        skipped=skipped,
    )
