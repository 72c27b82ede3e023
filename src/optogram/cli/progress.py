"""A progress bar with the time left."""

from collections.abc import Iterator
from contextlib import contextmanager

from optogram.progress import Progress
from optogram.words import brief


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """A ``progress`` callable that draws a bar on standard error while the block runs."""
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
    with Bar(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("starting")

        def progress(done: int, total: int, what: str) -> None:
            bar.update(task, completed=done, total=total, description=brief(what))

        yield progress
