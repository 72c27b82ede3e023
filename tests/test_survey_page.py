"""Surveys looked at: units as pictures, and the pages; against the survey and the photos."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import networks
import optogram as og
from optogram.cli import main
from optogram.errors import InputError, OutputError
from optogram.surveying import page_pictures
from optogram.surveying.crops import scaled
from optogram.surveying.opened import StrongestPhoto

pytest.importorskip("zarr")
pytestmark = pytest.mark.once

LAYER, PATTERNED = "re_lu", "elu"
HOSTILE = "</script><b>"
CLASSES = ("a", "b", HOSTILE, "d", "e")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A survey with patterns of two units, its network, and the folder with its photos."""
    folder = tmp_path_factory.mktemp("survey")
    photos = folder / "photos"
    net = og.Network(networks.build("separate"), "unit", labels=CLASSES)
    noise = np.random.default_rng(0).integers(0, 256, (7, 6, 8, 3), np.uint8)
    for i, picture in enumerate(noise):
        place = photos / f"kind{i % 2}" / f"{i}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).resize((40, 30)).save(place)
    store = folder / "net.zarr"
    og.survey(net, photos, store, top=4)
    og.survey(
        net,
        photos,
        store,
        what="patterns",
        top=4,
        layers=PATTERNED,
        units=[1, 2],
        variants=2,
        steps=2,
    )
    return net, photos, store


@pytest.fixture
def survey(made):
    return og.load_survey(made[2])


@pytest.fixture(scope="module")
def page(made, tmp_path_factory):
    return og.load_survey(made[2]).page(tmp_path_factory.mktemp("page")).parent


@pytest.fixture
def without_one(made, survey):
    """A survey whose photo is gone that is strongest for a unit; its name; the unit before."""
    name = survey.unit(LAYER, 0).strongest[0].photo
    photo = made[1] / name
    content, before = photo.read_bytes(), survey.plot([(LAYER, 0)])
    photo.unlink()
    yield og.load_survey(made[2]), name, before
    photo.write_bytes(content)


def script(path):
    """What a script of the page gives: the arguments of its call."""
    mark, text = path.read_text().split("\n", 1)
    assert "made by optogram" in mark
    return json.loads("[" + re.fullmatch(r"microscope\.\w+\((.*)\);\n", text, re.DOTALL)[1] + "]")


def layer_of(page, name):
    (about,) = script(page / "survey.js")
    one = next(layer for layer in about["layers"] if layer["name"] == name)
    return one, script(page / f"{one['file']}.js")[1]


def test_crops_are_windows_of_what_the_network_sees(made, survey):
    net, photos, _ = made
    for channel in range(survey.layers[LAYER]):
        for one in survey.unit(LAYER, channel).strongest:
            seen = net.display(net.prepare(photos / one.photo))[0]
            top, left, bottom, right = map(round, one.window)
            crop = np.asarray(survey.crop(one))
            assert np.abs(crop.astype(int) - seen[top:bottom, left:right]).max() <= 1
            assert one.label == one.photo.split("/")[0]
            assert one.predicted == net.predict(photos / one.photo, top=1)[0][0].index


def test_a_unit_is_drawn_with_its_patterns_and_crops(survey):
    unit = survey.unit(PATTERNED, 1)
    picture = unit.plot(cell=32)
    pattern = np.asarray(scaled(Image.fromarray(unit.patterns[1]), 32))
    windows = np.lib.stride_tricks.sliding_window_view(np.asarray(picture), (32, 32, 3))
    places = np.argwhere((windows[:, :, 0] == pattern).all(axis=(2, 3, 4)))
    assert len(places) == 1
    # Four crops right of the second pattern.
    assert picture.width - places[0, 1] - 32 == 4 * (32 + 6) + 12
    assert unit._repr_html_().startswith('<img src="data:image/png')
    both = survey.plot([(PATTERNED, 1), (LAYER, 0)], cell=32)
    assert both.height > picture.height


def test_photos_that_are_gone_are_named_in_their_places(without_one, tmp_path):
    poorer, name, before = without_one
    unit = poorer.unit(LAYER, 0)
    assert poorer.crop(unit.strongest[0]) is None
    after = unit.plot()
    assert after.size == before.size
    assert not np.array_equal(after, before)
    _, data = layer_of(poorer.page(tmp_path / "page").parent, LAYER)
    gone = [crop for crops in data["crops"] for crop in crops if data["photos"][crop[0]] == name]
    assert gone
    assert all(crop[2:] == [0, 0] for crop in gone)


def test_the_page_has_the_numbers_of_all_units(survey, page):
    assert [one["name"] for one in script(page / "survey.js")[0]["layers"]] == list(survey.layers)
    for name in survey.layers:
        _, data = layer_of(page, name)
        for column in ("mean", "active", "fires"):
            assert np.allclose(data[column], survey.column(column, name), rtol=2e-3)
        for channel in range(survey.layers[name]):
            unit = survey.unit(name, channel)
            assert data["classes"][channel][::2] == [index for index, _ in unit.classes]
            assert data["nearest"][channel][::2] == [index for index, _ in unit.nearest]
            assert data["strongest"][channel] == pytest.approx(unit.strongest[0].activation, 2e-3)


def test_sprites_are_the_crops_and_patterns(survey, page, monkeypatch):
    one, data = layer_of(page, PATTERNED)
    assert data["shown"] == [1, 2]  # those with patterns
    assert (one["patterns"], data["patterns"]) == (2, [2, 2])
    crops = Image.open(page / f"{one['file']}-crops-0.webp")
    patterns = Image.open(page / f"{one['file']}-patterns-0.webp")
    for row, channel in enumerate(data["shown"]):
        unit = survey.unit(PATTERNED, channel)
        for rank, (photo, activation, width, height) in enumerate(data["crops"][row]):
            assert data["photos"][photo] == unit.strongest[rank].photo
            assert data["labels"][photo] == unit.strongest[rank].label
            assert activation == pytest.approx(unit.strongest[rank].activation, 2e-3)
            left, top = rank * data["cell"], row * data["cell"]
            near(crops.crop((left, top, left + width, top + height)),
                 survey.crop(unit.strongest[rank], data["cell"]))  # fmt: skip
        width, height = data["side"]
        for variant in range(2):
            left, top = variant * width, row * height
            near(patterns.crop((left, top, left + width, top + height)),
                 Image.fromarray(unit.patterns[variant]))  # fmt: skip


def near(found, expected):
    """WebP changes pixels a little."""
    assert found.size == expected.size
    difference = np.abs(np.asarray(found, float) - np.asarray(expected, float))
    assert difference.mean() < 12


def test_pictures_are_drawn_only_of_units_asked_for(survey, tmp_path, monkeypatch):
    place = survey.page(tmp_path / "page", layers=f"{LAYER[:-1]}*", units=[3, 0]).parent
    one, data = layer_of(place, LAYER)
    assert data["shown"] == [3, 0]
    assert len(data["mean"]) == survey.layers[LAYER]
    assert layer_of(place, PATTERNED)[1]["shown"] == []
    assert {path.stem.split("-")[0] for path in place.rglob("*.webp")} == {one["file"][-3:]}
    monkeypatch.setattr("optogram.surveying.page.STRONGEST", 2)
    monkeypatch.setattr(page_pictures, "SHEET", 1)
    _, data = layer_of(survey.page(tmp_path / "few").parent, LAYER)
    strength = survey.column("strongest_activation", LAYER)[:, 0]
    assert data["shown"] == list(np.argsort(-strength, kind="stable")[:2])
    assert (tmp_path / "few/layers/000-crops-1.webp").exists()


def test_classes_list_the_units_that_serve_them_most(survey, page):
    (classes,) = script(page / "classes.js")
    seen, amounts = survey.contributions(LAYER)
    for index, layers in classes:
        row = amounts[list(seen).index(index)]
        number, best, amount, *_ = layers[0]
        assert (number, best) == (0, row.argmax())
        assert amount == pytest.approx(row.max(), 2e-3)


def test_selectivity_compares_the_class_with_the_others(survey, monkeypatch):
    amounts = np.array([[4, 1, -1, np.nan, 0], [0, 1, 3, np.nan, -1], [0, 1, 1, 2, -2]], np.float32)
    monkeypatch.setattr(og.Survey, "contributions", lambda self, layer: (np.arange(3), amounts))
    found = survey.selectivity(LAYER)
    assert found[:3] == pytest.approx([1, 0, 2.5 / 3.5])
    assert np.isnan(found[3:]).all()  # one class only, and none


def test_names_from_models_and_files_cannot_leave_their_places(page):
    text = (page / "index.html").read_text()
    assert text.count("</script>") == 2
    assert "default-src 'none'" in text
    assert HOSTILE in script(page / "survey.js")[0]["classes"]


def test_the_page_replaces_only_its_own_files(survey, page, tmp_path):
    survey.page(page, units=[0])
    (tmp_path / "index.html").write_text("mine")
    with pytest.raises(OutputError, match="did not make it"):
        survey.page(tmp_path)
    assert (tmp_path / "index.html").read_text() == "mine"


def test_what_cannot_be_shown_is_said_in_a_sentence(survey, tmp_path):
    with pytest.raises(InputError, match=r"does not describe a layer 're_luu': .*'re_lu'"):
        survey.page(tmp_path, layers="re_luu")
    with pytest.raises(InputError, match=r"has 4 units, numbered 0 to 3: 99 is out of range"):
        survey.page(tmp_path, layers=LAYER, units=[99])
    with pytest.raises(InputError, match="pairs of layer and number"):
        survey.plot([LAYER])
    assert not list(tmp_path.iterdir())


def test_the_command_writes_the_page(made, tmp_path):
    out = tmp_path / "pages"
    told = CliRunner().invoke(
        main, ["microscope", str(made[2]), "--out", str(out), "--layers", LAYER, "--units", "0-1"]
    )
    assert told.exit_code == 0, told.output
    assert str(out / "index.html") in told.output
    assert layer_of(out, LAYER)[1]["shown"] == [0, 1]
    told = CliRunner().invoke(main, ["microscope", str(tmp_path / "none.zarr")])
    assert told.exit_code == 2
    assert "There is no store" in told.output


def test_pages_and_pictures_need_no_network(made, tmp_path):
    program = (
        "import sys, optogram as og\n"
        "survey = og.load_survey(sys.argv[1])\n"
        "survey.unit(sys.argv[3], 0).plot()\n"
        "survey.page(sys.argv[2], units=[0])\n"
        "sys.exit('keras' in sys.modules)\n"
    )
    given = [str(made[2]), str(tmp_path / "page"), LAYER]
    subprocess.run([sys.executable, "-c", program, *given], check=True)


def test_in_a_crop_that_is_the_whole_photo_the_element_is_framed():
    from optogram.surveying.page_pictures import _located

    picture = Image.new("RGB", (60, 40), (128, 128, 128))
    window = (0.0, 0.0, 8.0, 12.0)
    crop = StrongestPhoto("a.png", 1.0, (1, 2), window)
    found = np.asarray(_located(picture, crop, (2, 3), (8, 12))) != 128
    assert found[20:, 40:].any() and not found[:18].any() and not found[:, :38].any()
    assert _located(picture, crop, (2, 3), (8, 16)) is picture  # a part of the photo
    assert _located(picture, crop, (1, 1), (8, 12)) is picture  # of a dense layer
