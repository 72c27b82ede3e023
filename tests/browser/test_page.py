"""The frame of the explorer's page: photos, predictions, the address, errors."""

import numpy as np
import pytest

from explored import photos, png
from visits import Visits, require_accessible

expect = pytest.importorskip("playwright.sync_api").expect
pytestmark = pytest.mark.once


def expected_names(explorer, number=0):
    net = explorer.workspace.networks[0]
    photo = list(explorer.workspace)[number]
    return [each.label for each in net.predict(photo.source, top=5)[0]]


@pytest.mark.each_backend
def test_predictions_of_the_photo_are_shown(visit):
    names = visit("fused").locator("#side .bars .name")
    expect(names).to_have_text(expected_names(visit.explorer("fused")))


def test_another_photo_and_the_way_back(visit):
    page = visit("fused")
    names = page.locator("#side .bars .name")
    page.locator("#side .strip button").nth(1).click()
    expect(names).to_have_text(expected_names(visit.explorer("fused"), 1))
    page.go_back()
    expect(names).to_have_text(expected_names(visit.explorer("fused")))


def test_a_photo_is_added_and_a_file_that_is_none_is_refused_in_a_sentence(visit):
    page = visit("skips", expected=["status of 422"])
    name = "<img src=x onerror=alert(1)>.png"
    page.set_input_files(
        "input[type=file]", {"name": name, "mimeType": "image/png", "buffer": photos(48)[0]}
    )
    expect(page.locator("#side .strip li")).to_have_count(3)
    expect(page.locator("#side .strip img").last).to_have_attribute("alt", name)
    page.set_input_files(
        "input[type=file]", {"name": "a.png", "mimeType": "image/png", "buffer": b"no photo"}
    )
    expect(page.locator("#side .refusal")).to_contain_text("can be read")
    expect(page.locator("#side .strip li")).to_have_count(3)


@pytest.mark.parametrize("name", ["binary", "regression", "segmentation", "two_inputs"])
def test_other_kinds_of_networks(visit, name):
    page = visit(name)
    assert page.locator("#side .bars > *").count()
    require_accessible(page)


def test_it_is_accessible_and_fits_the_screen(visit):
    visit.look(visit("fashion"), "page")


def test_what_the_tests_are_to_find_is_found(browser, explorers):
    """An error, a request elsewhere, and text without contrast each fail a test."""
    visits = Visits(browser, explorers, None)
    page = visits("fused")
    page.evaluate("console.error('broken')")
    page.evaluate("fetch('http://example.com/').catch(() => 0)")
    page.evaluate("setTimeout(() => { throw new Error('thrown') })")
    page.evaluate("document.querySelector('h1').style.setProperty('color', '#ccc')")
    with pytest.raises(AssertionError, match="color-contrast"):
        require_accessible(page)
    with pytest.raises(AssertionError) as failed:
        visits.end()
    for said in ("broken", "example.com", "thrown"):
        assert said in str(failed.value)


def test_packed_answers_are_read_by_the_page(visit):
    from optogram.web.packing import Answer, packed, scaled

    values = np.random.default_rng(0).normal(size=(3, 4, 5)).astype("float32")
    values[0, 0, :2] = np.nan, np.inf
    halves = np.array([0, -0.0, 1, -2.5, 65504, 6e-8, 1e-5, np.inf, -np.inf, np.nan], "float16")
    content = packed(
        Answer(
            {"name": "größte", "nothing": float("nan")},
            {
                "halves": halves,
                "bytes": np.arange(5, dtype=np.uint8),
                "whole": np.array([[-7, 1 << 30]], np.int32),
                "floats": values,
                "each": scaled(values[1:], each=True),
                "all": scaled(values[1:]),
                "empty": np.zeros((0, 3), np.float32),
            },
        )
    )
    page = visit("fused")
    found = page.evaluate(
        """async (bytes) => {
            const { unpacked, unscaled } = await import("/page/wire.js");
            const { arrays, ...about } = unpacked(new Uint8Array(bytes).buffer);
            const read = Object.entries(arrays).map(([name, array]) =>
                [name, { shape: array.shape, numbers: [...unscaled(array)].map(String) }]);
            return { about, arrays: Object.fromEntries(read) };
        }""",
        list(content),
    )
    assert found["about"]["name"] == "größte" and found["about"]["nothing"] is None
    expected = {
        "halves": (halves, 0),
        "bytes": (np.arange(5), 0),
        "whole": (np.array([[-7, 1 << 30]]), 0),
        "floats": (values, 0),
        "each": (values[1:], np.ptp(values[1:], axis=(1, 2)).max() / 255),
        "all": (values[1:], np.ptp(values[1:]) / 255),
        "empty": (np.zeros((0, 3)), 0),
    }
    assert found["arrays"].keys() == expected.keys()
    for name, (numbers, tolerance) in expected.items():
        read = found["arrays"][name]
        assert tuple(read["shape"]) == numbers.shape
        back = np.array([float(each.replace("Infinity", "inf")) for each in read["numbers"]])
        np.testing.assert_allclose(back.reshape(numbers.shape), numbers, atol=tolerance)


def test_a_photo_of_28_pixels_stays_sharp(visit):
    page = visit("fashion")
    pixels = np.random.default_rng(1).integers(256, size=(28, 28), dtype=np.uint8)
    page.set_input_files(
        "input[type=file]",
        {"name": "noise.png", "mimeType": "image/png", "buffer": png(pixels)},
    )
    page.wait_for_selector("#side .strip img[alt='noise.png']")
    shown = page.evaluate(
        """async () => {
            const image = document.querySelector("#side .strip img[alt='noise.png']");
            image.loading = "eager";
            await image.decode();
            const canvas = new OffscreenCanvas(28, 28);
            const context = canvas.getContext("2d");
            context.drawImage(image, 0, 0);
            return [...context.getImageData(0, 0, 28, 28).data].filter((_, i) => i % 4 === 0);
        }"""
    )
    assert shown == pixels.ravel().tolist()
