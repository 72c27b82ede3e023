"""The precision that a network is run in: exact, or rounding otherwise where that is faster."""

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import TypeVar

from optogram.backend import configured, title
from optogram.errors import InputError
from optogram.graph.reduced_precision import BFLOAT16, Reduced, with_reduced_precision
from optogram.graph.steps import Graph, Output
from optogram.interpreters.engine import Computation
from optogram.interpreters.geometry import Geometry
from optogram.interpreters.merging import chains
from optogram.interpreters.windowed.costs import BYTE

EXACT, FAST = "exact", "fast"
PRECISIONS = (EXACT, FAST)

_LEAST_GAIN = 1.04
"""Estimated gain from which normalizations are folded, and further gain for bfloat16."""

_Net = TypeVar("_Net", bound=Computation)


def in_precision(net: _Net, precision: str, size: tuple[int, int]) -> tuple[_Net, str, float]:
    """``net`` for the ``precision``, why it is ``net`` itself if it is, and what is gained.

    Parameters
    ----------
    net : Computation
        The network.
    precision : {"exact", "fast"}
        "fast": large products in bfloat16, where the machine is faster at that, and batch
        normalizations folded into convolutions, if this is estimated to be faster.
    size : (height, width)
        Size of the images.

    Returns
    -------
    (Computation, str, float)
        The network; why it is ``net`` itself where "fast" was asked for; the estimated time of a
        forward pass of ``net`` divided by one of it.

    Raises
    ------
    InputError
        If there is no such precision.
    """
    require_precision(precision)
    if precision == EXACT:
        return net, "", 1.0
    faster = net.backend.bfloat16_gain()
    chosen, best = net, 1.0
    for in_bfloat16 in (False, True) if faster > 1 else (False,):
        other, found = _rounding(net, in_bfloat16)
        estimate = partial(_gain, other, found, net.geometry(size), faster)
        gain = other.plans.get(("gain", size), estimate)
        if gain >= _LEAST_GAIN * best:
            chosen, best = other, gain
    if chosen is not net:
        return chosen, "", best
    reason = (
        f"{net.name!r} has few products that are large enough"
        if faster > 1
        else f"{title(configured())} computes bfloat16 no faster on this machine"
    )
    note = f'precision="fast" is no faster here, so all was computed exactly: {reason}.'
    return net, note, 1.0


def in_rounding(net: _Net, rounding: str) -> _Net:
    """``net`` with a `Graph.rounding`, which `in_precision` chose here or on another machine."""
    return _rounding(net, rounding == BFLOAT16)[0] if rounding else net


def _rounding(net: _Net, in_bfloat16: bool) -> tuple[_Net, Reduced]:
    make = partial(with_reduced_precision, in_bfloat16=in_bfloat16)
    return net.with_graph(("reduced precision", in_bfloat16), make)


def share_between(
    net: Computation, size: tuple[int, int], known: Collection[Output], wanted: Sequence[Output]
) -> float:
    """The estimated share of a forward pass that goes from ``known`` outputs to ``wanted``."""
    work = _work(net.graph, net.geometry(size))
    between = net.graph.ancestors(wanted, known) - net.graph.ancestors(known)
    return sum(work.get(index, 0) for index in between) / sum(work.values())


def require_precision(precision: str, known: tuple[str, ...] = PRECISIONS) -> None:
    """Raise an InputError if ``precision`` is not ``known``."""
    if precision not in known:
        names = " or ".join((", ".join(map(repr, known[:-1])), repr(known[-1])))
        raise InputError(f"precision must be {names}, not {precision!r}.".replace("'", '"'))


def _gain(
    net: Computation, found: Reduced, geometry: Mapping[int, Geometry], faster: float
) -> float:
    """Estimated time of a forward pass in float32, divided by that of ``net``.

    Products are so many times ``faster`` in bfloat16.
    """
    work = _work(found.graph, geometry)
    saved = (1 - 1 / faster) * sum(geometry[index].flops for index in found.products)
    saved += net.backend.folding_saves() * sum(work[index] for index in _folded(net))
    return sum(work.values()) / (sum(work.values()) - saved)


def _work(graph: Graph, geometry: Mapping[int, Geometry]) -> dict[int, float]:
    """Estimated cost of the steps in a forward pass, in floating-point operations."""
    return {
        step.index: geometry[step.index].flops
        + BYTE
        * sum(geometry[index].memory for index in {step.index, *(o.step for o in step.inputs)})
        for step in graph.steps
        if not step.passes_on
    }


def _folded(net: Computation) -> list[int]:
    """The normalizations that are folded into the convolutions before them."""
    graph, wanted = net.graph, [net.head.logits]
    indices = sorted(graph.ancestors(wanted))
    unneeded = graph.last_uses(indices, keep=wanted)
    found = (
        chain for index in indices for chain in chains(graph, graph.steps[index], indices, unneeded)
    )
    return [
        chain.normalization.index
        for chain in found
        if chain.normalization is not None
        and chain.rectifier is None
        and chain.merged(chain.convolution.run) is not None
    ]
