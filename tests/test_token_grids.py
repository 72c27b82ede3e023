"""Tokens of transformers as feature maps: their grids, what is read of them, and Grad-CAM."""

import re

import keras
import numpy as np
import pytest

import literal
import optogram as og
import transformers
from optogram.graph.steps import Output
from optogram.interpreters.gradients import gradients
from replay import answer

pytestmark = pytest.mark.keras_inside


@pytest.fixture(scope="module", params=list(transformers.KINDS))
def opened(request):
    """A transformer with the gradients of its highest score at its maps, by name, and an image."""
    net = og.Network(transformers.build(request.param), preprocess="unit")
    x = np.random.default_rng(1).uniform(0, 1, (1, *net.size, 3)).astype(np.float32)
    needed = net.graph.ancestors([net.head.logits])
    shown = [step for step in net.graph.steps if step.has_maps and step.index in needed]
    found = gradients(net, x, None, [Output(step.index) for step in shown])
    at = {step.name: at for step, at in zip(shown, found.at, strict=True)}
    return request.param, net, x, found, at


def test_the_steps_compute_what_the_model_does(opened):
    _, net, x, found, _ = opened
    expected = answer(net.model, x)
    assert_near(found.outputs, expected)


def assert_near(found, expected):
    assert np.abs(expected).max() > 0
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


LISTED = {
    "token": [
        *("patches", "add", "first_ln1", "first_mha/product", "first_mha/attention_output"),
        *("first_sum1", "first_ln2", "first_mlp", "first_out", "first_sum2", "second_ln1"),
    ],
    "gap": [
        *("extract_patches", "projection", "add", "first_ln1", "product", "attention_output"),
        *("first_sum1", "first_ln2", "first_mlp", "first_out", "first_sum2", "last"),
    ],
    "windows": ["patches", "norm", "add", "last"],
    "mixer": ["patches", "ln", "back", "sum"],
}
"""What neither is a window or score of attention, nor only moves tokens, nor is never read."""


def test_layers_with_tokens_have_maps(opened):
    kind, net, *_ = opened
    rows, columns = (4, 2) if kind == "windows" else transformers.GRID
    assert set(net.map_layers().values()) == {(rows, columns)}
    listed = [re.sub(r"_\d+$", "", name) for name in net.map_layers()]
    assert listed == LISTED[kind]


def test_a_map_is_read_exactly_if_its_gradient_is_not_zero(opened):
    kind, net, _, _, at = opened
    read = {name: net.step(name).is_read for name in at}
    assert read == {name: not found.vanished.all() for name, found in at.items()}
    assert all(read.values()) == (kind != "token")


def test_the_gradient_of_maps_is_that_of_the_tokens(opened):
    kind, net, x, found, at = opened
    layer, front = net.default_layer, int(kind == "token")
    best = int(found.outputs[0].argmax())
    gradient, maps = literal.gradient(net.model, x[0], lambda scores: scores[best], layer)
    shape = at[layer].maps[0].shape
    assert_near(at[layer].gradient[0, 0], gradient[front:].reshape(shape))
    assert_near(at[layer].maps[0], maps[front:].reshape(shape))
    weighted = (maps * gradient[front:].mean(0)).sum(1)[front:].reshape(shape[:2])
    assert_near(og.gradcam(net, x, rectify=False).values[0], weighted)


@pytest.mark.each_backend
def test_what_a_head_sums_is_a_map():
    model = transformers.build("token")
    net = og.Network(model, preprocess="unit")
    x = np.random.default_rng(1).uniform(0, 1, (1, *net.size, 3)).astype(np.float32)
    tokens = answer(keras.Model(model.input, model.get_layer("first_ln1").output), x)[0]
    weights = [np.asarray(weight) for weight in model.get_layer("first_mha").get_weights()]
    query, key, value = (
        np.einsum("tc,chs->hts", tokens, weights[2 * i]) + weights[2 * i + 1][:, None]
        for i in range(3)
    )
    scores = np.exp(query @ key.transpose(0, 2, 1) / np.sqrt(query.shape[-1]))
    summed = scores / scores.sum(-1, keepdims=True) @ value  # (heads, tokens, size)
    layer, size = "first_mha/product", summed.shape[-1]
    found = og.feature_maps(net, x, layer)[layer].values[0]
    assert_near(found, np.concatenate(summed[:, 1:], -1).reshape(*transformers.GRID, -1))
    unit, head = og.Filter(layer, size + 2), og.Direction(layer, np.repeat([0, 1], size))
    scores = [og.saliency(net, x, target).score[0] for target in (unit, head)]
    expected = [summed[1, 1:, 2].mean(), summed[1, 1:].sum(-1).mean()]
    np.testing.assert_allclose(scores, expected, rtol=0, atol=1e-5 * np.abs(summed).max())


class ClassToken(keras.layers.Layer):
    """Puts a token in front, as many transformers do, with no layers inside."""

    def build(self, shape):
        self.token = self.add_weight(shape=(1, 1, shape[-1]), name="token")

    def call(self, x):
        shape = (keras.ops.shape(x)[0], 1, x.shape[-1])
        return keras.ops.concatenate([keras.ops.broadcast_to(self.token, shape), x], axis=1)


class FirstToken(keras.layers.Layer):
    """The class token, taken in a layer of its own, as CLIP does."""

    def call(self, x):
        return x[:, 0]


@pytest.mark.once
def test_a_layer_that_takes_the_class_token_reads_no_patches():
    model = transformers.build("token")
    pooled = FirstToken(name="pooler")(model.get_layer("last").output)
    net = og.Network(keras.Model(model.input, keras.layers.Dense(3)(pooled)), preprocess="unit")
    assert net.default_layer == "second_ln1" and not net.step("last").is_read


@pytest.mark.once
def test_a_file_of_a_network_with_a_class_token_is_read_as_the_network(tmp_path):
    layers = keras.layers
    image = keras.Input((8, 12, 3))
    x = layers.Reshape((6, 4))(layers.Conv2D(4, 4, 4, name="patches")(image))
    x = layers.LayerNormalization(name="norm")(ClassToken(name="front")(x))
    x = layers.Add(name="sum")([x, layers.MultiHeadAttention(2, 2, name="mha")(x, x)])
    model = keras.Model(image, layers.Dense(3)(layers.LayerNormalization(name="last")(x)[:, 0]))
    model.save(tmp_path / "model.keras")
    opened = og.load(tmp_path / "model.keras", custom_objects={"ClassToken": ClassToken})
    pixels = np.random.default_rng(0).uniform(0, 255, (8, 12, 3))
    for net in (og.Network(model), opened):
        assert net.map_layers()["norm"] == (2, 3)
        # The score reads the class token alone: after attention, patches are not looked at.
        assert net.default_layer == "norm" and not net.step("last").is_read
        found = og.attention_rollout(net, pixels)
        rows = og.attention(net, pixels).values[0].mean(axis=0)[0, 1:] / 2
        np.testing.assert_allclose(found.values[0].ravel(), rows, rtol=1e-5)


@pytest.mark.once
def test_feature_maps_are_by_default_those_of_sums():
    net = og.Network(transformers.build("token"), preprocess="unit")
    x = np.random.default_rng(1).uniform(0, 1, (1, *net.size, 3)).astype(np.float32)
    sums = [f"{block}_sum{half}" for block in ("first", "second") for half in (1, 2)]
    assert list(og.feature_maps(net, x)) == ["patches", "add", *sums]


@pytest.mark.once
def test_occlusion_runs_batches_of_any_size():
    net = og.Network(transformers.build("token"), preprocess="unit")
    x = np.random.default_rng(1).uniform(0, 1, (1, *net.size, 3)).astype(np.float32)
    found = og.occlusion(net, x, 1, patch=4, stride=4, fill=0.5, fill_space="network").values[0]
    hidden = x.copy()
    hidden[:, 4:8, :4] = 0.5
    drop = answer(net.model, x)[0, 1] - answer(net.model, hidden)[0, 1]
    np.testing.assert_allclose(found[1, 0], drop, rtol=0, atol=1e-5)
