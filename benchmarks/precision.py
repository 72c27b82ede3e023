"""How much faster `precision="fast"` is than "exact", and how far its maps are away, in one run.

``KERAS_BACKEND=torch python benchmarks/precision.py vgg16 resnet50v2 --photos 6``

Each round runs the same call in both precisions, one after the other; times are medians over the
rounds, on the wall and of all cores together. Normalizations of networks with seeded random weights
are set to the photo. ``--photos`` also compares maps over so many real photographs (of
scikit-image and scikit-learn): the smallest correlation, and the error that the result says beside
the one that it has.
"""

import argparse
import json
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from catalogue import set_normalizations
from occlusion import Taken, median, network, seconds
from skimage import data
from sklearn.datasets import load_sample_images

import optogram as og

PATCH, STRIDE = 16, 8
BATCH = 16
SETTINGS = {"memory": "4GB"}


def photographs(count: int) -> list[np.ndarray]:
    """Real photographs."""
    found = [data.chelsea(), data.coffee(), data.rocket(), data.astronaut()]
    return [*found, *load_sample_images().images][:count]


def tasks(net: og.Network, x: np.ndarray) -> dict[str, Callable[[str], Any]]:
    """What is timed, by name: functions of the precision."""
    batch = np.repeat(x, BATCH, axis=0)
    occluding = {"patch": PATCH, **SETTINGS}
    return {
        "scores": lambda p: net.scores(batch, "4GB", precision=p),
        "occlusion": lambda p: og.occlusion(net, x, 3, stride=STRIDE, precision=p, **occluding),
        "whole passes": lambda p: og.occlusion(
            net, x, 3, stride=2 * STRIDE, incremental=False, precision=p, **occluding
        ),
        "scorecam": lambda p: og.scorecam(net, x, 3, precision=p, **SETTINGS),
        "maximize": lambda p: og.maximize(
            net,
            og.Filter(net.default_layer, range(4)),
            "tutorial",
            steps=16,
            size=net.nominal_size,
            precision=p,
            **SETTINGS,
        ),
    }


def compare(run: Callable[[str], Any], rounds: int) -> dict[str, Any]:
    """Times of both precisions, side by side; each has run once before."""
    taken: dict[str, list[Taken]] = {"exact": [], "fast": []}
    found = {name: run(name) for name in taken}
    for _ in range(rounds):
        for name, times in taken.items():
            times.append(seconds(lambda name=name: run(name)))
    exact, fast = (median(times) for times in taken.values())
    row = {
        "exact_s": round(exact.wall, 3),
        "fast_s": round(fast.wall, 3),
        "faster": round(exact.wall / fast.wall, 2),
        "faster_in_processor_time": round(exact.processor / fast.processor, 2),
        "cores_busy": [round(one.processor / one.wall, 2) for one in (exact, fast)],
    }
    values = [np.asarray(found[name]).ravel() for name in ("exact", "fast")]
    return row | {"correlation": round(float(np.corrcoef(*values)[0, 1]), 5)}


def errors(net: og.Network, photos: list[np.ndarray]) -> list[dict[str, Any]]:
    """For each photo and method: correlation of maps, the error said and the one that is there."""
    found = []
    for number, photo in enumerate(photos):
        for method, given in (("occlusion", {"patch": PATCH, "stride": 16}), ("scorecam", {})):
            exact, fast = (
                getattr(og, method)(net, photo, precision=p, **given, **SETTINGS)
                for p in ("exact", "fast")
            )
            away = fast.values - exact.values
            found.append({
                "photo": number,
                "method": method,
                "correlation": float(np.corrcoef(exact.values.ravel(), fast.values.ravel())[0, 1]),
                "said": None if fast.rounding_error is None else float(fast.rounding_error[0]),
                "found": float(np.sqrt(np.mean(away**2))),
                "of_range": float(np.abs(away).max() / np.ptp(exact.values)),
                "warned": len(fast.warnings),
            })  # fmt: skip
    return found


def main() -> None:
    """One line of JSON for each task of each network."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("networks", nargs="+")
    parser.add_argument("--tasks", nargs="+")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--photos", type=int, default=0)
    arguments = parser.parse_args()
    for name in arguments.networks:
        net = network(name)
        x = np.asarray(net.prepare(data.chelsea()))
        if name != "efficientnet-lite0":
            set_normalizations(net.model, x)
        row = {"network": name, "backend": keras.backend.backend()}
        known = tasks(net, x)
        for task in known if arguments.tasks is None else arguments.tasks:
            made = row | {"task": task} | compare(known[task], arguments.rounds)
            print(json.dumps(made), flush=True)
        for one in errors(net, photographs(arguments.photos)):
            print(json.dumps(row | one), flush=True)


if __name__ == "__main__":
    main()
