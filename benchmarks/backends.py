"""How fast networks run on each backend on a processor, beside convolutions alone.

    python benchmarks/backends.py vgg16 resnet50v2 --backend tensorflow=tf/bin/python \
        torch=torch/bin/python jax=jax/bin/python --limit torch/bin/python

Each backend has a process of its own, in turn: round after round, each times every task once, for a
batch of images. Without ``--backend``, the configured one runs alone. ``--limit`` adds a process
that runs the convolutions and dense layers of the network alone: PyTorch calling oneDNN, in the
layout channels last, which keeps its memory (MALLOC_MMAP_MAX_ and others), with the gradient by
the input for tasks that have one. Weights are random and seeded, but for efficientnet-lite0.

Prints a line of JSON for each backend, network and task. ``wall`` and ``processor`` are
milliseconds an image, medians over the rounds; ``limit`` is the processor time of the convolutions
alone over that of the task. Compare processor times where others use the machine.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from comparison.sides.products import by_torch, linear_steps

from optogram.backend import configured

LIMIT = "limit"
PASSES = {"scores": 1, "gradcam": 1, "saliency": 2}
"""Tasks, and how many times they run each convolution: forward, and back to the image."""

KEEPING_MEMORY = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(2**34),
    "MALLOC_TOP_PAD_": str(2**28),
}


def network(name: str) -> Any:
    """EfficientNet-Lite0 with its own weights, or a network of Keras with seeded weights."""
    import keras
    from catalogue import set_normalizations

    import optogram as og

    keras.utils.set_random_seed(0)
    if name == "efficientnet-lite0":
        return og.load(name)
    net = og.load(name, weights=None)
    set_normalizations(net.model, net.prepare(og.datasets.sample_photo("chelsea")))
    return net


def tasks(net: Any, batch: int) -> dict[str, Callable[[], Any]]:
    """The tasks, for a batch of images."""
    import optogram as og

    x = net.prepare(og.datasets.sample_photo("chelsea"))
    noise = np.random.default_rng(0).normal(0, 0.01 * np.ptp(x), (batch, *x.shape[1:]))
    x, targets = (x + noise).astype(np.float32), list(range(batch))
    return {
        "scores": lambda: net.scores(x),
        "gradcam": lambda: og.gradcam(net, x, targets),
        "saliency": lambda: og.saliency(net, x, targets),
    }


def convolutions(net: Any, batch: int) -> dict[str, Callable[[], Any]]:
    """The convolutions and dense layers alone, as many times as the tasks run them."""
    geometry = net.geometry(net.nominal_size)
    products = [
        by_torch(step.operation, (batch, *geometry[step.inputs[0].step].shape[1:]))
        for step in linear_steps(net)
    ]

    def run(passes: int) -> None:
        for product in products:
            for one in product[:passes]:
                one()

    return {task: partial(run, passes) for task, passes in PASSES.items()}


def seconds(work: Callable[[], Any]) -> list[float]:
    """How long ``work`` takes: on the wall, and of all cores together."""
    start = time.perf_counter(), time.process_time()
    work()
    return [time.perf_counter() - start[0], time.process_time() - start[1]]


def serve(name: str, batch: int, is_limit: bool) -> None:
    """Run a round for each line of the input, and print its times as a line of JSON."""
    net = network(name)
    todo = (convolutions if is_limit else tasks)(net, batch)
    geometry = net.geometry(net.nominal_size)
    operations = sum(geometry[step.index].flops for step in linear_steps(net))
    for work in todo.values():  # compiles
        seconds(work)
    print(json.dumps({"operations": operations}), flush=True)
    for _ in sys.stdin:
        print(json.dumps({task: seconds(work) for task, work in todo.items()}), flush=True)


class Worker:
    """A process that times the tasks of one network on one backend."""

    def __init__(self, backend: str, python: str, name: str, batch: int) -> None:
        is_limit = backend == LIMIT
        environment = {**os.environ, "KERAS_BACKEND": "torch" if is_limit else backend}
        command = [python, __file__, name, "--batch", str(batch), "--serve"]
        self.process = subprocess.Popen(
            [*command, "limit"] if is_limit else [*command, "tasks"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**environment, **(KEEPING_MEMORY if is_limit else {})},
        )
        self.operations = json.loads(self.process.stdout.readline())["operations"]
        self.rounds: list[dict[str, list[float]]] = []

    def round(self) -> None:
        """Time each task once."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        self.rounds.append(json.loads(self.process.stdout.readline()))

    def close(self) -> None:
        """End the process."""
        self.process.stdin.close()
        self.process.wait()


def main() -> None:
    """Compare the backends on each network."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", nargs="+", help="names that og.load takes")
    parser.add_argument("--backend", nargs="+", metavar="NAME=PYTHON", help="the backends")
    parser.add_argument("--limit", metavar="PYTHON", help="add the convolutions alone")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--serve", choices=("tasks", "limit"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve(*arguments.networks, arguments.batch, arguments.serve == "limit")
        return
    given = arguments.backend or [f"{configured()}={sys.executable}"]
    pythons = dict(one.split("=", 1) for one in given)
    if arguments.limit:
        pythons = {LIMIT: arguments.limit, **pythons}
    for name in arguments.networks:
        workers = {one: Worker(one, pythons[one], name, arguments.batch) for one in pythons}
        for _ in range(arguments.rounds):
            for worker in workers.values():
                worker.round()
        for worker in workers.values():
            worker.close()
        report(name, workers, arguments.batch)


def report(name: str, workers: dict[str, Worker], batch: int) -> None:
    """Print a line for each backend and task."""
    for task, passes in PASSES.items():
        limit = workers.get(LIMIT)
        for backend, worker in workers.items():
            wall, processor = (
                1000 / batch * statistics.median(times[task][which] for times in worker.rounds)
                for which in (0, 1)
            )
            row: dict[str, Any] = {"network": name, "backend": backend, "task": task}
            row |= {"wall": round(wall, 2), "processor": round(processor, 2)}
            row["gflops"] = round(passes * worker.operations / wall / 1e6, 1)
            if limit is not None:
                busy = statistics.median(times[task][1] for times in limit.rounds)
                row["limit"] = round(1000 / batch * busy / processor, 2)
            print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
