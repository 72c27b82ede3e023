"""`optogram atlas`: the activation atlas of a layer."""

from typing import TYPE_CHECKING, Any

import click

from optogram.arguments import shown
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
from optogram.cli.options.output import quiet_option
from optogram.cli.photos import end_with_left_out, is_store, photos_at, skipped_by
from optogram.cli.stopping import CONTINUE, when_stopped
from optogram.errors import InputError
from optogram.words import counted

if TYPE_CHECKING:
    from optogram.surveying.opened import Survey


@click.command()
@click.argument("photos", metavar="PHOTOS")
@click.option("--layer", metavar="NAME", required=True, help="Layer with feature maps or units.")
@model_option
@click.option(
    "--out",
    metavar="DIR",
    default="atlas",
    show_default=True,
    help="Folder for the page, the picture and the result. An interrupted run continues from it.",
)
@click.option(
    "--grids",
    metavar="NUMBERS",
    default="10,20,40",
    show_default=True,
    help="Number of rows, and of columns, of each grid.",
)
@click.option(
    "--least",
    type=click.IntRange(1),
    default=5,
    show_default=True,
    help="Cells with fewer samples are left out.",
)
@click.option(
    "--positions",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Samples per photo, at random positions.",
)
@click.option(
    "--layout",
    metavar="FILE.npz",
    help="Another atlas of the same photos, whose layout is taken: the same cells hold the same "
    "photos.",
)
@click.option(
    "--recipe",
    type=click.Choice(["tutorial", "fast", "lucid", "maco"]),
    default="fast",
    show_default=True,
    help="Recipe of the icons.",
)
@click.option(
    "--steps", type=click.IntRange(1), help="Steps of the icons.  [default: those of the recipe]"
)
@click.option(
    "--side",
    type=click.IntRange(1),
    help="Side of the icons in pixels.  [default: 80, or the input size if it is smaller]",
)
@click.option(
    "--whiten",
    is_flag=True,
    help="Multiply directions by the inverse of the activations' second moments.",
)
@click.option(
    "--seed",
    default=0,
    show_default=True,
    help="Random seed of positions, layout and icons.",
)
@fit_option
@memory_option
@network_options
@quiet_option
def atlas(
    photos: str,
    layer: str,
    model: str,
    out: str,
    grids: str,
    least: int,
    positions: int,
    layout: str | None,
    recipe: str,
    steps: int | None,
    side: int | None,
    whiten: bool,
    seed: int,
    fit: str,
    memory: str | None,
    **opening: Any,
) -> None:
    """Make the activation atlas of a layer: a map of its activations for many photos.

    PHOTOS is a folder, a tar, Parquet or .npy file, or a store such as net.zarr that `optogram
    survey` made, whose photos are then taken. Writes index.html, a zoomable page; atlas.png;
    and atlas.npz for optogram.load_result. Needs umap-learn. Photos that cannot be read are skipped
    and listed on standard error; the exit status is then 1.
    """
    require_folder(out)
    sides = _sides(grids)
    survey = _survey(photos)
    found = survey.photo_set() if survey else photos_at(photos)
    other = _layout(layout)
    net = open_network(model, **opening)
    if survey and survey.identity["model"] != net.name:
        raise InputError(
            f"{photos} is the survey of {survey.identity['model']!r}, and {model} opens "
            f"{net.name!r}: give the same network with model=…."
        )
    import optogram
    from optogram.files import require_place
    from optogram.render import write

    net.step(layer)
    place = made_folder(out)
    for name in ("index.html", "atlas.png", "atlas.npz"):
        require_place(place / name)
    done, total, doing = 0, 0, ""

    def stopped() -> str:
        """How far the work is."""
        if doing == "layout":
            return f"Stopped during the layout; the samples are kept. {CONTINUE}"
        return f"Stopped after {done} of {total} {doing}. {CONTINUE}" if done else ""

    when_stopped(stopped)
    asked = {"steps": steps, "side": side}
    with shown_progress() as progress:

        def counting(now: int, of: int, what: str) -> None:
            nonlocal done, total, doing
            done, total, doing = now, of, what
            progress(now, of, what)

        result = optogram.activation_atlas(
            net,
            layer,
            found,
            recipe,
            grids=sides,
            least=least,
            positions=positions,
            layout=other,
            whiten=whiten,
            fit=fit,
            seed=seed,
            checkpoint=place / "progress",
            memory=memory,
            progress=counting,
            **{name: value for name, value in asked.items() if value is not None},
        )
        page = optogram.atlas_page(result, place, progress=counting)
    told = {*net.warnings}
    skipped_by(result, told)
    warn(layer, result, told)
    write(result.plot(), place / "atlas.png")
    result.save(place / "atlas.npz")
    sizes = ", ".join(
        f"{counted(len(grid.cells), 'cell')} of {side}×{side}"
        for side, grid in result.grids.items()
    )
    say(
        f"{counted(len(result.layout), 'sample')} of {counted(len(result.photos), 'photo')}: "
        f"{sizes}. Open {page} in a browser."
    )
    end_with_left_out(result.unread, len(result.photos))


def _survey(place: str) -> "Survey | None":
    """The survey at ``place``; None if there is something else."""
    if not is_store(place):
        return None
    from optogram.surveying.opened import load_survey

    return load_survey(place)


def _sides(text: str) -> list[int]:
    """The numbers of ``--grids``."""
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise click.BadParameter(
            f'{shown(text)} is not a list of numbers such as "10,20".', param_hint="'--grids'"
        ) from None


def _layout(path: str | None) -> Any:
    """The atlas of ``--layout``."""
    if path is None:
        from optogram.methods.mapping.layout import require_umap

        require_umap()
        return None
    from optogram.result import ActivationAtlas, load_result

    found = load_result(path)
    if not isinstance(found, ActivationAtlas):
        raise InputError(f"{path} is no atlas: give the atlas.npz of another run.")
    return found
