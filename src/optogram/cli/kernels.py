"""`optogram kernels`: the kernels of convolutions."""

from pathlib import Path
from typing import Any

import click

from optogram.cli.console import say
from optogram.cli.options.network import (
    made_folder,
    model_option,
    network_options,
    open_network,
    require_folder,
)
from optogram.cli.options.output import quiet_option
from optogram.cli.options.parsing import file_stem
from optogram.errors import InputError

_PICTURES = (".png", ".jpg", ".jpeg", ".webp")


@click.command()
@model_option
@click.option(
    "--layer",
    "layers",
    metavar="NAME",
    multiple=True,
    required=True,
    help="Layer whose kernels are shown, one row each; repeatable, or a pattern such as "
    '"block*_conv1".',
)
@click.option(
    "--input-channel",
    type=click.IntRange(0),
    help="Input channel to show, in gray.  [default: RGB if the layer reads the image, else 0]",
)
@click.option("--first", type=click.IntRange(1), help="Number of kernels.  [default: all]")
@click.option("--columns", type=click.IntRange(1), help="Kernels per row.  [default: near square]")
@click.option(
    "--cell", type=click.IntRange(1), help="Longer side of a kernel in the picture, in pixels."
)
@click.option("--colors", metavar="NAME", help="Colormap for kernels that are not shown in RGB.")
@click.option(
    "--arrays",
    is_flag=True,
    help="Also write the kernels of each layer as .npz beside the picture, for "
    "optogram.load_result.",
)
@click.option(
    "--out", metavar="FILE", default="kernels.png", show_default=True, help="File for the picture."
)
@network_options
@quiet_option
def kernels(
    model: str,
    layers: tuple[str, ...],
    input_channel: int | None,
    first: int | None,
    columns: int | None,
    cell: int | None,
    colors: str | None,
    arrays: bool,
    out: str,
    **opening: Any,
) -> None:
    """Show the kernels of convolutions, scaled from the smallest weight to the largest."""
    if Path(out).suffix.lower() not in _PICTURES:
        raise InputError(
            f"--out is the file of the picture: give a name that ends in {', '.join(_PICTURES)}, "
            f"such as kernels.png, not {out!r}."
        )
    require_folder(str(Path(out).parent))
    net = open_network(model, **opening)
    import optogram
    from optogram.files import require_place
    from optogram.render import sheet, write

    path = Path(out)
    made_folder(str(path.parent))
    require_place(path)
    found = list(optogram.kernels(net, list(layers)).values())
    files = [path.with_name(f"{path.stem}_{file_stem(each.layer)}.npz") for each in found]
    for file in files if arrays else ():
        require_place(file)
    is_gray = input_channel is not None or not all(result.is_color for result in found)
    if colors is not None and not is_gray:
        raise click.UsageError(
            "--colors is for kernels shown in gray, and these are shown in color: add "
            "--input-channel, or leave --colors out."
        )
    pictures = []
    for result in found:
        count = result.count(input_channel)
        style: dict[str, Any] = {"columns": columns, "cell": cell}
        if input_channel is not None or not result.is_color:
            style["cmap"] = colors or "gray"
        filters = range(min(first or count, count))
        pictures.append(result.mosaic(input_channel, filters, **style))
        shape = "×".join(map(str, result.values.shape))
        say(f"{result.layer}: {shape}, {len(filters)} shown")
    captions = [result.layer for result in found]
    picture = pictures[0] if len(found) == 1 else sheet([[p] for p in pictures], captions=captions)
    say(write(picture, path))
    for result, file in zip(found, files, strict=True) if arrays else ():
        say(result.save(file))
