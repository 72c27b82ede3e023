"""Script time of a frame while flying through a network of 1000 steps in the explorer.

``python benchmarks/explorer_frames.py`` builds the network, opens the explorer's network view in
Chromium, unfolds all blocks, and flies along it. Measured is the time in the callbacks of
``requestAnimationFrame``, without what the browser and the graphics card do afterwards. With
WebGL computed on the processor, the calls into WebGL wait for it: they are timed and listed apart.
The window is small, so that more frames are drawn in the time.
"""

import os
import shutil

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import numpy as np
from keras import layers
from playwright.sync_api import Page, sync_playwright

import optogram as og

BLOCKS = 166
SECONDS = 15
OPTIONS = [
    *["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader"],
    *["--enable-unsafe-swiftshader"],
]
TIMED = """
window.frames_ = [];
const ask = window.requestAnimationFrame.bind(window);
window.requestAnimationFrame = (call) => ask((now) => {
  window.inWebGL = 0;
  const start = performance.now();
  call(now);
  window.frames_.push([performance.now() - start, window.inWebGL]);
});
const prototype = WebGL2RenderingContext.prototype;
for (const name of Object.getOwnPropertyNames(prototype)) {
  const descriptor = Object.getOwnPropertyDescriptor(prototype, name);
  if (typeof descriptor.value !== "function") continue;
  prototype[name] = function (...given) {
    const start = performance.now();
    const made = descriptor.value.apply(this, given);
    window.inWebGL += performance.now() - start;
    return made;
  };
}
"""


def network() -> og.Network:
    """Residual blocks with skips: 1001 steps."""
    x = image = keras.Input((32, 32, 3))
    x = layers.Conv2D(8, 3, padding="same", name="stem")(x)
    for i in range(BLOCKS):
        y = layers.BatchNormalization(name=f"block{i}_norm")(x)
        y = layers.ReLU(name=f"block{i}_relu1")(y)
        y = layers.Conv2D(8, 1, name=f"block{i}_conv1")(y)
        y = layers.ReLU(name=f"block{i}_relu2")(y)
        y = layers.DepthwiseConv2D(3, padding="same", name=f"block{i}_conv2")(y)
        x = layers.Add(name=f"block{i}_add")([x, y])
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    return og.Network(keras.Model(image, layers.Dense(5, activation="softmax")(x)), "unit")


def flown(page: Page, keys: list[str]) -> np.ndarray:
    """(frames, 2): milliseconds in a frame, and those of them in WebGL, with ``keys`` held."""
    page.evaluate("window.frames_.length = 0")
    for key in keys:
        page.keyboard.down(key)
    page.wait_for_timeout(1000 * SECONDS)
    for key in keys:
        page.keyboard.up(key)
    return np.array(page.evaluate("window.frames_"))


def main() -> None:
    """Print the times."""
    net = network()
    explorer = og.explore(net, browser=False)
    with sync_playwright() as running:
        path = os.environ.get("OPTOGRAM_CHROMIUM") or shutil.which("chromium")
        browser = running.chromium.launch(executable_path=path, args=OPTIONS)
        page = browser.new_page(viewport={"width": 800, "height": 560})
        page.set_default_timeout(120_000)
        page.add_init_script(TIMED)
        page.goto(explorer.address + "?view=network&folds=all")
        page.wait_for_selector(".network .detail > *")
        page.wait_for_selector(".network .progress", state="hidden")
        page.wait_for_timeout(2000)
        page.locator(".space canvas").focus()
        print(f"{len(net.graph.steps)} steps; script time of a frame in milliseconds")
        for what, keys in [("fly", ["w", "d"]), ("fly and turn", ["w", "ArrowLeft"])]:
            times = flown(page, keys)
            for name, part in (("all", times[:, 0]), ("without WebGL", times[:, 0] - times[:, 1])):
                low, high = np.percentile(part, [50, 95])
                print(f"{what:13} {name:14} median {low:5.2f}  p95 {high:5.2f}  of {len(part)}")
        browser.close()
    explorer.stop()


if __name__ == "__main__":
    main()
