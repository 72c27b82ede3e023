"""The explorer in Debian's Chromium, beside the tests that use it.

``visit("lite0", "?view=layer")`` opens the explorer of a network. When the test ends, it fails if
the page reported an error or asked another host. ``--screenshots DIR`` writes pictures.
"""

import os
import shutil

import pytest

import explored
from visits import PATIENCE, Visits

# Everything stays on this machine; WebGL is computed on the processor.
OPTIONS = (
    "--no-sandbox",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)


# Of each file: Playwright's event loop stays in this thread, where other files run their own.
@pytest.fixture(scope="module")
def browser():
    """Chromium; tests are skipped where there is none, unless ``OPTOGRAM_CHROMIUM`` names one."""
    named = os.environ.get("OPTOGRAM_CHROMIUM")
    names = [named] if named else ["chromium", "chromium-browser", "google-chrome"]
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None and named:
        pytest.fail(f"There is no browser at OPTOGRAM_CHROMIUM={named}.")
    if found is None:
        pytest.skip(f"There is no browser: none of {', '.join(names)} is on the PATH.")
    playwright = pytest.importorskip("playwright.sync_api")
    playwright.expect.set_options(timeout=PATIENCE)
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=found, args=list(OPTIONS))
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def explorers():
    """``explorers(name)``: the running explorer of a network of explored.py, kept for all tests."""
    running = {}

    def explorer(name):
        if name not in running:
            running[name] = explored.explorer(name)
        return running[name]

    yield explorer
    for each in running.values():
        each.stop()


@pytest.fixture
def visit(request, browser, explorers):
    """``visit(network, query="", *, phone=False, dark=False, expected=())``: an open page.

    ``expected`` are regular expressions of the errors that the browser may report.
    """
    visits = Visits(browser, explorers, request.config.getoption("--screenshots"))
    yield visits
    visits.end()
