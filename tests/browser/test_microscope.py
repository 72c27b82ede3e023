"""The pages of a survey, opened from files."""

import io

import numpy as np
import pytest
from PIL import Image

import optogram as og
from optogram.jobs.store import Store
from optogram.pictures.photo_set import PhotoSet
from optogram.surveying import layout
from optogram.surveying.table import SurveyedLayer, UnitTable

pytest.importorskip("zarr")
expect = pytest.importorskip("playwright.sync_api").expect
pytestmark = pytest.mark.once

UNITS = 70
FIRES = np.random.default_rng(0).permutation(UNITS) / UNITS
COLORS = {"red": (200, 20, 20), "blue": (20, 20, 200)}


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The page of a survey of two photos, whose table is written here: no network is run."""
    folder = tmp_path_factory.mktemp("microscope")
    for name, color in COLORS.items():
        (folder / "photos").mkdir(exist_ok=True)
        Image.new("RGB", (16, 16), color).save(folder / f"photos/{name}.png")
    identity = {"model": "net", "size": [16, 16], "fit": "stretch", "resample": "lanczos",
                "top": 2, "backend": "none", "keras_version": "3"}  # fmt: skip
    store = Store.resumed(str(folder / "net.zarr"), "survey", identity)
    layers = (SurveyedLayer("a", 0, 0, UNITS, (4, 4), True), SurveyedLayer("b", 1, UNITS, 2, (1, 1),
              False))  # fmt: skip
    layout.make_table(store, UnitTable(layers), ["Conv2D", "Dense"])
    layout.write_network(store, ["cat", "dog"], 3)
    layout.make_photos(store, PhotoSet.of(str(folder / "photos")), 1)
    count = UNITS + 2
    photos = np.tile([0, 1], (count, 1))
    photos[3] = 1, 0
    windows = np.tile(np.float32([0, 0, 8, 8]), (count, 2, 1))
    units = np.arange(count)
    served = np.stack([units % 2, 1 - units % 2], axis=1).astype(np.int32)
    nearest = np.stack([np.where(units < UNITS, (units + 1) % UNITS, units)], axis=1)
    columns = {
        "fires": (("unit",), np.float32([*FIRES, 0, 1])),
        "strongest_activation": (("unit", "rank"), np.float32([[i + 1, 0.5] for i in units])),
        "strongest_photo": (("unit", "rank"), photos),
        "strongest_position": (("unit", "rank", "yx"), np.zeros((count, 2, 2), np.int32)),
        "strongest_window": (("unit", "rank", "edge"), windows),
        "served_class": (("unit", "served"), served),
        "served_contribution": (("unit", "served"), np.float32([[2, 1]] * count)),
        "nearest_unit": (("unit", "neighbor"), nearest),
        "nearest_correlation": (("unit", "neighbor"), np.ones((count, 1), np.float32)),
    }
    layout.write_units(store, columns)
    amounts = np.float32([[2 - i % 2 for i in units], [1 + i % 2 for i in units]])
    layout.write_classes(store, np.arange(2), amounts)
    return og.load_survey(folder / "net.zarr").page(folder / "page", units=range(2))


@pytest.fixture
def tab(visit, page):
    """``tab(place, phone=False)``: the page in the browser."""

    def opened(place="", phone=False):
        seen = visit.blank(phone=phone, expected=["^file:"])
        seen.goto(f"{page.as_uri()}{place}")
        return seen

    return opened


def numbers(seen):
    return [int(text.split()[1]) for text in seen.locator(".card b").all_text_contents()]


@pytest.mark.parametrize("phone", [False, True])
def test_units_are_ordered_chosen_and_walked_through(tab, phone):
    seen = tab(phone=phone)
    seen.get_by_role("link", name="a Conv2D").click()
    expect(seen.locator(".card")).to_have_count(2)  # those with pictures
    seen.get_by_label("Show").select_option("0")
    expect(seen.locator(".card")).to_have_count(60)
    assert numbers(seen)[:2] == [UNITS - 1, UNITS - 2]  # the strongest
    seen.get_by_role("button", name="Show more").click()
    expect(seen.locator(".card")).to_have_count(UNITS)
    seen.get_by_label("Order by").select_option("fires")
    expect(seen.locator(".card").first).to_contain_text(f"unit {FIRES.argmax()}")
    assert numbers(seen) == list(np.argsort(-FIRES)[:60])
    seen.get_by_label("Serving").select_option(label="dog")
    expect(seen.get_by_text("Units that serve dog, most first")).to_be_visible()
    assert set(np.array(numbers(seen)[:35]) % 2) == {1}
    seen.locator(".card").first.click()
    expect(seen.get_by_role("heading", name="a, unit 1", exact=True)).to_be_visible()
    seen.keyboard.press("ArrowRight")
    expect(seen.get_by_role("heading", name="a, unit 3")).to_be_visible()
    seen.go_back()
    expect(seen.get_by_role("heading", name="a, unit 1", exact=True)).to_be_visible()
    seen.keyboard.press("Escape")
    expect(seen.get_by_text("Units that serve dog")).to_be_visible()


def test_a_unit_has_its_crops_classes_and_nearest_units(tab):
    seen = tab("#layer=a&unit=1")
    crop = seen.locator(".crops .sprite").first
    expect(crop).to_have_attribute("aria-label", "blue.png: 2")
    pixels = np.asarray(Image.open(io.BytesIO(crop.screenshot())).convert("RGB"))
    assert np.abs(pixels.mean(axis=(0, 1)) - COLORS["blue"]).max() < 12
    expect(seen.get_by_text("no pictures", exact=False)).to_have_count(0)
    seen.get_by_role("link", name="unit 2").click()
    expect(seen.get_by_text("No pictures were drawn of this unit")).to_be_visible()
    seen.get_by_role("link", name="cat").click()
    expect(seen.get_by_role("heading", name="Units that serve cat")).to_be_visible()
    seen.get_by_role("link", name="unit 0").first.click()
    expect(seen.get_by_role("heading", name="b, unit 0").or_(
        seen.get_by_role("heading", name="a, unit 0"))).to_be_visible()  # fmt: skip


@pytest.mark.parametrize(
    ("name", "place"),
    [("layers", ""), ("layer", "#layer=a"), ("unit", "#layer=a&unit=1"), ("class", "#class=0")],
)
def test_every_view_is_accessible_and_fits(tab, visit, name, place):
    seen = tab(place)
    expect(seen.locator("main h2")).to_be_visible()
    visit.look(seen, f"microscope-{name}")
