"""The precision that a network is run in: exact, or bfloat16 where that is faster."""

from collections.abc import Mapping
from typing import TypeVar

from optogram.backend import configured, title
from optogram.errors import InputError
from optogram.graph.reduced_precision import Reduced, with_reduced_precision
from optogram.interpreters.engine import Computation
from optogram.interpreters.geometry import Geometry
from optogram.interpreters.windowed.costs import BYTE

EXACT, FAST = "exact", "fast"
PRECISIONS = (EXACT, FAST)

_LEAST_GAIN = 1.04
"""Estimated gain from which bfloat16 is used."""

_Net = TypeVar("_Net", bound=Computation)


def in_precision(net: _Net, precision: str, size: tuple[int, int]) -> tuple[_Net, str]:
    """``net`` for the ``precision``, and why it is ``net`` itself where "fast" was asked for.

    Parameters
    ----------
    net : Computation
        The network.
    precision : {"exact", "fast"}
        "fast": large products in bfloat16, if this is estimated to be faster.
    size : (height, width)
        Size of the images.

    Raises
    ------
    InputError
        If there is no such precision.
    """
    require_precision(precision)
    if precision == EXACT:
        return net, ""
    faster = net.backend.bfloat16_gain()
    reason = f"{title(configured())} computes bfloat16 no faster on this machine"
    if faster > 1:
        other, found = net.with_graph("reduced precision", with_reduced_precision)
        if _gain(found, net.geometry(size), faster) >= _LEAST_GAIN:
            return other, ""
        reason = f"{net.name!r} has few products that are large enough"
    return net, f'precision="fast" is no faster here, so all was computed exactly: {reason}.'


def require_precision(precision: str, known: tuple[str, ...] = PRECISIONS) -> None:
    """Raise an InputError if ``precision`` is not ``known``."""
    if precision not in known:
        names = " or ".join((", ".join(map(repr, known[:-1])), repr(known[-1])))
        raise InputError(f"precision must be {names}, not {precision!r}.".replace("'", '"'))


def _gain(found: Reduced, geometry: Mapping[int, Geometry], faster: float) -> float:
    """Estimated time of a forward pass in float32, divided by that with reduced precision.

    Products are so many times ``faster`` in bfloat16.
    """
    work = {
        step.index: geometry[step.index].flops
        + BYTE
        * sum(geometry[index].memory for index in {step.index, *(o.step for o in step.inputs)})
        for step in found.graph.steps
        if not step.passes_on
    }
    saved = (1 - 1 / faster) * sum(geometry[index].flops for index in found.products)
    return sum(work.values()) / (sum(work.values()) - saved)
