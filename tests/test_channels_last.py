"""Networks built for channels first: the same numbers and geometry as their channels-last twins."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import networks
import optogram as og
from optogram.graph.channels_last import channels_last
from optogram.graph.steps import Output, flatten

pytestmark = pytest.mark.keras_inside

HEIGHT, WIDTH = 13, 16
FIRST = "channels_first"


def network(layout):
    """Most kinds of layers, in one layout or the other; the same weights fit both."""
    is_first = layout == FIRST
    axis, more = (1 if is_first else 3), {"data_format": layout}
    image = keras.Input((3, HEIGHT, WIDTH) if is_first else (HEIGHT, WIDTH, 3))
    x = layers.Rescaling(2.0, offset=-1)(image)
    x = layers.ZeroPadding2D(((1, 2), (0, 1)), name="padding", **more)(x)
    x = layers.Conv2D(6, 3, strides=2, padding="same", activation="relu", name="conv", **more)(x)
    x = layers.BatchNormalization(axis=axis, name="norm")(x)
    y = layers.DepthwiseConv2D(3, padding="same", name="depthwise", **more)(x)
    y = layers.SpatialDropout2D(0.5, **more)(layers.LeakyReLU(0.1, name="leaky")(y))
    y = layers.PReLU(shared_axes=[2, 3] if is_first else [1, 2], name="prelu")(y)
    x = layers.Concatenate(axis=axis, name="both")([x, y])
    x = layers.MaxPooling2D(3, 1, "same", name="pool", **more)(x)
    x = layers.SeparableConv2D(4, 3, padding="same", activation="silu", name="separable", **more)(x)
    x = layers.UpSampling2D(2, name="up", **more)(x)
    x = layers.Cropping2D(((1, 0), (0, 1)), name="crop", **more)(x)
    x = layers.Conv2DTranspose(4, 3, 2, name="transposed", **more)(x * 1.5)
    weight = ops.mean(x, axis=(2, 3) if is_first else (1, 2), keepdims=True)
    x = layers.Conv2D(4, 3, dilation_rate=2, name="last", **more)(ops.relu(x * weight))
    x = layers.AveragePooling2D(5, name="average", **more)(x)
    if is_first:
        x = layers.Permute((2, 3, 1), name="permute")(x)
    x = layers.Flatten(data_format="channels_last")(x)
    model = keras.Model(image, layers.Dense(5, activation="softmax", name="answer")(x))
    networks.fill(model)
    return model


@pytest.fixture(scope="module")
def twins():
    keras.utils.set_random_seed(0)
    last = network("channels_last")
    first = network(FIRST)
    slopes = [
        w.reshape(own.shape) for w, own in zip(last.get_weights(), first.weights, strict=True)
    ]
    first.set_weights(slopes)  # those of PReLU have the layout of its maps
    return og.Network(first, "unit"), og.Network(last, "unit")


def pictures(count=2):
    return np.random.default_rng(0).uniform(0, 1, (count, HEIGHT, WIDTH, 3)).astype("float32")


def test_pictures_go_in_as_for_any_network(twins):
    first, last = twins
    assert (first.size, first.channels) == (last.size, last.channels) == ((HEIGHT, WIDTH), 3)
    np.testing.assert_allclose(first.scores(pictures()), last.scores(pictures()), atol=1e-5)


def test_every_map_is_that_of_the_twin(twins):
    first, last = twins
    x = pictures()
    names = [s.name for s in last.graph.steps if len(s.shape) == 4 and s.name in first._steps]
    assert {"conv", "conv:pre", "norm", "prelu", "both", "pool", "up", "last"} <= {*names}
    for name, maps in og.feature_maps(first, x, names).items():
        np.testing.assert_allclose(
            maps.values, og.feature_maps(last, x, name)[name].values, atol=1e-5, err_msg=name
        )


def test_geometry_is_that_of_the_twin(twins):
    first, last = twins
    for name in ("conv", "norm", "depthwise", "both", "pool", "separable", "up", "crop", "last"):
        one, other = first[name], last[name]
        assert one.output_shape == other.output_shape, name
        assert (one.flops, one.memory) == (other.flops, other.memory), name
        assert one.receptive_field == other.receptive_field, name


@pytest.mark.parametrize(
    "method", [og.saliency, og.guided_backprop, og.gradcam, og.layercam, og.occlusion]
)
def test_methods_give_the_same_pictures(twins, method):
    one, other = (method(net, pictures(1), 2).values for net in twins)
    np.testing.assert_allclose(one, other, atol=1e-4 * np.abs(other).max())


def test_the_score_is_what_the_model_returns_where_the_backend_can_run_it(twins):
    first, _ = twins
    x = pictures()
    try:
        expected = first.model(x.transpose(0, 3, 1, 2))
    except Exception as error:  # TensorFlow has no such kernels on a processor
        assert keras.config.backend() == "tensorflow", error
        pytest.skip("this backend cannot run channels first here")
    found = first.head.probabilities(first.scores(x))
    np.testing.assert_allclose(found, ops.convert_to_numpy(expected), atol=1e-5)


def test_the_model_keeps_its_layout(twins):
    first, _ = twins
    og.gradcam(first, pictures(1))
    formats = {layer.data_format for layer in first.model.layers if hasattr(layer, "filters")}
    assert formats == {FIRST}
    assert first.model.get_layer("norm").axis == 1
    assert first.model.get_layer("conv").input_spec.axes == {1: 3}


def test_channels_first_in_the_middle_only():
    """A picture of the usual kind, permuted for layers that work the other way."""
    keras.utils.set_random_seed(0)
    image = keras.Input((HEIGHT, WIDTH, 3))
    x = layers.Conv2D(3, 3, padding="same", data_format="channels_last", name="before")(image)
    x = layers.Permute((3, 1, 2))(x)
    x = layers.Conv2D(4, 3, data_format=FIRST, activation="relu", name="inside")(x)
    x = layers.GlobalAveragePooling2D(data_format=FIRST)(x)
    net = og.Network(keras.Model(image, layers.Dense(2)(x)), "unit")
    assert (net.size, net["inside"].output_shape) == ((HEIGHT, WIDTH), (None, 11, 14, 4))
    kernel, bias = net["inside"].weights
    (before,) = net.evaluate(pictures(1), [Output(net.step("before").index)])
    twin = layers.Conv2D(4, 3, activation="relu", data_format="channels_last")
    twin.build((None, HEIGHT, WIDTH, 3))
    twin.set_weights([kernel, bias])
    found = og.feature_maps(net, pictures(1), "inside")["inside"].values
    np.testing.assert_allclose(found, ops.convert_to_numpy(twin(before)), atol=1e-5)


def test_other_networks_are_left_as_they_are():
    graph = flatten(networks.build("everything"))
    assert channels_last(graph) is graph
