"""Methods that a network has nothing for: no feature maps, or no attention."""

from collections.abc import Iterable

from optogram.errors import InputError
from optogram.methods import OF_A_LAYER, OF_ATTENTION
from optogram.methods.request.attention import attention_stack
from optogram.network.network import Network


def left_out(
    net: Network, names: Iterable[str], size: tuple[int, int] | None = None
) -> dict[str, str]:
    """Those of the methods called ``names`` that cannot explain any class, with the reasons.

    They are left out where all methods are asked for; whoever names one gets the error.
    """
    found = {}
    for name in names:
        try:
            if name in OF_A_LAYER:
                _ = net.default_layer
            elif name in OF_ATTENTION:
                attention_stack(net, size or net.nominal_size, [net.head.logits], name)
        except InputError as error:
            found[name] = str(error)
    return found
