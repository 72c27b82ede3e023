"""PyTorch behind the contract that ``optogram.backend`` states."""

from collections.abc import Callable, Iterable
from typing import Any

import keras
import numpy as np
import torch

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
    function: Callable[..., Any], variables: Iterable[keras.Variable]
) -> Callable[..., Any]:
    """See the contract. PyTorch runs eagerly: its compiler wants a C++ compiler at run time."""
    variables = list(variables)

    def uncompiled(*tensors: Any) -> Any:
        # Detached weights leave nothing behind for weight gradients that nobody asked for.
        values = [(variable, variable.value.detach()) for variable in variables]
        with torch.no_grad(), keras.StatelessScope(state_mapping=values):
            return function(*tensors)

    return uncompiled


def gradient(function: Callable[..., Any]) -> Callable[..., Any]:
    """See the contract."""

    def value_and_gradient(at: Any, *others: Any) -> tuple[Any, Any]:
        with torch.enable_grad():
            at = at.detach().requires_grad_()
            scores, extras = function(at, *others)
            if not scores.requires_grad:
                return torch.zeros_like(at), extras
            (back,) = torch.autograd.grad(
                scores.sum(), at, allow_unused=True, materialize_grads=True
            )
        return back, extras

    return value_and_gradient
