"""Presets of KerasHub: a task, its weights and its preprocessing, in a folder or by name."""

import json
import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np

from optogram.errors import ModelError
from optogram.network.labels import Labels, imagenet
from optogram.network.opening.model_file import first_line, refuse_code
from optogram.network.opening.named import is_handle, is_preset_folder
from optogram.pictures.preparation import Affine, Preparation

_TASKS = ("ImageClassifier", "ImageSegmenter", "ObjectDetector", "DepthEstimator")
"""Kinds of tasks that read images, in the order in which they are tried."""
_OTHER_KIND = "Unable to find a subclass"
"""What KerasHub says of a preset for another kind of task."""
_CONFIGURATIONS = ("config.json", "task.json", "preprocessor.json", "image_converter.json")
_IMAGENET_CLASSES = 1000
_RESAMPLES = {
    ("area", False): "area",
    ("bilinear", False): "bilinear",
    ("lanczos3", True): "lanczos",
    ("nearest", False): "nearest",
}
"""By interpolation and antialiasing of the preset."""


class Preset(NamedTuple):
    """What a preset says.

    Attributes
    ----------
    model : keras.Model
        The task.
    preparation : Preparation or None
        How its preprocessor converts pixels; None if it has none.
    resample : str or None
        How its preprocessor resizes photos; None if it does not say, or does it otherwise.
    labels : Labels or None
        Its classes, if they are those of ImageNet.
    warnings : tuple of str
        What differs from the preprocessor of the preset.
    """

    model: keras.Model
    preparation: Preparation | None
    resample: str | None
    labels: Labels | None
    warnings: tuple[str, ...]


def is_named(name: str) -> bool:
    """Whether KerasHub has a preset of that name for images."""
    from keras_hub import models

    return any(name in getattr(models, kind).presets for kind in _TASKS)


def read_preset(preset: str | os.PathLike, trust: bool) -> Preset:
    """Load a task of KerasHub.

    Parameters
    ----------
    preset : str or path
        A folder that ``save_to_preset`` wrote, the name of a preset, or a handle such as
        ``hf://user/name``.
    trust : bool
        Whether code in a folder may run, and a handle may be downloaded.

    Raises
    ------
    ModelError
        If KerasHub is not installed, the preset has no task that reads images, or a handle is not
        trusted.
    """
    name = os.fspath(preset)
    if find_spec("keras_hub") is None:
        raise ModelError(
            f"{name} is a preset of KerasHub, which is not installed: pip install keras-hub."
        )
    if is_handle(preset) and not trust:
        raise ModelError(
            f"{name} would be downloaded, and anyone can offer presets there: pass trust=True "
            "(--trust) if you trust its author."
        )
    if is_preset_folder(preset) and not trust:
        for part in _CONFIGURATIONS:
            if (Path(preset) / part).is_file():
                refuse_code(Path(preset) / part, _content(Path(preset) / part))
    model = _task(name)
    converter = getattr(getattr(model, "preprocessor", None), "image_converter", None)
    labels = None
    if "imagenet" in Path(name).name and _classes(model) == _IMAGENET_CLASSES:
        labels = imagenet()
    if converter is None:
        return Preset(model, None, None, labels, ())
    resample, warnings = _resizing(converter)
    return Preset(model, _preparation(converter), resample, labels, warnings)


def _content(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(
            f"{path} cannot be read ({first_line(error)}): save the preset again."
        ) from error


def _task(name: str) -> keras.Model:
    """The task of a preset, whatever its kind."""
    from keras_hub import models

    for kind in _TASKS:
        try:
            return getattr(models, kind).from_preset(name)
        # KerasHub raises exceptions of any type, as do its downloads and damaged files.
        except Exception as error:
            if _OTHER_KIND not in str(error):
                raise ModelError(
                    f"{name} could not be loaded by KerasHub ({first_line(error)}): give a preset "
                    f"of a task for images ({', '.join(_TASKS)})."
                ) from error
    raise ModelError(f"{name} is a preset of no task for images: give one of {', '.join(_TASKS)}.")


def _classes(model: keras.Model) -> int | None:
    shape = getattr(model, "output_shape", None)
    return shape[-1] if isinstance(shape, tuple) else None


def _preparation(converter: Any) -> Preparation:
    """The conversion of pixels, ``pixels · scale + offset``."""
    scale = np.atleast_1d(1.0 if converter.scale is None else converter.scale).astype(float)
    offset = np.atleast_1d(0.0 if converter.offset is None else converter.offset).astype(float)
    return Affine(
        "preset", shift=tuple(map(float, -offset / scale)), scale=tuple(map(float, 1 / scale))
    )


def _resizing(converter: Any) -> tuple[str | None, tuple[str, ...]]:
    """How photos are resized, and warnings of what is done otherwise here."""
    told: list[str] = []
    if converter.crop_to_aspect_ratio or converter.pad_to_aspect_ratio:
        fit, does = ("crop", "crops") if converter.crop_to_aspect_ratio else ("pad", "pads")
        told.append(
            f'The preset {does} photos to the shape of the input: give fit="{fit}", otherwise '
            "they are stretched."
        )
    asked = (converter.interpolation, bool(converter.antialias))
    resample = _RESAMPLES.get(asked)
    if resample is None:
        how = f"{asked[0]!r}{' with antialiasing' if asked[1] else ''}"
        told.append(f"The preset resizes photos by {how}, which is not available here.")
    return resample, tuple(told)
