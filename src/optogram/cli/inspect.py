"""`optogram inspect`: the layers of a network."""

import math
from typing import TYPE_CHECKING, Any

import click

from optogram.cli.console import say
from optogram.cli.options.network import DEFAULT, network_options, open_network
from optogram.cli.options.output import output_options
from optogram.cli.records import Records

if TYPE_CHECKING:
    from optogram.network.layer import Layer

_FACTS = ("name", "kind", "output_shape", "parameters", "trainable", "flops", "memory")
_WINDOW = ("field_height", "field_width", "stride_y", "stride_x", "offset_y", "offset_x")


@click.command()
@click.argument("model", default=DEFAULT)
@click.option(
    "--layer",
    metavar="NAME",
    help="Show only this layer: its configuration and the shapes of its weights.",
)
@network_options
@output_options
def inspect(model: str, layer: str | None, **opening: Any) -> None:
    """List the layers of MODEL: output shapes, parameters, FLOPs and receptive fields.

    MODEL is a name or a .keras or .h5 file. Default: the embedded network.
    """
    net = open_network(model, **opening)
    layers = net.layers if layer is None else (net[layer],)
    records = Records(*_FACTS, *_WINDOW)
    for each in layers:
        field = each.receptive_field
        window = zip(_WINDOW, (*field.size, *field.stride, *field.offset), strict=True)
        records.row(**_facts(each), **dict(window))
    if layer is None:
        say(*net.summary().split("\n"))
        records.finish(
            net,
            input_shape=(*net.size, net.channels),
            preprocess=net.preparation.name,
            classes=net.head.classes,
            parameters=sum(math.prod(weight.shape) for weight in net.model.weights),
            layers=list(map(_record, layers)),
        )
        return
    (found,) = layers
    for name in _FACTS:
        say(f"{name}: {getattr(found, name)}")
    field, weights = found.receptive_field, [weight.shape for weight in found.weights]
    say(f"receptive field: size {field.size}, stride {field.stride}, offset {field.offset}")
    say(f"weights: {', '.join('×'.join(map(str, shape)) for shape in weights) or 'none'}")
    for key, setting in found.config.items():
        say(f"config {key}: {setting}")
    records.finish(net, layer={**_record(found), "weights": weights, "config": found.config})


def _facts(layer: "Layer") -> dict[str, Any]:
    return {name: getattr(layer, name) for name in _FACTS}


def _record(layer: "Layer") -> dict[str, Any]:
    """One layer for JSON; sizes of a receptive field of the whole image are null."""
    field = layer.receptive_field
    window = {"size": field.size, "stride": field.stride, "offset": field.offset}
    return {**_facts(layer), "receptive_field": window}
