"""Concepts, parts and concept activation vectors, against literal computations."""

import json
from itertools import permutations

import keras
import numpy as np
import pytest
from click.testing import CliRunner
from matplotlib.figure import Figure
from PIL import Image
from scipy.optimize import nnls
from scipy.stats import ttest_ind

import networks
import optogram as og
from optogram.cli import main
from optogram.errors import InputError
from optogram.graph.steps import Output
from optogram.interpreters.behind import Behind
from optogram.methods.factorizing.factors import coefficients
from optogram.methods.factorizing.sobol import design, total_indices

COUNT = 3


@pytest.fixture(scope="module")
def net():
    """Residual blocks, so that branches go around the layer in the middle."""
    return og.Network(networks.build("skips"), "unit")


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(0).integers(0, 256, (4, 16, 16, 3), np.uint8)


@pytest.fixture(scope="module")
def found(net, pictures):
    return og.concepts(net, pictures, "block0_relu", 2, concepts=COUNT, patch=8, design=8)


def stages(net, layer):
    """The Keras model up to a layer, and the whole of it, from the layer's output and the image."""
    model = net.model
    return keras.Model(model.input, model.get_layer(layer).output)


def behind(net, x, maps):
    """The logits of the network called "skips" for other maps after its first rectifier."""
    layer, model = net.model.get_layer, net.model
    y = layer("block0_conv")(maps)
    y = y * layer("block0_excite")(layer("block0_squeeze")(y))
    x = layer("stem")(x) + y
    y = layer("block1_conv")(layer("block1_relu")(layer("block1_norm")(x)))
    x = x + y * layer("block1_excite")(layer("block1_squeeze")(y))
    pooled = keras.ops.mean(x, axis=(1, 2))
    kernel, bias = model.get_layer("predictions").weights
    return keras.ops.convert_to_numpy(keras.ops.matmul(pooled, kernel) + bias)


def test_maps_are_the_non_negative_least_squares_of_positions(net, pictures, found):
    x = np.asarray(net.prepare(pictures))
    maps = keras.ops.convert_to_numpy(stages(net, "block0_relu")(x))
    for photo, y, column in ((0, 0, 0), (1, 3, 5), (3, 15, 15), (2, 7, 1)):
        expected, _ = nnls(found.vectors.T.astype(float), maps[photo, y, column].astype(float))
        np.testing.assert_allclose(found.maps[photo, y, column], expected, atol=1e-4)


def test_crops_are_what_they_say(net, pictures, found):
    assert found.windows.tolist()[:4] == [
        [0, 0, 8, 8], [0, 8, 8, 16], [8, 0, 16, 8], [8, 8, 16, 16],
    ]  # fmt: skip
    assert found.crop_photos.tolist() == [0] * 4 + [1] * 4 + [2] * 4 + [3] * 4
    x = np.asarray(net.prepare(pictures))
    crop = x[1, 8:16, 0:8]
    # Twice as large, bilinear: weights 3/4 and 1/4 of the nearest two, repeated at the border.
    rows = np.zeros((16, 8))
    for pixel in range(16):
        center = min(max((pixel + 0.5) / 2 - 0.5, 0), 7)
        below = min(int(center), 6)
        rows[pixel, below], rows[pixel, below + 1] = 1 - (center - below), center - below
    large = np.einsum("ya,abc,xb->yxc", rows, crop, rows)[None].astype(np.float32)
    means = keras.ops.convert_to_numpy(stages(net, "block0_relu")(large)).mean(axis=(1, 2))[0]
    expected, _ = nnls(found.vectors.T.astype(float), means.astype(float))
    np.testing.assert_allclose(found.coefficients[6], expected, atol=1e-4)


def test_importance_is_jansens_total_index_of_the_rest_of_the_network(net, pictures, found):
    x = np.asarray(net.prepare(pictures))[1:2]
    used, vectors = found.maps[1], found.vectors
    # The order of columns in the design is that before concepts were sorted: try each.
    masks = design(COUNT, 8, 0)

    def scores_of(masks, order):
        maps = (used[..., order] * masks[:, None, None]) @ vectors[order]
        return behind(net, np.repeat(x, len(masks), axis=0), maps.astype(np.float32))[:, 2]

    matches = []
    for order in map(list, permutations(range(COUNT))):
        scores = scores_of(masks, order).reshape(COUNT + 2, 8)
        variance = np.var(scores[:2].ravel().astype(float), ddof=1)
        expected = [
            np.mean((scores[0].astype(float) - scores[2 + k]) ** 2) / 2 / variance
            for k in range(COUNT)
        ]
        matches.append(np.abs(found.importance[1][order] - expected).max())
    assert min(matches) < 2e-3
    (whole,) = scores_of(np.ones((1, COUNT)), list(range(COUNT)))
    assert found.rebuilt[1] == pytest.approx(whole, rel=1e-4)
    assert found.score[1] == pytest.approx(
        behind(net, x, keras.ops.convert_to_numpy(stages(net, "block0_relu")(x)))[0, 2], rel=1e-4
    )
    np.testing.assert_allclose(found.values, found.importance.mean(axis=0), rtol=1e-5)
    assert (np.diff(found.values) <= 0).all()


@pytest.mark.once
def test_total_indices_of_a_sum_of_factors_are_their_shares_of_variance():
    masks = design(3, 4096, 0)
    scores = masks @ [1.0, 2.0, 0.0]
    np.testing.assert_allclose(total_indices(scores, 3), [0.2, 0.8, 0.0], atol=0.02)
    assert not total_indices(np.ones(len(masks)), 3).any()


@pytest.mark.once
def test_coefficients_do_not_go_below_zero():
    generator = np.random.default_rng(0)
    a, w = generator.normal(size=(30, 9)), generator.uniform(size=(4, 9))
    expected = [nnls(w.T, row)[0] for row in a]
    np.testing.assert_allclose(coefficients(a, w), expected, atol=1e-5)


def test_what_lies_behind_is_the_network_itself(net, pictures):
    """Whole maps put in as sums of one-hot directions: nothing changes."""
    x = np.asarray(net.prepare(pictures))
    for layer in ("stem", "block0_scale", "block1_add", "block1_relu"):
        output = Output(net.step(layer).index)
        maps, logits = net.evaluate(x, [output, net.head.logits])
        run = Behind(net, output, [net.head.logits])
        eye = np.eye(maps.shape[-1], dtype=np.float32)
        made = run.outputs(
            x[1:2], maps[1], eye, np.ones((2, len(eye)), np.float32), lambda out: out[0]
        )
        np.testing.assert_allclose(made, logits[[1, 1]], rtol=1e-4, atol=1e-5)


@pytest.mark.once
def test_concepts_are_saved_drawn_and_targets(net, found, tmp_path, pictures):
    loaded = og.load_result(found.save(tmp_path / "concepts.npz"))
    np.testing.assert_array_equal(loaded.maps, found.maps)
    assert repr(loaded) == repr(found) and repr(found).startswith("<Concepts of ")
    assert found.plot(crops=2, cell=20).width > found.plot(crops=1, cell=20).width
    assert found.plot_maps([0, 1], [0], cell=40).height > found.plot_maps([0], [0], cell=40).height
    assert found.overlay(1, 0).size and found.crop(0).size == (8, 8)
    ax = Figure().add_subplot()
    assert found.plot(ax=ax) is ax and found.plot_maps(ax=ax) is ax
    one = found.strongest(0, 4)
    assert len(set(found.crop_photos[one])) == 4  # one of each photo first
    assert (np.diff(found.coefficients[one, 0]) <= 0).all()
    assert og.saliency(net, pictures[:1], found.directions[0]).score.shape == (1,)


@pytest.mark.once
def test_it_is_the_same_again_with_little_memory_and_in_a_folder(net, pictures, found, tmp_path):
    for number, picture in enumerate(pictures):
        Image.fromarray(picture).save(tmp_path / f"{number}.png")
    (tmp_path / "9.png").write_bytes(b"no picture")
    again = og.concepts(
        net, tmp_path, "block0_relu", 2, concepts=COUNT, patch=8, design=8, memory=1
    )
    np.testing.assert_allclose(again.values, found.values, rtol=1e-2, atol=1e-4)
    assert again.unread == (str(tmp_path / "9.png"),) and again.read.tolist() == [0, 1, 2, 3]
    assert any("9.png" in warning for warning in again.warnings)


@pytest.mark.once
def test_concepts_have_images_and_the_class_of_most_photos_by_default(net, pictures):
    result = og.concepts(net, iter(pictures), concepts=2, design=4, recipe="tutorial")
    assert result.images.shape[0] == 2 and result.layer == net.default_layer
    classes = [row[0].index for row in net.predict(pictures)]
    most = max(set(classes), key=classes.count)
    assert f"({most})" in result.target or str(most) in result.target
    assert any("negative activations" in warning for warning in result.warnings)
    assert result.parameters["patch"] == 5  # 2/7 of 16
    assert result.plot(cell=16).width


@pytest.mark.once
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"concepts": 7}, "6 channels. Give concepts=6"),
        ({"patch": 17}, "patch must be at most the shorter side of the input, 16"),
        ({"layer": "global_average_pooling2d"}, "has no feature maps"),
        ({"target": [0, 1]}, "give one target"),
        ({"photos": []}, "at least one"),
        ({"layer": "block*"}, "one layer"),
    ],
)
def test_what_cannot_be_factorized_is_said(net, pictures, arguments, message):
    given = {"photos": pictures, "layer": "block0_relu", "target": 1} | arguments
    if arguments.get("layer") == "global_average_pooling2d":
        given["layer"] = next(s.name for s in net.graph.steps if "global" in s.name)
    with pytest.raises(InputError, match=message):
        og.concepts(net, given.pop("photos"), **given)


@pytest.mark.once
def test_without_scikit_learn_one_sentence_says_what_to_install(net, pictures, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "sklearn", None)
    for call in (
        lambda: og.concepts(net, pictures),
        lambda: og.factorize(net, pictures),
        lambda: og.tcav(net, pictures, pictures, "stem", 0, pictures),
    ):
        with pytest.raises(InputError, match=r'pip install "optogram\[concepts\]"'):
            call()


# -- parts -----------------------------------------------------------------------------------------


def test_parts_are_least_squares_and_contribute_what_is_lost_without_them(net, pictures):
    result = og.factorize(net, list(pictures[:2]), "block0_relu", concepts=COUNT)
    x = np.asarray(net.prepare(pictures[:2]))
    maps = keras.ops.convert_to_numpy(stages(net, "block0_relu")(x))
    expected = [nnls(result.vectors.T.astype(float), a)[0] for a in maps[1, 4].astype(float)]
    np.testing.assert_allclose(result.values[1, 4], expected, atol=1e-4)
    rebuilt = result.values @ result.vectors
    error = np.linalg.norm(maps - rebuilt) / np.linalg.norm(maps)
    assert result.reconstruction_error == pytest.approx(error, rel=1e-3) and error < 0.6
    without = np.delete(result.values, 1, axis=-1) @ np.delete(result.vectors, 1, axis=0)
    lost = behind(net, x, rebuilt) - behind(net, x, without)
    np.testing.assert_allclose(result.contributions[:, 1], lost, atol=1e-4)


@pytest.mark.once
def test_parts_are_saved_drawn_and_targets(net, pictures, tmp_path):
    result = og.factorize(net, list(pictures[:2]), "block0_relu", concepts=2)
    assert result.plot(cell=40).size and result.overlay(1, part=1).size
    assert result.overlay(0, photo=pictures[0]).size
    loaded = og.load_result(result.save(tmp_path / "parts.npz"))
    assert loaded.raised(0, 1) == result.raised(0, 1) and len(result.directions) == 2
    assert og.saliency(net, pictures[0], result.directions[1]).score.shape == (1,)
    with pytest.raises(InputError, match="part"):
        result.overlay(0, part=2)


@pytest.mark.once
def test_parts_of_different_colors_stay_where_they_are():
    from optogram.render import part_colors, parts

    maps = np.zeros((2, 2, 2))
    maps[0, :, 0] = maps[1, :, 1] = 1
    pixels = np.asarray(parts(np.full((300, 300, 3), 128, np.uint8), maps), float)
    first, second = part_colors(2).astype(float)
    assert np.abs(pixels[10, 150] - first).sum() < np.abs(pixels[10, 150] - second).sum()
    assert np.abs(pixels[290, 150] - second).sum() < np.abs(pixels[290, 150] - first).sum()
    assert len({tuple(color) for color in part_colors(20)}) == 20


# -- concept activation vectors --------------------------------------------------------------------


@pytest.fixture(scope="module")
def examples():
    """Reddish and bluish noise, and photos of both."""
    generator = np.random.default_rng(1)
    noise = generator.integers(0, 120, (60, 16, 16, 3))
    red = noise[:20] + np.array([120, 0, 0])
    other = noise[20:] + np.array([0, 0, 60])
    return red.astype(np.uint8), other.astype(np.uint8)


@pytest.mark.parametrize("pooled", [True, False])
def test_the_score_is_the_share_of_positive_derivatives(net, pictures, examples, pooled):
    red, other = examples
    result = og.tcav(net, red, other, "block0_relu", 2, pictures, runs=3, pooled=pooled, seed=5)
    x = np.asarray(net.prepare(pictures))
    maps = keras.ops.convert_to_numpy(stages(net, "block0_relu")(x)).astype(np.float64)
    vector = result.vectors[1].astype(np.float64)
    step = 1e-2 if pooled else 0.3
    change = vector if pooled else vector.reshape(maps.shape[1:])
    high, low = (
        behind(net, x, (maps + sign * step * change).astype(np.float32))[:, 2] for sign in (1, -1)
    )
    slope = (high - low) / (2 * step)
    near = np.abs(slope).max()
    np.testing.assert_allclose(result.derivatives[1], slope, atol=0.03 * near)
    np.testing.assert_allclose(result.values, (result.derivatives > 0).mean(axis=1), rtol=1e-6)
    if np.ptp(result.values) and np.ptp(result.random_values):
        expected = ttest_ind(result.values, result.random_values, equal_var=False).pvalue
        assert result.p_value == pytest.approx(expected, rel=1e-4)
    assert result.accuracy > 0.9


@pytest.mark.once
def test_the_vector_points_to_the_examples(net, pictures, examples):
    red, other = examples
    result = og.tcav(net, red, other, "stem", 2, pictures, runs=3)
    (positive, negative) = (
        net.evaluate(np.asarray(net.prepare(some)), [Output(net.step("stem").index)])[0]
        for some in examples
    )
    difference = positive.mean(axis=(0, 1, 2)) - negative.mean(axis=(0, 1, 2))
    assert (result.vectors @ difference > 0).all()
    assert og.saliency(net, pictures[0], result.direction).score.shape == (1,)


@pytest.mark.once
def test_a_concept_that_is_none_is_not_significant(net, pictures, examples, tmp_path):
    _, other = examples
    result = og.tcav(net, other[:14], other[14:], "block0_relu", 2, pictures, runs=10)
    assert not result.is_significant and "no significant effect" in result.summary()
    assert abs(result.accuracy - 0.5) < 0.25
    assert any("30 or more" in warning for warning in result.warnings)
    loaded = og.load_result(result.save(tmp_path / "tcav.npz"))
    assert loaded.summary() == result.summary() and "not significant" not in repr(result)
    assert result.plot().size and result.plot(ax=Figure().add_subplot())


@pytest.mark.once
def test_what_tcav_cannot_test_is_said(net, pictures, examples):
    red, other = examples
    with pytest.raises(InputError, match="at least 6 photos of the concept and 12 others"):
        og.tcav(net, red[:5], other, "stem", 0, pictures)
    with pytest.raises(InputError, match="give one target"):
        og.tcav(net, red, other, "stem", [0, 1], pictures)
    with pytest.raises(InputError, match="does not depend"):
        og.tcav(net, red, other, "block1_relu", og.Filter("stem", 0), pictures)
    last = og.tcav(net, red, other, "block1_add", 0, pictures, runs=2)
    assert any("same for all photos" in warning for warning in last.warnings)
    assert set(last.values.tolist()) <= {0.0, 1.0}
    with pytest.raises(InputError, match="pooled=True"):
        _ = og.tcav(net, red, other, "stem", 0, pictures, runs=2, pooled=False).direction


# -- directions as targets -------------------------------------------------------------------------


@pytest.mark.once
def test_directions_are_targets_wherever_filters_are(net, pictures):
    image, layer = pictures[0], "block1_relu"
    strengths = og.feature_maps(net, image, layer)[layer].values.mean(axis=(0, 1, 2))
    channel = int(strengths.argmax())  # one that is active with the weights of this backend
    one = np.eye(6)[channel]
    for method, more in (
        (og.gradcam, {"layer": "block0_relu"}),
        (og.layercam, {"layer": "block0_relu"}),
        (og.lrp, {}),
        (og.occlusion, {"patch": 8, "stride": 8}),
        (og.integrated_gradients, {"points": 4}),
    ):
        expected = method(net, image, og.Filter(layer, channel), **more).values
        direction = method(net, image, og.Direction(layer, one), **more).values
        np.testing.assert_allclose(direction, expected, rtol=1e-3, atol=1e-6, err_msg=str(method))
    made = og.maximize(net, og.Direction(layer, one), "tutorial", steps=2)
    expected = og.maximize(net, og.Filter(layer, channel), "tutorial", steps=2)
    np.testing.assert_allclose(made.history, expected.history, rtol=1e-4)


# -- the command -----------------------------------------------------------------------------------


@pytest.mark.once
def test_the_command_writes_pictures_and_records(net, pictures, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    net.model.save("small.keras")
    (tmp_path / "photos").mkdir()
    for number, picture in enumerate(pictures[:2]):
        Image.fromarray(picture).save(tmp_path / "photos" / f"{number}.png")
    command = [
        "concepts", "photos", "--model", "small.keras", "--preprocess", "unit", "--layer",
        "block0_relu", "--target", "2", "--concepts", "2", "--crops", "3",
    ]  # fmt: skip
    done = CliRunner().invoke(main, [*command, "--json"])
    assert done.exit_code == 0, done.output
    record = json.loads(done.stdout)
    result = og.load_result("concepts/block0_relu.npz")
    assert [one["importance"] for one in record["concepts"]] == pytest.approx(result.values)
    first = record["concepts"][0]["crops"]
    assert [crop["window"] for crop in first] == result.windows[result.strongest(0, 3)].tolist()
    assert all((tmp_path / file).stat().st_size > 500 for file in record["files"])
    done = CliRunner().invoke(main, [*command, "--csv", "--quiet"])
    lines = done.stdout.splitlines()
    assert lines[0].startswith("concept,importance,") and len(lines) <= 1 + 2 * 3
