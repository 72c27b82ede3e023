"""Layers that work in training alone: outside it every tool passes through them."""

import keras
import numpy as np
import pytest
from keras import layers

import optogram as og
import relatives
import windowing
from model_state import assert_same, state
from networks import fill
from optogram.graph.identities import is_identity

pytestmark = [pytest.mark.once, pytest.mark.keras_inside]

DRAWN = 1 if keras.config.backend() == "jax" else 6
ALSO_OUTSIDE_TRAINING = {
    "AutoContrast",
    "CenterCrop",
    "ContrastLimitedAdaptiveHistogramEqualization",
    "Resizing",
    "BaseImageAugmentationLayer",
}
KNOWN = [name for name in relatives.AUGMENTATIONS if hasattr(layers, name)]


def made(name):
    return getattr(layers, name)(**relatives.AUGMENTATIONS[name])


@pytest.mark.parametrize("name", KNOWN)
def test_what_passes_on_returns_what_it_is_given(name):
    layer = made(name)
    x = np.random.default_rng(0).uniform(0, 255, (2, 9, 8, 3)).astype("float32")
    answer = layer(x, training=False)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(answer), x)
    assert is_identity(layer, training=False)
    assert not is_identity(layer, training=True)


def test_every_layer_of_this_release_of_keras_that_augments_is_known():
    folder = "image_preprocessing", "regularization"
    found = {
        name
        for name, layer in vars(layers).items()
        if isinstance(layer, type) and any(part in layer.__module__ for part in folder)
    }
    always = {"ActivityRegularization", "SpatialDropout1D", "SpatialDropout3D"}
    assert found - always - ALSO_OUTSIDE_TRAINING == set(KNOWN)


@pytest.mark.parametrize("name", ["AutoContrast", "CenterCrop", "Resizing"])
def test_what_also_works_outside_training_does_not_pass_on(name):
    sides = {} if name == "AutoContrast" else {"height": 4, "width": 4}
    assert not is_identity(getattr(layers, name)(**sides), training=False)


CASES = [("RandomFlip", "in a Pipeline"), ("RandomCrop", "first"), ("RandomZoom", "first")]
CASES = CASES[: 2 if keras.config.backend() == "jax" else None]


@pytest.mark.each_backend
@pytest.mark.parametrize("case", [*CASES, *relatives.augmented_cases(DRAWN, seed=1)], ids=", ".join)
def test_nothing_differs_from_the_network_without(case, monkeypatch):
    windowing.always(monkeypatch)
    layer, place = case
    model = relatives.augmented(layer, place)
    x = np.random.default_rng(0).uniform(0, 1, (2, *relatives.SIZE, 3)).astype("float32")
    expected = model.predict(x, verbose=0)  # some layers count draws even then
    before = state(model)
    net, plain = og.Network(model, "none"), og.Network(relatives.augmented(None, place), "none")
    (found,) = net.evaluate(x, [net.head.output])
    np.testing.assert_allclose(found, expected, atol=1e-6)

    for name in ("conv", "relu", "last", "average"):
        ours, theirs = (one.geometry(relatives.SIZE)[one.step(name).index] for one in (net, plain))
        assert ours == theirs
    assert list(net.map_layers()) == list(plain.map_layers())
    assert og.kernels(net, "conv").parameters == {
        "input": "RGB",
        "is_depthwise": False,
        "groups": 1,
    }
    steps = [
        windowing.assert_windows_equal_whole(one, x[:1], [one.head.logits]) for one in (net, plain)
    ]
    assert [step for step in steps[0] if step in steps[1]] == [*steps[1]]
    assert_same(before, state(model))


def test_in_training_nothing_is_passed_on():
    image = keras.Input((9, 8, 3))
    x = layers.RandomFlip(name="flip")(layers.Conv2D(3, 3, name="conv")(image))
    inner = keras.Model(image, layers.Dropout(0.5, name="dropout")(x))
    image = keras.Input((9, 8, 3))
    x = layers.GlobalAveragePooling2D()(inner(image, training=True))
    net = og.Network(keras.Model(image, layers.Dense(2)(x)), "none")
    asked = bool(net.step("dropout").kwargs["training"])
    assert net.step("dropout").passes_on is not asked
    assert net["flip"].receptive_field.is_whole is bool(net.step("flip").kwargs["training"])


class OwnFlip(layers.RandomFlip):
    """Somebody's own, which also works outside training."""

    def transform_images(self, images, transformation, training=True):
        return keras.ops.flip(images, axis=2)


def test_somebody_elses_augmentation_is_not_passed_on():
    image = keras.Input((9, 8, 3))
    x = layers.Conv2D(3, 3, name="conv")(OwnFlip()(image))
    model = keras.Model(image, layers.Dense(2)(layers.Flatten()(x)))
    fill(model)
    net = og.Network(model, "none")
    assert net["conv"].receptive_field.is_whole
    x = np.random.default_rng(0).uniform(0, 1, (1, 9, 8, 3)).astype("float32")
    np.testing.assert_allclose(net.scores(x), model.predict(x, verbose=0), atol=1e-6)


def test_guided_backpropagation_does_not_name_what_passes_on():
    image = keras.Input((9, 8, 3))
    x = layers.Conv2D(3, 3, activation=layers.GaussianNoise(0.5))(layers.RandomFlip()(image))
    x = layers.Activation(layers.Activation("relu"), name="relu")(x)
    x = layers.Dropout(0.5)(layers.Activation("linear")(x))
    net = og.Network(keras.Model(image, layers.Dense(2)(layers.Flatten()(x))), "none")
    found = og.guided_backprop(net, np.full((1, 9, 8, 3), 0.5, "float32"), 0)
    assert found.treated == ("relu",)
    assert found.left_alone == ()
