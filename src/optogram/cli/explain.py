"""`optogram explain`: what methods say of photos, as pictures and saved results."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from optogram.cli.attribution import (
    Asked,
    attribution_options,
    photo_paths,
    unique_stems,
    warn,
)
from optogram.cli.network import (
    fit_option,
    made_folder,
    model_option,
    network_options,
    open_network,
)
from optogram.cli.progress import progress_bar

if TYPE_CHECKING:
    from PIL.Image import Image

    from optogram.result import Attribution


@click.command()
@click.argument("photos", nargs=-1, required=True)
@model_option
@attribution_options
@click.option(
    "--overlay",
    type=click.Choice(["even", "alpha", "added"]),
    help="Also lay each map over the photo at its own size: the stronger the more opaque; viridis, "
    "opaque in 20 steps, on white paper; or the colours of OpenCV's JET added to the photo.",
)
@click.option(
    "--mask",
    type=click.FloatRange(0, 1),
    metavar="SHARE",
    help="Also show the photo where a map reaches this share of its maximum, and darkness "
    "elsewhere.",
)
@click.option(
    "--out",
    metavar="DIR",
    default="explained",
    show_default=True,
    help="Where pictures and results are written.",
)
@fit_option
@network_options
def explain(
    photos: tuple[str, ...],
    model: str,
    asked: Asked,
    overlay: str | None,
    mask: float | None,
    out: str,
    fit: str,
    **opening: Any,
) -> None:
    """Explain PHOTOS, or the photos of folders.

    For each photo PHOTO.png shows all methods side by side, PHOTO-METHOD.png one of them for each
    target, and PHOTO-METHOD.npz holds its numbers, for optogram.load_result.
    PHOTO-METHOD-overlay.png and PHOTO-METHOD-mask.png are written where asked for, numbered where
    there are several targets.
    """
    net = open_network(model, **opening)
    from optogram.progress import Meter
    from optogram.render import write
    from optogram.result import side_by_side

    paths = photo_paths(photos)
    folder = made_folder(out)
    with progress_bar() as progress:
        meter = Meter(progress, 100 * len(paths) * len(asked.methods))
        for path, stem in zip(paths, unique_stems(paths), strict=True):
            image, told = net.prepare([path], fit), set(net.notes)
            results = []
            for name in asked.methods:
                with meter.part(100, f"{stem}: {name}") as within:
                    result = asked.ask(net, name, image, within)
                warn(f"{stem}, {name}", result, told)
                write(result.plot(), folder / f"{stem}-{name}.png")
                result.save(folder / f"{stem}-{name}.npz")
                below = path if fit == "squash" else None
                for suffix, picture in _pictures(result, below, overlay, mask):
                    write(picture, folder / f"{stem}-{name}-{suffix}.png")
                results.append(result)
            write(side_by_side(results), folder / f"{stem}.png")
            explained_classes = ", ".join(dict.fromkeys(results[0].targets))
            click.echo(f"{path}: {explained_classes}: {folder / f'{stem}.png'}")


def _pictures(
    result: "Attribution", photo: str | None, overlay: str | None, mask: float | None
) -> "Iterator[tuple[str, Image]]":
    """What is asked for beside the plot, and how its file's name ends.

    ``photo`` is what maps are laid over; None: what the network saw.
    """
    count = len(result.targets)
    for index in range(count):
        number = f"-{index}" if count > 1 else ""
        if overlay is not None:
            yield f"overlay{number}", result.overlay(index, photo, style=overlay)
        if mask is not None:
            yield f"mask{number}", result.through_mask(mask, index, photo)
