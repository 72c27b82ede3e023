"""Whether a model is named or in a file, told without Keras."""

import os
import zipfile
from pathlib import Path
from typing import Literal

from optogram.errors import ModelError
from optogram.files import kind_at
from optogram.network.opening import catalogue

_ENDINGS = (".keras", ".h5", ".hdf5")


def is_model_file(model: str | os.PathLike) -> bool:
    """Whether ``model`` is read as the path of a file, not as the name of a network."""
    text = os.fspath(model)
    if not isinstance(model, str) or text.lower().endswith(_ENDINGS) or os.sep in text:
        return True
    return text != "" and kind_at(Path(text)) != "nothing" and not catalogue.is_known(text)


def require_model(model: str | os.PathLike) -> None:
    """Check that there is such a file, which begins as model files do, or a network of that name.

    Raises
    ------
    ModelError
        If there is none.
    """
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
            f"{path} is a folder, not a model file: {hint}save the model with "
            "model.save('model.keras')."
        )
    if kind == "nothing":
        raise ModelError(f"{path} does not exist: give a .keras or .h5 file, or a network's name.")
    if kind == "device":  # opening a pipe would wait for its other end
        raise ModelError(f"{path} is a pipe or device, not a model file: give the path of one.")
