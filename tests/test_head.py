"""How networks end: ``network/head.py``, with ``ending.py``, ``bounds.py`` and ``outputs.py``."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import endings
import optogram as og

pytestmark = [pytest.mark.once, pytest.mark.keras_inside]

# Rounding of the types of numbers that some endings go through.
TOLERANCE = {
    "cast": 3e-3,
    "float16": 3e-3,
    "logits in bfloat16": 2e-2,
    "last layer in float16": 3e-3,
}
DRAWN = np.random.default_rng(0)


def cases():
    """Every ending once, with classes and a form drawn for it; on JAX every third."""
    named = [(kind, name) for kind, table in endings.KINDS.items() for name in table]
    for kind, name in named[:: 3 if keras.config.backend() == "jax" else 1]:
        drawn = int(DRAWN.choice([1, 2, 5], p=[0.2, 0.3, 0.5])), str(DRAWN.choice(endings.FORMS))
        yield kind, name, 2 if name == "no and yes" else drawn[0], drawn[1]


def pictures():
    return (
        np.random.default_rng(3).uniform(0, 1, (3, endings.SIDE, endings.SIDE, 3)).astype("float32")
    )


def opened(kind, name, classes, form="functional"):
    """The opened network, and what its model answers for `pictures`."""
    model = endings.build(kind, name, classes, form)
    output = "answer" if form == "one of two outputs" else None
    return og.Network(model, "unit", output=output), endings.answers(model, pictures())


def check(kind, name, classes, form):
    """Assert that a network says of its classes what its model does."""
    net, expected = opened(kind, name, classes, form)
    scores, within = net.scores(pictures()), TOLERANCE.get(name, 2e-5)
    if kind == "linear":
        assert (net.head.kind, net.head.is_hidden) == ("linear", False)
        np.testing.assert_allclose(scores, expected, rtol=within, atol=within)
        return
    if net.head.is_binary:
        expected = np.hstack([1 - expected, expected])
    np.testing.assert_allclose(net.head.probabilities(scores), expected, atol=within)
    named = [[found.probability for found in sorted(row)] for row in net.predict(pictures(), top=9)]
    np.testing.assert_allclose(named, expected, atol=within)
    # Keras's sparsemax of several rows does not always add up to 1, nor does what is clipped.
    if classes > 1 and name not in ("sparsemax", "narrow clip"):
        assert net.head.kind == kind


@pytest.mark.parametrize(("kind", "name", "classes", "form"), list(cases()))
def test_a_network_says_of_its_classes_what_its_model_does(kind, name, classes, form):
    check(kind, name, classes, form)


def test_an_average_of_two_softmaxes_is_not_put_through_another():
    net, expected = opened("softmax", "average of two", 5)
    best = net.predict(pictures(), top=1)[0][0]
    assert (best.index, best.probability) == (
        expected[0].argmax(),
        pytest.approx(expected[0].max(), abs=1e-5),
    )
    assert "the logarithm of the probability" in net.warnings[0]
    assert net.warnings[0] in og.saliency(net, pictures()[:1], 0).warnings


@pytest.mark.each_backend
@pytest.mark.parametrize(("kind", "name"), [("softmax", "average of two"), ("sigmoid", "product")])
def test_gradients_are_those_of_what_is_explained(kind, name):
    """By differences, of the logarithm of the probability or of its log-odds."""
    net, _ = opened(kind, name, 2)
    x = pictures()[:1]
    for score in ("logit", "probability"):
        found = og.saliency(net, x, 1, score=score)
        step = 1e-2 * found.values / np.abs(found.values).max()
        ends = [
            net.head.probabilities(net.scores((x + sign * step).astype("float32")))[0, 1]
            for sign in (-1, 1)
        ]
        if score == "logit":
            odds = [p / (1 - p) if kind == "sigmoid" else p for p in ends]
            ends = list(np.log(odds))
        assert ends[1] - ends[0] == pytest.approx(2 * float((found.values * step).sum()), rel=0.02)


@pytest.mark.parametrize("name", ["clipped line", "sparsemax"])
def test_a_probability_of_0_is_said_and_gives_no_nan(name):
    net, expected = opened("softmax" if name == "sparsemax" else "sigmoid", name, 5)
    image, index = np.argwhere(expected == 0)[0]
    x = pictures()[image : image + 1]
    for method in (og.saliency, og.gradcam, og.occlusion):
        found = method(net, x, int(index))
        assert np.isfinite(found.values).all() and np.isfinite(found.score).all()
        assert any("is 0 or 1 in float32" in words for words in found.warnings)
    found = og.saliency(net, x, int(index), score="probability")
    assert found.score[0] == 0 and not any(
        "is 0 or 1 in float32" in words for words in found.warnings
    )


def ended(end, shape=(8, 8, 3)):
    """A network of one convolution on maps, and ``end``."""
    keras.utils.set_random_seed(0)
    image = keras.Input(shape)
    x = layers.Conv2D(4, 3, padding="same", activation="relu", name="conv")(image - 0.5)
    return keras.Model(image, end(x))


def answers(model):
    x = np.random.default_rng(0).uniform(0, 1, (2, 8, 8, 3)).astype("float32")
    return x, np.asarray(ops.convert_to_numpy(ops.cast(model(x), "float32")), np.float64)


MAPS = {
    "softmax": ("softmax", False, lambda x: layers.Conv2D(3, 1, activation="softmax")(x)),
    "clipped and cropped": (
        "softmax",
        False,
        lambda x: layers.Cropping2D(1)(
            ops.clip(layers.Conv2D(3, 1, activation="softmax")(x), 0, 1)
        ),
    ),
    "repeated": (
        "softmax",
        False,
        lambda x: layers.UpSampling2D(2)(layers.Conv2D(3, 1, activation="softmax")(x)),
    ),
    "interpolated": (
        "softmax",
        True,
        lambda x: layers.UpSampling2D(2, interpolation="bilinear")(
            layers.Conv2D(3, 1, activation="softmax")(x)
        ),
    ),
    "a softmax of places": (
        "sigmoid",
        True,
        lambda x: layers.Softmax(axis=1)(layers.Conv2D(3, 1)(x)),
    ),
    "turned": (
        "softmax",
        False,
        lambda x: layers.Permute((2, 3, 1))(
            layers.Softmax(axis=1)(layers.Permute((3, 1, 2))(layers.Conv2D(3, 1)(x)))
        ),
    ),
    "softmax of rows, which are no classes": (
        "sigmoid",
        True,
        lambda x: layers.Permute((2, 1, 3))(layers.Softmax(axis=1)(layers.Conv2D(8, 1)(x))),
    ),
    "float16": (
        "softmax",
        False,
        lambda x: layers.Conv2D(3, 1, activation="softmax", dtype="float16")(x),
    ),
}


@pytest.mark.each_backend
@pytest.mark.parametrize("name", MAPS)
def test_scores_of_maps_are_those_of_their_classes(name):
    kind, is_hidden, end = MAPS[name]
    model = ended(end)
    net = og.Network(model, "unit")
    x, expected = answers(model)
    assert (net.head.kind, net.head.is_hidden, net.head.is_spatial) == (kind, is_hidden, True)
    within = 3e-3 if name == "float16" else 1e-5
    np.testing.assert_allclose(net.head.probabilities(net.scores(x)), expected, atol=within)


def test_channels_first_maps_of_classes():
    turned = {"data_format": "channels_first"}
    keras.utils.set_random_seed(0)
    image = keras.Input((3, 8, 8))
    x = layers.Conv2D(4, 3, activation="relu", **turned)(image)
    x = layers.Softmax(axis=1)(layers.Conv2D(3, 1, **turned)(x))
    maps = og.Network(keras.Model(image, x * 1.0), "unit")
    pooled = og.Network(keras.Model(image, layers.GlobalAveragePooling2D(**turned)(x)), "unit")
    shown = np.random.default_rng(0).uniform(0, 1, (2, 8, 8, 3)).astype("float32")
    (expected,) = maps.evaluate(shown, [maps.head.output])
    assert (maps.head.kind, maps.head.is_hidden) == ("softmax", False)
    np.testing.assert_allclose(maps.head.probabilities(maps.scores(shown)), expected, atol=1e-5)
    assert (pooled.head.kind, pooled.head.is_hidden) == ("softmax", True)
    found = pooled.head.probabilities(pooled.scores(shown))
    np.testing.assert_allclose(found, expected.mean(axis=(1, 2)), atol=1e-5)


def test_a_regression_whose_numbers_lie_in_0_to_1_is_none_of_probabilities():
    """Behind somebody else's code, where only images can tell: large ones leave 0…1."""

    class Age(endings.Ended):
        def __init__(self):
            super().__init__(3)
            self.inner = layers.Dense(3, kernel_initializer=keras.initializers.Constant(1e-3))

    model = ended(lambda x: Age()(layers.GlobalAveragePooling2D()(x)))
    net = og.Network(model, "unit")
    x, expected = answers(model)
    assert expected.min() >= 0 and expected.max() < 0.01
    assert (net.head.kind, net.head.is_hidden, net.warnings) == ("linear", False, ())
    np.testing.assert_allclose(net.scores(x), expected, atol=1e-6)
