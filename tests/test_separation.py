"""What is proved of batches against what happens when another image of the batch changes."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import transformers
from optogram.graph.steps import flatten
from optogram.interpreters.separation import treats_images_separately
from replay import answer

pytestmark = pytest.mark.once


def turned_twice(x):
    """The axis of images is moved to the right, and back."""
    x = ops.transpose(x, (1, 2, 0, 3))
    return ops.transpose(ops.tanh(x), (2, 0, 1, 3))


def heads(x):
    """As qkv of Swin: three parts along the first axis, then images."""
    x = ops.transpose(ops.reshape(x, (-1, 16, 3, 2)), (2, 0, 1, 3))
    first, second, third = ops.unstack(x, 3)
    scores = ops.softmax(ops.matmul(first, ops.transpose(second, (0, 2, 1))), axis=-1)
    return ops.einsum("bts,bsc->btc", scores, third)


def windows(x):
    """Windows follow one another along the first axis."""
    x = ops.reshape(x, (-1, 2, 2, 2, 2, 6))
    x = ops.reshape(ops.transpose(x, (0, 1, 3, 2, 4, 5)), (-1, 4, 6))
    x = layers.Dense(3)(ops.roll(x, 1, axis=1) - ops.mean(x, axis=(1, 2), keepdims=True))
    return ops.reshape(x, (-1, 4, 4, 3))


SEPARATE = {
    "turned": turned_twice,
    "heads": heads,
    "windows": windows,
    "kept": lambda x: ops.squeeze(
        ops.expand_dims(ops.pad(x[:, 1:], [[0, 0], [1, 0], [0, 0], [0, 0]]), 1), 1
    ),
    "parts": lambda x: (
        ops.concatenate(ops.split(x, 2, axis=2), axis=1)
        + ops.max(x, axis=3, keepdims=True)[:, :1, :1]
    ),
    "einsum": lambda x: ops.einsum("nhwc,nhwd->ncd", x, x),
}
MIXED = {
    "sum": lambda x: x - ops.mean(x, axis=0, keepdims=True),
    "all": lambda x: x / ops.sum(x),
    "roll": lambda x: ops.roll(x, 1, axis=0),
    "softmax": lambda x: ops.softmax(x, axis=0),
    "flipped": lambda x: x + ops.flip(x, axis=0),
    "one": lambda x: x + x[:1, :],
    "einsum": lambda x: ops.einsum("nhwc,mhwd->ncd", x, x),
    "matmul": lambda x: ops.transpose(
        ops.matmul(ops.ones((2, 2)), ops.transpose(x, (1, 2, 0, 3))), (2, 0, 1, 3)
    ),
    "reshaped": lambda x: ops.reshape(ops.transpose(x, (1, 0, 2, 3)), (-1, 4, 4, 6)),
    "turned": lambda x: ops.reshape(ops.transpose(x, (3, 0, 1, 2)), (-1, 16, 6)),
}


def is_separate(model):
    """Whether each of two answers stays the same when the other image changes."""
    draw = np.random.default_rng(0)
    x, other = draw.normal(size=(2, 2, *model.input_shape[1:])).astype(np.float32)
    changed = np.stack([x[0], other[1]]), np.stack([other[0], x[1]])
    made = answer(model, x)
    return all(
        np.allclose(made[place], answer(model, batch)[place], atol=1e-6)
        for place, batch in enumerate(changed)
    )


@pytest.mark.parametrize("name", SEPARATE)
def test_images_that_stay_apart_are_proved_to(name):
    keras.utils.set_random_seed(0)
    image = keras.Input((4, 4, 6))
    model = keras.Model(image, SEPARATE[name](image))
    graph = flatten(model)
    assert treats_images_separately(graph, graph.outputs[0])
    assert is_separate(model)


@pytest.mark.parametrize("name", MIXED)
def test_nothing_is_proved_of_images_that_mix(name):
    image = keras.Input((4, 4, 6))
    model = keras.Model(image, MIXED[name](image))
    graph = flatten(model)
    assert not treats_images_separately(graph, graph.outputs[0])
    assert not is_separate(model)


@pytest.mark.parametrize("kind", transformers.KINDS)
def test_images_of_transformers_stay_apart(kind):
    graph = flatten(transformers.build(kind))
    assert treats_images_separately(graph, graph.outputs[0])
