"""Photos, predictions and the patch, as a person uses them; numbers are the library's own."""

import re

import numpy as np
import pytest

import optogram as og
from explored import photos

expect = pytest.importorskip("playwright.sync_api").expect
pytestmark = pytest.mark.once


def drag(page, *places):
    """Drag the patch through places, (row, column) as shares of the photo, and let it go."""
    box = page.locator(".stage").bounding_box()
    for i, (row, column) in enumerate(places):
        page.mouse.move(box["x"] + column * box["width"], box["y"] + row * box["height"])
        if i == 0:
            page.mouse.down()
    page.mouse.up()


def ready(page):
    page.wait_for_selector(".controls .progress.absent", state="attached")
    return page


def marked(page):
    """The place, (y, x), whose numbers the bars show."""
    bars = page.locator("#side .bars")
    expect(bars).to_have_attribute("data-mark", re.compile(r"\d"))
    return [int(number) for number in bars.get_attribute("data-mark").split(",")]


def bars(page):
    """Name and value of each bar."""
    shown = page.locator("#side .bars li:not(.absent)")
    names = shown.locator(".name").all_text_contents()
    values = shown.locator(".value").all_text_contents()
    return {
        name: float(value.removesuffix(" %")) for name, value in zip(names, values, strict=True)
    }


@pytest.mark.parametrize("name", ["fused", "binary", "fashion"])
def test_all_bars_move_with_the_patch(visit, name):
    # So large that, with the weights of each backend, it changes what is shown.
    page = ready(visit(name, "?patch=12"))
    before = bars(page)
    drag(page, (0.2, 0.2), (0.5, 0.4), (0.6, 0.6))
    page.wait_for_function("() => !document.querySelector('.stage .cover').hidden")
    explorer = visit.explorer(name)
    net, photo = explorer.workspace.networks[0], next(iter(explorer.workspace))
    side = int(page.locator(".controls output").text_content().removesuffix(" px"))
    probe = og.occlusion_probe(net, net.prepare(photo.source), patch=side)
    height, width = probe.size
    corner = [round(0.6 * extent - side / 2) for extent in (height, width)]
    near = "|".join(f"{corner[0] + i},{corner[1] + j}" for i in (0, 1) for j in (0, 1))
    expect(page.locator("#side .bars")).to_have_attribute("data-mark", re.compile(near))
    expected = 100 * probe(*marked(page))
    shown = bars(page)
    assert shown.keys() == before.keys() and shown != before
    for label, value in shown.items():
        np.testing.assert_allclose(value, expected[net.class_index(label)], rtol=6e-3, atol=6e-3)
    page.keyboard.press("Tab")
    page.locator(".stage").press("Escape")
    expect(page.locator("#side .bars")).to_have_attribute("data-mark", "")
    assert bars(page) == before


def test_keys_change_size_and_fill_and_the_address_keeps_them(visit):
    page = ready(visit("fused"))
    stage = page.locator(".stage")
    before = page.locator(".controls output").text_content()
    for key in ("ArrowLeft", "ArrowUp", "+", "f"):
        stage.press(key)
    expect(page.locator(".controls output")).not_to_have_text(before)
    expect(page.get_by_role("button", name="blur")).to_have_attribute("aria-pressed", "true")
    place = marked(page)
    page.reload()
    assert marked(ready(page)) == place
    for name in ("fill=blur", "patch=", "place="):
        expect(page).to_have_url(re.compile(name))
    stage.hover()
    page.mouse.wheel(0, 120)
    expect(page.locator(".controls output")).to_have_text(before)


def test_the_finished_map_is_that_of_occlusion(visit):
    page = ready(visit("fused"))
    drag(page, (0.3, 0.3), (0.4, 0.3))
    page.locator("#side .bars button").nth(2).click()
    page.get_by_role("button", name="Map the whole photo").click()
    expect(page.locator("#said")).to_have_text("The map is complete.")
    explorer = visit.explorer("fused")
    net, photo = explorer.workspace.networks[0], next(iter(explorer.workspace))
    x = net.prepare(photo.source)
    target = og.Class(page.locator("#side .bars [aria-pressed=true] .name").text_content())
    patch = round(min(x.shape[1:3]) / 7)
    expected = og.occlusion(net, x, target, patch=patch, stride=max(1, round(patch / 4))).values[0]
    page.mouse.move(0, 0)
    box = page.locator(".stage").bounding_box()
    page.mouse.move(box["x"] + 0.52 * box["width"], box["y"] + 0.52 * box["height"])
    said = page.locator(".controls .under").text_content()
    row, column, fall = (float(n) for n in re.findall(r"-?\d+(?:\.\d+)?(?:e-?\d+)?", said))
    cell = [round(pixel + 0.5 - patch / 2) for pixel in (row, column)]
    near = expected[cell[0] - 1 : cell[0] + 2, cell[1] - 1 : cell[1] + 2]
    assert np.abs(near - fall).min() <= 1e-3 * np.ptp(expected)
    page.get_by_role("button", name="Clear trail").click()
    expect(page.locator(".legend")).to_be_hidden()


def test_a_segmentation_network_shows_shares_of_the_area(visit):
    page = ready(visit("segmentation"))
    drag(page, (0.5, 0.5))
    place = marked(page)
    explorer = visit.explorer("segmentation")
    net, photo = explorer.workspace.networks[0], next(iter(explorer.workspace))
    side = int(page.locator(".controls output").text_content().removesuffix(" px"))
    winners = og.occlusion_probe(net, net.prepare(photo.source), patch=side)(*place).argmax(-1)
    for label, share in bars(page).items():
        expected = 100 * np.mean(winners == net.class_index(label))
        np.testing.assert_allclose(share, expected, rtol=6e-3)
    expect(page).to_have_url(re.compile("target="))


def test_the_strip_is_walked_and_a_photo_removed_by_keys(visit):
    page = visit("branches")
    chosen = page.locator("#side .strip [aria-pressed=true]")
    first = chosen.get_attribute("data-photo")
    chosen.focus()
    page.keyboard.press("ArrowRight")
    expect(chosen).not_to_have_attribute("data-photo", first)
    expect(chosen).to_be_focused()
    files = [
        {"name": f"{i}.png", "mimeType": "image/png", "buffer": content}
        for i, content in enumerate(photos(44))
    ]
    page.set_input_files("input[type=file]", files)
    expect(page.locator("#side .strip li")).to_have_count(4)
    expect(chosen).to_have_attribute("title", "0.png")
    chosen.press("Delete")
    expect(page.locator("#side .strip li")).to_have_count(3)
    expect(chosen).to_have_attribute("title", "1.png")


def test_a_class_is_found_and_explained(visit):
    page = visit("fashion")
    box = page.get_by_role("combobox", name="Find a class")
    box.fill("trou")
    expect(page.locator(".suggestions [role=option]")).to_have_count(1)
    box.press("ArrowDown")
    box.press("Enter")
    expect(page.locator("#side .bars [aria-pressed=true] .name")).to_have_text(
        re.compile("trou", re.IGNORECASE)
    )
    expect(page).to_have_url(re.compile("target=1"))
    page.get_by_role("button", name="Highest class").click()
    expect(page.locator("#side .explained")).not_to_have_text(re.compile("trou", re.IGNORECASE))


def test_without_a_camera_a_sentence_says_so(visit):
    page = visit("fused")
    page.get_by_role("button", name="Camera").click()
    expect(page.locator("dialog .refusal")).to_contain_text("camera")
    page.get_by_role("button", name="Close").click()
    expect(page.locator("dialog")).to_have_count(0)


def test_the_view_is_accessible_and_fits_the_screen(visit):
    page = ready(visit("fused"))
    drag(page, (0.3, 0.3), (0.5, 0.5))
    marked(page)
    visit.look(page, "patch")
