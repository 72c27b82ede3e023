"""`optogram predict`: the most probable classes."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from optogram.cli.console import say, shown_progress
from optogram.cli.options.attribution import memory_option, warn
from optogram.cli.options.network import fit_option, model_option, network_options, open_network
from optogram.cli.options.output import output_options
from optogram.cli.options.precision import precision_options
from optogram.cli.photos import Photos
from optogram.cli.records import Records
from optogram.words import brief

if TYPE_CHECKING:
    from optogram.network.network import Network, Prediction

_LABEL = 60  # characters
_BATCH, _BYTES = 32, 1 << 26
"""Photos, and bytes of prepared photos, that are kept for one prediction."""
_UNCOMPILED = 4
"""With more photos, compiling the program takes less time than it saves."""


@click.command()
@click.argument("photos", nargs=-1, required=True)
@model_option
@click.option(
    "--top", type=click.IntRange(1), default=5, show_default=True, help="Number of classes."
)
@fit_option
@precision_options
@memory_option
@network_options
@output_options
def predict(
    photos: tuple[str, ...],
    model: str,
    top: int,
    fit: str,
    precision: str,
    memory: str | None,
    **opening: Any,
) -> None:
    """Print the most probable classes of PHOTOS (files or folders).

    Photos that cannot be read are skipped and listed on standard error; the exit status is then 1.
    """
    given = Photos(photos)
    net = open_network(model, **opening)
    records = Records("photo", "rank", "index", "id", "label", "probability", "error")
    found = []
    predicted = _predicted(net, given, top, fit, precision, memory)
    with shown_progress() as progress:
        for number, (path, predictions) in enumerate(predicted, 1):
            progress(number, len(given.paths), "photos")
            say(path, *_lines(predictions))
            for rank, prediction in enumerate(predictions, 1):
                records.row(photo=path, rank=rank, **prediction._asdict())
            found.append({"photo": path, "classes": [p._asdict() for p in predictions]})
    given.require_some()
    for skipped in given.skipped:
        records.row(photo=skipped["photo"], error=skipped["reason"])
    records.finish(net, photos=found, skipped=given.skipped)
    given.finish()


def _predicted(
    net: "Network", given: Photos, top: int, fit: str, precision: str, memory: str | None
) -> "Iterator[tuple[str, list[Prediction]]]":
    """The path and the predictions of each photo, in order; photos of one size in batches."""
    told = set(net.warnings)
    paths: list[str] = []
    batch: list[np.ndarray] = []

    if len(given.paths) <= _UNCOMPILED:
        net = net.uncompiled()

    def answers() -> "Iterator[tuple[str, list[Prediction]]]":
        found = net.predict(np.concatenate(batch), top, precision=precision, memory=memory)
        yield from zip(paths, found, strict=True)

    for path in given.paths:
        x = None
        with given.reading(path):
            photo = net.prepare([path], fit)
            warn(path, photo, told)
            x = np.array(photo)  # a copy, so that no decoded photo is kept
        if x is None:
            continue
        room = min(_BATCH, max(1, _BYTES // x.nbytes))
        if batch and (len(batch) >= room or batch[0].shape != x.shape):
            yield from answers()
            paths, batch = [], []
        paths.append(path)
        batch.append(x)
    if batch:
        yield from answers()


def _lines(predictions: "list[Prediction]") -> list[str]:
    """A line for each prediction; a class without a name is not named twice."""
    labels = [brief(p.label, _LABEL) for p in predictions]
    width = max(map(len, labels))
    numbers = [f"class {prediction.index}" for prediction in predictions]
    return [
        f"  {p.probability:7.2%}  {label:{width}}  "
        f"{number if number != p.label else ''}  {p.id}".rstrip()
        for p, label, number in zip(predictions, labels, numbers, strict=True)
    ]
