"""The photos given to a command; unreadable ones are skipped."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from optogram.cli.console import complain, say
from optogram.errors import InputError, PhotoError
from optogram.files import kind_at, reading
from optogram.words import counted

if TYPE_CHECKING:
    from optogram.pictures.photo_set import PhotoSet

_SKIPPED = "Skipped: "
"""How warnings about photos that were skipped begin."""


class Photos:
    """Photos by path; a folder stands for the images in it that optogram did not make.

    Attributes
    ----------
    paths : list of str
        Paths of all photos.

    Raises
    ------
    PhotoError, InputError
        If the only photo does not exist, or none of several does, or a folder has no images.
    """

    def __init__(self, named: Sequence[str]) -> None:
        self.paths, own = [], 0
        for name in named:
            if kind_at(Path(name)) == "folder":
                found, count = _in_folder(name)
                self.paths += found
                own += count
            else:
                self.paths.append(name)
        tell_left_out(own)
        for path in self.paths:
            reading(Path(path))
        self._skipped: dict[str, str] = {}
        self._require_files()

    @property
    def skipped(self) -> list[dict[str, str]]:
        """The photos skipped so far, with the reasons, as records."""
        return skipped_records(self._skipped)

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
            if path not in self._skipped:
                complain(f"Skipped: {error}")
            self._skipped[path] = str(error)

    def require_some(self) -> None:
        """Raise an InputError if every photo was skipped."""
        if len(self._skipped) == len(set(self.paths)):
            raise InputError(f"None of the {len(self.paths)} photos can be read.")

    def finish(self) -> None:
        """List the skipped photos and exit with status 1, if there are any."""
        self.require_some()
        end_with_left_out(list(self._skipped), len(self.paths))

    def _require_files(self) -> None:
        """Find out before the network is opened if there is nothing to read."""
        from optogram.pictures.read import require_picture

        for path in self.paths:
            with self.reading(path):
                require_picture(path)
                return
        self.require_some()


def _in_folder(name: str) -> tuple[list[str], int]:
    from optogram.pictures.read import foreign_and_own_pictures

    found, own = foreign_and_own_pictures(name)
    return list(map(str, found)), own


def photos_at(place: str) -> "PhotoSet":
    """The photos in a folder, tar, Parquet or array file; say how many pictures are optogram's."""
    from optogram.pictures.photo_set import PhotoSet

    found = PhotoSet.of(place)
    tell_left_out(found.left_out)
    return found


def pictures_left_in(folder: str) -> list[Path]:
    """The photos in ``folder``, at least one; say how many pictures in it are optogram's own."""
    found, own = _in_folder(folder)
    tell_left_out(own)
    return list(map(Path, found))


def is_store(place: str) -> bool:
    """Whether ``place`` names a Zarr store, not a folder or file: by its name, or what is in it."""
    is_named = "://" in place or place.rstrip("/").endswith(".zarr")
    return is_named or kind_at(Path(place, "zarr.json")) == "file"


def tell_left_out(own: int) -> None:
    """Say that so many pictures in folders are optogram's own, and are no photos."""
    if own:
        verb = "was" if own == 1 else "were"
        say(f"{counted(own, 'picture')} that optogram made {verb} left out.", err=True)


def skipped_records(reasons: "dict[str, str]") -> list[dict[str, str]]:
    """Skipped photos by path, with the reasons, as records for JSON."""
    return [{"photo": path, "reason": reason} for path, reason in reasons.items()]


def skipped_by(result: Any, told: set[str]) -> list[dict[str, str]]:
    """Say which photos a result is without, and add these warnings to ``told``; their records."""
    skips = [warning for warning in result.warnings if warning.startswith(_SKIPPED)]
    for skip in skips:
        complain(skip)
    told.update(skips)
    reasons = (skip.removeprefix(_SKIPPED) for skip in skips)
    return skipped_records(dict(zip(result.unread, reasons, strict=True)))


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
        verb = "was" if len(paths) == 1 else "were"
        head = f"{len(paths)} of {counted(total, 'photo')} {verb} skipped:"
        say(head, *map("  {}".format, paths), err=True)
        raise click.exceptions.Exit(1)
