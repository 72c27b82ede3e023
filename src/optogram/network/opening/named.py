"""Whether a model is named or in a file, told without Keras."""

import os
import zipfile
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from optogram.errors import ModelError
from optogram.files import kind_at
from optogram.network.opening import catalogue

_ENDINGS = (".keras", ".h5", ".hdf5")
_HANDLES = ("hf://", "kaggle://", "modelscope://")
_PRESET_FILES = ("config.json", "metadata.json")


def is_model_file(model: str | os.PathLike) -> bool:
    """Whether ``model`` is read as the path of a file, not as the name of a network."""
    text = os.fspath(model)
    if is_handle(text):
        return False
    if not isinstance(model, str) or text.lower().endswith(_ENDINGS) or os.sep in text:
        return True
    return text != "" and kind_at(Path(text)) != "nothing" and not catalogue.is_known(text)


def is_preset_folder(model: str | os.PathLike) -> bool:
    """Whether ``model`` is a folder that KerasHub's ``save_to_preset`` wrote."""
    return all(kind_at(Path(model) / name) == "file" for name in _PRESET_FILES)


def is_handle(model: str | os.PathLike) -> bool:
    """Whether ``model`` is the address of a preset, such as ``hf://user/name``."""
    text = os.fspath(model)
    return text.startswith(_HANDLES) and not text.lower().endswith(_ENDINGS)


def is_preset(model: str | os.PathLike) -> bool:
    """Whether ``model`` is a preset of KerasHub: a folder, or a handle such as ``hf://user/name``."""
    return is_handle(model) or is_preset_folder(model)


def may_be_preset(model: str | os.PathLike) -> bool:
    """Whether ``model`` is a preset of KerasHub, or a name that only KerasHub can know."""
    if is_preset(model):
        return True
    is_name = not is_model_file(model) and not catalogue.is_known(os.fspath(model))
    return is_name and find_spec("keras_hub") is not None


def require_model(model: str | os.PathLike) -> None:
    """Check that there is such a file, which begins as model files do, or a network of that name.

    Raises
    ------
    ModelError
        If there is none.
    """
    if may_be_preset(model):
        return
    if is_model_file(model):
        require_file(Path(model))
        if os.access(model, os.R_OK):  # else reading it says so
            container(Path(model))
    else:
        catalogue.find(str(model))


def container(path: Path) -> Literal["zip", "hdf5"]:
    """What a model file is: a zip archive, as .keras files are, or HDF5.

    Raises
    ------
    ModelError
        If it is neither.
    """
    if zipfile.is_zipfile(path):
        return "zip"
    import h5py

    if h5py.is_hdf5(path):
        return "hdf5"
    raise ModelError(
        f"{path} is not a Keras model file: expected a .keras or .h5 file made by model.save()."
    )


def require_file(path: Path) -> None:
    """Check that a model file exists and is a file.

    Raises
    ------
    ModelError
        If it is not.
    """
    kind = kind_at(path)
    if kind == "folder":
        hint = "it is a TensorFlow SavedModel: " if (path / "saved_model.pb").exists() else ""
        raise ModelError(
            f"{path} is a folder, neither a model file nor a preset of KerasHub: {hint}save the "
            "model with model.save('model.keras')."
        )
    if kind == "nothing":
        raise ModelError(f"{path} does not exist: give a .keras or .h5 file, or a network's name.")
    if kind == "device":  # opening a pipe would wait for its other end
        raise ModelError(f"{path} is a pipe or device, not a model file: give the path of one.")
