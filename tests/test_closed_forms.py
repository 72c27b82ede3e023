"""Networks so simple that each map can be written down: what the methods must return there."""

import keras
import numpy as np
import pytest
from keras import layers

import networks
import optogram as og

pytestmark = pytest.mark.once

EXACT = 1e-5
"""Largest difference ÷ range: float32 sums in another order."""


def assert_close(found, expected, bound=EXACT):
    assert found.shape == expected.shape
    extent = np.ptp(expected)
    assert extent > 0, "nothing to compare"
    np.testing.assert_allclose(found, expected, rtol=0, atol=bound * extent)


def seeded(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


# -- a linear model: S = Σ w · x + b ---------------------------------------------------------------

WEIGHTS = seeded(6, 5, 3, 4)
BIASES = seeded(4, seed=1)


@pytest.fixture(scope="module", params=["none", "unit", "tf", "lite", "torch", "caffe"])
def linear(request):
    """(net, images in network units, what is fed for black)."""
    image = keras.Input((6, 5, 3))
    model = keras.Model(image, layers.Dense(4, name="sum")(layers.Flatten()(image)))
    model.get_layer("sum").set_weights([WEIGHTS.reshape(90, 4), BIASES])
    net = og.Network(model, request.param)
    photos = np.random.default_rng(0).integers(0, 256, (2, 6, 5, 3)).astype("uint8")
    black = net.prepare([np.zeros((6, 5, 3), "uint8")])[0]
    return net, net.prepare(list(photos)), black


def test_saliency_of_a_linear_model_is_its_weights(linear):
    net, x, _ = linear
    for target in range(4):
        found = og.saliency(net, x, target)
        for values in found.values:
            assert_close(values, WEIGHTS[..., target])
        contributions = (found.values * x).sum(axis=(1, 2, 3))
        np.testing.assert_allclose(contributions + BIASES[target], found.score, rtol=1e-4)


def test_guided_backpropagation_of_a_linear_model_is_its_weights(linear):
    net, x, _ = linear
    assert_close(og.guided_backprop(net, x[:1], 2).values[0], WEIGHTS[..., 2])


def test_noise_does_not_change_the_gradient_of_a_linear_model(linear):
    net, x, _ = linear
    assert_close(og.smoothgrad(net, x[:1], 2, samples=7, noise=0.5).values[0], WEIGHTS[..., 2])


@pytest.mark.parametrize("points", [1, 2, 32])
def test_integrated_gradients_of_a_linear_model_are_its_terms(points, linear):
    net, x, black = linear
    difference = og.Class(3) - 2 * og.Class(0)
    found = og.integrated_gradients(net, x[:1], [1, difference], points=points)
    weights = [WEIGHTS[..., 1], WEIGHTS[..., 3] - 2 * WEIGHTS[..., 0]]
    for values, weight in zip(found.values, weights, strict=True):
        assert_close(values, (x[0] - black) * weight)
    biases = [BIASES[1], BIASES[3] - 2 * BIASES[0]]
    expected = [(black * w).sum() + b for w, b in zip(weights, biases, strict=True)]
    size = np.abs((x[0] - black)[..., None] * WEIGHTS).sum(axis=(0, 1, 2)).max()
    np.testing.assert_allclose(found.baseline_score, expected, atol=1e-5 * size)
    np.testing.assert_allclose(found.completeness_gap, 0, atol=1e-5 * size)  # float32 sums
    assert found.warnings == net.warnings


def test_integrated_gradients_of_a_black_image_are_zero(linear):
    net, _, black = linear
    found = og.integrated_gradients(net, black[None], 1, points=2)
    assert not found.values.any()
    assert found.score == pytest.approx(found.baseline_score)


# -- a sum of terms, each of its own patch ---------------------------------------------------------


def additive(bias):
    """S = Σ w(i, j, k) · ReLU(kernel k · patch (i, j) + bias): no patch knows of another."""
    image = keras.Input((12, 12, 3))
    x = layers.Conv2D(5, 4, strides=4, activation="relu", name="patches")(image)
    model = keras.Model(image, layers.Dense(2, name="sum")(layers.Flatten()(x)))
    kernels, weights = seeded(4, 4, 3, 5), seeded(3, 3, 5, 2, seed=1)
    biases = seeded(5, seed=2) * bias
    model.get_layer("patches").set_weights([kernels, biases])
    model.get_layer("sum").set_weights([weights.reshape(45, 2), np.zeros(2, "float32")])

    def terms(x):
        patches = x.reshape(3, 4, 3, 4, 3).transpose(0, 2, 1, 3, 4)
        answers = np.tensordot(patches, kernels, 3) + biases
        return np.einsum("ijk,ijkc->ijc", np.maximum(answers, 0), weights)

    return og.Network(model, "none"), terms


def test_occlusion_of_a_sum_is_the_term_that_is_covered():
    net, terms = additive(bias=0)
    x = seeded(1, 12, 12, 3, seed=3)
    found = og.occlusion(net, x, [0, 1], patch=4, stride=4, fill=0, fill_space="network")
    for target in (0, 1):
        assert_close(found.values[target], terms(x[0])[..., target])
        assert found.score[target] == pytest.approx(terms(x[0])[..., target].sum(), rel=1e-4)


def test_occlusion_of_a_sum_is_the_term_minus_that_of_the_paint():
    net, terms = additive(bias=1)
    x = seeded(2, 12, 12, 3, seed=3)
    found = og.occlusion(net, x, 1, patch=4, stride=4, fill=0.3, fill_space="network")
    painted = terms(np.full((12, 12, 3), 0.3, "float32"))
    for image, values in zip(x, found.values, strict=True):
        assert_close(values, (terms(image) - painted)[..., 1])


def test_occlusion_of_several_patches_is_the_sum_of_their_terms():
    net, terms = additive(bias=0)
    x = seeded(1, 12, 12, 3, seed=3)
    found = og.occlusion(net, x, 0, patch=8, stride=4, fill=0, fill_space="network")
    each = terms(x[0])[..., 0]
    expected = each[:-1, :-1] + each[1:, :-1] + each[:-1, 1:] + each[1:, 1:]
    assert_close(found.values[0], expected)


def test_integrated_gradients_of_a_sum_add_up_patch_by_patch():
    """Without a bias, ReLU(t · answer) = t · ReLU(answer): the line from 0 is straight."""
    net, terms = additive(bias=0)
    x = seeded(1, 12, 12, 3, seed=3)
    found = og.integrated_gradients(net, x, 1, points=1)
    patches = found.values[0].reshape(3, 4, 3, 4, 3).sum(axis=(1, 3, 4))
    assert_close(patches, terms(x[0])[..., 1])


# -- the mean of maps, then a linear layer: S = Σ wₖ mean(Aₖ) --------------------------------------

PIXELS = seeded(1, 6, 7, 2, seed=4)
MIX = seeded(1, 1, 2, 5, seed=5)
LAST = seeded(5, 3, seed=6)


@pytest.fixture(scope="module")
def pooled():
    image = keras.Input((6, 7, 2))
    maps = layers.Conv2D(5, 1, use_bias=False, activation="relu", name="maps")(image)
    model = keras.Model(image, layers.Dense(3)(layers.GlobalAveragePooling2D()(maps)))
    model.set_weights([MIX, LAST, np.zeros(3, "float32")])
    return og.Network(model, "none")


MAPS = np.maximum(PIXELS[0] @ MIX[0, 0], 0)


@pytest.mark.parametrize("target", [0, 1, 2])
def test_gradcam_of_a_linear_head_is_the_class_activation_map(target, pooled):
    found = og.gradcam(pooled, PIXELS, target, "maps", rectify=False)
    expected = MAPS @ LAST[:, target] / 42
    assert_close(found.values[0], expected)
    assert found.values.sum() == pytest.approx(found.score[0], rel=1e-4)
    rectified = og.gradcam(pooled, PIXELS, target, "maps")
    assert_close(rectified.values[0], np.maximum(expected, 0))


@pytest.mark.parametrize("target", [0, 1, 2])
def test_layercam_of_a_linear_head_keeps_positive_weights(target, pooled):
    found = og.layercam(pooled, PIXELS, target, "maps")
    assert_close(found.values[0], MAPS @ np.maximum(LAST[:, target], 0) / 42)


@pytest.mark.parametrize("target", [0, 1, 2])
def test_gradcam_plus_plus_of_a_linear_head(target, pooled):
    """The gradient g = w ÷ 42 is the same everywhere: Σ α ReLU(g) = 42 ReLU(g) ÷ (2 + g Σ A)."""
    g = LAST[:, target].astype(np.float64) / 42
    weights = 42 * np.maximum(g, 0) / (2 + g * MAPS.sum(axis=(0, 1)))
    found = og.gradcam_plus_plus(pooled, PIXELS, target, "maps")
    assert_close(found.values[0], np.maximum(MAPS @ weights, 0))


@pytest.mark.parametrize("target", [0, 1, 2])
def test_guided_gradcam_of_a_linear_head(target, pooled):
    """The maps have the size of the image, so the product is one of elements."""
    cam = np.maximum(MAPS @ LAST[:, target] / 42, 0)
    at_maps = (MAPS > 0) * np.maximum(LAST[:, target], 0) / 42
    found = og.guided_gradcam(pooled, PIXELS, target, "maps")
    assert_close(found.values[0], cam[..., None] * (at_maps @ MIX[0, 0].T))


@pytest.mark.parametrize("target", [0, 1, 2])
def test_scorecam_of_a_linear_head(target, pooled):
    """Seen through a map, a pixel that is multiplied by m ≥ 0 has its rectified maps times m."""
    low, high = MAPS.min(axis=(0, 1)), MAPS.max(axis=(0, 1))
    masks = (MAPS - low) / (high - low)
    gains = np.einsum("hwm,hwk,k->m", masks, MAPS, LAST[:, target]) / 42
    weights = np.exp(gains) / np.exp(gains).sum()
    found = og.scorecam(pooled, PIXELS, target, "maps")
    assert_close(found.values[0], np.maximum(MAPS @ weights, 0))


def test_scorecam_shows_nothing_of_the_image_through_a_constant_map():
    """It becomes 0 and not 1: the score through it is that of black, the gain 0."""
    image = keras.Input((4, 4, 1))
    maps = layers.Conv2D(2, 1, name="maps")(image)
    model = keras.Model(image, layers.Dense(1)(layers.GlobalAveragePooling2D()(maps)))
    one_is_constant = [np.array([[[[1, 0]]]], "float32"), np.array([0, 3], "float32")]
    model.set_weights([*one_is_constant, np.array([[8], [0]], "float32"), np.zeros(1, "float32")])
    x = np.random.default_rng(0).uniform(0, 1, (1, 4, 4, 1)).astype("float32")
    found = og.scorecam(og.Network(model, "none"), x, None, "maps")
    pixels = x[0, :, :, 0]
    mask = (pixels - pixels.min()) / np.ptp(pixels)
    gain = 8 * (mask * pixels).mean()
    share = np.exp(gain) / (np.exp(gain) + 1)
    assert_close(found.values[0], share * pixels + (1 - share) * 3)


# -- completeness ----------------------------------------------------------------------------------

STEPS = 256
SMOOTH_OR_RECTIFIED = ["separate", "skips", "transfer", "binary", "operations", "linear"]
WITH_MAX_POOLING = ["fused", "branches", "everything"]


def with_the_same_weights_everywhere(name):
    """A network whose weights do not depend on the backend's own random numbers."""
    model = networks.build(name)
    rng = np.random.default_rng(0)
    for weight in model.weights:
        if "kernel" in weight.name:
            spread = np.sqrt(2 / np.prod(weight.shape[:-1]))
            weight.assign(rng.normal(0, spread, weight.shape).astype("float32"))
    return model


@pytest.mark.parametrize("name", [*SMOOTH_OR_RECTIFIED, *WITH_MAX_POOLING])
def test_integrated_gradients_are_complete(name):
    model = with_the_same_weights_everywhere(name)
    net = og.Network(model, "none")
    x = networks.images_for(model) * (255 if name == "transfer" else 1)
    scores, black = net.scores(x), net.scores(np.zeros_like(x[:1]))
    # The class whose score changes most: a share of no change means nothing.
    targets = [int(i) for i in np.abs(scores - black).argmax(axis=1)]
    found = og.integrated_gradients(net, x, None if name == "binary" else targets, points=STEPS)
    sums = found.values.sum(axis=(1, 2, 3), dtype=np.float64)
    change = found.score.astype(np.float64) - found.baseline_score
    told = found.completeness_gap
    np.testing.assert_allclose(sums - change, told, rtol=0, atol=1e-5 * np.abs(change).max())
    # Maxima switch at once, often on the line; theirs is a share of all that is added up.
    is_pooled = name in WITH_MAX_POOLING
    whole = np.abs(found.values).sum(axis=(1, 2, 3)) if is_pooled else np.abs(change)
    print(f"{keras.config.backend():12}{name:12}{(np.abs(told) / whole).max():.1e}")
    assert (np.abs(told) <= 1e-3 * whole).all()
    coarse = og.integrated_gradients(net, x, None if name == "binary" else targets, points=2)
    assert np.abs(coarse.completeness_gap).max() > np.abs(told).max()
