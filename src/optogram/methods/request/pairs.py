"""Layers of two networks that have the same units."""

from collections.abc import Sequence

from optogram.errors import InputError
from optogram.network.network import Network
from optogram.words import counted


def paired_layers(
    net: Network, other: Network, names: Sequence[str], *, is_strict: bool = True
) -> list[tuple[str, str]]:
    """Pairs of layers of two networks with the same units.

    Networks of the same steps are paired step by step, others by the names of layers. With
    ``is_strict`` a layer without a counterpart is an error, else it is left out.

    Raises
    ------
    InputError
        If there is no pair, or a layer has no feature maps.
    """
    for name in names:
        if len(net.step(name).shape) != 4:
            raise InputError(
                f"{name!r} has no feature maps, its output has the shape {net.step(name).shape}: "
                "choose layers before the maps are flattened or averaged."
            )
    steps, others = net.graph.steps, other.graph.steps
    is_alike = [(s.kind, s.shape) for s in steps] == [(s.kind, s.shape) for s in others]
    by_name = {step.name: step for step in others}
    pairs = []
    for name in names:
        step = net.step(name)
        match = others[step.index] if is_alike else by_name.get(name)
        if match is not None and match.shape[-1:] == step.shape[-1:] and len(match.shape) == 4:
            pairs.append((name, match.name))
        elif is_strict:
            raise InputError(
                f"The other network has no layer {name!r} with "
                f"{counted(step.shape[-1] or 0, 'unit')}: compare two layers with "
                "unit_correlations."
            )
    if not pairs:
        raise InputError(
            "The networks have no layers with the same name and number of units, so their units "
            "cannot be compared one by one: compare two layers with unit_correlations."
        )
    return pairs
