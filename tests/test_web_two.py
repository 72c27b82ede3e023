"""The explorer's questions about two photos or networks, compared with the library's numbers."""

import io

import numpy as np
import pytest
from PIL import Image

import explored
import networks
import optogram as og

pytest.importorskip("starlette")

from optogram.web.asking import QUESTIONS
from optogram.web.opening import Opening
from optogram.web.questions.two import _matched
from optogram.web.workspace import Workspace

pytestmark = pytest.mark.once


class Silent:
    def progress(self, done, total, what):
        pass

    def partial(self, answer):
        pass


def noise(seed):
    content = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(256, size=(20, 24, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(content, "PNG")
    return content.getvalue()


class Two:
    """A workspace with two networks of the same architecture, another one, and two photos."""

    def __init__(self):
        self.nets = [
            og.Network(networks.build(name, seed), "unit")
            for name, seed in (("fused", 0), ("fused", 1), ("separate", 0))
        ]
        self.workspace = Workspace(self.nets)
        self.photos = [self.workspace.add(noise(seed), f"{seed}.png").id for seed in (0, 1)]

    def ask(self, name, **given):
        question = QUESTIONS[name]
        texts = {key: str(value) for key, value in given.items()}
        _, values = question.read(self.workspace, texts)
        return question.answer(self.workspace, Silent(), **values)

    def sides(self, models=(0, 0), photos=(0, 0)):
        return {
            "model": models[0],
            "model2": models[1],
            "photo": self.photos[photos[0]],
            "photo2": self.photos[photos[1]],
        }


@pytest.fixture(scope="module")
def two():
    return Two()


@pytest.mark.parametrize("layer", ["", "conv2", "pool"])
def test_the_units_that_differ_most_between_two_photos(two, layer):
    answer = two.ask("differing_units", **two.sides(photos=(0, 1)), layer=layer, count=5)
    expected = og.unit_differences(
        two.nets[0], noise(0), other_image=noise(1), layers=layer or None
    )
    assert answer.about["by"] == "mean" and answer.about["measures"] == expected.measures
    assert answer.about["units"] == [each._asdict() for each in expected.most(5)]
    assert answer.about["compared"] == len(expected.units)
    assert answer.about["inactive"] == expected.inactive.sum()


@pytest.mark.parametrize("by", ["maps", "maximum", "weights"])
def test_the_units_that_differ_most_between_two_networks(two, by):
    answer = two.ask("differing_units", **two.sides(models=(0, 1)), by=by)
    expected = og.unit_differences(two.nets[0], noise(0), other_net=two.nets[1]).most(20, by)
    assert answer.about["units"] == [each._asdict() for each in expected]
    names = [layer.name for layer in two.nets[0].layers]
    assert all(pair[0] in names for pair in answer.about["layers"])
    # Of one of these layers, nothing is computed again.
    made = two.workspace.objects.size
    one = two.ask("differing_units", **two.sides(models=(0, 1)), by=by, layer="conv2")
    assert {unit["layer"] for unit in one.about["units"]} == {"conv2"}
    assert one.about["compared"] == 6 and two.workspace.objects.size == made


@pytest.mark.parametrize(
    ("sides", "why"),
    [
        ({}, "Both sides are the same"),
        ({"models": (0, 2)}, "no layers of the same name that are built alike"),
        ({"photos": (0, 1), "by": "weights"}, 'by must be "mean" or "maximum"'),
    ],
)
def test_what_cannot_be_compared_is_said(two, sides, why):
    more = {"by": sides.pop("by")} if "by" in sides else {}
    with pytest.raises(og.InputError, match=why):
        two.ask("differing_units", **two.sides(**sides), **more)


@pytest.mark.parametrize("name", ["segmentation", "two_inputs"])
def test_other_kinds_of_networks(name):
    net = (
        explored._two_inputs()[0]
        if name == "two_inputs"
        else og.Network(networks.build(name), "unit")
    )
    workspace = Workspace([net])
    ids = [workspace.add(noise(seed), f"{seed}.png").id for seed in (0, 1)]
    texts = {"model2": "0", "photo": ids[0], "photo2": ids[1], "layer": "conv1", "by": "maximum"}
    question = QUESTIONS["differing_units"]
    answer = question.answer(workspace, Silent(), **question.read(workspace, texts)[1])
    maps = [og.feature_maps(net, noise(seed), "conv1")["conv1"].values[0] for seed in (0, 1)]
    first = answer.about["units"][0]
    highest = [each[..., first["unit"]].max() for each in maps]
    np.testing.assert_allclose(first["maxima"], highest, atol=1e-5)
    peaks = sum(np.abs(each).max(axis=(0, 1)) for each in maps)
    divisor = max(peaks[first["unit"]], 0.1 * np.median(peaks[peaks > 0]))
    assert first["value"] == pytest.approx(abs(highest[1] - highest[0]) / divisor, rel=1e-4)


def test_the_nearest_units_of_another_network(two):
    layer = list(two.nets[2].map_layers())[2]
    given = {"photo": two.photos[0], "model": 0, "layer": "conv2", "model2": 2, "layer2": layer}
    found = two.ask("nearest_units", **given).arrays
    expected = og.unit_correlations(two.nets[0], noise(0), "conv2", two.nets[2], layer).values
    np.testing.assert_array_equal(found["nearest"], expected.argmax(axis=1))
    np.testing.assert_allclose(found["correlations"], expected.max(axis=1), atol=1e-6)
    with pytest.raises(og.InputError, match="choose layers whose maps have the same size"):
        two.ask("nearest_units", **{**given, "layer": "conv3"})


def test_layers_and_classes_that_correspond(two):
    same = two.ask("correspondence", model=0, model2=1)
    layers = list(two.nets[0].map_layers())
    assert [first for first, _ in same.about["layers"]] == layers
    assert dict(same.about["layers"])["conv2"] == "conv2"
    assert same.arrays["classes"].tolist() == list(range(5))
    other = two.ask("correspondence", model=0, model2=2)
    assert other.about["layers"] == []


def test_classes_are_matched_by_name_or_number():
    assert _matched(["cat", "dog"], ["cat", "dog"]) == ("number", "", [0, 1])
    how, sentence, matches = _matched(["cat", "dog", "owl"], ["Owl", "hen", "cat"])
    assert (how, matches) == ("name", [2, -1, 0]) and "2 names" in sentence
    numbered = ["class 0", "class 1"]
    how, sentence, matches = _matched(["cat", "dog"], numbered)
    assert (how, matches) == ("number", [0, 1]) and "has no class names" in sentence
    assert _matched(["a", "b", "c"], numbered)[0] == "none"
    assert _matched(["cat"], ["dog"])[::2] == ("none", [-1])


def test_the_lines_in_python_give_the_same_units(two, tmp_path):
    for number in (0, 1):
        (tmp_path / f"{number}.png").write_bytes(noise(number))
        two.nets[number].model.save(tmp_path / f"{number}.keras")
    workspace = Workspace(two.nets[:2])
    for number, net in enumerate(two.nets[:2]):
        options = {"preprocess": "unit"}
        workspace.openings[id(net)] = Opening(str(tmp_path / f"{number}.keras"), options)
    ids = [workspace.add(tmp_path / f"{number}.png", f"{number}.png").id for number in (0, 1)]
    question = QUESTIONS["differing_units"]
    for models, photos, by in (((0, 1), (0, 0), "maps"), ((0, 0), (0, 1), "maximum")):
        texts = {
            "model": str(models[0]),
            "model2": str(models[1]),
            "photo": ids[photos[0]],
            "photo2": ids[photos[1]],
            "layer": "conv2",
            "by": by,
            "count": "4",
        }
        _, values = question.read(workspace, texts)
        answer = question.answer(workspace, Silent(), **values)
        run = {}
        exec(answer.about["python"], run)
        assert [(each.layer, each.unit) for each in run["most"]] == [
            (unit["layer"], unit["unit"]) for unit in answer.about["units"]
        ]
        np.testing.assert_allclose(
            [each.value for each in run["most"]],
            [unit["value"] for unit in answer.about["units"]],
            atol=1e-5,
        )
