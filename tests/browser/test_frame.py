"""The explorer in a frame of a page on another host, as notebooks show it."""

import functools
import http.server
import threading

import pytest

import explored
import optogram as og
from networks import build

expect = pytest.importorskip("playwright.sync_api").expect
pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def framed():
    """An explorer that may be framed, as `og.explore` makes it in a notebook."""
    from optogram.web.explore import Explorer, workspace_of
    from optogram.web.listening import Listener

    net = og.Network(build("fused"), "unit")
    listener = Listener("127.0.0.1", 0, is_framed=True)
    workspace = workspace_of([net], explored.photos(), None, explored.BUDGET)
    with Explorer(workspace, listener, is_framed=True).start() as explorer:
        yield explorer


@pytest.fixture
def shown(visit, tmp_path):
    """``shown(html)``: a page of localhost, another site than 127.0.0.1, with ``html`` in it."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=tmp_path)
    handler.log_message = lambda *_: None
    server = http.server.ThreadingHTTPServer(("localhost", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def show(html, expected=()):
        (tmp_path / "page.html").write_text(f"<!doctype html><title>page</title>{html}")
        page = visit.blank(expected=[r"^http://localhost:", "favicon|404", *expected])
        page.goto(f"http://localhost:{server.server_address[1]}/page.html")
        return page.frame_locator("iframe")

    yield show
    server.shutdown()


def test_a_notebook_on_another_host_shows_it(framed, shown):
    frame = shown(framed._repr_html_())
    first = framed.workspace.networks[0].predict(next(iter(framed.workspace)).source)[0][0]
    expect(frame.locator("#side .bars > *").first).to_contain_text(first.label)
    picture = frame.locator(".strip img").first
    expect(picture).to_be_visible()
    expect(picture).to_have_js_property("complete", True)
    assert picture.evaluate("(one) => one.naturalWidth > 0")
    frame.get_by_role("link", name="Unit").click()
    expect(frame.locator(".unit .arithmetic")).to_be_visible()
    # A page that is loaded again has the token, and servers have not seen it.
    body = frame.locator("body")
    token = framed._frame.partition("#token=")[2]
    assert token not in body.evaluate("() => location.search + location.pathname")
    body.evaluate("() => { location.reload(); }")
    expect(frame.locator(".unit .arithmetic")).to_be_visible()


def test_a_frame_without_the_token_shows_nothing(framed, shown):
    address = framed.address.partition("?")[0]
    frame = shown(f'<iframe src="{address}"></iframe>', expected=["403", "WebSocket"])
    expect(frame.locator(".refusal").first).to_be_visible()
    expect(frame.locator(".strip img")).to_have_count(0)
