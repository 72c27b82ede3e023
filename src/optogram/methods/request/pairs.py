"""Layers of two networks that have the same units."""

from collections.abc import Sequence

from optogram.errors import InputError
from optogram.graph.steps import Output
from optogram.methods.request.explained_layer import step_with_maps
from optogram.network.network import Network


def paired_layers(
    net: Network, other: Network, names: Sequence[str], *, is_strict: bool = True
) -> list[tuple[str, str]]:
    """Pairs of layers of two networks that are built alike, with all that they depend on.

    That is: operations of the same kinds, with as many channels. Networks that are built alike as a
    whole are paired step by step, others by the names of layers. With ``is_strict`` a layer
    without a counterpart is an error, else it is left out.

    Raises
    ------
    InputError
        If there is no pair, or a layer has no feature maps.
    """
    by_name = {step.name: step.index for step in other.graph.steps}
    is_alike = _built(net) == _built(other)
    pairs = []
    for name in names:
        index = step_with_maps(net, name).index
        match = index if is_alike else by_name.get(name)
        if match is not None and (is_alike or _built(net, index) == _built(other, match)):
            pairs.append((name, other.graph.steps[match].name))
        elif is_strict:
            raise InputError(
                f"The other network has no layer {name!r} that is built alike, with all layers "
                "before it: compare two layers with unit_correlations."
            )
    if not pairs:
        raise InputError(
            "The networks have no layers of the same name that are built alike, so their units "
            "cannot be compared one by one: compare two layers with unit_correlations."
        )
    return pairs


def _built(net: Network, index: int | None = None) -> list[tuple[str, int | None]]:
    """Kind and number of channels of each step, or of those that one depends on and itself."""
    steps = net.graph.steps
    wanted = None if index is None else {*net.graph.ancestors([Output(index)]), index}
    return [
        (step.kind, step.shape[-1] if step.shape else None)
        for step in steps
        if wanted is None or step.index in wanted
    ]
