"""A page on another origin, also one of this machine, cannot read a photo or ask a question."""

import http.server
import threading

import pytest

pytestmark = pytest.mark.once

ATTEMPTS = """async ([explorer, photo, names]) => {
    const picture = `${explorer}api/photos/${photo}/picture`;
    const question = `${explorer}api/predictions?photo=${photo}`;
    const text = async (address, how) => (await fetch(address, how)).text();
    const socket = explorer.replace("http", "ws") + "api/socket";
    const loaded = (tag, address) => new Promise((resolve, reject) => {
        const made = document.createElement(tag);
        made.onload = () => resolve("loaded");
        made.onerror = () => reject(new Error("refused"));
        made.src = address;
        document.body.append(made);
    });
    const framed = () => new Promise((resolve, reject) => {
        const frame = document.createElement("iframe");
        frame.onload = () => {
            try { resolve(frame.contentDocument.body.innerText); } catch (error) { reject(error); }
            if (!frame.contentDocument) reject(new Error("no document"));
        };
        frame.src = explorer;
        document.body.append(frame);
    });
    const attempts = {
        "photos": () => text(`${explorer}api/photos`),
        "photos with cookies": () => text(`${explorer}api/photos`, { credentials: "include" }),
        "picture": () => text(picture),
        "picture without cors": () => text(picture, { mode: "no-cors" }).then((said) => {
            if (!said) throw new Error("opaque");
            return said;
        }),
        "question": () => text(question),
        "added": () => fetch(`${explorer}api/photos`, { method: "POST", body: "photo" }),
        "removed": () => fetch(`${explorer}api/photos/${photo}`, { method: "DELETE" }),
        "image": () => loaded("img", picture),
        "script": () => loaded("script", `${explorer}page/main.js`),
        "module": () => import(`${explorer}page/wire.js`),
        "frame": framed,
        "socket": () => new Promise((resolve, reject) => {
            const opened = new WebSocket(socket);
            opened.onopen = () => resolve("opened");
            opened.onerror = () => reject(new Error("refused"));
        }),
    };
    const found = {};
    for (const name of names.length ? names : Object.keys(attempts)) {
        found[name] = await attempts[name]().then(() => "answered", () => "refused");
    }
    return found;
}"""


class Empty(http.server.BaseHTTPRequestHandler):
    """An empty page, whatever is asked for."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>another page</title><body>")

    def log_message(self, *_):
        pass


@pytest.fixture
def another():
    """The port of another server on this machine."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Empty) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_page_on_another_origin_reads_nothing(visit, another, host):
    explorer = visit.explorer("fused")
    photos = [photo.id for photo in explorer.workspace]
    page = visit.blank(expected=["."])
    page.goto(f"http://{host}:{another}/")
    found = page.evaluate(ATTEMPTS, [explorer.address, photos[0], []])
    assert found == dict.fromkeys(found, "refused")
    assert [photo.id for photo in explorer.workspace] == photos


def test_its_own_page_is_answered(visit):
    explorer = visit.explorer("fused")
    photo = next(iter(explorer.workspace)).id
    names = ["photos", "picture", "question", "image", "module", "socket"]
    found = visit("fused").evaluate(ATTEMPTS, [explorer.address, photo, names])
    assert found == dict.fromkeys(names, "answered")
