"""What is known of a model without opening it: its layers, inputs, outputs and class names.

For a model file, they are read from its configuration: no Keras, no code. The layers of a network
given by name are remembered when a command opens it, in a small file in the user's cache folder,
which may be deleted at any time.
"""

import contextlib
import json
import os
import stat
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from importlib import metadata, resources
from pathlib import Path
from typing import Any, NamedTuple

from optogram.files import cache_folder
from optogram.network.opening import catalogue

ENDINGS = (".keras", ".h5", ".hdf5")
"""Endings of model files."""

EMBEDDED = "efficientnet-lite0"

_CONFIG_LIMIT = 20_000_000  # bytes: larger ones take too long to read between two keys
_INLINED = ("Functional", "Model", "Sequential")
_HAVE_ACTIVATIONS = ("Conv", "Dense", "Depthwise", "Separable")

Names = tuple[str, ...]


class Description(NamedTuple):
    """Names in a model.

    Attributes
    ----------
    layers : mapping of str to str
        Names of layers, and their kinds.
    halves : tuple of str
        Names before a fused activation, such as ``conv1:pre``.
    inputs, outputs : tuple of str
        Names of the model's inputs and outputs.
    """

    layers: Mapping[str, str]
    halves: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()


def is_file(model: str) -> bool:
    """Whether ``model`` is the path of a model file."""
    return model.lower().endswith(ENDINGS) or os.sep in model


def described(model: str) -> Description:
    """What is known of ``model``, a name or a file; nothing is known of a damaged file.

    Raises
    ------
    Exception
        Any, for a file that cannot be read.
    """
    if is_file(model):
        return _of_config(_config(Path(model).expanduser()))
    name = catalogue.find(model).name
    if name == EMBEDDED:
        return Description(_of_table(_embedded_table()))
    return Description(_of_table(_remembered(name).read_text(encoding="utf-8")))


def remember(model: str, layers: Mapping[str, str]) -> None:
    """Remember the names and kinds of the layers of a network given by name.

    Does nothing if they are known already, or cannot be written.
    """
    if is_file(model) or not catalogue.is_known(model):
        return
    name = catalogue.find(model).name
    with contextlib.suppress(OSError, metadata.PackageNotFoundError):
        path = _remembered(name)
        if name == EMBEDDED or path.exists():
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        for former in path.parent.glob(f"{name}-*.tsv"):  # of another release of Keras
            former.unlink()
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=path.parent, suffix=".part", delete=False
        ) as part:
            part.write(table(layers))
        Path(part.name).replace(path)


def table(layers: Mapping[str, str]) -> str:
    """Names and kinds of layers as text, one layer per line."""
    return "".join(f"{name}\t{kind}\n" for name, kind in layers.items())


def _of_table(text: str) -> dict[str, str]:
    rows = (line.split("\t") for line in text.splitlines())
    return {row[0]: row[1] for row in rows if len(row) == 2}


def _embedded_table() -> str:
    place = resources.files("optogram.cli.completing").joinpath(f"{EMBEDDED}.tsv")
    return place.read_text(encoding="utf-8")


def _remembered(name: str) -> Path:
    """The file with the layers of the network called ``name``, in the installed Keras."""
    return cache_folder() / "layers" / f"{name}-{metadata.version('keras')}.tsv"


# Model files


def _config(path: Path) -> Any:
    """The configuration of a model file."""
    if not stat.S_ISREG(path.stat().st_mode):  # opening a pipe would wait for its other end
        raise ValueError(f"{path} is not a file")
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if archive.getinfo("config.json").file_size > _CONFIG_LIMIT:
                raise ValueError(f"{path} has a long configuration")
            return json.loads(archive.read("config.json"))
    import h5py

    with h5py.File(path, "r") as file:
        if file.attrs.get_id("model_config").get_storage_size() > _CONFIG_LIMIT:
            raise ValueError(f"{path} has a long configuration")
        return json.loads(file.attrs["model_config"])


def _of_config(config: Any) -> Description:
    leaves = list(_leaves(config["config"], ()))
    names = _shortest([path for path, _ in leaves])
    layers, halves = {}, []
    for name, (_, layer) in zip(names, leaves, strict=True):
        if name in layers:
            continue
        layers[name] = str(layer["class_name"])
        activation = layer["config"].get("activation", "linear")
        if activation != "linear" and layers[name].startswith(_HAVE_ACTIVATIONS):
            halves.append(f"{name}:pre")
    inner = config["config"]
    inputs = [path[-1] for path, layer in leaves if layer["class_name"] == "InputLayer"]
    given = _ends(inner["input_layers"]) if "input_layers" in inner else inputs
    outputs = _ends(inner.get("output_layers", []))  # a Sequential has only one
    return Description(layers, tuple(halves), tuple(given), tuple(outputs))


def _leaves(config: Mapping[str, Any], path: Names) -> Iterator[tuple[Names, Mapping[str, Any]]]:
    """The layers in the configuration of a model, those of nested models in their place."""
    for layer in config["layers"]:
        own = (*path, str(layer["config"]["name"]))
        if layer["class_name"] in _INLINED:
            yield from _leaves(layer["config"], own)
        elif not path or layer["class_name"] != "InputLayer":
            yield own, layer


def _shortest(paths: list[Names]) -> list[str]:
    """The shortest unique end of each path, as `optogram.graph.steps` names layers."""
    lengths = dict.fromkeys(paths, 1)
    while True:
        owners = Counter(path[-length:] for path, length in lengths.items())
        clashing = [
            path
            for path, length in lengths.items()
            if owners[path[-length:]] > 1 and length < len(path)
        ]
        if not clashing:
            return ["/".join(path[-lengths[path] :]) for path in paths]
        for path in clashing:
            lengths[path] += 1


def _ends(structure: Any, key: str = "") -> Iterator[str]:
    """Names of inputs or outputs: the keys of a dictionary, joined by dots, else the layers."""
    if isinstance(structure, Mapping):
        for name, part in structure.items():
            yield from _ends(part, f"{key}.{name}" if key else str(name))
    elif structure and isinstance(structure[0], str):  # layer, call, tensor
        yield key or structure[0]
    else:
        for part in structure:
            yield from _ends(part, key)
