"""`optogram maximize`: activation maximization for filters and classes."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from optogram.cli.advice import in_options
from optogram.cli.console import say, shown_progress
from optogram.cli.options.attribution import memory_option, warn
from optogram.cli.options.network import (
    NETWORK_OPTIONS,
    made_folder,
    model_option,
    network_options,
    open_network,
    require_folder,
)
from optogram.cli.options.output import quiet_option
from optogram.cli.options.parsing import (
    class_label,
    file_stem,
    is_given,
    numbers,
    pair,
    sides,
)
from optogram.cli.options.precision import precision_options
from optogram.cli.stopping import CONTINUE, when_stopped
from optogram.errors import NoGradientError
from optogram.words import counted

if TYPE_CHECKING:
    from optogram.network.network import Network
    from optogram.result import Maximization
    from optogram.target import Target

_FIRST = 16
"""Default number of filters per layer."""


@click.command()
@model_option
@click.option(
    "--layer",
    "layers",
    metavar="NAME",
    multiple=True,
    help='Layer of the filters; repeatable, or a pattern such as "block*_conv*".',
)
@click.option(
    "--filters",
    metavar="NUMBERS|all",
    help=f'Filter numbers, such as "0-9,17", or "all".  [default: the first {_FIRST}]',
)
@click.option(
    "--border",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Number of elements to leave out of the mean on each side of the map.",
)
@click.option(
    "--target",
    "classes",
    metavar="CLASS",
    multiple=True,
    help="Class to maximize: number, name or WordNet id; repeatable.",
)
@click.option(
    "--score",
    type=click.Choice(["logit", "probability"]),
    default="logit",
    show_default=True,
    help="Score of a class.",
)
@click.option(
    "--recipe",
    type=click.Choice(["tutorial", "fast", "lucid", "maco", "transformer", "accentuation"]),
    default="fast",
    show_default=True,
    help="Recipe; the options below override parts of it.",
)
@click.option("--steps", type=click.IntRange(1), help="Number of steps.")
@click.option(
    "--optimizer",
    type=click.Choice(["rms", "l2", "adam"]),
    help="How a step is computed from the gradient.",
)
@click.option("--learning-rate", type=float, help="Step size.")
@click.option(
    "--units",
    type=click.Choice(["network", "display"]),
    help="Units of --learning-rate and --noise.",
)
@click.option(
    "--noise",
    metavar="CENTER,SPREAD",
    help="Center and width of the uniform noise to start from.",
)
@click.option("--l2", type=float, help="Weight λ of the penalty λ‖x‖²/2.")
@click.option("--tv", type=float, help="Weight of the total variation penalty.")
@click.option(
    "--near", type=float, help="Weight of the penalty that keeps the image near the --start photo."
)
@click.option("--start", metavar="PHOTO|gray", help="Start image.  [default: noise]")
@click.option(
    "--size",
    metavar="HEIGHTxWIDTH",
    help="Size of each image.  [default: from the recipe, or the size that the network takes]",
)
@click.option(
    "--as-layer",
    is_flag=True,
    help="Make each image as large as the maps that the layer would have for an image of that "
    "size.",
)
@click.option(
    "--contrast",
    type=float,
    help="Show each image with its mean at mid-gray and this standard deviation, in 0…1.",
)
@click.option(
    "--crop", type=click.IntRange(0), help="Pixels to cut off on each side before showing."
)
@click.option("--seed", default=0, show_default=True, help="Random seed.")
@click.option(
    "--sheet",
    metavar="ROWSxCOLUMNS",
    default="4x4",
    show_default=True,
    help="Maximum number of images per sheet.",
)
@click.option(
    "--margin", type=click.IntRange(0), default=5, show_default=True, help="Pixels between images."
)
@click.option(
    "--cell", type=click.IntRange(1), help="Longer side of each image on the sheet, in pixels."
)
@click.option(
    "--bare", is_flag=True, help="Do not write captions, in animations neither step nor score."
)
@click.option(
    "--frames",
    type=click.IntRange(1),
    help="Also write the ascent of each image as a GIF, with a frame every so many steps.",
)
@click.option("--fps", default=5.0, show_default=True, help="Frames per second of the GIF.")
@click.option(
    "--out",
    metavar="DIR",
    default="maximized",
    show_default=True,
    help="Folder for sheets and results. An interrupted run continues from it.",
)
@precision_options
@memory_option
@network_options
@quiet_option
def maximize(
    model: str,
    layers: tuple[str, ...],
    filters: str | None,
    border: int,
    classes: tuple[str, ...],
    noise: str | None,
    size: str | None,
    sheet: str,
    margin: int,
    cell: int | None,
    bare: bool,
    fps: float,
    out: str,
    memory: str | None,
    **others: Any,
) -> None:
    """Make images that maximize filters of a layer, or classes.

    For each sheet, NAME.png shows the images and NAME.npz holds their arrays for
    optogram.load_result. Each sheet is written when it is finished. After an interruption, the same
    command continues.
    """
    if not layers and not classes:
        raise click.UsageError(
            'Give a filter or a class to maximize: --layer "NAME", or --target CLASS.'
        )
    _require_needed(click.get_current_context())
    opening = {name: others.pop(name) for name in NETWORK_OPTIONS}
    rows, columns = sides(sheet, "--sheet", "4x4", "rows")
    if noise is not None:
        others["center"], others["spread"] = pair(noise)
    sized = None if size is None else sides(size)
    asked = {name: value for name, value in others.items() if value is not None}
    from optogram.pictures.read import require_picture_file

    require_folder(out)
    if others["start"] not in (None, "gray"):
        require_picture_file(others["start"])
    if filters not in (None, "all"):
        numbers(filters)
    net = open_network(model, **opening)
    import optogram
    from optogram.files import reading, require_place
    from optogram.render import write

    sheets = [
        *_filter_sheets(net, layers, filters, border, rows * columns),
        *_class_sheets(classes, rows * columns),
    ]
    folder, told, made = made_folder(out), set(net.warnings), 0
    images, total, share = 0, sum(len(targets) for _, targets in sheets), 0.0

    def stopped() -> str:
        """How far the work is; "" if nothing is kept of it."""
        if not images and not any((folder / f"{stem}.npz").exists() for stem, _ in sheets):
            return ""
        done = (images + share * len(targets)) / total
        return (
            f"Stopped at {100 * done:.0f} %: {images} of {counted(total, 'image')} are finished. "
            f"{CONTINUE}"
        )

    if others["start"] is not None:
        reading(Path(others["start"]))
    for stem, targets in sheets:
        gifs = _gif_names(stem, len(targets)) if others["frames"] else []
        for name in (f"{stem}.npz", f"{stem}.png", *gifs):
            require_place(folder / name)
    for number, (stem, targets) in enumerate(sheets, 1):
        begun, share = time.monotonic(), 0.0
        when_stopped(stopped)
        with shown_progress() as progress:

            def named(
                done: int, total: int, what: str, name: str = f"{number}/{len(sheets)}: {stem}"
            ) -> None:
                nonlocal share
                share = done / total
                progress(done, total, f"{what}, sheet {name}")

            try:
                result = optogram.maximize(
                    net,
                    targets,
                    size=sized,
                    checkpoint=folder / f"{stem}.npz",
                    memory=memory,
                    progress=named,
                    **asked,
                )
            except NoGradientError as error:
                # A layer may have sheets of filters that never fire: those beside them are made.
                if not made and number == len(sheets):
                    raise
                say(f"Warning: {stem} is skipped: {in_options(str(error))}", err=True)
                continue
        made += 1
        warn(stem, result, told)
        path = folder / f"{stem}.png"
        write(
            result.sheet(
                columns=min(columns, len(targets)), margin=margin, labels=not bare, cell=cell
            ),
            path,
        )
        _write_gifs(result, folder, stem, fps, bare)
        images, share = images + len(targets), 0.0
        seconds = time.monotonic() - begun
        say(f"{stem}: {counted(len(result.values), 'image')}, {seconds:.1f} s: {path}")


def _require_needed(context: click.Context) -> None:
    """Raise a UsageError where an option is given without the one that makes use of it."""
    for name, needed, flag in (
        ("filters", "layers", "--layer"),
        ("border", "layers", "--layer"),
        ("score", "classes", "--target"),
        ("fps", "frames", "--frames"),
    ):
        if is_given(context, name) and not context.params[needed]:
            raise click.UsageError(f"--{name} needs {flag}.")


def _filter_sheets(
    net: "Network", layers: tuple[str, ...], filters: str | None, border: int, length: int
) -> "Iterator[tuple[str, list[Target]]]":
    """Name and targets of each sheet of filters."""
    from optogram.target import Filter

    for layer in net.layer_names(layers):
        count = net[layer].output_shape[-1] or 0
        if filters is None:
            chosen = list(range(min(_FIRST, count)))
        else:
            everything = filters == "all"
            chosen = list(range(count)) if everything else numbers(filters, count, layer)
        for start in range(0, len(chosen), length):
            part = chosen[start : start + length]
            stem = file_stem(layer) + (f"_{part[0]}-{part[-1]}" if len(part) > 1 else f"_{part[0]}")
            yield stem, [Filter(layer, channel, border) for channel in part]


def _class_sheets(classes: tuple[str, ...], length: int) -> "Iterator[tuple[str, list[Target]]]":
    """Name and targets of each sheet of classes."""
    from optogram.target import Class

    for start in range(0, len(classes), length):
        part = classes[start : start + length]
        stem = file_stem("class_" + "_".join(part))[:80]
        yield stem, [Class(class_label(name)) for name in part]


def _write_gifs(result: "Maximization", folder: Path, stem: str, fps: float, bare: bool) -> None:
    """Write the ascent of each image as a GIF, if frames were kept."""
    if not result.frames.shape[1]:
        return
    for index, name in enumerate(_gif_names(stem, len(result.frames))):
        result.gif(folder / name, index, fps, bare=bare)


def _gif_names(stem: str, count: int) -> list[str]:
    return [f"{stem}.gif"] if count == 1 else [f"{stem}_{index}.gif" for index in range(count)]
