"""``training=True`` in a model: the answers of ``model.predict`` for each image, or a warning."""

import keras
import numpy as np
import pytest
from keras import layers

import networks
import optogram as og
from kinds import called
from model_state import assert_same, state
from optogram.graph.steps import Output

pytestmark = [pytest.mark.once, pytest.mark.keras_inside]

SIDE, CLASSES = networks.SIDE, networks.CLASSES


def norm(**more):
    """Batch normalization after which no average is what it was made to be."""
    return layers.BatchNormalization(**more), layers.Conv2D(3, 3, activation="tanh")


class Block(layers.Layer):
    """Layers in a row, in the mode that is written here."""

    def __init__(self, inner, training, **more):
        super().__init__(**more)
        self.inner, self.in_training = list(inner), training

    def call(self, x):
        for layer in self.inner:
            x = layer(x, training=self.in_training) if layer._call_has_training_arg else layer(x)
        return x

    def get_config(self):
        return {"name": self.name}


class Whole(keras.Model):
    """The like as a model."""

    def __init__(self, inner, training):
        super().__init__(name="whole")
        self.block, self.end = Block(inner, training), layers.Dense(CLASSES, activation="softmax")

    def call(self, images, training=None):
        x = self.block.call(images * 2 - 1)
        return self.end(keras.ops.mean(keras.ops.square(x), axis=(1, 2)))


def in_a_graph(inner, training):
    """The layers called one by one in a functional model."""
    x = image = keras.Input((SIDE, SIDE, 3))
    for layer in inner:
        x = layer(x, training=training) if layer._call_has_training_arg else layer(x)
    return _ended(image, x)


def in_a_base(inner, training):
    """The layers in a nested model that is called in training mode."""
    base = keras.Sequential([keras.Input((SIDE, SIDE, 3)), *inner], name="base")
    image = keras.Input((SIDE, SIDE, 3))
    return _ended(image, base(image, training=training))


def in_code(inner, training):
    """The layers in a custom layer."""
    image = keras.Input((SIDE, SIDE, 3))
    return _ended(image, Block(inner, training)(image))


def base_in_code(inner, training):
    """A nested model in a custom layer that calls it in training mode."""
    base = keras.Sequential([keras.Input((SIDE, SIDE, 3)), *inner], name="base")
    image = keras.Input((SIDE, SIDE, 3))
    return _ended(image, Block([base], training)(image))


def subclassed(inner, training):
    """The layers in a subclassed model."""
    return called(lambda: Whole(inner, training))()


def _ended(image, x):
    x = layers.Conv2D(4, 3, activation="relu", name="last")(x)
    return keras.Model(image, networks._end(x))


PLACES = (in_a_graph, in_a_base, in_code, base_in_code, subclassed)
LAYERS = {
    "norm": norm,
    "norm of rows": lambda: norm(axis=1),
    "frozen norm": lambda: norm(trainable=False),
    "norm without weights": lambda: norm(scale=False, center=False, epsilon=0.1),
    "convolution": lambda: (layers.Conv2D(3, 3, activation="relu"),),
    "pooling": lambda: (layers.MaxPooling2D(3, 1),),
    "dropout": lambda: (layers.Dropout(0.5, seed=1),),
    "dropout of nothing": lambda: (layers.Dropout(0.0),),
    "spatial dropout": lambda: (layers.SpatialDropout2D(0.4, seed=1),),
    "gaussian dropout": lambda: (layers.GaussianDropout(0.4, seed=1),),
    "alpha dropout": lambda: (layers.AlphaDropout(0.4, seed=1),),
    "noise": lambda: (layers.GaussianNoise(0.5, seed=1),),
}


def baked(place, kinds, training=True, seed=0):
    """A model with layers of these ``kinds`` in a row at a place, and those layers."""
    keras.utils.set_random_seed(seed)
    inner = [layer for kind in kinds for layer in LAYERS[kind]()]
    model = place(inner, training)
    networks.fill(model, seed)
    return model, inner


def images(count=3):
    return np.random.default_rng(1).uniform(0, 1, (count, SIDE, SIDE, 3)).astype("float32")


def alone(model, inner, x):
    """What ``model.predict`` answers for each image by itself, nothing drawn at random."""
    for layer in inner:
        for rate in {"rate", "stddev"} & vars(layer).keys():
            setattr(layer, rate, 0.0)
    return np.concatenate([model.predict(x[i : i + 1], verbose=0) for i in range(len(x))])


def check(place, kinds, training, seed=0):
    """Open such a model and hold its answers, its warnings and its state to what they shall be."""
    model, inner = baked(place, kinds, training, seed)
    before, x = state(model), images()
    net = og.Network(model, "none")
    (found,) = net.evaluate(x, [net.head.output])
    (one_by_one,) = net.evaluate(x, [net.head.output], memory=1)
    patched = og.occlusion(net, x[:1], 1, patch=8, stride=4, fill=0.5, fill_space="network")
    assert_same(before, state(model))
    np.testing.assert_allclose(one_by_one, found, atol=1e-6)
    covered = np.repeat(x[:1], 9, axis=0)
    for i in range(9):
        top, left = 4 * (i // 3), 4 * (i % 3)
        covered[i, top : top + 8, left : left + 8] = 0.5
    (whole,) = net.evaluate(covered, [net.head.logits])
    np.testing.assert_allclose(patched.scores.ravel(), whole[:, 1], atol=1e-4)
    np.testing.assert_allclose(found, alone(model, inner, x), atol=1e-5)
    random = {"dropout", "spatial dropout", "gaussian dropout", "alpha dropout", "noise"}
    of_batch = {"norm", "norm of rows", "norm without weights"}
    text = " ".join(net.warnings)
    is_code = place in (in_code, base_in_code, subclassed)
    expected = {
        "uses inference mode anyway": not is_code and not (random | of_batch).isdisjoint(kinds),
        "outputs of model.predict are random": is_code and not random.isdisjoint(kinds),
        "by its own statistics": is_code and not of_batch.isdisjoint(kinds),
    }
    assert {words: words in text for words in expected} == {
        words: bool(training) and is_expected for words, is_expected in expected.items()
    }


def check_at_random(seed):
    """`check` of up to four kinds of layers at one of the places, as ``seed`` says."""
    draw = np.random.default_rng(seed)
    kinds = draw.choice(list(LAYERS), draw.integers(1, 5), replace=False)
    place = PLACES[draw.integers(len(PLACES))]
    training = [True, True, True, None, False][draw.integers(5)]
    check(place, [str(kind) for kind in kinds], training, seed)


@pytest.mark.each_backend
@pytest.mark.parametrize("place", PLACES)
def test_an_image_is_answered_as_model_predict_answers_it_alone(place):
    check(place, ("norm", "dropout"), True)


@pytest.mark.parametrize("seed", range(4))
def test_layers_in_training_mode_at_random_places(seed):
    check_at_random(seed)


@pytest.mark.each_backend
def test_vectors_and_channels_first_are_normalized_one_by_one_too():
    keras.utils.set_random_seed(0)
    image = keras.Input((3, SIDE, SIDE))
    x = Block([layers.BatchNormalization(axis=1, name="maps")], True)(image)
    x = layers.Conv2D(4, 3, data_format="channels_first")(x)
    x = layers.GlobalMaxPooling2D(data_format="channels_first")(x)
    vectors = Block([layers.BatchNormalization(name="vectors")], True)(x)
    model = keras.Model(image, layers.Dense(CLASSES)(keras.ops.concatenate([x, vectors])))
    networks.fill(model)
    net = og.Network(model, "none")
    normalized = net.step("maps")
    x = images()
    maps, of_vectors = net.evaluate(
        x, [value(net, normalized.name), value(net, "vectors")], memory="1GB"
    )
    np.testing.assert_allclose(maps.mean(axis=(1, 2)), np.tile(beta(normalized), (3, 1)), atol=1e-5)
    np.testing.assert_allclose(of_vectors, np.tile(beta(net.step("vectors")), (3, 1)), atol=1e-6)


def value(net, name):
    return Output(net.step(name).index)


def beta(step):
    return keras.ops.convert_to_numpy(step.operation.beta)


def test_an_augmentation_that_code_turns_on_is_left_out_and_said():
    keras.utils.set_random_seed(0)
    image = keras.Input((SIDE, SIDE, 3))
    model = _ended(image, Block([layers.RandomFlip(name="flip", seed=1)], True)(image))
    net = og.Network(model, "none")
    assert "'flip' is in training mode" in " ".join(net.warnings)
    x = images()
    plain = keras.Model(model.layers[-3].input, model.output)
    expected = plain.predict(x, verbose=0)
    np.testing.assert_allclose(net.evaluate(x, [net.head.output])[0], expected, atol=1e-6)


def test_a_note_names_some_layers():
    kinds = ["dropout", "norm", "noise", "spatial dropout", "alpha dropout"]
    net = og.Network(baked(in_a_graph, kinds)[0], "none")
    assert any(" and 1 more are called with training=True" in note for note in net.warnings)
