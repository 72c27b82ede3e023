"""Attention, and methods that follow it, on a small transformer."""

from pathlib import Path

import keras
import numpy as np
import pytest

import attention_networks
import literal_attention as literal
import networks
import optogram as og
from optogram.errors import InputError
from optogram.methods import ATTRIBUTIONS, OF_ATTENTION
from optogram.methods.request.left_out import left_out
from optogram.methods.sanity.again import ask_again

BOUND = 1e-5
"""Largest difference ÷ range."""
KINDS = {"token": (1, "token"), "mean": (0, "mean"), "mean of four more": (4, "mean")}


@pytest.fixture(scope="module", params=["token", "mean"])
def net(request):
    return og.Network(attention_networks.vit(*KINDS[request.param]), "none")


@pytest.fixture(scope="module")
def x():
    return attention_networks.images()


def assert_close(found, expected, bound=BOUND):
    assert found.shape == expected.shape and np.ptp(expected) > 0
    np.testing.assert_allclose(found, expected, rtol=0, atol=bound * np.ptp(expected))


# -- attention itself ------------------------------------------------------------------------------


def test_attention_equals_its_literal_computation(net, x):
    found = og.attention(net, x, ["block1_mha", "block0_mha"])
    assert list(found) == ["block0_mha", "block1_mha"]
    for i, image in enumerate(x):
        for result, expected in zip(found.values(), literal.run(net.model, image)[0], strict=True):
            assert_close(result.values[i], expected)


@pytest.mark.once
def test_layers_are_named_by_layer_softmax_or_pattern(net, x):
    last = og.attention(net, x)
    assert last.layer == "block1_mha"
    one = og.attention(net, x, "block1_mha/softmax")
    np.testing.assert_array_equal(one.values, last.values)
    assert list(og.attention(net, x, "*0_mha")) == ["block0_mha"]
    with pytest.raises(InputError, match=r"no attention layer 'block2_mha': the nearest .*block1"):
        og.attention(net, x, "block2_mha")
    convolutions = og.Network(networks.build("branches"), "none")
    with pytest.raises(InputError, match="no attention layer: attention is of transformers"):
        og.attention(convolutions, networks.images_for(convolutions.model))


@pytest.mark.once
def test_rows_of_attention_are_maps_of_the_patches(net, x):
    found = og.attention(net, x)
    front = found.values.shape[-1] - 12
    assert found.grid == (3, 4, front)
    row = found.values[1, :, front + 4 * 2 + 3, front:]
    np.testing.assert_array_equal(found.token(2, 3, index=1), row.reshape(2, 3, 4))
    mean = found.values[1].mean(axis=1)[:, front:]
    np.testing.assert_allclose(found.mean_token(1), mean.reshape(2, 3, 4), rtol=1e-6)
    with pytest.raises(InputError, match=r"column must be .*3"):
        found.token(0, 4)
    if front:
        np.testing.assert_array_equal(
            found.class_token(1).ravel(), found.values[1, :, 0, 1:].ravel()
        )
    else:
        with pytest.raises(InputError, match="are all patches, there is no class token"):
            found.class_token()


@pytest.mark.once
def test_attention_is_drawn_saved_and_loaded(net, x, tmp_path):
    found = og.attention(net, x)
    again = og.load_result(found.save(tmp_path / "attention.npz"))
    np.testing.assert_array_equal(again.values, found.values)
    assert again.grid == found.grid and again.layer == found.layer
    drawn = found.overlay(token=(1, 2))
    assert found.overlay(1, (1, 2)).size == drawn.size and drawn != found.overlay()
    one, both = found.mosaic(heads=[1]), found.mosaic()
    assert one.width < both.width and found.plot().height > both.height
    assert "<img" in found._repr_html_()
    with pytest.raises(InputError, match="2 heads, numbered 0 to 1: 2 is out of range"):
        found.overlay(2)
    with pytest.raises(InputError, match='token must be "class", "mean" or'):
        found.overlay(token="last")


def windowed(is_merging=False):
    """Attention within four windows, as Swin has it, and then between all tokens.

    With ``is_merging`` there are no windows, and keys are fewer than queries, as in MiT.
    """
    layers, ops = keras.layers, keras.ops

    class Windows(layers.Layer):
        def __init__(self):
            super().__init__(name="windows")
            self.query, self.key, self.value = (layers.Dense(4, name=n) for n in ("q", "k", "v"))

        def call(self, x):
            count = ops.shape(x)[0]
            x = ops.reshape(x, (count, 2, 2, 2, 2, 4))
            x = ops.reshape(ops.transpose(x, (0, 1, 3, 2, 4, 5)), (-1, 1, 4, 4))
            keys = ops.transpose(self.key(x), (0, 1, 3, 2))
            weights = ops.softmax(ops.matmul(self.query(x), keys), axis=-1)
            x = ops.reshape(ops.matmul(weights, self.value(x)), (count, 2, 2, 2, 2, 4))
            return ops.reshape(ops.transpose(x, (0, 1, 3, 2, 4, 5)), (count, 16, 4))

    image = keras.Input((8, 8, 3))
    x = layers.Reshape((16, 4))(layers.Conv2D(4, 2, 2, name="patches")(image))
    keys = x
    if is_merging:
        maps = layers.Conv2D(4, 2, 2)(layers.Reshape((4, 4, 4))(x))
        keys = layers.Reshape((4, 4))(maps)
    else:
        x = keys = layers.Add()([x, Windows()(x)])
    x = layers.Add()([x, layers.MultiHeadAttention(2, 2, name="whole")(x, keys)])
    x = layers.GlobalAveragePooling1D()(x)
    return keras.Model(image, layers.Dense(3)(x))


@pytest.mark.once
def test_attention_within_windows_has_an_axis_of_windows():
    keras.utils.set_random_seed(0)
    net = og.Network(windowed(), "none")
    x = np.random.default_rng(0).normal(0, 3, (3, 8, 8, 3)).astype(np.float32)
    found = og.attention(net, x, "*", memory=1)
    assert [result.values.shape for result in found.values()] == [(3, 4, 1, 4, 4), (3, 2, 16, 16)]
    inside, whole = found.values()
    np.testing.assert_allclose(inside.values.sum(axis=-1), 1, rtol=1e-5)
    # A window depends on its own pixels alone.
    x[1, :4, :4] = 0
    changed = og.attention(net, x, inside.layer).values != inside.values
    assert changed[1, 0].any() and not changed[1, 1:].any() and not changed[[0, 2]].any()
    assert inside.plot().size and whole.overlay().size and not whole.windows.size


@pytest.mark.once
@pytest.mark.parametrize("kind", ["as they are", "shifted and padded"])
def test_attention_within_windows_is_drawn_in_the_window(kind, tmp_path):
    keras.utils.set_random_seed(0)
    net = og.Network(windowed() if kind == "as they are" else shifted(), "none")
    x = np.random.default_rng(0).normal(0, 3, (2, *net.size, 3)).astype(np.float32)
    found = og.attention(net, x, "windows")
    rows, columns, _ = found.grid
    patches = np.arange(rows * columns).reshape(rows, columns)
    if kind == "as they are":
        expected = patches
    else:  # as the layer does: one row of padding, and everything moved by one
        padded = np.pad(patches, ((0, 1), (0, 0)), constant_values=-1)
        expected = np.roll(padded, (-1, -1), (0, 1))
    cut = expected.reshape(2, 2, 2, 2).transpose(0, 2, 1, 3).reshape(4, 4)
    np.testing.assert_array_equal(found.windows, cut)
    mean = np.zeros((1, rows, columns))
    for row, column in np.ndindex(rows, columns):
        ((window, place),) = np.argwhere(cut == patches[row, column])
        one = np.zeros((1, rows, columns))
        for key, patch in enumerate(cut[window]):
            if patch >= 0:
                one[:, patch // columns, patch % columns] = found.values[1, window, :, place, key]
        np.testing.assert_allclose(found.token(row, column, index=1), one, rtol=1e-6)
        mean += one / (rows * columns)
    np.testing.assert_allclose(found.mean_token(1), mean, rtol=1e-5)
    again = og.load_result(found.save(tmp_path / "windows.npz"))
    np.testing.assert_array_equal(again.windows, found.windows)
    assert again.overlay(token=(1, 2)) != again.overlay()


def shifted():
    """Attention within four windows, over the border of the image, of 3×4 patches."""
    layers, ops = keras.layers, keras.ops

    class Windows(layers.Layer):
        def __init__(self):
            super().__init__(name="windows")
            self.norm, self.query = layers.LayerNormalization(), layers.Dense(4)

        def call(self, x):
            count = ops.shape(x)[0]
            x = ops.pad(self.norm(x), ((0, 0), (0, 1), (0, 0), (0, 0)))
            x = ops.reshape(ops.roll(x, (-1, -1), (1, 2)), (-1, 2, 2, 2, 2, 4))
            x = ops.reshape(ops.transpose(x, (0, 1, 3, 2, 4, 5)), (-1, 4, 4))
            weights = ops.matmul(self.query(x), ops.transpose(x, (0, 2, 1)))
            x = ops.matmul(ops.softmax(weights), x)
            x = ops.transpose(ops.reshape(x, (-1, 2, 2, 2, 2, 4)), (0, 1, 3, 2, 4, 5))
            return ops.roll(ops.reshape(x, (count, 4, 4, 4)), (1, 1), (1, 2))[:, :3]

    image = keras.Input((6, 8, 3))
    x = Windows()(layers.Conv2D(4, 2, 2, name="patches")(image))
    return keras.Model(image, layers.Dense(3)(layers.GlobalAveragePooling2D()(x)))


# -- methods that follow it ------------------------------------------------------------------------


def test_attention_rollout_equals_its_literal_computation(net, x):
    found = og.attention_rollout(net, x)
    expected = [literal.attention_rollout(net.model, image) for image in x]
    assert_close(found.values, np.stack(expected))


def test_transformer_attribution_equals_its_literal_computation(net, x):
    found = og.transformer_attribution(net, x, 1)
    for image, values in zip(x, found.values, strict=True):
        expected = literal.transformer_attribution(net.model, image, lambda scores: scores[1])
        assert_close(values, expected)


def test_legrad_equals_its_literal_computation(net, x):
    found = og.legrad(net, x, 1)
    for image, values in zip(x, found.values, strict=True):
        assert_close(values, literal.legrad(net.model, image, lambda scores: scores[1]))
    np.testing.assert_allclose(
        found.score, [literal.run(net.model, image)[2][-1][1] for image in x], rtol=1e-4
    )


@pytest.mark.once
def test_a_gradient_is_that_of_the_score_asked_for(x):
    net = og.Network(attention_networks.vit(), "none")

    def difference(scores):
        return scores[2] - scores[0]

    for name in ("transformer_attribution", "legrad"):
        method, by_hand = getattr(og, name), getattr(literal, name)
        several = method(net, x[:1], [3, og.Class(2) - og.Class(0)])
        assert_close(several.values[0], by_hand(net.model, x[0], lambda scores: scores[3]))
        assert_close(several.values[1], by_hand(net.model, x[0], difference))
        one_each = method(net, x, [3, 1])
        assert_close(one_each.values[1], by_hand(net.model, x[1], lambda scores: scores[1]))
        own = method(net, x, memory=1)
        assert_close(own.values, method(net, x, own.question.targets).values)


@pytest.mark.once
@pytest.mark.parametrize("kind", ["token", "mean", "mean of four more"])
def test_attention_rollout_with_other_heads_and_tokens_in_front(kind, x):
    net = og.Network(attention_networks.vit(*KINDS[kind]), "none")
    for fuse in ("mean", "max", "min"):
        found = og.attention_rollout(net, x[:1], head_fusion=fuse)
        expected = literal.attention_rollout(net.model, x[0], getattr(np, fuse))
        assert_close(found.values[0], expected)
    assert "any class" in found.title and og.attention_rollout(net, x[:1], 1).warnings


@pytest.mark.once
def test_the_token_that_is_read_decides_not_the_first_one(x):
    """Registers: four tokens in front, of which the second is pooled."""
    registers = attention_networks.vit(4, "token")
    read = registers.get_layer("ln").output[:, 1]
    model = keras.Model(registers.input, registers.get_layer("scores")(read), name="second")
    found = og.attention_rollout(og.Network(model, "none"), x[:1])
    first = og.attention_rollout(og.Network(registers, "none"), x[:1])
    assert not np.allclose(found.values, first.values)
    fused = og.attention(og.Network(model, "none"), x[:1], "*")
    rolled = np.eye(16)
    for one in fused.values():
        rolled = (one.values[0].mean(axis=0) + np.eye(16)) / 2 @ rolled
    assert_close(found.values[0], rolled[1, 4:].reshape(3, 4))


@pytest.mark.once
@pytest.mark.parametrize("name", OF_ATTENTION)
def test_what_follows_attention_is_an_attribution_like_others(name, x, tmp_path):
    net = og.Network(attention_networks.vit(), "none")
    found = getattr(og, name)(net, x[:1], 1)
    assert found.values.shape == (1, 3, 4) and found.question.method == name
    np.testing.assert_allclose(ask_again(found.question, net).values, found.values, atol=1e-6)
    if name == "legrad":
        assert og.check(found, steps=2).values[0, -1] < 0.99  # random weights give another map
    assert found.overlay().size and og.side_by_side([found]).size
    photo = np.random.default_rng(0).integers(0, 255, (40, 40, 3), np.uint8)
    cropped = getattr(og, name)(net, photo, 1, fit="crop")
    assert cropped.fit == "crop"
    prepared = getattr(og, name)(net, net.prepare(photo, "crop"), 1)
    np.testing.assert_array_equal(cropped.values, prepared.values)


@pytest.mark.once
@pytest.mark.parametrize("name", OF_ATTENTION)
def test_networks_without_attention_between_the_same_tokens_are_refused(name):
    convolutions = og.Network(networks.build("branches"), "none")
    with pytest.raises(InputError, match=r"no attention layer lies between .* use gradcam, or"):
        getattr(og, name)(convolutions, networks.images_for(convolutions.model))
    image = np.zeros((1, 8, 8, 3), np.float32)
    with pytest.raises(InputError, match=r"but that of .* is within 4 windows of 4 tokens: use"):
        getattr(og, name)(og.Network(windowed(), "none"), image)
    merged = og.Network(windowed(is_merging=True), "none")
    with pytest.raises(InputError, match=r"'whole' has 16 queries and 4 keys: use gradcam at a"):
        getattr(og, name)(merged, image)


@pytest.mark.once
def test_legrad_refuses_what_is_not_read_after_the_last_layer(x):
    net = og.Network(attention_networks.vit(), "none")
    with pytest.raises(InputError, match="this target is not computed from them: choose a class"):
        og.legrad(net, x, og.Filter("block0_add1", 2))
    image = keras.Input((8, 8, 3))
    tokens = keras.layers.Reshape((16, 4))(keras.layers.Conv2D(4, 2, 2)(image))
    tokens = keras.layers.MultiHeadAttention(1, 4)(tokens, tokens)
    y = keras.layers.Dense(3)(keras.layers.GlobalAveragePooling1D()(tokens))
    with pytest.raises(InputError, match=r"are not sums of .*: use transformer_attribution"):
        og.legrad(og.Network(keras.Model(image, y), "none"), np.zeros((1, 8, 8, 3), np.float32))


def test_attention_is_what_pytorch_computes(net, x):
    """Stored by ``tests/reference/attention_torch.py``."""
    stored = np.load(Path(__file__).parent / "reference" / "attention_torch.npz")
    kind = net.name.removeprefix("vit_")
    expected = {
        name.removeprefix(f"{kind} "): stored[name]
        for name in stored.files
        if name.startswith(f"{kind} ")
    }
    names = ("attention_rollout", "transformer_attribution", "legrad")
    assert set(expected) == {"scores", "attention", "token_pca", *names}
    assert_close(net.scores(x), expected["scores"])
    assert_close(og.attention(net, x).values, expected["attention"])
    assert_close(og.token_pca(net, x).values, expected["token_pca"])
    for name in names:
        assert_close(getattr(og, name)(net, x, 1).values, expected[name])


# -- where all methods are asked for ---------------------------------------------------------------


@pytest.mark.once
def test_where_all_methods_are_asked_for_those_without_attention_are_left_out(tmp_path):
    model = networks.build("branches")
    net, x = og.Network(model, "unit"), networks.images_for(model)
    pictures = np.random.default_rng(0).integers(0, 255, (2, *x.shape[1:]), np.uint8)
    assert set(left_out(net, ATTRIBUTIONS)) == {*OF_ATTENTION}
    assert not left_out(og.Network(attention_networks.vit(), "unit"), ATTRIBUTIONS)
    asked = ["saliency", "legrad"]
    result = og.evaluate(net, pictures, asked, measures=["insertion"], steps=3)
    assert set(result.reasons) == {"legrad"} and "no attention layer" in result.reasons["legrad"]
    page = og.report(net, pictures[0], methods=asked, patterns=False, out=tmp_path)
    assert "There is no LeGrad: LeGrad follows attention" in page.read_text("utf-8")


@pytest.mark.once
def test_a_transformer_is_explained_and_evaluated(tmp_path):
    net = og.Network(attention_networks.vit(), "unit")
    pictures = np.random.default_rng(0).integers(0, 255, (2, *attention_networks.SHAPE), np.uint8)
    result = og.evaluate(net, pictures, list(OF_ATTENTION), measures=["insertion"], steps=3)
    assert not result.reasons and np.isfinite(result.values).all()


# -- principal components of tokens ----------------------------------------------------------------


def test_token_pca_equals_its_literal_computation(net, x):
    found = og.token_pca(net, x)
    assert found.layer == "block1_add2"
    front = -attention_networks.ROWS * attention_networks.COLUMNS
    tokens = np.concatenate([literal.run(net.model, image)[1][-1][front:] for image in x])
    norms = np.linalg.norm(tokens, axis=1)
    assert_close(found.norms.ravel(), norms)
    assert not found.is_high.any()
    centered = tokens - tokens.mean(axis=0)
    _, lengths, vectors = np.linalg.svd(centered)
    signs = np.sign([vector[np.abs(vector).argmax()] for vector in vectors[:3]])
    assert_close(found.values.reshape(-1, 3), centered @ (vectors[:3].T * signs), 1e-4)
    np.testing.assert_allclose(found.shares, (lengths**2 / (lengths**2).sum())[:3], rtol=1e-4)


@pytest.mark.once
def test_tokens_of_high_norm_are_flagged_and_left_out(tmp_path):
    image = keras.Input((4, 6, 3))
    net = og.Network(keras.Model(image, keras.layers.Conv2D(3, 1, name="maps")(image)), "none")
    net.model.set_weights([np.eye(3, dtype=np.float32)[None, None], np.zeros(3, np.float32)])
    x = np.random.default_rng(0).normal(0, 1, (2, 4, 6, 3)).astype(np.float32)
    x /= np.linalg.norm(x, axis=-1, keepdims=True)
    plain = og.token_pca(net, x, "maps")
    x[1, 2, 3] *= 50
    found = og.token_pca(net, x, "maps")
    assert np.argwhere(found.is_high).tolist() == [[1, 2, 3]]
    assert np.abs(found.vectors - plain.vectors).max() < 0.2
    assert not og.token_pca(net, x, "maps", threshold=1e6).is_high.any()
    assert (found.colors[1, 2, 3] == 255).all() and found.colors[~found.is_high].max() < 255
    again = og.load_result(found.save(tmp_path / "tokens.npz"))
    np.testing.assert_array_equal(again.colors, found.colors)
    assert found.plot().size and "<img" in found._repr_html_()
    with pytest.raises(InputError, match=r"threshold must be .*0"):
        og.token_pca(net, x, "maps", threshold=-1)
