"""The pages of a survey, opened from files."""

import io

import numpy as np
import pytest
from PIL import Image

import surveyed
from surveyed import COLORS, FIRES, PATTERN, UNITS

pytest.importorskip("zarr")
expect = pytest.importorskip("playwright.sync_api").expect
pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The page of a survey, of whose 72 units four have pictures."""
    folder = tmp_path_factory.mktemp("microscope")
    return surveyed.survey(folder).page(folder / "page", units=range(2))


@pytest.fixture
def tab(visit, page):
    """``tab(place, phone=False)``: the page in the browser."""

    def opened(place="", phone=False):
        seen = visit.blank(phone=phone, expected=["^file:"])
        seen.goto(f"{page.as_uri()}{place}")
        return seen

    return opened


def color_of(picture):
    """The mean color on the screen."""
    pixels = np.asarray(Image.open(io.BytesIO(picture.screenshot())).convert("RGB"))
    return pixels.mean(axis=(0, 1))


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
    assert np.abs(color_of(crop) - COLORS["blue"]).max() < 12
    pattern = seen.get_by_label("Pattern of a, unit 1").first
    assert np.abs(color_of(pattern) - PATTERN).max() < 12
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
