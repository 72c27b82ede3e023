"""The arithmetic of one element of a feature map: window × kernel + bias, then the activation."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from optogram.arguments import checked
from optogram.errors import InputError
from optogram.graph.steps import Output, Step
from optogram.graph.token_grids import kind_of
from optogram.interpreters import forward
from optogram.interpreters.convolution import (
    Taps,
    elementwise_after,
    is_convolution,
    since_convolution,
    taps,
)
from optogram.interpreters.memory import taking
from optogram.methods.request.diagnosis import warnings_about_images
from optogram.methods.request.request import photos_of, provenance_of
from optogram.network.network import Network
from optogram.pictures.prepared import PreparedPhotos
from optogram.result import PixelArithmetic
from optogram.target import Neuron

_ROUNDING = {"float16": 2.0**-7, "bfloat16": 2.0**-5}
"""Rounding of a sum, relative to the sum of magnitudes, for layers that compute in these types."""
_ROUNDING_OTHERS = 2.0**-9
"""Accelerators may multiply float32 with the digits of float16."""


@checked
def pixel_arithmetic(
    net: Network, image: Any, neuron: Neuron, *, fit: str | None = None
) -> PixelArithmetic:
    """The arithmetic of one element of a feature map, with the numbers of an image.

    value = activation(Σ window · kernel + bias): the products of a window of the layer's input
    and the kernel of a filter are summed, the bias is added, and elementwise steps follow, such as
    batch normalization and a rectifier. Dumoulin and Visin, "A guide to convolution arithmetic for
    deep learning" (2016), shows windows, strides, padding and dilation.

    Parameters
    ----------
    net : Network
        The network; only the steps up to the layer are run.
    image
        One image, as for `Network.prepare`.
    neuron : Neuron
        The element: ``Neuron(layer, (row, column), channel)``. The layer is a two-dimensional
        convolution: plain, grouped, dilated, depthwise, separable (its two kernels multiplied) or
        transposed; or a dense layer on each position of a map. Or it is a step that transforms the
        output of one element by element: batch normalization, an activation.
    fit : {"stretch", "crop", "pad"}, optional
        See `Network.prepare`.

    Returns
    -------
    PixelArithmetic
        ``values`` (rows, columns, channels): the products, with window, kernel, bias and the
        values of all steps.

    Raises
    ------
    InputError
        If there are several images, the layer does not exist or computes something else, or it
        has no such position or channel.
    """
    x = net.fed(image, fit, is_any_size=True)
    photos = x.photos if isinstance(x, PreparedPhotos) else None
    x, known = np.asarray(x), photos_of(photos, range(len(x)))
    if len(x) > 1:
        raise InputError(f"Expected one image, got {len(x)}: give one at a time.")
    size = x.shape[1:3]
    neuron.weights(net, size)  # checks layer, position and channel
    asked, position, channel = net.step(neuron.layer), neuron.position, neuron.channel
    steps = since_convolution(net.graph, asked)
    if not steps:
        raise _other(net, asked)
    step, source = steps[0], steps[0].inputs[0]
    steps += elementwise_after(net.graph, asked)
    geometry = net.geometry(size, [Output(asked.index)])
    found = taps(step, geometry[source.step].shape, geometry[step.index].shape, position, channel)
    if not (found.rows.size and found.columns.size):
        raise InputError(
            f"{step.name!r} reads nothing at {position}, since its kernel is smaller than its "
            f"stride: the value there is the bias, {found.bias:g}."
        )
    window, padding, step_values = _numbers(net, x, source, steps, found, position, channel)
    products = window * found.kernel
    _require_equal(step, products, found.bias, step_values[0])
    field = geometry[step.index].receptive_field
    return PixelArithmetic(
        values=products,
        method="pixel_arithmetic",
        parameters={"fit": known["fit"], "size": size},
        provenance=provenance_of(net, x.shape[1:], photos),
        warnings=(*net.warnings, *warnings_about_images(net, x, photos)),
        images=net.display(x),
        layer=step.name.removesuffix(":pre"),
        channel=channel,
        position=position,
        window=window,
        padding=padding,
        kernel=found.kernel,
        bias=found.bias,
        rows=found.rows,
        columns=found.columns,
        input_channels=found.channels,
        step_names=tuple(one.name for one in steps),
        step_values=step_values,
        receptive_field=field.boxes(np.array(position), size),
        **known,
    )


def _numbers(
    net: Network,
    x: np.ndarray,
    source: Output,
    steps: Sequence[Step],
    found: Taps,
    position: tuple[int, int],
    channel: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The window (h, w, C), where it is padding (h, w), and the value after each step."""
    graph, wanted = net.graph, (source, *(Output(step.index) for step in steps))

    def build() -> Callable[..., list[Any]]:
        schedule = forward.schedule(graph, wanted)

        def function(x: Any, rows: Any, columns: Any, row: Any, column: Any) -> list[Any]:
            read, *made = schedule.run(x)
            window = keras.ops.take(keras.ops.take(read, rows, axis=1), columns, axis=2)
            at = [keras.ops.take(keras.ops.take(m, row, axis=1), column, axis=2) for m in made]
            return [window, *at]

        return function

    size = x.shape[1:3]
    _, height, width, _ = net.geometry(size, [source])[source.step].shape
    sides = [(found.rows, height or 1), (found.columns, width or 1)]
    inside = [(places >= 0) & (places < side) for places, side in sides]
    places = [np.clip(places, 0, side - 1).astype(np.int32) for places, side in sides] + [
        np.array([place], np.int32) for place in position
    ]
    with taking(net.bytes_forward(size, wanted)):
        window, *made = net.run(("pixel", wanted), build, [x, *places], is_short=True)
    padding = ~(inside[0][:, None] & inside[1])
    window = np.asarray(window, np.float32)[0][..., found.channels]
    window[padding] = 0
    return window, padding, np.array([array[0, 0, 0, channel] for array in made], np.float32)


def _require_equal(step: Step, products: np.ndarray, bias: float, value: float) -> None:
    """Raise an InputError if the layer's own number is not the sum of the products and the bias."""
    total = float(products.sum(dtype=np.float64)) + bias
    most = float(np.abs(products).sum(dtype=np.float64)) + abs(bias)
    dtype = getattr(step.operation, "compute_dtype", None)
    # Not finite: the network overflows, and there is nothing to compare.
    if np.isfinite(value) and abs(total - value) > most * _ROUNDING.get(
        str(dtype), _ROUNDING_OTHERS
    ):
        raise InputError(
            f"{step.name!r} returns {value:g} where its window, kernel and bias give {total:g}: it "
            "computes more than a convolution, such as with quantized weights; choose another "
            "layer."
        )


def _other(net: Network, asked: Step) -> InputError:
    """The error for a layer that is no convolution."""
    names = [step.name for step in net.graph.steps if is_convolution(step)]
    hint = f"the first one is {names[0].removesuffix(':pre')!r}" if names else "there is none"
    return InputError(
        f"{asked.name!r} ({kind_of(asked)}) is neither a two-dimensional convolution nor an "
        f"elementwise step right after one: {hint}."
    )
