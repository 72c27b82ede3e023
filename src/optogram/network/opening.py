"""Opening a network by name or from a file."""

import json
import os
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import keras

from optogram import backend
from optogram.errors import ModelError
from optogram.network import catalogue
from optogram.network.labels import Labels, imagenet
from optogram.network.network import Network

_ENDINGS = (".keras", ".h5", ".hdf5")
_CONFIG_LIMIT = 100_000_000
_IMAGENET_CLASSES = 1000


def load(
    model: str | os.PathLike,
    *,
    weights: str | os.PathLike | None = "imagenet",
    preprocess: Any = None,
    labels: Sequence[str] | str | os.PathLike | Labels | None = None,
    input: str | None = None,
    fixed: Mapping[str, Any] | None = None,
    output: str | None = None,
    trust: bool = False,
) -> Network:
    """Open a network.

    Parameters
    ----------
    model : str or path
        A name, in any case and with ``-`` or ``_``: "efficientnet-lite0" (embedded, nothing is
        downloaded) or a classifier of keras.applications such as "vgg16"; or a ``.keras`` or
        ``.h5`` file.
    weights : "imagenet", path or None
        For a name: the trained weights (downloaded by Keras once, where they are not embedded),
        a weights file, or random ones. A model file brings its own.
    preprocess, labels
        See `Network`; None takes what the name asks for.
    input, fixed, output
        Which of several inputs is the picture, what the others are held at, and which of several
        outputs is explained; see `Network`.
    trust : bool
        Also open a file that holds code of its own (``Lambda`` layers), and so let whoever made
        the file run any program on this machine. Off, such a file is refused unread.

    Returns
    -------
    Network

    Raises
    ------
    ModelError
        If the name is unknown, the file is no whole model or needs code to load, or the weights
        cannot be had.
    InputError
        If the preparation, the labels, or the choice of inputs and output do not fit.
    BackendError
        If Keras's backend is missing.
    """
    backend.current()
    part: dict[str, Any] = {"input": input, "fixed": fixed, "output": output}
    if _looks_like_file(model):
        return _from_file(Path(model), preprocess, labels, trust, part)
    entry = catalogue.find(str(model))
    built = catalogue.build(entry, weights)
    described = "random weights" if weights is None else f"weights {str(weights)!r}"
    if weights == "imagenet":
        described = "its ImageNet weights"
    return Network(
        built,
        entry.preprocess if preprocess is None else preprocess,
        imagenet() if labels is None else labels,
        origin=f"{entry.name} with {described}",
        **part,
    )


def _looks_like_file(model: str | os.PathLike) -> bool:
    text = os.fspath(model)
    if not isinstance(model, str) or text.lower().endswith(_ENDINGS) or os.sep in text:
        return True
    return text != "" and Path(text).exists() and not catalogue.is_known(text)


def _from_file(
    path: Path,
    preprocess: Any,
    labels: Sequence[str] | str | os.PathLike | Labels | None,
    trust: bool,
    part: Mapping[str, Any],
) -> Network:
    config = _read_config(path)
    if not trust:
        _refuse_code(path, config)
    try:
        model = keras.saving.load_model(path, compile=False, safe_mode=not trust)
    # A damaged or foreign file can fail anywhere inside Keras, with any exception.
    except Exception as error:
        raise ModelError(_why_not(path, error)) from error
    notes: tuple[str, ...] = ()
    entry = _architecture(model)
    if entry is not None:
        if preprocess is None:
            preprocess = entry.preprocess
            notes = (
                f"The file calls its model {model.name!r}: images are prepared as for "
                f"{entry.name} ({entry.preprocess!r}); say preprocess=… if that is wrong.",
            )
        if labels is None:
            labels = imagenet()
    return Network(model, preprocess, labels, origin=str(path), notes=notes, **part)


def _architecture(model: keras.Model) -> catalogue.Entry | None:
    """The ImageNet classifier of the catalogue that ``model`` says it is, by name and classes."""
    if getattr(model, "output_shape", None) != (None, _IMAGENET_CLASSES):
        return None
    bare_name = re.sub(r"_\d+\.\d+_\d+$", "", model.name)  # mobilenetv2_1.00_224
    try:
        return catalogue.find(bare_name)
    except ModelError:
        return None


def _read_config(path: Path) -> Any:
    """The configuration inside a model file, read without building anything of it."""
    if not path.exists():
        raise ModelError(f"{path} does not exist: give a .keras or .h5 file, or a network's name.")
    if path.is_dir():
        hint = "it is a TensorFlow SavedModel: " if (path / "saved_model.pb").exists() else ""
        raise ModelError(
            f"{path} is a folder, not a model file: {hint}save the model with "
            "model.save('model.keras')."
        )
    try:
        if zipfile.is_zipfile(path):
            return _config_of_keras_file(path)
        if h5py.is_hdf5(path):
            return _config_of_h5_file(path)
    except ModelError:
        raise
    except PermissionError as error:
        raise ModelError(f"{path} cannot be read: permission denied.") from error
    # As below: a damaged archive can fail anywhere, with any exception.
    except Exception as error:
        raise ModelError(
            f"{path} is damaged and cannot be read as a model ({_first_line(error)}): "
            "save it again."
        ) from error
    raise ModelError(
        f"{path} is no Keras model file: expected a .keras or .h5 file made by model.save()."
    )


def _require_ending(path: Path, *endings: str) -> None:
    """Keras tells the two formats apart by the ending alone."""
    if path.suffix.lower() not in endings:
        raise ModelError(
            f"{path} is a Keras model in the {endings[0]} format under another ending: rename it "
            f"to {path.stem}{endings[0]}."
        )


def _config_of_keras_file(path: Path) -> Any:
    with zipfile.ZipFile(path) as archive:
        if "config.json" not in archive.namelist():
            raise ModelError(
                f"{path} is an archive with no Keras model in it: expected a file made by "
                "model.save('model.keras')."
            )
        if archive.getinfo("config.json").file_size > _CONFIG_LIMIT:
            raise ModelError(f"{path} has a configuration of over 100 MB: no real model has.")
        _require_ending(path, ".keras")
        return json.loads(archive.read("config.json"))


def _config_of_h5_file(path: Path) -> Any:
    with h5py.File(path, "r") as file:
        config = file.attrs.get("model_config")
    if config is None:
        raise ModelError(
            f"{path} holds weights only, no model: save the whole model with "
            "model.save('model.keras'), or give the network's name and weights=."
        )
    _require_ending(path, ".h5", ".hdf5")
    return json.loads(config)


def _refuse_code(path: Path, config: Any) -> None:
    """Refuse files that hold code of their own; older Keras releases run it from .h5 files."""
    for node in _nodes(config):
        if node.get("class_name") in ("Lambda", "__lambda__"):
            raise ModelError(
                f"{path} holds code of its own (a Lambda layer), which would run on this machine: "
                "if you trust whoever made it, say --trust (in Python: trust=True)."
            )


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


def _why_not(path: Path, error: Exception) -> str:
    unknown = r"(?:Could not (?:locate|deserialize) (?:class|function)|Unknown \w+:) '([^']+)'"
    custom = re.search(unknown, str(error))
    if custom:
        return (
            f"{path} needs code that is not in the file ({custom[1]!r}): load it in Python with "
            "keras.saving.load_model(path, custom_objects=…) and open that with "
            "optogram.Network(model)."
        )
    return (
        f"{path} could not be loaded by Keras {keras.__version__} ({_first_line(error)}): "
        "save it again."
    )


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200].rstrip(".") if lines else type(error).__name__
