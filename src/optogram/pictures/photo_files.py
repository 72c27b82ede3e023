"""Photos in files of their own, or in memory: a folder, or a list."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optogram.errors import InputError
from optogram.pictures.photo_arrays import chosen, mark_of_content
from optogram.pictures.read import foreign_and_own_pictures


@dataclass(frozen=True, eq=False)
class FolderPhotos:
    """The photos of a folder and its subfolders, by their paths in it.

    Attributes
    ----------
    folder : str
        The folder.
    names : list of str
        Paths of the photos in it, with "/" between folders.
    labels : list of str or None
        The subfolder of each photo, which names its class; None if photos lie in the folder itself.
    left_out : int
        Number of pictures in it that optogram made.
    """

    folder: str
    names: list[str]
    labels: list[str] | None
    left_out: int = 0

    @classmethod
    def of(cls, folder: str) -> "FolderPhotos":
        """The photos as `foreign_and_own_pictures` finds them."""
        root = Path(folder)
        found, own = foreign_and_own_pictures(root)
        above = len(root.parts)
        names = ["/".join(path.parts[above:]) for path in found]
        split = (name.partition("/") for name in names)
        tops: dict[str, str] = {}  # one text for all photos of a class
        labels = [tops.setdefault(top, top) for top, inside, _ in split if inside]
        return cls(folder, names, labels if len(labels) == len(names) else None, own)

    def part(self, numbers: Sequence[int]) -> "FolderPhotos":
        """Some of the photos."""
        names, labels = chosen(self.names, numbers), self.labels
        return FolderPhotos(self.folder, names, None if labels is None else chosen(labels, numbers))

    def source(self, index: int) -> Path:
        """The path of a photo."""
        return Path(self.folder, self.names[index])

    def mark(self, index: int) -> str:
        """The size of its file in bytes; "" if there is none."""
        return _size(self.source(index))


@dataclass(frozen=True, eq=False)
class ListedPhotos:
    """The photos of a list, as `Network.prepare` takes them.

    Attributes
    ----------
    sources : sequence
        The photos.
    names : list of str
        The path of each, or "photo 3" for those that have none.
    labels : None
        A list has no labels.
    """

    sources: Sequence[Any]
    names: list[str]
    labels: None = None

    @classmethod
    def of(cls, photos: Sequence[Any]) -> "ListedPhotos":
        """The photos of a list with at least one.

        Raises
        ------
        InputError
            If a photo is named twice.
        """
        names = photo_names(photos)
        if len(set(names)) < len(names):
            raise InputError("A photo is named twice in the list: name each once.")
        return cls(photos, names)

    def part(self, numbers: Sequence[int]) -> "ListedPhotos":
        """Some of the photos."""
        return ListedPhotos(chosen(self.sources, numbers), chosen(self.names, numbers))

    def source(self, index: int) -> Any:
        """A photo."""
        return self.sources[index]

    def mark(self, index: int) -> str:
        """The size of a file in bytes, or a digest of what is in memory; "" if unreadable."""
        source = self.sources[index]
        if isinstance(source, str | os.PathLike):
            return _size(Path(os.fsdecode(source)))
        return mark_of_content(source)


def photo_names(photos: Sequence[Any], first: int = 0) -> list[str]:
    """The names of photos, of which ``first`` is the number of the first."""
    return [
        str(photo) if isinstance(photo, str | os.PathLike) else f"photo {i}"
        for i, photo in enumerate(photos, first)
    ]


def _size(path: Path) -> str:
    try:
        return str(path.stat().st_size)
    except (OSError, ValueError):
        return ""
