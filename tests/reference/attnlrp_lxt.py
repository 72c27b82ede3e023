"""AttnLRP and CP-LRP by LXT, the authors' library, on a PyTorch mirror of a transformer of Keras.

``python tests/reference/attnlrp_lxt.py`` stores what LXT 2.1 finds for `transformer` of
``lrp_networks.py``, which the tests read. It needs lxt 2.1 and PyTorch, and Keras on PyTorch.
"""

import importlib.util
import sys
from pathlib import Path

import keras
import numpy as np
import torch

import optogram as og

sys.path.insert(0, str(Path(__file__).parents[1]))

from lrp_networks import images, seeded, transformer

# lxt's own package reads Hugging Face's models when it is imported; its rules do not need them.
SPEC = importlib.util.find_spec("lxt")
FUNCTIONAL = importlib.util.spec_from_file_location(
    "lxt_functional", Path(SPEC.submodule_search_locations[0]) / "explicit" / "functional.py"
)
lxt = importlib.util.module_from_spec(FUNCTIONAL)
FUNCTIONAL.loader.exec_module(lxt)


def stabilized(values, epsilon=1e-6, inplace=False):
    """With ε of the sign of each value (Bach et al. 2015); LXT adds it whatever the sign."""
    return values + torch.where(values < 0, -epsilon, epsilon)


lxt._stabilize = stabilized

SOFTMAXES = {
    "epsilon": lambda scores: lxt.softmax(scores, -1),
    "cp_epsilon": lambda scores: torch.softmax(scores, -1).detach(),
}


def tensor(array):
    """A float64 tensor of PyTorch: shares of sums that cancel lose digits in float32."""
    return torch.tensor(np.asarray(keras.ops.convert_to_numpy(array), np.float64))


class Passed(torch.autograd.Function):
    """An activation that hands on all relevance."""

    @staticmethod
    def forward(context, x, function):
        """The activation of ``x``."""
        return function(x)

    @staticmethod
    def backward(context, relevance):
        """All of it."""
        return relevance, None


def linear(x, kernel, bias):
    """A matrix for the last axis, by the ε rule."""
    return lxt.linear_epsilon(x, kernel.T, bias)


def dense(x, layer, last=1):
    """A dense layer that reads the ``last`` axes."""
    kernel, bias = tensor(layer.kernel), tensor(layer.bias)
    x = x.flatten(x.dim() - last)
    made = linear(x, kernel.reshape(x.shape[-1], -1), bias.reshape(-1))
    return made.reshape(*x.shape[:-1], *bias.shape)


def patches(x, layer):
    """A convolution of patches (N, tokens, C) of images (N, H, W, C)."""
    side = layer.kernel_size[0]
    x = x.unfold(1, side, side).unfold(2, side, side)  # (N, rows, columns, C, side, side)
    x = x.permute(0, 1, 2, 4, 5, 3).flatten(3).flatten(1, 2)
    return linear(x, tensor(layer.kernel).reshape(x.shape[-1], -1), tensor(layer.bias))


def attention(x, layer, softmax, is_held):
    """Multi-head attention of (N, tokens, C)."""
    query, key, value = (
        dense(x, each).permute(0, 2, 1, 3)
        for each in (layer.query_dense, layer.key_dense, layer.value_dense)
    )
    scale = layer.key_dim**-0.5
    query = Passed.apply(query, lambda values: values * scale)
    weights = softmax(lxt.matmul(query, key.transpose(-1, -2), epsilon=1e-6))
    made = (Weighed if is_held else lxt.matmul_fn).apply(weights, value)
    return dense(made.permute(0, 2, 1, 3), layer.output_dense, last=2)


class Weighed(torch.autograd.Function):
    """Sums of values with given weights, by the ε rule."""

    @staticmethod
    def forward(context, weights, value):
        """The sums."""
        made = weights @ value
        context.save_for_backward(weights, value, made)
        return made

    @staticmethod
    def backward(context, relevance):
        """By the share of each value."""
        weights, value, made = context.saved_tensors
        seed = relevance / (made + torch.where(made < 0, -1e-6, 1e-6))
        return None, value * (weights.transpose(-1, -2) @ seed)


def normalized(x, layer):
    """A layer normalization, its scale held."""
    return lxt.layer_norm(x, tensor(layer.gamma), tensor(layer.beta), layer.epsilon)


def logits(model, x, softmax, is_held):
    """The logits of images (N, H, W, C)."""
    layers = {layer.name: layer for layer in model.layers}
    kinds = keras.layers
    token = next(layer for layer in model.layers if type(layer).__name__ == "ClassToken")
    dense_layers = [layer for layer in model.layers if isinstance(layer, kinds.Dense)]
    x = patches(x, layers["patches"])
    x = torch.cat([tensor(token.token).expand(len(x), -1, -1), x], dim=1)
    x = lxt.add2(x, tensor(token.positions).expand_as(x), epsilon=1e-6)
    for number in range(2):
        y = normalized(x, layers[f"norm_{number}_1"])
        y = attention(y, layers[f"attention_{number}"], softmax, is_held)
        x = lxt.add2(x, y, epsilon=1e-6)
        y = normalized(x, layers[f"norm_{number}_2"])
        wide, narrow = dense_layers[2 * number : 2 * number + 2]
        y = Passed.apply(dense(y, wide), torch.nn.functional.gelu)
        x = lxt.add2(x, dense(y, narrow), epsilon=1e-6)
    last = [layer for layer in model.layers if isinstance(layer, kinds.LayerNormalization)][-1]
    return dense(normalized(x, last)[:, 0], dense_layers[-1])


def main():
    """Compare, and store."""
    net, x = og.Network(seeded(transformer()), preprocess="tf"), images()
    target, stored = int(net.scores(x)[0].argmax()), {}
    for name, softmax in SOFTMAXES.items():
        given = tensor(x).requires_grad_()
        scores = logits(net.model, given, softmax, name == "cp_epsilon")
        assert np.abs(scores.detach().numpy() - net.scores(x)).max() < 1e-5
        seed = torch.zeros_like(scores)
        seed[:, target] = scores[:, target].detach()
        (found,) = torch.autograd.grad(scores, given, seed)
        stored[f"transformer {name}"] = found.numpy().astype(np.float32)
        print(name, found.numpy().sum(axis=(1, 2, 3)), scores[:, target].detach().numpy())
    np.savez_compressed(Path(__file__).with_suffix(".npz"), **stored)


if __name__ == "__main__":
    main()
