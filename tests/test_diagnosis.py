"""What is wrong with a map is said with the map, and nothing is said where nothing is wrong."""

import functools

import keras
import numpy as np
import pytest
from keras import layers
from PIL import Image

import networks
import optogram as og
from optogram.errors import InputError

pytestmark = pytest.mark.once

PHOTOS = ("chelsea", "coffee", "astronaut", "rocket")
PREPARATIONS = ("caffe", "tf", "torch", "unit", "lite")
CAMS = [og.gradcam, og.gradcam_plus_plus, og.layercam, og.scorecam, og.guided_gradcam]
EVERY = [
    og.saliency,
    og.guided_backprop,
    og.smoothgrad,
    og.integrated_gradients,
    *CAMS,
    og.occlusion,
]


@functools.cache
def opened(name, preparation):
    """A network of `networks`, opened once for all tests that ask for it."""
    return og.Network(networks.build(name), preparation)


def texts(result, words):
    return [warning for warning in result.warnings if words in warning]


def with_maps(kernel, last, bias=0.0, activation="relu", end=None):
    """1 × 1 convolution "maps", their means, then a linear layer."""
    image = keras.Input((8, 8, 1))
    maps = layers.Conv2D(len(kernel), 1, activation=activation, name="maps")(image)
    x = layers.GlobalAveragePooling2D()(maps)
    last = np.array(last, "float32")
    model = keras.Model(image, layers.Dense(last.shape[1], activation=end, name="last")(x))
    model.get_layer("maps").set_weights(
        [np.array(kernel, "float32").reshape(1, 1, 1, -1), np.full(len(kernel), bias, "float32")]
    )
    model.get_layer("last").set_weights([last, np.zeros(last.shape[1], "float32")])
    return og.Network(model, "none")


X = np.random.default_rng(0).uniform(0.1, 1, (1, 8, 8, 1)).astype("float32")


# -- maps ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [og.gradcam, og.layercam, og.gradcam_plus_plus])
def test_a_map_that_is_zero_says_that_nothing_speaks_for_the_target(method):
    net = with_maps([1, 2], [[-1, 1], [-2, 1]])
    found = method(net, X, [0, 1], "maps")
    assert not found.values[0].any()
    (warning,) = found.warnings
    assert "0 (0)" in warning or net.labels.names[0] in warning
    assert "zero everywhere: no part of this image raises its score" in warning


@pytest.mark.parametrize("method", CAMS[:-1])
def test_a_map_that_is_the_same_everywhere_tells_no_place_from_another(method):
    net = with_maps([0, 0], [[1, 2], [1, 2]], bias=3.0)
    found = method(net, X, 1, "maps")
    assert np.ptp(found.values) == 0
    assert len(texts(found, "is constant")) == 1


@pytest.mark.each_backend
@pytest.mark.parametrize("method", [og.saliency, og.gradcam, og.guided_backprop, og.scorecam])
def test_a_map_that_is_not_finite_counts_its_bad_values(method):
    net = with_maps([1e30, 1e30], [[1e20], [-1e20]], activation=None)
    with np.errstate(all="ignore"):
        layer = {"layer": "maps"} if method in CAMS else {}
        found = method(net, X * 1e8, None, **layer)
    bad = int(np.count_nonzero(~np.isfinite(found.values)))
    assert bad > 0
    (warning,) = texts(found, "NaN or infinite")
    assert f"has {bad} " in warning


def test_feature_maps_are_diagnosed_too():
    net = with_maps([0, 0], [[1], [1]])
    (warning,) = og.feature_maps(net, X, "maps")["maps"].warnings
    assert "image 0 is zero everywhere" in warning


@pytest.mark.parametrize("method", EVERY)
def test_nothing_is_said_of_a_map_that_is_in_order(method):
    net = with_maps([1, -2], [[1, -1], [2, 1]], bias=0.2)
    more = {og.occlusion: {"patch": 3}, og.integrated_gradients: {"points": 64}}.get(method, {})
    layer = {"layer": "maps"} if method in CAMS else {}
    x = X - 0.5
    assert method(net, x, 0, **layer, **more).warnings == ()


# -- gradients -------------------------------------------------------------------------------------


@pytest.mark.each_backend
@pytest.mark.parametrize("method", [og.saliency, og.guided_backprop, og.gradcam, og.layercam])
def test_a_gradient_that_vanished_is_named(method):
    """Of two maps the first is off: class 0 hears only of that one."""
    image = keras.Input((8, 8, 1))
    maps = layers.Conv2D(2, 1, name="maps")(image)
    on = layers.ReLU(name="on")(maps)
    model = keras.Model(image, layers.Dense(2, name="last")(layers.GlobalAveragePooling2D()(on)))
    model.get_layer("maps").set_weights(
        [np.array([1, 1], "float32").reshape(1, 1, 1, 2), np.array([-100, 0], "float32")]
    )
    model.get_layer("last").set_weights([np.eye(2, dtype="float32"), np.zeros(2, "float32")])
    net = og.Network(model, "none", ["off", "on"])
    layer = {"layer": "maps"} if method in CAMS else {}
    found = method(net, X, ["off", "on"], **layer)
    where = "'maps'" if layer else "the image"
    (warning,) = found.warnings
    assert f"The gradient of off (0) at {where} is zero everywhere, because of inactive" in warning


# -- scores ----------------------------------------------------------------------------------------


@pytest.mark.each_backend
@pytest.mark.parametrize("method", [og.saliency, og.gradcam, og.guided_backprop, og.smoothgrad])
def test_a_saturated_softmax_is_named(method):
    net = with_maps([1, 2], [[500, 1, 2], [500, 3, -1]], end="softmax")
    layer = {"layer": "maps"} if method in CAMS else {}
    found = method(net, X, 0, score="probability", **layer)
    (warning,) = texts(found, "saturated for")
    assert "softmax" in warning and 'score="logit"' in warning
    assert not texts(method(net, X, 0, **layer), "saturated for")


@pytest.mark.parametrize(("sign", "answer"), [(1, 1), (-1, 0)])
def test_a_saturated_sigmoid_is_named_where_it_says_yes(sign, answer):
    net = with_maps([1, 2], [[sign * 50], [sign * 50]], end="sigmoid")
    found = og.saliency(net, X, score="probability")
    assert found.targets == (f"class {answer}",)
    assert len(texts(found, "sigmoid is saturated for")) == answer


def test_probabilities_far_from_one_are_not_called_saturated():
    net = with_maps([1, 2], [[1, 2, 3], [1, 0, 2]], end="softmax")
    assert not texts(og.saliency(net, X, [0, 1, 2], score="probability"), "saturated for")


# -- layers without a path -------------------------------------------------------------------------


@pytest.mark.parametrize("method", CAMS)
def test_a_layer_that_one_target_does_not_depend_on_is_warned_of(method):
    net = opened("branches", "none")
    x = networks.images_for(net.model, count=1)
    found = method(net, x, [1, og.Filter("branch3", 1)], "branch5")
    (warning,) = texts(found, "does not depend on")
    assert "branch3, filter 1" in warning and "'branch5'" in warning
    both = method(net, x, [1, 2], "branch5")
    assert not texts(both, "does not depend on")


@pytest.mark.parametrize("method", CAMS)
def test_a_layer_that_no_target_depends_on_is_an_error(method):
    net = opened("branches", "none")
    x = networks.images_for(net.model, count=1)
    for targets in (og.Filter("branch3", 1), [og.Filter("branch3", 1), og.Filter("stem", 0)]):
        with pytest.raises(InputError, match="does not depend on 'branch5'"):
            method(net, x, targets, "branch5")


@pytest.mark.parametrize("method", [og.gradcam, og.gradcam_plus_plus, og.layercam])
def test_the_map_of_a_target_without_a_path_is_zero(method):
    net = opened("branches", "none")
    x = networks.images_for(net.model, count=1)
    found = method(net, x, [1, og.Filter("branch3", 1)], "branch5")
    assert not found.values[1].any()


# -- images ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=PHOTOS)
def photo(request):
    return np.asarray(getattr(pytest.importorskip("skimage.data"), request.param)())


@pytest.fixture(scope="module", params=PREPARATIONS)
def net(request):
    return opened("fused", request.param)


def about_images(result):
    return texts(result, "prepared")


def test_photos_are_not_doubted(net, photo):
    assert not about_images(og.saliency(net, [photo], 1))
    assert not about_images(og.saliency(net, net.prepare([photo]), 1))
    assert not about_images(og.saliency(net, photo.astype("float64"), 1))


def test_files_of_little_contrast_are_not_doubted(net, tmp_path):
    flat = np.random.default_rng(0).integers(100, 110, (40, 30, 3), np.uint8)
    path = tmp_path / "flat.png"
    Image.fromarray(flat).save(path)
    for image in (path, [Image.open(path)], flat, net.prepare(path), net.prepare([flat])[:1]):
        assert not about_images(og.saliency(net, image, 1))
        assert not about_images(og.feature_maps(net, image, "conv1")["conv1"])
    (warning,) = about_images(og.saliency(net, [path, flat.astype(np.float32)], 1))
    assert warning.startswith("Image 1 spans only ")


def test_batches_of_another_network_are_doubted():
    model = networks.build("fused")
    x = og.Network(model, "none").prepare(og.datasets.sample_photo("chelsea"))
    assert about_images(og.saliency(og.Network(model, "unit"), x, 1))


def test_images_prepared_twice_are_doubted(net, photo):
    once = net.prepare([photo])
    found = og.saliency(net, net.preparation.to_network(once), 1)
    assert len(about_images(found)) == 1
    assert "The image" in about_images(found)[0]


def test_pixels_handed_in_as_network_units_are_doubted(net, photo):
    if net.preparation.name == "caffe":
        pytest.skip("pixels of 0…255 lie within what a caffe network is fed")
    pixels = og.Network(net.model, "none").prepare([photo]).astype("float32")
    assert about_images(og.saliency(net, pixels, 1))


@pytest.mark.parametrize("method", [*EVERY, og.feature_maps])
def test_every_method_hands_doubts_on(method):
    net = opened("fused", "unit")
    x = networks.images_for(net.model)
    x[1] /= 255
    found = method(net, x, "conv1")["conv1"] if method is og.feature_maps else method(net, x, 1)
    (warning,) = about_images(found)
    assert warning.startswith("Image 1 spans only")


def test_networks_that_take_any_numbers_are_not_doubted():
    net = opened("fused", "none")
    x = networks.images_for(net.model)
    assert not about_images(og.saliency(net, x, 1))
    assert not about_images(og.saliency(net, x * 1e4, 1))


def test_a_plain_color_is_not_doubted():
    net = opened("fused", "unit")
    assert not about_images(og.saliency(net, np.full((1, 16, 16, 3), 0.5, "float32"), 1))


# -- what methods say themselves -------------------------------------------------------------------


@pytest.mark.parametrize("method", [og.guided_backprop, og.guided_gradcam])
def test_smooth_activations_are_named_by_both_guided_methods(method):
    net = opened("everything", "unit")
    found = method(net, networks.images_for(net.model), 1)
    (warning,) = texts(found, "left 2 other activations")
    assert "'separable'" in warning and "'transposed'" in warning


def test_too_few_points_of_integrated_gradients_are_warned_of():
    """S = Σ w ReLU(x − 0.9): half-way, where one step looks, everything is off."""
    net = with_maps([1.0], [[1.0]], bias=-0.9)
    x = np.linspace(0.95, 1.0, 64, dtype="float32").reshape(1, 8, 8, 1)
    found = og.integrated_gradients(net, x, points=1)
    (warning,) = texts(found, "too few")
    assert "too few points (1)" in warning and "points=10" in warning
    assert found.completeness_gap[0] == pytest.approx(-found.score[0], rel=1e-4)
    assert not texts(og.integrated_gradients(net, x, points=256), "too few")


def test_each_warning_is_said_once():
    net = opened("everything", "unit")
    for method in EVERY:
        found = method(net, networks.images_for(net.model), 1)
        assert len(set(found.warnings)) == len(found.warnings)
        assert all(warning.endswith(".") and "\n" not in warning for warning in found.warnings)


# -- known gaps ------------------------------------------------------------------------------------


def test_rounding_is_no_gap_of_integrated_gradients():
    """The score of the black image is computed twice, in batches of different length."""
    model = networks.build("skips")
    net = og.Network(model, "unit")
    black = np.zeros_like(networks.images_for(model, count=3))
    found = [og.integrated_gradients(net, black + tiny, 1, points=2) for tiny in (0, 1e-9, 1e-8)]
    assert not any(texts(result, "too few") for result in found)


def test_the_mean_of_a_map_is_no_probability():
    net = with_maps([0, 0], [[1, 2], [1, 2]], bias=1.0, end="softmax")
    found = og.saliency(net, X, og.Filter("maps", 0), score="probability")
    assert not texts(found, "saturated for")
