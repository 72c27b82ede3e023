"""How long it takes from a pointer's move to painted bars, in the explorer's patch.

``KERAS_BACKEND=tensorflow python benchmarks/explorer.py efficientnet-lite0 vgg16``

The explorer runs in a process of its own, Chromium beside it on the same machine. ``bare`` are
calls of `og.occlusion_probe` in the explorer's process, without the explorer, at the same number of
places; ``socket`` asks for the same without a page. ``one by one`` waits for the bars before the
next move; ``drag`` moves 60 times a second, and measures from the move whose numbers are painted. A
time ends with the frame that has the bars. All once more ``while a Score-CAM runs``: the explorer
is asked for it as by its view "Why", for one class after another. Milliseconds, median and 95th
percentile.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

SIDE = 900
WATCH = """
(() => {
  const sent = new Map();
  window.painted = [];
  const place = (event) => {
    const canvas = document.querySelector(".stage canvas");
    const box = canvas.getBoundingClientRect();
    const side = parseInt(document.querySelector(".controls output").textContent);
    const corner = (at, start, length, pixels) => {
      const value = Math.max(0, Math.min(pixels, ((at - start) / length) * pixels));
      return Math.max(1 - side, Math.min(pixels - 1, Math.round(value - side / 2)));
    };
    const y = corner(event.clientY, box.top, box.height, canvas.height);
    return `${y},${corner(event.clientX, box.left, box.width, canvas.width)}`;
  };
  addEventListener("pointermove", (event) => {
    if (event.buttons) sent.set(place(event), event.timeStamp);
  }, true);
  new MutationObserver((changes) => {
    const mark = changes.map(({ target }) => target.dataset?.mark).find(Boolean);
    if (!sent.has(mark)) return;
    const from = sent.get(mark);
    sent.delete(mark);
    requestAnimationFrame(() => {
      // After this frame was painted.
      const channel = new MessageChannel();
      channel.port1.onmessage = () => window.painted.push(performance.now() - from);
      channel.port2.postMessage(null);
    });
  }).observe(document, { subtree: true, attributeFilter: ["data-mark"] });
})();
"""


def serve(name: str, moves: int) -> None:
    """The explorer's process: answers lines on standard input with lines of JSON."""
    import keras
    from websockets.sync.client import connect

    import optogram as og

    keras.utils.set_random_seed(0)
    net = og.load(name) if name == "efficientnet-lite0" else og.load(name, weights=None)
    photo = og.datasets.sample_photo("chelsea")
    explorer = og.explore(net, photo, browser=False)
    x = net.prepare(photo)
    side = round(min(x.shape[1:3]) / 7)
    probe = og.occlusion_probe(net, x, patch=side)
    address = explorer.address.replace("http", "ws") + "api/socket"
    shown = next(iter(explorer.workspace)).id
    places = np.random.default_rng(0).integers(min(x.shape[1:3]) - side, size=(moves, 2)).tolist()

    def disturb() -> None:
        with connect(address, compression=None) as socket:
            for number in range(net.head.shape[-1]):
                given = {"photo": shown, "method": "scorecam", "target": str(number)}
                socket.send(json.dumps({"ask": number, "name": "attribution", "with": given}))
                while isinstance(said := socket.recv(), str):
                    if "error" in json.loads(said):
                        raise RuntimeError(said)

    def asked() -> Iterator[float]:
        with connect(address, compression=None) as socket:
            for number, (y, left) in enumerate(places):
                given = {"photo": shown, "patch": side, "y": y, "x": left}
                began = time.perf_counter()
                socket.send(json.dumps({"ask": number, "name": "patched", "with": given}))
                socket.recv()
                yield 1000 * (time.perf_counter() - began)

    def called() -> Iterator[float]:
        for y, left in places:
            began = time.perf_counter()
            probe(y, left)
            yield 1000 * (time.perf_counter() - began)

    def say(found: Any) -> None:
        print(json.dumps(found), flush=True)

    say(explorer.address)
    for line in sys.stdin:
        if line.strip() == "bare":
            say(list(called()))
        elif line.strip() == "socket":
            say(list(asked()))
        elif line.strip() == "scorecam":
            threading.Thread(target=disturb, daemon=True).start()
            say("runs")
        else:
            os._exit(0)


class Server:
    """The explorer's process, seen from outside."""

    def __init__(self, name: str, moves: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, "--serve", name, "--moves", str(moves)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.address = self._hear()

    def ask(self, what: str) -> Any:
        """The answer to one line."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{what}\n")
        self._process.stdin.flush()
        return self._hear()

    def stop(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()

    def _hear(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())


def path(box: dict[str, float], count: int) -> list[tuple[float, float]]:
    """Points of a curve that visits the whole photo, none twice."""
    turns = np.linspace(0, 2 * np.pi, count, endpoint=False)
    return [
        (
            box["x"] + box["width"] * (0.5 + 0.4 * np.sin(5 * t + 0.3)),
            box["y"] + box["height"] * (0.5 + 0.4 * np.sin(4 * t)),
        )
        for t in turns
    ]


def moved(page: Any, moves: int, *, is_waiting: bool) -> list[float]:
    """Times of the moves whose numbers were painted; each waits for the one before, or none."""
    points = path(page.locator(".stage").bounding_box(), moves + 1)
    page.mouse.move(*points[0])
    page.mouse.down()
    page.wait_for_timeout(1000)
    page.evaluate("() => { window.painted.length = 0; }")
    for i, point in enumerate(points[1:]):
        began = time.perf_counter()
        page.mouse.move(*point)
        if is_waiting:
            page.wait_for_function("count => window.painted.length > count", arg=i)
        else:
            time.sleep(max(0, 1 / 60 - (time.perf_counter() - began)))
    page.wait_for_timeout(1000)
    found = page.evaluate("() => window.painted")
    page.mouse.up()
    return found


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("networks", nargs="*", default=["efficientnet-lite0", "vgg16"])
    parser.add_argument("--serve", metavar="NETWORK", help="be the explorer's process")
    parser.add_argument("--moves", type=int, default=200)
    asked = parser.parse_args()
    if asked.serve:
        serve(asked.serve, asked.moves)
        return
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium") or shutil.which("google-chrome"),
            args=["--no-sandbox"],
        )
        for name in asked.networks:
            server = Server(name, asked.moves)
            try:
                measure(browser, server, name, asked.moves)
            finally:
                server.stop()


def measure(browser: Any, server: Server, name: str, moves: int) -> None:
    """Measure one network, alone and beside a Score-CAM."""
    page = browser.new_page(viewport={"width": 1280, "height": SIDE})
    page.set_default_timeout(120_000)
    page.add_init_script(WATCH)
    page.goto(server.address)
    page.wait_for_selector("#side .bars li")
    page.wait_for_selector(".controls .progress.absent", state="attached")
    for when in ("alone", "while a Score-CAM runs"):
        if when != "alone":
            server.ask("scorecam")
        for what, found in (
            ("bare", server.ask("bare")),
            ("socket", server.ask("socket")),
            ("one by one", moved(page, moves, is_waiting=True)),
            ("drag", moved(page, moves, is_waiting=False)),
        ):
            median, late = np.quantile(found, [0.5, 0.95])
            load = os.getloadavg()[0]
            print(
                f"{name:20} {when:24} {what:10} {len(found):4} times  median {median:6.1f}  "
                f"p95 {late:6.1f}  load {load:.1f}",
                flush=True,
            )
    page.close()


if __name__ == "__main__":
    main()
