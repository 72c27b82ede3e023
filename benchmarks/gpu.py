"""How near methods come to a card's rate of convolutions, and what energy a map takes.

``KERAS_BACKEND=torch python benchmarks/gpu.py vgg16 resnet50v2 efficientnet-lite0``

The rate is that of one convolution (3×3, 256 to 256 channels, 56×56), in float32 and in bfloat16.
For each network, method and precision there is a line of JSON: seconds of a call (the median of the
rounds, after one that compiles), forward passes of an image a second, the share of the rate that
their operations make up, and the energy of a call in W·s, from what nvidia-smi says of the power.
A backward pass counts as two forward passes; that of Grad-CAM, which ends at the last layer, as
none. Occlusion counts as whole passes, so that its share may be above 1. Without a card it runs on
the processor, without energy.
"""

import argparse
import contextlib
import json
import statistics
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
from catalogue import set_normalizations
from occlusion import network
from skimage import data

import optogram as og
from optogram.backend import current

SIDE, CHANNELS = 56, 256
PATCH = 16
SMI = ["nvidia-smi", "--query-gpu=power.draw", "--format=csv,noheader,nounits", "-lms", "100"]


def rate(dtype: str, batch: int) -> float:
    """Operations a second of one convolution."""
    backend = current()
    kernel = keras.ops.cast(np.full((3, 3, CHANNELS, CHANNELS), 1e-3, np.float32), dtype)

    def repeated(x: Any) -> Any:
        x = keras.ops.cast(x, dtype)
        for _ in range(8):
            x = keras.ops.conv(x, kernel, padding="same")
        return keras.ops.cast(x[:, 0, 0, 0], "float32")

    program = backend.compile(repeated, [])
    x = backend.to_tensor(np.full((batch, SIDE, SIDE, CHANNELS), 0.5, np.float32))
    backend.to_array(program(x))
    taken = []
    for _ in range(5):
        start = time.perf_counter()
        backend.to_array(program(x))
        taken.append(time.perf_counter() - start)
    return 8 * 2 * 9 * CHANNELS**2 * SIDE**2 * batch / min(taken)


@contextlib.contextmanager
def powers() -> Iterator[list[float]]:
    """The power of the card in W while the block runs; empty without nvidia-smi."""
    found: list[float] = []
    try:
        process = subprocess.Popen(SMI, stdout=subprocess.PIPE, text=True)
    except OSError:
        yield found
        return

    def read() -> None:
        for line in process.stdout or ():
            with contextlib.suppress(ValueError):
                found.append(float(line))

    threading.Thread(target=read, daemon=True).start()
    try:
        yield found
    finally:
        process.terminate()


def tasks(net: og.Network, batch: int) -> dict[str, tuple[Callable[[str], Any], float]]:
    """By name: the function of the precision, and the forward passes of an image that it makes."""
    x = np.asarray(net.prepare(data.chelsea()))
    many = np.repeat(x, batch, axis=0)
    channels = net[net.default_layer].output_shape[-1]
    height, width = net.nominal_size
    positions = ((height - PATCH) // 8 + 1) * ((width - PATCH) // 8 + 1)
    target = og.Filter(net.default_layer, range(batch))
    plain = {"patch": PATCH, "stride": 8, "incremental": False}
    return {
        "scores": (lambda p: net.scores(many, precision=p), batch),
        "gradcam": (lambda p: og.gradcam(net, many, 3), batch),
        "saliency": (lambda p: og.saliency(net, many, 3), 3 * batch),
        "scorecam": (lambda p: og.scorecam(net, x, 3, precision=p), channels + 3),
        "occlusion, whole passes": (
            lambda p: og.occlusion(net, x, 3, precision=p, **plain),
            positions + 1,
        ),
        "occlusion": (
            lambda p: og.occlusion(net, x, 3, patch=PATCH, stride=8, precision=p),
            positions + 1,
        ),
        "maximize": (
            lambda p: og.maximize(
                net, target, "tutorial", steps=32, size=net.nominal_size, precision=p
            ),
            3 * 32 * batch,
        ),
    }


def main() -> None:
    """Print the rates, then a line for each network, method and precision."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("networks", nargs="+")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tasks", nargs="+")
    arguments = parser.parse_args()
    rates = {
        precision: rate(dtype, arguments.batch)
        for precision, dtype in (("exact", "float32"), ("fast", "bfloat16"))
    }
    given = {"backend": keras.backend.backend(), "free_memory": current().free_memory()}
    print(json.dumps(given | {f"rate {p}": f"{r / 1e12:.2f} T/s" for p, r in rates.items()}))
    for name in arguments.networks:
        net = network(name)
        if name != "efficientnet-lite0":
            set_normalizations(net.model, np.asarray(net.prepare(data.chelsea())))
        geometry = net.geometry(net.nominal_size)
        operations = sum(geometry[i].flops for i in net.graph.ancestors([net.head.logits]))
        known = tasks(net, arguments.batch)
        for task in known if arguments.tasks is None else arguments.tasks:
            run, passes = known[task]
            for precision, limit in rates.items():
                if precision == "fast" and task in ("gradcam", "saliency"):
                    continue  # always exact
                run(precision)
                taken = []
                with powers() as watts:
                    for _ in range(arguments.rounds):
                        start = time.perf_counter()
                        run(precision)
                        taken.append(time.perf_counter() - start)
                seconds = statistics.median(taken)
                row = {
                    "network": name,
                    "task": task,
                    "precision": precision,
                    "seconds": round(seconds, 4),
                    "images_a_second": round(passes / seconds, 1),
                    "share_of_rate": round(passes * operations / seconds / limit, 3),
                    "watt_seconds": round(seconds * statistics.mean(watts), 1) if watts else None,
                }
                print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
