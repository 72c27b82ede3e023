"""Attention under the pointer, as a person looks at it; numbers are the library's own."""

import re

import numpy as np
import pytest

import optogram as og

expect = pytest.importorskip("playwright.sync_api").expect
pytestmark = pytest.mark.once


def percent(share):
    """A share as the page writes it, without its last digits."""
    return f"{100 * share:#.3g}"[:3]


def test_what_a_patch_reads_under_pointer_keys_and_touch(visit):
    page = visit("transformer", "?view=attention&attention=block0_mha")
    explorer = visit.explorer("transformer")
    net, photo = explorer.workspace.networks[0], next(iter(explorer.workspace))
    found = og.attention(net, photo.source, "block0_mha")
    here, over = page.locator(".attention .here"), page.locator(".attention .over")
    expect(here).to_contain_text(re.compile(r"The class token reads itself [\d.]+ %, patches"))
    most = found.class_token().mean(axis=0)
    row, column = np.unravel_index(most.argmax(), most.shape)
    expect(here).to_contain_text(f"row {row}, column {column}, {percent(most.max())}")
    # The row of the patch under the pointer, until it leaves.
    box = page.locator(".attention .screen").bounding_box()
    page.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 0.5 * box["height"])
    expect(over).to_have_attribute("data-query", str(1 + 4 * 1 + 2))
    mean = found.values[0].mean(axis=0)[7]
    expect(here).to_contain_text(f"Row 1, column 2 reads itself {percent(mean[7])}")
    expect(here).to_contain_text(f"the class token {percent(mean[0])}")
    page.mouse.move(0, 0)
    expect(over).to_have_attribute("data-query", "0")
    # Keys move over the patches, Enter keeps one; a head is chosen by a key.
    page.locator(".attention .screen").focus()
    page.keyboard.press("ArrowLeft")
    expect(over).to_have_attribute("data-query", str(1 + 4 * 1 + 1))
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"token=1%2C1"))
    page.keyboard.press(".")
    expect(page.locator(".heads li button").first).to_have_attribute("aria-pressed", "true")
    share = found.values[0, 0, 6, 6]
    expect(here).to_contain_text(f"Row 1, column 1 reads itself {percent(share)}")
    visit.look(page, "attention")
    page.get_by_role("button", name="Class token").click()
    expect(over).to_have_attribute("data-query", "0")
    page.keyboard.press("n")
    expect(page.get_by_label("Layer")).to_have_value("block1_mha")
    phone = visit("transformer", "?view=attention", phone=True)
    box = phone.locator(".attention .screen").bounding_box()
    phone.touchscreen.tap(box["x"] + 0.9 * box["width"], box["y"] + 0.1 * box["height"])
    expect(phone.locator(".attention .over")).to_have_attribute("data-query", str(1 + 3))
    other = visit("fused", "?view=attention")
    expect(other.get_by_role("link", name="Attention")).to_have_count(0)
