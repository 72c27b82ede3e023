"""All outputs of a model for one image, by name."""

from functools import cached_property

import numpy as np

from optogram.network.network import Network


class Outputs(dict[str, np.ndarray]):
    """The outputs of the model of a network for one image, by name, each computed when first read.

    Parameters
    ----------
    net : Network
        The network, which explains one of these outputs.
    x : ndarray of shape (1, H, W, C)
        The image, in network units.
    """

    def __init__(self, net: Network, x: np.ndarray) -> None:
        super().__init__()
        self.net, self.x = net, x

    def __missing__(self, name: str) -> np.ndarray:
        net = opened_for(self.net, name)
        (found,) = net.evaluate(self.x, net.graph.outputs)
        self[name] = found.astype(np.float32)  # NumPy has no bfloat16
        return self[name]

    @cached_property
    def logits(self) -> np.ndarray:
        """The logits of the output that is explained, (outputs,), or (..., outputs)."""
        return self.net.scores(self.x)[0]


def opened_for(net: Network, output: str) -> Network:
    """The same model, opened for the output of that name; it is kept with the network.

    Raises
    ------
    InputError
        If there is no such output.
    """
    if output == net.choices["output"]:
        return net
    input, fixed = net.choices["input"], net.choices["fixed"]

    def opened() -> Network:
        return Network(net.model, net.preparation, input=input, fixed=fixed, output=output)

    return net.plans.get(("output", output), opened)
