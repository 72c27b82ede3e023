"""The photos given to a command; unreadable ones are skipped."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, count
from pathlib import Path

import click

from optogram.cli.console import say
from optogram.errors import InputError, PhotoError
from optogram.files import kind_at, reading


class Photos:
    """Photos by path; a folder stands for the images in it.

    Attributes
    ----------
    paths : list of str
        Paths of all photos.
    """

    def __init__(self, named: Sequence[str]) -> None:
        from optogram.pictures.read import pictures_in

        self.paths = [
            str(path)
            for name in named
            for path in (pictures_in(name) if kind_at(Path(name)) == "folder" else [name])
        ]
        for path in self.paths:
            reading(Path(path))
        self._left_out: dict[str, None] = {}

    @contextmanager
    def reading(self, path: str) -> Iterator[None]:
        """Skip the photo at ``path``, with a message, if the block raises a PhotoError.

        A single photo is not skipped: its error is the error of the command.
        """
        try:
            yield
        except PhotoError as error:
            if len(self.paths) == 1:
                raise
            if path not in self._left_out:
                say(f"Skipped: {error}", err=True)
            self._left_out[path] = None

    def require_some(self) -> None:
        """Raise an InputError if every photo was skipped."""
        if len(self._left_out) == len(set(self.paths)):
            raise InputError(f"None of the {len(self.paths)} photos can be read.")

    def finish(self) -> None:
        """List the skipped photos and exit with status 1, if there are any."""
        self.require_some()
        end_with_left_out(list(self._left_out), len(self.paths))


def unique_stems(paths: Sequence[str]) -> Iterator[str]:
    """A unique file name without ending for each photo."""
    taken: set[str] = set()
    for path in paths:
        stem = re.sub(r"[^\w.-]+", "_", Path(path).stem) or "photo"
        names = chain([stem], (f"{stem}-{number}" for number in count(2)))
        found = next(name for name in names if name.casefold() not in taken)
        taken.add(found.casefold())
        yield found


def end_with_left_out(paths: Sequence[str], total: int) -> None:
    """List the photos skipped out of ``total`` and exit with status 1, if there are any."""
    if paths:
        say(f"{len(paths)} of {total} photos were skipped:", *map("  {}".format, paths), err=True)
        raise click.exceptions.Exit(1)
