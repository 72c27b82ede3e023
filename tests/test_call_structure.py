"""Subclassed models of several inputs and outputs: their names, and what is said without them."""

from collections import namedtuple

import keras
import numpy as np
import pytest
from keras import layers, ops

import optogram as og
from optogram.errors import InputError, ModelError
from optogram.interpreters import forward

pytestmark = [pytest.mark.once, pytest.mark.keras_inside]

SIDE = 8
PHOTO = np.random.default_rng(0).uniform(0, 1, (1, SIDE, SIDE, 3)).astype("float32")
AGE = np.array([[0.3, 0.5]], "float32")
Patient = namedtuple("Patient", "photo age")

# How a photo and an age are handed in, how a call takes them out, and by which names they go.
TAKEN = {
    "list": (lambda p, a: [p, a], lambda i: (i[0], i[1]), ["input_0", "input_1"]),
    "tuple": (lambda p, a: (a, p), lambda i: (i[1], i[0]), ["input_1", "input_0"]),
    "dict": (
        lambda p, a: {"photo": p, "age": a},
        lambda i: (i["photo"], i["age"]),
        ["photo", "age"],
    ),
    "nested": (
        lambda p, a: {"seen": {"a/photo": p}, "told": [a]},
        lambda i: (i["seen"]["a/photo"], i["told"][0]),
        ["seen.a/photo", "told.0"],
    ),
    "named tuple": (Patient, lambda i: (i.photo, i.age), ["photo", "age"]),
}
# How the kind and the box come out, by which names, and by which where the call is opaque.
GIVEN = {
    "list": (lambda k, b: [b, k], ["box", "kind"], ["output_0", "output_1"]),
    "dict": (lambda k, b: {"k": k, "b": b, "none": None}, ["k", "b"], ...),
    "nested": (lambda k, b: {"heads": {"k": k}, "more": [b]}, ["heads.k", "more.0"], ...),
}


class Of(keras.Model):
    """A photo and an age in; a kind and a box out."""

    def __init__(self, given, is_opaque=False):
        super().__init__(name="mine")
        self.given, self.is_opaque = given, is_opaque
        self.eyes = layers.Conv2D(3, 3, activation="relu", name="conv")
        self.average = layers.GlobalAveragePooling2D()
        self.join = layers.Concatenate()
        self.kind = layers.Dense(4, activation="softmax", name="kind")
        self.box = layers.Dense(2, name="box")

    def answers(self, photo, age):
        if self.is_opaque and keras.utils.is_keras_tensor(photo):
            raise TypeError("no symbols here")
        x = self.average(self.eyes(photo))
        x = x if age is None else self.join([x, age])
        return self.given(self.kind(x), self.box(x))


class OfOne(Of):
    def __init__(self, taken, given, is_opaque=False):
        super().__init__(given, is_opaque)
        self.taken = taken

    def call(self, inputs, training=False):
        return self.answers(*self.taken(inputs))


class OfTwo(Of):
    def call(self, photo, age, training=False):
        return self.answers(photo, age)


class OfTwoBuilt(OfTwo):
    def build(self, photo_shape, age_shape):
        self.eyes.build(photo_shape)
        for layer in (self.kind, self.box):
            layer.build((None, 3 + age_shape[-1]))


class OfOneOrTwo(Of):
    def call(self, photo, age=None):
        return self.answers(photo, age)


def answered(net):
    """What the network answers, without compiling anything."""
    made = forward.run(net.graph, ops.convert_to_tensor(PHOTO), [net.head.output])
    return ops.convert_to_numpy(made[0])


def refused(model, **options):
    """The one sentence that says why ``model`` is not opened so."""
    with pytest.raises((InputError, ModelError)) as error:
        og.Network(model, "unit", **options)
    message = str(error.value)
    assert "\n" not in message and message.endswith(".")
    return message


@pytest.mark.parametrize("taken", TAKEN)
def test_inputs_go_by_their_keys_and_places(taken):
    fed, take, (photo, age) = TAKEN[taken]
    give, names, _ = GIVEN["dict"]
    model = OfOne(take, give)
    made = model(fed(PHOTO, AGE))
    told = refused(model, output=names[0])
    assert repr(age) in told and "shape (2,)" in told
    assert repr(photo) not in told
    net = og.Network(model, "unit", input=photo, fixed={age: AGE[0]}, output=names[0])
    expected = ops.convert_to_numpy(made[names[0]])
    np.testing.assert_allclose(answered(net), expected, atol=1e-6)
    assert not net.is_opaque and net["conv"].parameters == 84
    told = refused(model, output=names[0], fixed={"nonsense": 1})
    assert "no input 'nonsense'" in told


@pytest.mark.parametrize("is_opaque", [False, True])
@pytest.mark.parametrize("given", GIVEN)
def test_outputs_go_by_their_keys_and_layers(given, is_opaque):
    give, names, opaque_names = GIVEN[given]
    model = OfOne(lambda inputs: (inputs, None), give, is_opaque)
    made = model(PHOTO)
    names = opaque_names if is_opaque and opaque_names is not ... else names
    told = refused(model)
    assert "2 outputs, " + ", ".join(map(repr, names)) in told
    assert "no output 'nonsense'" in refused(model, output="nonsense")
    tensors = [leaf for leaf in keras.tree.flatten(made) if leaf is not None]
    found = {}
    for name in names:
        net = og.Network(model, "unit", output=name)
        assert net.is_opaque == is_opaque
        found[name] = answered(net)
    for array in found.values():
        assert any(
            array.shape == tensor.shape and np.allclose(array, tensor, atol=1e-6)
            for tensor in map(ops.convert_to_numpy, tensors)
        )
    assert len({array.shape for array in found.values()}) == 2


@pytest.mark.parametrize("model", [OfTwo, OfTwoBuilt, OfOneOrTwo])
@pytest.mark.parametrize("by_keyword", [False, True])
def test_arguments_go_by_their_names(model, by_keyword):
    model = model(lambda kind, box: [kind, box])
    made = model(photo=PHOTO, age=AGE) if by_keyword else model(PHOTO, AGE)
    told = refused(model, output="kind")
    assert "'age'" in told and 'fixed={"age": ' in told
    net = og.Network(model, "unit", fixed={"age": [0.3, 0.5]}, output="kind")
    assert net.graph.steps[0].shape == (None, SIDE, SIDE, 3)
    expected = ops.convert_to_numpy(made[0])
    np.testing.assert_allclose(answered(net), expected, atol=1e-6)


@pytest.mark.parametrize("given", [[[1.0], [1.0, 2.0]], "old", object(), np.nan, [[0.3], [0.5]]])
def test_what_an_argument_cannot_be_held_at_is_refused(given):
    model = OfTwo(lambda kind, box: kind)
    model(PHOTO, AGE)
    assert "'age'" in refused(model, fixed={"age": given})


class OfPlaces(keras.Model):
    """Takes numbers of places, which have to be integers."""

    def __init__(self):
        super().__init__(name="mine")
        self.conv = layers.Conv2D(3, 3, activation="relu")
        self.answer = layers.Dense(3)

    def call(self, inputs):
        place = ops.one_hot(inputs["place"], 4)
        return self.answer(
            ops.concatenate([ops.mean(self.conv(inputs["photo"]), (1, 2)), place], 1)
        )


def test_integers_stay_integers():
    model = OfPlaces()
    expected = ops.convert_to_numpy(model({"photo": PHOTO, "place": np.array([2], "int32")}))
    net = og.Network(model, "unit", fixed={"place": 2})
    assert not net.is_opaque
    np.testing.assert_allclose(answered(net), expected, atol=1e-6)


def test_an_input_that_nothing_reads_need_not_be_held():
    model = OfOne(lambda inputs: (inputs["photo"], None), lambda kind, box: kind)
    model({"photo": PHOTO, "age": AGE})
    assert og.Network(model, "unit").head.outputs == 4
    assert "does not depend on its input 'age'" in refused(model, input="age")


@pytest.mark.parametrize("is_opaque", [False, True])
def test_an_output_that_is_one_number_for_all_images_is_refused(is_opaque):
    model = OfOne(lambda i: (i, None), lambda kind, box: [kind, ops.mean(box)], is_opaque)
    model(PHOTO)
    name = "output_1" if is_opaque else "mean"
    assert f"{name!r} of 'mine' is one number" in refused(model, output=name)


def test_a_model_that_never_ran_is_told_to_be_run():
    assert "call it on a batch of images once" in refused(OfTwo(lambda kind, box: kind))
