"""How long work tells its caller how far it is."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Progress = Callable[[int, int, str], None]
"""Called as ``progress(done, total, what)``: units done, units in all, a description."""


def silent(done: int, total: int, what: str) -> None:
    """Report nothing: what stands in where the caller gave no ``progress``."""


def continued(progress: Progress, before: int, total: int) -> Progress:
    """What is told of the progress of a part of ``total`` units, ``before`` of which are done."""

    def told(done: int, _: int, what: str) -> None:
        progress(before + done, total, what)

    return told


class Meter:
    """Turns the progress of parts into the progress of the whole, which never goes back.

    Parameters
    ----------
    progress : callable
        Told of the whole.
    total : int
        The units of all parts together.
    """

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress = progress
        self._total = total
        self._done = 0

    @contextmanager
    def part(self, units: int, what: str) -> Iterator[Progress]:
        """Work worth ``units``, called ``what``; yields what is told of the progress within it."""
        start = told = self._done
        self._progress(start, self._total, what)

        def within(done: int, total: int, _: str) -> None:
            nonlocal told
            told = max(told, start + units * done // total)  # a total may grow
            self._progress(told, self._total, what)

        yield within
        self._done = start + units

    def finish(self) -> None:
        """Tell that the whole is done."""
        self._progress(self._total, self._total, "done")
