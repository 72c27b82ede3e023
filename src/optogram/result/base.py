"""What all results have: arrays that do not change any more, and where they came from."""

import dataclasses
import html
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from optogram.errors import InputError
from optogram.files import replacing

if TYPE_CHECKING:
    from PIL.Image import Image

_FORMAT = "optogram result 1"
_MANIFEST = "manifest"


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
    source : mapping of str
        Where it came from: network, weights, preparation, versions of optogram, Keras and the
        backend, input shape, time (UTC).
    warnings : tuple of str
        What a reader of the result should know, in sentences.
    """

    values: np.ndarray
    method: str
    parameters: Mapping[str, Any]
    source: Mapping[str, str]
    warnings: tuple[str, ...]

    kinds: ClassVar[dict[str, type["Result"]]] = {}

    def __init_subclass__(cls) -> None:
        """Make the class known to `load_result` by its name."""
        Result.kinds[cls.__name__] = cls

    def __post_init__(self) -> None:
        """Lock the arrays."""
        for item in dataclasses.fields(self):
            array = getattr(self, item.name)
            if isinstance(array, np.ndarray):
                locked = array.view()
                locked.flags.writeable = False
                object.__setattr__(self, item.name, locked)

    def save(self, path: str | os.PathLike) -> Path:
        """Write everything into one ``.npz`` file, which `load_result` opens again.

        The file appears whole or not at all.

        Raises
        ------
        InputError
            If the name does not end in ``.npz``.
        OutputError
            If the file cannot be written.
        """
        path = Path(path)
        if path.suffix != ".npz":
            raise InputError(
                f"A result is saved as an .npz file, not as {path.name!r}; for a picture: "
                f"result.plot().save({path.name!r})."
            )
        arrays: dict[str, Any] = {}
        texts: dict[str, Any] = {"format": _FORMAT, "kind": type(self).__name__}
        for item in dataclasses.fields(self):
            content = getattr(self, item.name)
            if item.metadata.get("is_saved") is False:
                continue
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
        words = f"{self.method} of {self.source.get('network', '')}, values {self.values.shape}"
        return (
            f'<figure style="margin:0"><img src="{data_uri(self.plot())}" style="max-width:100%">'
            f"<figcaption>{html.escape(words)}</figcaption>{notes}</figure>"
        )


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
        with np.load(path, allow_pickle=False) as file:
            texts = json.loads(str(file[_MANIFEST]))
            if texts.pop("format") != _FORMAT:
                raise KeyError("format")
            kind = Result.kinds[texts.pop("kind")]
            arrays = {name: file[name] for name in file.files if name != _MANIFEST}
        texts["parameters"] = _with_tuples(texts["parameters"])
        return kind(**_with_tuples(texts), **arrays)
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist.") from error
    # A damaged or foreign file can fail anywhere inside NumPy, with any exception.
    except Exception as error:
        raise InputError(f"{path} holds no result that optogram saved, or is damaged.") from error


def is_result(path: str | os.PathLike) -> bool:
    """Whether the file at ``path`` is there and looks like one that `Result.save` wrote."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return _MANIFEST in file.files
    # A foreign file can fail anywhere inside NumPy, with any exception.
    except Exception:
        return False


def _with_tuples(texts: dict[str, Any]) -> dict[str, Any]:
    """``texts`` with tuples where JSON has only lists."""
    return {
        name: tuple(content) if isinstance(content, list) else content
        for name, content in texts.items()
    }
