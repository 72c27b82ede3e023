"""Of several inputs and outputs the ones that were meant; subclassed models followed or opaque."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import optogram as og
from model_state import assert_same, state
from optogram.errors import InputError, ModelError
from optogram.graph.selection import select
from optogram.graph.steps import flatten
from optogram.interpreters import forward
from replay import answer, assert_equal

pytestmark = [pytest.mark.once, pytest.mark.keras_inside]

SIDE = 12


@pytest.fixture(scope="module")
def model():
    """Two pictures, two numbers and a category in; a box, a species and a distance out."""
    keras.utils.set_random_seed(0)
    photo, other = (keras.Input((SIDE, SIDE, 3), name=name) for name in ("photo", "other"))
    age = keras.Input((2,), name="age")
    place = keras.Input((1,), dtype="int32", name="place")
    eyes = layers.Conv2D(4, 3, activation="relu", name="conv")
    first, second = (layers.GlobalAveragePooling2D()(eyes(x)) for x in (photo, other))
    where = layers.Flatten()(layers.Embedding(5, 3)(place))
    both = layers.Concatenate()([first, age, where])
    outputs = {
        "box": layers.Dense(4, name="box")(first),
        "species": layers.Dense(3, activation="softmax", name="species")(both),
        "distance": layers.Dense(1, name="distance")(layers.Subtract()([first, second])),
    }
    fed = {"photo": photo, "other": other, "age": age, "place": place}
    return keras.Model(fed, outputs, name="mine")


def pictures(seed=0, count=2):
    return np.random.default_rng(seed).uniform(0, 1, (count, SIDE, SIDE, 3)).astype("float32")


def fed(photos):
    return {
        "photo": photos,
        "other": np.zeros_like(photos),
        "age": np.array([[0.2, 0.4]] * len(photos), "float32"),
        "place": np.array([[3]] * len(photos)),
    }


def test_the_chosen_output_is_what_the_model_returns(model):
    photos = pictures()
    expected = keras.tree.map_structure(ops.convert_to_numpy, model(fed(photos)))
    fixed = {"age": [0.2, 0.4], "place": 3}
    net = og.Network(model, "unit", input="photo", output="species", fixed=fixed)
    found = net.head.probabilities(net.scores(photos))
    np.testing.assert_allclose(found, expected["species"], atol=1e-5)
    net = og.Network(model, "unit", input="photo", output="box")
    np.testing.assert_allclose(net.scores(photos), expected["box"], atol=1e-5)


def test_the_other_picture_can_be_the_one_that_is_explained(model):
    photos, held = pictures(0), pictures(1, 1)
    again = held.repeat(2, axis=0)

    def distance(photo, other):
        return ops.convert_to_numpy(model({**fed(photo), "other": other})["distance"])

    for given in (held, held[0]):
        net = og.Network(model, "unit", input="photo", output="distance", fixed={"other": given})
        np.testing.assert_allclose(net.scores(photos), distance(photos, again), atol=1e-5)
        net = og.Network(model, "unit", input="other", output="distance", fixed={"photo": given})
        np.testing.assert_allclose(net.scores(photos), distance(again, photos), atol=1e-5)


def test_only_what_leads_to_the_output_is_there(model):
    net = og.Network(model, "unit", input="photo", output="box")
    names = {layer.name for layer in net.layers}
    assert {"photo", "conv", "box"} <= names
    assert not {"age", "other", "species", "distance"} & names


def test_held_inputs_count_for_no_gradient_and_for_any_number_of_images(model):
    net = og.Network(
        model, "unit", input="photo", output="species", fixed={"age": 0.5, "place": [1]}
    )
    found = og.saliency(net, pictures(count=3), [0, 1, 2])
    assert found.values.shape == (3, SIDE, SIDE, 3) and found.values.any(axis=(1, 2, 3)).all()
    other = og.Network(
        model, "unit", input="photo", output="species", fixed={"age": 0.5, "place": [2]}
    )
    assert not np.allclose(net.scores(pictures()), other.scores(pictures()))


def test_one_picture_among_other_inputs_is_found():
    photo, age = keras.Input((SIDE, SIDE, 3), name="photo"), keras.Input((2,), name="age")
    x = layers.Concatenate()([layers.Flatten()(photo), age])
    model = keras.Model([age, photo], layers.Dense(2)(x), name="mine")
    net = og.Network(model, "unit", fixed={"age": [[1, 2]]})
    assert (net.size, net.channels, net.head.outputs) == ((SIDE, SIDE), 3, 2)


FIXED = {"age": [0.2, 0.4], "place": 3}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, ["3 outputs", "'box'", "output="]),
        ({"output": "box"}, ["4 inputs", "2 of them take images", "'photo'", "input="]),
        ({"output": "boxes", "input": "photo"}, ["no output 'boxes'", "'box'"]),
        ({"output": "box", "input": "foto"}, ["no input 'foto'", "'photo'"]),
        ({"output": "box", "input": "age"}, ["does not depend on", "'age'", "'photo'"]),
        ({"output": "species", "input": "photo"}, ["also takes 'age', 'place'", "(2,)", "fixed="]),
        (
            {"output": "species", "input": "photo", "fixed": {**FIXED, "agee": 1}},
            ["no input 'agee'", "'age'"],
        ),
        (
            {"output": "species", "input": "photo", "fixed": {**FIXED, "age": [1, 2, 3]}},
            ["'age'", "shape (2,)", "(3,)"],
        ),
        (
            {"output": "species", "input": "photo", "fixed": {**FIXED, "age": [1, np.nan]}},
            ["'age'", "finite"],
        ),
        (
            {"output": "species", "input": "photo", "fixed": {**FIXED, "age": "old"}},
            ["'age'", "float32", "'old'"],
        ),
    ],
)
def test_what_does_not_say_enough_is_refused_in_one_sentence(model, options, words):
    with pytest.raises(InputError) as error:
        og.Network(model, "unit", **options)
    message = str(error.value)
    for word in words:
        assert word in message
    assert "\n" not in message


def test_outputs_of_one_layer_and_in_nested_structures_can_be_told_apart():
    image = keras.Input((SIDE, SIDE, 3), name="photo")
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3, name="conv")(image))
    first, second = ops.split(x, 2, axis=-1)
    model = keras.Model([{"inner": {"photo": image}}], {"both": [first, second]}, name="mine")
    with pytest.raises(InputError, match="2 outputs") as error:
        og.Network(model, "unit")
    names = (
        str(error.value).partition("outputs, ")[2].partition(":")[0].replace("'", "").split(", ")
    )
    whole = og.Network(keras.Model(image, x), "unit").scores(pictures())
    for name, expected in zip(names, np.split(whole, 2, axis=-1), strict=True):
        found = og.Network(model, "unit", output=name).scores(pictures())
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_names_given_for_a_model_of_one_input_are_checked():
    image = keras.Input((SIDE, SIDE, 3), name="photo")
    model = keras.Model(image, layers.Dense(2, name="answer")(layers.Flatten()(image)))
    og.Network(model, "unit", input="photo", output="answer")
    with pytest.raises(InputError, match="no input 'age'"):
        og.Network(model, "unit", fixed={"age": 1})


# -- subclassed ------------------------------------------------------------------------------------


class Block(keras.Model):
    """Followed from outside as one step."""

    def __init__(self):
        super().__init__(name="block")
        self.inner = layers.Conv2D(4, 3, padding="same", activation="relu", name="inner")

    def call(self, x):
        return x + self.inner(x)


class Followed(keras.Model):
    """Layers, operations, a weight of its own, another subclassed model, a switch for training."""

    def __init__(self):
        super().__init__(name="mine")
        self.conv = layers.Conv2D(4, 3, activation="relu", name="conv")
        self.norm = layers.BatchNormalization(name="norm")
        self.block = Block()
        self.gain = self.add_weight(shape=(4,), initializer="random_uniform", name="gain")
        self.average = layers.GlobalAveragePooling2D()
        self.answer = layers.Dense(3, activation="softmax", name="answer")

    def call(self, images, training=None):
        x = self.norm(ops.relu(self.conv(images)) * self.gain)
        if training:
            x = x * 0
        return self.answer(self.average(self.block(x)))


class Opaque(Followed):
    """Cannot be called on symbols without layers of its own."""

    def call(self, images, training=None):
        if keras.utils.is_keras_tensor(images):
            raise TypeError("no symbols here")
        return super().call(images, training)


class FunctionalWithItsOwnCall(keras.Model):
    def call(self, x, training=None, mask=None):
        return super().call(x, training=training, mask=mask) * 2


def functional_with_its_own_call():
    image = keras.Input((SIDE, SIDE, 3))
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3, name="conv")(image))
    return FunctionalWithItsOwnCall(image, x, name="mine")


def called(model):
    keras.utils.set_random_seed(0)
    model = model()
    model(pictures())
    return model


@pytest.mark.parametrize("make", [Followed, functional_with_its_own_call])
def test_a_call_of_layers_and_operations_is_followed(make):
    model = called(make)
    part = select(model)
    assert not part.is_opaque
    assert "conv" in {step.name for step in part.graph.steps}
    x = pictures()
    net = og.Network(model, "unit")
    expected = ops.convert_to_numpy(model(x))
    found = net.head.probabilities(net.scores(x)) if make is Followed else net.scores(x)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert og.gradcam(net, x, 0, layer="conv", rectify=False).values.any()


@pytest.mark.parametrize("make", [Followed, Opaque, functional_with_its_own_call])
def test_a_followed_model_keeps_no_trace(make):
    model = called(make)
    every = list(model._flatten_layers())
    before = [(len(each._inbound_nodes), len(each._outbound_nodes)) for each in every]
    weights, trainable = model.get_weights(), [each.trainable for each in every]
    net = og.Network(model, "unit")
    og.saliency(net, pictures(), 0)
    assert list(model._flatten_layers()) == every
    assert [(len(each._inbound_nodes), len(each._outbound_nodes)) for each in every] == before
    assert [each.trainable for each in every] == trainable
    for old, new in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_code_that_cannot_be_followed_is_one_step_and_its_answers_are_the_models():
    model, x = called(Opaque), pictures()
    net = og.Network(model, "unit", labels=["a", "b", "c"])
    assert net.is_opaque and net.head.kind == "softmax" and len(net.warnings) == 1
    expected = ops.convert_to_numpy(model(x))
    np.testing.assert_allclose(net.head.probabilities(net.scores(x)), expected, atol=1e-5)
    assert net.predict(x, top=1)[0][0].probability == pytest.approx(expected[0].max(), abs=1e-5)
    probability = net.evaluate(x, [net.head.output])[0]
    np.testing.assert_allclose(probability, expected, atol=1e-5)


@pytest.mark.each_backend
def test_gradients_of_opaque_code_are_those_of_the_same_code_followed():
    """Logits differ by a number that is the same for all classes: differences of classes do not."""
    target, x = og.Class(0) - og.Class(1), pictures()
    opaque, followed = (og.Network(called(make), "unit") for make in (Opaque, Followed))
    assert followed.head.is_hidden is False
    for method in (og.saliency, og.smoothgrad, og.integrated_gradients, og.occlusion):
        options = {"samples": 2} if method is og.smoothgrad else {}
        one, other = (method(net, x, target, **options).values for net in (opaque, followed))
        np.testing.assert_allclose(one, other, atol=1e-4 * np.abs(other).max() + 1e-6)


@pytest.mark.parametrize(
    "method",
    [
        og.gradcam,
        og.layercam,
        og.scorecam,
        og.guided_backprop,
        og.feature_maps,
        lambda net, x: og.kernels(net, "conv"),
        lambda net, x: net["conv"],
        lambda net, x: og.saliency(net, x, og.Filter("conv", 0)),
    ],
)
def test_what_needs_layers_says_that_opaque_code_has_none(method):
    net = og.Network(called(Opaque), "unit")
    with pytest.raises(InputError) as error:
        method(net, pictures())
    assert "'mine' is subclassed (Opaque)" in str(error.value)
    assert "saliency" in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("activation", "units", "kind"),
    [
        ("softmax", 3, "softmax"),
        ("sigmoid", 3, "sigmoid"),
        ("sigmoid", 1, "sigmoid"),
        (None, 3, ""),
    ],
)
def test_activations_inside_somebodys_own_last_layer_are_told_by_their_answers(
    activation, units, kind
):
    @keras.saving.register_keras_serializable("tests")
    class Answer(layers.Layer):
        def build(self, shape):
            self.inner = layers.Dense(units, activation=activation)
            self.inner.build(shape)

        def call(self, x):
            if keras.utils.is_keras_tensor(x):
                raise TypeError("no symbols here")
            return self.inner(x)

        def compute_output_spec(self, x):
            return keras.KerasTensor((x.shape[0], units), x.dtype)

    keras.utils.set_random_seed(0)
    image = keras.Input((SIDE, SIDE, 3))
    model = keras.Model(image, Answer()(layers.Flatten()(image - 0.5)))
    net, x = og.Network(model, "unit"), pictures()
    assert (net.head.kind, net.head.is_hidden) == (kind or "linear", bool(kind))
    expected = ops.convert_to_numpy(model(x))
    if kind:
        found = net.head.probabilities(net.scores(x))[:, -units:]
        np.testing.assert_allclose(found, expected, atol=1e-5)
    else:
        np.testing.assert_allclose(net.scores(x), expected, atol=1e-5)


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_activations_inside_a_last_layer_that_is_followed_are_looked_through(activation):
    class Answers(layers.Layer):
        def __init__(self):
            super().__init__(name="answers")
            self.first, self.second = layers.Dense(2), layers.Dense(3, activation=activation)

        def call(self, x):
            return self.first(x), self.second(x)

    keras.utils.set_random_seed(0)
    image = keras.Input((SIDE, SIDE, 3))
    _, answer = Answers()(layers.Flatten()(image - 0.5))
    model, x = keras.Model(image, answer), pictures()
    net = og.Network(model, "unit")
    assert (net.head.kind, net.head.is_hidden) == (activation, False)
    expected = ops.convert_to_numpy(model(x))
    np.testing.assert_allclose(net.head.probabilities(net.scores(x)), expected, atol=1e-5)


@pytest.mark.parametrize(
    "make", [Followed, lambda: keras.Sequential([layers.Conv2D(2, 3)], name="mine")]
)
def test_models_that_were_never_built_are_refused_in_one_sentence(make):
    with pytest.raises(ModelError) as error:
        og.Network(make())
    assert "'mine'" in str(error.value) and "model.build(" in str(error.value)
    assert "\n" not in str(error.value)


class NumbersOnly(keras.Model):
    """Leaves the backend: neither shapes nor gradients can be had."""

    def call(self, images):
        return ops.convert_to_tensor(np.asarray(images).mean(axis=(1, 2)))


def test_code_that_leaves_the_backend_is_refused_in_one_sentence():
    with pytest.raises(ModelError) as error:
        og.saliency(og.Network(called(lambda: NumbersOnly(name="mine")), "unit"), pictures(), 0)
    assert "'mine' (NumbersOnly)" in str(error.value) and "keras.ops" in str(error.value)
    assert "\n" not in str(error.value)


def test_shapes_inside_a_base_of_any_size_are_those_of_the_network():
    image = keras.Input((SIDE, SIDE, 3))
    inner = keras.Input((None, None, 3))
    base = keras.Model(inner, layers.Conv2D(4, 3, name="conv")(inner))
    model = keras.Model(image, layers.GlobalAveragePooling2D()(base(image)))
    assert og.Network(model, "unit")["conv"].output_shape == (None, SIDE - 2, SIDE - 2, 4)
    assert flatten(model).steps[1].shape == (None, None, None, 4)


def test_a_model_is_the_same_after_several_inputs_were_told_apart(model):
    before = state(model)
    og.saliency(og.Network(model, "unit", input="photo", output="box"), pictures(), og.Class(0))
    assert_same(before, state(model))


def test_the_replay_of_a_followed_model_is_exact():
    model = called(Followed)
    graph, x = select(model).graph, pictures()
    found = answer(lambda t: forward.run(graph, t, graph.outputs), x)[0]
    assert_equal(found, answer(model, x))


class Failing(Opaque):
    """Goes wrong once it is run by a program that was compiled."""

    is_broken = False

    def call(self, images, training=None):
        if self.is_broken:
            raise ValueError("out of order")
        return super().call(images, training)


def test_opaque_code_that_fails_says_so_in_one_sentence(monkeypatch):
    model = called(Failing)
    net = og.Network(model, "unit")
    monkeypatch.setattr(Failing, "is_broken", True)
    with pytest.raises(ModelError) as error:
        og.saliency(net, pictures(), 0)
    assert "'mine' (Failing)" in str(error.value) and "(out of order)" in str(error.value)
    assert "\n" not in str(error.value)
