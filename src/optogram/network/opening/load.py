"""Opening a network by name or from a file."""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras

from optogram import backend
from optogram.arguments import checked, shown
from optogram.errors import InputError, ModelError
from optogram.files import kind_at, labels_beside
from optogram.network.labels import Labels, imagenet
from optogram.network.network import Network
from optogram.network.opening import catalogue
from optogram.network.opening.model_file import (
    first_line,
    layer_name,
    read,
    refuse_code,
    require_weights_stored,
)
from optogram.network.opening.named import is_model_file, is_preset, may_be_preset
from optogram.network.opening.preset import is_named, read_preset
from optogram.pictures.resample import require_resample

_IMAGENET_CLASSES = 1000


@checked
def load(
    model: str | os.PathLike,
    *,
    weights: str | os.PathLike | None = "imagenet",
    preprocess: Any = None,
    labels: Any = None,
    input: str | None = None,
    fixed: Mapping[str, Any] | None = None,
    output: str | None = None,
    resample: str | None = None,
    trust: bool = False,
    custom_objects: Mapping[str, Any] | None = None,
) -> Network:
    """Open a network.

    Parameters
    ----------
    model : str or path
        A name, ignoring case, with ``-`` or ``_``: "efficientnet-lite0" (embedded, works offline)
        or a classifier of keras.applications, such as "vgg16". Or a ``.keras`` or ``.h5`` file. Or
        a preset of KerasHub, if that is installed: a folder written by ``save_to_preset``, a name
        such as "vit_base_patch16_224_imagenet", or a handle such as "hf://user/name".
    weights : "imagenet", path or None
        For a name: trained weights (embedded, or downloaded and cached by Keras), a weights file,
        or random weights. Model files and presets have their own weights: leave this out.
    preprocess, labels
        See `Network`. None: for a name, those of the named network; for a preset, the
        preprocessing of its preprocessor. For a model file or a folder with a preset, labels are
        read from a text file next to it, if there is one: ``flowers.labels.txt`` for
        ``flowers.keras``, one name per line.
    input, fixed, output
        Name of the image input, constant values of the other inputs, and name of the output to
        explain; see `Network`.
    resample : {"lanczos", "bilinear", "nearest", "area"}, optional
        How photos are resized to the input size. Choose what the network was trained on:
        "bilinear" for ``keras.utils.image_dataset_from_directory``; see `Network.prepare`. None:
        what a preset says, else "lanczos".
    trust : bool
        Also open a file that contains code (``Lambda`` layers): the author of the file can then
        run any program on this machine. Or download a preset by its handle. False: such a file is
        refused without being loaded.
    custom_objects : mapping of str to class or function, optional
        Your own layers and functions in a model file, by name: ``{"MyLayer": MyLayer}``. They are
        known to Keras only while the file is opened. Layers registered with Keras
        (``keras.saving.register_keras_serializable``) need not be given.

    Returns
    -------
    Network

    Raises
    ------
    ModelError
        If the name is unknown, the file is not a whole model or needs code to load, or the weights
        are not available.
    InputError
        If weights are given for a file or preset, or custom_objects for a name or preset or with
        other contents than classes and functions, or the preparation, the labels, or the choice of
        inputs and output do not fit.
    BackendError
        If Keras's backend is missing.
    """
    backend.current()
    part: dict[str, Any] = {
        "input": input,
        "fixed": fixed,
        "output": output,
        "resample": require_resample("lanczos" if resample is None else resample),
    }
    is_preset_name = not is_preset(model) and may_be_preset(model) and is_named(str(model))
    if is_preset(model) or is_preset_name:
        if weights != "imagenet" or custom_objects:
            raise InputError(
                f"weights= and custom_objects= are not for presets, such as {os.fspath(model)!r}: "
                "leave them out."
            )
        if resample is None:
            del part["resample"]
        return _from_preset(model, preprocess, labels, trust, part)
    if is_model_file(model):
        if weights != "imagenet":
            raise InputError(
                f"weights= is for networks given by name; the file {os.fspath(model)!r} has "
                "weights of its own: leave weights= out."
            )
        custom = _require_custom(custom_objects or {})
        return _from_file(Path(model), preprocess, labels, trust, custom, part)
    if custom_objects:
        raise InputError("custom_objects= is for model files: leave it out for a network by name.")
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


def _from_preset(
    preset: str | os.PathLike,
    preprocess: Any,
    labels: Any,
    trust: bool,
    part: Mapping[str, Any],
) -> Network:
    found = read_preset(preset, trust)
    beside = labels_beside(Path(preset))
    if labels is None:
        labels = beside if kind_at(beside) == "file" else found.labels
    return Network(
        found.model,
        found.preparation if preprocess is None else preprocess,
        labels,
        origin=os.fspath(preset),
        warnings=found.warnings,
        **{"name": Path(preset).name, "resample": found.resample or "lanczos", **part},
    )


def _from_file(
    path: Path,
    preprocess: Any,
    labels: Sequence[str] | str | os.PathLike | Labels | None,
    trust: bool,
    custom: dict[str, Any],
    part: Mapping[str, Any],
) -> Network:
    content, part = read(path), {**part, "name": path.stem}
    try:
        # The scope is local to the thread.
        with keras.saving.custom_object_scope(custom):
            if not trust:
                refuse_code(path, content.config)
                require_weights_stored(path, content)
            model = keras.saving.load_model(path, compile=False, safe_mode=not trust)
    except ModelError:
        raise
    # A damaged or foreign file can fail anywhere inside Keras, with any exception.
    except Exception as error:
        raise ModelError(_why_not(path, error, content.config)) from error
    if labels is None and kind_at(labels_beside(path)) == "file":
        labels = labels_beside(path)
    entry = _architecture(model)
    if entry is not None and labels is None:
        labels = imagenet()
    if entry is not None and preprocess is None:
        warning = (
            f"The model in the file is named {model.name!r}: images are preprocessed as for "
            f"{entry.name} ({entry.preprocess!r}); if this is wrong, choose with preprocess=…."
        )
        net = Network(model, entry.preprocess, labels, origin=str(path), warnings=[warning], **part)
        if entry.preprocess == "none" or not net.takes_pixels:
            return net
        # It preprocesses images itself, unlike the network of that name.
    return Network(model, preprocess, labels, origin=str(path), **part)


def _require_custom(custom: Mapping[str, Any]) -> dict[str, Any]:
    """``custom`` as given; InputError unless it has classes and functions by name."""
    for name, content in custom.items():
        if not isinstance(name, str) or not callable(content):
            raise InputError(
                "custom_objects must have classes or functions by name, such as "
                f"{{'MyLayer': MyLayer}}, not {shown(name)}: {shown(content)}."
            )
    return dict(custom)


def _architecture(model: keras.Model) -> catalogue.Entry | None:
    """The ImageNet classifier of the catalogue with the name and the classes of ``model``."""
    if getattr(model, "output_shape", None) != (None, _IMAGENET_CLASSES):
        return None
    bare_name = re.sub(r"_\d+\.\d+_\d+$", "", model.name)  # mobilenetv2_1.00_224
    try:
        return catalogue.find(bare_name)
    except ModelError:
        return None


def _why_not(path: Path, error: Exception, config: Any) -> str:
    unknown = r"(?:Could not (?:locate|deserialize) (?:class|function)|Unknown \w+:) '([^']+)'"
    custom = re.search(unknown, str(error))
    if custom:
        name = custom[1].rpartition(">")[2]
        return (
            f"{path} needs code that is not in the file ({custom[1]!r}): give the Python file that "
            f"defines it with --code and --trust (in Python: custom_objects={{{name!r}: {name}}})."
        )
    arguments = r"(\w+)\.__init__\(\) ((?:got an unexpected|missing) .*)"
    refused = re.search(arguments, str(error))
    if refused and not hasattr(keras.layers, refused[1]):
        return (
            f"{path} lacks what makes its layer {layer_name(config, refused[1])!r} anew "
            f"({refused[1]}.__init__() {refused[2]}): give the class {refused[1]} a get_config() "
            "that returns the arguments of its __init__(), name and dtype among them, and save the "
            "model again."
        )
    return (
        f"{path} could not be loaded by Keras {keras.__version__} ({first_line(error)}): save it "
        "again."
    )
