"""The networks in PyTorch itself, channels first, with the weights of the Keras model."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import nn

from ..side import Given

# Channels of VGG16's convolutions; M is a pooling. (Simonyan and Zisserman 2014, table 1, D)
_VGG16 = (64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M")
# Repeats, kernel, stride, expansion, filters of EfficientNet-Lite0's stages.
_LITE0 = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)


def network(name: str, given: Given) -> tuple[nn.Module, nn.Module]:
    """The network, which returns logits, and the module whose maps are asked for."""
    model, layer = {"vgg16": _vgg16, "efficientnet-lite0": _lite0}[name]()
    weights = iter(given.weights)
    with torch.no_grad():
        for module in model.modules():
            _assign(module, weights)
    if next(weights, None) is not None:
        raise ValueError(f"Not all weights of {name} have a place.")
    return model.eval(), layer


def first_channels(photos: np.ndarray) -> torch.Tensor:
    """Photos as PyTorch reads them."""
    return torch.tensor(photos).permute(0, 3, 1, 2).contiguous()


def last_channels(tensor: torch.Tensor) -> np.ndarray:
    """A tensor as an array with channels last."""
    return tensor.detach().permute(0, 2, 3, 1).numpy()


class _LastChannelsFlat(nn.Module):
    """Flattens as Keras does: channels vary fastest."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.permute(0, 2, 3, 1).flatten(1)


class _Same(nn.Conv2d):
    """Pads as TensorFlow does where the stride is 2: more at the end."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        spare = self.kernel_size[0] - self.stride[0]
        before = spare // 2
        x = nn.functional.pad(x, (before, spare - before) * 2)
        return self._conv_forward(x, self.weight, self.bias)


class _Residual(nn.Sequential):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + super().forward(x)


def _vgg16() -> tuple[nn.Module, nn.Module]:
    made: list[nn.Module] = []
    read = 3
    for filters in _VGG16:
        if filters == "M":
            made.append(nn.MaxPool2d(2))
        else:
            made += [nn.Conv2d(read, filters, 3, padding=1), nn.ReLU()]
            read = filters
    layer = made[-2]
    made += [_LastChannelsFlat(), nn.Linear(512 * 49, 4096), nn.ReLU()]
    made += [nn.Linear(4096, 4096), nn.ReLU(), nn.Linear(4096, 1000)]
    return nn.Sequential(*made), layer


def _lite0() -> tuple[nn.Module, nn.Module]:
    def convolved(read: int, filters: int, kernel: int, stride: int, groups: int = 1) -> list:
        kind, padding = (nn.Conv2d, kernel // 2) if stride == 1 else (_Same, 0)
        options = {"groups": groups, "bias": False, "padding": padding}
        conv = kind(read, filters, kernel, stride, **options)
        return [conv, nn.BatchNorm2d(filters, eps=1e-3)]

    made, read = [*convolved(3, 32, 3, 2), nn.ReLU6()], 32
    for repeats, kernel, first_stride, expansion, filters in _LITE0:
        for number in range(repeats):
            stride = first_stride if number == 0 else 1
            wide = read * expansion
            block = [*convolved(read, wide, 1, 1), nn.ReLU6()] if expansion > 1 else []
            block += [*convolved(wide, wide, kernel, stride, wide), nn.ReLU6()]
            block += convolved(wide, filters, 1, 1)
            kind = _Residual if stride == 1 and read == filters else nn.Sequential
            made.append(kind(*block))
            read = filters
    layer = made[-1]
    made += [*convolved(read, 1280, 1, 1), nn.ReLU6(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*made, nn.Linear(1280, 1000)), layer


def _assign(module: nn.Module, weights: Iterator[np.ndarray]) -> None:
    """Take the weights of one module, in the order and layout of Keras."""
    if isinstance(module, nn.Conv2d):
        depthwise = module.groups > 1
        order = (2, 3, 0, 1) if depthwise else (3, 2, 0, 1)
        module.weight.copy_(torch.tensor(next(weights).transpose(order)))
    elif isinstance(module, nn.Linear):
        module.weight.copy_(torch.tensor(next(weights).T))
    elif isinstance(module, nn.BatchNorm2d):
        for tensor in (module.weight, module.bias, module.running_mean, module.running_var):
            tensor.copy_(torch.tensor(next(weights)))
    if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
        module.bias.copy_(torch.tensor(next(weights)))
