"""The view of all methods: maps, numbers, classes; what is taken away, and the frozen page."""

from urllib.parse import parse_qs

import numpy as np
import pytest

import optogram as og
from visits import require_accessible

expect = pytest.importorskip("playwright.sync_api").expect
pytestmark = pytest.mark.once

NETWORK = "branches"
TWO = "?view=why&methods=saliency,gradcam"


def state_of(page):
    # Not page.url: that is told of a change some time after the page made it.
    query = page.evaluate("location.search.slice(1)")
    return {name: values[0] for name, values in parse_qs(query).items()}


def numbers_at(page, x, y, method="gradcam"):
    """The numbers that all panels show when the mouse is at a place, given as fractions."""
    shown = page.locator(".map:not([hidden])")
    page.wait_for_function(
        """() => {
          const maps = [...document.querySelectorAll(".map:not([hidden])")];
          return maps.length && maps.every((map) => map.querySelector(".scale:not([hidden])"));
        }"""
    )
    canvas = page.locator(f".map[data-method={method}] .map-stage canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
    return [float(text.split()[0]) for text in shown.locator(".number").all_inner_texts()]


def expected_at(explorer, target, x, y, methods=(og.saliency, og.gradcam)):
    """The numbers of the library at that place of the first photo, for each method."""
    net, photo = explorer.workspace.networks[0], next(iter(explorer.workspace))
    # The proportions of the photo, and as many rows as the network's input.
    maps = [method(net, photo.source, target).at((16, 20)) for method in methods]
    return [each[int(y * 16), int(x * 20)] for each in maps]


def names_of(explorer):
    return explorer.workspace.networks[0].labels.names


@pytest.fixture
def page(visit):
    return visit(NETWORK, f"{TWO}&target=2-4")


def test_the_numbers_at_the_pointer_are_those_of_the_library(visit, page):
    difference = og.Class(2) - og.Class(4)
    for place in ((0.33, 0.41), (0.82, 0.71)):
        expected = expected_at(visit.explorer(NETWORK), difference, *place)
        np.testing.assert_allclose(numbers_at(page, *place), expected, rtol=2e-3, atol=1e-9)
    # Zoomed at a place, the same place of all maps is under the pointer.
    page.locator(".map[data-method=gradcam] .map-stage canvas").dblclick()
    page.wait_for_url("**zoom=**")
    x, y, k = map(float, state_of(page)["zoom"].split(","))
    place = x - 0.5 / k + 0.25 / k, y - 0.5 / k + 0.25 / k
    expected = expected_at(visit.explorer(NETWORK), difference, *place)
    np.testing.assert_allclose(numbers_at(page, 0.25, 0.25), expected, rtol=2e-3, atol=1e-9)


def test_every_map_has_the_verdict_of_check(visit, page):
    net, photo = (
        visit.explorer(NETWORK).workspace.networks[0],
        next(iter(visit.explorer(NETWORK).workspace)),
    )
    result = og.gradcam(net, photo.source, og.Class(2) - og.Class(4))
    words = page.locator(".map[data-method=gradcam] .verdict p:not(.quiet)")
    expect(words).to_have_text(og.check(result, steps=6).sentence)


def test_classes_are_chosen_and_subtracted_with_mouse_and_keys(visit):
    page = visit(NETWORK, TWO)
    names = names_of(visit.explorer(NETWORK))
    chip = page.locator(".chips button")
    asked = page.locator(".asked")
    first, second, third = (int(chip.nth(i).get_attribute("data-index")) for i in range(3))
    expect(asked).to_have_text(f"Why {names[first]}?")
    chip.nth(2).drag_to(chip.nth(1))
    expect(asked).to_have_text(f"Why {names[third]} and not {names[second]}?")
    assert state_of(page)["target"] == f"{third}-{second}"
    page.get_by_role("button", name="Swap").press("Enter")
    expect(asked).to_have_text(f"Why {names[second]} and not {names[third]}?")
    page.get_by_role("button", name=f"Only {names[second]}").press("Enter")
    expect(asked).to_have_text(f"Why {names[second]}?")
    page.get_by_role("button", name="and not…").press("Enter")
    page.locator(f".chips [data-index='{first}']").press("Enter")
    expect(asked).to_have_text(f"Why {names[second]} and not {names[first]}?")
    page.go_back()
    expect(asked).to_have_text(f"Why {names[second]}?")


def test_colors_change_in_the_browser_alone(visit, page):
    numbers_at(page, 0.5, 0.5)
    expect(page.locator(".map .verdict p:not(.quiet)")).to_have_count(2)
    pixels = """() => [...document.querySelectorAll(".map:not([hidden]) .map-stage canvas")]
        .map((canvas) => canvas.toDataURL())"""
    # Both ways to ask: over the socket, and over HTTP.
    page.evaluate(
        """() => { window.asked = 0;
            const send = WebSocket.prototype.send;
            WebSocket.prototype.send = function (data) { window.asked++; send.call(this, data); };
            const fetched = window.fetch;
            window.fetch = (...given) => { window.asked++; return fetched(...given); }; }"""
    )
    before = page.evaluate(pixels)
    for name, value in {
        "Color map": "viridis",
        "Neutral places": "even",
        "Scale": "common",
    }.items():
        page.get_by_role("combobox", name=name).select_option(value)
        after = page.evaluate(pixels)
        if name != "Scale":  # two methods, two units: each keeps its own
            assert all(old != new for old, new in zip(before, after, strict=True)), name
        before = after
    assert page.evaluate("() => window.asked") == 0
    assert {"cmap": "viridis", "blend": "even", "scale": "common"}.items() <= state_of(page).items()


def test_a_map_alone_is_taken_away(visit, page, tmp_path):
    page.get_by_role("button", name="Grad-CAM alone and large").click()
    code = page.locator(".details pre")
    expect(code.first).to_contain_text("og.gradcam(net, 'photo', og.Class(2) - og.Class(4))")
    net, photo = (
        visit.explorer(NETWORK).workspace.networks[0],
        next(iter(visit.explorer(NETWORK).workspace)),
    )
    result = og.gradcam(net, photo.source, og.Class(2) - og.Class(4))
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save .npz").click()
    saved.value.save_as(tmp_path / "map.npz")
    loaded = og.load_result(tmp_path / "map.npz")
    np.testing.assert_allclose(loaded.values, result.values, rtol=1e-5)
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save PNG").click()
    saved.value.save_as(tmp_path / "map.png")
    from PIL import Image

    size = page.evaluate(
        """() => { const canvas = document.querySelector(".maps.alone .map:not([hidden]) canvas");
            return [canvas.width, canvas.height]; }"""
    )
    assert Image.open(tmp_path / "map.png").size == tuple(size) == (1200, 960)
    page.go_back()
    expect(page.locator(".map:not([hidden])")).to_have_count(2)


def test_a_network_that_scores_every_position_explains_the_largest_share(visit):
    page = visit("segmentation", TWO)
    net = visit.explorer("segmentation").workspace.networks[0]
    photo = next(iter(visit.explorer("segmentation").workspace))
    largest = np.bincount(net.scores(photo.source)[0].argmax(-1).ravel()).argmax()
    expect(page.locator(".asked")).to_have_text(f"Why {net.labels.names[largest]}?")
    place = (0.4, 0.6)
    expected = expected_at(visit.explorer("segmentation"), int(largest), *place)
    np.testing.assert_allclose(numbers_at(page, *place), expected, rtol=2e-3, atol=1e-9)


def test_one_output_is_no_probability(visit):
    page = visit("regression", TWO)
    shown = page.locator(".chips .value").inner_text()
    explorer = visit.explorer("regression")
    photo = next(iter(explorer.workspace))
    score = explorer.workspace.networks[0].scores(photo.source)[0, 0]
    assert float(shown) == pytest.approx(score, rel=1e-3)


def test_a_frozen_page_shows_the_same_from_a_file(visit, page, tmp_path):
    place = (0.33, 0.41)
    shown = numbers_at(page, *place)
    expect(page.locator(".map .verdict p:not(.quiet)")).to_have_count(2)
    with page.expect_download() as saved:
        page.get_by_role("button", name="Freeze").click()
    file = tmp_path / "frozen.html"
    saved.value.save_as(file)
    expect(page.locator(".taking-said")).to_contain_text("1 photo")
    verdicts = page.locator(".map .verdict").all_inner_texts()
    page.close()

    cold = visit.blank(expected=[r"^file:"])
    asked = []
    cold.on("request", lambda request: asked.append(request.url))
    cold.goto(file.as_uri())
    np.testing.assert_array_equal(numbers_at(cold, *place), shown)
    expect(cold.locator(".map .verdict")).to_have_text(verdicts)
    assert state_of(cold)["target"] == "2-4"
    cold.get_by_role("combobox", name="Color map").select_option("viridis")
    expect(cold.locator(".map[data-method=gradcam] .scale-colors")).to_have_attribute(
        "data-cmap", "viridis"
    )
    cold.get_by_role("button", name="Grad-CAM alone and large").click()
    expect(cold.locator(".details pre").first).to_contain_text("og.gradcam")
    cold.go_back()
    expect(cold.locator(".map:not([hidden])")).to_have_count(2)
    # What was not looked at cannot be shown.
    cold.get_by_role("button", name="Swap").click()
    expect(cold.locator(".map .refusal").first).to_have_text(
        "This was not looked at before the page was frozen."
    )
    assert [url for url in asked if not url.startswith(("data:", file.as_uri()))] == []
    require_accessible(cold)


def test_it_is_accessible_and_fits_the_screen(visit, page):
    numbers_at(page, 0.5, 0.5)
    visit.look(page, "why")
    page.get_by_role("button", name="Grad-CAM alone and large").click()
    expect(page.locator(".details pre").first).to_be_visible()
    visit.look(page, "why-alone")
