"""Networks whose answer for an image is random, or depends on its batch, are noticed."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import networks
import optogram as og
from model_state import assert_same, state
from optogram.interpreters import determinism

pytestmark = pytest.mark.keras_inside

SIDE = networks.SIDE


class Code(layers.Layer):
    """Runs a function, with a seed generator at hand and a layer normalizing in training mode."""

    def __init__(self, function):
        super().__init__()
        self.function, self.seed = function, keras.random.SeedGenerator(1)
        self.norm = layers.BatchNormalization()

    def build(self, shape):
        self.norm.build(shape)

    def call(self, x):
        if keras.utils.is_keras_tensor(x) and self.built:
            raise TypeError("symbols are not followed")
        return self.function(self, x)

    def get_config(self):
        return {"name": self.name}


def with_code(function):
    keras.utils.set_random_seed(0)
    image = keras.Input((SIDE, SIDE, 3))
    x = layers.Conv2D(4, 3, name="conv", activation="relu")(Code(function)(image))
    return keras.Model(image, networks._end(x))


def noise(code, x):
    return x + keras.random.normal(ops.shape(x), seed=code.seed)


def one_noise_for_all(code, x):
    return x + keras.random.normal((1, SIDE, SIDE, 3), seed=code.seed)


def noise_of_keras(code, x):
    return x * keras.random.uniform((1, SIDE, SIDE, 3))


STEADY = {
    "double": lambda code, x: x * 2,
    "normalized by itself": lambda code, x: x - ops.mean(x, axis=(1, 2, 3), keepdims=True),
    "batch normalization": lambda code, x: code.norm(x),
}
OF_THE_BATCH = {
    "mean": lambda code, x: x - ops.mean(x, axis=0),
    "largest": lambda code, x: x / ops.max(x),
    "smallest": lambda code, x: x - ops.min(x, axis=0),
    "place": lambda code, x: ops.cumsum(x, axis=0),
    "next": lambda code, x: x + ops.flip(x, axis=0),
    "batch normalization": lambda code, x: code.norm(x, training=True),
}
RANDOM = {"noise": noise, "one noise for all": one_noise_for_all, "noise of Keras": noise_of_keras}
if keras.config.backend() == "jax":  # without a generator of its own it cannot be compiled there
    del RANDOM["noise of Keras"]


@pytest.mark.parametrize("name", STEADY)
def test_code_that_treats_each_image_alike_is_let_be(name):
    assert og.Network(with_code(STEADY[name]), "none").warnings == ()


@pytest.mark.parametrize("name", OF_THE_BATCH)
def test_answers_that_depend_on_the_batch_are_noticed(name):
    model = with_code(OF_THE_BATCH[name])
    before = state(model)
    (note,) = og.Network(model, "none").warnings
    assert_same(before, state(model))
    assert "depends on which other images share its batch" in note


@pytest.mark.parametrize("name", RANDOM)
def test_random_answers_are_noticed_and_no_generator_moves_on(name):
    model = with_code(RANDOM[name])
    before = state(model)
    (note,) = og.Network(model, "none").warnings
    assert "answers are random" in note
    assert_same(before, state(model))


def test_operations_in_place_of_layers_are_tried_too():
    image = keras.Input((SIDE, SIDE, 3))
    x = layers.Conv2D(4, 3)(image - ops.mean(image, axis=0))
    net = og.Network(keras.Model(image, networks._end(x)), "none")
    assert any("share its batch" in note for note in net.warnings)


@pytest.mark.parametrize("name", ["skips", "in_training"])
def test_a_network_of_layers_of_keras_alone_is_not_run(name, monkeypatch):
    monkeypatch.setattr(determinism, "_found", lambda *arguments: pytest.fail("it was run"))
    og.Network(networks.build(name), "none")


def test_code_that_fails_opens_all_the_same():
    def fail(code, x):
        if is_broken:
            raise RuntimeError("out of order")
        return x

    is_broken = False
    model = with_code(fail)
    is_broken = True
    net = og.Network(model, "none")
    assert net.warnings == ()
    with pytest.raises(RuntimeError, match="out of order"):
        net.scores(np.zeros((1, SIDE, SIDE, 3), "float32"))
