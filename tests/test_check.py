"""Checking maps: what scrambled weights and vanishing pixels say of them."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from matplotlib.figure import Figure

import literal
import networks
import optogram as og
from optogram import methods
from optogram.errors import InputError
from optogram.methods.request.painting import blurred
from optogram.methods.sanity import again, rivals
from optogram.methods.sanity.again import ask_again
from optogram.methods.sanity.perturbation import (
    edge_map,
    perturbation_curves,
    rank_correlation,
    ranking,
)
from optogram.methods.sanity.scrambling import cascade, stage_labels

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def net():
    return og.Network(networks.build("branches"), "unit", ["ant", "bee", "cat", "dog", "emu"])


@pytest.fixture(scope="module")
def x(net):
    return networks.images_for(net.model, count=3)


def with_square(seed=0):
    """A linear network that sees nothing but a square of 4 × 4 pixels."""
    image = keras.Input((16, 16, 3))
    dense = keras.layers.Dense(2, activation="softmax", name="dense")
    model = keras.Model(image, dense(keras.layers.Flatten()(image)))
    kernel = np.zeros((16, 16, 3, 2), np.float32)
    kernel[4:8, 9:13, :, 1] = np.random.default_rng(seed).uniform(0.1, 0.3, (4, 4, 3))
    dense.set_weights([kernel.reshape(-1, 2), np.array([0, -7], np.float32)])
    return og.Network(model, "unit")


def bright():
    """A picture that is bright in that square alone."""
    picture = np.full((1, 16, 16, 3), 0.1, np.float32)
    picture[:, 4:8, 9:13] = 0.9
    return picture


@pytest.fixture
def pretend(monkeypatch):
    """Gives ``pretend(result, make)``: ``result`` as if a method made it that ignores the network.

    ``make`` takes the images (N, H, W, C) to the map; the method is found by a name of its own.
    """
    pretended = {}

    def by_name(name):
        return pretended.get(name) or methods.attribution_method(name)

    def pretending(result, make):
        name = f"pretended {len(pretended)}"
        pretended[name] = lambda net, x, targets, **arguments: replace(result, values=make(x))
        question = replace(result.question, method=name)
        return replace(result, values=make(question.x), question=question)

    monkeypatch.setattr(again, "attribution_method", by_name)
    return pretending


# -- the pieces ------------------------------------------------------------------------------------


def mean_ranks(values):
    """The rank of each value, equals sharing their mean rank."""
    return [np.sum(values < value) + (np.sum(values == value) - 1) / 2 for value in values.ravel()]


def test_rank_correlation_is_spearmans_with_ties():
    rng = np.random.default_rng(0)
    for _ in range(5):
        first, second = rng.integers(0, 4, (2, 5, 7))
        expected = np.corrcoef(mean_ranks(first), mean_ranks(second))[0, 1]
        assert rank_correlation(first, second) == pytest.approx(expected, abs=1e-12)
    assert rank_correlation(first, first) == pytest.approx(1)
    assert rank_correlation(first, -first) == pytest.approx(-1)
    assert rank_correlation(first, np.ones((5, 7))) == 0


def test_edges_are_where_the_picture_changes():
    picture = np.zeros((8, 9, 3), np.uint8)
    picture[:, 5:] = 200
    edges = edge_map(picture)
    assert edges.shape == (8, 9)
    assert set(np.flatnonzero(edges[3])) == {4, 5}
    assert not edge_map(np.full((5, 5, 1), 77, np.uint8)).any()


def test_edges_are_sobels_with_the_border_continued():
    picture = np.random.default_rng(0).integers(0, 256, (7, 9, 3), np.uint8)
    gray = np.pad(picture.mean(axis=-1), 1, mode="edge")
    down, across = np.zeros((2, 7, 9))
    for i in range(3):
        for j in range(3):
            window = gray[i : i + 7, j : j + 9]
            down += (i - 1) * (2 - abs(j - 1)) * window
            across += (j - 1) * (2 - abs(i - 1)) * window
    np.testing.assert_allclose(edge_map(picture), np.sqrt(down**2 + across**2), rtol=1e-5)


@pytest.mark.parametrize("sigma", [0.5, 1.0, 3.5])
def test_blurred_images_are_under_a_gaussian_of_three_sigma(sigma):
    x = np.random.default_rng(0).normal(0, 50, (2, 9, 14, 3)).astype(np.float32)
    expected = np.stack([literal.blurred(image, sigma) for image in x])
    found = blurred(x, sigma)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_pixels_are_ranked_hottest_first_and_equals_at_random():
    heat = np.array([[0.0, 3.0], [3.0, 5.0]])
    ranks = [ranking(heat, np.random.default_rng(seed)) for seed in range(20)]
    assert all(rank[1, 1] == 0 and rank[0, 0] == 3 for rank in ranks)
    assert {int(rank[0, 1]) for rank in ranks} == {1, 2}


@pytest.mark.each_backend
def test_the_cascade_goes_from_the_top_and_leaves_the_model_alone(net, x):
    before = [np.array(v) for v in net.model.get_weights()]
    logits = net.scores(x)
    stem = og.feature_maps(net, x, "stem")["stem"].values
    stages = list(cascade(net, [net.head.logits], seed=0))
    assert [stage.label for stage in stages] == list(stage_labels())
    assert (stages[0].layer, stages[-1].layer) == ("predictions", "stem")
    np.testing.assert_array_equal(og.feature_maps(stages[0].net, x, "stem")["stem"].values, stem)
    assert not np.allclose(stages[0].net.scores(x), logits)
    assert not np.allclose(og.feature_maps(stages[-1].net, x, "stem")["stem"].values, stem)
    for one, other in zip(before, net.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(net.scores(x), logits)


def test_scrambled_weights_are_the_same_numbers_in_another_order():
    net = og.Network(networks.build("separate"), "unit")
    *_, last = cascade(net, [net.head.logits], seed=0)
    to_array = net.backend.to_array
    for variable, value in zip(net.variables, last.net._weights, strict=True):
        old, new = keras.ops.convert_to_numpy(variable), to_array(value)
        np.testing.assert_array_equal(np.sort(old, axis=None), np.sort(new, axis=None))
    kernels = [v for v in net.variables if v.name == "kernel"]
    assert kernels


# -- what it says ----------------------------------------------------------------------------------


@pytest.mark.each_backend
def test_a_map_that_ignores_the_weights_is_caught(pretend, net, x):
    found = og.saliency(net, x, 2)
    edges = pretend(found, lambda x: np.stack([edge_map(og_picture) for og_picture in shown(x)]))
    checked = og.check(edges, steps=4)
    np.testing.assert_allclose(checked.values, 1)
    assert not checked.depends_on_weights
    assert "it does not explain the network" in checked.sentence


def shown(x):
    return (x * 255).astype(np.uint8)


def test_what_matters_is_told_from_what_does_not(pretend):
    net = with_square()
    right = og.saliency(net, bright(), 1)
    assert right.heatmap[0, 4:8, 9:13].all() and right.heatmap.astype(bool).sum() == 16
    checked = og.check(right, steps=16)
    deletion, insertion = checked.deletion_area[0], checked.insertion_area[0]
    assert deletion[0] < deletion[1:].min()
    assert insertion[0] > insertion[1:].max()
    assert checked.marks_what_matters
    wrong = pretend(right, lambda x: 1 - right.heatmap)
    checked = og.check(wrong, steps=16)
    assert checked.deletion_area[0, 0] > checked.deletion_area[0, 1:].max()
    assert not checked.marks_what_matters
    assert "no more than random places" in checked.sentence


def test_curves_are_probabilities_of_the_picture_with_pixels_gone():
    net, x = with_square(), bright()
    found = og.saliency(net, x, 1)
    checked = og.check(found, steps=4)

    def probability(picture):
        return float(keras.ops.convert_to_numpy(net.model(picture))[0, 1])

    heat = found.heatmap[0]
    gray = np.full_like(x, 0.5)
    assert checked.deletion[0, 0, 0] == pytest.approx(probability(x), abs=1e-6)
    assert checked.deletion[0, 0, -1] == pytest.approx(probability(gray), abs=1e-6)
    # The square is the hottest sixteenth: after the first quarter all of it is gone.
    gone = np.where((heat > 0)[..., None], gray, x)
    assert checked.deletion[0, 0, 1] == pytest.approx(probability(gone), abs=1e-6)
    assert checked.insertion[0, 0, -1] == pytest.approx(probability(x), abs=1e-6)
    assert checked.insertion[0, 0, 0] == checked.insertion[0, 1, 0] == checked.insertion[0, 2, 0]


def test_guided_backpropagation_is_caught_and_gradcam_is_not(lite0, chelsea):
    guided = og.check(og.guided_backprop(lite0, chelsea), steps=2)
    assert guided.values[0, 0] > 0.95, "the top layer scrambled changes nothing"
    assert not guided.depends_on_weights
    assert "does not explain" in guided.sentence
    cam = og.check(og.gradcam(lite0, chelsea), steps=2)
    assert cam.depends_on_weights
    assert "depends on what the network learned" in cam.sentence


# -- how it is asked -------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["gradcam", "occlusion", "smoothgrad", "scorecam"])
def test_results_one_by_one_are_results_together(method, net, x):
    ask = getattr(og, method)
    together = og.check(ask(net, x, 1), steps=3)
    singles = og.check((ask(net, image[None], 1) for image in x), steps=3)
    assert together.values.shape == (3, 5)
    np.testing.assert_allclose(singles.values, together.values, atol=1e-3)
    np.testing.assert_allclose(singles.deletion, together.deletion, atol=1e-4)
    np.testing.assert_allclose(singles.insertion, together.insertion, atol=1e-4)
    assert together.targets == singles.targets == ("bee (1)",) * 3
    assert "±" in together.table() and "deletion area" in together.table()


def test_several_targets_of_one_image_are_checked_each(net, x):
    both = og.check(og.gradcam(net, x[:1], [1, 3]), steps=3)
    for i, target in enumerate([1, 3]):
        alone = og.check(og.gradcam(net, x[:1], target), steps=3)
        np.testing.assert_allclose(both.deletion[i], alone.deletion[0], atol=1e-5)
        np.testing.assert_allclose(both.values[i], alone.values[0], atol=1e-3)


@pytest.mark.each_backend
def test_results_by_name_are_checked_as_each_alone(net, x):
    results = {
        "cam": og.gradcam(net, x[:1], 1),
        "smooth": og.smoothgrad(net, x[:1], 1, samples=3),
        "variance": og.vargrad(net, x[:1], 1, samples=3),
        "fewer": og.vargrad(net, x[:1], 1, samples=2),
        "other": og.saliency(net, x[1:2], 3),
        "filter": og.gradcam(net, x[:1], og.Filter("last", 1), "stem"),
    }
    found = og.check(results, steps=3)
    assert list(found) == list(results)
    for name, one in found.items():
        alone = og.check(results[name], steps=3)
        assert (one.checked, one.layer, one.targets) == (alone.checked, alone.layer, alone.targets)
        np.testing.assert_allclose(one.values, alone.values, atol=1e-3)
        for curves in ("deletion", "insertion"):
            np.testing.assert_allclose(getattr(one, curves), getattr(alone, curves), atol=1e-5)
        for array in ("edge_similarity", "edges", "scrambled"):
            np.testing.assert_allclose(getattr(one, array), getattr(alone, array), atol=1e-5)
    assert og.check({}) == {}


def test_results_by_name_share_weights_and_copies_and_the_curves_of_rivals(net, x, monkeypatch):
    asked, scored = [], []

    def ask(question, net, *more):
        asked.append((question.method, net))
        return ask_again(question, net, *more)

    def curves(request, rankings, *more):
        scored.append(len(rankings))
        return perturbation_curves(request, rankings, *more)

    monkeypatch.setattr(again, "ask_again", ask)
    monkeypatch.setattr(rivals, "perturbation_curves", curves)
    names = ("saliency", "smoothgrad", "vargrad", "squaregrad", "gradcam")
    og.check({name: getattr(og, name)(net, x[:1], 1) for name in names}, steps=2)
    assert [method for method, _ in asked] == ["saliency", "smoothgrad", "gradcam"] * 5
    assert len({id(net) for _, net in asked}) == 5
    assert scored == [3, 1, 1, 1, 3]  # maps of the size of the image, then of the layer


def test_results_by_name_report_progress_that_does_not_go_back(net, x):
    told = []
    results = {"cam": og.gradcam(net, x[:2], 1), "saliency": og.saliency(net, x[:1], 1)}
    og.check(results, steps=2, progress=lambda *words: told.append(words[:2]))
    assert told == sorted(told) and told[-1] == (13, 13)


@pytest.mark.parametrize("name", sorted({*methods.ATTRIBUTIONS} - {*methods.OF_ATTENTION}))
def test_what_is_asked_again_is_data(name, net, x):
    found = getattr(og, name)(net, x[:1], 1)
    assert found.question.method == found.method == name
    assert not any(map(callable, vars(found.question).values()))
    np.testing.assert_allclose(ask_again(found.question, net).values, found.values, atol=1e-5)
    with pytest.raises(KeyError):
        ask_again(replace(found.question, method="os"), net)


def test_own_answers_and_composed_targets_are_asked_again_as_they_were(net, x):
    own = og.check(og.saliency(net, x), steps=2)
    assert own.targets == og.saliency(net, x).targets
    difference = og.check(og.saliency(net, x[:1], og.Class(1) - og.Class(2)), steps=2)
    probabilities = np.exp(net.scores(x[:1])) / np.exp(net.scores(x[:1])).sum()
    expected = probabilities[0, 1] - probabilities[0, 2]
    assert difference.deletion[0, 0, 0] == pytest.approx(expected, abs=1e-5)
    og.check(og.gradcam(net, x[:1], og.Filter("last", 1), "stem"), steps=2)


def test_both_answers_of_a_sigmoid_are_scored_by_their_probability():
    net = og.Network(networks.build("binary"), "unit", ["no", "yes"])
    x = networks.images_for(net.model)[:1]
    no, yes = (og.check(og.saliency(net, x, answer), steps=2) for answer in ("no", "yes"))
    probability = net.head.probabilities(net.scores(x))[0]
    assert no.deletion[0, 0, 0] == pytest.approx(probability[0], abs=1e-5)
    assert yes.deletion[0, 0, 0] == pytest.approx(probability[1], abs=1e-5)


def test_the_same_seed_gives_the_same_check_and_another_another(net, x):
    found = og.gradcam(net, x[:1])
    one, same, other = (og.check(found, steps=3, seed=seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one.values, same.values)
    np.testing.assert_array_equal(one.deletion, same.deletion)
    assert not np.array_equal(one.values, other.values)
    assert one.parameters["seed"] == 3


def test_a_check_is_saved_drawn_and_loaded(net, x, tmp_path):
    found = og.check(og.saliency(net, x[:1]), steps=2)
    back = og.load_result(found.save(tmp_path / "check.npz"))
    assert isinstance(back, og.Check)
    assert back.sentence == found.sentence
    assert back.plot().size == found.plot().size


def test_progress_is_told_to_its_end(net, x):
    told = []
    og.check(og.saliency(net, x), steps=2, progress=lambda *step: told.append(step))
    assert [done for done, _, _ in told] == list(range(1, 9))
    assert {total for _, total, _ in told} == {8}


def test_what_cannot_be_checked(net, x, tmp_path):
    found = og.saliency(net, x[:1])
    loaded = og.load_result(found.save(tmp_path / "saved.npz"))
    for wrong, words in [
        (loaded, "explain again"),
        ([], "at least one result"),
        (og.kernels(net, "stem"), "attribution method"),
        ([found, og.gradcam(net, x[:1])], "one method at a time"),
    ]:
        with pytest.raises(InputError, match=words):
            og.check(wrong, steps=2)
    with pytest.raises(InputError, match="steps"):
        og.check(found, steps=1)


def test_a_network_without_weights_cannot_be_scrambled():
    image = keras.Input((6, 6, 3))
    model = keras.Model(image, keras.layers.GlobalAveragePooling2D()(image * 2))
    found = og.saliency(og.Network(model, "unit"), np.ones((1, 6, 6, 3), np.float32), 1)
    with pytest.raises(InputError, match="nothing to scramble"):
        og.check(found, steps=2)


def test_a_check_of_many_photos_keeps_the_pictures_of_the_first_alone(net, x):
    first = og.check(og.saliency(net, x[:1]), steps=2)
    every = og.check((og.saliency(net, image[None]) for image in x), steps=2)
    for name, picture in first.pictures.items():
        np.testing.assert_array_equal(every.pictures[name], picture)
    assert every.values.shape[0] == 3


@pytest.mark.each_backend
def test_weights_that_are_made_when_a_layer_first_runs_are_scrambled_too(x):
    """A PReLU given as the activation of a layer is built by the first image, not by its model."""
    image = keras.Input((16, 16, 3))
    rectifiers = [keras.layers.PReLU(shared_axes=[1, 2]) for _ in range(2)]
    y = keras.layers.Conv2D(4, 3, activation=rectifiers[0], name="conv")(image)
    y = keras.layers.Activation(rectifiers[1])(y)
    y = keras.layers.Dense(3, activation="softmax")(keras.layers.GlobalAveragePooling2D()(y))
    net = og.Network(keras.Model(image, y), "unit")
    rectifiers[0].weights[0].assign(np.full((1, 1, 4), 3, np.float32))
    assert og.feature_maps(net, x[:1], "conv")["conv"].values.min() < -1, "the user's own weights"
    ids = set(map(id, net.variables))
    assert {id(weight) for layer in rectifiers for weight in layer.weights} <= ids
    assert len(ids) == len(net.variables) == 6
    assert og.check(og.saliency(net, x[:1], 0), steps=2).values.shape == (1, 5)


def test_its_charts_are_drawn_into_axes_of_ones_own(net, x):
    found = og.check(og.gradcam(net, x, 1), steps=3)
    for of in ("weights", "deletion", "insertion"):
        ax = Figure().add_subplot()
        assert found.curves(of, ax=ax) is ax
        assert [text.get_text() for text in ax.get_legend().get_texts()] == [
            "the map",
            "random",
            "edges",
        ]
        expected = [1, *found.values.mean(axis=0)]
        if of != "weights":
            expected = getattr(found, of).mean(axis=0)[0]
        np.testing.assert_allclose(ax.lines[0].get_ydata(), expected)
        assert found.curves(of).width > 300
    with pytest.raises(InputError, match="deletion"):
        found.curves("gain")
