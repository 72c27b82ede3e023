"""Pages of the explorer that are open during a test, and what is expected of each."""

import re
from pathlib import Path
from urllib.parse import urlsplit

LAPTOP, PHONE = (1280, 800), (390, 844)
PATIENCE = 60_000
"""Milliseconds: a busy machine is slow, and tests assert no times."""
HERE = ("blob", "data", "about")


class Visits:
    """Opens pages; `end` closes them, and fails if one reported an error or asked another host."""

    def __init__(self, browser, explorers, screenshots):
        self._browser, self._explorers, self._screenshots = browser, explorers, screenshots
        self._contexts, self._wrong, self._expected = [], [], []

    def __call__(self, network, query="", *, phone=False, dark=False, expected=()):
        """The page of ``network`` at ``query``, once its predictions are there."""
        page = self.blank(phone=phone, dark=dark, expected=expected)
        page.goto(self._explorers(network).address + query)
        page.wait_for_selector("#side .bars > *")
        return page

    def explorer(self, network):
        """The explorer of ``network``: its workspace has the networks and photos shown."""
        return self._explorers(network)

    def blank(self, *, phone=False, dark=False, expected=()):
        """An empty page that is watched; ``expected`` are errors that it may report."""
        width, height = PHONE if phone else LAPTOP
        context = self._browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce",
            has_touch=phone,
        )
        context.set_default_timeout(PATIENCE)
        self._contexts.append(context)
        self._expected += expected
        page = context.new_page()
        page.on("console", lambda said: self._hear(said.type == "error", said.text))
        page.on("pageerror", lambda error: self._hear(True, f"{error}\n{error.stack}"))
        page.on("request", lambda asked: self._hear(_is_elsewhere(asked.url), asked.url))
        page.on("websocket", lambda opened: self._hear(_is_elsewhere(opened.url), opened.url))
        return page

    def _hear(self, is_wrong, text):
        if is_wrong and not any(re.search(each, text) for each in self._expected):
            self._wrong.append(text)

    def look(self, page, name):
        """Check that ``page`` is accessible; with ``--screenshots DIR`` write DIR/NAME-….png.

        Both are done in light and dark, on a laptop and on a phone.
        """
        for size, device in ((PHONE, "phone"), (LAPTOP, "laptop")):
            page.set_viewport_size(dict(zip(("width", "height"), size, strict=True)))
            for scheme in ("dark", "light"):
                page.emulate_media(color_scheme=scheme)
                if self._screenshots:
                    path = Path(self._screenshots) / f"{name}-{device}-{scheme}.png"
                    page.screenshot(path=path)
                if device == "laptop":
                    require_accessible(page)
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide <= size[0], f"On a {device} the page is {wide} pixels wide."

    def end(self):
        """Close all pages."""
        for context in self._contexts:
            context.close()
        assert not self._wrong, "\n".join(self._wrong)


def require_accessible(page):
    """Fail if axe finds anything serious or critical."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    serious = [
        f"{each['id']} ({each['impact']}): {each['help']}: {node['html'][:200]}"
        for each in found
        if each["impact"] in ("serious", "critical")
        for node in each["nodes"]
    ]
    assert not serious, "\n".join(serious)


def _is_elsewhere(url):
    parts = urlsplit(url)
    return parts.scheme not in HERE and parts.hostname != "127.0.0.1"
