"""Preparations that are part of a network: ``network/own_preparation.py``."""

import keras
import numpy as np
import pytest
from keras import layers

import optogram as og
import prepared

pytestmark = [pytest.mark.once, pytest.mark.keras_inside]

PHOTO = np.random.default_rng(0).integers(0, 256, (prepared.SIDE, prepared.SIDE, 3)).astype("uint8")
NAMES = ("unit", "tf", "caffe", "torch", "lite", "none")
PLACES = np.random.default_rng(1).choice(list(prepared.PLACES), len(prepared.PREPARATIONS))


def check(name, place):
    """Assert that images are prepared once, and twice not without a word."""
    model, wanted = prepared.build(name, place), prepared.PREPARATIONS[name][1]
    net = og.Network(model)
    assert net.preparation.name == wanted
    is_own = name not in ("nothing", "minus a half", "cast")
    first = next(iter(net.map_layers()))
    assert first.partition(":")[0] in ("conv", "wide") or not is_own
    pixels = PHOTO[None].astype("float32") / (255 if wanted == "unit" else 1)
    expected = keras.ops.convert_to_numpy(model(pixels, training=False))[0]
    found = [each.probability for each in sorted(net.predict(PHOTO)[0])]
    np.testing.assert_allclose(found, expected, atol=2e-3 if name == "cast" else 1e-5)
    doubted = {each for each in NAMES if og.Network(model, each).warnings}
    if not is_own or name == "each image":
        assert doubted == set()
    elif name == "reversed":
        assert doubted == {"caffe"}
    elif wanted == "none":
        assert doubted == {"unit", "tf", "caffe", "torch", "lite"}
    else:
        assert doubted == {"none", "caffe"}


@pytest.mark.parametrize(("name", "place"), list(zip(prepared.PREPARATIONS, PLACES, strict=True)))
def test_images_are_prepared_once(name, place):
    check(name, place)


def test_what_is_prepared_twice_is_said_in_every_result():
    net = og.Network(prepared.build("operations"), "unit")
    (note,) = net.warnings
    assert "0…255 become -1…1" in note and 'use preprocess="none"' in note
    assert note in og.saliency(net, PHOTO, 0).warnings
    assert note in og.maximize(net, og.Filter("conv:pre", 0), "tutorial", steps=2).warnings
    custom = og.Network(prepared.build("tf"), (lambda x: x / 100, lambda x: x * 100))
    assert "'custom' does so before" in custom.warnings[0]
    same = og.Network(prepared.build("tf"), (lambda x: x + 0.0, lambda x: x + 0.0))
    assert same.warnings == ()


def test_pictures_of_such_a_network_are_pixels():
    net = og.Network(prepared.build("operations"))
    x = net.prepare(PHOTO)
    np.testing.assert_array_equal(net.display(x)[0], PHOTO)
    found = og.maximize(net, og.Filter("conv", 0), "tutorial", steps=3, size=(12, 12))
    assert found.images.std() > 1
    doubts = og.saliency(net, (PHOTO[None] / 255).astype("float32"), 0).warnings
    assert any("prepared before; pass the photo itself" in words for words in doubts)


def test_weights_that_read_plain_pixels_too_are_no_sign():
    image = keras.Input((prepared.SIDE, prepared.SIDE, 3))
    sight = layers.Conv2D(2, 3, name="conv")
    x = layers.Concatenate()([sight(image), sight(image / 255)])
    model = keras.Model(image, layers.Dense(2)(layers.GlobalAveragePooling2D()(x)))
    assert og.Network(model).preparation.name == "unit"


def test_one_channel_and_any_size():
    image = keras.Input((None, None, 1))
    x = layers.Conv2D(2, 3, name="conv")(image / 127.5 - 1)
    model = keras.Model(image, layers.Dense(2)(layers.GlobalAveragePooling2D()(x)))
    assert og.Network(model).preparation.name == "none"
    assert "preprocessed twice" in og.Network(model, "unit").warnings[0]


def test_channels_first():
    image = keras.Input((3, 12, 12))
    x = layers.Conv2D(2, 3, name="conv", data_format="channels_first")(image / 255)
    x = layers.GlobalAveragePooling2D(data_format="channels_first")(x)
    assert og.Network(keras.Model(image, layers.Dense(2)(x))).preparation.name == "none"
