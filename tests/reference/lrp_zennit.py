"""Layer-wise relevance propagation by zennit, on PyTorch mirrors of Keras models.

``python tests/reference/lrp_zennit.py [NETWORK …]`` compares `optogram.lrp` with it, for networks
of keras.applications with random weights and for EfficientNet-Lite0. With ``--write`` it stores
what zennit finds for the networks of ``lrp_networks.py``, which the tests read. It needs zennit
0.5.1 and PyTorch, and Keras on PyTorch.
"""

import argparse
import sys
from pathlib import Path

import keras
import numpy as np
import torch
from skimage import data
from zennit.composites import COMPOSITES as BY_ZENNIT
from zennit.layer import Sum

import optogram as og

sys.path.insert(0, str(Path(__file__).parents[1]))

from lrp_networks import SMALL, images, seeded

NAMES = {
    "epsilon_plus": "epsilon_plus",
    "epsilon_plus_flat": "epsilon_plus_flat",
    "epsilon_gamma_box": "epsilon_gamma_box",
    "alpha2_beta1": "epsilon_alpha2_beta1",
    "alpha2_beta1_flat": "epsilon_alpha2_beta1_flat",
}
"""optogram's names of composites, and zennit's; zennit has none with ε alone."""

CONVOLUTIONS = keras.layers.Conv2D | keras.layers.DepthwiseConv2D


def tensor(array):
    """A float32 tensor of PyTorch."""
    return torch.tensor(np.asarray(keras.ops.convert_to_numpy(array), np.float32))


class Mirror(torch.nn.Module):
    """The steps of a network as modules of PyTorch, normalizations folded into convolutions."""

    def __init__(self, net):
        super().__init__()
        graph, logits = net.graph, net.head.logits
        self.steps = [graph.steps[index] for index in sorted(graph.ancestors([logits]))]
        self.source, self.last = graph.inputs[0].step, logits.step
        self.modules_of = torch.nn.ModuleDict()
        self.skipped, self.only_reader = set(), {}
        readers = {}
        for step in self.steps:
            for output in step.inputs:
                readers.setdefault(output.step, []).append(step)
        for step in self.steps:
            after = readers.get(step.index, [])
            is_convolution = isinstance(step.operation, CONVOLUTIONS) and step.half != "activation"
            normalization = after[0].operation if is_convolution and len(after) == 1 else None
            if isinstance(normalization, keras.layers.BatchNormalization):
                self.skipped.add(after[0].index)
            else:
                normalization = None
            self.only_reader[step.index] = after[0].index if len(after) == 1 else None
            module = mirrored(step, normalization)
            if module is not None:
                self.modules_of[str(step.index)] = module

    def forward(self, x):
        """The logits of images (N, C, H, W)."""
        found = {self.source: x}
        for step in self.steps:
            if step.index != self.source:
                given = [found[output.step] for output in step.inputs]
                found[step.index] = self.output(step, given)
        return found[self.last]

    def output(self, step, given):
        """The output of a step."""
        layer, key = step.operation, str(step.index)
        module = dict(self.modules_of.items()).get(key)
        if step.index in self.skipped or step.passes_on:
            return given[0]
        if isinstance(module, Sum):
            return module(torch.stack(given, dim=-1))
        if isinstance(layer, keras.layers.ZeroPadding2D):
            (top, bottom), (left, right) = layer.padding
            sides, after = (left, right, top, bottom), self.only_reader[step.index]
            if isinstance(self.modules_of[str(after)], Padded):
                self.modules_of[str(after)].around = sides
                return given[0]
            return torch.nn.functional.pad(given[0], sides)
        if isinstance(layer, keras.layers.Flatten):
            return given[0].permute(0, 2, 3, 1).flatten(1)
        if isinstance(layer, keras.layers.Reshape):
            return given[0].flatten(1)
        if isinstance(layer, keras.layers.GlobalAveragePooling2D):
            made = module(given[0])
            return made if layer.keepdims else made[:, :, 0, 0]
        if module is None:
            raise NotImplementedError(f"{step.name}: {step.kind}")
        return module(given[0])


def mirrored(step, normalization):
    """The module of a step; None for steps that `Mirror.output` does itself."""
    layer = step.operation
    if step.half == "activation":
        return {"relu": torch.nn.ReLU, "relu6": torch.nn.ReLU6}[step.kind]()
    if isinstance(layer, keras.layers.ReLU):
        return torch.nn.ReLU6() if layer.max_value == 6 else torch.nn.ReLU()
    if isinstance(layer, keras.layers.Activation):
        return {"relu": torch.nn.ReLU, "relu6": torch.nn.ReLU6}[layer.activation.__name__]()
    if isinstance(layer, CONVOLUTIONS):
        return convolution(layer, normalization)
    if isinstance(layer, keras.layers.Dense):
        module = torch.nn.Linear(*layer.kernel.shape)
        module.weight.data = tensor(layer.kernel).T.contiguous()
        module.bias.data = tensor(layer.bias)
        return module
    if isinstance(layer, keras.layers.Add):
        return Sum()
    if isinstance(layer, keras.layers.GlobalAveragePooling2D):
        return torch.nn.AdaptiveAvgPool2d(1)
    if isinstance(layer, keras.layers.MaxPooling2D):
        return torch.nn.MaxPool2d(layer.pool_size, layer.strides)
    return None


class Padded(torch.nn.Conv2d):
    """A convolution that pads its input with zeros as Keras does, on two sides by one more."""

    same, around = False, None

    def forward(self, x):
        """The output for ``x``."""
        sides = list(self.around or ())
        for axis in (1, 0) if self.same else ():
            kernel, stride, length = self.kernel_size[axis], self.stride[axis], x.shape[2 + axis]
            missing = max(0, (-(-length // stride) - 1) * stride + kernel - length)
            sides += [missing // 2, missing - missing // 2]
        return super().forward(torch.nn.functional.pad(x, sides) if sides else x)


def convolution(layer, normalization):
    """A convolution of PyTorch, with the normalization that follows folded in."""
    kernel = tensor(layer.kernel)
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        groups, weight = kernel.shape[2], kernel.permute(2, 3, 0, 1)
        weight = weight.reshape(-1, 1, *kernel.shape[:2])
    else:
        groups, weight = layer.groups, kernel.permute(3, 2, 0, 1)
    bias = torch.zeros(len(weight)) if layer.bias is None else tensor(layer.bias)
    if normalization is not None:
        scale = (tensor(normalization.moving_variance) + normalization.epsilon).rsqrt()
        scale = scale * tensor(normalization.gamma) if normalization.scale else scale
        weight = weight * scale[:, None, None, None]
        bias = (bias - tensor(normalization.moving_mean)) * scale
        bias = bias + tensor(normalization.beta) if normalization.center else bias
    made = Padded(
        weight.shape[1] * groups,
        len(weight),
        layer.kernel_size,
        layer.strides,
        groups=groups,
    )
    made.same = layer.padding == "same"
    made.weight.data, made.bias.data = weight.contiguous(), bias
    return made


def by_zennit(net, x, target, name):
    """The relevance (N, H, W, C) of images for a class, its score put in at the top."""
    mirror = Mirror(net).eval()
    given = tensor(x).permute(0, 3, 1, 2).contiguous().requires_grad_()
    bounds = {}
    if name == "epsilon_gamma_box":
        ends = [net.preparation.to_network(np.full_like(x, level)) for level in (0.0, 255.0)]
        low, high = (tensor(end(*ends)).permute(0, 3, 1, 2) for end in (np.minimum, np.maximum))
        bounds = {"low": low, "high": high}
    with BY_ZENNIT[NAMES[name]](**bounds).context(mirror) as changed:
        scores = changed(given)
        seed = torch.zeros_like(scores)
        seed[:, target] = scores[:, target].detach()
        (found,) = torch.autograd.grad(scores, given, seed)
    return found.permute(0, 2, 3, 1).numpy()


def main():
    """Compare, and store."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", nargs="*")
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    stored = {}
    for name in [*(SMALL if asked.write else ()), *asked.networks]:
        if name in SMALL:
            net, x = og.Network(seeded(SMALL[name]()), preprocess="tf"), images()
        else:
            weights = {} if name == "efficientnet-lite0" else {"weights": None}
            net = og.load(name, **weights)
            x = np.asarray(net.prepare([data.chelsea(), data.coffee()]))
        target = int(net.scores(x)[0].argmax())
        for composite in NAMES:
            expected = by_zennit(net, x, target, composite)
            found = og.lrp(net, x, target, composite=composite).values
            share = np.abs(found - expected).max() / np.abs(expected).max()
            print(f"{name:20} {composite:20} differs by {share:.1e} of the range", flush=True)
            stored[f"{name} {composite}"] = expected
    if asked.write:
        kept = {key: array for key, array in stored.items() if key.split()[0] in SMALL}
        np.savez_compressed(Path(__file__).with_suffix(".npz"), **kept)


if __name__ == "__main__":
    main()
