"""A model is the same after every method, and after one that failed."""

import keras
import numpy as np
import pytest
from keras import layers

import networks
import optogram as og
from model_state import assert_same, state

pytestmark = pytest.mark.keras_inside


def with_everything_that_can_change():
    """Statistics in training, dropout that draws, losses, a frozen layer, fused activations."""
    keras.utils.set_random_seed(0)
    image = keras.Input((16, 16, 3))
    x = networks._base()(image, training=True)
    x = layers.Conv2D(
        4, 3, activation="relu", activity_regularizer="l2", kernel_regularizer="l2", name="conv2"
    )(x)
    frozen = layers.Conv2D(4, 3, activation="softplus", name="frozen")
    frozen.trainable = False
    x = layers.Dropout(0.5, seed=3, name="dropout")(frozen(x), training=True)
    x = layers.ActivityRegularization(0.1)(x)
    x = layers.GlobalAveragePooling2D()(x)
    model = keras.Model(image, layers.Dense(5, activation="softmax", name="predictions")(x))
    networks.fill(model)
    model.compile("sgd", "categorical_crossentropy")
    return model


FILTER = og.Filter("conv2", 1)
METHODS = {
    "feature_maps": og.feature_maps,
    "kernels": lambda net, x: og.kernels(net, "conv2"),
    "saliency": og.saliency,
    "saliency of a filter": lambda net, x, **more: og.saliency(net, x, FILTER, **more),
    "gradcam": og.gradcam,
    "gradcam inside": lambda net, x, **more: og.gradcam(net, x, 1, "relu", **more),
    "occlusion": lambda net, x, **more: og.occlusion(net, x, 1, patch=8, **more),
    "guided_backprop": og.guided_backprop,
    "smoothgrad": lambda net, x, **more: og.smoothgrad(net, x, samples=3, **more),
    "integrated_gradients": lambda net, x, **more: og.integrated_gradients(
        net, x, points=3, **more
    ),
    "gradcam_plus_plus": lambda net, x, **more: og.gradcam_plus_plus(net, x, 1, "relu", **more),
    "layercam": lambda net, x, **more: og.layercam(net, x, 1, "relu", **more),
    "scorecam": lambda net, x, **more: og.scorecam(net, x, 1, "relu", **more),
    "guided_gradcam": lambda net, x, **more: og.guided_gradcam(net, x, 1, "relu", **more),
    "intervene": lambda net, x, **more: og.intervene(net, x, {FILTER: 0.0, "frozen": 1.0}, **more),
    "maximize": lambda net, x, **more: og.maximize(net, FILTER, steps=2, size=(16, 16), **more),
    "predict": lambda net, x: net.predict(x),
    "summary": lambda net, x: net.summary(),
}
WITH_PROGRESS = [name for name in METHODS if name not in ("kernels", "predict", "summary")]


@pytest.fixture(scope="module")
def opened():
    """One model for all methods: each must leave it as it was found, so none sees another's."""
    model = with_everything_that_can_change()
    return model, og.Network(model, "none")


def test_the_state_notices_changes():
    model = with_everything_that_can_change()
    before = state(model)
    assert before["losses"]
    assert len(before["seeds"]) == 2
    model(networks.images_for(model))  # a plain call in training mode does change a model
    with pytest.raises(AssertionError):
        assert_same(before, state(model))


def test_the_model_is_the_same_after_it_is_opened():
    model = with_everything_that_can_change()
    before = state(model)
    og.Network(model, "none")
    assert_same(before, state(model))


@pytest.mark.parametrize("method", METHODS)
def test_the_model_is_the_same_after(method, opened):
    model, net = opened
    before = state(model)
    METHODS[method](net, networks.images_for(model))
    assert_same(before, state(model))


@pytest.mark.parametrize("method", WITH_PROGRESS)
def test_the_model_is_the_same_after_progress_was_interrupted(method, opened):
    model, net = opened
    before = state(model)

    def interrupted(done, total, what):
        raise KeyboardInterrupt

    x = networks.images_for(model)
    with pytest.raises(KeyboardInterrupt):
        METHODS[method](net, x, progress=interrupted, memory=1)
    assert_same(before, state(model))
    METHODS[method](net, x)  # and the network works on
    assert_same(before, state(model))


class Failing(layers.Layer):
    """Can be built into a model, and raises when it is run."""

    def call(self, x):
        raise RuntimeError("out of order")

    def compute_output_spec(self, x):
        return keras.KerasTensor(x.shape, x.dtype)


@pytest.mark.parametrize(
    "method",
    ["saliency", "gradcam inside", "occlusion", "guided_backprop", "smoothgrad", "scorecam"],
)
def test_the_model_is_the_same_after_a_layer_failed(method):
    base = with_everything_that_can_change()
    failing = Failing(name="failing")
    image = keras.Input(base.input_shape[1:])
    model = keras.Model(image, layers.Dense(3, activation="softmax")(failing(base(image))))
    before = state(model)
    with pytest.raises(RuntimeError, match="out of order"):
        METHODS[method](og.Network(model, "none"), networks.images_for(model))
    assert_same(before, state(model))


def test_the_losses_of_the_last_call_are_kept():
    model = with_everything_that_can_change()
    x = networks.images_for(model)
    model(x)
    before = state(model)["losses"]
    assert len(before) == 3
    og.saliency(og.Network(model, "none"), x)
    assert state(model)["losses"] == before


def test_two_networks_of_one_model_do_not_disturb_each_other():
    model = networks.build("transfer")
    x = networks.images_for(model)
    first, second = og.Network(model, "none"), og.Network(model, "unit")
    one = og.gradcam(first, x, 1, "relu").values
    og.saliency(second, x)
    np.testing.assert_array_equal(og.gradcam(first, x, 1, "relu").values, one)
    np.testing.assert_array_equal(og.gradcam(second, x, 1, "relu").values, one)


def test_training_goes_on_and_is_seen():
    model = networks.build("separate")
    x = networks.images_for(model)
    net = og.Network(model, "none")
    before = og.saliency(net, x, 1).values
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.fit(x, np.zeros(len(x)), verbose=0)
    after = og.saliency(net, x, 1).values
    assert not np.allclose(before, after)
    np.testing.assert_array_equal(og.saliency(og.Network(model, "none"), x, 1).values, after)
