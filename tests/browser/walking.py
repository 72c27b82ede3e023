"""A walk through all views of one network, as a person takes it; numbers are the library's own."""

import re

import numpy as np
import pytest

import optogram as og
from visits import require_accessible

expect = pytest.importorskip("playwright.sync_api").expect


VIEWS = ("patch", "why", "network", "maps", "unit")


class Walk:
    """One network of an explorer, looked at in every view; ``layer`` is a convolution of it."""

    def __init__(self, page, explorer, number, layer):
        self.page, self.layer = page, layer
        self.net = explorer.workspace.networks[number]
        self.photo = next(iter(explorer.workspace)).source
        self.x = self.net.prepare(self.photo)

    def go(self, view):
        """Open a view by its link."""
        self.page.get_by_role("navigation").get_by_role("link", name=view, exact=True).click()
        expect(self.page.locator(f"#view > .{view.lower()}")).to_be_visible()

    def through(self, views):
        """Walk through some of `VIEWS`, in their order; the last must be accessible.

        Other tests have all views judged, of small networks: their elements are the same.
        """
        for view in views:
            getattr(self, view)()
        require_accessible(self.page)

    def patch(self):
        """Drag the patch: the bars show the probabilities, or shares, with it."""
        self.page.wait_for_selector(".controls .progress.absent", state="attached")
        self.press(self.page.locator(".stage"), 0.4, 0.6)
        bars = self.page.locator("#side .bars")
        expect(bars).to_have_attribute("data-mark", re.compile(r"\d"))
        place = [int(number) for number in bars.get_attribute("data-mark").split(",")]
        side = int(self.page.locator(".controls output").text_content().removesuffix(" px"))
        found = og.occlusion_probe(self.net, self.x, patch=side)(*place)
        self.compare(bars.locator("li:not(.absent)"), self.shares(found))

    def why(self):
        """Point at a map: its number is shown."""
        self.go("Why")
        self.page.wait_for_selector(".map[data-method=gradcam] .scale:not([hidden])")
        self.press(self.page.locator(".map[data-method=gradcam] canvas").first, 0.3, 0.4)
        index = self.page.locator(".chips [aria-pressed=true]").get_attribute("data-index")
        # The proportions of the photo, 4:5, and as many rows as the network's input.
        height = self.x.shape[1]
        values = og.gradcam(self.net, self.x, int(index)).at((height, round(1.25 * height)))
        row, column = int(0.4 * values.shape[0]), int(0.3 * values.shape[1])
        near = values[row - 1 : row + 2, column - 1 : column + 2]
        number = self.page.locator(".map[data-method=gradcam] .number")
        expect(number).to_have_text(re.compile(r"\d"))
        shown = float(number.inner_text().split()[0])
        assert np.abs(near - shown).min() <= 2e-3 * np.abs(values).max()

    def network(self):
        """Find a layer by its name: it is described, and opened."""
        self.go("Network")
        find = self.page.get_by_label("Find a layer by name")
        find.fill(self.layer)
        find.press("Enter")
        self.page.wait_for_selector(f".detail h2:text-is('{self.layer}')")
        self.page.wait_for_selector(".network .progress", state="hidden")

    def maps(self):
        """Open the layer: its maps in the order of strength, and their ranges."""
        if "view=layer" not in self.page.evaluate("location.search"):
            self.page.get_by_role("button", name="Open the layer").click()
        values = self.found.values[0]
        height, width, count = values.shape
        expect(self.page.locator(".layer .about")).to_contain_text(
            f"{count} maps of {height}×{width}"
        )
        self.page.get_by_label("Order").select_option("strength")
        mosaic = self.page.locator(".mosaic")
        # The patch came along: its maps come later than those without it.
        self.page.get_by_role("button", name="Lift the patch").click()
        expect(mosaic).to_have_attribute("data-mark", "")
        expect(mosaic).to_have_attribute("data-order", "strength")
        mosaic.press("Home")
        best = int(self.found.strongest(1)[0, 0])
        expect(self.page.locator(".layer .here")).to_contain_text(f"Filter {best}, row 0, column 0")
        low, high = (
            float(number)
            for number in re.search(
                r"range: (\S+) to (\S+?)\.$", self.page.locator(".layer .here").inner_text()
            ).groups()
        )
        expected = [values[..., best].min(), values[..., best].max()]
        np.testing.assert_allclose([low, high], expected, rtol=1e-3, atol=1e-6)

    def unit(self):
        """Open a filter: its highest element is computed as the library does; silence it."""
        best = int(self.found.strongest(1)[0, 0])
        self.page.locator(".mosaic").press("Enter")
        last = self.page.locator(".sum .map td").last
        highest = float(self.found.values[0, ..., best].max())
        expect(last).to_have_text(re.compile(r"\d"))
        np.testing.assert_allclose(float(last.inner_text()), highest, rtol=1e-3)
        self.page.get_by_role("button", name="Silence").click()
        bars = self.page.locator("#side .bars")
        expect(bars).to_have_attribute("data-mark", "×0")
        change = {og.Filter(self.layer, best): 0.0}
        probabilities = og.intervene(self.net, self.x, change).probabilities_after[0]
        self.compare(bars.locator("li:not(.absent)"), self.shares(probabilities))

    @property
    def found(self):
        """The maps of the layer."""
        return og.feature_maps(self.net, self.x, self.layer)[self.layer]

    def shares(self, found):
        """Percent of each class: probabilities, or where it is the best of a map's places."""
        if found.ndim == 1:
            return 100 * found
        winners = found.argmax(-1).ravel()
        return 100 * np.bincount(winners, minlength=found.shape[-1]) / winners.size

    def press(self, place, x, y):
        """Press and let go at a place of an element, given as fractions."""
        place.scroll_into_view_if_needed()
        box = place.bounding_box()
        self.page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
        self.page.mouse.down()
        self.page.mouse.up()

    def compare(self, bars, expected):
        """The values of the bars are the numbers expected, in percent."""
        names = bars.locator(".name").all_text_contents()
        assert names
        values = bars.locator(".value").all_text_contents()
        shown = [float(value.removesuffix(" %")) for value in values]
        wanted = [expected[self.net.class_index(name)] for name in names]
        np.testing.assert_allclose(shown, wanted, rtol=6e-3, atol=6e-3)
