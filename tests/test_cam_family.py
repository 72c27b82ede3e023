"""What holds of single methods of the CAM family, of FullGrad and of layer conductance."""

from pathlib import Path

import keras
import numpy as np
import pytest

import cam_networks
import literal
import literal_cams
import networks
import optogram as og
from optogram.errors import InputError
from optogram.methods.request.principal import principal_map

pytestmark = pytest.mark.once

LABELS = ["ant", "bee", "cat", "dog", "emu"]


@pytest.fixture(scope="module")
def net():
    return og.Network(networks.build("branches"), "unit", LABELS)


@pytest.fixture(scope="module")
def x(net):
    return networks.images_for(net.model, count=2)


def on_maps(kernel, dense, bias=None):
    """A 1×1 convolution with ``kernel``, the mean of each map, and a dense layer: closed forms."""
    kernel, dense = np.float32(kernel), np.float32(dense)
    image = keras.Input((2, 2, kernel.shape[0]))
    maps = keras.layers.Conv2D(kernel.shape[1], 1, use_bias=False, name="maps")
    last = keras.layers.Dense(dense.shape[1], name="dense")
    y = last(keras.layers.GlobalAveragePooling2D()(maps(image)))
    model = keras.Model(image, y)
    maps.set_weights([kernel[None, None]])
    last.set_weights([dense, np.zeros(dense.shape[1], np.float32) if bias is None else bias])
    return og.Network(model, "none")


# -- HiResCAM, XGrad-CAM ---------------------------------------------------------------------------


def test_hirescam_adds_up_to_the_score_less_biases(net, x):
    found = og.hirescam(net, x, 1, rectify=False)
    bias = net.model.layers[-1].get_weights()[1][1]
    np.testing.assert_allclose(found.values.sum(axis=(1, 2)), found.score - bias, rtol=1e-4)
    rectified = og.gradcam(net, x, 1, rectify=False)
    np.testing.assert_allclose(found.values, rectified.values, atol=1e-6)  # the last maps


def test_xgradcam_has_the_sum_of_hirescam_where_maps_do_not_cancel(net, x):
    first, second = (m(net, x, 1, "stem", rectify=False) for m in (og.xgradcam, og.hirescam))
    np.testing.assert_allclose(
        first.values.sum(axis=(1, 2)), second.values.sum(axis=(1, 2)), rtol=1e-4
    )
    assert np.abs(first.values - second.values).max() > 1e-3 * np.ptp(second.values)


def test_a_map_that_cancels_has_no_weight_in_xgradcam():
    net = on_maps(np.eye(2), [[1], [2]])
    x = np.float32([[[[1, 1], [-1, 2]], [[2, 3], [-2, 4]]]])
    found = og.xgradcam(net, x, 0, "maps", rectify=False)
    np.testing.assert_allclose(found.values[0], 2 / 4 * x[0, :, :, 1], rtol=1e-5)


# -- Eigen-CAM -------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(5, 4, 3), (2, 3, 20)])
def test_the_principal_map_is_the_first_singular_vector(shape):
    maps = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    found = principal_map(maps)
    np.testing.assert_allclose(found, literal_cams.principal(maps), atol=1e-5)
    np.testing.assert_allclose(principal_map(-maps), found, atol=1e-5)
    assert found.sum() > 0
    for toward in (maps.sum(axis=2), -maps.sum(axis=2)):
        signed = principal_map(maps, toward)
        np.testing.assert_allclose(np.abs(signed), np.abs(found), atol=1e-5)
        assert (signed * toward).sum() > 0


def test_principal_maps_without_a_sign_zeros_and_numbers_that_are_not():
    balanced = np.float32([[[1, -1], [3, -3]], [[-2, 2], [-2, 2]]])  # v = (1, −1) / √2
    np.testing.assert_allclose(principal_map(balanced), np.sqrt(2) * balanced[..., 0], rtol=1e-5)
    assert not principal_map(np.zeros((2, 2, 3), np.float32)).any()
    assert np.isnan(principal_map(np.full((2, 2, 3), np.inf, np.float32))).all()


def test_eigencam_says_that_the_target_does_not_matter(net, x):
    own, other = og.eigencam(net, x), og.eigencam(net, x[:1], [1, og.Filter("last", 2)], "last")
    np.testing.assert_allclose(other.values, np.repeat(own.values[:1], 2, axis=0), rtol=1e-5)
    assert "any class" in own.title and not own.warnings
    assert any("does not depend on the target" in warning for warning in other.warnings)
    plain = og.saliency(net, x[:1], [1, og.Filter("last", 2)])
    np.testing.assert_allclose(other.score, plain.score, rtol=1e-5)


# -- Finer-CAM -------------------------------------------------------------------------------------


def test_finercam_compares_with_the_classes_of_the_nearest_scores(net, x):
    found = og.finercam(net, x, [1, 3], similar=2)
    scores = net.scores(x)
    for own, index, names in zip(scores, (1, 3), found.parameters["compared"], strict=True):
        order = np.argsort(np.abs(own - own[index]))[1:3]
        assert names == tuple(f"{LABELS[i]} ({i})" for i in order)
    assert found.targets == ("bee (1)", "dog (3)")
    np.testing.assert_allclose(found.score, scores[[0, 1], [1, 3]], rtol=1e-5)


def test_finercam_without_strength_is_gradcam_and_takes_classes(net, x):
    plain = og.finercam(net, x, 1, strength=0)
    np.testing.assert_allclose(plain.values, og.gradcam(net, x, 1).values, rtol=1e-5, atol=1e-7)
    given = og.finercam(net, x[:1], [1, 2], similar=["ant", 4], strength=1)
    for values, own in zip(given.values, (1, 2), strict=True):
        target = og.Class(own) - 0.5 * og.Class(0) - 0.5 * og.Class(4)
        expected = og.gradcam(net, x[:1], target).values[0]
        np.testing.assert_allclose(values, expected, rtol=1e-4, atol=1e-6)
    each = og.finercam(net, x[:1], [1, 2], similar=[[0, 4], [0, 4]], strength=1)
    np.testing.assert_array_equal(each.values, given.values)
    assert len(og.finercam(net, x[:1], 1, similar=50).parameters["compared"][0]) == 4


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"target": og.Filter("last", 1)}, "give classes as targets"),
        ({"target": og.Class(1) - og.Class(2)}, "give classes as targets"),
        ({"target": lambda scores: scores[:, 1]}, "give classes as targets"),
        ({"target": 1, "similar": [1, 2]}, r"the class that is explained"),
        ({"target": 1, "similar": 0}, "similar"),
        ({"target": 1, "similar": [[2], [3]]}, "a list of classes for each of 1 explanation"),
        ({"target": 1, "similar": ["fox"]}, "fox"),
        ({"target": 1, "strength": -1}, "strength"),
    ],
)
def test_what_finercam_does_not_take(arguments, words, net, x):
    with pytest.raises(InputError, match=words):
        og.finercam(net, x[:1], **arguments)


@pytest.mark.parametrize("name", ["binary", "regression"])
def test_finercam_needs_classes(name):
    one = og.Network(networks.build(name), "unit")
    with pytest.raises(InputError, match="single output"):
        og.finercam(one, networks.images_for(one.model))


# -- Ablation-CAM ----------------------------------------------------------------------------------


@pytest.mark.parametrize("layer", ["block0_relu", "block0_conv", "stem", "block1_add"])
def test_ablation_where_a_skip_connection_passes_by(layer):
    model = networks.build("skips")
    x = networks.images_for(model)
    found = og.ablationcam(og.Network(model, "none"), x, 1, layer, rectify=False)
    for image, values in zip(x, found.values, strict=True):
        expected = literal_cams.ablationcam(
            model, image, lambda logits: logits[1], layer, rectify=False
        )
        np.testing.assert_allclose(values, expected, atol=1e-4 * np.ptp(expected))


def test_weights_are_shares_of_the_magnitude_of_the_score_or_drops_if_it_is_zero():
    # S = 3 a − b; S' = −S; S'' = a − b, which is 0 for the image.
    net = on_maps(np.eye(2), [[3, -3, 1], [-1, 1, -1]])
    x = np.ones((1, 2, 2, 2), np.float32)
    found = og.ablationcam(net, x, [0, 1, 2], "maps", rectify=False)
    np.testing.assert_allclose(found.score, [2, -2, 0])
    # αₖ: (3 − 1) / 2, (−3 + 1) / 2, 1 − 1
    np.testing.assert_allclose(found.values[:, 0, 0], [1, -1, 0])
    rectified = og.ablationcam(net, x, [0, 1], "maps").values
    np.testing.assert_allclose(rectified[:, 0, 0], [1, 0])
    one = og.ablationcam(net, x, 2, "maps", rectify=False)
    assert sum("is zero: the weights" in warning for warning in one.warnings) == 1
    assert not any("is zero: the" in text for text in og.ablationcam(net, x, 0, "maps").warnings)


def test_ablation_of_several_images_and_layers_is_that_of_each(net, x):
    layers = ["stem", "last"]
    together = og.ablationcam(net, x, [1, 2], layers, memory=1)
    for layer in layers:
        for i, target in enumerate([1, 2]):
            alone = og.ablationcam(net, x[i : i + 1], target, layer)
            np.testing.assert_allclose(
                together[layer].values[i], alone.values[0], atol=1e-4 * np.ptp(alone.values)
            )


# -- FullGrad --------------------------------------------------------------------------------------


def normalized(name="normalized"):
    """Convolutions with and without a bias, batch normalizations and ReLUs."""
    keras.utils.set_random_seed(1)
    layers = keras.layers
    image = keras.Input((12, 10, 3))
    y = layers.Rescaling(2.0, offset=-1, name="rescaling")(image)
    y = layers.Conv2D(4, 3, use_bias=False, name="conv1")(y)
    y = layers.ReLU()(layers.BatchNormalization(name="norm1")(y))
    y = layers.Conv2D(5, 3, padding="same", activation="relu", name="conv2")(y)
    y = layers.Dense(6, activation="relu", name="hidden")(layers.GlobalAveragePooling2D()(y))
    model = keras.Model(image, layers.Dense(3, activation="softmax", name="last")(y), name=name)
    rng = np.random.default_rng(0)
    for layer in model.layers:
        layer.set_weights([rng.uniform(-0.5, 1, w.shape) for w in layer.get_weights()])
    return model


def test_the_parts_of_a_network_of_relus_add_up_to_the_score():
    net = og.Network(normalized(), "none")
    x = np.random.default_rng(1).uniform(0, 1, (2, 12, 10, 3)).astype(np.float32)
    found = og.fullgrad(net, x, [0, 2])
    assert found.values.shape == (2, 12, 10) and found.values.min() >= 0
    assert found.step_names == ("rescaling", "norm1", "conv2:pre", "hidden:pre", "last:pre")
    np.testing.assert_allclose(found.completeness_gap, 0, atol=1e-4 * np.abs(found.score).max())
    total = found.input_sum + found.bias_sums.sum(axis=1) - found.completeness_gap
    np.testing.assert_allclose(total, found.score, rtol=1e-4)
    last = net.model.layers[-1].get_weights()[1][[0, 2]]
    np.testing.assert_allclose(found.bias_sums[:, -1], last, rtol=1e-4)
    curved = og.fullgrad(net, x, [0, 2], score="probability")
    assert np.abs(curved.completeness_gap).max() > 0.01


def test_fullgrad_of_parts_of_a_network_and_with_other_weights():
    net = og.Network(normalized(), "none")
    x = np.random.default_rng(1).uniform(0, 1, (1, 12, 10, 3)).astype(np.float32)
    early = og.fullgrad(net, x, og.Filter("conv1", 1))
    assert early.step_names == ("rescaling",) and early.completeness_gap[0] == pytest.approx(
        0, abs=1e-4
    )
    weights = [np.asarray(variable) for variable in net.variables]
    index = next(i for i, v in enumerate(net.variables) if "conv2" in v.path and "bias" in v.path)
    other = og.fullgrad(net.with_weights({index: weights[index] * 0}), x, 1)
    assert "conv2:pre" not in other.step_names
    assert abs(other.completeness_gap[0]) < 1e-4 * abs(other.score[0])


# -- layer conductance -----------------------------------------------------------------------------


def test_conductance_of_the_last_maps_is_exact_and_ranks_channels(net, x):
    found = og.layer_conductance(net, x, 1, "last", points=2)
    change = found.score - found.baseline_score
    np.testing.assert_allclose(found.values.sum(axis=(1, 2)), change, rtol=1e-4)
    np.testing.assert_allclose(found.channels.sum(axis=1), change, rtol=1e-4)
    np.testing.assert_allclose(found.completeness_gap, 0, atol=1e-4 * np.abs(change).max())
    kernel = net.model.layers[-1].get_weights()[0][:, 1]
    means = [
        [literal.feature_maps(net.model, one, "last").mean(axis=(0, 1)) for one in images]
        for images in (x, np.zeros_like(x))
    ]
    expected = kernel * (np.array(means[0]) - np.array(means[1]))
    np.testing.assert_allclose(found.channels, expected, atol=1e-5 * np.ptp(expected))
    order = found.strongest(2, index=1)
    np.testing.assert_array_equal(order, np.argsort(-found.channels[1])[:2])


def test_conductance_closes_its_gap_with_points_and_says_where_it_cannot(net, x):
    few, many = (og.layer_conductance(net, x, 1, "stem", points=n) for n in (1, 96))
    assert np.abs(many.completeness_gap).max() < np.abs(few.completeness_gap).max()
    change = np.abs(many.score - many.baseline_score)
    assert (np.abs(many.completeness_gap) < 0.05 * change).all()
    assert og.layer_conductance(net, x, 1, "stem").parameters["spacing"] == "cubic"
    skips = og.Network(networks.build("skips"), "unit")
    passed = og.layer_conductance(skips, x, 1, "block0_conv")
    # A part of the score goes past the layer, whatever the number of points: no warning.
    assert np.abs(passed.completeness_gap).max() > 0.1 * np.ptp(passed.score)
    assert not any("too few points" in warning for warning in passed.warnings)


@pytest.mark.parametrize(("name", "given"), [("points", 0), ("spacing", "square")])
def test_conductance_that_cannot_be_computed(name, given, net, x):
    with pytest.raises(InputError, match=name):
        og.layer_conductance(net, x, 1, "last", **{name: given})


def test_both_results_are_saved_and_asked_again(net, x, tmp_path):
    for found in (og.layer_conductance(net, x, [1, 2], "stem", points=3), og.fullgrad(net, x)):
        found.save(tmp_path / "found.npz")
        loaded = og.load_result(tmp_path / "found.npz")
        np.testing.assert_array_equal(loaded.completeness_gap, found.completeness_gap)
        checked = og.check(found, steps=2)
        assert checked.values.shape == (2, 5)


# -- another library -------------------------------------------------------------------------------


def test_maps_are_those_of_pytorch_grad_cam():
    """Stored by ``tests/reference/cams_pytorch_grad_cam.py``, which says what is compared."""
    expected = np.load(Path(__file__).parent / "reference" / "cams_pytorch_grad_cam.npz")
    found = cam_networks.explained(cam_networks.network())
    assert set(found) == set(expected.files)
    for name, own in found.items():
        stored = expected[name]
        if "centered" in name:
            own = own * np.sign((own * stored).sum(axis=(1, 2), keepdims=True))
        np.testing.assert_allclose(own, stored, atol=2e-5 * np.ptp(stored), err_msg=name)
