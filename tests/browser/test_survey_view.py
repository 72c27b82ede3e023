"""The view of a survey."""

import numpy as np
import pytest

import surveyed

pytest.importorskip("zarr")
expect = pytest.importorskip("playwright.sync_api").expect
pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """An explorer of a survey without its network."""
    import optogram as og

    survey = surveyed.survey(tmp_path_factory.mktemp("survey"))
    with og.explore(survey, browser=False) as explorer:
        yield explorer


def numbers(page):
    return [int(text.split()[1]) for text in page.locator(".survey .card b").all_text_contents()]


@pytest.mark.parametrize("phone", [False, True])
def test_units_are_ordered_chosen_and_walked_through(visit, alone, phone):
    page = visit.blank(phone=phone)
    page.goto(alone.address)
    expect(page.locator(".survey .card")).to_have_count(24)
    assert numbers(page)[:2] == [surveyed.UNITS - 1, surveyed.UNITS - 2]
    expect(page.locator("#side")).to_have_count(0)
    expect(page.locator("#views a")).to_have_text(["Survey"])
    page.get_by_label("Order by").select_option("fires")
    expect(page.locator(".survey .card").first).to_contain_text(f"unit {surveyed.FIRES.argmax()}")
    assert numbers(page) == list(np.argsort(-surveyed.FIRES)[:24])
    page.get_by_role("button", name="Show more").click()
    expect(page.locator(".survey .card")).to_have_count(48)
    page.get_by_label("Serving").select_option(label="dog")
    expect(page.get_by_text("that serve dog")).to_be_visible()
    page.locator(".survey .card").first.click()
    expect(page.get_by_role("heading", name="a, unit 1", exact=True)).to_be_visible()
    # Colors as they were written into the store and the photos.
    for label, color in (
        ("Pattern of a, unit 1", surveyed.PATTERN),
        ("blue.png: 2 in a", surveyed.COLORS["blue"]),
    ):
        picture = page.get_by_label(label)
        expect(picture).to_be_visible()
        seen = picture.evaluate("it => [...it.getContext('2d').getImageData(3, 3, 1, 1).data]")
        assert tuple(seen[:3]) == color
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("heading", name="a, unit 3", exact=True)).to_be_visible()
    page.get_by_role("link", name="unit 4").click()
    expect(page.get_by_role("heading", name="a, unit 4", exact=True)).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_text("that serve dog")).to_be_visible()
    visit.look(page, "survey-units")


def test_one_unit_is_an_address(visit, alone):
    page = visit.blank()
    page.goto(f"{alone.address}?view=survey&layer=a&filter=1")
    expect(page.get_by_role("heading", name="a, unit 1", exact=True)).to_be_visible()
    expect(page.get_by_text("Units that are most alike")).to_be_visible()
    visit.look(page, "survey-unit")
    page.goto(f"{alone.address}?layer=a&filter=700")
    expect(page.get_by_role("alert")).to_contain_text("a has no unit 700")


def test_a_network_has_its_views_beside_the_survey(visit, tmp_path):
    explorer = visit.explorer("fused")
    explorer.workspace.survey = surveyed.survey(tmp_path)
    try:
        page = visit("fused", "?view=survey")
        expect(page.locator(".survey .card")).to_have_count(24)
        page.get_by_role("link", name="Patch").click()
        expect(page.locator(".survey")).to_have_count(0)
    finally:
        explorer.workspace.survey = None
