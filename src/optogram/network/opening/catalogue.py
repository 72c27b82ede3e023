"""Networks known by name: the classifiers of ``keras.applications`` and EfficientNet-Lite0.

The preprocessing is that of each module's ``preprocess_input`` in Keras; it is "none" if the
network itself begins with a rescaling.
"""

import http.client
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from optogram.errors import ModelError, nearest

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Entry:
    """A network by name.

    Attributes
    ----------
    name
        Name, in lower case: ``"vgg16"``.
    builder
        The function that builds it, an attribute of ``keras.applications``: ``"VGG16"``.
    preprocess
        Preprocessing of pixels 0 to 255: ``"caffe"``, ``"tf"``, ``"torch"``, ``"none"``,
        ``"lite"``.
    size
        Height and width of the input, in pixels.
    """

    name: str
    builder: str
    preprocess: str
    size: int


_LITE = Entry("efficientnet-lite0", "efficientnet_lite0", "lite", 224)

# Preparation and builders, each with its image size.
_APPLICATIONS = {
    "caffe": {"VGG16": 224, "VGG19": 224, "ResNet50": 224, "ResNet101": 224, "ResNet152": 224},
    "tf": {
        "InceptionResNetV2": 299,
        "InceptionV3": 299,
        "MobileNet": 224,
        "MobileNetV2": 224,
        "NASNetLarge": 331,
        "NASNetMobile": 224,
        "ResNet50V2": 224,
        "ResNet101V2": 224,
        "ResNet152V2": 224,
        "Xception": 299,
    },
    "torch": {"DenseNet121": 224, "DenseNet169": 224, "DenseNet201": 224},
    "none": {
        "ConvNeXtTiny": 224,
        "ConvNeXtSmall": 224,
        "ConvNeXtBase": 224,
        "ConvNeXtLarge": 224,
        "ConvNeXtXLarge": 224,
        "EfficientNetB0": 224,
        "EfficientNetB1": 240,
        "EfficientNetB2": 260,
        "EfficientNetB3": 300,
        "EfficientNetB4": 380,
        "EfficientNetB5": 456,
        "EfficientNetB6": 528,
        "EfficientNetB7": 600,
        "EfficientNetV2B0": 224,
        "EfficientNetV2B1": 240,
        "EfficientNetV2B2": 260,
        "EfficientNetV2B3": 300,
        "EfficientNetV2S": 384,
        "EfficientNetV2M": 480,
        "EfficientNetV2L": 480,
        "MobileNetV3Large": 224,
        "MobileNetV3Small": 224,
    },
}

_ENTRIES = {
    _LITE.name: _LITE,
    **{
        builder.lower(): Entry(builder.lower(), builder, preprocess, size)
        for preprocess, sizes in _APPLICATIONS.items()
        for builder, size in sizes.items()
    },
}


def names() -> tuple[str, ...]:
    """The names of all networks that can be opened by name."""
    return tuple(_ENTRIES)


def is_known(name: str) -> bool:
    """Whether `find` has a network of that name."""
    return _key(name) in map(_key, _ENTRIES)


def find(name: str) -> Entry:
    """Look up a network by name, in any case, ``-``, ``_`` and spaces left out of account.

    Raises
    ------
    ModelError
        There is none of that name.
    """
    wanted = _key(name)
    for entry in _ENTRIES.values():
        if _key(entry.name) == wanted:
            return entry
    hint = nearest(name, _ENTRIES)
    raise ModelError(
        f"No network is called {name!r}{f' ({hint})' if hint else ''}; give efficientnet-lite0, "
        "a classifier of keras.applications, or the path of a .keras or .h5 file."
    )


def build(entry: Entry, weights: str | os.PathLike | None = "imagenet") -> "keras.Model":
    """Build the network of ``entry``, with its classification head.

    Parameters
    ----------
    entry
        Result of :func:`find`.
    weights
        ``"imagenet"`` (Keras downloads and caches the file; for EfficientNet-Lite0 it comes from
        an installed package), the path of a Keras weights file for 1000 classes, or None for
        random weights.

    Returns
    -------
    keras.Model
        From ``(N, size, size, 3)`` to ``(N, 1000)`` probabilities.

    Raises
    ------
    ModelError
        The installed Keras does not have the network, or not on this backend; the download fails;
        or the file is missing or does not fit.
    """
    import keras

    from optogram.network.opening.efficientnet_lite0 import efficientnet_lite0, load_weights_file

    if entry == _LITE:
        return efficientnet_lite0(weights)
    builder = getattr(keras.applications, entry.builder, None)
    if builder is None:
        raise ModelError(
            f"Keras {keras.__version__} has no {entry.builder}; upgrade it with: pip install "
            "--upgrade keras."
        )
    trained = weights == "imagenet"
    # Some networks of Keras take any size (MobileNetV3); here all have the size of their training.
    shape = (entry.size, entry.size, 3)
    try:
        model = builder(weights="imagenet" if trained else None, input_shape=shape)
    except Exception as error:
        if _is_missing_on_backend(error):
            raise ModelError(
                f"Keras does not offer {entry.name} on the {keras.backend.backend()} backend; set "
                "KERAS_BACKEND to another one."
            ) from error
        if trained and _is_failed_download(error):
            raise ModelError(
                f"The ImageNet weights of {entry.name} could not be downloaded ({error}); give "
                "the path of the file, or use random weights (--weights random, in Python "
                "None)."
            ) from error
        raise
    if weights is not None and not trained:
        load_weights_file(model, weights)
    return model


def _is_missing_on_backend(error: Exception) -> bool:
    """Whether the error says that the backend is not supported, as for NASNetMobile on PyTorch."""
    return isinstance(error, ValueError) and "is not available with the" in str(error)


def _is_failed_download(error: Exception) -> bool:
    """Whether ``keras.utils.get_file`` failed, which raises plain ``Exception`` for HTTP errors."""
    if isinstance(error, OSError | http.client.HTTPException):
        return True
    return str(error).startswith(("URL fetch failure", "Incomplete or corrupted file"))


def _key(name: str) -> str:
    return re.sub(r"[\s_-]+", "", name).lower()
