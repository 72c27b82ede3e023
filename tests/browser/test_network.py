"""The network view: in space and as a list."""

import re

import pytest

expect = pytest.importorskip("playwright.sync_api").expect
pytestmark = pytest.mark.once


def ready(page):
    """Wait until all maps are there."""
    page.wait_for_selector(".network .detail > *")
    page.wait_for_selector(".network .progress", state="hidden")


def names(page):
    """Names of the rows of the list, blocks and steps."""
    return page.locator(".flat [role=treeitem] .name").evaluate_all(
        "all => all.map(each => each.lastChild.textContent)"
    )


def test_a_network_in_space_is_walked_by_keys(visit):
    page = visit("branches", "?view=network")
    ready(page)
    canvas = page.locator(".space canvas")
    expect(page.locator(".labels span:text-is('▾ mixed')")).to_be_visible()
    canvas.focus()
    page.keyboard.press(".")
    page.keyboard.press(".")
    page.wait_for_url("**layer=stem%3Apre**")
    page.wait_for_selector(".labels .chosen:text-is('stem:pre')")
    fed = page.locator(".detail .links").nth(1).locator("> *")
    expect(fed).to_have_text(["Feeds", "stem"])
    page.get_by_role("button", name="stem", exact=True).click()
    page.wait_for_selector(".labels .chosen:text-is('stem')")
    expect(fed).to_have_text(["Feeds", "branch1:pre", "branch3:pre", "branch5:pre", "branch_pool"])
    page.get_by_role("button", name="branch_pool").click()
    page.wait_for_selector(".detail h2:text-is('branch_pool')")
    canvas.focus()
    page.keyboard.press(" ")
    page.wait_for_selector(".labels span:text-is('▸ mixed')")
    expect(page.locator(".labels span:text-is('branch_pool')")).to_be_hidden()
    page.go_back()
    page.wait_for_selector(".labels span:text-is('▸ mixed')", state="hidden")
    expect(page).to_have_url(re.compile(r"^(?!.*folds=).*layer=branch_pool"))
    visit.look(page, "network")


def test_the_eye_is_part_of_the_address(visit):
    page = visit("branches", "?view=network")
    ready(page)
    page.locator(".space canvas").hover()
    page.mouse.wheel(0, -300)
    page.wait_for_url("**eye=**")
    page.get_by_role("button", name="Whole network").click()
    page.wait_for_url(lambda address: "eye=" not in address)


def test_a_step_that_is_clicked_in_space_is_chosen(visit):
    page = visit("branches", "?view=network")
    ready(page)
    box = page.locator(".labels span:text-is('stem')").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] + 12)
    page.wait_for_selector(".tip:visible")
    told = page.locator(".tip").inner_text()
    page.mouse.down()
    page.mouse.up()
    expect(page.locator(".detail h2")).to_have_text(told.partition(": ")[0])


def test_the_list_says_what_each_step_reads_and_feeds(visit):
    page = visit("skips", "?view=network&look=flat")
    ready(page)
    net = visit.explorer("skips").workspace.networks[0]
    steps = [step.name for step in net.graph.steps]
    shown = names(page)
    assert [name for name in shown if name in steps] == steps
    assert [name for name in shown if name not in steps] == ["block0", "block1"]
    row = page.locator("[role=treeitem]:has(.name:text-is('block1_add'))")
    expect(row).to_contain_text("reads block0_add, block1_scale; feeds ")


def test_the_list_is_walked_by_keys(visit):
    page = visit("skips", "?view=network&look=flat")
    ready(page)
    page.locator("[role=treeitem][tabindex='0']").focus()
    focused = "document.activeElement.querySelector('.name').lastChild.textContent"
    for key, name in [
        *[("ArrowDown", "stem"), ("ArrowDown", "block0"), ("ArrowRight", "block0_norm")],
        *[("ArrowLeft", "block0"), ("ArrowLeft", "block0"), ("ArrowDown", "block1")],
        *[("Home", "input_layer"), ("p", "predictions:pre"), ("End", "predictions")],
    ]:
        page.keyboard.press(key)
        assert page.evaluate(focused).startswith(name), key
    assert "block0_norm" not in names(page)
    page.keyboard.press("Enter")
    page.wait_for_url("**layer=predictions**")
    expect(page.locator("[aria-selected=true] .name")).to_have_text("predictions")
    visit.look(page, "network-list")


def test_without_webgl_the_network_is_a_list_and_the_page_says_why(visit):
    page = visit.blank()
    page.add_init_script(
        "const get = HTMLCanvasElement.prototype.getContext;"
        "HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {"
        "  return kind.startsWith('webgl') ? null : get.call(this, kind, ...rest); };"
    )
    page.goto(visit.explorer("branches").address + "?view=network")
    ready(page)
    expect(page.locator(".network [role=note]")).to_contain_text("it has no WebGL 2")
    assert page.locator("[role=treeitem]").count() > 10


def test_a_network_without_layers_says_so(visit):
    page = visit("opaque", "?view=network")
    expect(page.locator(".network .refusal")).to_contain_text("its layers are not available")
    expect(page.locator(".network .shown")).to_be_hidden()
