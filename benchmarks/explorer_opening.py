"""How soon the explorer is there, and its first pictures.

``KERAS_BACKEND=tensorflow python benchmarks/explorer_opening.py``

``server`` is the time from the start of ``optogram explore``, in a new process, until its page is
delivered; ``first picture`` from there until Chromium has painted photo and predictions. Then VGG16
with seeded weights: the 512 maps of a layer of a photo, at first, of another photo, of another
layer, and again; from the click or key until the mosaic is painted. ``one forward pass`` is of one
image, in the explorer's process, for comparison with other machines. Milliseconds.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

LAYER = "block4_conv2"

PAINTED = """
(mark) => new Promise((resolve) => {
  const look = () => {
    if (document.querySelector(mark)) {
      const channel = new MessageChannel();
      channel.port1.onmessage = () => resolve(null);
      requestAnimationFrame(() => channel.port2.postMessage(null));
    } else setTimeout(look, 2);
  };
  look();
})
"""

NEXT = """
() => {
  const names = [...document.querySelectorAll("#layer-names option")].map((each) => each.value);
  return names[names.indexOf("block4_conv2") + 1];
}
"""


@contextmanager
def served(*arguments: str) -> Iterator[tuple[str, float]]:
    """(address, seconds until its page is delivered) of an explorer in a process of its own."""
    began = time.perf_counter()
    process = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        address = process.stdout.readline().strip()
        urllib.request.urlopen(address).read()
        yield address, time.perf_counter() - began
    finally:
        process.terminate()
        process.wait()


def told(what: str, seconds: float, file: Any = None) -> None:
    """Print one time."""
    load = os.getloadavg()[0]
    print(f"{what:32} {1000 * seconds:8.0f} ms  load {load:.1f}", file=file, flush=True)


def taken(do: Callable[[], Any]) -> float:
    """Seconds that ``do()`` takes."""
    began = time.perf_counter()
    do()
    return time.perf_counter() - began


def vgg16() -> None:
    """The explorer of VGG16 with two photos; one line of standard input: one forward pass."""
    import keras

    import optogram as og

    keras.utils.set_random_seed(0)
    net = og.load("vgg16", weights=None)
    photos = [og.datasets.sample_photo(name) for name in ("chelsea", "coffee")]
    explorer = og.explore(net, photos, browser=False)
    x = net.prepare(photos[0])
    net.scores(x)
    forward = min(taken(lambda: net.scores(x)) for _ in range(5))
    told("one forward pass", forward, file=sys.stderr)
    print(explorer.address, flush=True)
    time.sleep(3600)


def maps(page: Any) -> None:
    """Open the maps of layers; the explorer knows two photos."""
    first, second = page.locator("[data-photo]").evaluate_all(
        "all => all.map(each => each.dataset.photo)"
    )

    def opened(what: str, photo: str, layer: str, do: Callable[[], Any]) -> None:
        mark = f".mosaic[data-shown='{photo} {layer}']"
        told(f"512 maps, {what}", taken(lambda: (do(), page.evaluate(PAINTED, mark))))

    opened("at first", first, LAYER, lambda: page.click("#views a:text-is('Layer')"))
    page.locator(".mosaic").focus()
    opened("another layer", first, page.evaluate(NEXT), lambda: page.keyboard.press("n"))
    opened("again", first, LAYER, lambda: page.keyboard.press("p"))
    opened("another photo", second, LAYER, lambda: page.click(f"[data-photo='{second}']"))
    opened("back", first, LAYER, lambda: page.click(f"[data-photo='{first}']"))


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vgg16", action="store_true", help="be the explorer of VGG16")
    parser.add_argument("--repeats", type=int, default=3)
    asked = parser.parse_args()
    if asked.vgg16:
        vgg16()
        return
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium") or shutil.which("google-chrome"),
            args=["--no-sandbox"],
        )
        for _ in range(asked.repeats):
            with served("-m", "optogram", "explore", "--no-browser") as (address, seconds):
                told("server", seconds)
                page = browser.new_page(viewport={"width": 1280, "height": 900})
                page.set_default_timeout(120_000)
                began = time.perf_counter()
                page.goto(address)
                page.evaluate(PAINTED, "#side .bars li")
                page.evaluate(PAINTED, ".stage canvas")
                told("first picture", time.perf_counter() - began)
                page.close()
        with served(__file__, "--vgg16") as (address, _):
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            page.set_default_timeout(120_000)
            page.goto(f"{address}?layer={LAYER}")
            page.wait_for_selector("#side .bars li")
            page.wait_for_selector(".controls .progress.absent", state="attached")
            maps(page)
        browser.close()


if __name__ == "__main__":
    main()
