"""Progress over work that is made of parts."""

from collections.abc import Iterator
from contextlib import contextmanager

from optogram.progress import Progress


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
        start = self._done
        self._progress(start, self._total, what)

        def within(done: int, total: int, _: str) -> None:
            self._progress(start + units * done // total, self._total, what)

        yield within
        self._done = start + units

    def finish(self) -> None:
        """Tell that the whole is done."""
        self._progress(self._total, self._total, "done")
