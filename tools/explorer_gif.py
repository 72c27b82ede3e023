"""Record the README's moving picture of the explorer: ``python tools/explorer_gif.py``.

It needs the extras ``tensorflow``, ``demo``, ``explorer`` and ``test``, and Chromium. A pointer is
drawn, since a recorded page has none. Frames are taken as fast as this machine can, and shown
`FRAMES_A_SECOND` times a second: the picture says what can be done, not how fast.
"""

import argparse
import io
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from playwright.sync_api import Page, sync_playwright

import optogram as og

PLACE = Path(__file__).parents[1] / "docs" / "images" / "explorer.gif"
SECONDS = 20
FRAMES_A_SECOND = 6
WINDOW = (1280, 800)
WIDTH = 720
COLORS = 128
ANSWERED = 150
"""Milliseconds after each move in which the explorer answers."""
LAYER = "block3b_depthwise_relu6"

POINTER = """
() => {
  const pointer = document.createElement("div");
  const set = (name, value) => pointer.style.setProperty(name, value);
  for (const [name, value] of Object.entries({
    position: "fixed", width: "18px", height: "18px", "margin": "-9px 0 0 -9px",
    "border-radius": "50%", background: "#ffb000b0", border: "2px solid #000",
    "z-index": "1000", "pointer-events": "none", left: "-50px", top: "0",
  })) set(name, value);
  document.body.append(pointer);
  addEventListener("pointermove", (event) => {
    set("left", `${event.clientX}px`);
    set("top", `${event.clientY}px`);
  }, true);
}
"""

ALL_MAPS = """
() => {
  const maps = [...document.querySelectorAll(".map:not([hidden])")];
  return maps.length && maps.every((map) => map.querySelector(".scale:not([hidden])"));
}
"""

Place = tuple[float, float]


class Recording:
    """Frames of a page, while a pointer moves over it."""

    def __init__(self, page: Page) -> None:
        self.page, self.frames = page, list[Image.Image]()
        self._at: Place = (WINDOW[0] / 2, WINDOW[1] / 2)

    def hold(self, seconds: float) -> None:
        """Show the page as it is."""
        for _ in range(round(seconds * FRAMES_A_SECOND)):
            content = self.page.screenshot(type="jpeg", quality=95)
            image = Image.open(io.BytesIO(content))
            height = round(WIDTH * image.height / image.width)
            self.frames.append(image.resize((WIDTH, height), Image.Resampling.LANCZOS))

    def move(self, to: Place, seconds: float) -> None:
        """Move the pointer on a straight line."""
        count = max(1, round(seconds * FRAMES_A_SECOND))
        for part in np.linspace(0, 1, count + 1)[1:]:
            eased = part * part * (3 - 2 * part)
            x, y = (a + eased * (b - a) for a, b in zip(self._at, to, strict=True))
            self.page.mouse.move(x, y)
            self.page.wait_for_timeout(ANSWERED)
            self.hold(1 / FRAMES_A_SECOND)
        self._at = to

    def over(self, what: str, x: float = 0.5, y: float = 0.5, seconds: float = 0.5) -> None:
        """Move the pointer to a place of the first element ``what``, as fractions of its size."""
        box = self.page.locator(what).first.bounding_box()
        assert box is not None
        self.move((box["x"] + x * box["width"], box["y"] + y * box["height"]), seconds)

    def click(self, what: str, seconds: float = 0.5, at: Place | None = None) -> None:
        """Click the first element ``what`` in its middle, or ``at`` pixels from its corner."""
        if at is None:
            self.over(what, seconds=seconds)
        else:
            box = self.page.locator(what).first.bounding_box()
            assert box is not None
            self.move((box["x"] + at[0], box["y"] + at[1]), seconds)
        self.page.mouse.down()
        self.page.mouse.up()

    def save(self, path: Path) -> None:
        """Write the frames as a GIF, with one palette."""
        sheet = Image.new("RGB", (WIDTH, 8 * self.frames[0].height))
        for i, frame in enumerate(self.frames[:: max(1, len(self.frames) // 8)][:8]):
            sheet.paste(frame, (0, i * frame.height))
        palette = sheet.quantize(COLORS)
        # Without dithering, what does not change is not stored again.
        frames = [
            frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in self.frames
        ]
        pause = round(1000 / FRAMES_A_SECOND)
        frames[0].save(path, save_all=True, append_images=frames[1:], duration=pause, loop=0)


def scenes(recording: Recording) -> Iterator[str]:
    """Play all scenes; yields the name of each when it has been recorded."""
    page = recording.page
    recording.over(".stage", 0.1, 0.2, 0.3)
    page.mouse.down()
    for x, y in ((0.9, 0.25), (0.85, 0.45), (0.15, 0.4), (0.2, 0.6), (0.7, 0.65), (0.5, 0.4)):
        recording.over(".stage", x, y, 1.0)
    page.mouse.up()
    yield "patch"
    recording.click("#views a:text-is('Why')")
    page.wait_for_function(ALL_MAPS)
    recording.hold(0.7)
    recording.over(".map[data-method=gradcam] .map-stage", 0.6, 0.5, 0.7)
    recording.over(".map[data-method=gradcam] .map-stage", 0.3, 0.8, 0.7)
    yield "why"
    recording.click("#views a:text-is('Network')")
    page.wait_for_selector(".network .progress")
    page.wait_for_selector(".network .progress", state="hidden")
    recording.over(".space canvas", 0.6, 0.5, 0.5)
    page.mouse.down()
    recording.over(".space canvas", 0.45, 0.55, 1)
    page.mouse.up()
    for _ in range(3):
        page.mouse.wheel(0, -200)
        recording.hold(0.3)
    yield "network"
    recording.click("#views a:text-is('Layer')")
    box = page.get_by_label("Layer: write a part of its name")
    box.fill(LAYER)
    box.press("Enter")
    page.wait_for_selector(".mosaic[data-order]")
    page.wait_for_selector(".layer .progress", state="hidden")
    page.get_by_label("Order", exact=False).select_option("strength")
    recording.hold(1.5)
    recording.click(".mosaic", 0.5, (90, 60))
    page.wait_for_selector(".unit .panels:visible")
    yield "layer"
    recording.over(".unit .screens canvas", 0.35, 0.35, 0.7)
    recording.over(".unit .screens canvas", 0.6, 0.35, 0.7)
    recording.click("button:text-is('Silence')", 0.7)
    recording.hold(max(1.0, SECONDS - len(recording.frames) / FRAMES_A_SECOND))
    yield "unit"


def main() -> None:
    """Record, and say where the picture is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=PLACE)
    out = parser.parse_args().out
    browser_path = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
    net = og.load("efficientnet-lite0")
    photo = og.datasets.sample_photo("chelsea")
    options: dict[str, Any] = {"executable_path": browser_path, "args": ["--no-sandbox"]}
    with og.explore(net, photo, browser=False) as explorer, sync_playwright() as playwright:
        browser = playwright.chromium.launch(**options)
        page = browser.new_page(viewport={"width": WINDOW[0], "height": WINDOW[1]})
        page.set_default_timeout(180_000)
        page.goto(f"{explorer.address}?methods=saliency,guided_backprop,gradcam,layercam")
        page.wait_for_selector("#side .bars li")
        page.wait_for_selector(".controls .progress.absent", state="attached")
        page.evaluate(POINTER)
        recording = Recording(page)
        for name in scenes(recording):
            print(f"{name}: {len(recording.frames) / FRAMES_A_SECOND:.1f} s", flush=True)
        recording.save(out)
        browser.close()
    print(f"{out}: {out.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
