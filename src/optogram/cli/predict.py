"""`optogram predict`: the classes that a network names."""

from typing import Any

import click

from optogram.cli.network import fit_option, model_option, network_options, open_network


@click.command()
@click.argument("photos", nargs=-1, required=True)
@model_option
@click.option("--top", default=5, show_default=True, help="How many classes to name.")
@fit_option
@network_options
def predict(photos: tuple[str, ...], model: str, top: int, fit: str, **opening: Any) -> None:
    """Name the most probable classes of each photo."""
    net = open_network(model, **opening)
    for photo in photos:
        (predictions,) = net.predict(photo, top=top, fit=fit)
        click.echo(photo)
        width = max(len(prediction.label) for prediction in predictions)
        for prediction in predictions:
            click.echo(
                f"  {prediction.probability:7.2%}  {prediction.label:{width}}  "
                f"class {prediction.index}  {prediction.id}".rstrip()
            )
