"""Directions as targets: against sums over feature maps, and as what images are made for."""

import copy

import numpy as np
import pytest

import networks
import optogram as og
from optogram.errors import InputError
from optogram.graph.steps import Output

VECTOR = [0.5, -1.0, 2.0, 0.0, 0.25, 1.5]


@pytest.fixture(scope="module")
def net():
    return og.Network(networks.build("fused"), "unit")


@pytest.fixture(scope="module")
def x(net):
    return net.prepare(np.random.default_rng(3).integers(0, 256, (3, 16, 16, 3), np.uint8))


def outputs(net, x, layer):
    """The activations of a layer as (N, positions, channels)."""
    step = net.step(layer)
    (found,) = net.evaluate(np.asarray(x), [Output(step.index)])
    return found.reshape(len(x), -1, found.shape[-1]).astype(np.float64)


def test_the_score_is_the_mean_dot_product(net, x):
    found = og.saliency(net, x, og.Direction("conv2", VECTOR))
    expected = (outputs(net, x, "conv2") @ VECTOR).mean(axis=1)
    np.testing.assert_allclose(found.score, expected, rtol=1e-4, atol=1e-6)
    assert found.targets[0] == "conv2, direction mostly of filters 2, 5, −1"


def test_its_gradient_is_the_sum_of_those_of_filters(net, x):
    found = og.saliency(net, x[:1], og.Direction("conv2", VECTOR)).values
    each = og.saliency(net, x[:1], og.Filter("conv2", range(6))).values
    expected = np.tensordot(VECTOR, each, 1)[None]
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())


def test_dense_layers_have_directions(net, x):
    vector = np.linspace(-1, 1, 8)
    found = og.saliency(net, x, og.Direction("hidden", vector) - 2 * og.Filter("hidden", 1))
    units = outputs(net, x, "hidden")[:, 0].T
    np.testing.assert_allclose(found.score, vector @ units - 2 * units[1], rtol=1e-4, atol=1e-6)


def test_several_vectors_are_several_targets(net, x):
    both = np.array([VECTOR, VECTOR[::-1]])
    found = og.saliency(net, x[:1], og.Direction("conv2", both))
    one, other = (og.saliency(net, x[:1], og.Direction("conv2", vector)) for vector in both)
    np.testing.assert_allclose(found.score, [*one.score, *other.score], rtol=1e-5)


@pytest.mark.once
def test_equal_directions_are_equal():
    one, same = og.Direction("a", VECTOR), og.Direction("a", np.array(VECTOR, np.float32))
    assert one == same
    assert hash(one) == hash(same)
    assert copy.deepcopy(one) == one
    assert one != og.Direction("b", VECTOR)
    assert one.vector == tuple(VECTOR)


def aligned(net, x, layer, vector, power):
    """What `cosine` maximizes, position by position."""
    found = []
    for positions in outputs(net, x, layer):
        products = positions @ vector
        cosines = products / np.linalg.norm(positions, axis=1) / np.linalg.norm(vector)
        found.append(np.mean(products * np.maximum(0.1, cosines) ** power))
    return np.array(found)


@pytest.mark.parametrize("power", [1, 2.5])
def test_a_step_follows_the_gradient_of_dot_product_times_cosine(net, x, power):
    vector = np.array(VECTOR)
    start = np.asarray(x[:2])
    several = [og.Direction("conv2", vector), og.Direction("conv2", -vector)]
    found = og.maximize(
        net, several, "tutorial", start=start, steps=1, optimizer="l2", units="network",
        learning_rate=1.0, cosine=power,
    )  # fmt: skip
    steps = found.values - start
    generator = np.random.default_rng(0)
    for step, one, sign in zip(steps, start, (1, -1), strict=True):
        ways = [step, *(step + 0.03 * generator.standard_normal(step.shape) for _ in range(3))]
        ends = np.array([one + side * 0.02 * way for way in ways for side in (1, -1)], np.float32)
        values = aligned(net, ends, "conv2", sign * vector, power).reshape(-1, 2)
        slopes = (values[:, 0] - values[:, 1]) / 0.04
        along = [np.vdot(step, way) for way in ways]
        # A step as long as 1 goes along the gradient: slopes are its length times the share.
        assert slopes[0] > 0
        np.testing.assert_allclose(slopes / slopes[0], along / along[0], atol=0.03)
    expected = (outputs(net, start, "conv2") @ vector).mean(axis=1) * [1, -1]
    np.testing.assert_allclose(found.history[:, 0], expected, rtol=1e-4, atol=1e-6)


def test_with_the_cosine_images_go_more_in_the_direction(net):
    vector = np.array([1.0, 1, 0, 0, 0, 0])
    cosines = []
    for power in (0, 4):
        made = og.maximize(
            net, og.Direction("conv2", vector), size=(16, 16), steps=24, cosine=power, redirected=0
        )
        h = outputs(net, made.values, "conv2").mean(axis=(0, 1))
        cosines.append(h @ vector / np.linalg.norm(h) / np.linalg.norm(vector))
    assert cosines[1] > cosines[0] + 0.02


@pytest.mark.once
@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda net, x: og.Direction("conv2", [0, 0]), "zero everywhere"),
        (lambda net, x: og.Direction("conv2", [[1, 2], [0, 0]]), "zero everywhere"),
        (lambda net, x: og.Direction("conv2", [1, np.nan]), "finite"),
        (lambda net, x: og.Direction("conv2", "abc"), r"\(channels,\).*'abc'"),
        (lambda net, x: og.Direction("conv2", [[1, 2], [3]]), r"\(channels,\)"),
        (lambda net, x: og.Direction("conv2", []), r"\(channels,\)"),
        (lambda net, x: og.saliency(net, x, og.Direction("conv2", [1, 2])), "6 channels.*6 num"),
        (lambda net, x: og.saliency(net, x, og.Direction("convX", VECTOR)), "convX"),
        (lambda net, x: og.maximize(net, 1, cosine=2), "cosine applies to .* Direction, not to"),
        (
            lambda net, x: og.maximize(net, 2 * og.Direction("conv2", VECTOR), cosine=2),
            "cosine applies to .* not to 2·conv2",
        ),
        (lambda net, x: og.maximize(net, og.Direction("conv2", VECTOR), cosine=-1), "0 or more"),
    ],
)
def test_what_is_no_direction_is_refused_in_one_sentence(net, x, call, words):
    with pytest.raises(InputError, match=words):
        call(net, x)
