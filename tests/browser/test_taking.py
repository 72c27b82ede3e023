"""What is taken away of panels, of the report, and of frozen layers and units."""

import json
import re

import numpy as np
import pytest
from PIL import Image

import optogram as og

expect = pytest.importorskip("playwright.sync_api").expect
pytestmark = pytest.mark.once

LAYER = "conv2"


def library(explorer):
    """(network, prepared photo, maps) of an explorer."""
    net, photo = explorer.workspace.networks[0], next(iter(explorer.workspace))
    x = net.prepare(photo.source)
    return net, x, og.feature_maps(net, x, LAYER)[LAYER]


def saved(page, button, path):
    """The file that a button saves."""
    with page.expect_download() as coming:
        page.get_by_role("button", name=button, exact=True).click()
    coming.value.save_as(path / coming.value.suggested_filename)
    return path / coming.value.suggested_filename


def large(page, panel):
    page.get_by_role("button", name=f"{panel} alone and large").click()
    return page.locator(".takeaway pre").first


def arrays(file):
    found = dict(np.load(file))
    return json.loads(str(found.pop("about"))), found


def colors_in(file):
    """The number of different colors of a picture, which one of nothing has not."""
    return len(np.unique(np.asarray(Image.open(file).convert("RGB")).reshape(-1, 3), axis=0))


def test_the_maps_of_a_layer(visit, tmp_path):
    page = visit("fused", f"?view=layer&layer={LAYER}")
    _, _, maps = library(visit.explorer("fused"))
    expect(page.locator(".layer .about")).to_have_text(re.compile("6 maps"))
    expect(large(page, "Maps")).to_contain_text(f"og.feature_maps(net, 'photo', '{LAYER}')")
    expect(page.locator(".layer .beside")).to_be_hidden()
    about, found = arrays(saved(page, "Save .npz", tmp_path))
    np.testing.assert_allclose(found["values"], maps.values[0], atol=1e-5)
    assert f"'{LAYER}'" in about["python"]
    file = saved(page, "Save PNG", tmp_path)
    assert file.name == f"photo-{LAYER}-maps.png" and colors_in(file) > 50
    visit.look(page, "layer-alone")
    page.get_by_role("button", name="Show all").click()
    expect(page.locator(".layer .beside")).to_be_visible()


def test_the_panels_of_a_unit(visit, tmp_path):
    net, x, maps = library(visit.explorer("fused"))
    page = visit("fused", f"?view=unit&layer={LAYER}&filter=1&cell=2,3")
    expect(page.locator(".unit .arithmetic")).to_be_visible()
    for panel, code, name, expected in (
        ("Map and photo", "maps.matrix(1)", "map", maps.matrix(1)),
        ("Arithmetic", "og.pixel_arithmetic(net, 'photo', og.Neuron", "products", None),
    ):
        expect(large(page, panel)).to_contain_text(code)
        expect(page.locator(".panel:not([hidden])")).to_have_count(1)
        found = arrays(saved(page, "Save .npz", tmp_path))[1][name]
        if expected is not None:
            np.testing.assert_allclose(found, expected, atol=1e-5)
        assert colors_in(saved(page, "Save PNG", tmp_path)) > 20, panel
        page.go_back()
    button = page.get_by_role("button", name="What the unit causes alone and large")
    button.click()
    expect(page.locator(".takeaway")).to_have_text("Move the slider first.")
    page.get_by_text("Silence").click()
    expect(page.locator(".takeaway pre").first).to_contain_text("og.Change(scale=0.0)")
    after = og.intervene(net, x, {og.Filter(LAYER, 1): 0.0}).scores_after[0]
    found = arrays(saved(page, "Save .npz", tmp_path))[1]["scores"]
    np.testing.assert_allclose(found, after, atol=1e-5)


def test_the_patch_and_the_network(visit, tmp_path):
    page = visit("fused", "?view=patch&place=10,12")
    page.get_by_text("Take away").click()
    code = page.locator(".takeaway pre").first
    expect(code).to_contain_text("og.occlusion_probe(net, 'photo', patch=")
    page.get_by_role("button", name="Map the whole photo").click()
    expect(code).to_contain_text("og.occlusion(net, 'photo', og.Class(")
    net, x, _ = library(visit.explorer("fused"))
    about, found = arrays(saved(page, "Save .npz", tmp_path))
    winner, patch = int(net.scores(x)[0].argmax()), about["patch"]
    expected = og.occlusion(net, x, winner, patch=tuple(patch), stride=tuple(about["stride"]))
    np.testing.assert_allclose(found["values"], expected.values[0], atol=1e-5)
    assert colors_in(saved(page, "Save PNG", tmp_path)) > 50
    page.get_by_role("link", name="Network").click()
    expect(page.locator("#view > .network")).to_be_visible()
    page.get_by_text("Take away").click()
    expect(page.locator(".takeaway pre").first).to_contain_text("net.summary()")
    expect(page.locator(".network canvas").first).to_be_visible()
    assert colors_in(saved(page, "Save PNG", tmp_path)) > 20


def test_the_report_is_saved_and_opens(visit, tmp_path):
    page = visit("fused")
    explorer = visit.explorer("fused")
    net, photo = explorer.workspace.networks[0], next(iter(explorer.workspace))
    file = saved(page, "Report", tmp_path)
    expect(page.locator(".taking-said")).to_have_text("The report on this photo is saved.")
    report = visit.blank(expected=[r"^file:"])
    report.goto(file.as_uri())
    expect(report.locator("body")).to_contain_text(net.predict(photo.source)[0][0].label)
    assert report.locator("img").count() > 3
    assert report.evaluate(
        "() => [...document.images].every((one) => one.complete && one.naturalWidth > 0)"
    )


def test_frozen_layers_and_units(visit, tmp_path):
    page = visit("fused", f"?view=layer&layer={LAYER}&order=strength")
    expect(page.locator(".mosaic")).to_have_attribute("data-order", "strength")
    page.locator(".mosaic").press("Home")
    said = page.locator(".layer .here").inner_text()
    page.keyboard.press("Enter")
    expect(page.locator(".unit .arithmetic")).to_be_visible()
    expect(page.locator(".crops figure")).to_have_count(1)
    page.get_by_text("Silence").click()
    expect(page.locator(".effects")).to_have_attribute("data-mark", "0")
    effects = page.locator(".effects").inner_text()
    total = page.locator(".sum").inner_text()
    file = saved(page, "Freeze", tmp_path)

    cold = visit.blank(expected=[r"^file:"])
    asked = []
    cold.on("request", lambda request: asked.append(request.url))
    cold.goto(file.as_uri())
    expect(cold.locator(".unit .sum")).to_have_text(total, use_inner_text=True)
    expect(cold.locator(".effects")).to_have_text(effects, use_inner_text=True)
    expect(cold.locator(".crops figure")).to_have_count(1)
    large(cold, "Arithmetic")
    assert colors_in(saved(cold, "Save PNG", tmp_path)) > 20
    cold.get_by_role("button", name="Save .npz").click()
    expect(cold.locator(".takeaway .refusal")).to_contain_text("frozen page")
    cold.get_by_role("button", name="Show all").click()
    cold.get_by_role("button", name="All maps").click()
    expect(cold.locator(".mosaic")).to_have_attribute("data-order", "strength")
    cold.locator(".mosaic").press("Home")
    expect(cold.locator(".layer .here")).to_have_text(said)
    # Another filter was not looked at.
    cold.keyboard.press("ArrowRight")
    cold.keyboard.press("Enter")
    expect(cold.locator(".unit .refusal").first).to_contain_text("not looked at")
    assert [url for url in asked if not url.startswith(("data:", "blob:", file.as_uri()))] == []
