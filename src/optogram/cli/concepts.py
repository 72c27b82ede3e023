"""`optogram concepts`: what a network looks at in the photos of a class."""

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
from optogram.cli.options.parsing import class_label, file_stem
from optogram.cli.photos import end_with_left_out, photos_at, skipped_by
from optogram.cli.records import Records
from optogram.words import counted

if TYPE_CHECKING:
    from optogram.result import Concepts

_COLUMNS = (
    "concept", "importance", "importance_error", "rank", "photo", "coefficient", "top", "left",
    "bottom", "right", "error",
)  # fmt: skip


@click.command()
@click.argument("folder", metavar="PHOTOS")
@click.option("--layer", metavar="NAME", help="A late layer.  [default: the last with maps]")
@click.option(
    "--target",
    metavar="CLASS",
    help="Class, by number or name.  [default: the one that most photos are predicted to be]",
)
@click.option(
    "--concepts",
    "count",
    type=click.IntRange(1),
    default=20,
    show_default=True,
    help="Number of concepts.",
)
@click.option(
    "--patch",
    type=click.IntRange(1),
    help="Shorter side of the crops in pixels of the input.  [default: 2/7 of its shorter side]",
)
@click.option(
    "--crops",
    type=click.IntRange(1, 1000),
    default=8,
    show_default=True,
    help="Strongest crops of each concept.",
)
@click.option(
    "--recipe",
    type=click.Choice(["tutorial", "fast", "lucid", "maco"]),
    help="Make an image of each concept, too, by this recipe of `optogram maximize`.",
)
@click.option(
    "--seed", default=0, show_default=True, help="Random seed of factorization and samples."
)
@model_option
@click.option(
    "--out",
    metavar="DIR",
    default="concepts",
    show_default=True,
    help="Folder for the pictures and the result.",
)
@fit_option
@memory_option
@network_options
@output_options
def concepts(
    folder: str,
    layer: str | None,
    target: str | None,
    count: int,
    patch: int | None,
    crops: int,
    recipe: str | None,
    seed: int,
    model: str,
    out: str,
    fit: str,
    memory: str | None,
    **opening: Any,
) -> None:
    """Find the concepts in the PHOTOS of one class, and how important each is for its score.

    PHOTOS is a folder of images, of .tar files (WebDataset) or of .parquet files; one of these
    files; or an .npy file of uint8 images. Writes the strongest crops of each concept, their maps
    over the first photos, and the result. Needs scikit-learn.

    Photos that cannot be read are skipped and listed on standard error; the exit status is then 1.
    """
    require_folder(out)
    photos = photos_at(folder)
    net = open_network(model, **opening)
    import optogram
    from optogram.files import require_place
    from optogram.methods.request.scikit_learn import require_scikit_learn
    from optogram.render import write

    require_scikit_learn("optogram concepts")
    place = made_folder(out)
    stem = file_stem(net.default_layer if layer is None else layer)
    files = [place / f"{stem}.png", place / f"{stem}-maps.png", place / f"{stem}.npz"]
    for path in files:
        require_place(path)
    with shown_progress() as progress:
        result = optogram.concepts(
            net,
            photos,
            layer,
            None if target is None else class_label(target),
            concepts=count,
            patch=patch,
            recipe=recipe,
            seed=seed,
            fit=fit,
            memory=memory,
            progress=progress,
        )
    told = {*net.warnings}
    skipped = skipped_by(result, told)
    warn(result.layer, result, told)
    write(result.plot(crops=crops), files[0])
    write(result.plot_maps(), files[1])
    result.save(files[2])
    say(
        f"{counted(len(result.values), 'concept')} of {result.target} from "
        f"{counted(len(result.read), 'photo')}, reconstruction error "
        f"{result.reconstruction_error:.0%}: {files[0]}"
    )
    records = Records(*_COLUMNS)
    found = [_record(result, concept, crops) for concept in range(len(result.values))]
    for one in found:
        own = {name: one[name] for name in ("concept", "importance", "importance_error")}
        for rank, crop in enumerate(one["crops"], 1):
            window = zip(("top", "left", "bottom", "right"), crop["window"], strict=True)
            cells = {"photo": crop["photo"], "coefficient": crop["coefficient"]}
            records.row(**own, rank=rank, **cells, **dict(window))
    for photo in skipped:
        records.row(photo=photo["photo"], error=photo["reason"])
    records.finish(
        net,
        layer=result.layer,
        target=result.target,
        photos=[result.photos[i] for i in result.read],
        reconstruction_error=result.reconstruction_error,
        concepts=found,
        files=files,
        skipped=skipped,
    )
    end_with_left_out(result.unread, len(result.photos))


def _record(result: "Concepts", concept: int, crops: int) -> dict[str, Any]:
    """One concept and its strongest crops, for programs."""
    return {
        "concept": concept,
        "importance": result.values[concept],
        "importance_error": result.errors[concept],
        "crops": [
            {
                "photo": result.photos[result.crop_photos[number]],
                "coefficient": result.coefficients[number, concept],
                "window": result.windows[number],
            }
            for number in result.strongest(concept, crops)
        ],
    }
