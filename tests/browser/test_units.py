"""Layers and units, as a person looks at them; numbers are the library's own."""

import re

import numpy as np
import pytest

import optogram as og

expect = pytest.importorskip("playwright.sync_api").expect
pytestmark = pytest.mark.once

LAYER = "conv2"


def library(explorer):
    """(network, prepared photo, maps) of an explorer."""
    net, photo = explorer.workspace.networks[0], next(iter(explorer.workspace))
    x = net.prepare(photo.source)
    return net, x, og.feature_maps(net, x, LAYER, target=int(net.scores(x)[0].argmax()))[LAYER]


def drawn(page):
    """The numbers of the filters of a layer in the order in which they are found by the keys."""
    page.locator(".mosaic").focus()
    numbers = []
    for key in ("Home", *["ArrowRight"] * 5):
        page.keyboard.press(key)
        said = page.locator(".layer .here").inner_text()
        numbers.append(int(re.match(r"Filter (\d+)", said)[1]))
    return numbers


def test_the_maps_of_a_layer_in_all_orders_and_with_a_patch(visit):
    page = visit("fused", f"?view=layer&layer={LAYER}")
    _, _, maps = library(visit.explorer("fused"))
    expect(page.locator(".layer .about")).to_have_text(re.compile("6 maps of 16×16"))
    for name, by in (("strength", "mean"), ("contrast", "variation"), ("target", "contribution")):
        page.get_by_label("Order", exact=False).select_option(name)
        expect(page.locator(".mosaic")).to_have_attribute("data-order", name)
        assert drawn(page) == maps.strongest(6, by)[0].tolist()
    box = page.locator(".layer .stage").bounding_box()
    page.mouse.move(box["x"] + 20, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + 50, box["y"] + 40)
    page.mouse.up()
    expect(page.locator(".mosaic")).to_have_attribute("data-mark", re.compile(r"\d"))
    expect(page).to_have_url(re.compile("place="))
    visit.look(page, "layer")
    page.get_by_label("Find a filter by its number").fill("3")
    page.keyboard.press("Enter")
    expect(page.locator(".unit .tools input[type=number]")).to_have_value("3")
    page.go_back()
    expect(page.locator(".mosaic")).to_be_visible()


def test_a_unit_its_arithmetic_and_what_it_causes(visit):
    net, x, maps = library(visit.explorer("fused"))
    channel = int(maps.strongest(1)[0, 0])
    page = visit("fused", f"?view=unit&layer={LAYER}&filter={channel}&cell=2,3")
    value = maps.values[0, 2, 3, channel]
    last = page.locator(".sum .map td").last
    expect(last).to_have_text(f"{value:.4g}")
    # The keyboard goes to the element on the right, and Enter asks for it.
    page.locator(".screen").nth(1).focus()
    page.keyboard.press("ArrowRight")
    top, left, bottom, right = maps.receptive_field(2, 4, size="network")
    said = f"rows {top:g}–{bottom - 1:g} and columns {left:g}–{right - 1:g}"
    expect(page.locator(".unit .here")).to_contain_text(said)
    page.keyboard.press("Enter")
    expect(last).to_have_text(f"{maps.values[0, 2, 4, channel]:.4g}")
    expect(page).to_have_url(re.compile("cell=2%2C4"))
    page.locator(".screen").first.hover(position={"x": 30, "y": 30})
    units = page.locator(".units")
    expect(units).to_have_attribute("data-mark", re.compile(r"\d"))
    y, left = map(int, units.get_attribute("data-mark").split(","))
    first = maps.strongest_at(y, left, 1, size="network")[0]
    expect(units.locator("span").first).to_have_text(f"filter {first.channel}")
    page.get_by_role("button", name="In every layer").click()
    layers = page.locator(".through .name")
    expect(layers).to_have_text(list(net.map_layers()))
    whole = og.feature_maps(net, x, layers=list(net.map_layers()))[LAYER]
    (best,) = whole.strongest_at(y, left, 1, by="z-score", size="network")
    name = page.locator(".name", has_text=re.compile(f"^{LAYER}$"))
    line = page.locator(".through li").filter(has=name)
    expect(line).to_contain_text(f"filter {best.channel}, {best.z_score:.1f} σ")
    page.get_by_text("Silence").click()
    expect(page.locator(".effects")).to_have_attribute("data-mark", "0")
    after = og.intervene(net, x, {og.Filter(LAYER, channel): 0.0}).probabilities_after[0]
    shown = page.locator(".effects .value").all_inner_texts()
    best = np.sort(after)[::-1][0]
    assert any(f"{100 * best:.3g} %" in text.split("→")[1] for text in shown)
    expect(page.locator(".crops figure")).to_have_count(1)
    visit.look(page, "unit")
    page.locator(".unit").press(".")
    expect(page.locator(".unit .tools input[type=number]")).to_have_value(str(channel + 1))


def test_a_layer_without_arithmetic_says_so(visit):
    page = visit("fused", "?view=unit&layer=pool")
    expect(page.locator(".unit .refusal")).to_contain_text("neither a two-dimensional convolution")


@pytest.mark.parametrize(("name", "layer"), [("two_inputs", "conv2"), ("segmentation", "conv1")])
def test_layers_and_units_of_other_kinds_of_networks(visit, name, layer):
    page = visit(name, f"?view=layer&layer={layer}&order=target&place=10,10")
    expect(page.locator(".mosaic")).to_have_attribute("data-mark", re.compile(r"\d"))
    page.locator(".mosaic").press("Home")
    page.locator(".mosaic").press("Enter")
    expect(page.locator(".unit .arithmetic")).to_be_visible()
    page.get_by_text("Silence").click()
    expect(page.locator(".effects")).to_have_attribute("data-mark", "0")
