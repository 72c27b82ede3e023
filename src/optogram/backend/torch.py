"""PyTorch, by the contract in ``optogram.backend``."""

import functools
import platform
from collections.abc import Callable, Collection, Hashable, Iterable, Sequence
from typing import Any

import keras
import numpy as np
import torch

from optogram.allocator import keep_freed_memory
from optogram.backend import Program
from optogram.processor import flags

NAME = "torch"

_POOLING = {
    keras.layers.MaxPooling2D: torch.nn.functional.max_pool2d,
    keras.layers.AveragePooling2D: torch.nn.functional.avg_pool2d,
}


def to_tensor(array: np.ndarray) -> Any:
    """See the contract."""
    return keras.ops.convert_to_tensor(array)


def to_array(tensor: Any) -> np.ndarray:
    """See the contract."""
    if tensor.dtype in (torch.bfloat16, torch.float16):
        tensor = tensor.float()
    return tensor.detach().cpu().numpy()


def compile(
    function: Callable[..., Any], variables: Iterable[keras.Variable], batched: Collection[int] = ()
) -> Program:
    """See the contract. PyTorch runs eagerly: its compiler needs a C++ compiler at run time."""
    variables = list(variables)
    if free_memory() is None:
        keep_freed_memory()  # half of a forward pass of VGG16 went into page faults

    def run(tensors: Sequence[Any], weights: Sequence[Any] | None) -> Any:
        # Detached weights, because gradients of weights are not needed.
        held = [variable.value.detach() for variable in variables] if weights is None else weights
        mapping = zip(variables, held, strict=True)
        with torch.no_grad(), keras.StatelessScope(state_mapping=mapping):
            return function(*tensors)

    return Program(lambda tensors, weights: functools.partial(run, tensors, weights))


def direct(
    function: Callable[..., Any], variables: Iterable[keras.Variable], batched: Collection[int] = ()
) -> Program:
    """See the contract. Nothing is compiled."""
    return compile(function, variables, batched)


def signature(tensors: Sequence[Any]) -> Hashable:
    """See the contract. Nothing is compiled."""
    return ()


def gradient(function: Callable[..., Any]) -> Callable[..., Any]:
    """See the contract."""

    def gradients(at: Any, *others: Any) -> tuple[Any, Any]:
        with torch.enable_grad():
            leaves = [leaf.detach().requires_grad_() for leaf in keras.tree.flatten(at)]
            scores, extras = function(keras.tree.pack_sequence_as(at, leaves), *others)
            sums = scores.sum(dim=1).unbind()
        if scores.requires_grad:
            rows = [
                torch.autograd.grad(
                    one,
                    leaves,
                    retain_graph=row + 1 < len(sums),
                    allow_unused=True,
                    materialize_grads=True,
                )
                for row, one in enumerate(sums)
            ]
            found = [torch.stack(of_leaf) for of_leaf in zip(*rows, strict=True)]
        else:
            found = [leaf.new_zeros((len(sums), *leaf.shape)) for leaf in leaves]
        return keras.tree.pack_sequence_as(at, found), extras

    return gradients


def pullback(
    function: Callable[[list[Any]], list[Any]], at: Sequence[Any]
) -> tuple[list[Any], Callable[[Sequence[Any]], list[Any]]]:
    """See the contract."""
    with torch.enable_grad():
        leaves = [leaf.detach().requires_grad_() for leaf in at]
        made = function(leaves)

    def back(seeds: Sequence[Any]) -> list[Any]:
        pairs = [(one, seed) for one, seed in zip(made, seeds, strict=True) if one.requires_grad]
        if not pairs:
            return [torch.zeros_like(leaf) for leaf in at]
        ends, starts = zip(*pairs, strict=True)
        found = torch.autograd.grad(ends, leaves, starts, allow_unused=True, materialize_grads=True)
        return list(found)

    return [one.detach() for one in made], back


def inverse_fft2(real: Any, imaginary: Any, size: tuple[int, int]) -> Any:
    """See the contract."""
    return torch.fft.irfft2(torch.complex(real, imaginary), size)


def free_memory() -> int | None:
    """See the contract. Cached GPU memory of PyTorch counts as free."""
    device = _device()
    if device.type != "cuda":
        return None
    free, _ = torch.cuda.mem_get_info(device)
    return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)


def _device() -> Any:
    """The default device."""
    return keras.ops.zeros(()).device


def bfloat16_gain() -> float:
    """See the contract. Measured on processors: 4 to 6 with AMX; with AVX-512 BF16, 0.9 to 1.6."""
    if _device().type == "cuda":
        return 4.0 if torch.cuda.is_bf16_supported() else 1.0
    return 4.0 if "amx_bf16" in flags() else 1.0


def longest_loop() -> int:
    """See the contract."""
    return 64


def most_shapes() -> int:
    """See the contract. Nothing is compiled."""
    return 64


def gather(table: Any, places: Any) -> Any:
    """See the contract."""
    return table[places]


def fused(function: Callable[..., Any]) -> Callable[..., Any]:
    """See the contract. Operations run one by one."""
    return function


class _PassPositive(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, tensor: Any) -> Any:
        return tensor.view_as(tensor)

    @staticmethod
    def backward(context: Any, back: Any) -> Any:
        return back.clamp(min=0)


def pass_positive(tensor: Any) -> Any:
    """See the contract."""
    return _PassPositive.apply(tensor)


def faster(layer: keras.Layer) -> Callable[..., Any] | None:
    """See the contract. Keras copies maps to channels first and back around each of these."""
    kind = type(layer)
    if kind is keras.layers.BatchNormalization and layer.compute_dtype == "float32":
        return functools.partial(_normalized, layer)
    if getattr(layer, "data_format", None) != "channels_last":
        return None
    if kind is keras.layers.ZeroPadding2D:
        return functools.partial(_zero_padded, layer)
    if kind in _POOLING:
        is_valid = layer.padding == "valid" or kind is keras.layers.MaxPooling2D
        return functools.partial(_pooled, layer) if is_valid else None
    is_float = getattr(layer, "quantization_mode", None) is None
    if kind in (keras.layers.Conv2D, keras.layers.DepthwiseConv2D) and is_float:
        return functools.partial(_merged, layer, None, None)
    if kind is keras.layers.SeparableConv2D:
        return functools.partial(_separable, layer)
    return None


def unpadded(layer: keras.Layer) -> Callable[..., Any] | None:
    """See the contract."""
    return faster(layer)


def folding_saves() -> float:
    """See the contract. Measured with the rectifiers that are merged, too."""
    return 0.5


def merged(
    layer: keras.Layer, normalization: keras.Layer | None, rectifier: Any
) -> Callable[..., Any] | None:
    """See the contract. oneDNN rectifies the outputs of a convolution before it stores them."""
    if layer.data_format != "channels_last":
        return None
    largest = None
    if rectifier is not None:
        largest = _largest(rectifier)
        is_float = layer.compute_dtype in ("float32", "bfloat16")
        if largest is None or not is_float or not _has_rectified_convolution():
            return None
        if normalization is None and _is_product(layer):
            return None
    return functools.partial(_merged, layer, normalization, largest)


def _has_rectified_convolution() -> bool:
    """Whether this PyTorch has oneDNN's convolution with a rectifier; measured on x86 alone."""
    is_x86 = _device().type == "cpu" and platform.machine() in ("x86_64", "AMD64")
    has = is_x86 and torch.backends.mkldnn.is_available()
    return has and hasattr(torch.ops.mkldnn, "_convolution_pointwise")


def _is_product(layer: Any) -> bool:
    """Whether a convolution is computed as a product of matrices."""
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        return False
    return (*layer.kernel_size, *layer.strides, layer.groups) == (1, 1, 1, 1, 1)


def _merged(layer: Any, normalization: Any, largest: float | None, x: Any) -> Any:
    """The product of the normalization goes into the kernel, its sum into the bias."""
    kernel, bias = _cast(layer.kernel, layer), _cast(layer.bias, layer) if layer.use_bias else None
    is_depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
    if normalization is not None:
        factor, offset = _factor_and_offset(normalization)
        bias = offset if bias is None else offset + factor * bias
        kernel = kernel * (factor.reshape(kernel.shape[2:]) if is_depthwise else factor)
    return (_depthwise if is_depthwise else _convolution)(layer, x, kernel, bias, largest)


def overwriting(operation: Any) -> Callable[[Any], Any] | None:
    """See the contract."""
    largest = _largest(operation)
    return None if largest is None else functools.partial(_Rectified.apply, largest)


def _largest(rectifier: Any) -> float | None:
    """The largest value that a rectifier returns; None for other operations."""
    if rectifier is keras.activations.relu:
        return torch.inf
    if rectifier is keras.activations.relu6:
        return 6.0
    if type(rectifier) is not keras.layers.ReLU or rectifier.negative_slope or rectifier.threshold:
        return None
    return torch.inf if rectifier.max_value is None else float(rectifier.max_value)


class _Rectified(torch.autograd.Function):
    """A rectifier in place. PyTorch's own copies gradients several times if its input is a view."""

    @staticmethod
    def forward(context: Any, largest: float, x: Any) -> Any:
        x = x.detach()
        made = x.relu_() if largest == torch.inf else x.clamp_(0, largest)
        context.largest = largest
        context.save_for_backward(made)
        return made

    @staticmethod
    def backward(context: Any, back: Any) -> tuple[None, Any]:
        (made,) = context.saved_tensors
        return None, _rectified_backward(back, made, context.largest)


def _rectified_backward(back: Any, made: Any, largest: float) -> Any:
    """The gradient before a rectifier, from the one after it and what it ``made``."""
    if largest == torch.inf:
        return torch.ops.aten.threshold_backward(back, made, 0)
    return torch.ops.aten.hardtanh_backward(back, made, 0, largest)


class _RectifiedConvolution(torch.autograd.Function):
    """A convolution and a rectifier, in one pass over the maps (N, C, H, W)."""

    @staticmethod
    def forward(
        context: Any, x: Any, kernel: Any, bias: Any, largest: float, geometry: tuple[Any, ...]
    ) -> Any:
        strides, margins, dilation, groups = geometry
        name, bounds = ("relu", []) if largest == torch.inf else ("hardtanh", [0.0, largest])
        made = torch.ops.mkldnn._convolution_pointwise(
            x, kernel, bias, margins, strides, dilation, groups, name, bounds, None
        )
        context.largest, context.geometry = largest, geometry
        context.save_for_backward(x, kernel, made)
        return made

    @staticmethod
    def backward(context: Any, back: Any) -> tuple[Any, None, None, None, None]:
        x, kernel, made = context.saved_tensors
        strides, margins, dilation, groups = context.geometry
        back = _rectified_backward(back, made, context.largest)
        options = False, [0, 0], groups, [True, False, False]
        found, *_ = torch.ops.aten.convolution_backward(
            back, x, kernel, None, strides, margins, dilation, *options
        )
        return found, None, None, None, None


class _ZeroPadded(torch.autograd.Function):
    """Maps (N, H, W, C) with zeros around them: PyTorch's own writes the inner part twice."""

    @staticmethod
    def forward(context: Any, x: Any, margins: tuple[tuple[int, int], tuple[int, int]]) -> Any:
        (top, bottom), (left, right) = margins
        count, height, width, channels = x.shape
        context.inner = slice(top, top + height), slice(left, left + width)
        made = x.new_empty(count, top + height + bottom, left + width + right, channels)
        rows, columns = context.inner
        made[:, :top] = made[:, rows.stop :] = 0
        made[:, rows, :left] = made[:, rows, columns.stop :] = 0
        made[:, rows, columns] = x
        return made

    @staticmethod
    def backward(context: Any, back: Any) -> tuple[Any, None]:
        rows, columns = context.inner
        return back[:, rows, columns], None


def _channels_first(x: Any) -> Any:
    """Maps (N, H, W, C) as (N, C, H, W): a view, in the layout that PyTorch calls channels last."""
    return x.permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)


def _channels_last(x: Any) -> Any:
    """Maps (N, C, H, W) as (N, H, W, C)."""
    return x.permute(0, 2, 3, 1)


def _separable(layer: Any, x: Any) -> Any:
    """A convolution of each channel, and a product of matrices, without an activation.

    The product is in ``product_dtype``, where the layer has that.
    """
    maps = _depthwise(layer, x, _cast(layer.depthwise_kernel, layer), None)
    matrix = _cast(layer.pointwise_kernel, layer)[0, 0]
    bias = _cast(layer.bias, layer) if layer.use_bias else None
    if hasattr(layer, "product_dtype"):
        low = getattr(torch, layer.product_dtype)
        bias = None if bias is None else bias.to(low)
        return torch.nn.functional.linear(maps.to(low), matrix.t().to(low), bias)
    made = maps @ matrix
    return made if bias is None else made.add_(bias)


def _convolution(
    layer: keras.layers.Conv2D, x: Any, kernel: Any, bias: Any, largest: float | None = None
) -> Any:
    """``x``, convolved with a kernel (kh, kw, C, filters)."""
    height, width, channels, filters = kernel.shape
    if largest is None and _is_product(layer):
        x, matrix = x.to(kernel.dtype), kernel[0, 0]
        if kernel.dtype == torch.bfloat16:
            return torch.nn.functional.linear(x, matrix.t(), bias)
        made = x @ matrix
        return made if bias is None else made.add_(bias)
    # PyTorch transposes matrices several times as fast as other tensors.
    kernel = kernel.reshape(-1, filters).t().contiguous()
    kernel = kernel.reshape(filters, height, width, channels).permute(0, 3, 1, 2)
    return _convolved(layer, x, kernel, bias, layer.groups, largest)


def _depthwise(layer: Any, x: Any, kernel: Any, bias: Any, largest: float | None = None) -> Any:
    """``x``, convolved channel by channel with a kernel (kh, kw, C, multiplier)."""
    kernel = kernel.permute(2, 3, 0, 1)  # (C, multiplier, kh, kw)
    return _convolved(layer, x, kernel.flatten(0, 1)[:, None], bias, x.shape[3], largest)


def _convolved(
    layer: Any, x: Any, kernel: Any, bias: Any, groups: int, largest: float | None
) -> Any:
    """``x`` (N, H, W, C), convolved with a kernel (filters, C / groups, kh, kw).

    Rectified up to ``largest``, if that is given.
    """
    spans = [
        (size - 1) * rate + 1
        for size, rate in zip(layer.kernel_size, layer.dilation_rate, strict=True)
    ]
    x, margins = x.to(kernel.dtype), _margins(layer, x, spans)
    if any(before != after for before, after in margins):
        x, margins = _ZeroPadded.apply(x, tuple(margins)), [(0, 0), (0, 0)]
    x, before = _channels_first(x), [before for before, _ in margins]
    if largest is None:
        made = torch.nn.functional.conv2d(
            x, kernel, bias, layer.strides, before, layer.dilation_rate, groups
        )
    else:
        geometry = layer.strides, before, layer.dilation_rate, groups
        made = _RectifiedConvolution.apply(x, kernel, bias, largest, geometry)
    return _channels_last(made)


def _margins(layer: Any, x: Any, spans: Sequence[int]) -> list[tuple[int, int]]:
    """What is added to maps (N, H, W, C) before and after each side, for windows of ``spans``."""
    if layer.padding != "same":
        return [(0, 0), (0, 0)]
    margins = []
    for side, span, stride in zip(x.shape[1:3], spans, layer.strides, strict=True):
        missing = max((-(-side // stride) - 1) * stride + span - side, 0)
        margins.append((missing // 2, missing - missing // 2))
    return margins


def _pooled(layer: Any, x: Any) -> Any:
    """Pooling; maxima may be padded."""
    pool, x = _POOLING[type(layer)], x.to(_dtype(layer))
    margins = _margins(layer, x, layer.pool_size)
    if any(before != after for before, after in margins):
        flat = [margin for pair in reversed(margins) for margin in pair]
        x = torch.nn.functional.pad(x, [0, 0, *flat], value=-torch.inf)
        margins = [(0, 0), (0, 0)]
    options = {"padding": [before for before, _ in margins]} if any(map(any, margins)) else {}
    return _channels_last(pool(_channels_first(x), layer.pool_size, layer.strides, **options))


def _normalized(layer: keras.layers.BatchNormalization, x: Any) -> Any:
    """Batch normalization with the moving averages, in one pass instead of three."""
    factor, offset = _factor_and_offset(layer)
    shape = [1] * x.ndim
    shape[layer.axis] = -1
    return torch.addcmul(offset.reshape(shape), x.to(factor.dtype), factor.reshape(shape))


def _factor_and_offset(layer: keras.layers.BatchNormalization) -> tuple[Any, Any]:
    """The product and the sum that a batch normalization is in inference, by channel."""
    factor = torch.rsqrt(_cast(layer.moving_variance, layer) + layer.epsilon)
    if layer.scale:
        factor = factor * _cast(layer.gamma, layer)
    offset = -factor * _cast(layer.moving_mean, layer)
    if layer.center:
        offset = offset + _cast(layer.beta, layer)
    return factor, offset


def _zero_padded(layer: keras.layers.ZeroPadding2D, x: Any) -> Any:
    return _ZeroPadded.apply(x.to(_dtype(layer)), layer.padding)


def _cast(variable: Any, layer: keras.Layer) -> Any:
    """The current value of a variable, or a tensor, in the dtype that the layer computes in."""
    return keras.ops.convert_to_tensor(variable, layer.compute_dtype)


def _dtype(layer: keras.Layer) -> Any:
    """The dtype that the layer computes in."""
    return getattr(torch, layer.compute_dtype)
