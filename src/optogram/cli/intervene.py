"""`optogram intervene`: class scores before and after a change of channels."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from optogram.arguments import as_float, shown
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
from optogram.cli.options.parsing import class_label, number_or_word, numbers
from optogram.cli.photos import Photos, unique_stems
from optogram.cli.records import Records
from optogram.words import brief

if TYPE_CHECKING:
    from pathlib import Path

    from optogram.methods.intervening.changes import Change
    from optogram.network.network import Network
    from optogram.result import Intervention
    from optogram.target import Filter

_COLUMNS = (
    "photo", "rank", "index", "id", "label", "probability_before", "probability_after",
    "score_before", "score_after", "target", "target_before", "target_after", "picture", "arrays",
    "error",
)  # fmt: skip

Asked = tuple[str, str, float]
"""What is done ("set", "scale" or "shift"), where, as LAYER or LAYER:FILTERS, and a number."""


def _asked(kind: str, given: tuple[str, ...]) -> tuple[Asked, ...]:
    """The changes in texts such as "conv1:0-9,17=0" or "conv1=2"."""
    found = []
    for text in given:
        place, is_there, written = text.rpartition("=")
        value = number_or_word(written)
        if not (is_there and place.strip()) or as_float(value) is None:
            raise click.BadParameter(
                f"{shown(text)} is not LAYER:FILTERS=VALUE or LAYER=VALUE with a finite number, "
                'such as "conv1:7=0".'
            )
        found.append((kind, place, float(value)))
    return tuple(found)


def _change_option(kind: str, words: str) -> Any:
    return click.option(
        f"--{kind}",
        f"{kind}_maps",
        metavar="LAYER:FILTERS=VALUE",
        multiple=True,
        callback=lambda context, option, given: _asked(kind, given),
        help=f"{words}; repeatable.",
    )


@click.command()
@click.argument("photos", nargs=-1, required=True)
@model_option
@_change_option(
    "set",
    "Set the maps of filters to a value, as in block5_conv3:7=0 or block5_conv3:0-9,17=0; without "
    "numbers, as in block5_conv3=0, all maps of the layer, or of layers by a pattern",
)
@_change_option("scale", "Multiply maps by a value, as in block5_conv3:7=2")
@_change_option("shift", "Add a value to maps, as in block5_conv3:7=-1.5, after --scale")
@click.option(
    "--target",
    "targets",
    metavar="CLASS",
    help="Class whose score is printed too: number, name or WordNet id.  [default: the most "
    "probable class of each photo before the change]",
)
@click.option(
    "--top",
    type=click.IntRange(1),
    default=5,
    show_default=True,
    help="Number of classes that are shown: those whose probabilities change most.",
)
@click.option(
    "--out",
    metavar="DIR",
    help="Folder for PHOTO-intervention.png, the bars, and PHOTO-intervention.npz, the arrays, for "
    "optogram.load_result.  [default: nothing is written]",
)
@fit_option
@memory_option
@network_options
@output_options
def intervene(
    photos: tuple[str, ...],
    model: str,
    set_maps: tuple[Asked, ...],
    scale_maps: tuple[Asked, ...],
    shift_maps: tuple[Asked, ...],
    targets: str | None,
    top: int,
    out: str | None,
    fit: str,
    memory: str | None,
    **opening: Any,
) -> None:
    """Show what filters cause: class scores of PHOTOS before and after a change of feature maps.

    Give at least one of --set, --scale and --shift, for one or several layers. All layers after
    them are computed from the changed maps. Photos that cannot be read are skipped and listed on
    standard error; the exit status is then 1.
    """
    asked = (*set_maps, *scale_maps, *shift_maps)
    if not asked:
        raise click.UsageError(
            "Say which filters are changed, and how: --set, --scale or --shift, such as --set "
            "block5_conv3:7=0."
        )
    if out is not None:
        require_folder(out)
    given = Photos(photos)
    net = open_network(model, **opening)
    import optogram
    from optogram.files import require_place
    from optogram.progress import Meter
    from optogram.render import write

    changes = _changes(net, asked)
    folder, stems = None if out is None else made_folder(out), list(unique_stems(given.paths))
    files: dict[str, list[Path]] = {stem: [] for stem in stems}
    if folder is not None:
        for stem in stems:
            files[stem] = [folder / f"{stem}-intervention.{ending}" for ending in ("png", "npz")]
            for file in files[stem]:
                require_place(file)
    target = None if targets is None else optogram.Class(class_label(targets))
    records, found, described = Records(*_COLUMNS), [], list[str]()
    with shown_progress() as progress:
        meter = Meter(progress, len(given.paths))
        for path, stem in zip(given.paths, stems, strict=True):
            with given.reading(path):
                image, told = net.prepare([path], fit), set(net.warnings)
                with meter.part(1, stem) as within:
                    result = optogram.intervene(
                        net, image, changes, target, memory=memory, progress=within
                    )
                warn(stem, result, told)
                described = list(result.changes)
                if files[stem]:
                    write(result.plot(top=min(top, 100)), files[stem][0])
                    result.save(files[stem][1])
                classes = _classes(net, result, top)
                facts = {
                    "target": result.targets[0],
                    "target_before": result.target_before[0],
                    "target_after": result.target_after[0],
                }
                cells = dict(zip(("picture", "arrays"), files[stem], strict=False))
                for rank, one in enumerate(classes, 1):
                    records.row(photo=path, rank=rank, **one, **facts, **cells)
                facts |= {"target_unit": result.target_unit, "warnings": result.warnings}
                found.append({"photo": path, **facts, "classes": classes, "files": files[stem]})
                lines = result.summary(top=top).splitlines()[len(result.changes) :]
                say(
                    f"{path}: {'; '.join(map(brief, described))}",
                    *lines,
                    *(f"  {file}" for file in files[stem]),
                )
    given.require_some()
    for skipped in given.skipped:
        records.row(photo=skipped["photo"], error=skipped["reason"])
    records.finish(net, changes=described, photos=found, skipped=given.skipped)
    given.finish()


def _changes(net: "Network", asked: tuple[Asked, ...]) -> "dict[Filter | str, Change]":
    """The changes for `intervene`; filters of a layer that are changed alike are one of them."""
    from optogram import Change, Filter

    parts: dict[tuple[str, int | None], dict[str, float]] = {}
    for kind, place, value in asked:
        for layer, channel in _places(net, place):
            own = parts.setdefault((layer, channel), {})
            if kind in own or (own and "set" in (kind, *own)):
                where = layer if channel is None else f"{layer}:{channel}"
                raise click.UsageError(
                    f"{where} has two values: give --set alone, or --scale and --shift once each."
                )
            own[kind] = value
    alike: dict[tuple[str, Change], list[int | None]] = {}
    for (layer, channel), own in parts.items():
        scale = 0.0 if "set" in own else own.get("scale", 1.0)
        change = Change(scale, own.get("set", own.get("shift", 0.0)))
        alike.setdefault((layer, change), []).append(channel)
    found: dict[Filter | str, Change] = {}
    for (layer, change), channels in alike.items():
        if None in channels:
            found[layer] = change
        some = [channel for channel in channels if channel is not None]
        if some:
            found[Filter(layer, some if len(some) > 1 else some[0])] = change
    return found


def _places(net: "Network", place: str) -> Iterator[tuple[str, int | None]]:
    """The layers, and their channels, or None for all of them, that LAYER:FILTERS stands for."""
    match = re.fullmatch(r"(.+):([\d\s,-]+)", place)
    if match is None or any(step.name == place for step in net.graph.steps):
        for layer in net.layer_names(place):
            yield layer, None
        return
    for layer in net.layer_names(match[1]):
        shape = net.step(layer).shape
        # A layer without channels is refused by the library.
        for channel in numbers(match[2], shape[-1], layer) if shape[1:] and shape[-1] else [0]:
            yield layer, channel


def _classes(net: "Network", result: "Intervention", top: int) -> list[dict[str, Any]]:
    """The classes whose probabilities change most, for programs."""
    found = []
    for index in result.strongest(top)[0].tolist():
        one = {"index": index, "id": net.labels.ids[index], "label": net.labels.names[index]}
        for when in ("before", "after"):
            one[f"probability_{when}"] = getattr(result, f"probabilities_{when}")[
                0, ..., index
            ].mean()
        for when in ("before", "after"):
            scores = getattr(result, f"scores_{when}")[0]
            # One sigmoid output stands for two classes.
            of = np.concatenate([-scores, scores], -1) if net.head.is_binary else scores
            one[f"score_{when}"] = of[..., index].mean()
        found.append(one)
    return found
