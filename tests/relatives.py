"""Activations in every layer that takes one, and layers that work in training alone, everywhere.

``activated(activation, host, data_format)`` and ``augmented(layer, place)`` build the networks that
tests draw from `activated_cases` and `augmented_cases`.
"""

from functools import partial
from itertools import product

import keras
import numpy as np
from keras import layers, ops

from networks import fill

SIZE, CHANNELS = (12, 9), 4
FORMATS = ("channels_last", "channels_first")


class MixesRows(layers.Layer):
    """Somebody's own layer, which no rule is known for."""

    def call(self, x):
        return x - ops.mean(x, axis=(1, 2, 3), keepdims=True)


class OwnReLU(layers.ReLU):
    """A layer of Keras's with code of somebody else's."""

    def call(self, x):
        return super().call(x) + ops.max(x, axis=(1, 2, 3), keepdims=True)


def less_the_mean(x):
    return x - ops.mean(x, axis=(1, 2, 3), keepdims=True)


def _numbers(shape):
    return np.random.default_rng(1).uniform(0.5, 1.5, shape).astype("float32")


# Each is made for maps of a shape without the batch and of a data format.
ACTIVATIONS = {
    "relu": lambda shape, form: "relu",
    "gelu": lambda shape, form: "gelu",
    "hard_silu": lambda shape, form: keras.activations.hard_silu,
    "softmax": lambda shape, form: "softmax",
    "log_softmax": lambda shape, form: "log_softmax",
    "sparsemax": lambda shape, form: "sparsemax",
    "ops.tanh": lambda shape, form: ops.tanh,
    "somebody's function": lambda shape, form: less_the_mean,
    "partial": lambda shape, form: partial(keras.activations.softmax, axis=1),
    "lambda": lambda shape, form: lambda x: ops.softmax(x, axis=2),
    "somebody's layer": lambda shape, form: MixesRows(),
    "somebody's ReLU": lambda shape, form: OwnReLU(),
    "ReLU": lambda shape, form: layers.ReLU(),
    "LeakyReLU": lambda shape, form: layers.LeakyReLU(),
    "ELU": lambda shape, form: layers.ELU(),
    "PReLU": lambda shape, form: layers.PReLU(),
    "PReLU along 1, 2": lambda shape, form: layers.PReLU(shared_axes=[1, 2]),
    "PReLU along 2, 3": lambda shape, form: layers.PReLU(shared_axes=[2, 3]),
    "PReLU along 1": lambda shape, form: layers.PReLU(shared_axes=[1]),
    "Softmax": lambda shape, form: layers.Softmax(),
    "Softmax 1": lambda shape, form: layers.Softmax(axis=1),
    "Softmax 1, 2": lambda shape, form: layers.Softmax(axis=(1, 2)),
    "UnitNormalization": lambda shape, form: layers.UnitNormalization(),
    "UnitNormalization 1": lambda shape, form: layers.UnitNormalization(axis=1),
    "UnitNormalization 2": lambda shape, form: layers.UnitNormalization(axis=2),
    "LayerNormalization": lambda shape, form: layers.LayerNormalization(),
    "LayerNormalization 1": lambda shape, form: layers.LayerNormalization(axis=1),
    "LayerNormalization 1, 2, 3": lambda shape, form: layers.LayerNormalization(axis=(1, 2, 3)),
    "RMSNormalization": lambda shape, form: layers.RMSNormalization(),
    "GroupNormalization": lambda shape, form: layers.GroupNormalization(
        2, axis=1 if form == "channels_first" else -1
    ),
    "BatchNormalization": lambda shape, form: layers.BatchNormalization(),
    "BatchNormalization 1": lambda shape, form: layers.BatchNormalization(axis=1),
    "Normalization 1, 2, 3": lambda shape, form: layers.Normalization(
        axis=(1, 2, 3), mean=_numbers(shape), variance=_numbers(shape)
    ),
    "Normalization 2": lambda shape, form: layers.Normalization(
        axis=2, mean=_numbers(shape[1]), variance=_numbers(shape[1])
    ),
    "Rescaling": lambda shape, form: layers.Rescaling(2.0, offset=-1),
    "Rescaling of channels": lambda shape, form: layers.Rescaling(list(_numbers(shape[-1]))),
    "Rescaling by a map": lambda shape, form: layers.Rescaling(2.0, offset=_numbers(shape)),
    "Rescaling by lists": lambda shape, form: layers.Rescaling(
        _numbers(shape).tolist(), offset=_numbers((1, *shape[1:])).tolist()
    ),
    "Rescaling by rows": lambda shape, form: layers.Rescaling(_numbers((shape[0], 1, 1))),
    "Rescaling by columns": lambda shape, form: layers.Rescaling(_numbers((shape[1], 1))),
    "Identity": lambda shape, form: layers.Identity(),
    "Dropout": lambda shape, form: layers.Dropout(0.5),
    "SpatialDropout2D": lambda shape, form: layers.SpatialDropout2D(0.5, data_format=form),
    "GaussianNoise": lambda shape, form: layers.GaussianNoise(0.5),
    "RandomFlip": lambda shape, form: layers.RandomFlip(data_format=form),
    "DepthwiseConv2D": lambda shape, form: layers.DepthwiseConv2D(
        3, padding="same", data_format=form
    ),
    "MaxPooling2D": lambda shape, form: layers.MaxPooling2D(3, 1, "same", data_format=form),
    "Dense, softmax of rows": lambda shape, form: layers.Dense(
        shape[-1], activation=layers.Softmax(axis=1)
    ),
    "Dense, PReLU": lambda shape, form: layers.Dense(shape[-1], activation=layers.PReLU()),
    "Sequential": lambda shape, form: keras.Sequential([layers.Softmax(axis=1)]),
    "Activation of Softmax 1": lambda shape, form: layers.Activation(layers.Softmax(axis=1)),
    "Activation of relu": lambda shape, form: layers.Activation("relu"),
}


def _alone(activation, form):
    return activation if isinstance(activation, layers.Layer) else layers.Activation(activation)


HOSTS = {
    "Conv2D": lambda activation, form: layers.Conv2D(
        CHANNELS, 3, padding="same", activation=activation, data_format=form
    ),
    "DepthwiseConv2D": lambda activation, form: layers.DepthwiseConv2D(
        3, padding="same", activation=activation, data_format=form
    ),
    "SeparableConv2D": lambda activation, form: layers.SeparableConv2D(
        CHANNELS, 3, padding="same", activation=activation, data_format=form
    ),
    "Conv2DTranspose": lambda activation, form: layers.Conv2DTranspose(
        CHANNELS, 3, padding="same", activation=activation, data_format=form
    ),
    "Dense": lambda activation, form: layers.Dense(
        shape_of(CHANNELS, form)[-1], activation=activation
    ),
    "EinsumDense": lambda activation, form: layers.EinsumDense(
        "abcd,de->abce", shape_of(CHANNELS, form), activation=activation
    ),
    "alone": _alone,
    "Activation": lambda activation, form: layers.Activation(activation),
    "Activation in Activation": lambda activation, form: layers.Activation(
        layers.Activation(activation)
    ),
}


def shape_of(channels, form):
    return (*SIZE, channels) if form == "channels_last" else (channels, *SIZE)


def activated(activation, host, form):
    """A network with one activation in one layer, between two convolutions."""
    keras.utils.set_random_seed(0)
    image = keras.Input(shape_of(3, form))
    x = layers.Conv2D(CHANNELS, 3, padding="same", data_format=form, name="first")(image)
    made = ACTIVATIONS[activation](shape_of(CHANNELS, form), form)
    for one in (made, getattr(made, "activation", None)):
        if isinstance(one, layers.Layer):  # Keras would at the first call
            one.build((None, *shape_of(CHANNELS, form)))
    x = HOSTS[host](made, form)(x)
    x = layers.Conv2D(3, 2, activation="relu", data_format=form, name="last")(x)
    model = keras.Model(image, layers.Dense(3, name="answer")(layers.Flatten()(x)))
    fill(model)
    return model


def activated_cases(count=None, seed=0):
    """(activation, host, data format) of all networks, or of ``count`` that a seed draws.

    Keras on PyTorch runs layer normalization along the last axes alone.
    """
    failing = ("LayerNormalization 1",) if keras.config.backend() == "torch" else ()
    cases = [case for case in product(ACTIVATIONS, HOSTS, FORMATS) if case[0] not in failing]
    return _drawn(cases, count, seed)


# -- layers that work in training alone ------------------------------------------------------------

AUGMENTATIONS = {
    "AlphaDropout": {"rate": 0.5},
    "AugMix": {},
    "CutMix": {},
    "Dropout": {"rate": 0.5},
    "Equalization": {"value_range": (0, 1)},
    "GaussianDropout": {"rate": 0.5},
    "GaussianNoise": {"stddev": 0.5},
    "MaxNumBoundingBoxes": {"max_number": 3},
    "MixUp": {},
    "RandAugment": {"value_range": (0, 1)},
    "RandomBrightness": {"factor": 0.5},
    "RandomColorDegeneration": {"factor": 0.5},
    "RandomColorJitter": {"brightness_factor": 0.5},
    "RandomContrast": {"factor": 0.5},
    "RandomCrop": {"height": 8, "width": 7},
    "RandomElasticTransform": {},
    "RandomErasing": {},
    "RandomFlip": {},
    "RandomGaussianBlur": {},
    "RandomGrayscale": {},
    "RandomHue": {"factor": 0.5},
    "RandomInvert": {},
    "RandomPerspective": {},
    "RandomPosterization": {"factor": 4},
    "RandomRotation": {"factor": 0.5},
    "RandomSaturation": {"factor": 0.5},
    "RandomSharpness": {"factor": 0.5},
    "RandomShear": {"x_factor": 0.5},
    "RandomTranslation": {"height_factor": 0.5, "width_factor": 0.5},
    "RandomZoom": {"height_factor": 0.5},
    "Solarization": {},
    "SpatialDropout2D": {"rate": 0.5},
}
"""What is given to each layer of Keras's that returns its input outside training."""

PLACES = (
    "first",
    "behind Rescaling",
    "in a Sequential",
    "in a Pipeline",
    "in Activation",
    "in somebody's layer",
    "behind the convolution",
)


ENCLOSED = ("in a Sequential", "in a Pipeline", "in Activation")
"""Where Keras can build a graph around Equalization, which returns the symbol that it is given."""


class Block(layers.Layer):
    """Somebody's layer that holds one of Keras's."""

    def __init__(self, layer):
        super().__init__()
        self.inside = layer

    def get_config(self):
        return {"layer": keras.saving.serialize_keras_object(self.inside)}

    def call(self, x):
        return self.inside(x)


def augmented(layer, place):
    """A classifier with ``layer`` at a place; None: the same one without."""
    keras.utils.set_random_seed(0)
    image = keras.Input((*SIZE, 3), name="image")
    at = {name: (lambda x: x) for name in ("first", "behind the convolution")}
    if layer is not None:
        made = getattr(layers, layer)(**AUGMENTATIONS[layer])
        wrapped = {
            "in a Sequential": lambda: keras.Sequential([made, layers.RandomFlip()]),
            "in a Pipeline": lambda: layers.Pipeline([made, layers.RandomFlip()]),
            "in Activation": lambda: layers.Activation(made),
            "in somebody's layer": lambda: Block(made),
        }
        where = place if place == "behind the convolution" else "first"
        at[where] = wrapped.get(place, lambda: made)()
    x = image
    if place == "behind Rescaling":
        x = layers.Rescaling(2.0, offset=-1, name="rescaling")(x)
    x = layers.Conv2D(CHANNELS, 3, padding="same", name="conv")(at["first"](x))
    x = layers.ReLU(name="relu")(at["behind the convolution"](x))
    x = layers.Conv2D(CHANNELS, 3, name="last")(x)
    x = layers.GlobalAveragePooling2D(name="average")(x)
    model = keras.Model(image, layers.Dense(3, activation="softmax", name="answer")(x))
    fill(model)
    return model


def augmented_cases(count=None, seed=0):
    """(layer, place) of all networks, or of ``count`` that a seed draws."""
    takes_maps = {"Dropout", "AlphaDropout", "GaussianDropout", "GaussianNoise", "RandomFlip"}
    takes_maps |= {"SpatialDropout2D", "RandomZoom", "RandomTranslation", "RandomCrop"}
    cases = [
        (layer, place)
        for layer, place in product(AUGMENTATIONS, PLACES)
        if (place != "behind the convolution" or layer in takes_maps)
        and (layer != "Equalization" or place in ENCLOSED)
    ]
    return _drawn(cases, count, seed)


def _drawn(cases, count, seed):
    if count is None:
        return cases
    chosen = np.random.default_rng(seed).choice(len(cases), count, replace=False)
    return [cases[i] for i in sorted(chosen)]
