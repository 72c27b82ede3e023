"""How the time of a method grows with what it is asked: optogram alone, on one backend.

``python -m benchmarks.comparison.growth NETWORK FOLDER`` prints a line of JSON for each point.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from . import networks

ROUNDS = 3


def points(net: Any, given: Any) -> Iterator[tuple[str, str, int, Callable[[], Any]]]:
    """Method, what grows, how much of it, and the call."""
    import optogram as og

    photos, label, layer = given.photos, given.label, given.layer
    one = photos[:1]
    any_size = takes_any_size()
    for side in (112, 160, 224, 320, 448):
        x = np.asarray(any_size.prepare(og.datasets.sample_photo("chelsea"), size=(side, side)))
        yield "gradcam", "side", side, lambda x=x: og.gradcam(any_size, x, 3)
        yield "saliency", "side", side, lambda x=x: og.saliency(any_size, x, 3)
    for count in (1, 4, 16, 64):
        x = np.concatenate([photos] * 8)[:count]
        yield "gradcam", "photos", count, lambda x=x: og.gradcam(net, x, [label] * len(x), layer)
        yield "saliency", "photos", count, lambda x=x: og.saliency(net, x, [label] * len(x))
    for count in (1, 4, 16, 64):
        labels = list(range(count))
        yield "gradcam", "classes", count, lambda n=labels: og.gradcam(net, one, n, layer)
        yield "saliency", "classes", count, lambda n=labels: og.saliency(net, one, n)
    for stride in (32, 16, 8):
        count = ((224 - 16) // stride + 1) ** 2
        options = {"patch": 16, "stride": stride}
        yield "occlusion", "positions", count, lambda o=options: og.occlusion(net, one, label, **o)
    for count in (1, 4, 16):
        asked = {"target": og.Filter(layer, range(count)), "recipe": "tutorial", "steps": 16}
        asked["size"] = (224, 224)
        yield "maximize", "filters", count, lambda a=asked: og.maximize(net, **a)
    for count in (64, 256, 1024):
        options = {"masks": count, "tolerance": 0}
        yield "rise", "masks", count, lambda o=options: og.rise(net, one, label, **o)


def takes_any_size() -> Any:
    """MobileNetV2, which takes images of any size, with random weights."""
    import keras

    import optogram as og

    options = {"weights": None, "include_top": False, "pooling": "avg"}
    base = keras.applications.MobileNetV2(input_shape=(None, None, 3), **options)
    answer = keras.layers.Dense(10, activation="softmax")(base.output)
    return og.Network(keras.Model(base.input, answer), "tf")


def main() -> None:
    """Time each point: once to compile it, then the median of three."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("network")
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    import keras

    given = networks.read(arguments.network, arguments.folder)
    net = networks.opened(arguments.network)
    net.model.set_weights(given.weights)
    for method, grows, amount, run in points(net, given):
        run()
        wall, processor = [], []
        for _ in range(ROUNDS):
            start, busy = time.perf_counter(), time.process_time()
            run()
            wall.append(round(time.perf_counter() - start, 4))
            processor.append(round(time.process_time() - busy, 4))
        row = {"network": arguments.network, "backend": keras.config.backend(), "method": method}
        row |= {"grows": grows, "amount": amount, "wall": wall, "processor": processor}
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
