"""Lists of photos: a folder, or a sequence, with a name for each."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from optogram.errors import InputError
from optogram.pictures.photo_files import photo_names
from optogram.pictures.read import pictures_in


def listed_photos(photos: Any) -> tuple[tuple[str, ...], Sequence[Any]]:
    """The names of the photos, and what to open for each."""
    if isinstance(photos, str | os.PathLike):
        found = pictures_in(photos)
        return tuple(map(str, found)), found
    is_many = isinstance(photos, Sequence | np.ndarray) and getattr(photos, "ndim", 1) != 0
    if not is_many or not len(photos):
        raise InputError("Expected a folder or a list of photos, with at least one in it.")
    names = photo_names(photos)
    if len(set(names)) < len(names):
        raise InputError("A photo is named twice in the list: name each once.")
    return tuple(names), photos
