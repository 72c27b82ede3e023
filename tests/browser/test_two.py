"""Two photos or two networks side by side: gestures on one side act on both; the numbers."""

import re

import numpy as np
import pytest

import optogram as og

expect = pytest.importorskip("playwright.sync_api").expect
pytestmark = pytest.mark.once


def sides_of(explorer):
    return explorer.workspace.networks, list(explorer.workspace)


def percents(page, column):
    return page.locator(f".both-predictions td:nth-child({column})").all_inner_texts()


def test_two_photos_in_one_click_with_the_patch_on_both(visit):
    explorer = visit.explorer("fused")
    (net,), photos = sides_of(explorer)
    page = visit("fused")
    page.locator("#side .strip button").nth(1).click(modifiers=["Shift"])
    expect(page.get_by_label("Right: photo")).to_have_value(photos[1].id)
    page.go_back()
    page.get_by_role("button", name="Compare").click()
    expect(page.locator(".differing button").first).to_be_visible()
    expected = og.unit_differences(net, photos[0].source, other_image=photos[1].source).most(20)
    first = page.locator(".differing button").first
    expect(first.locator(".name")).to_have_text(f"{expected[0].layer} · {expected[0].unit}")
    expect(first.locator(".value")).to_have_text(f"{expected[0].value:.4g}")
    # The patch is dragged on the right: it goes to the same place on the left.
    marks = page.locator(".two .end")
    for i in (0, 1):
        expect(marks.nth(i)).to_have_attribute("data-photo", photos[i].id)
    box = page.locator(".two .stage").nth(1).bounding_box()
    page.mouse.move(box["x"] + box["width"] / 4, box["y"] + box["height"] / 4)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 4)
    page.mouse.up()
    expect(page).to_have_url(re.compile("place=4%2C8"))
    corner = "3,7"
    for i in (0, 1):
        expect(marks.nth(i)).to_have_attribute("data-mark", corner)
    expect(page.locator(".both-predictions tbody")).to_have_attribute("data-mark", "patch patch")
    found = []
    for photo in photos:
        probe = og.occlusion_probe(net, net.prepare(photo.source), patch=2)
        found.append(net.head.probabilities(probe.scores(3, 7)))
    names = page.locator(".both-predictions tbody th").all_inner_texts()
    rows = [net.labels.names.index(name) for name in names]
    for column, probabilities in zip((2, 3), found, strict=True):
        for text, row in zip(percents(page, column), rows, strict=True):
            assert float(text.split()[0]) == pytest.approx(100 * probabilities[row], abs=0.06)
    points = [float(text.split()[0].replace("−", "-")) for text in percents(page, 4)]
    np.testing.assert_allclose(points, 100 * (found[1] - found[0])[rows], atol=0.06)
    visit.look(page, "two-patch")


def test_two_epochs_their_units_and_the_pointer_on_both(visit):
    explorer = visit.explorer("epochs")
    nets, photos = sides_of(explorer)
    page = visit("epochs", "?view=two&show=maps&layer=leaky1&order=number")
    expect(page.locator(".two .end .mosaic")).to_have_count(2)
    expect(page.locator(".two .end .mosaic").nth(1)).to_have_attribute("data-order", "number")
    page.locator(".two .end .mosaic").first.press("Home")
    maps = [og.feature_maps(net, photos[0].source, "leaky1")["leaky1"].values[0] for net in nets]
    for i in (0, 1):
        reading = page.locator(".two .end .reading").nth(i)
        expect(reading).to_have_text(re.compile("Filter 0, row 0, column 0"))
        shown = float(reading.inner_text().split(": ")[1])
        scale = float(np.ptp(maps[i][..., 0])) / 509 + 1e-3
        assert shown == pytest.approx(maps[i][0, 0, 0], abs=scale)
    visit.look(page, "two-maps")
    # The unit that differs most, on both sides.
    page.locator(".units-that-differ select").first.select_option("weights")
    expect(page.locator(".differing")).to_have_attribute("data-by", "weights")
    (most,) = og.unit_differences(nets[0], photos[0].source, other_net=nets[1]).most(1, "weights")
    page.locator(".differing button").first.click()
    expect(page.locator(".two .end .screen")).to_have_count(2)
    expect(page).to_have_url(re.compile(f"layer={most.layer}&"))
    expect(page).to_have_url(re.compile(f"filter={most.unit}(&|$)"))
    values = [
        og.feature_maps(net, photos[0].source, most.layer)[most.layer].matrix(most.unit)
        for net in nets
    ]
    for i in (0, 1):
        expect(page.locator(".two .end > .quiet").nth(i)).to_contain_text(f"filter {most.unit}:")
    page.locator(".two .screen").nth(1).focus()
    page.keyboard.press("ArrowDown")
    for i in (0, 1):
        reading = page.locator(".two .end .reading").nth(i)
        expect(reading).to_contain_text("Row 1, column 0: ")
        shown = float(reading.inner_text().split(": ")[1])
        assert shown == pytest.approx(values[i][1, 0], rel=2e-3, abs=1e-5)
    page.locator(".two .end").nth(1).get_by_text("This unit alone").click()
    expect(page.locator(".unit .tools")).to_be_visible()
    expect(page).to_have_url(re.compile("model=1(&|$)"))
    page.go_back()
    expect(page.locator(".two .end .screen")).to_have_count(2)
    page.go_back()
    expect(page.locator(".two .end .mosaic")).to_have_count(2)
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save PNG").click()
    assert saved.value.suggested_filename.endswith("-maps.png")


def test_why_on_both_sides_with_both_numbers(visit):
    explorer = visit.explorer("epochs")
    nets, photos = sides_of(explorer)
    page = visit("epochs", "?view=two&show=why&target=3")
    numbers = page.locator(".two .map .number")
    expect(page.locator(".two .scale:not([hidden])")).to_have_count(2)
    page.locator(".two .map-stage canvas").first.hover(position={"x": 61, "y": 33})
    for i, net in enumerate(nets):
        expect(numbers.nth(i)).to_contain_text("logit")
        where = page.locator(".two .cross").first
        x, y = (float(where.evaluate(f"e => e.style.getPropertyValue('--{a}')")) for a in "xy")
        expected = og.gradcam(net, photos[0].source, 3).at((28, 28))[int(28 * y), int(28 * x)]
        shown = float(numbers.nth(i).inner_text().split()[0])
        assert shown == pytest.approx(expected, rel=2e-3, abs=1e-6)


def test_two_different_architectures(visit):
    page = visit("pair", "?view=two&order=number")
    expect(page.locator(".both-predictions .quiet")).to_contain_text("3 names are common to both")
    expect(page.locator(".units-that-differ .refusal")).to_contain_text("unit_correlations")
    names = page.locator(".both-predictions tbody th").all_inner_texts()
    # Those of either network, once where both have it.
    assert sorted(names) == sorted(["cat", "dog", "cup", "owl", "fox", "hen", "cow"])
    page.get_by_role("button", name="Maps", exact=True).click()
    page.get_by_label("Right layer").select_option("conv2")
    page.get_by_label("Layer: write a part of its name").fill("conv1")
    page.keyboard.press("Enter")
    expect(page.locator(".two .tools .quiet").last).to_contain_text("correlates most")
    nets, photos = sides_of(visit.explorer("pair"))
    found = og.unit_correlations(nets[0], photos[0].source, "conv1", nets[1], "conv2")
    (unit, _), *_ = found.nearest(0)
    page.locator(".two .end .mosaic").first.press("Home")
    expect(page.locator(".two .reading").nth(1)).to_contain_text(f"Filter {unit}, ")


def test_one_photo_alone_says_what_to_do(visit):
    explorer = visit.explorer("fused")
    photo = next(iter(explorer.workspace))
    listed = [{"id": photo.id, "name": photo.name, "width": 40, "height": 32}]
    page = visit.blank()
    page.route("**/api/photos", lambda route: route.fulfill(json=listed))
    page.goto(f"{explorer.address}?view=two")
    expect(page.locator(".two")).to_contain_text("Add a second photo")
    expect(page.locator(".two .work")).to_be_hidden()


def test_an_opaque_network_and_the_same_on_both_sides(visit):
    page = visit("opaque", "?view=two&show=maps")
    expect(page.locator(".two .end").first).to_contain_text("one opaque step")
    expect(page.locator(".units-that-differ .refusal")).to_contain_text("subclassed")
    photo = next(iter(visit.explorer("opaque").workspace)).id
    page = visit("opaque", f"?view=two&photo={photo}&photo2={photo}&model2=0")
    expect(page.locator(".units-that-differ")).to_contain_text("choose another photo or network")


def test_a_frozen_page_has_both_sides(visit, tmp_path):
    page = visit("epochs", "?view=two&show=unit&layer=leaky1&filter=3")
    expect(page.locator(".differing button").first).to_be_visible()
    expect(page.locator(".two .end > .quiet").nth(1)).to_contain_text("filter 3:")
    with page.expect_download() as saved:
        page.get_by_role("button", name="Freeze").click()
    path = tmp_path / "frozen.html"
    saved.value.save_as(path)
    frozen = visit.blank(expected=[r"^file:"])
    asked = []
    frozen.on("request", lambda request: asked.append(request.url))
    frozen.goto(path.as_uri())
    expect(frozen.locator(".differing button").first).to_be_visible()
    for i in (0, 1):
        text = page.locator(".two .end > .quiet").nth(i).inner_text()
        expect(frozen.locator(".two .end > .quiet").nth(i)).to_have_text(text)
    assert [url for url in asked if not url.startswith(("data:", path.as_uri()))] == []
    # What was not looked at cannot be shown.
    frozen.get_by_role("button", name="Maps", exact=True).click()
    expect(frozen.locator(".two .end .refusal").first).to_contain_text("before the page was frozen")
