"""True classes of the photos of a report: from folders, a table, or a sequence."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from optogram.arguments import as_index
from optogram.errors import InputError
from optogram.methods.request.truth import table_rows
from optogram.network.network import Network
from optogram.reporting.photos import Photo


def true_classes(net: Network, photos: Sequence[Photo], truth: Any) -> list[int | None]:
    """The index of the true class of each photo; None where it is unknown.

    Raises
    ------
    InputError
        If ``truth`` does not fit the photos or the classes of the network.
    """
    if truth is None or truth is False:
        return [None] * len(photos)
    net.require_class_scores()
    if truth is True:
        return [_of_folder(net, photo) for photo in photos]
    if isinstance(truth, str | os.PathLike):
        return _of_table(net, photos, Path(os.fsdecode(truth)))
    try:
        labels = list(truth)
    except TypeError as error:
        raise InputError("truth must be True, a CSV file, or one class for each photo.") from error
    if len(labels) != len(photos):
        raise InputError(f"Got {len(photos)} photos and {len(labels)} true classes: give one each.")
    return [_class(net, label) for label in labels]


def _class(net: Network, label: Any) -> int:
    index = as_index(label)
    return net.class_index(str(label) if index is None else index)


def _class_of_text(net: Network, text: str) -> int:
    """A class by name, WordNet id or number."""
    return net.class_index(int(text) if text.isascii() and text.isdigit() else text)


def _of_folder(net: Network, photo: Photo) -> int:
    if photo.path is None:
        raise InputError(
            f"{photo.name} is in no folder: give its true class in a sequence, one per photo."
        )
    folder = Path(photo.path).parent.name
    try:
        return _class_of_text(net, folder)
    except InputError as error:
        raise InputError(
            f"The folder {folder!r} of {photo.name} is no class of the network: {error}"
        ) from error


def _of_table(net: Network, photos: Sequence[Photo], table: Path) -> list[int | None]:
    """Labels by path, relative to the table; a name alone stands for every photo of that name."""
    rows = table_rows(table)
    by_path: dict[str, str] = {str((table.parent / name).absolute()): label for name, label in rows}
    by_name: dict[str, set[str]] = {}
    for name, label in rows:
        if Path(name).name == name:
            by_name.setdefault(name, set()).add(label)
    found: list[int | None] = []
    for photo in photos:
        named = by_name.get(photo.name, set())
        own = None if photo.path is None else by_path.get(photo.path)
        known = next(iter(named), None) if own is None and len(named) < 2 else own
        found.append(None if known is None else _class_of_text(net, known))
    if all(index is None for index in found):
        raise InputError(
            f"{table.name} has no row for any of the photos, such as {photos[0].name}."
        )
    return found
