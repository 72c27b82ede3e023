"""The label of each photo: from folders, a table, or a sequence."""

import csv
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from optogram.arguments import as_index
from optogram.errors import InputError
from optogram.files import kind_at, reading
from optogram.network.labels import numbered
from optogram.pictures.photo_set import PhotoSet
from optogram.pictures.prepared import is_prepared
from optogram.pictures.read import pictures_in

if TYPE_CHECKING:
    from optogram.network.network import Network

_PHOTO = ("photo", "file", "filename", "file_name", "path", "filepath", "image", "image_id", "name")
_LABEL = ("label", "class", "class_name", "truth", "target", "category", "y", "species")
_LARGEST_TABLE = 100_000_000  # bytes
_NAMED = 3
_FOLDERS = "folders"


@dataclass(frozen=True, eq=False)
class Labeled:
    """Photos with their labels.

    Attributes
    ----------
    names : tuple of str
        Names of the photos: relative to the folder, or numbers.
    sources : sequence
        What `Network.prepare` takes, one per photo.
    truth : int ndarray
        Class index of each.
    notes : tuple of str
        How labels were matched to classes, and what was left out.
    """

    names: tuple[str, ...]
    sources: Sequence[Any]
    truth: np.ndarray
    notes: tuple[str, ...]


def labeled(net: "Network", photos: Any, truth: Any) -> Labeled:
    """The photos and their labels; see `audit` for the arguments.

    Raises
    ------
    InputError
        If photos and labels do not match each other or the classes of the network.
    """
    if isinstance(truth, str | os.PathLike):
        return _from_table(net, photos, Path(os.fsdecode(truth)))
    if isinstance(photos, str | os.PathLike):
        if truth is not None:
            raise InputError(
                "truth for a folder of photos is a CSV file with the columns photo and label; for "
                "a sequence of labels, give a sequence of photos too."
            )
        return _from_folders(net, Path(os.fsdecode(photos)))
    sources = _sequence(photos)
    if truth is not None:
        return _from_sequence(net, sources, truth)
    if not all(isinstance(source, str | os.PathLike) for source in sources):
        raise InputError(
            "Photos in memory need labels: give truth=… with a class index or name for each."
        )
    paths = [Path(os.fsdecode(source)) for source in sources]
    return _labeled_by(
        net, list(map(str, paths)), paths, [path.absolute().parent.name for path in paths]
    )


def classes_of(
    net: "Network", photos: Any, truth: Any
) -> tuple[PhotoSet, dict[str, int], tuple[str, ...]]:
    """The photos, the class of each by name, and notes; photos without a class are left out.

    ``truth``: "folders" for the classes that the photos come with, or as for `labeled`.

    Raises
    ------
    InputError
        If photos and labels do not match each other or the classes of the network.
    """
    found = PhotoSet.of(photos)
    if truth is None:
        return found, {}, ()
    if isinstance(truth, str) and truth == _FOLDERS:
        if found.labels is None:
            raise InputError(
                'truth="folders" needs photos that come with their class, such as one subfolder '
                "per class: give a CSV file with the columns photo and label."
            )
        classes, notes = matched(net, sorted(set(found.labels)))
        pairs = zip(found.names, found.labels, strict=True)
        return found, {name: classes[label] for name, label in pairs}, notes
    is_set = isinstance(photos, PhotoSet)
    given = labeled(net, (found.origin or list(found.sources)) if is_set else photos, truth)
    is_table = isinstance(truth, str | os.PathLike)
    names = given.names if is_table else found.names
    known = dict(zip(names, map(int, given.truth), strict=True))
    kept = [number for number, name in enumerate(found.names) if name in known]
    return found.part(kept), known, given.notes


def _from_folders(net: "Network", folder: Path) -> Labeled:
    """One class per subfolder."""
    paths = pictures_in(folder)
    require_subfolders(folder, paths)
    inside = [path.relative_to(folder) for path in paths]
    folders = [path.parts[0] for path in inside]
    return _labeled_by(net, list(map(str, inside)), paths, folders, is_unique=True)


def require_subfolders(folder: Path, paths: Iterable[Path]) -> None:
    """Check that each photo in ``folder`` lies in a subfolder, which names its class.

    Raises
    ------
    InputError
        If photos lie directly in the folder.
    """
    inside = [path.relative_to(folder) for path in paths]
    loose = [str(path) for path in inside if len(path.parts) == 1]
    if loose:
        raise InputError(
            f"{str(folder)!r} must have one subfolder per class, but {len(loose)} photos lie "
            f"directly in it, such as {loose[0]!r}: move them into the folder of their class, or "
            "give a CSV file with their labels as truth (--truth)."
        )


def _from_table(net: "Network", photos: Any, table: Path) -> Labeled:
    """Labels from a CSV file; paths in it are relative to the folder of photos, or to the file."""
    rows = table_rows(table)
    if isinstance(photos, str | os.PathLike):
        folder = Path(os.fsdecode(photos))
        if kind_at(folder) != "folder":
            raise InputError(f"{str(folder)!r} is not a folder: give the folder of the photos.")
        known = {path.absolute(): str(path.relative_to(folder)) for path in pictures_in(folder)}
    else:
        sources = _sequence(photos)
        if not all(isinstance(source, str | os.PathLike) for source in sources):
            raise InputError("A table of labels names files: give a folder or a list of paths.")
        folder = table.parent
        paths = [Path(os.fsdecode(source)) for source in sources]
        known = {path.absolute(): str(path) for path in paths}
    by_name: dict[str, list[Path]] = {}
    for path in known:
        by_name.setdefault(path.name, []).append(path)
    labels: dict[Path, str] = {}
    for name, label in rows:
        path = _located(name, folder, table.parent, known, by_name)
        if labels.setdefault(path, label) != label:
            raise InputError(
                f"{table.name} gives {name!r} two labels, {labels[path]!r} and {label!r}: correct "
                "it."
            )
    left = [name for path, name in known.items() if path not in labels]
    notes = []
    if left:
        notes.append(
            f"{len(left)} photos of the folder have no label in {table.name}, such as {left[0]!r}: "
            "they are left out."
        )
    names = [known.get(path, str(path)) for path in labels]
    found = _labeled_by(net, names, list(labels), list(labels.values()))
    return Labeled(found.names, found.sources, found.truth, (*found.notes, *notes))


def _located(
    name: str, folder: Path, beside: Path, known: dict[Path, str], by_name: dict[str, list[Path]]
) -> Path:
    """The photo that a table calls ``name``; a path that does not exist if there is none."""
    candidates = [(folder / name).absolute(), (beside / name).absolute()]
    for path in candidates:
        if path in known:
            return path
    same = by_name.get(Path(name).name, [])
    if len(same) == 1 and kind_at(candidates[0]) == "nothing":
        return same[0]
    return candidates[0] if kind_at(candidates[1]) == "nothing" else candidates[1]


def table_rows(table: Path) -> list[tuple[str, str]]:
    """The photo and label of each row of a CSV file."""
    if kind_at(table) != "file":
        raise InputError(f"No file {str(table)!r}: give a CSV file with the columns photo, label.")
    reading(table)
    try:
        if table.stat().st_size > _LARGEST_TABLE:
            raise InputError(f"{table.name} is larger than 100 MB: give a table of photos, labels.")
        text = table.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{str(table)!r} cannot be read as UTF-8 text ({error}).") from error
    head = text.partition("\n")[0]
    delimiter = max((",", ";", "\t"), key=head.count)
    try:
        rows = [row for row in csv.reader(text.splitlines(), delimiter=delimiter) if any(row)]
    except csv.Error as error:
        raise InputError(f"{str(table)!r} is not a CSV file ({error}).") from error
    wanted = f"{table.name} must be a CSV file with the columns photo and label"
    if len(rows) < 2:
        raise InputError(f"{wanted}, but it has {len(rows)} rows.")
    names = [cell.strip().casefold().replace(" ", "_") for cell in rows[0]]
    photo = next((names.index(name) for name in _PHOTO if name in names), None)
    label = next((names.index(name) for name in _LABEL if name in names), None)
    if photo is None or label is None or photo == label:
        raise InputError(f"{wanted}; its header is {', '.join(map(repr, rows[0][:6]))}.")
    for number, row in enumerate(rows[1:], 2):
        if len(row) <= max(photo, label) or not row[photo].strip() or not row[label].strip():
            raise InputError(f"{wanted}; row {number} lacks one of them.")
    return [(row[photo].strip(), row[label].strip()) for row in rows[1:]]


def _from_sequence(net: "Network", sources: Sequence[Any], truth: Any) -> Labeled:
    """One label for each photo, as index or name."""
    if isinstance(truth, np.ndarray) and truth.ndim == 2 and truth.shape[1] == 1:
        truth = truth[:, 0]
    if not isinstance(truth, Iterable) or getattr(truth, "ndim", 1) != 1:
        raise InputError("truth must be one class index or name for each photo, or a CSV file.")
    labels = list(truth)
    if len(labels) != len(sources):
        raise InputError(f"Got {len(sources)} photos and {len(labels)} labels: give one for each.")
    names = [
        os.fsdecode(source) if isinstance(source, str | os.PathLike) else f"{number}"
        for number, source in enumerate(sources)
    ]
    indices = [as_index(label) for label in labels]
    if all(index is not None for index in indices):
        known = {index: net.class_index(index) for index in set(indices) if index is not None}
        classes = np.array([known[index] for index in indices if index is not None])
        return Labeled(tuple(names), sources, classes, ())
    return _labeled_by(net, names, sources, list(map(str, labels)))


def _labeled_by(
    net: "Network",
    names: list[str],
    sources: Sequence[Any],
    labels: list[str],
    *,
    is_unique: bool = False,
) -> Labeled:
    """Photos with labels that are names, matched to classes."""
    classes, notes = matched(net, sorted(set(labels)), is_unique=is_unique)
    truth = np.array([classes[label] for label in labels])
    return Labeled(tuple(names), sources, truth, notes)


def matched(
    net: "Network", names: list[str], *, is_unique: bool = True
) -> tuple[dict[str, int], tuple[str, ...]]:
    """The class of each name: by label, WordNet id or number, else in alphabetical order.

    Alphabetical order, as ``keras.utils.image_dataset_from_directory`` numbers folders, is taken
    only if the network has no labels of its own, no name matches, and there are as many names as
    classes. A note says so. ``is_unique``: a class has one name, as of folders.

    Raises
    ------
    InputError
        If a name matches no class, or two match the same.
    """
    found: dict[str, int] = {}
    errors: dict[str, str] = {}
    for name in names:
        try:
            found[name] = net.class_index(name)
        except InputError as error:
            errors[name] = str(error)
    count = net.head.classes
    if not found and net.labels == numbered(count) and len(names) == count:
        order = ", ".join(f"{name} = {index}" for index, name in enumerate(names[:_NAMED]))
        note = (
            "The network has no labels, so the classes were numbered in alphabetical order, as "
            f"keras.utils.image_dataset_from_directory does: {order}"
            f"{', …' if count > _NAMED else ''}. Give labels if that is wrong."
        )
        return {name: index for index, name in enumerate(names)}, (note,)
    if errors:
        name, reason = next(iter(errors.items()))
        more = f" {len(errors)} names of {len(names)} match no class." if len(errors) > 1 else ""
        hint = (
            f" The network has no labels: give the names of its {count} classes (labels=…, "
            "--labels), in order."
            if net.labels == numbered(count)
            else ""
        )
        raise InputError(f"The class {name!r} of the photos: {reason}{more}{hint}")
    taken: dict[int, str] = {}
    for name, index in found.items():
        if is_unique and index in taken:
            raise InputError(
                f"{taken[index]!r} and {name!r} are the same class of the network, {index} "
                f"({net.labels.names[index]}): merge them."
            )
        taken[index] = name
    return found, ()


def _sequence(photos: Any) -> Sequence[Any]:
    """Several photos as a sequence; prepared ones as batches of one."""
    if is_prepared(photos):
        return [photos[i : i + 1] for i in range(len(photos))]
    is_many = isinstance(photos, Sequence | np.ndarray) and getattr(photos, "ndim", 3) >= 3
    if not is_many or isinstance(photos, bytes) or not len(photos):
        raise InputError("Expected a folder, or a sequence of photos with at least one in it.")
    return photos
