"""Kernels: the weights that a convolution slides over its input."""

import keras
import numpy as np

from optogram.errors import InputError
from optogram.methods.request import source_of
from optogram.network.network import Network
from optogram.result import Kernels

_CONVOLUTIONS = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.SeparableConv2D)


def kernels(net: Network, layer: str) -> Kernels:
    """The kernels of a convolution layer.

    Tutorial rows B3 and C2.

    Parameters
    ----------
    net : Network
        What is looked into.
    layer : str
        A convolution: plain, depthwise, or separable (whose depthwise kernels are returned).

    Returns
    -------
    Kernels
        ``values`` (kh, kw, in, out), copies of the weights; for depthwise convolutions, out is
        the number of kernels on each input channel.

    Raises
    ------
    InputError
        If the layer does not exist or has no two-dimensional kernels.
    """
    found = net[layer]
    if not isinstance(found.operation, _CONVOLUTIONS):
        convolutions = [
            other.name for other in net.layers if isinstance(other.operation, _CONVOLUTIONS)
        ]
        hint = (
            f"the first convolution is {convolutions[0]!r}"
            if convolutions
            else "there is none here"
        )
        raise InputError(f"{layer!r} is no convolution but a {found.kind}: {hint}.")
    return Kernels(
        values=found.weights[0].astype(np.float32),
        method="kernels",
        parameters={},
        source=source_of(net, (*net.size, net.channels)),
        warnings=net.notes,
        layer=layer,
    )
