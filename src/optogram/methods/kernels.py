"""Kernels: the weights of a convolution."""

from collections.abc import Sequence
from typing import Any, overload

import keras
import numpy as np

from optogram.arguments import checked
from optogram.errors import InputError
from optogram.graph import layer_types
from optogram.methods.request.request import provenance_of
from optogram.network.network import Network
from optogram.result import Kernels
from optogram.words import with_article


@overload
def kernels(net: Network, layer: str) -> Kernels | Any: ...  # type: ignore[overload-overlap]


@overload
def kernels(net: Network, layer: Sequence[str]) -> dict[str, Kernels]: ...


@checked
def kernels(net: Network, layer: str | Sequence[str]) -> Kernels | dict[str, Kernels] | Any:
    """The kernels of a convolution layer, or of several.

    Gallery: ``docs/gallery/inside_vgg16.py``, ``docs/gallery/clothes.py``.

    Parameters
    ----------
    net : Network
        The network.
    layer : str or sequence of str
        Name of a convolution: plain, transposed, depthwise, or separable (of the last, the
        depthwise kernels are returned). Or several names, or patterns such as "block*_conv1",
        which stand for the convolutions that match; see `Network.layer_names`.

    Returns
    -------
    Kernels, or dict of str to Kernels
        ``values`` (kh, kw, in, out), copies of the weights; for depthwise convolutions, out is
        the number of kernels on each input channel. For a sequence or a pattern, one result per
        layer.

    Raises
    ------
    InputError
        If the layer does not exist or has no two-dimensional kernels.
    """
    names = net.layer_names(layer, layer_types.CONVOLUTIONS_AND_TRANSPOSED)
    if names == [layer]:
        return _kernels(net, names[0])
    return {name: _kernels(net, name) for name in names}


def _kernels(net: Network, layer: str) -> Kernels:
    """The kernels of one layer."""
    found = net[layer]
    if not isinstance(found.operation, layer_types.CONVOLUTIONS_AND_TRANSPOSED):
        convolutions = [
            other.name
            for other in net.layers
            if isinstance(other.operation, layer_types.CONVOLUTIONS_AND_TRANSPOSED)
        ]
        hint = (
            f"the first convolution is {convolutions[0]!r}"
            if convolutions
            else "there is none here"
        )
        raise InputError(f"{layer!r} is not a convolution but {with_article(found.kind)}: {hint}.")
    values = found.weights[0].astype(np.float32)
    if isinstance(found.operation, keras.layers.Conv2DTranspose):
        values = values.swapaxes(2, 3)  # Keras keeps these (kh, kw, out, in)
    return Kernels(
        values=values,
        method="kernels",
        parameters={
            "input": _colors(net, layer),
            "is_depthwise": isinstance(found.operation, layer_types.WITH_DEPTHWISE_KERNELS),
            "groups": getattr(found.operation, "groups", 1),
        },
        provenance=provenance_of(net, (*net.size, net.channels)),
        warnings=net.warnings,
        layer=layer,
    )


def _colors(net: Network, layer: str) -> str:
    """Input channels of ``layer``: "RGB", "BGR", or "maps" of earlier layers."""
    step = net.step(layer)
    # The step before: the layer itself may be the second half of a split one.
    while step.inputs:
        step = net.graph.steps[step.inputs[0].step]
        own_first_half = step.half == "pre" and step.name == f"{layer}:pre"
        keeps_colors = step.passes_on or isinstance(step.operation, layer_types.KEEPING_COLORS)
        if not own_first_half and not keeps_colors:
            return "maps"
    if net.channels != 3:
        return "maps"
    return "BGR" if getattr(net.preparation, "reverse", False) else "RGB"
