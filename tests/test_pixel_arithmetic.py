"""One element of a feature map: window × kernel + bias is what the network computes."""

import keras
import numpy as np
import pytest
from keras import layers

import networks
import optogram as og
from optogram.errors import InputError


def at_corners(shape):
    """Positions at the corners and inside a map (h, w)."""
    height, width = shape
    return [(0, 0), (0, width - 1), (height - 1, width - 1), (height // 2, width // 3)]


def of_keras(model, layer, x):
    """The output of a layer as Keras computes it."""
    part = keras.Model(model.inputs, model.get_layer(layer).output)
    return part.predict(x, verbose=0)


def in_one_layer(layer, side=(9, 8), channels=4):
    """A network with one convolution in front of a classifier, and an image for it."""
    keras.utils.set_random_seed(3)
    image = keras.Input((*side, channels))
    x = layers.GlobalAveragePooling2D()(layer(image))
    model = keras.Model(image, layers.Dense(3, activation="softmax")(x))
    networks.fill(model, 3)
    return og.Network(model, "none"), networks.images_for(model, 1, size=side)


CONVOLUTIONS = {
    "same": lambda: layers.Conv2D(4, 3, padding="same"),
    "strides on odd and even sides": lambda: layers.Conv2D(4, 3, strides=2, padding="same"),
    "an even kernel": lambda: layers.Conv2D(4, (4, 2), padding="same"),
    "dilation": lambda: layers.Conv2D(4, 3, dilation_rate=(2, 3), padding="same"),
    "valid": lambda: layers.Conv2D(4, (2, 3), strides=(1, 2), use_bias=False),
    "groups": lambda: layers.Conv2D(6, 3, groups=2, padding="same"),
    "depthwise": lambda: layers.DepthwiseConv2D(3, depth_multiplier=2, strides=2, padding="same"),
    "separable": lambda: layers.SeparableConv2D(5, 3, depth_multiplier=2, padding="same"),
    "transposed": lambda: layers.Conv2DTranspose(4, 4, 2, padding="same"),
    "transposed, valid": lambda: layers.Conv2DTranspose(4, 3, 2),
    "dense": lambda: layers.Dense(5),
}


@pytest.mark.parametrize("kind", CONVOLUTIONS)
def test_products_and_bias_are_the_number_of_keras(kind):
    layer = CONVOLUTIONS[kind]()
    net, x = in_one_layer(layer)
    read, expected = x[0], of_keras(net.model, layer.name, x)[0]
    for row, column in at_corners(expected.shape[:2]):
        for channel in (0, expected.shape[2] - 1):
            found = og.pixel_arithmetic(net, x, og.Neuron(layer.name, (row, column), channel))
            value = expected[row, column, channel]
            assert found.sum + found.bias == pytest.approx(value, abs=1e-5)
            assert found.steps == ((layer.name, pytest.approx(value, abs=1e-5)),)
            np.testing.assert_allclose(found.window * found.kernel, found.values, atol=1e-6)
            # The window is this part of the input, and zero outside it.
            for i, at_row in enumerate(found.rows):
                for j, at_column in enumerate(found.columns):
                    inside = 0 <= at_row < read.shape[0] and 0 <= at_column < read.shape[1]
                    assert found.padding[i, j] == (not inside)
                    there = read[at_row, at_column, found.input_channels] if inside else 0
                    np.testing.assert_allclose(found.window[i, j], there, atol=1e-6)


def test_asymmetric_padding_is_marked():
    net, x = in_one_layer(layers.Conv2D(4, 3, strides=2, padding="same", name="conv"), (9, 8))
    found = og.pixel_arithmetic(net, x, og.Neuron("conv", (0, 0), 1))
    assert found.rows.tolist() == [-1, 0, 1], "an odd side: one row on both ends"
    assert found.columns.tolist() == [0, 1, 2], "an even side: one column at the end"
    assert found.padding.any(axis=1).tolist() == [True, False, False]
    last = og.pixel_arithmetic(net, x, og.Neuron("conv", (4, 3), 1))
    assert (last.rows.tolist(), last.columns.tolist()) == ([7, 8, 9], [6, 7, 8])
    assert last.padding[2].all() and last.padding[:, 2].all() and not last.padding[:2, :2].any()
    assert found.receptive_field.tolist() == [0, 0, 2, 3]


def test_channels_of_groups_and_depthwise_kernels():
    net, x = in_one_layer(layers.Conv2D(6, 3, groups=2, name="conv"))
    assert og.pixel_arithmetic(net, x, og.Neuron("conv", (1, 1), 4)).input_channels.tolist() == [
        2,
        3,
    ]
    net, x = in_one_layer(layers.DepthwiseConv2D(3, depth_multiplier=2, name="conv"))
    found = og.pixel_arithmetic(net, x, og.Neuron("conv", (1, 1), 5))
    assert found.input_channels.tolist() == [2] and found.values.shape == (3, 3, 1)


def test_normalization_and_rectifier_follow():
    model = networks.build("separate")
    net, x = og.Network(model, "none"), networks.images_for(model, 1)
    conv, norm, relu = (layer.name for layer in model.layers[1:4])
    asked = [og.pixel_arithmetic(net, x, og.Neuron(name, (3, 5), 2)) for name in (conv, norm, relu)]
    for found in asked:
        assert found.layer == conv and found.step_names == (conv, norm, relu)
        for name, value in found.steps:
            assert value == pytest.approx(of_keras(model, name, x)[0, 3, 5, 2], abs=1e-5)
        assert found.sum + found.bias == pytest.approx(found.steps[0][1], abs=1e-5)


def test_a_fused_activation_is_a_step_of_its_own():
    model = networks.build("activation_layers")
    net, x = og.Network(model, "none"), networks.images_for(model, 1)
    found = og.pixel_arithmetic(net, x, og.Neuron("conv1", (2, 2), 1))
    assert found.layer == "conv1" and found.step_names == ("conv1:pre", "conv1")
    before, after = found.step_values
    assert after == pytest.approx(max(before, 0.3 * before), abs=1e-6)
    assert after == pytest.approx(of_keras(model, "conv1", x)[0, 2, 2, 1], abs=1e-5)


def test_where_two_steps_read_a_convolution_only_the_one_asked_for_follows():
    x = image = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, name="conv")(x)
    both = layers.Add()([layers.ReLU(name="relu")(x), layers.Activation("tanh", name="tanh")(x)])
    model = keras.Model(image, layers.GlobalAveragePooling2D()(both))
    net, batch = og.Network(model, "none"), networks.images_for(model, 1)
    names = {
        layer: og.pixel_arithmetic(net, batch, og.Neuron(layer, (1, 1), 0)).step_names
        for layer in ("conv", "relu")
    }
    assert names == {"conv": ("conv",), "relu": ("conv", "relu")}


def test_channels_first():
    keras.utils.set_random_seed(0)
    image = keras.Input((3, 9, 8))
    first = {"data_format": "channels_first"}
    x = layers.Conv2D(4, 3, strides=2, padding="same", activation="relu", name="conv", **first)(
        image
    )
    x = layers.DepthwiseConv2D(3, padding="same", name="depthwise", **first)(x)
    x = layers.BatchNormalization(axis=1, name="norm")(x)
    net = og.Network(keras.Model(image, layers.GlobalAveragePooling2D(**first)(x)), "none")
    batch = np.random.default_rng(0).uniform(size=(1, 9, 8, 3)).astype(np.float32)
    for layer in ("conv", "norm"):
        maps = og.feature_maps(net, batch, layer)[layer].values
        found = og.pixel_arithmetic(net, batch, og.Neuron(layer, (4, 3), 2))
        assert found.steps[-1][1] == pytest.approx(maps[0, 4, 3, 2], abs=1e-5)


def test_lite0_and_its_photo(lite0, chelsea):
    x = lite0.prepare(chelsea)
    with pytest.raises(InputError, match="neither a two-dimensional convolution nor"):
        og.pixel_arithmetic(lite0, x, og.Neuron("block4b_add", (3, 9), 5))
    for layer, position, channel in (
        ("block2b_depthwise", (0, 30), 7),
        ("block3b_depthwise", (27, 27), 90),
    ):
        found = og.pixel_arithmetic(lite0, x, og.Neuron(layer, position, channel))
        maps = og.feature_maps(lite0, x, layer)[layer].values
        scale = np.abs(found.values).sum() + 1e-6
        assert abs(found.sum + found.bias - maps[0][(*position, channel)]) < 1e-5 * scale
        assert found.padding.any() and len(found.steps) == 3, "normalization and rectifier"


def test_it_is_saved_described_and_plotted(tmp_path):
    model = networks.build("strided")
    net, x = og.Network(model, "unit"), networks.images_for(model, 1)
    found = og.pixel_arithmetic(net, x, og.Neuron("same2", (0, 0), 1))
    text = repr(found)
    assert "same2, filter 1 at (0, 0): 3×3×3 products, sum" in text and "\n" not in text
    again = og.load_result(found.save(tmp_path / "pixel.npz"))
    assert again.steps == found.steps and repr(again) == text
    np.testing.assert_array_equal(again.padding, found.padding)
    picture = found.plot()
    assert min(picture.size) > 400 and np.asarray(again.plot()).shape == np.asarray(picture).shape


class Standardized(layers.Conv2D):
    """A convolution with kernels of mean 0, by code of Keras alone."""

    def convolution_op(self, inputs, kernel):
        return super().convolution_op(inputs, kernel - keras.ops.mean(kernel))


def test_what_has_no_such_arithmetic():
    model = networks.build("skips")
    net, x = og.Network(model, "none"), networks.images_for(model)
    for layer, words in (("block0_add", "neither.*'stem'"), ("nowhere", "no layer")):
        with pytest.raises(InputError, match=words):
            og.pixel_arithmetic(net, x[:1], og.Neuron(layer, (0, 0), 0))
    with pytest.raises(InputError, match="one image, got 2"):
        og.pixel_arithmetic(net, x, og.Neuron("stem", (0, 0), 0))
    for position, channel in (((99, 0), 0), ((0, 0), 6)):
        with pytest.raises(InputError, match=r"outside|out of range"):
            og.pixel_arithmetic(net, x[:1], og.Neuron("stem", position, channel))
    with pytest.raises(InputError, match="neuron must be a Neuron"):
        og.pixel_arithmetic(net, x[:1], og.Filter("stem", 0))
    net, x = in_one_layer(Standardized(4, 3, name="conv"))
    with pytest.raises(InputError, match="more than a convolution"):
        og.pixel_arithmetic(net, x, og.Neuron("conv", (1, 1), 0))
    net, x = in_one_layer(layers.Conv2DTranspose(4, 1, 2, name="conv"))
    with pytest.raises(InputError, match="reads nothing"):
        og.pixel_arithmetic(net, x, og.Neuron("conv", (1, 1), 0))
