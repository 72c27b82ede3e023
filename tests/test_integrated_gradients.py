"""Integrated gradients: how many points they take, where they begin, how they are asked again."""

import keras
import numpy as np
import pytest
from PIL import Image

import networks
import optogram as og
from optogram.errors import InputError
from optogram.methods.sanity.again import ask_again
from optogram.result import load_result

pytestmark = pytest.mark.once


def with_threshold(start=0.01, slope=0.1, side=8):
    """S₀ = 40 relu(x − start) − (40 − slope) relu(x − 2 start): it rises fast near black alone."""
    image = keras.Input((side, side, 1))
    maps = keras.layers.Conv2D(2, 1, activation="relu", name="maps")
    dense = keras.layers.Dense(2, name="dense")
    y = dense(keras.layers.GlobalAveragePooling2D()(maps(image)))
    model = keras.Model(image, y)
    maps.set_weights([np.ones((1, 1, 1, 2), np.float32), np.float32([-start, -2 * start])])
    dense.set_weights([np.float32([[40, 1], [slope - 40, 0]]), np.zeros(2, np.float32)])
    return og.Network(model, "unit")


@pytest.fixture(scope="module")
def net():
    return og.Network(networks.build("branches"), "unit", ["ant", "bee", "cat", "dog", "emu"])


@pytest.fixture(scope="module")
def x(net):
    return networks.images_for(net.model, count=3)


def bright(count=1):
    """Images of the network with a threshold, each a little different."""
    rng = np.random.default_rng(0)
    return rng.uniform(0.9, 1, (count, 8, 8, 1)).astype(np.float32)


def misses(result):
    return np.abs(result.completeness_gap / (result.score - result.baseline_score))


def test_points_are_added_until_the_values_add_up():
    net = with_threshold()
    few = og.integrated_gradients(net, bright(), 0, points=32)
    found = og.integrated_gradients(net, bright(), 0)
    assert misses(few)[0] > 0.05 >= misses(found)[0]
    assert found.parameters["spacing"] == "cubic" and few.parameters["spacing"] == "even"
    assert found.parameters["points"] in (32, 96, 288)
    assert not any("too few" in warning for warning in found.warnings)


@pytest.mark.parametrize("count", [32, 96, 288])
def test_refined_points_are_those_of_as_many_points(count, net, x, monkeypatch):
    import sys

    import optogram.methods.integrated_gradients  # noqa: F401

    module = sys.modules["optogram.methods.integrated_gradients"]
    monkeypatch.setattr(module, "_ENOUGH", -1)
    monkeypatch.setattr(module, "_MOST", count)
    found = og.integrated_gradients(net, x[:2], [1, 2])
    assert found.parameters["points"] == count
    expected = og.integrated_gradients(net, x[:2], [1, 2], points=count, spacing="cubic")
    np.testing.assert_allclose(
        found.values, expected.values, rtol=0, atol=1e-5 * np.ptp(expected.values)
    )


def test_even_points_are_refined_too_and_the_most_is_told():
    thin = with_threshold(start=1e-4, slope=0)
    found = og.integrated_gradients(thin, bright(), 0, spacing="even")
    assert found.parameters["points"] == 288
    (warning,) = [text for text in found.warnings if "too few" in text]
    assert "points (288)" in warning and "points=2880" in warning and "(black)" in warning


def test_each_explanation_takes_its_own_points_whatever_else_is_asked():
    net = with_threshold()
    images = np.concatenate([bright(2), 0.02 * bright(1)])
    together = og.integrated_gradients(net, images, [0, 1, 1])
    used = together.parameters["points"]
    assert isinstance(used, tuple) and len(set(used)) > 1, used
    for i, target in enumerate([0, 1, 1]):
        alone = og.integrated_gradients(net, images[i : i + 1], target)
        assert alone.parameters["points"] == used[i]
        np.testing.assert_allclose(
            together.values[i], alone.values[0], rtol=0, atol=1e-5 * np.ptp(alone.values)
        )
    both = og.integrated_gradients(net, images[:1], [0, 1])
    assert both.parameters["points"] == used[:2]


def test_a_question_is_asked_again_with_the_same_points_and_baselines():
    net = with_threshold()
    found = og.integrated_gradients(net, bright(2), [0, 1], baseline="blur")
    again = ask_again(found.question, net)
    assert again.parameters["points"] == found.parameters["points"]
    np.testing.assert_allclose(again.values, found.values, atol=1e-6)
    assert og.check(found, steps=2).parameters["baseline"] == "blur"


COLORS = {"black": 0, "white": 255, "gray": 127.5, 40: 40, np.float32(7): 7}


@pytest.mark.parametrize("baseline", COLORS)
def test_baselines_of_one_color(baseline, net, x):
    found = og.integrated_gradients(net, x, 2, baseline=baseline)
    start = np.full_like(x[:1], COLORS[baseline] / 255)
    np.testing.assert_allclose(found.baseline_score, net.scores(start)[0, 2], rtol=1e-4)
    as_picture = np.full((5, 9, 3), COLORS[baseline], np.float32)
    again = og.integrated_gradients(net, x, 2, baseline=as_picture)
    np.testing.assert_allclose(again.values, found.values, atol=1e-4 * np.ptp(found.values))


def test_baselines_made_of_the_image(net, x):
    found = og.integrated_gradients(net, x, 2, baseline="mean")
    start = np.broadcast_to(x.mean(axis=(1, 2), keepdims=True), x.shape)
    np.testing.assert_allclose(found.baseline_score, net.scores(start)[:, 2], rtol=1e-4)
    blurred = og.integrated_gradients(net, x, 2, baseline="blur")
    assert not np.allclose(blurred.values, found.values)
    assert (misses(blurred) < 0.05).all()


def test_a_picture_as_a_baseline(net, x, tmp_path):
    picture = np.random.default_rng(1).integers(0, 255, (16, 16, 3)).astype(np.uint8)
    path = tmp_path / "start.png"
    Image.fromarray(picture).save(path)
    for baseline in (picture, Image.fromarray(picture), path, str(path), net.prepare(picture)):
        found = og.integrated_gradients(net, x, 1, baseline=baseline)
        np.testing.assert_allclose(
            found.baseline_score, net.scores(picture)[0, 1], rtol=1e-4, atol=1e-5
        )
    assert load_result(found.save(tmp_path / "a.npz")).parameters["baseline"] == "a picture"
    each = og.integrated_gradients(net, x, 1, baseline=[picture, picture // 2, picture // 3])
    assert len(set(each.baseline_score.tolist())) == 3
    assert not og.integrated_gradients(net, picture, 1, baseline=picture).values.any()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"baseline": "blak"}, "no file 'blak'"),
        ({"baseline": 256}, "0..255, not 256"),
        ({"baseline": np.nan}, "0..255, not nan"),
        ({"baseline": np.zeros((2, 16, 16, 3), np.float32)}, "or one per image"),
        ({"baseline": None}, "None"),
        ({"points": [3, 4]}, "2 numbers of points for 3"),
        ({"points": []}, "at least one"),
        ({"spacing": "log"}, "'log'"),
    ],
)
def test_what_cannot_be_asked(more, words, net, x):
    with pytest.raises(InputError, match=words):
        og.integrated_gradients(net, x, 1, **more)


def test_progress_goes_on_and_ends():
    told = []
    og.integrated_gradients(
        with_threshold(), bright(2), [0, 1], progress=lambda *now: told.append(now[:2])
    )
    done, totals = np.array(told).T
    assert (np.diff(done) > 0).all() and (np.diff(totals) >= 0).all()
    assert done[-1] == totals[-1] and (done <= totals).all()
