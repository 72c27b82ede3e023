"""JAX, by the contract in ``optogram.backend``."""

import functools
import threading
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import keras
import numpy as np

from optogram.backend import Program

NAME = "jax"


def to_tensor(array: np.ndarray) -> Any:
    """See the contract. Here `jax.numpy.asarray` would compile a program for each shape."""
    return jax.device_put(array)


def to_array(tensor: Any) -> np.ndarray:
    """See the contract."""
    if tensor.dtype in (jax.numpy.bfloat16, jax.numpy.float16):
        tensor = tensor.astype(jax.numpy.float32)
    return np.asarray(tensor)


def compile(
    function: Callable[..., Any], variables: Iterable[keras.Variable], batched: Collection[int] = ()
) -> Program:
    """See the contract. Each shape is compiled separately."""
    variables = list(variables)
    compiled: dict[Any, Any] = {}
    lock = threading.Lock()

    # Values are arguments, because constants would be copied into every compiled program.
    @jax.jit
    def traced(weights: Sequence[Any], tensors: Sequence[Any]) -> Any:
        with keras.StatelessScope(state_mapping=zip(variables, weights, strict=True)):
            return function(*tensors)

    def ready(tensors: Sequence[Any], weights: Sequence[Any] | None) -> Callable[[], Any]:
        held = [variable.value for variable in variables] if weights is None else list(weights)
        fed, shapes = list(tensors), signature(tensors)
        if shapes not in compiled:
            with lock:  # otherwise two threads could compile it twice
                if shapes not in compiled:
                    compiled[shapes] = traced.lower(held, fed).compile()
        return functools.partial(compiled[shapes], held, fed)

    return Program(ready)


def direct(
    function: Callable[..., Any], variables: Iterable[keras.Variable], batched: Collection[int] = ()
) -> Program:
    """See the contract. Single operations are compiled one by one, which takes longer."""
    return compile(function, variables, batched)


def signature(tensors: Sequence[Any]) -> Hashable:
    """See the contract."""
    return tuple((tensor.shape, str(tensor.dtype)) for tensor in tensors)


def gradient(function: Callable[..., Any]) -> Callable[..., Any]:
    """See the contract."""

    def gradients(at: Any, *others: Any) -> tuple[Any, Any]:
        def summed(at: Any) -> tuple[Any, Any]:
            scores, extras = function(at, *others)
            return scores.sum(axis=1), extras

        sums, back, extras = jax.vjp(summed, at, has_aux=True)
        if len(sums) == 1:
            (found,) = back(jax.numpy.ones_like(sums))
            return jax.tree.map(lambda one: one[None], found), extras
        (found,) = jax.vmap(back)(jax.numpy.eye(len(sums), dtype=sums.dtype))
        return found, extras

    return gradients


def pullback(
    function: Callable[[list[Any]], list[Any]], at: Sequence[Any]
) -> tuple[list[Any], Callable[[Sequence[Any]], list[Any]]]:
    """See the contract."""
    made, back = jax.vjp(function, list(at))

    def pulled(seeds: Sequence[Any]) -> list[Any]:
        (found,) = back(list(seeds))
        return list(found)

    return made, pulled


def inverse_fft2(real: Any, imaginary: Any, size: tuple[int, int]) -> Any:
    """See the contract."""
    return jax.numpy.fft.irfft2(jax.lax.complex(real, imaginary), size)


def free_memory() -> int | None:
    """See the contract. If JAX preallocates GPU memory, this is the free part of it."""
    known = _device().memory_stats() or {}
    if "bytes_limit" not in known:
        return None
    return max(0, known["bytes_limit"] - known.get("bytes_in_use", 0))


def _device() -> Any:
    """The default device."""
    (device,) = jax.numpy.zeros(()).devices()
    return device


def bfloat16_gain() -> float:
    """See the contract. Measured on a processor with AMX: no gain."""
    return 1.0 if jax.default_backend() == "cpu" else 4.0


def longest_loop() -> int:
    """See the contract. On a CPU, XLA runs convolutions inside loops on one thread."""
    return 1 if jax.default_backend() == "cpu" else 64


def most_shapes() -> int:
    """See the contract. XLA compiles each shape anew."""
    return 4


def gather(table: Any, places: Any) -> Any:
    """See the contract."""
    return table.at[places].get(mode="promise_in_bounds")


def fused(function: Callable[..., Any]) -> Callable[..., Any]:
    """See the contract. XLA compiles the whole program."""
    return function


@jax.custom_vjp
def pass_positive(tensor: Any) -> Any:
    """See the contract."""
    return tensor


pass_positive.defvjp(lambda tensor: (tensor, None), lambda _, back: (jax.numpy.maximum(back, 0),))


def faster(layer: keras.Layer) -> Callable[..., Any] | None:
    """See the contract.

    On a CPU, XLA runs depthwise convolutions channel by channel, 1×1 convolutions on one core for
    the most part, and takes ten times as long for the gradient of maximum pooling as for the
    pooling.
    """
    if type(layer) is keras.layers.Conv2D and tuple(layer.kernel_size) == (1, 1):
        return unpadded(layer) if layer.data_format == "channels_last" else None
    if type(layer) is keras.layers.MaxPooling2D and layer.padding == "valid":
        is_fast = layer.data_format != "channels_last" or jax.default_backend() != "cpu"
        return None if is_fast else functools.partial(_pooled, layer)
    is_depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
    if not is_depthwise or type(layer).call is not keras.layers.DepthwiseConv2D.call:
        return None
    if layer.data_format != "channels_last" or jax.default_backend() != "cpu":
        return None
    return functools.partial(_depthwise, layer)


def unpadded(layer: keras.Layer) -> Callable[..., Any] | None:
    """See the contract. On a CPU, XLA is slow without padding, and for 1×1 kernels."""
    if type(layer) is keras.layers.DepthwiseConv2D:
        return faster(layer)
    is_plain = type(layer) is keras.layers.Conv2D and layer.groups == 1
    is_float = getattr(layer, "quantization_mode", None) is None
    if not (is_plain and is_float) or jax.default_backend() != "cpu":
        return None
    return functools.partial(_convolution, layer)


def folding_saves() -> float:
    """See the contract."""
    return 0.0


def merged(
    layer: keras.Layer, normalization: keras.Layer | None, rectifier: Any
) -> Callable[..., Any] | None:
    """See the contract. XLA runs a normalization in one loop with the rectifier after it."""
    return None


def overwriting(operation: Any) -> Callable[[Any], Any] | None:
    """See the contract. XLA decides by itself."""
    return None


def _convolution(layer: keras.layers.Conv2D, x: Any) -> Any:
    """A convolution without padding and activation."""
    kernel = jax.numpy.asarray(layer.kernel, layer.compute_dtype)  # (kh, kw, C, filters)
    x = x.astype(layer.compute_dtype)
    if tuple(layer.kernel_size) == (1, 1):
        made = x[:, :: layer.strides[0], :: layer.strides[1]] @ kernel[0, 0]
    else:
        sides = [
            (side - (size - 1) * dilation - 1) // stride + 1
            for side, size, dilation, stride in zip(
                x.shape[1:3], layer.kernel_size, layer.dilation_rate, layer.strides, strict=True
            )
        ]
        # Padding one extra row and column, cut off again, is two to three times as fast.
        made = jax.lax.conv_general_dilated(
            x,
            kernel,
            layer.strides,
            ((0, 1), (0, 1)),
            rhs_dilation=layer.dilation_rate,
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )[:, : sides[0], : sides[1]]
    return made + jax.numpy.asarray(layer.bias.value, made.dtype) if layer.use_bias else made


def _pooled(layer: keras.layers.MaxPooling2D, x: Any) -> Any:
    """Maximum pooling without padding."""
    return _largest(x.astype(layer.compute_dtype), tuple(layer.pool_size), tuple(layer.strides))


def _seen(x: Any, size: tuple[int, int], strides: tuple[int, int]) -> list[tuple[Any, Any]]:
    """For each place in a window, by rows: the slices of the maps, and what all windows see."""
    counts = [
        (side - along) // stride + 1
        for side, along, stride in zip(x.shape[1:3], size, strides, strict=True)
    ]
    parts = [
        tuple(
            slice(start, start + (count - 1) * stride + 1, stride)
            for start, count, stride in zip(place, counts, strides, strict=True)
        )
        for place in np.ndindex(*size)
    ]
    return [(part, x[:, part[0], part[1]]) for part in parts]


@functools.partial(jax.custom_vjp, nondiff_argnums=(1, 2))
def _largest(x: Any, size: tuple[int, int], strides: tuple[int, int]) -> Any:
    """The largest value in each window of maps (N, H, W, C)."""
    return functools.reduce(jax.numpy.maximum, (seen for _, seen in _seen(x, size, strides)))


def _largest_forward(
    x: Any, size: tuple[int, int], strides: tuple[int, int]
) -> tuple[Any, tuple[Any, Any]]:
    made = _largest(x, size, strides)
    return made, (x, made)


def _largest_backward(
    size: tuple[int, int], strides: tuple[int, int], kept: tuple[Any, Any], back: Any
) -> tuple[Any]:
    """The gradient, which goes to the first of equal values in each window, as in XLA."""
    x, made = kept
    total: Any = 0
    waiting: Any = jax.numpy.ones(made.shape, bool)
    for part, seen in _seen(x, size, strides):
        is_first = waiting & (seen == made)
        waiting = waiting & ~is_first
        around = [
            (along.start, side - along.stop, stride - 1)
            for along, side, stride in zip(part, x.shape[1:3], strides, strict=True)
        ]
        taken = jax.numpy.where(is_first, back, 0)
        total = total + jax.lax.pad(
            taken, jax.numpy.zeros((), taken.dtype), [(0, 0, 0), *around, (0, 0, 0)]
        )
    return (total,)


_largest.defvjp(_largest_forward, _largest_backward)


def _depthwise(layer: keras.layers.DepthwiseConv2D, x: Any) -> Any:
    """A depthwise convolution without its activation: a sum over kernel positions."""
    kernel = jax.numpy.asarray(layer.kernel.value, layer.compute_dtype)  # (kh, kw, C, multiplier)
    x = x.astype(layer.compute_dtype)
    before, counts = [], []
    for axis in (0, 1):
        side, stride = x.shape[1 + axis], layer.strides[axis]
        span = (kernel.shape[axis] - 1) * layer.dilation_rate[axis] + 1
        missing = 0
        if layer.padding == "same":
            missing = max((-(-side // stride) - 1) * stride + span - side, 0)
        before.append(missing // 2)
        counts.append((side + missing - span) // stride + 1)
    how = _Taps(layer.strides, layer.dilation_rate, (before[0], before[1]), (counts[0], counts[1]))
    total = _summed(x, kernel, how)
    total = total.reshape(*total.shape[:3], -1)
    return total + jax.numpy.asarray(layer.bias.value, total.dtype) if layer.use_bias else total


class _Taps(NamedTuple):
    """What a depthwise convolution reads, along rows and columns.

    Attributes
    ----------
    strides, dilation : (int, int)
        As in Keras.
    before : (int, int)
        Rows and columns of zeros before the maps.
    counts : (int, int)
        Size of what is made.
    """

    strides: tuple[int, int]
    dilation: tuple[int, int]
    before: tuple[int, int]
    counts: tuple[int, int]

    def offsets(self, place: tuple[int, ...]) -> list[int]:
        """Where the first value reads for a ``place`` in the kernel."""
        every = zip(place, self.dilation, self.before, strict=True)
        return [along * apart - before for along, apart, before in every]


def _sum_of_taps(x: Any, kernel: Any, how: _Taps) -> Any:
    """(N, rows, columns, C, multiplier): what depthwise convolution makes of maps (N, H, W, C)."""
    places = {place: how.offsets(place) for place in np.ndindex(*kernel.shape[:2])}
    total: Any = 0
    for place, seen in _shifted(x, places, how.strides, how.counts).items():
        total = total + seen[..., None] * kernel[place]
    return total


def _shifted(
    maps: Any,
    places: Mapping[tuple[int, ...], Sequence[int]],
    strides: Sequence[int],
    counts: Sequence[int],
) -> dict[tuple[int, ...], Any]:
    """(N, rows, columns, ...) each: every stride-th value of ``maps``, 0 outside.

    ``places`` are the offsets of the first ones.
    """
    along = np.array(list(places.values()))
    last = along.max(axis=0) + (np.array(counts) - 1) * strides
    before = [max(0, -low) for low in along.min(axis=0).tolist()]
    after = [
        max(0, high + 1 - side) for high, side in zip(last.tolist(), maps.shape[1:3], strict=True)
    ]
    around = [*zip(before, after, strict=True), *[(0, 0)] * (maps.ndim - 3)]
    maps = jax.numpy.pad(maps, [(0, 0), *around])

    def at(offsets: Sequence[int]) -> Any:
        every = zip(offsets, before, strides, counts, strict=True)
        return maps[
            :,
            *(
                slice(offset + first, offset + first + (count - 1) * stride + 1, stride)
                for offset, first, stride, count in every
            ),
        ]

    return {place: at(offsets) for place, offsets in places.items()}


_summed = functools.partial(jax.custom_vjp, nondiff_argnums=(2,))(_sum_of_taps)


def _summed_forward(x: Any, kernel: Any, how: _Taps) -> tuple[Any, tuple[Any, Any]]:
    return _sum_of_taps(x, kernel, how), (x, kernel)


def _summed_backward(how: _Taps, kept: tuple[Any, Any], back: Any) -> tuple[Any, Any]:
    """The gradient as such a sum, too, for each of the stride × stride phases of the maps."""
    x, kernel = kept
    _, of_kernel = jax.vjp(lambda kernel: _sum_of_taps(x, kernel, how), kernel)
    lengths = [-(-side // stride) for side, stride in zip(x.shape[1:3], how.strides, strict=True)]
    phases: dict[tuple[int, ...], Any] = dict.fromkeys(np.ndindex(*how.strides), 0)
    moved = {
        place: [
            divmod(offset, stride)
            for offset, stride in zip(how.offsets(place), how.strides, strict=True)
        ]
        for place in np.ndindex(*kernel.shape[:2])
    }
    places = {place: [-away for away, _ in moves] for place, moves in moved.items()}
    for place, seen in _shifted(back, places, (1, 1), lengths).items():
        phase = tuple(rest for _, rest in moved[place])
        phases[phase] = phases[phase] + (seen * kernel[place]).sum(axis=-1)
    shape = (len(x), *lengths, x.shape[3])
    made = [jax.numpy.broadcast_to(phase, shape) for phase in phases.values()]
    whole = jax.numpy.stack(made, axis=3).reshape(*shape[:3], *how.strides, shape[3])
    sides = [length * stride for length, stride in zip(lengths, how.strides, strict=True)]
    whole = whole.swapaxes(2, 3).reshape(len(x), *sides, shape[3])
    return whole[:, : x.shape[1], : x.shape[2]].astype(x.dtype), of_kernel(back)[0]


_summed.defvjp(_summed_forward, _summed_backward)
