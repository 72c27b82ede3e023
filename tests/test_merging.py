"""Steps that run as one operation: the numbers are those of the steps one by one."""

import platform

import keras
import numpy as np
import pytest
from keras import layers

import optogram as og
from optogram import backend
from optogram.graph.steps import Output
from optogram.interpreters import forward
from optogram.interpreters.merging import chains

pytestmark = [pytest.mark.once, pytest.mark.each_backend]


def model() -> keras.Model:
    """Convolutions with rectifiers of all kinds, some of which are read elsewhere, too."""
    keras.utils.set_random_seed(3)
    image = keras.Input((20, 24, 3))
    x = layers.Conv2D(8, 3, padding="same", activation="relu", name="fused")(image)
    x = layers.Conv2D(12, 3, strides=2, padding="same", use_bias=False, name="strided")(x)
    x = layers.ReLU(name="apart")(x)
    x = layers.DepthwiseConv2D(3, padding="same", activation="relu6", name="depthwise")(x)
    x = layers.Conv2D(16, 3, groups=4, dilation_rate=2, name="groups")(x)
    x = layers.ReLU(max_value=0.4, name="limited")(x)
    x = layers.Conv2D(16, 1, activation="relu", name="product")(x)
    twice = layers.Conv2D(16, 3, padding="same", name="read twice")(x)
    x = layers.Add(name="sum")([twice, layers.ReLU(name="second reader")(twice)])
    x = layers.Conv2D(10, 3, name="leaky")(x)
    x = layers.LeakyReLU(0.1, name="no rectifier")(x)
    answer = layers.Dense(5, activation="softmax")(layers.GlobalAveragePooling2D()(x))
    return keras.Model(image, answer)


@pytest.fixture(scope="module")
def net():
    return og.Network(model(), preprocess="unit")


@pytest.fixture(scope="module")
def photos():
    return np.random.default_rng(0).integers(0, 256, (3, 20, 24, 3), dtype=np.uint8)


@pytest.fixture
def apart(monkeypatch):
    """The same network, whose steps run one by one."""
    monkeypatch.setattr(backend.current(), "merged", lambda *_: None)
    return og.Network(model(), preprocess="unit")


def ends(net, wanted):
    """The last steps of the chains of a schedule."""
    graph, indices = net.graph, sorted(net.graph.ancestors(wanted))
    unneeded = graph.last_uses(indices, keep=wanted)
    found = {
        graph.steps[i].name: [*chains(graph, graph.steps[i], indices, unneeded)] for i in indices
    }
    return {name for name, each in found.items() if each}


def test_chains_are_convolutions_and_what_alone_reads_them(net):
    all_ends = {"fused", "apart", "depthwise", "limited", "product", "no rectifier"}
    assert ends(net, [net.head.logits]) == all_ends
    # What is wanted is not merged into what follows.
    wanted = [net.head.logits, Output(net.step("strided").index)]
    assert ends(net, wanted) == all_ends - {"apart"}


@pytest.mark.skipif(
    keras.config.backend() != "torch" or platform.machine() not in ("x86_64", "AMD64"),
    reason="merged by PyTorch's oneDNN on x86 alone",
)
def test_on_pytorch_rectifiers_are_merged(net):
    made = forward.schedule(net.graph, [net.head.logits])
    names = {net.graph.steps[step.index].name for step in made.steps if step.merged}
    assert names == {"fused", "apart", "depthwise", "limited"}


def test_scores_and_maps_are_the_same_bit_for_bit(net, photos, apart):
    np.testing.assert_array_equal(net.scores(photos), apart.scores(photos))
    x = net.prepare(photos)
    wanted = [Output(net.step(name).index) for name in ("strided", "depthwise", "limited")]
    for one, other in zip(net.evaluate(x, wanted), apart.evaluate(x, wanted), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("method", ["saliency", "guided_backprop", "gradcam", "deconvnet"])
def test_gradients_are_the_same_bit_for_bit(net, photos, apart, method):
    at = {"layer": "depthwise"} if method == "gradcam" else {}
    found, expected = (getattr(og, method)(one, photos, 2, **at) for one in (net, apart))
    assert np.ptp(expected.values) > 0
    np.testing.assert_array_equal(found.values, expected.values)


def test_windows_are_the_same(net, photos, apart):
    given = {"patch": 4, "stride": 2}
    found, expected = (og.occlusion(one, photos[0], 2, **given) for one in (net, apart))
    size = np.abs(expected.score).max()
    np.testing.assert_allclose(found.values, expected.values, rtol=0, atol=1e-6 * size)
