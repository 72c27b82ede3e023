"""The limit: every convolution and dense product of the network alone, on the same backend.

Same shapes and directions, in batches of 8. Each is a program of its own, so that nothing is kept
between them. Their time is scaled to the number of images that a task passes through the network.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from .. import networks
from ..side import Given, Opened
from ..tasks import PHOTOS, TASKS

Run = Callable[[], Any]


def opened(name: str, given: Given) -> Opened:
    """The products of a network, forward and back."""
    import keras

    net = networks.opened(name)
    net.model.set_weights(given.weights)
    channels = net[given.layer].output_shape[-1]
    geometry = net.geometry(net.nominal_size)
    make = by_torch if keras.config.backend() == "torch" else _by_operations
    forward, back = list[Run](), list[Run]()
    for step in linear_steps(net):
        shape = (PHOTOS, *geometry[step.inputs[0].step].shape[1:])
        for runs, run in zip((forward, back), make(step.operation, shape), strict=True):
            runs.append(run)
    for run in (*forward, *back):
        run()

    def alone(forward_passes: int, backward_passes: int) -> float:
        for run in (*forward, *back) if backward_passes else forward:
            run()
        return forward_passes / PHOTOS

    return Opened(
        lambda: keras.ops.convert_to_numpy(net.model(given.photos[:1], training=False)),
        {name: partial(alone, *task.passes(channels)) for name, task in TASKS.items()},
    )


def linear_steps(net: Any) -> list[Any]:
    """The convolutions and dense layers of a network."""
    from keras import layers

    kinds = layers.Conv2D | layers.DepthwiseConv2D | layers.Dense
    return [
        step
        for step in net.graph.steps
        if isinstance(step.operation, kinds) and step.half != "activation"
    ]


def _by_operations(layer: Any, shape: tuple[int, ...]) -> tuple[Run, Run]:
    """TensorFlow and JAX: a compiled operation of Keras, and its gradient by what it reads."""
    import keras
    from keras import ops

    from .keras_programs import gradient, program

    # A copy: a program that reads a variable would have to look whether it changed.
    kernel = ops.convert_to_tensor(ops.convert_to_numpy(layer.kernel))

    def product(x: Any) -> Any:
        if isinstance(layer, keras.layers.Dense):
            return ops.matmul(x, kernel)
        call = ops.conv
        if isinstance(layer, keras.layers.DepthwiseConv2D):
            call = ops.depthwise_conv
        return call(x, kernel, layer.strides, layer.padding, None, layer.dilation_rate)

    x = ops.convert_to_tensor(np.full(shape, 0.5, np.float32))
    made = product(x)
    slope = ops.convert_to_tensor(np.full(made.shape, 0.5, np.float32))
    forward = program(product)
    # The product itself is linear, so that a compiled gradient does not run it again.
    back = gradient(lambda x: product(x) * slope, compiled=True, as_array=False)
    return lambda: forward(x), lambda: back(x)


def by_torch(layer: Any, shape: tuple[int, ...]) -> tuple[Run, Run]:
    """PyTorch calling oneDNN, channels last."""
    import keras
    import torch

    kernel = torch.tensor(keras.ops.convert_to_numpy(layer.kernel))
    options: dict[str, Any] = {}
    if isinstance(layer, keras.layers.Dense):
        kernel, shape = kernel[None, None], (shape[0], 1, 1, shape[-1])
    else:
        spans = [
            (size - 1) * dilation
            for size, dilation in zip(layer.kernel_size, layer.dilation_rate, strict=True)
        ]
        options["stride"] = layer.strides
        options["dilation"] = layer.dilation_rate
        options["padding"] = [span // 2 if layer.padding == "same" else 0 for span in spans]
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        options["groups"] = shape[-1]
        weight = kernel.permute(2, 3, 0, 1).flatten(0, 1)[:, None]
    else:
        weight = kernel.permute(3, 2, 0, 1)
    weight = weight.contiguous(memory_format=torch.channels_last)
    x = torch.full(shape, 0.5).permute(0, 3, 1, 2)

    def forward() -> Any:
        with torch.no_grad():
            return torch.nn.functional.conv2d(x, weight, **options)

    read = x.clone(memory_format=torch.channels_last).requires_grad_()
    made = torch.nn.functional.conv2d(read, weight, **options)
    slope = torch.full_like(made, 0.5)
    return forward, lambda: torch.autograd.grad(made, read, slope, retain_graph=True)
