"""A model that was changed after it was opened is refused; one that was only used is not."""

from functools import partial

import keras
import numpy as np
import pytest
from keras import layers, ops

import kinds
import networks
import optogram as og
from replay import answer
from test_training_mode import Block

pytestmark = [pytest.mark.once, pytest.mark.keras_inside]

SIDE, CLASSES = networks.SIDE, networks.CLASSES


class Scaled(layers.Layer):
    """Somebody's own, which remembers things of its calls."""

    def __init__(self, **more):
        super().__init__(**more)
        self._slope, self.shifts, self.function = 0.5, [0.1, 0.2, 0.3], ops.tanh
        self.inner = layers.Conv2D(3, 1)
        self.last, self.calls = None, 0

    def call(self, x, training=None):
        if keras.utils.is_keras_tensor(x):
            raise TypeError("not followed")
        self.last, self.calls = x, self.calls + 1
        return self.function(self.inner(x) * self._slope + ops.convert_to_tensor(self.shifts))

    def compute_output_spec(self, x, training=None):
        if not self.inner.built:
            self.inner.build(x.shape)
        return keras.KerasTensor(x.shape, x.dtype)

    def get_config(self):
        return {"name": self.name}


def around(*inner):
    """A classifier with layers in a row in its middle, the second half of it nested."""

    def build():
        x = image = keras.Input((SIDE, SIDE, 3))
        for layer in inner:
            x = layer(x)
        maps = keras.Input(x.shape[1:])
        nested = layers.Conv2D(4, 3, activation="tanh", name="nested")
        nested = keras.Sequential([maps, nested, layers.LeakyReLU(0.1)])
        x = layers.GlobalAveragePooling2D()(nested(x))
        return keras.Model(image, layers.Dense(CLASSES, name="answer")(x))

    return build


def rule(kind, name, value, **made):
    """How a layer of a ``kind`` is made, and the change of one of its attributes."""
    return partial(kind, name="layer", **made), lambda layer: setattr(layer, name, value)


def of_layer(method, *arguments):
    return lambda layer: getattr(layer, method)(*arguments)


def _in_place(layer):
    layer.shifts[1] = 0.9


def _other_function(model):
    model.get_layer("layer").inner = layers.Conv2D(3, 1)


CONVOLUTION = partial(layers.Conv2D, filters=3, kernel_size=3)
CHANGES = {
    "convolution: activation": rule(
        layers.Conv2D, "activation", ops.tanh, filters=3, kernel_size=3
    ),
    "convolution: strides": rule(layers.Conv2D, "strides", (2, 2), filters=3, kernel_size=3),
    "convolution: dilation": rule(layers.Conv2D, "dilation_rate", (2, 2), filters=3, kernel_size=3),
    "convolution: padding": rule(layers.Conv2D, "padding", "same", filters=3, kernel_size=3),
    "convolution: use_bias": rule(layers.Conv2D, "use_bias", False, filters=3, kernel_size=3),
    "leaky: slope": rule(layers.LeakyReLU, "negative_slope", 0.9),
    "norm: epsilon": rule(layers.BatchNormalization, "epsilon", 0.9),
    "rescaling: scale": rule(layers.Rescaling, "scale", 3.0, scale=2.0),
    "rescaling: offset": rule(layers.Rescaling, "offset", [1.0, 2.0, 3.0], scale=2.0),
    "types": rule(
        layers.Conv2D, "dtype_policy", keras.DTypePolicy("mixed_bfloat16"), filters=3, kernel_size=1
    ),
    "lora": (partial(layers.Conv2D, 3, 1, name="layer"), of_layer("enable_lora", 2)),
    "normalization: adapted": (
        partial(layers.Normalization, name="layer", mean=0.0, variance=1.0),
        lambda layer: layer.__dict__.update(mean=layer.mean + 1.0),
    ),
    "somebody's: private": rule(Scaled, "_slope", 2.0),
    "somebody's: function": rule(Scaled, "function", ops.relu),
    "somebody's: a list in place": (partial(Scaled, name="layer"), _in_place),
    "somebody's: a layer inside": (
        partial(Scaled, name="layer"),
        lambda layer: setattr(layer.inner, "use_bias", False),
    ),
    "somebody's: another call": (
        partial(layers.Identity, name="layer"),
        lambda layer: setattr(layer, "call", lambda x, **more: x * 2),
    ),
}


SET = (
    CONVOLUTION,
    partial(layers.DepthwiseConv2D, kernel_size=3, activation="relu"),
    partial(layers.SeparableConv2D, filters=3, kernel_size=3),
    partial(layers.Conv2DTranspose, filters=3, kernel_size=3, strides=2, padding="same"),
    partial(layers.Dense, units=3),
    partial(layers.EinsumDense, equation="nhwc,cd->nhwd", output_shape=(None, None, 3)),
    partial(layers.BatchNormalization),
    partial(layers.LayerNormalization, axis=-1),
    partial(layers.GroupNormalization, groups=1),
    partial(layers.UnitNormalization, axis=-1),
    partial(layers.Normalization, mean=0.3, variance=2.0),
    partial(layers.Rescaling, scale=2.0),
    partial(layers.Resizing, height=9, width=11),
    partial(layers.CenterCrop, height=9, width=11),
    partial(layers.MaxPooling2D, pool_size=3, strides=2),
    partial(layers.AveragePooling2D, pool_size=3, strides=2),
    partial(layers.UpSampling2D, size=2),
    partial(layers.ZeroPadding2D, padding=1),
    partial(layers.Cropping2D, cropping=1),
    partial(layers.ReLU, max_value=0.7, negative_slope=0.1),
    partial(layers.LeakyReLU, negative_slope=0.2),
    partial(layers.ELU),
    partial(layers.Softmax),
    partial(layers.Activation, activation="relu"),
    partial(layers.Dropout, rate=0.5),
    partial(layers.GaussianNoise, stddev=0.5),
    partial(layers.SpatialDropout2D, rate=0.5),
    partial(layers.Permute, dims=(2, 1, 3)),
    partial(layers.RandomContrast, factor=0.3),
    Scaled,
)
OTHER_WORDS = {
    "valid": "same",
    "same": "valid",
    "nearest": "bilinear",
    "bilinear": "nearest",
    "channels_last": "channels_first",
}


def otherwise(value):
    """Another setting of the same type, or None."""
    match value:
        case bool():
            return not value
        case int() | float():
            return value + 1
        case str():
            return OTHER_WORDS.get(value)
        case list() | tuple() if None not in map(otherwise, value):
            return type(value)(map(otherwise, value))
        case _ if callable(value) and not isinstance(value, layers.Layer | type):
            return ops.tanh
    return None


def check_settings(make):
    """Change every setting of a layer, one after the other; return which changed the answer.

    Those have to be noticed; and back as it was, the model has to be let be.
    """
    model, net = opened(lambda: make(name="layer"))
    x = 2 * networks.images_for(model) - 1
    layer = model.get_layer("layer")
    before = answer(partial(model, training=False), x)
    telling = []
    for name, value in list(vars(layer).items()):
        other = None if name.startswith("_self") else otherwise(value)
        if other is None or name in ("built", "build", "quantize", "supports_jit", "training"):
            continue
        try:
            setattr(layer, name, other)
        except (AttributeError, ValueError, TypeError):
            continue
        try:
            after = answer(partial(model, training=False), x)
            is_other = after.shape != before.shape or not np.array_equal(after, before)
        except Exception:  # it does not run any more
            is_other = name[0] != "_"
        if is_other:
            telling.append(name)
            with pytest.raises(og.ModelError, match=rf"layer 'layer': {name.lstrip('_')}\)"):
                net.require_unchanged()
        setattr(layer, name, value)
        net.require_unchanged()
    return telling


@pytest.mark.parametrize("make", SET[::5])
def test_every_setting_that_changes_answers_is_noticed(make):
    check_settings(make)


def opened(make):
    keras.utils.set_random_seed(0)
    model = around(make())()
    networks.fill(model)
    return model, og.Network(model, "none")


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_noticed(name):
    make, change = CHANGES[name]
    model, net = opened(make)
    net.require_unchanged()
    change(model.get_layer("layer"))
    with pytest.raises(og.ModelError, match=r"opened .layer '.*: open it"):
        net.require_unchanged()


class Shifted(kinds.OfCode):
    """With a setting of its own."""

    shift: float

    def __init__(self):
        super().__init__()
        self.shift = 0.1

    def call(self, images, training=False):
        return super().call(images - self.shift)


def pop(model):
    model.layers[-3].pop()


def loosen(model):
    model.get_layer("block").inner[0].trainable = True


def in_block():
    norm = layers.BatchNormalization(trainable=False)
    dense = layers.Dense(3, activation="relu")
    return around(Block([norm, layers.Conv2D(3, 1), dense], True, name="block"))()


OF_MODELS = {
    "a nested model loses a layer": (around(layers.Identity()), pop),
    "a dense layer has lora": (around(), lambda model: model.layers[-1].enable_lora(2)),
    "quantized": (around(), lambda model: model.layers[-1].quantize("int8")),
    "a frozen norm in training mode is trained": (in_block, loosen),
    "inside a layer that was followed": (
        in_block,
        lambda model: setattr(model.get_layer("block").inner[2], "activation", ops.tanh),
    ),
    "inside a subclassed model": (
        kinds.called(kinds.OfLayers),
        lambda model: setattr(model.eyes, "activation", ops.tanh),
    ),
    "what a subclassed model is set to": (
        kinds.called(Shifted),
        lambda model: setattr(model, "shift", 0.3),
    ),
}


@pytest.mark.each_backend
@pytest.mark.parametrize("name", OF_MODELS)
def test_a_change_of_the_model_is_noticed(name):
    build, change = OF_MODELS[name]
    keras.utils.set_random_seed(0)
    model = build()
    net = og.Network(model, "none")
    net.require_unchanged()
    change(model)
    with pytest.raises(og.ModelError, match="was changed after it was opened"):
        net.require_unchanged()
    og.Network(model, "none").require_unchanged()


def test_every_question_is_refused_until_the_model_is_as_it_was():
    model, net = opened(lambda: layers.LeakyReLU(0.2, name="layer"))
    x = networks.images_for(model)
    before = net.scores(x)
    layer = model.get_layer("layer")
    layer.negative_slope = 0.9
    for ask in (
        lambda: net.scores(x),
        lambda: net.predict(x),
        lambda: net["layer"],
        lambda: net.summary(),
        lambda: og.kernels(net, "nested"),
        lambda: og.saliency(net, x),
        lambda: og.gradcam(net, x, layer="nested"),
        lambda: og.occlusion(net, x, patch=8),
        lambda: og.maximize(net, og.Filter("nested", 0), steps=1),
    ):
        with pytest.raises(og.ModelError, match=r"\(layer 'layer': negative_slope\)"):
            ask()
    np.testing.assert_allclose(og.Network(model, "none").scores(x), model.predict(x), atol=1e-6)
    layer.negative_slope = 0.2
    np.testing.assert_array_equal(net.scores(x), before)


def use(model, x, folder):
    """All that people do with a model and that leaves it the same network."""
    y = np.zeros((len(x), CLASSES), "float32")
    model.compile("sgd", "mse", metrics=["mae"])
    model.fit(x, y, verbose=0, validation_data=(x, y))
    model.predict(x, verbose=0)
    model(x)
    model(keras.Input(x.shape[1:]))
    model.summary(print_fn=lambda *words, **more: None)
    model.count_params()
    model.save_weights(folder / "it.weights.h5")
    model.load_weights(folder / "it.weights.h5")
    model.set_weights([weight * 1.1 for weight in model.get_weights()])
    model.trainable = False
    model.trainable = True
    model.layers[0].kernel_regularizer = keras.regularizers.L2(0.1)
    model.save(folder / "it.keras")
    if hasattr(model, "operations"):
        model.to_json()
        keras.models.clone_model(model)
    og.saliency(og.Network(model, "unit"), x[:1])


USED = {
    "in training": partial(networks.build, "in_training"),
    "somebody's": around(Scaled()),
    "subclassed": kinds.called(kinds.OfLayers),
    "subclassed, of other code": kinds.called(kinds.OfCode),
}


@pytest.mark.each_backend
@pytest.mark.parametrize("name", USED)
def test_a_model_that_is_used_and_trained_is_let_be(name, tmp_path):
    keras.utils.set_random_seed(0)
    model = USED[name]()
    net = og.Network(model, "none")
    x = np.random.default_rng(0).uniform(0, 1, (4, SIDE, SIDE, 3)).astype("float32")
    before = net.scores(x)
    use(model, x, tmp_path)
    after = net.scores(x)
    assert not np.allclose(before, after)
    np.testing.assert_allclose(after, og.Network(model, "none").scores(x), atol=1e-6)


def test_what_is_looked_at_is_little():
    """What is looked at are some settings a layer, not all that it has."""
    model = networks.build("everything")
    snapshot = og.Network(model, "none")._snapshot
    count = len(snapshot._objects) + len(snapshot._structures) + len(snapshot._held)
    assert count < 30 * len(model.layers)
