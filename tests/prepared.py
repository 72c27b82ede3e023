"""Preparations that are part of a model: ``build(name, place)``.

``PREPARATIONS`` has what each does to symbolic images, and what is to go before it where nothing is
given.
"""

import keras
import numpy as np
from keras import layers, ops

SIDE = 12
MEAN, STD = [123.7, 116.3, 103.5], [58.4, 57.1, 57.4]


@keras.saving.register_keras_serializable("tests")
class Prepared(layers.Layer):
    """Somebody's own preparation."""

    def call(self, x):
        return (x - 127.0) / 128.0


def normalized(x):
    return layers.Normalization(mean=MEAN, variance=np.square(STD))(x)


def applications(name):
    return lambda x: getattr(keras.applications, name).preprocess_input(x)


def standardized(x):
    mean, std = ops.mean(x, (1, 2, 3), keepdims=True), ops.std(x, (1, 2, 3), keepdims=True)
    return (x - mean) / (std + 1e-6)


def turned(x):
    """Channels in reverse order; PyTorch knows no slices of negative steps."""
    return ops.flip(x, axis=-1) if keras.config.backend() == "torch" else x[..., ::-1]


PREPARATIONS = {
    "tf": (applications("mobilenet_v2"), "none"),
    "caffe": (applications("vgg16"), "none"),
    "torch": (applications("densenet"), "none"),
    "operations": (lambda x: x / 127.5 - 1, "none"),
    "0…1": (lambda x: x / 255, "none"),
    "× 1/255": (lambda x: x * (1 / 255), "none"),
    "mean and deviation": (lambda x: (x - np.float32(MEAN)) / np.float32(STD), "none"),
    "mean alone": (lambda x: x - np.float32(MEAN), "none"),
    "reversed": (turned, "none"),
    "reversed and scaled": (lambda x: turned(x) / 255.0, "none"),
    "flip": (lambda x: ops.flip(x, axis=-1) - np.float32(MEAN), "none"),
    "Rescaling": (layers.Rescaling(1 / 127.5, offset=-1), "none"),
    "Normalization": (normalized, "none"),
    "Rescaling, Normalization": (lambda x: normalized(layers.Rescaling(255.0 / 255)(x)), "none"),
    "own layer": (Prepared(), "none"),
    "negative": (lambda x: 1 - x / 255, "none"),
    "logarithm": (lambda x: ops.log(1 + x) / 5.6, "none"),
    "clipped": (lambda x: ops.clip(x / 255, 0, 1), "none"),
    "each image": (standardized, "none"),
    "0…1 to −1…1": (lambda x: 2 * x - 1, "unit"),
    "Rescaling of 0…1": (layers.Rescaling(2.0, offset=-1), "unit"),
    "mean and deviation of 0…1": (
        lambda x: (x - np.float32(MEAN) / 255) / (np.float32(STD) / 255),
        "unit",
    ),
    "0…1 to 0…255": (lambda x: x * 255.0, "unit"),
    "nothing": (lambda x: x, "unit"),
    "minus a half": (lambda x: x - 0.5, "unit"),
    "cast": (lambda x: ops.cast(x, "float16"), "unit"),
}


def nested(prepare):
    """A model of its own for the preparation."""
    inner = keras.Input((SIDE, SIDE, 3))
    return keras.Model(inner, prepare(inner))


PLACES = {
    "first": lambda x, prepare: prepare(x),
    "behind augmentation": lambda x, prepare: prepare(
        layers.RandomRotation(0.1)(layers.RandomFlip()(x))
    ),
    "before augmentation": lambda x, prepare: layers.RandomContrast(0.1)(
        layers.RandomZoom(0.2)(prepare(x))
    ),
    "behind Resizing": lambda x, prepare: prepare(layers.Resizing(SIDE, SIDE)(x)),
    "before padding": lambda x, prepare: layers.ZeroPadding2D(1)(prepare(x)),
    "nested": lambda x, prepare: nested(prepare)(x),
    "nested twice": lambda x, prepare: nested(nested(prepare))(x),
    "before two branches": lambda x, prepare: prepare(x),
    "in two branches": lambda x, prepare: prepare(x),
}


def build(name, place="first"):
    """A classifier with the preparation ``name`` at ``place``."""
    keras.utils.set_random_seed(0)
    prepare, image = PREPARATIONS[name][0], keras.Input((SIDE, SIDE, 3))
    x = PLACES[place](image, prepare)
    if "branches" in place:
        other = prepare(image) if place == "in two branches" else x
        other = layers.Conv2D(4, 5, padding="same", name="wide")(other)
        x = layers.Add()([layers.Conv2D(4, 3, padding="same", name="conv")(x), other])
    else:
        x = layers.Conv2D(4, 3, activation="relu", name="conv")(x)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, layers.Dense(3, activation="softmax", name="answer")(x))
