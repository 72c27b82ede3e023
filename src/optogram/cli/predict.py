"""`optogram predict`: the most probable classes."""

from typing import Any

import click

from optogram.cli.console import say
from optogram.cli.options.network import fit_option, model_option, network_options, open_network
from optogram.cli.photos import Photos
from optogram.words import brief

_LABEL = 60  # characters


@click.command()
@click.argument("photos", nargs=-1, required=True)
@model_option
@click.option("--top", default=5, show_default=True, help="Number of classes.")
@fit_option
@network_options
def predict(photos: tuple[str, ...], model: str, top: int, fit: str, **opening: Any) -> None:
    """Print the most probable classes of PHOTOS (files or folders).

    Photos that cannot be read are skipped and listed on standard error; the exit status is then 1.
    """
    net = open_network(model, **opening)
    given = Photos(photos)
    for path in given.paths:
        with given.reading(path):
            (predictions,) = net.predict(path, top=top, fit=fit)
            labels = [brief(p.label, _LABEL) for p in predictions]
            width = max(map(len, labels))
            rows = [
                f"  {prediction.probability:7.2%}  {label:{width}}  "
                f"class {prediction.index}  {prediction.id}".rstrip()
                for prediction, label in zip(predictions, labels, strict=True)
            ]
            say(path, *rows)
    given.finish()
