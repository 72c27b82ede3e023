"""How long short questions take beside long work, and how much two threads do together.

    KERAS_BACKEND=jax python benchmarks/callers.py

VGG16 has random weights here: times are those of trained ones. Every figure is a ratio of times
taken turn about, so that what else the machine does weighs on both alike.
"""

import os
import statistics
import threading
import time

import keras
import numpy as np

import optogram as og

SIDE = int(os.environ.get("SIDE", "224"))
PAIRS = int(os.environ.get("PAIRS", "3"))
SECONDS = float(os.environ.get("SECONDS", "8"))


class StopError(Exception):
    """Ends long work through its ``progress``."""


class Long:
    """Score-CAM over and over in a thread, until it is stopped."""

    def __init__(self, net, image):
        self.net, self.image = net, image
        self.is_over, self.batches, self.begun = threading.Event(), 0, threading.Event()
        self.thread = threading.Thread(target=self.work)

    def work(self):
        """What the thread does."""

        def progress(done, total, what):
            self.batches += 1
            self.begun.set()
            if self.is_over.is_set():
                raise StopError

        try:
            while True:
                og.scorecam(self.net, self.image, progress=progress)
        except StopError:
            pass

    def __enter__(self):
        self.thread.start()
        self.begun.wait()
        return self

    def __exit__(self, *error):
        begun = time.perf_counter()
        self.is_over.set()
        self.thread.join()
        self.stopped_after = time.perf_counter() - begun


def asked(probe, seconds, pause=0.0):
    """How long each question took, one after the other for so many seconds."""
    generator, times, begun = np.random.default_rng(0), [], time.perf_counter()
    while time.perf_counter() - begun < seconds:
        y, x = generator.integers(0, SIDE - 32, 2)
        start = time.perf_counter()
        probe(int(y), int(x))
        times.append(time.perf_counter() - start)
        time.sleep(pause)
    return times


def line(name, times):
    """Print how many times there are, their median and their 95th percentile."""
    p95 = np.percentile(times, 95)
    print(f"{name:34} {len(times):5} {statistics.median(times):8.3f} s {p95:8.3f} s", flush=True)
    return statistics.median(times), p95


def main():
    """Compare a patch alone with one beside Score-CAM."""
    keras.utils.set_random_seed(0)
    net = og.Network(keras.applications.VGG16(weights=None, input_shape=(SIDE, SIDE, 3)), "caffe")
    image = np.random.default_rng(1).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    probe = og.occlusion_probe(net, image, patch=32)
    net.predict(image)
    print(f"{keras.backend.backend()}, VGG16 at {SIDE}: questions, median, 95 %", flush=True)
    found: dict[str, list[float]] = {"alone": [], "beside": [], "dragged": []}
    for _ in range(PAIRS):
        found["alone"] += asked(probe, SECONDS / 2)
        with Long(net, image) as long:
            before = long.batches
            begun = time.perf_counter()
            found["beside"] += asked(probe, SECONDS)
            found["dragged"] += asked(probe, SECONDS, 0.5)
            spent, done = time.perf_counter() - begun, long.batches - before
        print(
            f"  Score-CAM: {done} batches in {spent:.1f} s, stopped in {long.stopped_after:.1f} s"
        )
    alone = line("a patch alone", found["alone"])
    for name in ("beside", "dragged"):
        beside = line(f"a patch {name} Score-CAM", found[name])
        print(f"   times alone: {beside[0] / alone[0]:.2f}, {beside[1] / alone[1]:.2f}")


if __name__ == "__main__":
    main()
