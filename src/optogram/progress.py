"""Progress of long work, reported to the caller or shown as a bar."""

import html
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from typing import TYPE_CHECKING

from optogram import notebook
from optogram.words import brief

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

Progress = Callable[[int, int, str], None]
"""Called as ``progress(done, total, what)``: units done, units in all, a description."""

ShownProgress = bool | Progress | None
"""What public functions take: whether to show a bar, or a function to call; None: neither."""

_SECONDS = 0.1
"""Least time between two updates of a bar in a notebook."""


def silent(done: int, total: int, what: str) -> None:
    """Ignore progress."""


def reporting(progress: ShownProgress) -> AbstractContextManager[Progress]:
    """The ``progress`` of the work in a block; for True, a `progress_bar` is shown meanwhile."""
    if callable(progress):
        return nullcontext(progress)
    return progress_bar() if progress else nullcontext(silent)


def progress_bar() -> AbstractContextManager[Progress]:
    """A ``progress`` that draws a bar with the time left while a block runs.

    In a notebook the bar is in the output of the cell, and stays; in a terminal it is on standard
    error, and vanishes at the end. Elsewhere there is none.
    """
    return _notebook_bar() if notebook.is_running() else _terminal_bar()


class _Terminal:
    """The bars on standard error: one display in a process, with a line for each bar."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bar: Bar | None = None
        self._users = 0

    def enter(self) -> "Bar":
        """The display, started for the first bar."""
        with self._lock:
            if self._bar is None:
                self._bar = _new_terminal_bar()
                self._bar.start()
            self._users += 1
            return self._bar

    def leave(self) -> None:
        """Stop the display after the last bar."""
        with self._lock:
            self._users -= 1
            if self._bar is not None and not self._users:
                self._bar.stop()
                self._bar = None


_TERMINAL = _Terminal()


def _new_terminal_bar() -> "Bar":
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        BarColumn(),
        TextColumn("{task.percentage:3.0f} %"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.description}", markup=False),
    )
    console = Console(stderr=True)
    return Bar(*columns, console=console, transient=True, disable=not console.is_terminal)


@contextmanager
def _terminal_bar() -> Iterator[Progress]:
    bar = _TERMINAL.enter()
    task = bar.add_task("starting")

    def progress(done: int, total: int, what: str) -> None:
        bar.update(task, completed=done, total=total, description=brief(what))

    try:
        yield progress
    finally:
        bar.remove_task(task)
        _TERMINAL.leave()


class _NotebookBar:
    """What a notebook displays of some work, as HTML or as text."""

    def __init__(self) -> None:
        self.done, self.total, self.what = 0, 1, "starting"
        self._begun = time.monotonic()

    @property
    def _share(self) -> float:
        return min(1.0, self.done / max(1, self.total))

    def __repr__(self) -> str:
        seconds = time.monotonic() - self._begun
        words = [f"{100 * self._share:.0f} %", f"{_clock(seconds)}"]
        if 0 < self._share < 1:
            words.append(f"{_clock(seconds / self._share - seconds)} left")
        return ", ".join([*words, brief(self.what)])

    def _repr_html_(self) -> str:
        return (
            f'<progress value="{self._share:.4f}" max="1" style="width:20em"></progress> '
            f"{html.escape(repr(self))}"
        )


def _clock(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))


@contextmanager
def _notebook_bar() -> Iterator[Progress]:
    bar = _NotebookBar()
    handle = notebook.display(bar)
    due = time.monotonic() + _SECONDS

    def progress(done: int, total: int, what: str) -> None:
        nonlocal due
        bar.done, bar.total, bar.what = done, total, what
        if time.monotonic() >= due:
            handle.update(bar)
            due = time.monotonic() + _SECONDS

    try:
        yield progress
        bar.done, bar.total, bar.what = 1, 1, "done"
    except BaseException:
        bar.what = f"stopped: {bar.what}"
        raise
    finally:
        handle.update(bar)


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
