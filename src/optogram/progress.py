"""Progress of long work, reported to the caller."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Progress = Callable[[int, int, str], None]
"""Called as ``progress(done, total, what)``: units done, units in all, a description."""


def silent(done: int, total: int, what: str) -> None:
    """Ignore progress; the default of ``progress``."""


def continued(progress: Progress, before: int, total: int) -> Progress:
    """The ``progress`` of a part of ``total`` units, with ``before`` units already done."""

    def told(done: int, _: int, what: str) -> None:
        progress(before + done, total, what)

    return told


def while_going_on(progress: Progress, done: int, total: int, what: str) -> Progress:
    """The ``progress`` of the work within one unit: reports that ``done`` units are done so far.

    Callers can stop the work within a unit; the end of the unit is not reported here.
    """

    def told(within: int, all_within: int, _: str) -> None:
        if within < all_within:
            progress(done, total, what)

    return told


class Meter:
    """Combines the progress of parts to monotonic progress of the whole.

    Parameters
    ----------
    progress : callable
        Called for the whole work.
    total : int
        Total units of all parts.
    """

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress = progress
        self._total = total
        self._done = 0

    @contextmanager
    def part(self, units: int, what: str) -> Iterator[Progress]:
        """A part of ``units`` units called ``what``; yields the ``progress`` of that part."""
        start = told = self._done
        self._progress(start, self._total, what)

        def within(done: int, total: int, _: str) -> None:
            nonlocal told
            told = max(told, start + units * done // total)  # a total may grow
            self._progress(told, self._total, what)

        yield within
        self._done = start + units

    def finish(self) -> None:
        """Report that all work is done."""
        self._progress(self._total, self._total, "done")
