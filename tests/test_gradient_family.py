"""Relatives of the gradient: their closed forms, what they share, and bad input."""

import sys

import keras
import numpy as np
import pytest

import literal_gradients
import networks
import optogram as og
from optogram.errors import InputError
from optogram.interpreters.altered import gradient_moments
from optogram.methods.sanity.again import ask_again
from optogram.result import NoisyGradients, load_result
from test_integrated_gradients import bright, with_threshold

pytestmark = pytest.mark.once

CLOSE = 1e-5
"""Largest difference ÷ range."""


@pytest.fixture(scope="module")
def net():
    return og.Network(networks.build("branches"), "unit", ["ant", "bee", "cat", "dog", "emu"])


@pytest.fixture(scope="module")
def x(net):
    return networks.images_for(net.model, count=3)


def assert_close(found, expected, bound=CLOSE):
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=0, atol=bound * np.ptp(expected))


def linear(side=4):
    """S = Σ w · x + 2, with these w."""
    image = keras.Input((side, side, 1))
    dense = keras.layers.Dense(1)
    model = keras.Model(image, dense(keras.layers.Flatten()(image)))
    weights = np.random.default_rng(0).normal(size=(side * side, 1)).astype("float32")
    dense.set_weights([weights, np.float32([2])])
    return og.Network(model, "unit"), weights.reshape(side, side, 1)


# -- gradient × input ------------------------------------------------------------------------------


def test_gradient_times_input_of_a_linear_network_is_its_terms():
    net, weights = linear()
    x = np.random.default_rng(1).random((1, 4, 4, 1), np.float32)
    found = og.gradient_times_input(net, x)
    np.testing.assert_allclose(found.values[0], weights * x[0], rtol=1e-6)
    assert found.values.sum() == pytest.approx(found.score[0] - 2, rel=1e-5)
    assert found.unit == "output"


# -- VarGrad and SquareGrad ------------------------------------------------------------------------


def test_one_pass_gives_all_three_moments(net, x):
    methods = {"smoothgrad": og.smoothgrad, "vargrad": og.vargrad, "squaregrad": og.squaregrad}
    asked = {name: method(net, x, 2, samples=5, seed=3) for name, method in methods.items()}
    for result in asked.values():
        for name, expected in asked.items():
            found = getattr(result, name)()
            assert np.array_equal(found.values, expected.values)
            assert (found.method, found.unit) == (name, expected.unit)
            assert found.parameters == expected.parameters
    mean, variance, squares = (asked[name].values for name in methods)
    assert (variance >= 0).all() and variance.any()
    np.testing.assert_allclose(squares, variance + mean**2, rtol=1e-6)


def test_the_variance_is_that_of_the_copies(net, x):
    """With one copy it would be 0, and with two half the squared difference, over 2."""
    both = og.vargrad(net, x[:1], 2, samples=2, seed=1)
    first = og.smoothgrad(net, x[:1], 2, samples=1, seed=1).values
    second = 2 * both.mean - first
    assert_close(both.values, (first - second) ** 2 / 4, 1e-4)


def test_variances_of_large_gradients_keep_their_digits():
    """All gradients are 1e4, but for one copy in 16 at most: E[g²] − E[g]² would be noise."""
    net, weights = linear()
    scores = {net.score_output("logit"): np.full((1, 1, 1), 1e4, np.float32)}
    x, offsets = np.zeros((1, 4, 4, 1), np.float32), np.zeros((16, 4, 4, 1), np.float32)
    mean, variance = gradient_moments(net, x, lambda part: offsets[part], 16, scores)
    np.testing.assert_allclose(mean[0], 1e4 * weights, rtol=1e-6)
    assert (variance >= 0).all() and variance.max() < 1e-2


@pytest.mark.parametrize("memory", [1, "1MB"])
def test_moments_do_not_depend_on_batches(memory, net, x):
    targets = [1, og.Filter("stem", range(3))]
    expected = og.vargrad(net, x[:1], targets, samples=9)
    found = og.vargrad(net, x[:1], targets, samples=9, memory=memory)
    for one in ("vargrad", "smoothgrad", "squaregrad"):
        assert_close(getattr(found, one)().values, getattr(expected, one)().values)


def test_moments_are_saved_and_asked_again(net, x, tmp_path):
    result = og.vargrad(net, x, 2, samples=3)
    back = load_result(result.save(tmp_path / "result.npz"))
    assert isinstance(back, NoisyGradients)
    assert np.array_equal(back.smoothgrad().values, result.mean)
    squares = result.squaregrad()
    assert squares.question.method == "squaregrad"
    assert_close(ask_again(squares.question, net).values, squares.values)


def test_a_variance_needs_copies_and_noise(net, x):
    with pytest.raises(InputError, match="samples must be a whole number, 2 or more, not 1"):
        og.vargrad(net, x, samples=1)
    with pytest.raises(InputError, match="noise must be greater than 0"):
        og.vargrad(net, x, noise=0)
    for more in ({"samples": 1}, {"noise": 0}):
        with pytest.raises(InputError, match="2 copies and noise"):
            og.smoothgrad(net, x, **more).vargrad()
    assert og.squaregrad(net, x, samples=1).values.any()


# -- deconvnet -------------------------------------------------------------------------------------


def test_a_deconvolution_passes_where_the_gradient_is_positive():
    """S = Σ w · relu(x): what comes back is relu(w), whatever x is; guided, where x > 0 too."""
    image = keras.Input((4, 4, 1))
    dense = keras.layers.Dense(1, use_bias=False)
    model = keras.Model(image, dense(keras.layers.Flatten()(keras.layers.ReLU()(image))))
    weights = np.linspace(-2, 3, 16, dtype=np.float32)
    dense.set_weights([weights[:, None]])
    net = og.Network(model, "none")
    x = np.random.default_rng(0).normal(size=(1, 4, 4, 1)).astype("float32")
    found = og.deconvnet(net, x)
    expected = np.maximum(weights, 0).reshape(1, 4, 4, 1)
    np.testing.assert_allclose(found.values, expected)
    assert found.score[0] == pytest.approx(float(np.maximum(x, 0).ravel() @ weights), rel=1e-5)
    np.testing.assert_allclose(og.guided_backprop(net, x).values, expected * (x > 0))


def test_a_deconvolution_says_what_it_treated(net, x):
    found, guided = og.deconvnet(net, x, 1), og.guided_backprop(net, x, 1)
    assert (found.treated, found.left_alone) == (guided.treated, guided.left_alone)
    assert not np.array_equal(found.values, guided.values)
    warnings = og.deconvnet(linear()[0], np.ones((1, 4, 4, 1), np.float32)).warnings
    assert any("deconvolution is the plain gradient here" in warning for warning in warnings)


# -- expected gradients ----------------------------------------------------------------------------


def test_expected_gradients_of_a_linear_network_are_exact():
    net, weights = linear()
    rng = np.random.default_rng(1)
    x, baselines = rng.random((1, 4, 4, 1), np.float32), rng.random((3, 4, 4, 1), np.float32)
    found = og.expected_gradients(net, x, baselines=baselines, samples=6)
    np.testing.assert_allclose(
        found.values[0], weights * (x[0] - baselines.mean(axis=0)), rtol=0, atol=1e-5
    )
    assert abs(found.completeness_gap[0]) < 1e-5
    assert found.baseline_score[0] == pytest.approx(net.scores(baselines).mean(), rel=1e-5)


def test_gray_levels_are_the_baselines_unless_told_otherwise(net, x):
    found = og.expected_gradients(net, x, [1, 2, 3], samples=8)
    grays = (np.arange(8, dtype=np.float32) + 0.5) / 8
    grays = np.broadcast_to(grays[:, None, None, None], (8, *x.shape[1:]))
    given = og.expected_gradients(net, x, [1, 2, 3], samples=8, baselines=np.array(grays))
    assert_close(found.values, given.values, 1e-4)
    np.testing.assert_allclose(
        found.baseline_score, net.scores(grays).mean(axis=0)[[1, 2, 3]], 1e-4
    )
    assert found.parameters["baselines"] == "gray levels"


def test_photos_as_baselines_are_drawn_and_asked_again(net, x, tmp_path):
    from PIL import Image

    rng = np.random.default_rng(2)
    photos = rng.integers(0, 255, (7, 16, 16, 3)).astype(np.uint8)
    for number, photo in enumerate(photos):
        Image.fromarray(photo).save(tmp_path / f"{number}.png")
    found = og.expected_gradients(net, x, 1, baselines=tmp_path, samples=4, seed=1)
    assert found.parameters["baselines"] == str(tmp_path)
    assert_close(ask_again(found.question, net).values, found.values)
    same = og.expected_gradients(net, x, 1, baselines=photos, samples=4, seed=1)
    assert_close(same.values, found.values)
    other = og.expected_gradients(net, x, 1, baselines=photos, samples=4, seed=2)
    assert not np.allclose(other.baseline_score, found.baseline_score)


def test_the_gap_shrinks_with_the_samples_and_is_told(net, x):
    few, many = (og.expected_gradients(net, x, 2, samples=count) for count in (1, 400))
    change = np.abs(many.score - many.baseline_score)
    assert (np.abs(many.completeness_gap) < 0.05 * change).all()
    assert np.abs(few.completeness_gap).max() > np.abs(many.completeness_gap).max()
    black = np.zeros((1, 8, 8, 1), np.float32)
    thin = og.expected_gradients(with_threshold(), bright(), 0, baselines=black, samples=1)
    (warning,) = (text for text in thin.warnings if "too few" in text)
    assert "too few samples (1), raise samples, as in samples=4" in warning


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"baselines": []}, "a folder or a list of photos"),
        ({"baselines": "nowhere"}, "nowhere"),
        ({"baselines": np.zeros((2, 5, 5, 3), np.float32)}, "5"),
        ({"samples": 0}, "samples must be"),
    ],
)
def test_baselines_that_cannot_be_used(more, words, net, x):
    with pytest.raises(InputError, match=words) as error:
        og.expected_gradients(net, x, 1, **more)
    assert "\n" not in str(error.value)


# -- guided integrated gradients -------------------------------------------------------------------


def test_guided_integrated_gradients_of_a_linear_network_are_exact():
    net, weights = linear()
    x = np.random.default_rng(1).random((1, 4, 4, 1), np.float32)
    found = og.guided_integrated_gradients(net, x, points=7, baseline=40)
    np.testing.assert_allclose(found.values[0], weights * (x[0] - 40 / 255), rtol=0, atol=1e-5)
    assert abs(found.completeness_gap[0]) < 1e-5


def test_without_a_choice_the_path_is_the_straight_line(net, x):
    """Gradients at its beginnings of steps, not at midpoints."""
    straight = og.guided_integrated_gradients(net, x, 2, points=6, max_dist=0)
    together = og.guided_integrated_gradients(net, x, 2, points=6, fraction=1, max_dist=1)
    assert_close(together.values, straight.values, 1e-4)
    guided = og.guided_integrated_gradients(net, x, 2, points=6, max_dist=1)
    assert not np.allclose(guided.values, straight.values)
    mean = sum(og.saliency(net, x * np.float32(step / 6), 2).values / 6 for step in range(6))
    assert_close(straight.values, x * mean, 1e-4)


def test_each_explanation_walks_its_own_path(net, x):
    targets = [1, og.Class(3) - og.Class(1), og.Filter("branch3", 1)]
    several = og.guided_integrated_gradients(net, x[:1], targets, points=5)
    each = og.guided_integrated_gradients(net, x, targets, points=5, memory=1)
    for i, target in enumerate(targets):
        alone = og.guided_integrated_gradients(net, x[:1], target, points=5)
        assert_close(several.values[i], alone.values[0])
        alone = og.guided_integrated_gradients(net, x[i : i + 1], target, points=5)
        assert_close(each.values[i], alone.values[0])
    assert_close(ask_again(each.question, net).values, each.values)


def test_more_steps_come_nearer_to_the_change_of_the_score(net, x):
    few, many = (og.guided_integrated_gradients(net, x, 2, points=count) for count in (3, 100))
    assert np.abs(many.completeness_gap).max() < np.abs(few.completeness_gap).max()
    assert og.guided_integrated_gradients(net, x[:1], 2, points=3, baseline="white").values.any()
    black = np.zeros_like(x[:1])
    assert not og.guided_integrated_gradients(net, black, 2, points=3).values.any()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"points": 0}, "points must be"),
        ({"fraction": 0}, "fraction must be"),
        ({"max_dist": 2}, "max_dist must be"),
        ({"baseline": "blak"}, "no file 'blak'"),
    ],
)
def test_paths_that_cannot_be_walked(more, words, net, x):
    with pytest.raises(InputError, match=words):
        og.guided_integrated_gradients(net, x, 1, **more)


# -- XRAI ------------------------------------------------------------------------------------------


def test_xrai_takes_regions_of_a_photo_in_the_order_of_what_they_add(chelsea):
    """The network is linear: integrated gradients are w · (x − x₀)."""
    picture = chelsea[60:124, 150:230]
    weights = np.random.default_rng(0).normal(size=(4, 5, 3)).repeat(16, 0).repeat(16, 1)
    image = keras.Input(picture.shape)
    dense = keras.layers.Dense(1, use_bias=False)
    net = og.Network(keras.Model(image, dense(keras.layers.Flatten()(image))), "unit")
    dense.set_weights([weights.reshape(-1, 1).astype("float32")])
    found = og.xrai(net, picture, points=1)
    attribution = (weights * (picture / 255 - 0.5)).sum(axis=-1)
    assert_close(found.values[0], literal_gradients.xrai(attribution, picture), 1e-4)
    assert len(np.unique(found.values)) > 20
    assert found.values.sum() == pytest.approx(attribution.sum(), rel=1e-3)
    assert found.baseline_score == pytest.approx(weights.sum() / 2, rel=1e-4)
    assert not found.warnings


def test_xrai_marks_the_region_that_the_network_sees():
    """S is the mean of the upper left quarter, a square of another gray."""
    image = keras.Input((32, 32, 1))
    cut = keras.layers.Cropping2D(((0, 16), (0, 16)))(image)
    net = og.Network(keras.Model(image, keras.layers.GlobalAveragePooling2D()(cut)), "unit")
    x = np.full((1, 32, 32, 1), 0.3, np.float32)
    x[:, :16, :16] = 0.9
    found = og.xrai(net, x, points=2)
    heat = found.values[0]
    assert heat[:16, :16].min() > 2 * heat[18:, 18:].max()
    # S(x) minus the mean of S(black) and S(white).
    assert heat.sum() == pytest.approx(0.9 - 0.5, rel=1e-3)
    assert found.unit == "output per pixel"


def test_xrai_of_several_images_and_targets(net, x, tmp_path):
    several = og.xrai(net, x[:1], [1, 3], points=2)
    each = og.xrai(net, x, [1, 3, 0], points=[2, 3, 2], memory=1)
    for i, target in enumerate([1, 3]):
        assert_close(several.values[i], og.xrai(net, x[:1], target, points=2).values[0])
    assert_close(each.values[1], og.xrai(net, x[1:2], 3, points=3).values[0])
    assert_close(ask_again(each.question, net).values, each.values)
    each.save(tmp_path / "map.npz")
    loaded = load_result(tmp_path / "map.npz")
    np.testing.assert_array_equal(loaded.values, each.values)
    assert loaded.parameters["points"] == (2, 3, 2)


def test_xrai_says_when_points_are_too_few():
    net = with_threshold()
    few = og.xrai(net, bright(), 0, points=1)
    assert any("too few points" in warning for warning in few.warnings)
    assert few.values.sum() == pytest.approx(
        few.score[0] - few.baseline_score[0] + few.completeness_gap[0], rel=1e-3
    )


def test_xrai_reports_progress_that_does_not_go_back(net, x):
    told = []
    og.xrai(net, x[:2], 1, points=3, progress=lambda *words: told.append(words))
    done = [words[0] for words in told]
    assert done == sorted(done) and told[-1][:2] == (told[-1][1],) * 2
    assert all(words[0] <= words[1] for words in told) and told[-1][2] == "segmenting"


def test_xrai_without_scikit_image_says_what_to_install(net, x, monkeypatch):
    monkeypatch.setitem(sys.modules, "skimage", None)
    with pytest.raises(InputError, match=r"install optogram\[segments\]\.$"):
        og.xrai(net, x, 1)
