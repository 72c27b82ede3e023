"""What work units would take, by this machine's measured rate."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

WORKERS = (1, 10, 100, 1000)
"""Numbers of workers for which the time is told."""


@dataclass(frozen=True)
class Estimate:
    """What one part of long work would take.

    Attributes
    ----------
    part : str
        What it is, such as "patterns", or the name of a method.
    units : int
        Work units that are left.
    items : int
        Photos, or units of the network, in them.
    flops : float
        Multiplications and additions.
    stored : float
        Bytes in the store, before compression.
    seconds : float
        Time of one worker like this process.
    """

    part: str
    units: int
    items: int
    flops: float
    stored: float
    seconds: float

    def seconds_with(self, workers: int) -> float:
        """Time of so many workers: no fewer than that of one work unit."""
        rounds = -(-self.units // workers)
        return self.seconds * rounds / max(1, self.units)


def seconds_of(compute: Callable[[], Any], repeat: bool = True) -> float:
    """The time of a call; with ``repeat``, of the second one, when the program is compiled."""
    if repeat:
        compute()
    begun = time.monotonic()
    compute()
    return time.monotonic() - begun
