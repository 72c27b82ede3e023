"""The page of an activation atlas, opened from files."""

import io

import numpy as np
import pytest
from PIL import Image

import optogram as og
from visits import require_accessible

expect = pytest.importorskip("playwright.sync_api").expect
pytestmark = pytest.mark.once

GRIDS = (4, 16)
COLORS = np.array([[200, 20, 20], [20, 20, 200]], np.uint8)
PHOTOS = 32


@pytest.fixture(scope="module")
def made():
    """An atlas written by hand: the left half is "cat", red; the right half "dog", blue.

    A corner of each grid is empty.
    """
    cells = [
        (side, row, column)
        for side in GRIDS
        for row in range(side)
        for column in range(side)
        if row * 4 < side * 3 or column * 4 < side * 3
    ]
    grids, rows, columns = np.array(cells).T
    classes = (columns * 2 >= grids).astype(int)
    count = len(cells)
    members = np.full((count, 12), -1)
    members[:, :2] = classes[:, None] + [0, 2]
    return og.ActivationAtlas(
        values=np.ones((count, 3), np.float32),
        method="activation_atlas",
        parameters={"size": (16, 16), "fit": "stretch", "maps": (4, 4)},
        provenance={"network": "net", "optogram": "1", "backend": "none"},
        warnings=("A warning.",),
        layer="conv",
        cell_grids=grids,
        places=np.stack([rows, columns], axis=1),
        counts=np.arange(count) + 5,
        members=members,
        icons=np.broadcast_to(COLORS[classes][:, None, None], (count, 56, 56, 3)),
        classes=classes,
        contributions=np.full(count, 1.5, np.float32),
        labels=("cat", "dog"),
        layout=np.random.default_rng(0).random((PHOTOS, 2), np.float32),
        sampled=np.arange(PHOTOS),
        positions=np.full((PHOTOS, 2), 1),
        windows=np.tile([0, 0, 12, 12], (PHOTOS, 1)),
        photos=tuple(f"{'cat' if i % 2 == 0 else 'dog'} {i}" for i in range(PHOTOS)),
        opened=[np.full((16, 16, 3), 100 + 100 * (i % 2), np.uint8) for i in range(PHOTOS)],
    )


@pytest.fixture(scope="module")
def address(made, tmp_path_factory):
    return og.atlas_page(made, tmp_path_factory.mktemp("atlas")).as_uri()


@pytest.fixture
def page(browser, address):
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    page = context.new_page()
    page.wrong = []
    page.on("pageerror", lambda error: page.wrong.append(str(error)))
    page.on(
        "console",
        lambda message: page.wrong.append(message.text) if message.type == "error" else None,
    )
    page.goto(address)
    expect(page.locator("#level")).to_have_text("4×4 grid, 15 cells")
    yield page
    assert not page.wrong
    context.close()


def point(page, x, y):
    """Move the pointer to a point of the map, 0 to 1."""
    box = page.locator("canvas").bounding_box()
    side = min(box["width"], box["height"]) - 24
    at = (
        box["x"] + box["width"] / 2 + (x - 0.5) * side,
        box["y"] + box["height"] / 2 + (y - 0.5) * side,
    )
    page.mouse.move(*at)
    return at


def test_the_cell_under_the_pointer_is_told_with_its_photos(page):
    chosen = page.locator("#chosen")
    point(page, 0.1, 0.1)
    expect(chosen.locator("h2")).to_have_text("cat")
    expect(chosen).to_contain_text("5 samples. Row 1, column 1 of 4×4. Contribution")
    crops = page.locator("#crops > span")
    expect(crops).to_have_count(2)
    assert [crops.nth(i).get_attribute("aria-label") for i in (0, 1)] == ["cat 0", "cat 2"]
    point(page, 0.9, 0.3)
    expect(chosen.locator("h2")).to_have_text("dog")
    point(page, 0.9, 0.9)  # nothing is there: the last cell stays
    expect(chosen.locator("h2")).to_have_text("dog")


def test_the_wheel_zooms_to_the_finer_grid_and_a_click_holds_a_cell(page):
    at = point(page, 0.1, 0.1)
    for _ in range(12):
        page.mouse.wheel(0, -200)
    expect(page.locator("#level")).to_have_text("16×16 grid, 240 cells")
    page.mouse.move(at[0] + 1, at[1] + 1)
    chosen = page.locator("#chosen")
    expect(chosen).to_contain_text("Row 2, column 2 of 16×16")
    page.mouse.down()
    page.mouse.up()
    page.mouse.move(at[0] + 150, at[1])
    expect(chosen).to_contain_text("Row 2, column 2 of 16×16")
    page.locator("#whole").click()
    expect(page.locator("#level")).to_have_text("4×4 grid, 15 cells")


def test_the_map_is_moved_by_the_pointer(page):
    at = point(page, 0.4, 0.4)
    expect(page.locator("#chosen")).to_contain_text("Row 2, column 2")
    page.mouse.down()
    page.mouse.move(at[0] - 100, at[1] - 100)
    page.mouse.move(at[0] - 200, at[1] - 200)
    page.mouse.up()
    point(page, 0.4, 0.4)
    expect(page.locator("#chosen")).to_contain_text("Row 3, column 3")


def test_keys_choose_cells_and_zoom(page):
    page.locator("canvas").focus()
    page.keyboard.press("ArrowRight")
    chosen = page.locator("#chosen")
    expect(chosen).to_contain_text("of 4×4")
    for _ in range(4):
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("ArrowUp")
    expect(chosen).to_contain_text("Row 1, column 1 of 4×4")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    expect(chosen).to_contain_text("Row 2, column 2 of 4×4")
    for _ in range(6):
        page.keyboard.press("+")
    expect(page.locator("#level")).to_have_text("16×16 grid, 240 cells")
    page.keyboard.press("0")
    expect(page.locator("#level")).to_have_text("4×4 grid, 15 cells")


def test_the_other_classes_are_dimmed(page):
    page.locator("#only").select_option(label="dog")
    page.locator("#named").uncheck()
    left = point(page, 0.15, 0.1)
    right = point(page, 0.85, 0.1)
    page.mouse.move(5, 5)
    page.wait_for_timeout(200)
    shot = picture(page)
    assert shot[int(left[1]), int(left[0]), 1] > 150  # almost white
    np.testing.assert_allclose(shot[int(right[1]), int(right[0])], COLORS[1], atol=12)


def picture(page):
    """What the window shows, (height, width, 3)."""
    return np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("RGB")).astype(int)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_accessible_light_and_dark_and_fits_a_phone(page, scheme):
    page.emulate_media(color_scheme=scheme)
    point(page, 0.1, 0.1)
    expect(page.locator("#crops > span")).to_have_count(2)
    require_accessible(page)
    page.set_viewport_size({"width": 375, "height": 700})
    wide = page.evaluate("() => document.documentElement.scrollWidth")
    assert wide <= 375


def test_a_phone_holds_a_cell_by_a_tap(browser, address):
    context = browser.new_context(viewport={"width": 375, "height": 700}, has_touch=True)
    page = context.new_page()
    page.goto(address)
    box = page.locator("canvas").bounding_box()
    page.touchscreen.tap(box["x"] + box["width"] / 2 - 60, box["y"] + box["height"] / 2 - 60)
    expect(page.locator("#chosen h2")).to_have_text("cat")
    context.close()
