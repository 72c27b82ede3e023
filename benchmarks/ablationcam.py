"""Ablation-CAM against as many whole forward passes, side by side; its peak memory.

``python benchmarks/ablationcam.py`` explains a photo by VGG16 at ``block5_conv3``, 512 maps, and
runs 512 whole forward passes. Medians; ratios hold for the machine, times do not. Peak memory is
what the process takes more than before, under ``memory="1GB"``.
"""

import argparse
import statistics
import sys
import threading
import time

import keras
import numpy as np
import psutil

import optogram as og

LAYER = "block5_conv3"


class Peak:
    """The largest resident memory of the process during a block, less that before it, in bytes."""

    def __enter__(self):
        self._process, self._stop = psutil.Process(), threading.Event()
        self.before = self.highest = self._process.memory_info().rss
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()
        self.taken = self.highest - self.before

    def _watch(self):
        while not self._stop.wait(0.005):
            self.highest = max(self.highest, self._process.memory_info().rss)


def seconds(function):
    """How long a call takes."""
    begun = time.perf_counter()
    function()
    return time.perf_counter() - begun


def main():
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--maps", type=int, default=512, help="maps that whole passes stand for")
    asked = parser.parse_args()
    keras.utils.set_random_seed(0)
    net = og.load("vgg16", weights=None)
    x = np.asarray(net.prepare([og.datasets.sample_photo("chelsea")]))
    few = np.repeat(x, 16, axis=0)
    explain = lambda: og.ablationcam(net, x, 1, LAYER, memory="1GB")  # noqa: E731

    def whole():
        for _ in range(0, asked.maps, len(few)):
            net.scores(few, memory="2GB")

    with Peak() as peak:
        first = seconds(explain)
    net.scores(few, memory="2GB")  # compiled before it is timed
    times = [(seconds(explain), seconds(whole)) for _ in range(asked.rounds)]
    own, passes = (statistics.median(column) for column in zip(*times, strict=True))
    passes *= 512 / asked.maps
    print(f"{keras.config.backend()}, VGG16 at {LAYER}, 512 maps")
    print(f"first call {first:.1f} s, later {own:.1f} s; 512 whole passes {passes:.1f} s")
    print(f"ratio: {passes / own:.1f}")
    taken, before = peak.taken / 1e9, peak.before / 1e9
    print(f"peak memory of the first call: {taken:.2f} GB, on top of {before:.2f} GB")


if __name__ == "__main__":
    sys.exit(main())
