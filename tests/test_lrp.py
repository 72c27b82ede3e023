"""Layer-wise relevance propagation: against zennit, against sums written out, and conserved."""

from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

import kinds
import optogram as og
from lrp_networks import SMALL, images, seeded, transformer
from optogram.cli.options.attribution import _COMPOSITES
from optogram.interpreters.relevance.composites import COMPOSITES

BACKEND = keras.config.backend()
ZENNIT = np.load(Path(__file__).parent / "reference" / "lrp_zennit.npz")
"""What zennit finds, see ``reference/lrp_zennit.py``; the largest difference seen is 2e-6."""


@pytest.fixture(scope="module", params=SMALL)
def small(request):
    """The name of a network that zennit was asked about, and the network."""
    return request.param, og.Network(seeded(SMALL[request.param]()), preprocess="tf")


@pytest.mark.parametrize(
    "composite",
    ["epsilon_plus", "epsilon_plus_flat", "epsilon_gamma_box", "alpha2_beta1", "alpha2_beta1_flat"],
)
def test_composites_are_those_of_zennit(small, composite):
    name, net = small
    expected, x = ZENNIT[f"{name} {composite}"], images()
    found = og.lrp(net, x, int(net.scores(x)[0].argmax()), composite=composite)
    np.testing.assert_allclose(found.values, expected, rtol=0, atol=1e-4 * np.abs(expected).max())


LXT = np.load(Path(__file__).parent / "reference" / "attnlrp_lxt.npz")
"""What LXT finds, see ``reference/attnlrp_lxt.py``; the largest difference seen is 1e-5."""


@pytest.mark.parametrize("composite", ["epsilon", "cp_epsilon"])
def test_attention_is_that_of_lxt(composite):
    expected, x = LXT[f"transformer {composite}"], images()
    net = og.Network(seeded(transformer()), preprocess="tf")
    found = og.lrp(net, x, int(net.scores(x)[0].argmax()), composite=composite)
    np.testing.assert_allclose(found.values, expected, rtol=0, atol=1e-4 * np.abs(expected).max())
    assert np.abs(found.lost).max() < 1e-4 * np.abs(found.score).max()
    assert not [warning for warning in found.warnings if "no rule" in warning]


class Beside(layers.Layer):
    """Returns None and an empty array beside what it reads, in place of attention not asked for."""

    def build(self, shape):
        self.same = layers.Identity()

    def call(self, x):
        return self.same(x), None, keras.ops.zeros((0, 12))


class Tokens(layers.Layer):
    """Tokens of images (N, C, H, W) behind a class token, with positions without a batch axis."""

    def build(self, shape):
        self.patches = layers.Conv2D(12, 4, strides=4, data_format="channels_first")
        self.patches.build(shape)
        self.token = self.add_weight(shape=(1, 1, 12), name="token")
        self.positions = self.add_weight(shape=(17, 12), name="positions")
        self.beside = Beside()

    def call(self, images):
        ops = keras.ops
        patches = ops.reshape(ops.transpose(self.patches(images), (0, 2, 3, 1)), (-1, 16, 12))
        token = ops.tile(self.token, (ops.shape(images)[0], 1, 1))
        x = ops.concatenate([token, patches], axis=1) + ops.expand_dims(self.positions, 0)
        return self.beside(x)[0]


@pytest.mark.once
def test_attention_of_channels_first_patches_and_constants_is_conserved():
    image = keras.Input((16, 16, 3))
    x = Tokens()(layers.Permute((3, 1, 2))(image))
    x = layers.Add()([x, layers.MultiHeadAttention(3, 4)(x, x)])
    model = keras.Model(image, layers.Dense(5)(layers.GlobalAveragePooling1D()(x)))
    net = og.Network(seeded(model), preprocess="tf")
    found = og.lrp(net, images()[:1], 0, composite="epsilon")
    assert not [warning for warning in found.warnings if "no rule" in warning]
    assert np.abs(found.taken_by_biases).min() > 1e-3
    assert np.abs(found.lost).max() < 1e-4 * np.abs(found.score).max()


# -- one dense layer: rules written out ------------------------------------------------------------


def dense():
    """A dense layer with weights of both signs, an input of both signs, and a bias."""
    rng = np.random.default_rng(0)
    image = keras.Input((2, 3, 1))
    model = keras.Model(image, layers.Dense(2, name="sum")(layers.Flatten()(image)))
    weights, bias = rng.normal(size=(6, 2)), rng.normal(size=2)
    model.get_layer("sum").set_weights([weights, bias])
    return og.Network(model, "tf"), rng.uniform(-1, 1, (1, 2, 3, 1)), weights[:, 1], bias[1]


def plus(values):
    return np.maximum(values, 0)


def minus(values):
    return np.minimum(values, 0)


def literal_gamma(x, w, b):
    z = x @ w + b
    raised = (plus, minus) if z > 0 else (minus, plus)
    up, down = (w + 0.25 * part(w) for part in raised)
    shares = plus(x) * up + minus(x) * down
    return shares / (shares.sum() + b + 0.25 * raised[0](b)) * z


def literal_alpha_beta(x, w, b):
    z = x @ w + b
    good = plus(x) * plus(w) + minus(x) * minus(w)
    bad = plus(x) * minus(w) + minus(x) * plus(w)
    return (2 * good / (good.sum() + plus(b)) - bad / (bad.sum() + minus(b))) * z


def literal_box(x, w, b):
    shares = x * w + plus(w) - minus(w)  # black is −1, white is 1
    return shares / shares.sum() * (x @ w + b)


@pytest.mark.parametrize(
    ("rule", "literal"),
    [
        (og.rules.Epsilon(0.1), lambda x, w, b: x * w * (z := x @ w + b) / (z + 0.1 * np.sign(z))),
        (og.rules.Gamma(0.25), literal_gamma),
        (og.rules.AlphaBeta(2.0, 1.0), literal_alpha_beta),
        (og.rules.Flat(), lambda x, w, b: np.full(6, (x @ w + b) / 6)),
        (og.rules.WSquare(), lambda x, w, b: w**2 / ((w**2).sum() + b**2) * (x @ w + b)),
        (og.rules.Box(), literal_box),
    ],
    ids=lambda one: type(one).__name__ if isinstance(one, og.rules.Rule) else "",
)
def test_rules_are_what_they_say(rule, literal):
    net, x, weights, bias = dense()
    found = og.lrp(net, x.astype(np.float32), 1, composite=lambda step: rule).values[0].ravel()
    np.testing.assert_allclose(found, literal(x.ravel(), weights, bias), rtol=2e-4, atol=2e-5)


def test_a_sign_without_contributions_is_handed_nothing():
    net, x, weights, bias = dense()
    weights = np.sign(x.ravel()) * np.abs(weights)
    net.model.get_layer("sum").set_weights([np.stack([weights] * 2, axis=1), np.abs([bias] * 2)])
    rule = og.rules.AlphaBeta(2.0, 1.0)
    found = og.lrp(net, x.astype(np.float32), 1, composite=lambda step: rule).values[0].ravel()
    np.testing.assert_allclose(found, 2 * x.ravel() * weights, rtol=2e-4, atol=2e-5)


def test_without_biases_the_epsilon_rule_is_gradient_times_input():
    image = keras.Input((12, 12, 3))
    x = layers.Conv2D(5, 3, activation="relu", use_bias=False)(image)
    x = layers.Conv2D(5, 3, activation="relu", use_bias=False)(layers.MaxPooling2D()(x))
    model = keras.Model(image, layers.Dense(4, use_bias=False)(layers.GlobalAveragePooling2D()(x)))
    net = og.Network(seeded(model), "tf")
    x = np.random.default_rng(2).uniform(-1, 1, (1, 12, 12, 3)).astype(np.float32)
    found = og.lrp(net, x, 0, composite="epsilon")
    expected = og.saliency(net, x, 0).values * x
    np.testing.assert_allclose(found.values, expected, rtol=0, atol=1e-3 * np.abs(expected).max())
    assert found.values.sum() == pytest.approx(float(found.score[0]), rel=1e-3)


# -- conservation ----------------------------------------------------------------------------------

LEAKING = {
    "layers as activations": "GroupNormalization",  # inside another layer
    "batch normalization in training mode inside a custom layer": "BatchNormalization",
    "dense layers in int8": "Dense",
    "subclassed, of other code": "OfCode",
}
"""Kinds of models with a step that has no rule, and its kind: they are told so."""
DISTINCT = (
    "squeeze and excite",
    "attention",
    "several inputs",
    "channels first",
    "mixed float16",
    "separable convolution",
    "transposed convolution",
    "segmentation",
    "subclassed, of other code",
)


def each_kind():
    """The kinds of models, those with steps like others marked ``full``."""
    for kind in kinds.KINDS:
        is_distinct = kind.title in DISTINCT[: None if BACKEND == "tensorflow" else 3]
        marks = [] if is_distinct else [pytest.mark.full]
        yield pytest.param(kind, marks=marks, id=kind.title)


@pytest.mark.parametrize("kind", each_kind())
def test_relevance_is_conserved_step_by_step(kind):
    net = kind.open()
    found = og.lrp(net, kinds.photo(net), kind.target)
    assert np.isfinite(found.values).all()
    assert found.values.any()
    rows = found.conservation()
    assert rows[0].arrived == pytest.approx(float(found.score[0]), rel=1e-3)
    if kind.title in LEAKING:
        (said,) = [one for one in found.warnings if LEAKING[kind.title] in one and "rule" in one][
            :1
        ]
        assert said.startswith("There is no rule for ")
        return
    assert not [one for one in found.warnings if "rule" in one]
    # Half precision rounds each sum.
    bound = 1e-2 if "float16" in kind.title else 1e-4
    scale = max(abs(row.arrived) for row in rows) + max(abs(row.taken_by_biases) for row in rows)
    for row in rows:
        assert abs(row.lost) <= bound * scale, row
    assert found.values.sum() + found.taken_by_biases[0] + found.lost[0] == pytest.approx(
        float(found.score[0]), rel=bound, abs=bound * scale
    )


def test_names_of_other_code_say_nothing_of_what_it_does():
    def leaky(x):
        return keras.ops.where(x < 0, 0.5 * x, x)

    def relu(x):
        return keras.ops.where(x < 0, 0.5 * x, x)

    found = []
    for function in (leaky, relu):
        image = keras.Input((8, 8, 3))
        x = layers.Activation(function)(layers.Conv2D(4, 3)(image))
        x = layers.Activation(function)(layers.Conv2D(4, 3)(x))
        model = keras.Model(image, layers.Dense(3)(layers.GlobalAveragePooling2D()(x)))
        net = og.Network(seeded(model), "tf")
        found.append(og.lrp(net, images()[:1, :8, :8], 0))
    np.testing.assert_array_equal(found[0].values, found[1].values)
    assert all("no rule" in one.warnings[-1] for one in found)


@pytest.mark.once
def test_a_normalization_along_rows_is_not_folded_and_keeps_relevance():
    image = keras.Input((6, 6, 3))
    x = layers.Conv2D(6, 3, padding="same")(image)
    x = layers.ReLU()(layers.BatchNormalization(axis=1)(x))
    x = layers.Add()([x, x])
    model = keras.Model(image, layers.Dense(3)(layers.GlobalAveragePooling2D()(x)))
    net = og.Network(seeded(model), "tf")
    found = og.lrp(net, images()[:1, :6, :6], 0)
    assert "one linear step" in found.rules
    assert float(abs(found.lost[0])) < 1e-4 * abs(float(found.score[0]))
    total = found.values.sum() + found.taken_by_biases[0]
    assert total == pytest.approx(float(found.score[0]), rel=1e-3)


@pytest.mark.once
def test_the_command_line_knows_every_composite():
    assert set(_COMPOSITES) == set(COMPOSITES)


# -- what is asked for -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def residual():
    return og.Network(seeded(SMALL["residual"]()), preprocess="tf")


def test_the_score_is_that_of_the_network(residual):
    expected = residual.scores(images())[:, 0]
    for composite in ("epsilon_gamma_box", "alpha2_beta1"):
        found = og.lrp(residual, images(), 0, composite=composite)
        np.testing.assert_allclose(found.score, expected, rtol=1e-4, atol=1e-5)


def test_relevance_at_layers_is_what_arrives_there(residual):
    names = [layer.name for layer in residual.layers if layer.kind in ("Add", "Conv2D")]
    found = og.lrp(residual, images(), layers=names)
    rows = {row.step: row for row in found.conservation(1)}
    for name in names:
        relevance = found.at_layer(name)
        assert relevance.shape[0] == 2
        if name in rows:  # others are folded into their normalization
            assert relevance[1].sum() == pytest.approx(rows[name].arrived, rel=1e-3, abs=1e-4)
    with pytest.raises(og.InputError, match="was not asked for"):
        found.at_layer("conv")


def test_several_targets_of_one_image_are_those_asked_for_alone(residual):
    x = images()[:1]
    together = og.lrp(residual, x, [0, 1, og.Class(2) - og.Class(0)])
    for index, target in enumerate([0, 1, og.Class(2) - og.Class(0)]):
        alone = og.lrp(residual, x, target)
        np.testing.assert_allclose(together.values[index], alone.values[0], rtol=1e-3, atol=1e-6)


def test_the_winning_class_is_explained_by_default(residual):
    x = images()
    found = og.lrp(residual, x)
    winners = residual.scores(x).argmax(axis=1)
    for index, winner in enumerate(winners):
        alone = og.lrp(residual, x[index : index + 1], int(winner))
        np.testing.assert_allclose(found.values[index], alone.values[0], rtol=1e-3, atol=1e-6)


def test_memory_bounds_the_batch_not_the_result(residual):
    x = np.concatenate([images()] * 3)
    np.testing.assert_allclose(
        og.lrp(residual, x, 0, memory="1MB").values, og.lrp(residual, x, 0).values, atol=1e-5
    )


@pytest.mark.once
def test_a_function_chooses_rules_and_the_rest_keep_theirs(residual):
    x, asked = images(), []

    def chosen(step):
        asked.append(step.name)
        return og.rules.Flat() if step.name == asked[0] else None

    found, usual = og.lrp(residual, x, composite=chosen), og.lrp(residual, x)
    assert len(asked) == len(set(asked))
    assert not np.allclose(found.values, usual.values)
    assert found.parameters["composite"] == "chosen"
    assert sum("Flat" in rule for rule in found.rules) == 1


@pytest.mark.once
@pytest.mark.parametrize(
    ("composite", "said"),
    [
        ("epsilon_plu", "the nearest"),
        (3, "composite must be"),
        (lambda step: "gamma", "must return a rule"),
        (lambda step: og.rules.Box(), "the first linear steps"),
    ],
)
def test_a_mistaken_composite_is_refused(residual, composite, said):
    with pytest.raises(og.InputError, match=said):
        og.lrp(residual, images(), composite=composite)


@pytest.mark.once
def test_a_result_is_saved_with_its_conservation(residual, tmp_path):
    name = next(layer.name for layer in residual.layers if layer.kind == "Add")
    found = og.lrp(residual, images(), layers=name)
    loaded = og.load_result(found.save(tmp_path / "lrp.npz"))
    assert loaded.conservation(1) == found.conservation(1)
    np.testing.assert_array_equal(loaded.at_layer(name), found.at_layer(name))


# -- through one channel ---------------------------------------------------------------------------


def test_the_maps_of_all_channels_add_up_to_that_of_lrp(residual):
    name = next(layer.name for layer in residual.layers if layer.kind == "Add")
    x = images()[:1]
    whole = og.lrp(residual, x, 1, layers=name)
    parts = og.crp(residual, x, 1, og.Filter(name, range(10)))
    assert len(parts.values) == 10
    bound = 1e-4 * np.abs(whole.values).max()
    np.testing.assert_allclose(parts.values.sum(axis=0), whole.values[0], rtol=0, atol=bound)
    for channel in (0, 7):
        relevance = parts.at_layer(name)[channel]
        np.testing.assert_allclose(
            relevance[..., channel], whole.at_layer(name)[0, ..., channel], rtol=1e-3, atol=1e-6
        )
        assert not np.delete(relevance, channel, axis=-1).any()


def test_the_most_relevant_units_come_first_each_with_its_map(residual):
    name = next(layer.name for layer in residual.layers if layer.kind == "Add")
    x = images()[:1]
    found = og.relevant_units(residual, x, None, name, top=3)
    winner = int(residual.scores(x)[0].argmax())
    sums = og.lrp(residual, x, winner, layers=name).at_layer(name)[0].sum(axis=(0, 1))
    np.testing.assert_array_equal(found.units, np.argsort(-sums)[:3])
    np.testing.assert_allclose(found.layer_relevance, sums, rtol=1e-3, atol=1e-6)
    alone = og.crp(residual, x, winner, og.Filter(name, int(found.units[1])))
    np.testing.assert_allclose(found.values[1], alone.values[0], rtol=1e-3, atol=1e-6)


@pytest.mark.once
def test_a_relevance_through_a_channel_that_cannot_be_is_refused(residual):
    name = next(layer.name for layer in residual.layers if layer.kind == "Add")
    with pytest.raises(og.InputError, match="out of range"):
        og.crp(residual, images(), 0, og.Filter(name, 99))
    with pytest.raises(og.InputError, match="one image and one target"):
        og.crp(residual, images(), 0, og.Filter(name, [1, 2]))
    with pytest.raises(og.InputError, match="one image and one target"):
        og.relevant_units(residual, images())
    first = next(layer.name for layer in residual.layers if layer.kind == "Conv2D")
    with pytest.raises(og.InputError, match="does not depend on"):
        og.crp(residual, images(), og.Filter(first, 0), og.Filter(name, 0))


def test_photos_are_ordered_by_what_their_class_owes_to_a_filter(residual):
    name = next(layer.name for layer in residual.layers if layer.kind == "Add")
    photos = np.random.default_rng(3).integers(0, 256, (5, 16, 16, 3), np.uint8)
    found = og.strongest_images(residual, name, list(photos), top=3, by="relevance")
    relevance = og.lrp(residual, list(photos), layers=name).at_layer(name)
    sums = relevance.sum(axis=(1, 2))
    for channel in range(sums.shape[-1]):
        order = np.argsort(-sums[:, channel], kind="stable")[:3]
        np.testing.assert_array_equal(found.indices[channel], order)
        np.testing.assert_allclose(found.values[channel], sums[order, channel], rtol=1e-3)
        for photo, (y, x) in zip(order, found.positions[channel], strict=True):
            one = relevance[photo, ..., channel]
            assert one[y, x] == one.max()
