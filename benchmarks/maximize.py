"""How much of the machine's rate of convolutions `maximize` reaches, side by side in one run.

``KERAS_BACKEND=jax python benchmarks/maximize.py resnet50v2 conv3_block4_out --filters 16``

Each round times some steps of `maximize`, then every convolution of such a step alone, at the same
shapes: forwards and back to its input. The share is the second time over the first; 1 would mean
that all else costs nothing. Weights are random and seeded.
"""

import argparse
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np

import optogram as og
from optogram.graph.steps import Output
from optogram.interpreters.memory import batches
from optogram.methods.ascent.climb import plan

Shape = tuple[int, ...]


def convolutions(net: og.Network, layer: str, size: tuple[int, int]) -> Counter:
    """What is convolved on the way to ``layer``: (input, kernel, strides, padding), how often."""
    value = Output(net.step(layer).index)
    geometry = net.geometry(size, [value])
    found: Counter = Counter()
    for index in geometry:
        step = net.graph.steps[index]
        if isinstance(step.operation, keras.layers.Conv2D) and step.half != "activation":
            read, conv = geometry[step.inputs[0].step].shape[1:], step.operation
            found[read, tuple(conv.kernel.shape), conv.strides, conv.padding] += 1
    return found


def alone(batch: int, read: Shape, kernel: Shape, strides: Shape, padding: str) -> Callable:
    """Runs one convolution there and back once, compiled as the backend can; returns nothing."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((batch, *read), np.float32)
    weights = rng.standard_normal(kernel, np.float32)
    backend = keras.config.backend()
    if backend == "tensorflow":
        return _tensorflow(x, weights, strides, padding)
    return (_jax if backend == "jax" else _torch)(x, weights, strides, padding)


def _tensorflow(x: np.ndarray, weights: np.ndarray, strides: Shape, padding: str) -> Callable:
    import tensorflow as tf

    x, weights = tf.constant(x), tf.Variable(weights)
    options = {"strides": [1, *strides, 1], "padding": padding.upper()}

    @tf.function
    def both(x: Any, back: Any) -> Any:
        made = tf.raw_ops.Conv2D(input=x, filter=weights, **options)
        return made, tf.raw_ops.Conv2DBackpropInput(
            input_sizes=x.shape, filter=weights, out_backprop=back, **options
        )

    back = tf.nn.conv2d(x, weights, strides, padding.upper())
    return lambda: [made[0, 0, 0, 0].numpy() for made in both(x, back)]


def _jax(x: np.ndarray, weights: np.ndarray, strides: Shape, padding: str) -> Callable:
    import jax

    def convolve(x: Any) -> Any:
        return jax.lax.conv_general_dilated(
            x, weights, strides, padding.upper(), dimension_numbers=("NHWC", "HWIO", "NHWC")
        )

    @jax.jit
    def both(x: Any, back: Any) -> Any:
        made, pull = jax.vjp(convolve, x)
        return made, pull(back)

    back = convolve(x)
    return lambda: jax.block_until_ready(both(x, back))


def _torch(x: np.ndarray, weights: np.ndarray, strides: Shape, padding: str) -> Callable:
    import torch

    image = torch.from_numpy(x).permute(0, 3, 1, 2)  # channels last, as Keras's images are
    kernel = torch.from_numpy(weights).permute(3, 2, 0, 1).contiguous()
    if padding == "same":
        missing = [
            max(0, (-(-side // stride) - 1) * stride + window - side)
            for side, stride, window in zip(x.shape[1:3], strides, weights.shape, strict=False)
        ]
        (down, right) = missing
        image = torch.nn.functional.pad(
            image, (right // 2, right - right // 2, down // 2, down - down // 2)
        )
    back = torch.nn.functional.conv2d(image, kernel, stride=strides)

    def both() -> None:
        with torch.no_grad():
            torch.nn.functional.conv2d(image, kernel, stride=strides)
            torch.nn.grad.conv2d_input(image.shape, kernel, back, stride=strides)

    return both


def rounds(arguments: argparse.Namespace) -> Iterator[tuple[float, float, float]]:
    """For each round: seconds a step of all filters, of its convolutions alone, and their FLOPs."""
    keras.utils.set_random_seed(0)
    net = og.load(arguments.model, weights=None)
    size = net.nominal_size if arguments.size is None else tuple(arguments.size)
    targets = og.Filter(arguments.layer, range(arguments.filters))
    value = Output(net.step(arguments.layer).index)
    if arguments.as_layer:
        size = net.shape(value, size)[:2]
    each = plan(net, og.RECIPES["tutorial"], size, (value,), "logit", 0).memory_each()
    batch = max(part.stop - part.start for part in batches(arguments.filters, each, None))
    count = -(-arguments.filters // batch)
    print(f"{net.backend.NAME}: {arguments.layer}, {size[0]}×{size[1]}, {count} × {batch} filters")

    found = convolutions(net, arguments.layer, size)
    programs = {key: alone(batch, *key) for key in found}
    flops = 0.0
    for (read, kernel, strides, padding), often in found.items():
        sides = [
            -(-side // stride) if padding == "same" else (side - window) // stride + 1
            for side, stride, window in zip(read, strides, kernel, strict=False)
        ]
        flops += 4 * often * np.prod(sides) * np.prod(kernel) * batch * count

    def climb() -> float:
        begun = time.perf_counter()
        og.maximize(net, targets, "tutorial", size=size, steps=arguments.steps)
        return (time.perf_counter() - begun) / arguments.steps

    def convolve() -> float:
        seconds = 0.0
        for key, program in programs.items():
            begun = time.perf_counter()
            program()
            seconds += (time.perf_counter() - begun) * found[key] * count
        return seconds

    climb(), convolve()  # compiled here
    for _ in range(arguments.rounds):
        yield climb(), convolve(), flops


def main() -> None:
    """Print a line a round, and the median of the shares."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("layer")
    parser.add_argument("--filters", type=int, default=16)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--size", type=int, nargs=2, metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--as-layer", action="store_true")
    parser.add_argument("--rounds", type=int, default=3)
    shares = []
    for step, convolving, flops in rounds(parser.parse_args()):
        shares.append(convolving / step)
        whole, part = (
            f"{seconds * 1e3:.0f} ms ({flops / seconds / 1e9:.0f} GFLOP/s)"
            for seconds in (step, convolving)
        )
        print(f"a step {whole}, its convolutions alone {part}: {shares[-1]:.2f}", flush=True)
    print(f"median share {statistics.median(shares):.2f}")


if __name__ == "__main__":
    main()
