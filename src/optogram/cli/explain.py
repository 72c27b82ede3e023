"""`optogram explain`: attribution maps of photos, as pictures and saved results."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from optogram.cli.console import say, shown_progress
from optogram.cli.explain_store import explain_into_store, require_options
from optogram.cli.options.attribution import (
    BEST,
    Asked,
    Run,
    attribution_options,
    warn,
)
from optogram.cli.options.best import best_option, require_evaluation, with_best
from optogram.cli.options.network import (
    fit_option,
    made_folder,
    model_option,
    network_options,
    open_network,
    require_folder,
)
from optogram.cli.options.output import output_options
from optogram.cli.options.workers import cluster_options, dry_run_option
from optogram.cli.photos import Photos, is_store, unique_stems
from optogram.cli.records import Records
from optogram.words import brief

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

    from optogram.network.network import Network, Prediction
    from optogram.result import Attribution

_COLUMNS = (
    "photo", "predicted_index", "predicted_id", "predicted_label", "predicted_probability",
    "method", "layer", "target", "score", "minimum", "maximum", "picture", "arrays", "sheet",
    "error",
)  # fmt: skip


@click.command()
@click.argument("photos", nargs=-1, required=True)
@model_option
@partial(attribution_options, groups=("common", "all", BEST))
@best_option
@click.option(
    "--overlay",
    type=click.Choice(["even", "alpha", "added"]),
    help="Also draw each map over the photo at full size. even: opacity grows with the value; "
    "alpha: viridis in 20 steps of opacity, over white; added: OpenCV's JET colors added to the "
    "photo.",
)
@click.option(
    "--opacity",
    type=click.FloatRange(0, 1),
    metavar="SHARE",
    help="Opacity of the map in --overlay alpha or even; factor of the added colors.  [default: "
    "depends on the overlay]",
)
@click.option(
    "--mask",
    type=click.FloatRange(0, 1, min_open=True),
    metavar="SHARE",
    help="Also show the photo where a map reaches this fraction of its maximum; the rest is dark.",
)
@click.option(
    "--of",
    type=click.Choice(["values", "scores"]),
    default="values",
    show_default=True,
    help="What --overlay and --mask show for occlusion: the drop of the score, or the score with "
    "the patch. The latter also writes PHOTO-occlusion-heat.png.",
)
@click.option(
    "--stages",
    is_flag=True,
    help="Also show the stages of Grad-CAM: maps, gradients, weights, sum.",
)
@click.option(
    "--cell",
    type=click.IntRange(1),
    metavar="PIXELS",
    help="Longer side of each picture on the sheets, in pixels; 400 is a good size for slides.  "
    "[default: 224]",
)
@click.option(
    "--check",
    metavar="sample:N|all",
    help="Only into a store: also run the sanity checks of optogram check on the maps of N photos, "
    "chosen at random, or on all.",
)
@click.option(
    "--out",
    metavar="DIR|STORE",
    default="explained",
    show_default=True,
    help="Folder for pictures and results; or a Zarr store for the maps alone: a name that ends in "
    ".zarr, or s3://BUCKET/maps.zarr. An interrupted run continues from it.",
)
@dry_run_option
@cluster_options
@fit_option
@network_options
@output_options
def explain(
    photos: tuple[str, ...],
    model: str,
    asked: Asked,
    evaluation: str,
    overlay: str | None,
    opacity: float | None,
    mask: float | None,
    of: str,
    stages: bool,
    cell: int | None,
    check: str | None,
    out: str,
    on: str | None,
    cpus: float,
    gpus: float,
    dry_run: bool,
    fit: str,
    **opening: Any,
) -> None:
    """Explain PHOTOS (files or folders).

    For each photo, PHOTO-explained.png shows all methods side by side, PHOTO-METHOD.png shows one
    method, and PHOTO-METHOD.npz holds its arrays for optogram.load_result.
    PHOTO-METHOD-overlay.png, PHOTO-METHOD-mask.png and PHOTO-gradcam-stages.png are written on
    request, numbered if there are several targets. With several layers, METHOD is followed by the
    layer, as in PHOTO-gradcam-block5_conv3.png. Only files that optogram made are replaced.
    Photos that cannot be read are skipped and listed on standard error; the exit status is then 1.

    With --out maps.zarr, the maps of all photos are kept in a Zarr store instead. PHOTOS is then a
    folder, tar files in WebDataset's layout, Parquet files or an .npy array, of any length. The
    same command continues an interrupted run and adds photos that are new; with another --method,
    it adds maps to the store.
    """
    context = click.get_current_context()
    require_options(context, out)
    require_evaluation(context, asked, evaluation)
    if is_store(out):
        explain_into_store(
            photos, model, asked, evaluation, out, check, on, cpus, gpus, dry_run, fit, opening
        )
        return
    if of == "scores" and asked.methods != ["occlusion"]:
        raise click.UsageError("--of scores needs --method occlusion.")
    if stages and "gradcam" not in asked.methods:
        raise click.UsageError("--stages needs --method gradcam.")
    if opacity is not None and overlay is None:
        raise click.UsageError("--opacity needs --overlay.")
    require_folder(out)
    given = Photos(photos)
    net = open_network(model, **opening)
    asked = with_best(context, asked, evaluation, net).usable(net)
    from optogram.files import require_place
    from optogram.progress import Meter
    from optogram.render import write
    from optogram.result import side_by_side

    folder, stems = made_folder(out), list(unique_stems(given.paths))
    runs = asked.runs(net)
    for stem in stems:
        require_place(folder / f"{stem}-explained.png")
        for run in runs:
            suffixes = _suffixes(run, asked.count, overlay, mask, of, stages)
            for ending in (".png", ".npz", *(f"-{suffix}.png" for suffix in suffixes)):
                require_place(folder / f"{stem}-{run.stem}{ending}")
    sized = {} if cell is None else {"cell": cell}
    records, found = Records(*_COLUMNS), []
    with shown_progress() as progress:
        meter = Meter(progress, 100 * len(given.paths) * len(runs))
        for path, stem in zip(given.paths, stems, strict=True):
            with given.reading(path):
                image, told = net.prepare([path], fit), set(net.warnings)
                predicted = _predicted(net, image, asked.memory)
                results, explained, files = [], [], [folder / f"{stem}-explained.png"]
                for run, result in asked.results(net, runs, image, meter, stem):
                    warn(f"{stem}, {run.stem}", result, told)
                    written = [folder / f"{stem}-{run.stem}{ending}" for ending in (".png", ".npz")]
                    write(result.plot(cell=cell), written[0])
                    result.save(written[1])
                    style = {} if opacity is None else {"opacity": opacity}
                    more = _pictures(result, path, overlay, style, mask, of, stages, cell)
                    for suffix, picture in more:
                        written.append(folder / f"{stem}-{run.stem}-{suffix}.png")
                        write(picture, written[-1])
                    results.append(result)
                    explained += _explanations(result, written)
                    files += written
                write(side_by_side(results, **sized), files[0])
                for explanation in explained:
                    records.row(photo=path, **_cells(predicted, explanation, files[0]))
                found.append(
                    {
                        "photo": path,
                        "predicted": predicted and predicted._asdict(),
                        "explanations": explained,
                        "files": files,
                    }
                )
                say(
                    f"{path}: {_sentence(net, predicted, results[0])}",
                    *(f"  {file}" for file in files),
                )
    given.require_some()
    for skipped in given.skipped:
        records.row(photo=skipped["photo"], error=skipped["reason"])
    records.finish(net, photos=found, skipped=given.skipped)
    given.finish()


def _predicted(net: "Network", image: "np.ndarray", memory: str | None) -> "Prediction | None":
    """The most probable class; None where the network does not give classes of an image."""
    if net.head.is_spatial or net.head.is_regression:
        return None
    ((first,),) = net.predict(image, top=1, memory=memory)
    return first


def _sentence(net: "Network", predicted: "Prediction | None", result: "Attribution") -> str:
    """What is predicted, and what was explained if it is something else."""
    explained = ", ".join(dict.fromkeys(map(brief, result.targets)))
    if predicted is None:
        return explained
    name = brief(net.labels.numbered_name(predicted.index))
    answer = f"{name}, {predicted.probability:.2%}"
    return answer if explained == name else f"{answer}; explained: {explained}"


def _explanations(result: "Attribution", files: list[Path]) -> list[dict[str, Any]]:
    """What is known of each map of a result, for programs."""
    return [
        {
            "method": result.method,
            "layer": result.layer,
            "target": target,
            "score": result.score[index],
            "minimum": result.values[index].min(),
            "maximum": result.values[index].max(),
            "parameters": result.parameters,
            "warnings": result.warnings,
            "files": files,
        }
        for index, target in enumerate(result.targets)
    ]


def _cells(
    predicted: "Prediction | None", explanation: dict[str, Any], sheet: Path
) -> dict[str, Any]:
    """The cells of one map in the table."""
    answer = predicted._asdict() if predicted else {}
    picture, arrays, *_ = explanation["files"]
    return (
        {f"predicted_{name}": answer.get(name) for name in ("index", "id", "label", "probability")}
        | {name: explanation[name] for name in _COLUMNS if name in explanation}
        | {"picture": picture, "arrays": arrays, "sheet": sheet}
    )


def _suffixes(
    run: Run, count: int, overlay: str | None, mask: float | None, of: str, stages: bool
) -> list[str]:
    """Suffixes of the extra picture files of a run with ``count`` maps per photo."""
    numbers = [f"-{index}" for index in range(count)] if count > 1 else [""]
    kinds = [
        *(["heat"] if of == "scores" else []),
        *(["stages"] if stages and run.method == "gradcam" else []),
        *(["overlay"] if overlay is not None else []),
        *(["mask"] if mask is not None else []),
    ]
    return [f"{kind}{number}" for kind in kinds for number in numbers]


def _pictures(
    result: "Attribution",
    photo: str,
    overlay: str | None,
    style: dict[str, float],
    mask: float | None,
    of: str,
    stages: bool,
    cell: int | None,
) -> "Iterator[tuple[str, Image]]":
    """The requested extra pictures, each with the suffix of its file name.

    Overlays are drawn over the photo at full size; ``photo`` is its path, for warnings.
    """
    from optogram.result import GradCAM, Occlusion

    count = len(result.targets)
    shown: dict[str, Any] = {"of": of} if isinstance(result, Occlusion) else {}
    for index in range(count):
        number = f"-{index}" if count > 1 else ""
        if isinstance(result, Occlusion) and of == "scores":
            size = result.images.shape[1:3]
            yield f"heat{number}", result.heat(index, of, size=(size[0], size[1]))
        if stages and isinstance(result, GradCAM):
            yield f"stages{number}", result.steps.plot(index, cell=cell)
        if overlay is not None:
            yield (
                f"overlay{number}",
                result.overlay(index, photo=True, style=overlay, **style, **shown),
            )
        if mask is not None:
            if not result.mask(mask, **shown)[index].any():
                click.echo(
                    f"Warning: {photo}, {result.method}: the map for {result.targets[index]} "
                    f"nowhere reaches {mask:g} of its maximum, so the masked photo is black.",
                    err=True,
                )
            yield f"mask{number}", result.through_mask(mask, index, photo=True, **shown)
