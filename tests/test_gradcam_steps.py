"""Grad-CAM's steps are what its map was made of."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

import literal
import networks
import optogram as og

pytestmark = pytest.mark.once

CLOSE = 1e-5
"""Largest difference ÷ range: float32 sums in another order."""


@pytest.fixture(scope="module")
def net():
    return og.Network(networks.build("branches"), "none", ["ant", "bee", "cat", "dog", "emu"])


@pytest.fixture(scope="module")
def x(net):
    return networks.images_for(net.model, count=3)


TARGETS = [1, og.Class(3) - og.Class(1), og.Filter("last", range(2))]


def explained(case, net, x, **more):
    """(result, images and targets one an explanation)."""
    if case == "one image, several targets":
        found = og.gradcam(net, x[:1], TARGETS, "stem", **more)
        return found, [x[0]] * 4
    if case == "one image, one target":
        return og.gradcam(net, x[:1], 2, "stem", **more), [x[0]]
    if case == "several images, own answers":
        return og.gradcam(net, x, None, "stem", **more), list(x)
    return og.gradcam(net, x, [*TARGETS[:2], 4], "stem", **more), list(x)


CASES = [
    "one image, one target",
    "one image, several targets",
    "several images, own answers",
    "several images, one target each",
]


def assert_close(found, expected):
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=0, atol=CLOSE * np.ptp(expected))


@pytest.mark.each_backend
@pytest.mark.parametrize("case", CASES)
def test_the_stages_make_the_map(case, net, x):
    found, images = explained(case, net, x, rectify=False)
    steps, count = found.steps, len(images)
    assert steps.gradients.shape == (count, 14, 14, 4)
    assert steps.maps.shape[0] in (1, count)
    assert steps.weights.shape == (count, 4)
    assert steps.sum.shape == (count, 14, 14)
    assert steps.targets == found.targets
    for i in range(count):
        maps = steps.maps[i if len(steps.maps) > 1 else 0]
        assert_close(maps, literal.feature_maps(net.model, images[i], "stem"))
        weights = steps.gradients[i].mean(axis=(0, 1))
        assert_close(steps.weights[i], weights)
        assert_close(steps.sum[i], maps @ weights)
        assert_close(steps.sum[i], found.values[i])


@pytest.mark.parametrize("case", CASES)
def test_the_map_is_the_positive_part_of_the_sum(case, net, x):
    found, _ = explained(case, net, x)
    assert_close(found.values, np.maximum(found.steps.sum, 0))


@pytest.mark.each_backend
def test_the_gradients_are_those_of_the_score(net, x):
    found = og.gradcam(net, x, [2, 0, 1], "stem")
    for i, target in enumerate([2, 0, 1]):
        expected, maps = literal.gradient(net.model, x[i], lambda s, t=target: s[t], "stem")
        assert_close(found.steps.gradients[i], expected)
        assert_close(found.steps.maps[i], maps)


@pytest.mark.parametrize("case", CASES)
def test_the_steps_are_drawn(case, net, x):
    found, images = explained(case, net, x)
    for i in range(len(images)):
        for top in (1, 3):
            picture = found.steps.plot(i, top=top)
            assert isinstance(picture, Image.Image)
            assert len(np.unique(np.asarray(picture.convert("L")))) > 10
    few, many = (found.steps.plot(0, top=top) for top in (1, 4))
    assert many.height > few.height
    ax = Figure().add_subplot()
    assert found.steps.plot(0, ax=ax) is ax and len(ax.images) == 1
    assert found.steps.plot(0, top=99).size == many.size  # there are four maps


def test_each_explanation_has_its_own_drawing(net, x):
    found = og.gradcam(net, x[:1], [1, 2], "stem")
    first, second = (np.asarray(found.steps.plot(i)) for i in range(2))
    assert first.shape != second.shape or (first != second).any()


def test_steps_survive_saving(net, x, tmp_path):
    found = og.gradcam(net, x[:1], TARGETS, "stem")
    again = og.load_result(found.save(tmp_path / "found.npz"))
    np.testing.assert_array_equal(again.steps.sum, found.steps.sum)
    assert isinstance(again.steps.plot(2), Image.Image)


def test_steps_cannot_be_written_into(net, x):
    steps = og.gradcam(net, x[:1], 1, "stem").steps
    for array in (steps.maps, steps.gradients):
        with pytest.raises(ValueError, match="read-only"):
            array[:] = 0
