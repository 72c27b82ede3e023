"""Attention and methods that follow it, in plain PyTorch, on the weights of a Keras transformer.

``python tests/reference/attention_torch.py`` compares optogram with it on the two transformers of
``attention_networks.py``; with ``--write`` it stores what PyTorch finds, which the tests read.
It needs PyTorch, and Keras on any backend.

Attention is written out here, and gradients are those of ``torch.autograd``: of the last score for
Chefer's method, and of a score after each layer, one call each, for LeGrad.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[1]))

import attention_networks as vits
import optogram as og

TARGET = 1
KINDS = {"token": (1, "token"), "mean": (0, "mean")}


class Attention(nn.Module):
    """Multi-head attention that keeps its weights."""

    def __init__(self):
        super().__init__()
        width = vits.WIDTH
        self.query, self.key, self.value, self.output = (nn.Linear(width, width) for _ in range(4))

    def forward(self, x):
        def heads(y):
            return y.unflatten(-1, (vits.HEADS, -1)).transpose(1, 2)

        query, key, value = (heads(f(x)) for f in (self.query, self.key, self.value))
        self.weights = (query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5).softmax(dim=-1)
        return self.output((self.weights @ value).transpose(1, 2).flatten(2))


class Block(nn.Module):
    """Attention and a network of two layers, each with a norm before it."""

    def __init__(self):
        super().__init__()
        width, hidden = vits.WIDTH, vits.HIDDEN
        self.norm1, self.norm2 = (nn.LayerNorm(width, eps=1e-6) for _ in range(2))
        self.attention = Attention()
        self.mlp = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class Transformer(nn.Module):
    """`attention_networks.vit`."""

    def __init__(self, front, pooling):
        super().__init__()
        width, patch = vits.WIDTH, vits.PATCH
        self.front, self.pooling = front, pooling
        self.patches = nn.Conv2d(3, width, patch, patch)
        self.class_token = nn.Parameter(torch.zeros(1, front, width))
        count = front + vits.ROWS * vits.COLUMNS
        self.position = nn.Parameter(torch.zeros(1, count, width))
        self.blocks = nn.ModuleList(Block() for _ in range(vits.BLOCKS))
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.scores = nn.Linear(width, vits.CLASSES)

    def forward(self, x):
        """The scores read after each block; tokens after each block."""
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.class_token.expand(len(x), -1, -1), x], dim=1) + self.position
        scores, tokens = [], []
        for block in self.blocks:
            x = block(x)
            normed = self.norm(x)
            pooled = normed[:, 0] if self.pooling == "token" else normed.mean(dim=1)
            scores.append(self.scores(pooled))
            tokens.append(x)
        return scores, tokens


def mirrored(model, front, pooling):
    """The Keras ``model`` in PyTorch, float64."""
    found = Transformer(front, pooling)
    state = {}

    def linear(name, kernel, bias, width):
        state[f"{name}.weight"] = kernel.reshape(-1, width).T
        state[f"{name}.bias"] = bias.reshape(-1)

    for layer in model.layers:
        weights = [np.asarray(weight.numpy()) for weight in layer.weights]
        name = layer.name
        if name == "patches":
            state["patches.weight"], state["patches.bias"] = (
                weights[0].transpose(3, 2, 0, 1),
                weights[1],
            )
        elif name == "in_front":
            state["class_token"] = weights[0] if front else np.zeros((1, 0, vits.WIDTH))
            state["position"] = weights[-1][None]
        elif name.endswith("_mha"):
            for i, part in enumerate(("query", "key", "value", "output")):
                width = vits.WIDTH
                kernel, bias = weights[2 * i : 2 * i + 2]
                linear(
                    f"blocks.{name[5]}.attention.{part}", kernel.reshape(width, width), bias, width
                )
        elif "_mlp" in name:
            place = f"blocks.{name[5]}.mlp.{0 if name.endswith('1') else 2}"
            linear(place, *weights, weights[0].shape[1])
        elif name == "scores":
            linear("scores", *weights, vits.CLASSES)
        elif name == "ln" or "_ln" in name:
            place = "norm" if name == "ln" else f"blocks.{name[5]}.norm{name[-1]}"
            state[f"{place}.weight"], state[f"{place}.bias"] = weights
    found.load_state_dict({key: torch.tensor(array) for key, array in state.items()})
    return found.double()


def by_torch(model, front, pooling):
    """All that `by_optogram` finds."""
    network = mirrored(model, front, pooling)
    x = torch.tensor(vits.images()).permute(0, 3, 1, 2).double()
    scores, tokens = network(x)
    attention = [block.attention.weights for block in network.blocks]
    own = torch.eye(attention[0].shape[-1], dtype=torch.float64)
    rolled, relevance, layers = own, own, []
    gradients = torch.autograd.grad(scores[-1][:, TARGET].sum(), attention, retain_graph=True)
    for weights, gradient, score in zip(attention, gradients, scores, strict=True):
        rolled = (weights.mean(dim=1) + own) / 2 @ rolled
        relevance = relevance + (weights * gradient).clamp(min=0).mean(dim=1) @ relevance
        (at,) = torch.autograd.grad(score[:, TARGET].sum(), weights, retain_graph=True)
        layers.append(at.clamp(min=0).mean(dim=(1, 2)))

    def on_patches(rows):
        shape = (-1, vits.ROWS, vits.COLUMNS)
        return rows[:, front:].reshape(shape).detach().numpy().astype(np.float32)

    def read(matrix):
        return matrix[:, 0] if pooling == "token" else matrix.mean(dim=1)

    patches = tokens[-1][:, front:].reshape(-1, vits.WIDTH).detach()
    centered = patches - patches.mean(dim=0)
    _, _, vectors = torch.linalg.svd(centered)
    largest = vectors[:3].gather(1, vectors[:3].abs().argmax(dim=1, keepdim=True))
    components = centered @ (vectors[:3] * largest.sign()).T
    return {
        "scores": scores[-1].detach().numpy().astype(np.float32),
        "attention": attention[-1].detach().numpy().astype(np.float32),
        "attention_rollout": on_patches(read(rolled)),
        "transformer_attribution": on_patches(read(relevance - own)),
        "legrad": on_patches(torch.stack(layers).mean(dim=0)),
        "token_pca": components.reshape(len(x), vits.ROWS, vits.COLUMNS, 3)
        .numpy()
        .astype(np.float32),
    }


def by_optogram(model):
    """The same, by optogram."""
    net, x = og.Network(model, "none"), vits.images()
    names = ("attention_rollout", "transformer_attribution", "legrad")
    return {
        "scores": net.scores(x),
        "attention": og.attention(net, x).values,
        **{name: getattr(og, name)(net, x, TARGET).values for name in names},
        "token_pca": og.token_pca(net, x).values,
    }


def main():
    """Compare, and store."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true")
    asked, stored = parser.parse_args(), {}
    for kind, (front, pooling) in KINDS.items():
        model = vits.vit(front, pooling)
        expected, found = by_torch(model, front, pooling), by_optogram(model)
        for name, array in expected.items():
            share = np.abs(found[name] - array).max() / np.ptp(array)
            print(f"{kind:8}{name:26} differs by {share:.1e} of the range", flush=True)
            stored[f"{kind} {name}"] = array
    if asked.write:
        np.savez_compressed(Path(__file__).with_suffix(".npz"), **stored)


if __name__ == "__main__":
    main()
