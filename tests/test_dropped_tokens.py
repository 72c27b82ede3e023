"""Occlusion that leaves out tokens, against the layers run on the tokens that are left."""

import keras
import numpy as np
import pytest

import networks
import optogram as og
import optogram.render
import transformers


@pytest.fixture(scope="module")
def net():
    return og.Network(transformers.build("token"), preprocess="none")


def without(model, x, dropped):
    """Scores by the layers of the model, of all tokens but those ``dropped``."""
    layer = model.get_layer
    tokens = layer("front")(layer("flat")(layer("patches")(x)))
    left = [token for token in range(tokens.shape[1]) if token not in dropped]
    x = keras.ops.take(tokens, left, axis=1)
    for name in ("first", "second"):
        normed = layer(f"{name}_ln1")(x)
        x = x + layer(f"{name}_mha")(normed, normed)
        x = x + layer(f"{name}_out")(layer(f"{name}_mlp")(layer(f"{name}_ln2")(x)))
    return keras.ops.convert_to_numpy(layer("scores")(layer("last")(x)[:, 0]))


def images(net, count):
    rng = np.random.default_rng(0)
    return rng.normal(size=(count, *net.nominal_size, 3)).astype(np.float32)


def test_each_token_is_dropped_by_itself(net):
    x = images(net, 2)
    found = og.occlusion(net, x, 1, fill="drop")
    assert found.values.shape == (2, *transformers.GRID)
    expected = [without(net.model, x, [1 + token])[:, 1] for token in range(6)]
    np.testing.assert_allclose(found.scores.reshape(2, 6).T, expected, rtol=0, atol=1e-5)
    whole = net.scores(x)[:, 1, None, None]
    np.testing.assert_allclose(found.values, whole - found.scores, rtol=0, atol=1e-6)


def test_a_larger_patch_drops_all_tokens_under_it(net):
    x, side = images(net, 1), transformers.PATCH
    found = og.occlusion(net, x, [0, 2], fill="drop", patch=(2 * side, side), stride=side)
    assert found.values.shape == (2, 2, 2)
    for row, column in ((0, 0), (0, 1), (1, 0), (1, 1)):
        first = 1 + 2 * row + column
        expected = without(net.model, x, [first, first + 2])[0, [0, 2]]
        np.testing.assert_allclose(found.scores[:, row, column], expected, rtol=0, atol=1e-5)


@pytest.mark.once
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"patch": 3}, "multiples of 4×4 pixels"),
        ({"patch": (12, 8)}, "covers all tokens"),
        ({"margin": 4}, "neither margin nor fill_space"),
        ({"fill_space": "network"}, "neither margin nor fill_space"),
    ],
)
def test_what_cannot_be_dropped_is_refused(net, arguments, said):
    with pytest.raises(og.InputError, match=said):
        og.occlusion(net, images(net, 1), 1, fill="drop", **arguments)


@pytest.mark.once
@pytest.mark.parametrize("model", ["windows", "fused"])
def test_networks_that_need_all_tokens_say_so(model):
    home = transformers if model in transformers.KINDS else networks
    net = og.Network(home.build(model), preprocess="none")
    x = np.zeros((1, *net.nominal_size, net.channels), np.float32)
    with pytest.raises(og.InputError, match="needs all tokens"):
        og.occlusion(net, x, og.Class(0), fill="drop")


@pytest.mark.once
def test_side_by_side_says_what_differs(net, monkeypatch):
    asked = []
    grid = optogram.render.grid

    def noted(*pictures, labels, **named):
        asked.append(labels[1:])
        return grid(*pictures, labels=labels, **named)

    monkeypatch.setattr("optogram.render.grid", noted)
    x, patch = images(net, 1), {"patch": transformers.PATCH, "stride": transformers.PATCH}
    gray, dropped = (og.occlusion(net, x, 1, fill=fill, **patch) for fill in (127.5, "drop"))
    cams = [og.gradcam(net, x, 1, layer=layer) for layer in ("add", "patches")]
    signed = og.gradcam(net, x, 1, layer="add", rectify=False)
    og.side_by_side([gray, dropped, cams[0]])
    og.side_by_side([*cams, signed])
    title = "Occlusion sensitivity"
    assert asked == [
        [f"{title}, fill 127.5", f"{title}, fill drop", "Grad-CAM"],
        ["Grad-CAM, add, rectify True", "Grad-CAM, patches", "Grad-CAM, add, rectify False"],
    ]
