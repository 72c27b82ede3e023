"""Attention methods on the transformer of ``attention_networks.py``, in plain NumPy of float64.

Gradients are complex steps: for an analytic f, ∂f/∂a is the imaginary part of f(a + ih) / h.
"""

import numpy as np
from scipy.special import erf

import attention_networks
from literal import array

STEP = 1e-30


def weights_of(model):
    """By layer, float64."""
    return {
        layer.name: [array(weight).astype(np.float64) for weight in layer.weights]
        for layer in model.layers
    }


def norm(x, weights):
    gamma, beta = weights
    centered = x - x.mean(axis=-1, keepdims=True)
    variance = (centered * centered).mean(axis=-1, keepdims=True)
    return centered / np.sqrt(variance + 1e-6) * gamma + beta


def dense(x, weights):
    kernel, bias = weights
    return x @ kernel + bias


def gelu(x):
    return x * (1 + erf(x / np.sqrt(2))) / 2


def attended(x, weights, change):
    """Attention (..., heads, T, T), with ``change`` added, and what the layer returns."""
    kernels = weights[0::2]
    biases = weights[1::2]
    query, key, value = (
        np.einsum("...tc,chd->...htd", x, kernel) + bias[:, None]
        for kernel, bias in zip(kernels[:3], biases[:3], strict=True)
    )
    scores = query @ np.swapaxes(key, -1, -2) / np.sqrt(query.shape[-1])
    powers = np.exp(scores)
    attention = powers / powers.sum(axis=-1, keepdims=True) + change
    mixed = attention @ value
    return attention, np.einsum("...htd,hdc->...tc", mixed, kernels[3]) + biases[3]


def run(model, image, changes=None):
    """Attention of each block, tokens after each block, and the scores read from these.

    ``changes`` are added to the attention of blocks, by number.
    """
    weights, size = weights_of(model), attention_networks.PATCH
    kernel, bias = weights["patches"]
    cells = image.reshape(attention_networks.ROWS, size, attention_networks.COLUMNS, size, 3)
    x = np.einsum("aybxc,yxcd->abd", cells.astype(np.float64), kernel) + bias
    x = x.reshape(-1, attention_networks.WIDTH)
    *front, position = weights["in_front"]
    x = np.concatenate([*(each[0] for each in front), x]) + position.reshape(-1, x.shape[1])
    attention, after, scores = [], [], []
    for block in range(attention_networks.BLOCKS):
        name = f"block{block}"
        change = (changes or {}).get(block, 0)
        made, y = attended(norm(x, weights[f"{name}_ln1"]), weights[f"{name}_mha"], change)
        x = x + y
        y = gelu(dense(norm(x, weights[f"{name}_ln2"]), weights[f"{name}_mlp1"]))
        x = x + dense(y, weights[f"{name}_mlp2"])
        attention.append(made)
        after.append(x)
        normed = norm(x, weights["ln"])
        pooled = normed[..., 0, :] if model.name == "vit_token" else normed.mean(axis=-2)
        scores.append(dense(pooled, weights["scores"]))
    return attention, after, scores


def gradients(model, image, score, read_after=None):
    """∂score/∂A of each block, for the score read after the last block, or after each block."""
    attention, _, _ = run(model, image)
    found = []
    for block, own in enumerate(attention):
        steps = np.eye(own.size).reshape(-1, *own.shape) * STEP * 1j
        _, _, scores = run(model, image, {block: steps})
        made = scores[block if read_after == "each" else -1]
        found.append(np.array([score(row) for row in made]).imag.reshape(own.shape) / STEP)
    return found


def on_patches(model, row):
    count = attention_networks.ROWS * attention_networks.COLUMNS
    return row[-count:].reshape(attention_networks.ROWS, attention_networks.COLUMNS)


def pooled_row(model, matrix):
    return matrix[0] if model.name == "vit_token" else matrix.mean(axis=0)


def attention_rollout(model, image, fuse=np.mean):
    rolled = None
    for attention in run(model, image)[0]:
        own = fuse(attention, axis=0) + np.eye(attention.shape[-1])
        own = own / own.sum(axis=1, keepdims=True)
        rolled = own if rolled is None else own @ rolled
    return on_patches(model, pooled_row(model, rolled))


def transformer_attribution(model, image, score):
    attention, _, _ = run(model, image)
    relevance = np.eye(attention[0].shape[-1])
    for own, gradient in zip(attention, gradients(model, image, score), strict=True):
        relevance = relevance + np.maximum(gradient * own, 0).mean(axis=0) @ relevance
    return on_patches(model, pooled_row(model, relevance - np.eye(len(relevance))))


def legrad(model, image, score):
    each = gradients(model, image, score, "each")
    maps = [np.maximum(gradient, 0).mean(axis=(0, 1)) for gradient in each]
    return on_patches(model, np.mean(maps, axis=0))
