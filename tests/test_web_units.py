"""The explorer's questions about layers and units, compared with the library's own numbers."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import networks
import optogram as og

pytest.importorskip("starlette")
from starlette.testclient import TestClient

from optogram.web.app import create_app
from optogram.web.asking import QUESTIONS
from optogram.web.kept import StoppedError
from optogram.web.questions import through
from optogram.web.workspace import Workspace

pytestmark = pytest.mark.once

LAYERS = {"fused": "conv2", "segmentation": "conv1"}


def unscaled(array):
    """The numbers that scaled maps stand for, and how far they may be from the true ones."""
    low, high = (np.array(ends)[:, None, None] for ends in (array.low, array.high))
    return low + (high - low) * array.values / 255.0, (high - low).max() / 509


def noise(seed, shape=(20, 24, 3)):
    content = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(256, size=shape, dtype=np.uint8)
    Image.fromarray(pixels).save(content, "PNG")
    return content.getvalue()


class Listening:
    """Hears what a question tells; stops it after so many partial answers."""

    def __init__(self, patience=1000):
        self.partials, self.told, self._patience = [], [], patience

    def progress(self, done, total, what):
        if len(self.partials) >= self._patience:
            raise StoppedError
        self.told.append((done, total))

    def partial(self, answer):
        self.partials.append(answer)


class Explored:
    """A workspace with one small network and one photo."""

    def __init__(self, name, folder=()):
        self.net = og.Network(networks.build(name), "unit")
        self.workspace = Workspace([self.net], folder)
        self.photo = self.workspace.add(noise(0), "noise.png")
        self.x = self.net.prepare(noise(0))
        self.layer = LAYERS[name]
        self.maps = og.feature_maps(self.net, self.x, self.layer)[self.layer]

    def ask(self, name, tell=None, **given):
        question = QUESTIONS[name]
        known = {parameter.name for parameter in question.parameters}
        texts = {"photo": self.photo.id, "layer": self.layer, **given}
        texts = {key: str(value) for key, value in texts.items() if key in known}
        _, values = question.read(self.workspace, texts)
        return question.answer(self.workspace, tell or Listening(), **values)


@pytest.fixture(scope="module", params=["fused", "segmentation"])
def one(request):
    return Explored(request.param)


@pytest.fixture(scope="module")
def fused():
    return Explored("fused")


def test_all_maps_of_a_layer_and_their_orders(one):
    answer = one.ask("layer_maps")
    maps, values = answer.arrays["maps"], np.moveaxis(one.maps.values[0], -1, 0)
    found, tolerance = unscaled(maps)
    np.testing.assert_allclose(found, values, atol=tolerance + 1e-6)
    count = len(values)
    assert answer.about["shape"] == one.maps.values.shape[1:] and answer.about["factor"] == 1
    for name, by in (("by_strength", "mean"), ("by_contrast", "variation")):
        np.testing.assert_array_equal(answer.arrays[name], one.maps.strongest(count, by)[0])


def test_large_maps_are_averaged(fused, monkeypatch):
    from optogram.web.questions import layer

    monkeypatch.setattr(layer, "SIDE", 4)
    values = np.arange(2 * 6 * 8, dtype=np.float32).reshape(6, 8, 2)
    found, tolerance = unscaled(layer._sprite(values))
    expected = values.reshape(3, 2, 4, 2, 2).mean(axis=(1, 3))
    np.testing.assert_allclose(found, np.moveaxis(expected, -1, 0), atol=tolerance + 1e-5)


@pytest.mark.parametrize("target", ["1", "1-0", ""])
def test_maps_in_the_order_of_what_they_contribute_to_a_class(one, target):
    found = one.ask("map_contributions", target=target).arrays
    highest = int(one.ask("predictions").arrays["probabilities"].argmax())
    wanted = {"1": og.Class(1), "1-0": og.Class(1) - og.Class(0), "": og.Class(highest)}[target]
    maps = og.feature_maps(one.net, one.x, one.layer, target=wanted)[one.layer]
    expected = maps.contributions[0]
    np.testing.assert_allclose(found["contributions"], expected, rtol=1e-4, atol=1e-6)
    assert (np.diff(found["contributions"][found["order"]]) <= 0).all()


@pytest.mark.parametrize("show", ["maps", "difference"])
def test_maps_with_a_patch_are_those_of_the_probe(one, show):
    about = {"patch": 5, "fill": "mean"}
    probe = og.feature_map_probe(one.net, one.x, one.layer, patch=5, fill="mean")
    ready = one.ask("layer_probe", **about)
    assert ready.about == {"patch": (5, 5), "size": one.x.shape[1:3]}
    pixels = one.net.display(np.asarray(probe.fill, np.float32))[0]
    np.testing.assert_array_equal(ready.arrays["fill"], pixels)
    answer, expected = one.ask("covered_maps", **about, y=-1, x=3, show=show), probe(-1, 3)
    values = (expected.values if show == "maps" else expected.difference)[0]
    found, tolerance = unscaled(answer.arrays["maps"])
    np.testing.assert_allclose(found, np.moveaxis(values, -1, 0), atol=tolerance + 1e-5)
    np.testing.assert_array_equal(
        answer.arrays["by_change"], expected.most_changed(values.shape[-1])
    )
    assert np.abs(expected.difference).max() > 1e-3


def test_a_unit_its_map_its_receptive_fields_and_its_histogram(one):
    channel = 1
    answer = one.ask("unit_map", filter=channel)
    values = one.maps.values[0, ..., channel]
    np.testing.assert_allclose(answer.arrays["map"], values, atol=1e-5)
    np.testing.assert_allclose(answer.arrays["over"], one.maps.at("network", channel), atol=1e-4)
    assert values[tuple(answer.about["highest"])] == values.max()
    row, column = 1, 2
    fields = answer.arrays["field_rows"][row], answer.arrays["field_columns"][column]
    top, left, bottom, right = one.maps.receptive_field(row, column, size="network")
    np.testing.assert_array_equal(fields, [[top, bottom], [left, right]])
    counts, edges = one.maps.histogram(channel)
    assert answer.arrays["counts"].sum() == counts.sum() == values.size
    np.testing.assert_allclose(answer.arrays["edges"], edges, atol=1e-5)


@pytest.mark.parametrize("by", ["activation", "z-score"])
def test_the_units_that_a_pixel_activates_most(one, by):
    answer = one.ask("units_at", y=7, x=9, by=by)
    expected = one.maps.strongest_at(7, 9, 10, by=by, size="network")
    listed = [(unit["filter"], unit["value"], unit["z_score"]) for unit in answer.about["units"]]
    np.testing.assert_allclose(listed, expected, rtol=1e-4, atol=1e-5)
    assert answer.about["cell"] == one.maps.cell_at(7, 9, size="network")


def test_the_units_of_every_layer_that_a_pixel_stands_out_in(one, monkeypatch):
    monkeypatch.setattr(through, "_BYTES", 1)  # one layer at a time
    answer = one.ask("units_through_layers", y=7, x=9)
    maps = og.feature_maps(one.net, one.x, list(one.net.map_layers()))
    assert [unit["layer"] for unit in answer.about["units"]] == list(maps)
    for i, (unit, each) in enumerate(zip(answer.about["units"], maps.values(), strict=True)):
        (best,) = each.strongest_at(7, 9, 1, by="z-score", size="network")
        assert unit["filter"] == best.channel
        np.testing.assert_allclose([unit["value"], unit["z_score"]], best[1:], rtol=1e-4)
        drawn, values = answer.arrays[f"map{i}"], each.values[0, ..., best.channel]
        assert max(drawn.shape) <= 32 and (drawn.min(), drawn.max()) == (0, 255)
        if drawn.shape == values.shape:
            assert drawn.argmax() == values.argmax()


def test_the_arithmetic_of_an_element(one):
    row, column, channel = 0, 1, 2
    answer = one.ask("arithmetic", filter=channel, row=row, column=column, count=2)
    expected = og.pixel_arithmetic(one.net, one.x, og.Neuron(one.layer, (row, column), channel))
    about, arrays = answer.about, answer.arrays
    chosen = expected.strongest(2)
    np.testing.assert_array_equal(about["channels"], expected.input_channels[chosen])
    for name, numbers in (
        ("window", expected.window),
        ("kernel", expected.kernel),
        ("products", expected.values),
    ):
        np.testing.assert_allclose(arrays[name], np.moveaxis(numbers[..., chosen], -1, 0))
    np.testing.assert_array_equal(arrays["padding"], expected.padding)
    # What is written adds up to the network's own number.
    total = sum(about["sums"]) + about["rest"] + about["bias"]
    assert total == pytest.approx(about["steps"][0]["value"], abs=1e-5)
    value = one.maps.values[0, row, column, channel]
    assert about["steps"][-1]["value"] == pytest.approx(value, abs=1e-5)
    whole = og.kernels(one.net, one.layer).values[..., channel]
    largest = about["weight_channels"]
    np.testing.assert_allclose(arrays["weights"], np.moveaxis(whole[..., largest], -1, 0))
    sizes = np.abs(whole).sum(axis=(0, 1))
    assert sizes[largest[0]] == sizes.max()


def test_a_unit_that_is_silenced_or_made_stronger(one):
    clean = one.ask("unit_probe").arrays["scores"]
    np.testing.assert_allclose(clean, one.ask("predictions").arrays["scores"], atol=1e-5)
    channel = int(one.maps.strongest(1)[0, 0])
    for factor in (0, 2.5):
        found = one.ask("changed_unit", filter=channel, factor=factor).arrays
        changes = {og.Filter(one.layer, channel): og.Change(scale=factor)}
        expected = og.intervene(one.net, one.x, changes)
        scores, probabilities = expected.scores_after[0], expected.probabilities_after[0]
        if one.net.head.is_spatial:
            winners = probabilities.argmax(axis=-1)
            shares = [(winners == i).mean() for i in range(one.net.head.classes)]
            np.testing.assert_allclose(found["scores"], scores.mean(axis=(0, 1)), atol=1e-5)
            np.testing.assert_allclose(found["probabilities"], shares)
        else:
            np.testing.assert_allclose(found["scores"], scores, atol=1e-5)
            np.testing.assert_allclose(found["probabilities"], probabilities, atol=1e-6)
        assert np.abs(found["scores"] - clean).max() > 1e-4
    one.ask("changed_unit", filter=channel, factor=1)
    np.testing.assert_allclose(one.ask("unit_probe").arrays["scores"], clean, atol=1e-6)


def test_one_probe_serves_all_units_of_a_layer_and_its_bytes_count(monkeypatch):
    from optogram.web.questions import layer, unit

    made = []

    def counted(make):
        def making(*arguments, **named):
            made.append(make(*arguments, **named))
            return made[-1]

        return making

    monkeypatch.setattr(unit, "intervention_probe", counted(unit.intervention_probe))
    monkeypatch.setattr(layer, "feature_map_probe", counted(layer.feature_map_probe))
    one = Explored("fused")
    for channel in range(3):
        one.ask("changed_unit", filter=channel, factor=0)
        one.ask("covered_maps", y=channel, x=0)
    assert len(made) == 2
    assert one.workspace.objects.size >= sum(probe.nbytes for probe in made) > 2 * one.x.nbytes


def test_a_pattern_grows_and_is_that_of_maximize(fused, monkeypatch):
    from optogram.web.questions import activating

    size = {"steps": 16, "size": (16, 16)}

    def shorter(*arguments, **named):
        return og.maximize(*arguments, **named, **size)

    monkeypatch.setattr(activating, "maximize", shorter)
    heard = Listening()
    answer = fused.ask("pattern", heard, filter=1)
    expected = og.maximize(fused.net, og.Filter(fused.layer, 1), **size)
    np.testing.assert_array_equal(answer.arrays["pixels"], expected.images[0])
    assert answer.about["score"] == pytest.approx(expected.score[0])
    pictures = [partial.arrays["pixels"] for partial in heard.partials]
    assert len(pictures) == 3 and heard.told
    np.testing.assert_array_equal(pictures[-1], expected.images[0])
    assert (pictures[0] != pictures[-1]).any()
    with pytest.raises(StoppedError):
        fused.ask("pattern", Listening(patience=1), filter=1)


def test_the_strongest_crops_of_a_folder_and_of_the_photo(tmp_path, monkeypatch):
    from optogram.web.questions import activating

    files = [tmp_path / f"{i}.png" for i in range(4)]
    for i, file in enumerate(files):
        file.write_bytes(noise(i))
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no photo")
    one = Explored("fused", [*files, broken])
    searched = []

    def counted(*arguments, **named):
        searched.append(arguments[2])
        return og.strongest_images(*arguments, **named)

    monkeypatch.setattr(activating, "strongest_images", counted)
    heard = Listening()
    answers = [one.ask("strongest_crops", heard, filter=i) for i in (0, 2)]
    # With the broken file, and without it; once for all filters.
    assert len(searched) == 2 and heard.told
    expected = og.strongest_images(one.net, one.layer, files, 9)
    for row, answer in zip((0, 2), answers, strict=True):
        crops = answer.about["crops"]
        names = [Path(expected.photos[i]).name for i in expected.indices[row, :4]]
        assert [crop["photo"] for crop in crops] == names
        np.testing.assert_allclose([crop["value"] for crop in crops], expected.values[row, :4])
        for rank in range(4):
            np.testing.assert_array_equal(
                answer.arrays[f"crop{rank}"], np.asarray(expected.crop(row, rank))
            )
    own = one.ask("photo_crop", filter=2)
    assert own.about["crops"][0]["photo"] == "noise.png"
    assert own.about["crops"][0]["value"] == pytest.approx(one.maps.values[..., 2].max(), abs=1e-5)
    np.testing.assert_array_equal(
        own.arrays["crop0"],
        np.asarray(og.strongest_images(one.net, one.layer, [files[0]], 1).crop(2)),
    )


def test_a_search_that_was_stopped_goes_on_where_it_was(tmp_path):
    file = tmp_path / "one.png"
    file.write_bytes(noise(1))
    one = Explored("fused", [file])
    with pytest.raises(StoppedError):
        one.ask("strongest_crops", Listening(patience=0), filter=0)
    heard = Listening()
    answer = one.ask("strongest_crops", heard, filter=1)
    assert heard.told == [] and len(answer.about["crops"]) == 1
    np.testing.assert_array_equal(
        answer.arrays["crop0"],
        np.asarray(og.strongest_images(one.net, one.layer, [file], 1).crop(1)),
    )


def test_without_a_folder_there_are_no_crops(fused):
    assert fused.ask("strongest_crops", filter=0).about == {"photos": 0, "crops": []}


def test_over_http_and_what_cannot_be(tmp_path):
    file = tmp_path / "one.png"
    file.write_bytes(noise(3))
    one = Explored("fused", [file])
    app = create_app(one.workspace, ["127.0.0.1"])
    with TestClient(app, base_url="http://127.0.0.1") as client:
        about = {"photo": one.photo.id, "layer": one.layer}
        for name, more, said in (
            ("layer_maps", {"layer": "none"}, "none"),
            ("layer_maps", {"layer": "conv*"}, "conv*"),
            ("unit_map", {"filter": 99}, "99"),
            ("arithmetic", {"filter": 0, "row": 99, "column": 0}, "99"),
            ("arithmetic", {"filter": 0, "row": 0, "column": 0, "layer": "pool"}, "convolution"),
            ("units_at", {"y": 99, "x": 0}, "did not see"),
            ("changed_unit", {"filter": 99, "factor": 0}, "99"),
            ("changed_unit", {"filter": 0, "factor": "nan"}, "factor must be a number"),
            ("changed_unit", {"filter": 0, "factor": 0, "layer": "*"}, "'*'"),
            ("covered_maps", {"y": 99, "x": 0}, "outside the image"),
            ("photo_crop", {"filter": 99}, "99"),
        ):
            refused = client.get(f"/api/{name}", params={**about, **more})
            assert (refused.status_code, said in refused.json()["error"]) == (422, True), name
        for name in ("pattern", "strongest_crops"):
            refused = client.get(f"/api/{name}", params={"layer": one.layer, "filter": 99})
            assert (refused.status_code, "99" in refused.json()["error"]) == (422, True), name
        assert client.get("/api/unit_map", params={**about, "filter": 0}).status_code == 200
