"""PyTorch, by the contract in ``optogram.backend``."""

import functools
from collections.abc import Callable, Collection, Hashable, Iterable, Sequence
from typing import Any

import keras
import numpy as np
import torch

from optogram.backend import Program
from optogram.processor import NO_BFLOAT16, multiplies_bfloat16

NAME = "torch"


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


def without_bfloat16() -> str:
    """See the contract."""
    is_fast = torch.cuda.is_bf16_supported() if _device().type == "cuda" else multiplies_bfloat16()
    return "" if is_fast else NO_BFLOAT16


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
    """See the contract."""
    return None


def unpadded(layer: keras.Layer) -> Callable[..., Any] | None:
    """See the contract."""
    return None
