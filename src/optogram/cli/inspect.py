"""`optogram inspect`: the layers of a network."""

from typing import Any

import click

from optogram.cli.console import say
from optogram.cli.options.network import DEFAULT, network_options, open_network


@click.command()
@click.argument("model", default=DEFAULT)
@click.option(
    "--layer",
    metavar="NAME",
    help="Show only this layer: its configuration and the shapes of its weights.",
)
@network_options
def inspect(model: str, layer: str | None, **opening: Any) -> None:
    """List the layers of MODEL: output shapes, parameters, FLOPs and receptive fields.

    MODEL is a name or a .keras or .h5 file. Default: the embedded network.
    """
    net = open_network(model, **opening)
    if layer is None:
        say(*net.summary().split("\n"))
        return
    found = net[layer]
    for name in ("name", "kind", "output_shape", "parameters", "trainable", "flops", "memory"):
        say(f"{name}: {getattr(found, name)}")
    field = found.receptive_field
    say(f"receptive field: size {field.size}, stride {field.stride}, offset {field.offset}")
    say(f"weights: {', '.join('×'.join(map(str, w.shape)) for w in found.weights) or 'none'}")
    for key, setting in found.config.items():
        say(f"config {key}: {setting}")
