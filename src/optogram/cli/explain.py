"""`optogram explain`: what methods say of photos, as pictures and saved results."""

from typing import Any

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


@click.command()
@click.argument("photos", nargs=-1, required=True)
@model_option
@attribution_options
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
    out: str,
    fit: str,
    **opening: Any,
) -> None:
    """Explain PHOTOS, or the photos of folders.

    For each photo PHOTO.png shows all methods side by side, PHOTO-METHOD.png one of them for each
    target, and PHOTO-METHOD.npz holds its numbers, for optogram.load_result.
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
                results.append(result)
            write(side_by_side(results), folder / f"{stem}.png")
            explained_classes = ", ".join(dict.fromkeys(results[0].targets))
            click.echo(f"{path}: {explained_classes}: {folder / f'{stem}.png'}")
