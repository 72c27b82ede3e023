"""Activations of every kind in every layer that takes one: which elements they mix."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import influence
import optogram as og
import relatives
import windowing
from networks import fill
from optogram.graph.steps import flatten
from optogram.interpreters.engine import Computation

pytestmark = [pytest.mark.once, pytest.mark.keras_inside]

KERAS_BACKEND = keras.config.backend()
# JAX compiles every network twice.
DRAWN = 1 if KERAS_BACKEND == "jax" else 8

WRONG_ONCE = [
    ("GroupNormalization", "Conv2D", "channels_last"),
    ("UnitNormalization 1", "Conv2D", "channels_last"),
    ("Softmax 1", "Conv2D", "channels_last"),
    ("Softmax 1", "Activation", "channels_last"),
    ("Softmax", "SeparableConv2D", "channels_first"),
    ("relu", "Dense", "channels_first"),
    ("LayerNormalization 1, 2, 3", "Conv2D", "channels_last"),
    ("somebody's layer", "Conv2DTranspose", "channels_last"),
]
"""Explained wrongly, or without the pixels that count, by what the layer around them does."""
FAILED_ONCE = [
    ("PReLU", "Conv2D", "channels_last"),
    ("PReLU", "Activation", "channels_last"),
    ("Rescaling by a map", "alone", "channels_last"),
    ("Rescaling by lists", "alone", "channels_last"),
]
ON_JAX = {*WRONG_ONCE[:1], *WRONG_ONCE[3:4], *FAILED_ONCE[:1]}
CASES = [case for case in WRONG_ONCE + FAILED_ONCE if KERAS_BACKEND != "jax" or case in ON_JAX]


@pytest.mark.parametrize("case", [*CASES, *relatives.activated_cases(DRAWN)], ids=", ".join)
def test_activations_mix_what_they_mix_by_themselves(case, monkeypatch):
    windowing.always(monkeypatch)
    net = og.Network(relatives.activated(*case), "none")
    x = np.random.default_rng(0).uniform(0, 1, (1, *relatives.SIZE, 3)).astype("float32")
    steps = windowing.assert_windows_equal_whole(net, x, [net.head.logits])
    assert "first" in steps
    influence.hold(net.graph, [net.step("last")], x)


def field_behind(make):
    image = keras.Input((*relatives.SIZE, 3))
    graph = flatten(keras.Model(image, make(image)))
    net = Computation(graph, "one", [])
    return net.geometry(relatives.SIZE)[len(graph.steps) - 1].receptive_field


@pytest.mark.parametrize(
    "activation",
    [
        "softmax",
        "log_softmax",
        keras.activations.sparsemax,
        ops.relu,
        layers.Activation("silu"),
        layers.Softmax(),
        layers.UnitNormalization(),
        layers.PReLU(),
        layers.Dense(3, activation="softmax"),
    ],
)
def test_what_mixes_channels_alone_sees_one_pixel(activation):
    assert field_behind(layers.Conv2D(3, 1, activation=activation)).size == (1, 1)
    assert field_behind(layers.Activation(activation)).size == (1, 1)


@pytest.mark.parametrize(
    "activation",
    [
        relatives.less_the_mean,
        lambda x: ops.softmax(x, axis=1),
        layers.Softmax(axis=2),
        layers.Activation(layers.Softmax(axis=(1, 2))),
        layers.Dense(3, activation=layers.Softmax(axis=1)),
        relatives.MixesRows(),
        relatives.OwnReLU(),
    ],
)
def test_what_mixes_places_or_is_not_known_sees_the_whole_image(activation):
    assert field_behind(layers.Conv2D(3, 1, activation=activation)).is_whole
    assert field_behind(layers.Activation(activation)).is_whole


NUMBERS = np.random.default_rng(0).uniform(1, 2, (*relatives.SIZE, 3)).astype("float32")


OPERATIONS = {
    "product": lambda x: x * NUMBERS,
    "clip": lambda x: ops.clip(x, -NUMBERS, NUMBERS),
    "sum of rows": lambda x: ops.add(NUMBERS[:, :1], x),
    "maximum": lambda x: ops.maximum(x, ops.convert_to_tensor(NUMBERS[..., :1])),
    "variable": lambda x: x - keras.Variable(NUMBERS),
    "where": lambda x: ops.where(NUMBERS > 1.5, x, 0),
    "normalization": lambda x: layers.Normalization(axis=(1, 2, 3), mean=NUMBERS, variance=NUMBERS)(
        x
    ),
}


@pytest.mark.parametrize("name", [*OPERATIONS][: 2 if KERAS_BACKEND == "jax" else None])
def test_numbers_that_belong_to_places_stay_at_them(name, monkeypatch):
    windowing.always(monkeypatch)
    keras.utils.set_random_seed(0)
    image = keras.Input((*relatives.SIZE, 3))
    x = OPERATIONS[name](layers.Conv2D(3, 3, padding="same", name="first")(image))
    x = layers.Conv2D(3, 2, activation="relu", name="last")(x)
    model = keras.Model(image, layers.Dense(3)(layers.Flatten()(x)))
    fill(model)
    net = og.Network(model, "none")
    x = np.random.default_rng(0).uniform(0, 1, (1, *relatives.SIZE, 3)).astype("float32")
    steps = windowing.assert_windows_equal_whole(net, x, [net.head.logits])
    assert "first" in steps and "last" not in steps
