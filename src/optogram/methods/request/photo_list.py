"""Photos that are read by number, with a name for each."""

from typing import Any

from optogram.pictures.photo_set import PhotoSet


def listed_photos(photos: Any) -> tuple[tuple[str, ...], PhotoSet]:
    """The names of the photos, paths of those in a folder, and the photos.

    Raises
    ------
    InputError
        As `PhotoSet.of`.
    """
    found = PhotoSet.of(photos)
    return tuple(found.paths or found.names), found
