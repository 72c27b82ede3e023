"""The pictures of docs/explorer.md: each view of the embedded network, once all is there.

``pytest --full tests/browser/test_pictures.py --screenshots docs/images`` makes them anew.
"""

from pathlib import Path

import pytest

import optogram as og

expect = pytest.importorskip("playwright.sync_api").expect
pytestmark = [pytest.mark.once, pytest.mark.full]

LAYER = "block3b_depthwise_relu6"
METHODS = "methods=saliency,guided_backprop,gradcam,layercam,guided_gradcam,scorecam"
VIEWS = {
    "patch": "view=patch&place=100,70",
    "why": f"view=why&target=285-282&{METHODS}",
    "network": "view=network",
    "layer": f"view=layer&layer={LAYER}&order=strength",
    "unit": "view=unit&layer=block4c_depthwise_relu6&filter=66",
    "two": f"view=two&show=maps&layer={LAYER}&within=layer&photo2=SECOND",
}
"""Name of each picture, and the address of what it shows."""
MINUTES = 300_000
WAITING = ".progress:not(.absent)"


def test_the_documentation_shows_all_pictures():
    text = Path(__file__).parents[2].joinpath("docs", "explorer.md").read_text(encoding="utf-8")
    for name in VIEWS:
        assert f"(images/explorer-{name}.jpg)" in text


@pytest.mark.parametrize("name", VIEWS)
def test_a_picture_of_a_view(visit, request, name):
    workspace = visit.explorer("lite0").workspace
    second = workspace.add(og.datasets.sample_photo("astronaut"), "astronaut.png")
    first = next(iter(workspace))
    query = VIEWS[name].replace("SECOND", second.id)
    page = visit("lite0", f"?photo={first.id}&{query}")
    if name == "patch":
        page.get_by_role("button", name="Map the whole photo").click()
        expect(page.locator("#said")).to_have_text("The map is complete.")
    if name == "unit":
        page.locator(".screen").first.hover(position={"x": 130, "y": 138})
        page.get_by_role("button", name="In every layer").click()
        page.get_by_role("heading", name="Histogram").scroll_into_view_if_needed()
    # Answers come one after the other: all are there when none has been awaited for a while.
    for _ in range(4):
        page.wait_for_timeout(500)
        for place in page.locator(WAITING).all():
            expect(place).to_be_hidden(timeout=MINUTES)
    assert page.locator(".refusal:visible").count() == 0
    if folder := request.config.getoption("--screenshots"):
        path = Path(folder) / f"explorer-{name}.jpg"
        page.screenshot(path=path, type="jpeg", quality=85, full_page=name in ("two", "unit"))
