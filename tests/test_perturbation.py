"""RISE, Sobol, KernelSHAP and LIME: literal computations, convergence, and what is random."""

import numpy as np
import pytest
from scipy.stats import qmc

import literal
import literal_perturbation
import networks
import optogram as og
from optogram.errors import InputError
from optogram.methods.masking.subsets import ShapleySubsets
from optogram.methods.sanity.again import ask_again

BOUND = 1e-4
"""Largest difference ÷ range, as for other differences of scores."""
EACH = (og.rise, og.sobol, og.kernel_shap, og.lime)
FEW = {
    og.rise: {"masks": 60},
    og.sobol: {"masks": 66, "grid": 3},
    og.kernel_shap: {"masks": 64, "segments": 6},
    og.lime: {"masks": 64, "segments": 6},
}


@pytest.fixture(scope="module")
def net():
    return og.Network(networks.build("everything"), "unit")


@pytest.fixture(scope="module")
def x(net):
    return networks.images_for(net.model)


@pytest.fixture(scope="module")
def labels(x):
    """Six rectangles."""
    return rectangles(x.shape[1:3], 2, 3)


def rectangles(size, down, across):
    rows, columns = np.arange(size[0]) * down // size[0], np.arange(size[1]) * across // size[1]
    return rows[:, None] * across + columns


def one(index):
    return lambda logits: logits[index]


def black(x):
    return np.zeros(x.shape[1:], np.float32)


def gray(x):
    return np.full(x.shape[1:], 0.5, np.float32)


def assert_close(found, expected, bound=BOUND):
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=0, atol=bound * np.ptp(expected))


# -- literal computations --------------------------------------------------------------------------


def test_rise_is_equation_6(net, x):
    found = og.rise(net, x[:1], [2, og.Class(3) - og.Class(1)], masks=40, grid=4, seed=3)
    generator = np.random.default_rng([3, 0])
    cells = (generator.random((64, 4, 4)) < 0.5).astype(float)
    shifts = generator.integers(0, [-(-side // 4) for side in x.shape[1:3]], (64, 2))
    masks = literal_perturbation.rise_masks(x.shape[1:3], cells[:20], shifts[:20])
    for i, score in enumerate((one(2), lambda logits: logits[3] - logits[1])):
        values, error = literal_perturbation.rise(net.model, x[0], score, masks, black(x))
        assert_close(found.values[i], values)
        assert_close(found.error[i], error, 1e-3)
    assert found.passes.tolist() == [40, 40]
    np.testing.assert_allclose(np.mean(masks, axis=0), 0.5, atol=1e-6)


def test_sobol_is_jansens_estimator(net, x):
    found = og.sobol(net, x[:1], 1, masks=90, grid=4, seed=2)
    points = qmc.Sobol(32, seed=np.random.default_rng(2)).random_base2(3)[:5].astype(np.float32)
    expected = literal_perturbation.sobol(net.model, x[0], one(1), points, gray(x))
    assert_close(found.values[0], expected)
    assert found.passes.tolist() == [90]


def test_kernel_shap_of_few_segments_is_exact(net, x, labels):
    found = og.kernel_shap(net, x[:1], [1, 2], segments=labels)
    assert found.passes.tolist() == [62, 62] and not found.error.any()
    expected = literal_perturbation.shapley(net.model, x[0], labels, gray(x))
    for i, values in enumerate(found.segment_values):
        assert_close(values, expected[:, i + 1])
        np.testing.assert_array_equal(found.values[i], values[labels])


@pytest.mark.once
def test_kernel_shap_of_drawn_subsets_is_least_squares(net, x, labels):
    found = og.kernel_shap(net, x[:1], 1, segments=labels, masks=40, seed=4)
    design = ShapleySubsets(labels, 40, 4, 1)
    assert np.all(design.visible[::2] ^ design.visible[1::2])
    scores = [
        literal_perturbation.logits_of_subset(net.model, x[0], labels, gray(x), visible)[1]
        for visible in (*design.visible, np.zeros(6), np.ones(6))
    ]
    expected = literal_perturbation.kernel_shap(scores[:-2], design.visible, *scores[-2:])
    assert_close(found.segment_values[0], expected, 1e-3)
    assert found.segment_values.sum() == pytest.approx(scores[-1] - scores[-2], abs=1e-5)


def test_lime_is_ridge_regression(net, x, labels):
    pytest.importorskip("sklearn")
    found = og.lime(net, x[:1], 2, segments=labels, masks=30, seed=1)
    visible = np.random.default_rng(1).random((30, 6)) < 0.5
    visible[0] = True
    scores = [
        literal_perturbation.logits_of_subset(net.model, x[0], labels, gray(x), subset)[2]
        for subset in visible
    ]
    expected, r_squared = literal_perturbation.lime(scores, visible)
    assert_close(found.segment_values[0], expected)
    assert found.r_squared[0] == pytest.approx(r_squared, abs=1e-3)


@pytest.mark.once
def test_drawn_subsets_converge_to_the_shapley_values(net, x):
    labels = rectangles(x.shape[1:3], 2, 4)
    exact = og.kernel_shap(net, x[:1], 1, segments=labels).segment_values[0]
    drawn = og.kernel_shap(net, x[:1], 1, segments=labels, masks=252, tolerance=0, seed=5)
    away = (drawn.segment_values[0] - exact) / drawn.segment_error[0]
    assert 0.2 < np.sqrt(np.mean(away**2)) < 2.5


# -- errors and convergence ------------------------------------------------------------------------


@pytest.mark.once
@pytest.mark.parametrize("method", EACH)
def test_the_standard_error_is_that_of_other_seeds(method, net, x):
    """The deviation of maps with 12 seeds, and the mean of what each says its error is."""
    more = {og.rise: 240, og.sobol: 16 * 11, og.kernel_shap: 200, og.lime: 200}[method]
    given = FEW[method] | {"masks": more, "tolerance": 0}
    if method is og.kernel_shap:
        given["segments"] = 12
    found = [method(net, x[:1], 1, seed=seed, **given) for seed in range(12)]
    spread = np.std([each.values for each in found], axis=0, ddof=1).mean()
    told = np.mean([each.error for each in found])
    # A Sobol sequence errs less than random numbers.
    assert 0.3 < spread / told < (1.2 if method is og.sobol else 1.5)


@pytest.mark.once
def test_the_error_of_few_subsets_is_not_too_small():
    """Of four for each segment: what the fit follows is no smaller error."""
    rng, labels = np.random.default_rng(0), np.arange(32).reshape(4, 8)
    rates, into, out = rng.normal(0, 0.2, 32), rng.normal(0, 0.3, (32, 20)), rng.normal(0, 1, 20)

    def score(visible):
        return visible @ rates + np.tanh((visible - 0.5) @ into) @ out

    found = []
    for seed in range(60):
        design = ShapleySubsets(labels, 128, seed, 1)
        design.ends_of_scores = score(np.array([np.zeros(32), np.ones(32)]))[None]
        design.learn(slice(0, 128), score(design.visible)[None])
        found.append([each[0] for each in design.estimate(np.array([0]))])
    values, error = np.moveaxis(np.array(found), 1, 0)
    assert 0.8 < values.std(axis=0, ddof=1).mean() / error.mean() < 1.2


@pytest.mark.once
@pytest.mark.parametrize("method", EACH)
def test_no_more_masks_are_taken_than_it_takes_to_converge(method, net, x):
    told = []
    given = {og.sobol: {"grid": 3, "masks": 11 * 100}, og.rise: {"masks": 4000}}.get(
        method, {"segments": 12, "masks": 4000}
    )
    given["tolerance"] = 0.5
    found = method(net, x[:1], [1, 2], progress=lambda *step: told.append(step), **given)
    assert max(found.passes) < given["masks"] and max(found.relative_error) <= 0.5
    assert not any("converged" in warning for warning in found.warnings)
    done, totals = [step[0] for step in told], {step[1] for step in told}
    assert done == sorted(set(done)) and totals == {done[-1]}
    for values, error, ratio in zip(found.values, found.error, found.relative_error, strict=True):
        signal = 1 - np.mean(error**2) / np.var(values)
        assert error.mean() / np.ptp(values) / np.sqrt(signal) == pytest.approx(ratio, rel=1e-3)
    # Each explanation is what it is alone, and what all masks up to there give.
    for i, target in enumerate((1, 2)):
        alone = method(net, x[:1], target, **given)
        assert alone.passes[0] == found.passes[i]
        assert_close(alone.values[0], found.values[i])
        fewer = given | {"masks": int(found.passes[i]), "tolerance": 0}
        all_of_them = method(net, x[:1], target, **fewer)
        assert_close(all_of_them.values[0], found.values[i])
        # With scrambled weights, too, there are as many masks, whether or not they converge.
        again = ask_again(alone.question, net.with_weights({0: np.ones_like(net.variables[0])}))
        assert again.passes[0] == alone.passes[0] and not again.warnings


@pytest.mark.once
@pytest.mark.parametrize("method", EACH)
def test_a_map_that_has_not_converged_is_warned_of(method, net, x):
    given = FEW[method] | ({"segments": 8} if method is og.kernel_shap else {})
    found = method(net, x[:1], 1, tolerance=1e-6, **given)
    (warning,) = [each for each in found.warnings if "converged" in each]
    assert "raise masks" in warning and "tolerance=1e-06" in warning
    all_of_them = method(net, x[:1], 1, tolerance=0, **given)
    assert not any("converged" in each for each in all_of_them.warnings)


# -- what is random, and what is not ---------------------------------------------------------------


@pytest.mark.once
@pytest.mark.parametrize("method", EACH)
def test_an_image_is_explained_the_same_alone_and_in_company(method, net, x):
    targets = [2, og.Class(3) - og.Class(1)]
    together = method(net, x, targets, **FEW[method])
    for i, target in enumerate(targets):
        alone = method(net, x[i : i + 1], target, **FEW[method])
        assert_close(alone.values[0], together.values[i])


@pytest.mark.once
@pytest.mark.parametrize("method", EACH)
def test_the_memory_allowed_changes_nothing_but_the_batches(method, net, x):
    steps, results = {}, {}
    for memory in (1, "1GB"):
        steps[memory] = []
        results[memory] = method(
            net, x, memory=memory, progress=lambda *step, to=steps[memory]: to.append(step),
            **FEW[method],
        )  # fmt: skip
    assert_close(results[1].values, results["1GB"].values)
    assert len(steps[1]) > len(steps["1GB"])
    for told in steps.values():
        done, totals = [step[0] for step in told], {step[1] for step in told}
        assert done == sorted(set(done)) and totals == {done[-1]}


@pytest.mark.once
@pytest.mark.parametrize("method", EACH)
def test_seeds_targets_and_probabilities(method, net, x):
    given = FEW[method] | ({"segments": 8} if method is og.kernel_shap else {})
    first = method(net, x[:1], **given)
    winner = int(literal.logits(net.model, x[0]).argmax())
    assert_close(first.values, method(net, x[:1], winner, **given).values)
    np.testing.assert_array_equal(first.values, method(net, x[:1], **given).values)
    assert not np.allclose(first.values, method(net, x[:1], seed=1, **given).values)
    by_function = method(net, x[:1], lambda scores: scores[:, 2], **given)
    assert_close(by_function.values, method(net, x[:1], 2, **given).values)
    likely = method(net, x[:1], 2, score="probability", **given)
    assert not np.allclose(likely.values, by_function.values)
    again = ask_again(likely.question, net)
    np.testing.assert_allclose(again.values, likely.values, atol=1e-6)


@pytest.mark.once
@pytest.mark.parametrize("method", EACH)
def test_gray_images_of_any_size_and_networks_without_maps(method):
    import keras

    model = keras.Sequential(
        [keras.Input((9, 11, 1)), keras.layers.Flatten(), keras.layers.Dense(3, "softmax")]
    )
    net = og.Network(model, "unit")
    x = np.random.default_rng(0).uniform(0, 1, (1, 9, 11, 1)).astype(np.float32)
    found = method(net, x, 1, **FEW[method])
    assert found.values.shape == ((1, 3, 3) if method is og.sobol else (1, 9, 11))
    assert found.plot().size[0] > 100


@pytest.mark.once
@pytest.mark.parametrize("method", EACH)
def test_a_result_is_saved_with_its_errors(method, net, x, tmp_path):
    found = method(net, x[:1], [1, 2], **FEW[method])
    loaded = og.load_result(found.save(tmp_path / "map.npz"))
    assert type(loaded) is type(found)
    for name in ("values", "error", "passes", "relative_error"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(found, name))
    if isinstance(found, og.SegmentAttribution):
        np.testing.assert_array_equal(loaded.segments, found.segments)
        np.testing.assert_array_equal(loaded.segment_values, found.segment_values)


@pytest.mark.once
def test_a_linear_network_is_explained_by_its_own_sums():
    """Shapley values of a linear score are the weights times what changes, and its LIME is near."""
    import keras

    layers = [keras.Input((16, 18, 3)), keras.layers.Flatten(), keras.layers.Dense(2)]
    model = keras.Sequential(layers)
    net = og.Network(model, "none")
    x = np.random.default_rng(1).normal(size=(1, 16, 18, 3)).astype(np.float32)
    labels = rectangles((16, 18), 2, 4)
    base = np.random.default_rng(2).normal(size=(1, 16, 18, 3)).astype(np.float32)
    kernel = literal.array(model.layers[-1].kernel)[:, 1].reshape(16, 18, 3)
    gain = ((x[0] - base[0]) * kernel).sum(axis=2)
    expected = np.array([gain[labels == segment].sum() for segment in range(8)])
    # A batch (1, H, W, C) of the network's size is prepared already.
    found = og.kernel_shap(net, x, 1, segments=labels, baseline=base)
    assert_close(found.segment_values[0], expected)
    assert found.r_squared[0] == pytest.approx(1, abs=1e-5)
    lime = og.lime(net, x, 1, segments=labels, baseline=base, masks=2000, tolerance=0)
    assert np.corrcoef(lime.segment_values[0], expected)[0, 1] > 0.999
    # Total indices of a sum are the squares of its terms, as shares.
    sobol = og.sobol(net, x, 1, baseline=base, grid=2, masks=6 * 512, tolerance=0)
    quarters = rectangles((16, 18), 2, 2)
    cells = np.array([gain[quarters == cell].sum() for cell in range(4)]) ** 2
    np.testing.assert_allclose(sobol.values[0].ravel(), cells / cells.sum(), atol=0.02)


# -- segments --------------------------------------------------------------------------------------


@pytest.mark.once
def test_segments_by_number_and_by_labels(net, x, labels):
    found = og.kernel_shap(net, x, 1, segments=7, masks=300)
    for values, segments in zip(found.values, found.segments, strict=True):
        assert segments.min() == 0 and 3 <= segments.max() + 1 <= 12
        for segment in range(segments.max() + 1):
            assert np.ptp(values[segments == segment]) == 0
    named = og.lime(net, x, 1, segments=labels * 10 + 3, masks=40)
    np.testing.assert_array_equal(named.segments[1], labels)
    each = og.lime(net, x, 1, segments=np.stack([labels, labels // 2]), masks=40)
    assert np.isnan(each.segment_values[1, 4:]).all() and not np.isnan(each.segment_values[0]).any()
    assert not np.isnan(each.values).any()


@pytest.mark.once
@pytest.mark.parametrize(
    ("method", "given", "words"),
    [
        (og.kernel_shap, {"segments": 1}, "segments must be from 2"),
        (og.kernel_shap, {"segments": "slic"}, "segments must be a number, or whole numbers"),
        (og.lime, {"segments": np.zeros((4, 4), int)}, "not an array of int64 of shape"),
        (og.lime, {"segments": np.zeros((16, 18))}, "segments must be a number"),
        (og.lime, {"segments": 40, "masks": 20}, "at least twice the number of segments"),
        (og.sobol, {"masks": 100}, "masks must be at least 132"),
        (og.sobol, {"grid": 1}, "grid must be a whole number"),
        (og.rise, {"masks": 2}, "masks must be a whole number"),
        (og.rise, {"tolerance": -1}, "tolerance must be a finite number"),
        (og.rise, {"baseline": "purple"}, "baseline must be"),
    ],
)
def test_what_cannot_be_used_is_refused_in_a_sentence(method, given, words, net, x):
    with pytest.raises(InputError, match=words):
        method(net, x[:1], 1, **given)


@pytest.mark.once
def test_without_scikit_image_the_sentence_says_what_to_install(net, x, labels, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "skimage", None)
    with pytest.raises(InputError, match=r"install optogram\[segments\]"):
        og.lime(net, x[:1], 1)
    assert og.lime(net, x[:1], 1, segments=labels, masks=32).segments.shape == (1, *labels.shape)


@pytest.mark.once
def test_a_mask_of_rise_is_between_its_ends(net, x):
    found = og.rise(net, x[:1], 1, masks=60)
    low, high = found.values.min(), found.values.max()
    np.testing.assert_array_equal(found.mask(0.5), found.values >= low + 0.5 * (high - low))
    assert 0 < found.mask(0.5).mean() < 1
