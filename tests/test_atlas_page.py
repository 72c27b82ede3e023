"""The page of an activation atlas, and the command that makes it."""

import dataclasses
import json
import re

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image, ImageOps

import networks
import optogram as og
from optogram.cli import main
from optogram.errors import OutputError

pytestmark = pytest.mark.once


def by_hand(found, seed):
    """A layout in no time; what is laid out does not matter here."""
    return np.random.default_rng(seed).random((len(found), 2), np.float32)


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(0).integers(0, 256, (40, 16, 16, 3), np.uint8)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "small.keras"
    networks.build("branches").save(path)
    return path


@pytest.fixture(scope="module")
def made(model, pictures):
    net = og.load(model, preprocess="unit", labels=["cat", "dog", "</script>", "cow", "ant"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("optogram.methods.activation_atlas.laid_out", by_hand)
        return og.activation_atlas(net, "branch5", list(pictures), grids=(3, 10), least=1, steps=1)


def data_of(page):
    text = page.read_text()
    (found,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)
    return json.loads(found)


def test_the_page_has_every_cell_with_its_class_and_its_photos(made, tmp_path):
    page = og.atlas_page(made, tmp_path / "page")
    data = data_of(page)
    assert [grid["side"] for grid in data["grids"]] == [3, 10]
    for grid in data["grids"]:
        own = made.grids[grid["side"]]
        assert len(grid["cells"]) == len(own.cells)
        for cell, index in zip(grid["cells"], own.cells.tolist(), strict=True):
            assert (cell["row"], cell["column"]) == tuple(made.places[index])
            assert cell["count"] == made.counts[index]
            assert data["classes"][cell["class"]] == made.label(index)
            members = made.members[index]
            photos = {made.photos[made.sampled[i]] for i in members[members >= 0]}
            shown = [data["photos"][i] for i in cell["photos"]]
            assert set(shown) <= photos
            assert len(shown) == min(8, len(photos))


def test_tiles_and_crops_are_where_the_page_looks_for_them(made, tmp_path):
    page = og.atlas_page(made, tmp_path)
    data = data_of(page)
    icon, crop = data["icon"], data["crop"]
    own = [ImageOps.pad(made.crop(i), (crop, crop), color="white") for i in range(40)]
    crops = np.stack([np.asarray(one, np.float32) for one in own])
    assert icon == 4 * 16
    for grid in data["grids"]:
        own = made.grids[grid["side"]]
        for cell, index in zip(grid["cells"], own.cells.tolist(), strict=True):
            row, column = cell["row"], cell["column"]
            name = f"{grid['side']}-{row // data['block']}-{column // data['block']}.webp"
            tile = Image.open(tmp_path / "tiles" / name)
            y, x = (row % data["block"]) * icon, (column % data["block"]) * icon
            there = np.asarray(tile.crop((x, y, x + icon, y + icon)).resize((16, 16)))
            # WebP loses fine detail.
            assert np.abs(there.astype(int) - made.icons[index]).mean() < 12
            sheet = Image.open(tmp_path / "crops" / name)
            first = cell["first"]
            x, y = first % cell["wide"] * crop, first // cell["wide"] * crop
            there = np.asarray(sheet.crop((x, y, x + crop, y + crop)).convert("RGB"))
            nearest = np.abs(crops - there).mean(axis=(1, 2, 3)).argmin()
            assert made.photos[made.sampled[nearest]] == data["photos"][cell["photos"][0]]


def test_names_of_classes_cannot_end_the_script(made, tmp_path):
    named = dataclasses.replace(made, classes=np.full_like(made.classes, 2))
    page = og.atlas_page(named, tmp_path)
    assert data_of(page)["classes"] == ["</script>"]
    assert "&lt;/script&gt;" in page.read_text()


def test_photos_that_are_gone_have_no_crops(made, tmp_path):
    gone = og.load_result(made.save(tmp_path / "atlas.npz"))
    data = data_of(og.atlas_page(gone, tmp_path / "page"))
    assert all(not cell["photos"] for grid in data["grids"] for cell in grid["cells"])
    assert list((tmp_path / "page" / "tiles").iterdir())
    assert not list((tmp_path / "page" / "crops").iterdir())


def test_only_pages_that_optogram_made_are_replaced(made, tmp_path):
    page = og.atlas_page(made, tmp_path)
    assert og.atlas_page(made, tmp_path) == page
    page.write_text("mine")
    with pytest.raises(OutputError, match="did not make"):
        og.atlas_page(made, tmp_path)
    assert page.read_text() == "mine"
    with pytest.raises(OutputError, match="is a file"):
        og.atlas_page(made, page)


def run(*words):
    return CliRunner().invoke(main, [str(word) for word in words])


def test_the_command_writes_page_picture_and_result(model, pictures, tmp_path, monkeypatch):
    monkeypatch.setattr("optogram.methods.activation_atlas.laid_out", by_hand)
    photos = tmp_path / "photos"
    photos.mkdir()
    for i, picture in enumerate(pictures):
        Image.fromarray(picture).save(photos / f"{i:02}.png")
    (photos / "40.png").write_bytes(b"no picture")
    command = ("atlas", photos, "--model", model, "--preprocess", "unit", "--grids", "2,3")
    small = ("--least", "2", "--steps", "1")
    done = run(*command, *small, "--layer", "branch5", "--out", tmp_path / "out")
    assert done.exit_code == 1, done.output  # a photo was skipped
    assert "40 samples of 41 photos: 4 cells of 2×2, 9 cells of 3×3." in done.output
    assert "40.png" in done.output
    found = og.load_result(tmp_path / "out" / "atlas.npz")
    assert sorted(found.grids) == [2, 3]
    assert Image.open(tmp_path / "out" / "atlas.png").size == (240, 240)
    assert data_of(tmp_path / "out" / "index.html")["grids"][0]["cells"][0]["photos"]
    other = run(
        *command, *small, "--layer", "stem", "--layout", tmp_path / "out" / "atlas.npz",
        "--out", tmp_path / "other",
    )  # fmt: skip
    assert other.exit_code == 1, other.output
    second = og.load_result(tmp_path / "other" / "atlas.npz")
    np.testing.assert_array_equal(second.members.shape, found.members.shape)
    np.testing.assert_array_equal(second.layout, found.layout)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--grids", "a"), 'not a list of numbers such as "10,20"'),
        (("--grids", "0"), "grids must be"),
        (("--layer", "nothing"), "nothing"),
        (("--layout", "gone.npz"), "gone.npz does not exist"),
    ],
)
def test_bad_options_are_told_in_one_sentence(words, message, model, pictures, tmp_path):
    Image.fromarray(pictures[0]).save(tmp_path / "a.png")
    given = ("atlas", tmp_path, "--model", model, "--layer", "branch5", "--out", tmp_path / "o")
    done = run(*given, *words)
    assert done.exit_code == 2
    assert message in done.output
