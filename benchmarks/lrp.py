"""How long LRP takes beside a gradient of the same images, side by side in one run.

``KERAS_BACKEND=jax python benchmarks/lrp.py efficientnet-lite0 vgg16 resnet50 --batch 1 8``

Compared are the programs that `og.lrp` and `og.saliency` run, from images on the device to maps on
the device, without what comes before and after. Each round times the gradient, then each composite.
``wall`` and ``processor`` are the medians of the rounds' ratios; ``work`` is the same ratio of the
operations of convolutions and dense layers alone: what it would be if all else cost nothing.
Weights are random and seeded, but for efficientnet-lite0.
"""

import argparse
import time
from collections.abc import Callable
from typing import Any
from unittest import mock

import keras
import numpy as np
from catalogue import set_normalizations

import optogram as og
from optogram.interpreters.engine import Computation
from optogram.interpreters.relevance.composites import composite_of
from optogram.interpreters.relevance.rules import Box, Epsilon, Flat, WSquare
from optogram.interpreters.relevance.walk import Route

COMPOSITES = ("epsilon", "epsilon_plus", "epsilon_gamma_box", "alpha2_beta1")
FAMILIES = {"vgg16": keras.applications.VGG16, "resnet50": keras.applications.ResNet50}


def network(name: str, side: int, photo: np.ndarray) -> og.Network:
    """EfficientNet-Lite0 with its own weights, or a seeded network of Keras of that input size."""
    if name not in FAMILIES:
        return og.load(name)
    keras.utils.set_random_seed(0)
    model = FAMILIES[name](weights=None, input_shape=(side, side, 3))
    net = og.Network(model, "caffe")
    set_normalizations(model, net.prepare(photo))  # or random weights let nothing through
    return net


def work(net: og.Network, size: tuple[int, int], composite: str) -> float:
    """Operations of linear steps over those of a gradient, which takes each there and back."""
    route = Route(net.graph, (net.head.logits,), composite_of(composite))
    geometry, spent, gradient = net.geometry(size), 0.0, 0.0
    for index, rule in route._rules.items():
        before = net.graph.steps[route._folded.get(index, index)]
        is_positive = before.inputs[0] in route._positive
        if isinstance(rule, Epsilon):
            passes = 2  # there and back
        elif isinstance(rule, Flat | WSquare):
            passes = 3  # and back by a kernel of its own, which also runs forward
        elif isinstance(rule, Box):
            passes = 6  # and those of black and white, there and back
        elif is_positive and rule.signs(index not in route._silenced) is None:
            passes = 3  # and the weights of one sign: there and back
        else:
            passes = 4  # by two kernels, there and back
        spent += passes * geometry[before.index].flops
        gradient += 2 * geometry[before.index].flops
    return spent / gradient


def program_of(ask: Callable[[], Any]) -> Callable[[], Any]:
    """The last program that ``ask`` runs, as a function that runs it again and waits for it."""
    run, caught = Computation.run, []

    def running(net: Computation, key: Any, build: Any, arrays: Any, **options: Any) -> Any:
        tensors = [net.backend.to_tensor(array) for array in arrays]
        program = net._program(key, build, tensors, options.get("batched", ()))
        caught[:] = [program.ready(*tensors, weights=net._weights)]
        return run(net, key, build, arrays, **options)

    with mock.patch.object(Computation, "run", running):
        ask()
    (compute,) = caught
    if keras.config.backend() != "jax":
        return compute
    import jax

    return lambda: jax.block_until_ready(compute())


def seconds(work: Callable[[], Any]) -> np.ndarray:
    """How long ``work`` takes: on the wall, and of all cores together."""
    start, busy = time.perf_counter(), time.process_time()
    work()
    return np.array([time.perf_counter() - start, time.process_time() - busy])


def compare(net: og.Network, x: np.ndarray, arguments: argparse.Namespace) -> None:
    """Print a line for each composite."""
    targets = list(range(len(x)))
    programs = {"gradient": program_of(lambda: og.saliency(net, x, targets))}
    for name in arguments.composites:
        programs[name] = program_of(lambda name=name: og.lrp(net, x, targets, composite=name))
    for program in programs.values():
        program()
    taken: dict[str, list[np.ndarray]] = {name: [] for name in programs}
    for _ in range(arguments.rounds):
        for name, program in programs.items():
            taken[name].append(seconds(program))
    for name in arguments.composites:
        pairs = zip(taken[name], taken["gradient"], strict=True)
        wall, processor = np.median([one / gradient for one, gradient in pairs], axis=0)
        print(
            f"{net.backend.NAME:10} {net.name:20} {len(x)} × {x.shape[1]}  {name:18} "
            f"wall {wall:5.2f}  processor {processor:5.2f}  "
            f"work {work(net, x.shape[1:3], name):5.2f}",
            flush=True,
        )
    gradient = np.median(taken["gradient"], axis=0)
    print(f"   the gradient: {gradient[0]:.3f} s, {gradient[1]:.3f} s of processors", flush=True)


def main() -> None:
    """Compare each network at each batch size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", nargs="+", help="efficientnet-lite0, vgg16 or resnet50")
    parser.add_argument("--composites", nargs="+", default=COMPOSITES)
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--side", type=int, default=112, help="of the inputs of vgg16 and resnet50")
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    photo = og.datasets.sample_photo("chelsea")
    for name in arguments.networks:
        net = network(name, arguments.side, photo)
        x = net.prepare(photo)
        for count in arguments.batch:
            noise = np.random.default_rng(0).normal(0, 0.01 * np.ptp(x), (count, *x.shape[1:]))
            compare(net, (x + noise).astype(np.float32), arguments)


if __name__ == "__main__":
    main()
