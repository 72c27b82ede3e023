"""The smallest networks of the catalogue, looked into in every way, at full size.

With EfficientNet-Lite0, which many other tests explain, they are the five smallest.
``benchmarks/catalogue.py`` does it for all of them; ``docs/catalogue.md`` is its table.
"""

import keras
import numpy as np
import pytest

import optogram as og
from optogram.graph.steps import Output

pytestmark = pytest.mark.once

# Millions of multiplications with an addition, as the papers count them.
PUBLISHED = {
    "mobilenetv3small": 56,
    "mobilenetv2": 300,
    "mobilenet": 569,
    "nasnetmobile": 564,
}
CONVOLVING = ("Conv2D", "DepthwiseConv2D", "SeparableConv2D", "Dense")
BACKEND = keras.config.backend()
SIDE = 64


# The others are looked into before a release: compiling takes up to half a minute for each.
SMALLEST = "mobilenetv3small"


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(name, marks=() if name == SMALLEST else pytest.mark.full) for name in PUBLISHED
    ],
)
def name(request):
    if BACKEND == "torch" and request.param == "nasnetmobile":
        pytest.skip("Keras does not offer it on PyTorch")
    if keras.__version__ == "3.12.0" and request.param == "nasnetmobile":
        pytest.skip("minutes of compiling, spent on the newest Keras")
    return request.param


@pytest.fixture(scope="module")
def net(name, chelsea):
    """Random weights, and batch normalizations that hold what they would have learnt."""
    keras.utils.set_random_seed(0)
    net = og.load(name, weights=None)
    norms = [
        layer for layer in net.model.layers if isinstance(layer, keras.layers.BatchNormalization)
    ]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    net.model(net.prepare(chelsea), training=True)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    return net


def assert_says_something(values, shape):
    assert values.shape == shape
    assert np.isfinite(values).all()
    assert np.ptp(values) > 0


def test_steps(net, chelsea):
    maps = [Output(net.step(name).index) for name in net.map_layers()][-4:]
    x = net.prepare(chelsea)
    *found, replayed = net.evaluate(x, [*maps, net.head.output])
    geometry = net.geometry(net.nominal_size)
    shapes = [geometry[value.step].shape[1:] for value in maps]
    assert [array.shape[1:] for array in found] == shapes
    expected = net.backend.to_array(net.model(x, training=False))
    # Compiled, sums are taken in another order.
    np.testing.assert_allclose(replayed, expected, rtol=0, atol=1e-4 * expected.max())
    assert np.ptp(expected) > 0.1 * expected.max()  # random weights tell the classes apart


def test_geometry(net, name):
    millions = sum(layer.flops for layer in net.layers if layer.kind in CONVOLVING) / 2e6
    assert millions == pytest.approx(PUBLISHED[name], rel=0.02)
    assert net.map_layers()[net.default_layer] == (7, 7)


def test_gradcam(net, chelsea):
    assert_says_something(og.gradcam(net, chelsea).values, (1, 7, 7))


@pytest.mark.parametrize("method", [og.saliency, og.guided_backprop])
def test_gradients_at_the_image(net, chelsea, method):
    assert_says_something(method(net, chelsea).values, (1, 224, 224, 3))


def test_pattern_of_a_filter(net):
    filter_ = og.Filter(net.default_layer, 0)
    result = og.maximize(net, filter_, steps=2, size=(SIDE, SIDE))
    assert_says_something(result.values, (1, SIDE, SIDE, 3))
    assert np.isfinite(result.history).all()
