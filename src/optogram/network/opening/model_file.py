"""Safety checks of model files before Keras loads them: they may be untrusted."""

import io
import json
import math
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import keras

from optogram.errors import ModelError
from optogram.files import reading
from optogram.graph.keras_private.building import numbers_asked
from optogram.network.opening.named import container, require_file
from optogram.pictures.read import PIXEL_LIMIT
from optogram.words import with_article

_CONFIG_LIMIT = 100_000_000  # bytes
_MOST_OBJECTS = 100_000
_WEIGHTS = "model.weights.h5"
_TENSOR = "__keras_tensor__"

# Limits of unpacked archives and weights: bytes, and a multiple of the file size.
_UNPACKED = 1 << 26
_EXPANSION = 100

# A model may have slightly more weights than its file, such as states of random generators.
_MORE_WEIGHTS = 4
_SMALL = 10_000_000

_RUN_CODE = frozenset(
    ("Lambda", "__lambda__", "TorchModuleWrapper", "TFSMLayer", "JaxLayer", "FlaxLayer")
)

# Modules of Keras with functions that models use; others open files, or connections.
_FUNCTIONS = frozenset(
    ("activations", "constraints", "initializers", "losses", "metrics", "ops", "regularizers")
)
_CLASSES = (
    _FUNCTIONS
    | frozenset(
        (
            "_legacy",
            "dtype_policies",
            "engine",
            "layers",
            "legacy",
            "models",
            "optimizers",
            "random",
        )
    )
    | {"quantizers"}
)


class Content(NamedTuple):
    """Content of a model file: its configuration, and the number of weights."""

    config: Any
    numbers: int


def read(path: Path) -> Content:
    """Read the configuration of a model file without building the model.

    Raises
    ------
    ModelError
        If there is no such file, or it is not a whole model, or malformed or malicious.
    """
    try:
        require_file(path)
        reading(path)
        is_zip = container(path) == "zip"
        content = _from_keras_file(path) if is_zip else _from_h5_file(path)
        _require_measure(path, content.config)
    except ModelError:
        raise
    except PermissionError as error:
        raise ModelError(f"{path} cannot be read: permission denied.") from error
    # A damaged archive can fail anywhere, with any exception.
    except Exception as error:
        raise ModelError(
            f"{path} is damaged and cannot be read as a model ({first_line(error)}): save it again."
        ) from error
    return content


def refuse_code(path: Path, config: Any) -> None:
    """Refuse configurations that would run code or open other files on this machine.

    The safe mode of Keras refuses most of these, depending on the release.
    """
    for node in _nodes(config):
        reason = _danger(node)
        if reason:
            raise ModelError(
                f"{path} {reason}: if you trust its author, use --trust (in Python: trust=True)."
            )


def require_weights_stored(path: Path, content: Content) -> None:
    """Refuse configurations with more weights than the file holds.

    Otherwise a few bytes such as ``units=10**12`` would fill the memory of this machine.

    Raises
    ------
    ModelError
        If there are too many.
    Exception
        Any exception of Keras for a configuration that it cannot build.
    """
    limit = _SMALL + _MORE_WEIGHTS * content.numbers
    asked, failure = numbers_asked(content.config, path.suffix.lower() != ".keras")
    if asked > limit:
        raise ModelError(
            f"{path} describes a model of over {limit:,} weights, but holds "
            f"only {content.numbers:,}: save the whole model again."
        )
    # Custom classes may need weights to be built.
    if failure is not None and not _has_foreign(content.config):
        raise failure


def require_own_numbers(path: Path) -> None:
    """Refuse a weights file whose values are elsewhere: links, and shapes without data."""
    with h5py.File(path, "r") as file:
        _numbers_in(path, file)


def layer_name(config: Any, kind: str) -> str:
    """The name of the first layer of the class ``kind`` in a configuration; else the class."""
    nodes = (node for node in _nodes(config) if node.get("class_name") == kind)
    parts = (part for node in nodes for part in (node, node.get("config")))
    names = (part.get("name") for part in parts if isinstance(part, dict))
    return str(next(filter(None, names), kind))


def first_line(error: BaseException) -> str:
    """The first line of the text of ``error``, shortened; its class if there is no text."""
    lines = str(error).strip().splitlines()
    return lines[0][:200].rstrip(".") if lines else type(error).__name__


# What the file is


def _require_ending(path: Path, *endings: str) -> None:
    """Keras tells the two formats apart only by the file extension."""
    if path.suffix.lower() not in endings:
        raise ModelError(
            f"{path} is a Keras model in the {endings[0]} format with another extension: rename "
            f"it to {path.stem}{endings[0]}."
        )


def _from_keras_file(path: Path) -> Content:
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        if "config.json" not in names:
            raise ModelError(
                f"{path} is an archive without a Keras model: expected a file made by "
                "model.save('model.keras')."
            )
        if archive.getinfo("config.json").file_size > _CONFIG_LIMIT:
            raise ModelError(f"{path} has a configuration of over 100 MB: malformed or malicious.")
        _require_honest_members(path, archive.infolist())
        _require_ending(path, ".keras")
        config = json.loads(archive.read("config.json"))
        if _WEIGHTS not in names:
            raise ModelError(f"{path} has no {_WEIGHTS}, which holds the weights: save it again.")
        is_plain = archive.getinfo(_WEIGHTS).compress_type == zipfile.ZIP_STORED
        # Keras stores weights uncompressed: large ones need not be read to be counted.
        member = archive.open(_WEIGHTS) if is_plain else io.BytesIO(archive.read(_WEIGHTS))
        with member, h5py.File(member, "r") as file:
            return Content(config, _numbers_in(path, file))


def _require_honest_members(path: Path, members: list[zipfile.ZipInfo]) -> None:
    """Refuse archives that unpack to too much, or outside their own folder."""
    _require_size(path, sum(member.file_size for member in members))
    names = {member.filename for member in members}
    if len(names) < len(members):
        raise ModelError(f"{path} has two members with the same name: save the model again.")
    for member in members:
        name = member.filename
        is_link = stat.S_ISLNK(member.external_attr >> 16)
        if is_link or name.startswith("/") or ".." in name.split("/") or set("\\:") & set(name):
            raise ModelError(
                f"{path} has the member {name!r}, which points outside the archive: malformed or "
                "malicious."
            )
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ModelError(
                f"{path} uses an unusual compression (method {member.compress_type}): repack it "
                "as a plain zip file."
            )


def _require_size(path: Path, unpacked: int) -> None:
    if unpacked > _UNPACKED + _EXPANSION * path.stat().st_size:
        raise ModelError(
            f"{path} unpacks to {unpacked:,} bytes, over {_EXPANSION} times its own size: "
            "malformed or malicious."
        )


def _from_h5_file(path: Path) -> Content:
    with h5py.File(path, "r") as file:
        config = file.attrs.get("model_config")
        if config is None:
            raise ModelError(
                f"{path} holds only weights, not a model: save the whole model with "
                "model.save('model.keras'), or give the name of the network and weights=."
            )
        _require_ending(path, ".h5", ".hdf5")
        text = config.decode() if isinstance(config, bytes) else config
        return Content(json.loads(text), _numbers_in(path, file))


def _numbers_in(path: Path, file: h5py.File) -> int:
    """The total number of values in the data sets; ModelError if they are not in the file."""
    waiting, seen, numbers, size = [file], {file}, 0, 0
    while waiting:
        group = waiting.pop()
        for name in group:
            is_link = not isinstance(group.get(name, getlink=True), h5py.HardLink)
            if is_link or group[name] in seen:
                raise ModelError(f"{path} has weights that are only links: save it again.")
            item = group[name]
            seen.add(item)
            if isinstance(item, h5py.Group):
                waiting.append(item)
            elif isinstance(item, h5py.Dataset):
                if item.external or item.is_virtual:
                    raise ModelError(f"{path} has weights in other files: save it again.")
                numbers += math.prod(item.shape or ())
                size += math.prod(item.shape or ()) * item.dtype.itemsize
    _require_size(path, size)
    return numbers


# What the configuration asks for


def _nodes(config: Any) -> Iterator[dict]:
    """Every dictionary inside a configuration, at any depth."""
    waiting = [config]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            yield node
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)


def _require_measure(path: Path, config: Any) -> None:
    """Refuse configurations that are larger than any real model."""
    objects = 0
    for node in _nodes(config):
        objects += "class_name" in node
        for key in ("batch_shape", "batch_input_shape"):
            shape = node.get(key)
            shape = shape.get("items") if isinstance(shape, dict) else shape  # a tuple, in .h5
            if math.prod(side for side in shape or () if isinstance(side, int)) > 4 * PIXEL_LIMIT:
                raise ModelError(
                    f"{path} takes images of shape {shape}, larger than can be read: save a model "
                    "with a smaller input."
                )
        if isinstance(node.get("layers"), list) and "input_layers" in node:
            _require_order(path, node["layers"])
        if node.get("class_name") in ("__numpy__", "__tensor__"):
            keras.backend.standardize_dtype(node["config"]["dtype"])
    if objects > _MOST_OBJECTS:
        raise ModelError(
            f"{path} describes {objects:,} objects, more than any real model: "
            "malformed or malicious."
        )


def _require_order(path: Path, layers: list[dict]) -> None:
    """Refuse layers that wait for each other: Keras 3.12 would never finish connecting them."""
    calls = {layer["name"]: [_sources(call) for call in layer["inbound_nodes"]] for layer in layers}
    # A model among the layers, unlike a layer, was called once when it was made.
    made = {
        layer["name"]: int(layer["class_name"] == "InputLayer" or "layers" in layer["config"])
        for layer in layers
    }
    is_moving = True
    while is_moving:
        is_moving = False
        for name, waiting in calls.items():
            while waiting and all(made.get(source, 0) > index for source, index in waiting[0]):
                waiting.pop(0)
                made[name] += 1
                is_moving = True
    stuck = next((name for name, waiting in calls.items() if waiting), None)
    if stuck is not None:
        raise ModelError(
            f"{path} has layers in a circle, or unconnected ({stuck!r}): save it again."
        )


def _sources(call: Any) -> list[tuple[str, int]]:
    """The layers, and their calls, whose outputs one call of a layer takes."""
    if isinstance(call, list):  # as older releases write it, and .h5 files
        return [(name, int(index)) for name, index, *_ in call]
    tensors = (node["config"] for node in _nodes(call) if node.get("class_name") == _TENSOR)
    histories = (tensor.get("keras_history") for tensor in tensors)
    return [(history[0], int(history[1])) for history in histories if history]


def _danger(node: dict) -> str:
    """The danger of loading ``node``, as text after the file name; "" if there is none."""
    if isinstance(node.get("vocabulary"), str):
        return f"reads another file when it is loaded ({node['vocabulary']!r})"
    asked = _asked(node)
    name = asked[-1] if asked else ""
    if name in _RUN_CODE:
        kind = name.strip("_").capitalize() if name.startswith("_") else name
        return f"contains code ({with_article(kind)} layer), which would run on this machine"
    if asked[:1] != ["keras"]:
        return ""
    inner = [part for part in asked[1:-1] if part not in ("src", "api")]
    if inner[:1] == ["backend"] and inner[2:3] == ["optimizers"]:
        inner = inner[2:]  # a model that was trained on PyTorch names its own kind of Adam
    folder = inner[0] if inner else None
    is_function = not name[:1].isupper()
    if folder in (_FUNCTIONS if is_function else _CLASSES | {None}):
        return ""
    return f"refers to {'.'.join(asked)!r}, which is not part of a network"


def _asked(node: dict) -> list[str]:
    """The module and name that Keras looks up for a dictionary of a configuration."""
    kind = node.get("class_name")
    if kind in ("function", "__typespec__"):
        kind = node.get("config" if kind == "function" else "spec_name")
    if not isinstance(kind, str):
        return []
    module = node.get("module")
    return (f"{module}.{kind}" if isinstance(module, str) else kind).split(".")


def _has_foreign(config: Any) -> bool:
    """Whether a configuration refers to classes or functions outside Keras."""
    return any(
        ">" in str(node.get("registered_name") or node.get("class_name"))
        or not str(node.get("module") or "keras").startswith(("keras", "builtins"))
        for node in _nodes(config)
    )
