"""Running work units: in this process, or on a Ray cluster."""

import re
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext

from optogram.arguments import shown
from optogram.errors import InputError
from optogram.jobs.on_ray import Ray, connected, run_on_ray
from optogram.jobs.store import Store
from optogram.jobs.work import WorkUnit, perform
from optogram.network.network import Network


def run(
    units: Sequence[WorkUnit], net: Network, store: Store, on: Ray | None = None
) -> Iterator[int]:
    """Do the units, in any order; yields the count of each as soon as it is done.

    ``on`` is the cluster to use, within `reaching`; None: this process.
    """
    if on is None:
        return (perform(unit, net, store) for unit in units)
    return run_on_ray(units, net, store, on)


def reaching(on: Ray | None) -> AbstractContextManager[None]:
    """In the block, ``on`` can be used in `run`. Raises as `connected`."""
    return nullcontext() if on is None else connected(on)


def cluster_of(on: str | Ray | None) -> Ray | None:
    """What ``on`` stands for: "ray" is a cluster on this machine, an address another.

    An address is ray://HOST:PORT, HOST:PORT on a machine of the cluster, or "auto".

    Raises
    ------
    InputError
        If it is something else.
    """
    if on is None or isinstance(on, Ray):
        return on
    if on == "ray":
        return Ray()
    if isinstance(on, str) and re.fullmatch(r"auto|(ray://)?[\w.\-\[\]:]+:\d+", on):
        return Ray(on)
    raise InputError(f'on must be "ray", "ray://HOST:PORT", a Ray or None, not {shown(on)}.')
