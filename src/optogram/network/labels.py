"""The names of a network's classes: ImageNet's, numbered, or given by the user."""

import json
import re
import reprlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from os import PathLike
from pathlib import Path

from optogram.errors import InputError, containing, similar, the_nearest
from optogram.files import kind_at, reading
from optogram.words import counted, with_article

_LARGEST_FILE = 10_000_000  # bytes
_MOST_NAMES = 500_000
_MOST_HINTS = 8


@dataclass(frozen=True)
class Labels:
    """One name per class, and its WordNet id (or ``""``)."""

    names: tuple[str, ...]
    ids: tuple[str, ...]

    def __len__(self) -> int:
        """Number of classes."""
        return len(self.names)

    def numbered_name(self, index: int) -> str:
        """The name of a class and its number, "tabby (281)"; "class 281" if it has no name."""
        name = self.names[index]
        return name if name == _unnamed(index) else f"{name} ({index})"

    def index(self, label: str) -> int:
        """Find a class by its label.

        Parameters
        ----------
        label
            A name, ignoring case, with ``_``, ``-`` and spaces equivalent; if no full name
            matches, also without its parenthesis (``"crane"`` for ``"crane (bird)"``). Or a
            WordNet id, or a class number in decimal digits. Names take precedence over numbers.

        Returns
        -------
        int
            The class number, from 0.

        Raises
        ------
        InputError
            No class matches, or several do: the message lists their numbers.
        """
        wanted = _key(label)
        found = (
            self._matches(wanted, _key, self.names)
            or self._matches(wanted, _key_without_parenthesis, self.names)
            or (self._matches(wanted, _key, self.ids) if wanted else [])
        )
        if len(found) == 1:
            return found[0]
        if found:
            classes = ", ".join(f"{number} ({self.names[number]})" for number in found)
            raise InputError(f"{label!r} names {len(found)} classes: {classes}; give the number.")
        digits = label.strip()
        if digits.isdecimal() and int(digits) < len(self):
            return int(digits)
        if all(name == _unnamed(number) for number, name in enumerate(self.names)):
            raise InputError(
                f"{label!r} is not a class: this network has no class names. Give a number from 0 "
                f"to {len(self) - 1}, or the names (labels=…)."
            )
        close = similar(label, self.names, _MOST_HINTS)
        hint = the_nearest([f"{self.names[number]!r} ({number})" for number in close])
        raise InputError(
            f"{label!r} is not a class of this network{f': {hint}' if hint else ''}; "
            f"give one of its labels or a number from 0 to {len(self) - 1}."
        )

    def find(self, text: str) -> list[int]:
        """The numbers of the classes whose label contains a text; see `Network.find_classes`."""
        return containing(text, self.names)

    @staticmethod
    def _matches(wanted: str, key: Callable[[str], str], candidates: Iterable[str]) -> list[int]:
        return [number for number, name in enumerate(candidates) if key(name) == wanted]


@cache
def imagenet() -> Labels:
    """The 1000 classes of ImageNet (ILSVRC 2012), with unique names."""
    table = resources.files("optogram.network").joinpath("imagenet.tsv")
    lines = table.read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t") for line in lines if not line.startswith("#")]
    return Labels(
        names=tuple(name for _, _, name in rows), ids=tuple(wordnet for _, wordnet, _ in rows)
    )


def numbered(count: int) -> Labels:
    """``class 0``, ``class 1``, ...: for a network with unknown labels."""
    return Labels(tuple(map(_unnamed, range(count))), ("",) * count)


def _unnamed(number: int) -> str:
    return f"class {number}"


def read_labels(
    source: str | PathLike[str] | Sequence[str] | Mapping[int, str] | Labels,
    count: int | None = None,
) -> Labels:
    """Labels from a list, a mapping, or a file.

    Parameters
    ----------
    source
        The names in the order of the network's outputs, or by class number; or the path of a
        UTF-8 text file with one name per line, or of a ``.json`` file: a list of names, or an
        object from class number to name or to ``[WordNet id, name]``, as in Keras. Two classes
        may share a name.
    count
        Number of outputs of the network. None: the number is not checked.

    Returns
    -------
    Labels

    Raises
    ------
    InputError
        The file is missing, larger than 10 MB, not text, or damaged; an entry is not a name; or
        the number of names is not ``count``.
    """
    origin = "the list given"
    if isinstance(source, Labels):
        labels = source
    elif isinstance(source, str | PathLike):
        origin = Path(source).name
        labels = _read_file(Path(source))
    else:
        labels = _from_content(source, origin)
    if count is not None and len(labels) != count:
        raise InputError(
            f"Expected {counted(count, 'label')}, one for each output; {origin} has "
            f"{len(labels)}: correct "
            "it, or give other labels (labels=…)."
        )
    return labels


def _read_file(path: Path) -> Labels:
    text = _read_text(path)
    if path.suffix.lower() == ".json":
        return _from_json(text, path.name)
    return _from_entries([line.strip() for line in text.rstrip().splitlines()], path.name)


def _read_text(path: Path) -> str:
    """The UTF-8 text of ``path``, without byte order mark; InputError if it cannot be read."""
    if kind_at(path) != "file":
        raise InputError(f"No labels file {path}; give a text or .json file, or a list of names.")
    reading(path)
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise InputError(
                f"{path.name} is larger than {_LARGEST_FILE // 1_000_000} MB, too large for "
                "labels; give a file with one name a line."
            )
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path.name} is not UTF-8 text; give a text file with one name a line."
        ) from error
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror}); check its permissions."
        ) from error


def _from_json(text: str, origin: str) -> Labels:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{origin} is damaged JSON ({error}); correct it.") from error
    return _from_content(content, origin)


def _from_content(content: object, origin: str) -> Labels:
    """Labels from a list of entries, or a mapping from class number to entry."""
    if isinstance(content, Mapping):
        content = _in_order(content, origin)
    is_one = isinstance(content, str) or getattr(content, "ndim", 1) == 0
    if is_one or not isinstance(content, Iterable):
        raise InputError(
            f"{origin} holds {with_article(type(content).__name__)}; expected a list of names, or "
            "an object "
            "from class number to name."
        )
    return _from_entries(content, origin)


def _in_order(by_number: Mapping[object, object], origin: str) -> list[object]:
    """The values of ``{"0": ..., "1": ...}`` by number; InputError if a number is missing."""
    by_digits = {str(key): value for key, value in by_number.items()}
    keys = dict.fromkeys(str(number) for number in range(len(by_number)))
    if keys.keys() != by_digits.keys():
        stray = next((key for key in by_digits if key not in keys), "a key given twice")
        raise InputError(
            f"The keys of {origin} must be the class numbers 0 to {len(keys) - 1}, not "
            f"{reprlib.repr(stray)}; write each class as number: name."
        )
    return [by_digits[key] for key in keys]


def _from_entries(entries: Iterable[object], origin: str) -> Labels:
    """Labels from names, or pairs of WordNet id and name; InputError for anything else."""
    names, ids = [], []
    for number, entry in enumerate(entries):
        if number == _MOST_NAMES:
            raise InputError(f"{origin} has over {_MOST_NAMES:,} labels; give one for each output.")
        match entry:
            case str(name) if name.strip():
                wordnet = ""
            case [str(wordnet), str(name)] if name.strip():
                pass
            case _:
                raise InputError(
                    f"Label {number} of {origin} must be a name, got {reprlib.repr(entry)}; give "
                    "one name for each class."
                )
        names.append(name)
        ids.append(wordnet)
    return Labels(tuple(names), tuple(ids))


def _key(name: str) -> str:
    """A name for comparison: lower case, with one space between words."""
    return re.sub(r"[\s_-]+", " ", name).strip().casefold()


def _key_without_parenthesis(name: str) -> str:
    return _key(re.sub(r"\s*\([^()]*\)\s*$", "", name))
