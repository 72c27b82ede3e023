"""Copies of layers: they compute the same with the same weights, and calls change only them."""

from collections import OrderedDict, deque, namedtuple
from functools import partial

import keras
import numpy as np
import pytest
from keras import layers, ops

from model_state import assert_same, state
from optogram.graph.keras_private.copies import Copies, original, own_names

pytestmark = pytest.mark.keras_inside

Pair = namedtuple("Pair", "first second")


class Holding(keras.Model):
    """Holds its layers in every way that a layer can be held, one of them twice."""

    def __init__(self):
        super().__init__(name="holding")
        dense = [layers.Dense(3, activity_regularizer="l2", name=f"dense{i}") for i in range(10)]
        self.plain = dense[0]
        self.listed = [dense[1], [dense[2]]]
        self.by_name = {"a": dense[3], "b": {"c": dense[4]}}
        self.ordered = OrderedDict(x=dense[5])
        self.pair = Pair(dense[6], 3)
        self.queue = deque([dense[7]])
        self.method = dense[8].__call__
        self.made_with = partial(self.applied, dense[9])
        self.again = dense[0]
        self.inner = keras.Sequential([keras.Input((3,)), layers.Dense(3, name="inside")])
        self.seen = []
        for layer in dense:
            layer.build((None, 3))

    def applied(self, layer, x):
        return layer(x)

    def call(self, x):
        x = self.again(self.plain(x))
        x = self.listed[1][0](self.listed[0](x))
        x = self.by_name["b"]["c"](self.by_name["a"](x))
        x = self.pair.first(self.ordered["x"](x))
        x = self.made_with(self.method(self.queue[0](x)))
        self.seen.append("x")
        self.add_loss(ops.mean(x))
        return self.inner(x)


@pytest.fixture
def model():
    keras.utils.set_random_seed(0)
    model = Holding()
    model(np.ones((2, 3), "float32"))
    return model


def traces(model):
    every = [model, *model._flatten_layers(include_self=False), model.method.__self__]
    every += [model.made_with.args[0], model.queue[0]]
    return [
        (len(each._inbound_nodes), len(each._outbound_nodes), [id(x) for x in each._losses])
        for each in every
    ] + [list(model.seen)]


def test_a_copy_computes_the_same_and_what_it_is_a_copy_of_stays_as_it_is(model):
    x = np.random.default_rng(0).normal(size=(2, 3)).astype("float32")
    expected = ops.convert_to_numpy(model(x))
    before, known = traces(model), state(model)
    copied = Copies().of(model)
    np.testing.assert_array_equal(ops.convert_to_numpy(copied(x)), expected)
    copied(keras.Input((3,)))
    assert traces(model) == before
    assert_same(known, state(model))
    assert len(copied.seen) > len(model.seen) > 0
    assert [id(v) for v in copied.variables] == [id(v) for v in model.variables]


def test_each_layer_has_one_copy_that_knows_it(model):
    copies = Copies()
    copied = copies.of(model)
    assert copied.plain is copied.again is copies.of(model.plain) is not model.plain
    assert original(copied) is model and original(copied.plain) is model.plain
    assert copies.of(copied) is copied
    assert original(model) is model and original("x") == "x"
    assert all(original(layer) is not layer for layer in copied._flatten_layers())


def test_weights_are_seen_as_they_change(model):
    copied, x = Copies().of(model), np.ones((1, 3), "float32")
    before = ops.convert_to_numpy(copied(x))
    model.plain.kernel.assign(model.plain.kernel * 2)
    assert not np.allclose(before, ops.convert_to_numpy(copied(x)))
    np.testing.assert_array_equal(ops.convert_to_numpy(copied(x)), ops.convert_to_numpy(model(x)))


def test_names_are_counted_apart():
    first = layers.Dense(1).name
    with pytest.raises(ValueError, match="wrong"), own_names():
        assert [layers.Dense(1).name for _ in range(2)] == ["dense", "dense_1"]
        raise ValueError("wrong")
    number = int(first.partition("_")[2] or 0)
    assert layers.Dense(1).name == f"dense_{number + 1}"
