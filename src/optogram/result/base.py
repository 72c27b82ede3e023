"""What all results have: arrays that do not change any more, and where they came from."""

import copy
import dataclasses
import html
import json
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self, get_args, get_origin

import numpy as np

from optogram.arguments import checked, checked_methods
from optogram.errors import InputError
from optogram.files import read_arrays, replacing

if TYPE_CHECKING:
    from PIL.Image import Image

_FORMAT = "optogram result 1"
_MANIFEST = "manifest"
_FORMER_NAMES = {"rule": "optimizer", "rate": "learning_rate", "centre": "center"}
"""Names of parameters in files that earlier versions saved, and what they are called now."""
_FORMER_WORDS = {"squash": "stretch", "grey": "gray"}
"""The same for their values."""


@dataclass(frozen=True, eq=False)
class Result:
    """What every method returns.

    Attributes
    ----------
    values : ndarray
        What the method computed; its shape and units stand in the method's own words. Read-only,
        as are all arrays of a result.
    method : str
        The name of the function that made it.
    parameters : mapping
        What that function was called with, defaults included.
    provenance : mapping of str
        Where it came from: network, weights, preparation, versions of optogram, Keras and the
        backend, input shape, time (UTC).
    warnings : tuple of str
        What a reader of the result should know, in sentences.
    """

    values: np.ndarray
    method: str
    parameters: Mapping[str, Any]
    provenance: Mapping[str, str]
    warnings: tuple[str, ...]

    kinds: ClassVar[dict[str, type["Result"]]] = {}
    shapes: ClassVar[dict[str, str]] = {}
    """What a file may hold: ``"N h w | N H W C"``, where a letter is the same length throughout."""

    def __init_subclass__(cls) -> None:
        """Make the class known to `load_result` by its name; have its methods' arguments read."""
        Result.kinds[cls.__name__] = cls
        checked_methods(cls, _require_image)

    def __post_init__(self) -> None:
        """Lock the arrays."""
        for item in dataclasses.fields(self):
            array = getattr(self, item.name)
            if isinstance(array, np.ndarray):
                locked = array.view()
                locked.flags.writeable = False
                object.__setattr__(self, item.name, locked)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """``values``, for NumPy: ``np.asarray(result)``; read-only unless copied."""
        if dtype is None or np.dtype(dtype) == self.values.dtype:
            return self.values.copy() if copy else self.values
        if copy is False:
            raise ValueError(f"values are {self.values.dtype}: as {dtype} they must be copied.")
        return self.values.astype(dtype)

    def __reduce__(self) -> tuple[Any, ...]:
        """For pickle: what `save` keeps, too."""
        kept = {item.name: getattr(self, item.name) for item in _saved(self)}
        return _rebuilt, (type(self), kept)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Arrays and texts are copied; the network that was asked stays the same."""
        own = {item.name: copy.deepcopy(getattr(self, item.name), memo) for item in _saved(self)}
        return dataclasses.replace(self, **own)

    @checked
    def save(self, path: str | os.PathLike) -> Path:
        """Write everything into one ``.npz`` file, which `load_result` opens again.

        The file appears whole or not at all, and replaces only one that optogram made.

        Raises
        ------
        InputError
            If the name does not end in ``.npz``.
        OutputError
            If the file cannot be written, or optogram did not make the one that is there.
        """
        path = Path(path)
        if path.suffix != ".npz":
            raise InputError(
                f"A result is saved as an .npz file, not as {path.name!r}; for a picture: "
                f"result.plot().save({path.name!r})."
            )
        arrays: dict[str, Any] = {}
        texts: dict[str, Any] = {"format": _FORMAT, "kind": type(self).__name__}
        for item in _saved(self):
            content = getattr(self, item.name)
            if isinstance(content, np.ndarray):
                arrays[item.name] = content
            else:
                texts[item.name] = dict(content) if isinstance(content, Mapping) else content
        arrays[_MANIFEST] = np.array(json.dumps(texts, ensure_ascii=False, default=np.generic.item))
        with replacing(path) as part, part.open("wb") as file:
            np.savez_compressed(file, **arrays)
        return path

    def plot(self) -> "Image":
        """The result as one picture."""
        raise NotImplementedError

    def _repr_html_(self) -> str:
        """What a notebook shows: the picture, and in words what it is."""
        from optogram.render import data_uri

        notes = "".join(f"<p>⚠ {html.escape(note)}</p>" for note in self.warnings)
        words = f"{self.method} of {self.provenance.get('network', '')}, values {self.values.shape}"
        return (
            f'<figure style="margin:0"><img src="{data_uri(self.plot())}" style="max-width:100%">'
            f"<figcaption>{html.escape(words)}</figcaption>{notes}</figure>"
        )


def _require_image(arguments: Mapping[str, Any]) -> None:
    """Raise an InputError if a method is asked for an image, by ``index``, that is not there."""
    index, count = arguments.get("index", 0), len(arguments["self"].values)
    if not -count <= index < count:
        raise InputError(
            f"The result has {count} explanations, numbered 0 to {count - 1}: index {index} is out "
            "of range."
        )


@checked
def load_result(path: str | os.PathLike) -> Result:
    """Open a result that `Result.save` wrote.

    Parameters
    ----------
    path : path
        The ``.npz`` file. It is read as data: nothing in it is run.

    Returns
    -------
    Result
        Of the kind that was saved.

    Raises
    ------
    InputError
        If there is no such file, or it holds no result.
    """
    path = Path(path)
    try:
        arrays: dict[str, Any] = dict(read_arrays(path))
        texts = json.loads(str(arrays.pop(_MANIFEST)))
        if texts.pop("format") != _FORMAT:
            raise KeyError("format")
        kind = Result.kinds[texts.pop("kind")]
        texts["parameters"] = _with_tuples(texts["parameters"])
        result = kind(**_in_current_words(_with_tuples(texts)), **arrays)
        _check(result)
        return result
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist.") from error
    # A damaged or foreign file can fail anywhere inside NumPy, with any exception.
    except Exception as error:
        raise InputError(f"{path} holds no result that optogram saved, or is damaged.") from error


def is_result(path: str | os.PathLike) -> bool:
    """Whether the file at ``path`` is there and looks like one that `Result.save` wrote."""
    try:
        if not Path(path).is_file():  # opening a pipe would wait for its other end
            return False
        with zipfile.ZipFile(path) as file:
            return f"{_MANIFEST}.npy" in file.namelist()
    # A foreign file can fail anywhere, with any exception.
    except Exception:
        return False


def _saved(result: Result) -> list[dataclasses.Field]:
    """The fields that go into files."""
    return [f for f in dataclasses.fields(result) if f.metadata.get("is_saved") is not False]


def _rebuilt(kind: type[Result], fields: dict[str, Any]) -> Result:
    """What `Result.__reduce__` took apart."""
    return kind(**_in_current_words(fields))


def _in_current_words(fields: dict[str, Any]) -> dict[str, Any]:
    """``fields`` of a saved result, also where an earlier version called them otherwise."""
    fields = {"provenance" if name == "source" else name: fields[name] for name in fields}
    current = {"parameters": _with_current_names(fields["parameters"])}
    if "fit" in fields:
        current["fit"] = _FORMER_WORDS.get(fields["fit"], fields["fit"])
    return {**fields, **current}


def _with_current_names(parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {
        _FORMER_NAMES.get(name, name): _FORMER_WORDS.get(content, content)
        if isinstance(content, str)
        else content
        for name, content in parameters.items()
    }


def _check(result: Result) -> None:
    """Raise what comes first where fields are not of their types, or do not fit each other."""
    for item in _saved(result):
        if not _is_a(getattr(result, item.name), item.type):
            raise TypeError(item.name)
    if not result.values.size:
        raise ValueError("values")
    lengths: dict[str, int] = {}
    for name, forms in result.shapes.items():
        shape = np.shape(getattr(result, name))
        fitting = (found for form in forms.split("|") if (found := _lengths(form, shape, lengths)))
        lengths |= next(fitting)


def _lengths(form: str, shape: tuple[int, ...], known: dict[str, int]) -> dict[str, int]:
    """The length that each letter of ``form`` has in ``shape``; none where they do not fit."""
    found = dict(zip(form.split(), shape, strict=False))
    fixed = known | {letter: int(letter) for letter in found if letter.isdigit()}
    is_other = any(fixed.get(letter, length) != length for letter, length in found.items())
    return {} if len(form.split()) != len(shape) or is_other else found


def _is_a(content: Any, kind: Any) -> bool:
    """Whether ``content`` is what the field of a result says that it is."""
    of, inner = get_origin(kind), get_args(kind)
    if kind is np.ndarray or (np.ndarray in inner and content is not None):
        return isinstance(content, np.ndarray) and content.dtype.kind in "biuf"
    if of is tuple:
        return isinstance(content, tuple) and all(isinstance(part, inner[0]) for part in content)
    if of is Mapping:
        is_any = inner[1] is Any
        return isinstance(content, dict) and (
            is_any or all(isinstance(part, inner[1]) for part in content.values())
        )
    return isinstance(content, kind)


def _with_tuples(texts: dict[str, Any]) -> dict[str, Any]:
    """``texts`` with tuples where JSON has only lists."""
    return {
        name: tuple(content) if isinstance(content, list) else content
        for name, content in texts.items()
    }
