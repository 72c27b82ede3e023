"""The base class of results: read-only arrays with their provenance."""

import copy
import dataclasses
import html
import json
import os
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self, get_args, get_origin, overload

import numpy as np

from optogram import notebook
from optogram.arguments import checked, checked_methods
from optogram.errors import InputError, OutputError
from optogram.files import read_arrays, replacing
from optogram.words import brief, counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from PIL.Image import Image

_FORMAT = "optogram result 1"
_MANIFEST = "manifest"
_SHOWN, _LONGEST_REPR = 3, 300
_FORMER_NAMES = {"rule": "optimizer", "rate": "learning_rate", "centre": "center"}
"""Names of parameters in files that earlier versions saved, and what they are called now."""
_FORMER_NAMES_OF = {"integrated_gradients": {"steps": "points"}, "smoothgrad": {"n": "samples"}}
"""The same for the parameters of one method."""
_FORMER_WORDS = {"squash": "stretch", "grey": "gray"}
"""The same for their values."""


@dataclass(frozen=True, eq=False)
class Result:
    """Base class of the results of all methods.

    Attributes
    ----------
    values : ndarray
        The computed values; see the method for shape and units. Read-only, as all arrays of a
        result.
    method : str
        Name of the method.
    parameters : mapping
        Arguments of the method, including defaults.
    provenance : mapping of str
        Network, weights, preprocessing, versions of optogram, Keras and the backend, input shape,
        time (UTC).
    warnings : tuple of str
        Warnings about the network, the images and the values, one sentence each.
    """

    values: np.ndarray
    method: str
    parameters: Mapping[str, Any]
    provenance: Mapping[str, str]
    warnings: tuple[str, ...]

    kinds: ClassVar[dict[str, type["Result"]]] = {}
    shapes: ClassVar[dict[str, str]] = {}
    """Shapes of arrays in a file: ``"N h w | N H W C"``, where equal letters are equal lengths."""

    def __init_subclass__(cls) -> None:
        """Register the class for `load_result`; validate the arguments of its methods."""
        Result.kinds[cls.__name__] = cls
        if "__repr__" not in vars(cls):  # dataclasses would make one of many lines
            cls.__repr__ = Result.__repr__  # type: ignore[method-assign]
        checked_methods(cls, _require_image)

    def __post_init__(self) -> None:
        """Make the arrays read-only."""
        for item in dataclasses.fields(self):
            array = getattr(self, item.name)
            if isinstance(array, np.ndarray):
                locked = array.view()
                locked.flags.writeable = False
                object.__setattr__(self, item.name, locked)

    def __repr__(self) -> str:
        """One line: class, method, network, layer, targets, shape and scores."""
        kind, layer = type(self).__name__, getattr(self, "layer", None)
        is_named = kind.lower() == self.method.replace("_", "")
        words = [
            kind if is_named else f"{kind} ({self.method})",
            f"of {self.provenance.get('network', 'an unknown network')}",
            *([f"at {layer}"] if layer is not None else []),
        ]
        targets, scores = getattr(self, "targets", ()), np.ravel(getattr(self, "score", ()))
        if targets:
            words.append(f"for {_first_few(targets)}")
        facts = [f"values {self.values.shape}"]
        if len(scores):
            noun = "score" if len(scores) == 1 else "scores"
            facts.append(f"{noun} {_first_few([f'{score:.4g}' for score in scores])}")
        return f"<{brief(' '.join(words), _LONGEST_REPR)}: {', '.join(facts)}>"

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """``values``, for NumPy: ``np.asarray(result)``; read-only unless copied."""
        if dtype is None or np.dtype(dtype) == self.values.dtype:
            return self.values.copy() if copy else self.values
        if copy is False:
            raise ValueError(f"values are {self.values.dtype}: as {dtype} they must be copied.")
        return self.values.astype(dtype)

    def __reduce__(self) -> tuple[Any, ...]:
        """For pickle: the fields that `save` keeps."""
        kept = {item.name: getattr(self, item.name) for item in _saved(self)}
        return _rebuilt, (type(self), kept)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """A copy of arrays and texts, with the same network."""
        own = {item.name: copy.deepcopy(getattr(self, item.name), memo) for item in _saved(self)}
        return dataclasses.replace(self, **own)

    @checked
    def save(self, path: str | os.PathLike) -> Path:
        """Write the result to one ``.npz`` file, which `load_result` reads.

        Writing is atomic and replaces only files that optogram made.

        Raises
        ------
        InputError
            If the name does not end in ``.npz``.
        OutputError
            If the file cannot be written, or would replace a file that optogram did not make.
        """
        path = Path(path)
        if path.suffix != ".npz":
            raise InputError(
                f"A result is saved as an .npz file, not as {path.name!r}; for a picture, use "
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

    @overload
    def plot(self, *, ax: None = None) -> "Image": ...

    @overload
    def plot(self, *, ax: "Axes") -> "Axes": ...

    def plot(self, *, ax: "Axes | None" = None) -> "Image | Axes":
        """The result as one picture.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Axes to draw into: they show the picture (``imshow``, without ticks) and are
            returned in its place.

        Raises
        ------
        InputError
            If ``ax`` is not an Axes of matplotlib.
        """
        raise NotImplementedError

    def show(self) -> None:
        """Display the picture of `plot`: in a notebook below the cell, else in a viewer.

        Raises
        ------
        OutputError
            If this machine has no program that displays pictures.
        """
        from PIL import ImageShow

        picture = self.plot()
        if notebook.is_running():
            notebook.display(picture)
        elif not ImageShow.show(picture):
            raise OutputError(
                "No program to display pictures was found: use result.plot().save('picture.png')."
            )

    def _repr_html_(self) -> str:
        """The picture with a caption, for notebooks."""
        from optogram.render import data_uri

        notes = "".join(f"<p>⚠ {html.escape(note)}</p>" for note in self.warnings)
        words = f"{self.method} of {self.provenance.get('network', '')}, values {self.values.shape}"
        return (
            f'<figure style="margin:0"><img src="{data_uri(self.plot())}" style="max-width:100%">'
            f"<figcaption>{html.escape(words)}</figcaption>{notes}</figure>"
        )


def _first_few(items: Sequence[str]) -> str:
    shown = ", ".join(items[:_SHOWN])
    return shown if len(items) <= _SHOWN else f"{shown} and {len(items) - _SHOWN} more"


def _require_image(arguments: Mapping[str, Any]) -> None:
    """Raise an InputError if ``index`` is out of range."""
    index, count = arguments.get("index", 0), len(arguments["self"].values)
    if not -count <= index < count:
        raise InputError(
            f"The result has {counted(count, 'explanation')}, numbered 0 to {count - 1}: index "
            f"{index} is out "
            "of range."
        )


@checked
def load_result(path: str | os.PathLike) -> Result:
    """Load a result that `Result.save` wrote.

    Parameters
    ----------
    path : path
        The ``.npz`` file. It is read as data: no code in it is run.

    Returns
    -------
    Result
        The result, of the class that was saved.

    Raises
    ------
    InputError
        If there is no such file, or it is not a saved result.
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
        raise InputError(f"{path} is not a result saved by optogram, or is damaged.") from error


def is_result(path: str | os.PathLike) -> bool:
    """Whether the file at ``path`` exists and looks like a saved result."""
    try:
        if not Path(path).is_file():  # opening a pipe would wait for its other end
            return False
        with zipfile.ZipFile(path) as file:
            return f"{_MANIFEST}.npy" in file.namelist()
    # A foreign file can fail anywhere, with any exception.
    except Exception:
        return False


def _saved(result: Result) -> list[dataclasses.Field]:
    """The fields that are saved."""
    return [f for f in dataclasses.fields(result) if f.metadata.get("is_saved") is not False]


def _rebuilt(kind: type[Result], fields: dict[str, Any]) -> Result:
    """The inverse of `Result.__reduce__`."""
    return kind(**_in_current_words(fields))


def _in_current_words(fields: dict[str, Any]) -> dict[str, Any]:
    """``fields`` of a saved result, with the current names and words."""
    fields = {"provenance" if name == "source" else name: fields[name] for name in fields}
    names = _FORMER_NAMES | _FORMER_NAMES_OF.get(fields["method"], {})
    current = {"parameters": _with_current_names(fields["parameters"], names)}
    if "fit" in fields:
        current["fit"] = _FORMER_WORDS.get(fields["fit"], fields["fit"])
    return {**fields, **current}


def _with_current_names(parameters: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {
        names.get(name, name): _FORMER_WORDS.get(content, content)
        if isinstance(content, str)
        else content
        for name, content in parameters.items()
    }


def _check(result: Result) -> None:
    """Raise an exception if fields have wrong types, or arrays do not match."""
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
    """Length of each letter of ``form`` in ``shape``; empty if they do not match."""
    found = dict(zip(form.split(), shape, strict=False))
    fixed = known | {letter: int(letter) for letter in found if letter.isdigit()}
    is_other = any(fixed.get(letter, length) != length for letter, length in found.items())
    return {} if len(form.split()) != len(shape) or is_other else found


def _is_a(content: Any, kind: Any) -> bool:
    """Whether ``content`` has the type of the field."""
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
    """``texts`` with tuples instead of lists of JSON."""
    return {
        name: tuple(content) if isinstance(content, list) else content
        for name, content in texts.items()
    }
