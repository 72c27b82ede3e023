"""The site's check of links, and that each attribution method has a page."""

import importlib.util
from pathlib import Path

import pytest

from optogram import methods

pytestmark = pytest.mark.once

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def check_links():
    spec = importlib.util.spec_from_file_location("check_links", ROOT / "docs" / "check_links.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_links_that_lead_nowhere_are_found(check_links, tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "index.html").write_text(
        '<a href="deep/page.html#there">1</a> <a href="deep/page.html#gone">2</a>'
        '<img src="lost.png"> <a href="https://example.org/x">3</a> <a href="#gone">4</a>'
    )
    (tmp_path / "deep" / "page.html").write_text('<p id="there"></p> <a href="../index.html">5</a>')
    seen, lost = check_links.broken(tmp_path)
    assert seen == 5
    assert lost == [
        "index.html: #gone",
        "index.html: deep/page.html#gone",
        "index.html: lost.png",
    ]


@pytest.mark.parametrize("name", methods.ATTRIBUTIONS)
def test_every_attribution_method_is_described_on_a_page(name):
    pages = {
        page.name: page.read_text(encoding="utf-8")
        for page in (ROOT / "docs" / "methods").iterdir()
    }
    guide = (ROOT / "docs" / "which_method.md").read_text(encoding="utf-8")
    its = [page for page, text in pages.items() if f"og.{name}(" in text and "og.check(" in text]
    assert any(f"methods/{page}" in guide for page in its) and f"`og.{name}`" in guide
