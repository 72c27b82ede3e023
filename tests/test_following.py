"""Opening a model in memory: the same each time, in any thread, and nothing is left behind."""

import threading
import time

import keras
import numpy as np
import pytest
from keras import layers, ops

import optogram as og
from optogram.errors import ModelError

pytestmark = [pytest.mark.once, pytest.mark.keras_inside]

SIDE = 8


class Block(layers.Layer):
    """Somebody's own layer, made of layers."""

    def __init__(self, **arguments):
        super().__init__(**arguments)
        self.conv = layers.Conv2D(
            3, 3, padding="same", activation="relu", activity_regularizer="l2"
        )
        self.norm = layers.BatchNormalization()

    def build(self, shape):
        self.conv.build(shape)
        self.norm.build((*shape[:-1], 3))

    def call(self, x):
        return ops.relu(self.norm(self.conv(x))) + 1


class Subclassed(keras.Model):
    """One that shares a layer, and holds a model and a subclassed model."""

    def __init__(self, inner=True):
        super().__init__(name="subclassed")
        image = keras.Input((None, None, 3))
        self.base = keras.Model(image, layers.Conv2D(3, 3, padding="same")(image), name="base")
        self.block = Block(name="block")
        self.inner = Subclassed(inner=False) if inner else None
        self.answer = layers.Dense(3, activation="softmax", name="answer")

    def call(self, x, training=False):
        x = self.base(self.block(x * 2 - 1))
        x = x if self.inner is None else self.block(x)
        return self.answer(ops.mean(x, axis=(1, 2))) if self.inner is None else self.inner(x)


class OfCode(Subclassed):
    def call(self, x, training=False):
        if keras.utils.is_keras_tensor(x):
            raise TypeError("no symbols here")
        return super().call(x)


GLOBAL = Block(name="reached_as_a_global")


class Reaching(keras.Model):
    """Its call uses a layer that it does not hold, and fails with symbols where told to."""

    def __init__(self, fails=False):
        super().__init__(name="reaching")
        self.fails = fails
        self.answer = layers.Dense(3, activation="softmax")

    def call(self, x):
        x = self.answer(ops.mean(GLOBAL(x), axis=(1, 2)))
        if self.fails and keras.utils.is_keras_tensor(x):
            raise TypeError("no symbols here")
        return x


def functional():
    image = keras.Input((SIDE, SIDE, 3))
    x = layers.GlobalAveragePooling2D()(Block()(Block()(image)))
    outputs = [layers.Dense(2, name="box")(x), layers.Dense(3, name="answer")(x)]
    return keras.Model(image, outputs, name="functional")


def called(model):
    keras.utils.set_random_seed(0)
    made = model()
    made(np.ones((1, SIDE, SIDE, 3), "float32"))
    return made


KINDS = {
    "functional": functional,
    "subclassed": Subclassed,
    "of other code": lambda: OfCode(inner=False),
    "reaching a global": Reaching,
    "reaching a global, and failing": lambda: Reaching(fails=True),
}


def operations(model, found=None):
    """Every operation that ``model`` holds, also in the graphs of models inside."""
    found = {} if found is None else found
    if id(model) not in found:
        found[id(model)] = model
        for each in (*getattr(model, "operations", ()), *getattr(model, "_layers", ())):
            operations(each, found)
    return found


def traces(model):
    return [
        (len(each._inbound_nodes), len(each._outbound_nodes), each.name, sorted(vars(each)))
        for each in (*operations(model).values(), *operations(GLOBAL).values())
    ]


def opened(model, whole):
    """The names of the steps, and the ``whole`` of a map, maybe."""
    output = "answer" if model.name == "functional" else None
    net = og.Network(model, "unit", output=output)
    x = np.random.default_rng(0).uniform(0, 1, (1, SIDE, SIDE, 3)).astype("float32")
    values = og.saliency(net, x, 0).values if whole else None
    return [step.name for step in net.graph.steps], values


ON_EACH_BACKEND = ("functional", "reaching a global, and failing")


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(kind, marks=pytest.mark.each_backend if kind in ON_EACH_BACKEND else ())
        for kind in KINDS
    ],
)
def test_openings_in_threads_are_alike_and_leave_nothing_behind(kind):
    model, symbol, is_whole = (
        called(KINDS[kind]),
        keras.Input((SIDE, SIDE, 3)),
        kind == "subclassed",
    )
    x = np.ones((1, SIDE, SIDE, 3), "float32")
    names, values = opened(model, is_whole)  # a map takes seconds
    expected = ops.convert_to_numpy(keras.tree.flatten(model(x))[0])
    before, number = traces(model), layers.Dense(1).name
    found, failures, is_opening = [], [], threading.Event()

    def use():  # as somebody does who knows of nothing
        while is_opening.is_set():
            time.sleep(0.03)
            answer = ops.convert_to_numpy(keras.tree.flatten(model(x))[0])
            found.append((names, values) if np.allclose(answer, expected, atol=1e-6) else answer)

    def open_some(whole):
        try:
            found.extend(opened(model, whole) for _ in range(1 if whole else 2))
        except Exception as failure:
            failures.append(failure)

    using = threading.Thread(target=use)
    threads = [threading.Thread(target=open_some, args=(is_whole and i == 0,)) for i in range(4)]
    is_opening.set()
    for thread in (using, *threads):
        thread.start()
    for thread in threads:
        thread.join()
    is_opening.clear()
    using.join()
    assert not failures
    assert len(found) >= 10
    for other_names, other_values in found:
        assert other_names == names
        if other_values is not None:
            np.testing.assert_array_equal(other_values, values)
    model(x)
    assert traces(model) == before
    assert layers.Dense(1).name == f"dense_{int(number.partition('_')[2] or 0) + 1}"
    if not isinstance(model, OfCode) and not getattr(model, "fails", False):
        keras.Model(symbol, model(symbol))  # its graph is in order


@pytest.mark.each_backend
def test_losses_of_the_last_call_stay_while_a_network_is_opened_and_asked():
    model = called(Subclassed)
    model(np.ones((1, SIDE, SIDE, 3), "float32"))
    losses = list(map(id, model.block.conv._losses))
    assert losses
    net = og.Network(model, "unit")
    net.summary()
    net.geometry((SIDE + 1, SIDE + 2))
    og.occlusion(net, np.ones((1, SIDE, SIDE, 3), "float32"), 0, patch=4)
    assert list(map(id, model.block.conv._losses)) == losses


class NeverRun(keras.Model):
    """Says that it is built, but one of its layers was never run."""

    def __init__(self):
        super().__init__(name="never_run")
        self.answer = layers.Dense(3, name="without_weights")

    def build(self, shape):
        self.built = True

    def call(self, x):
        return self.answer(ops.mean(x, axis=(1, 2)))


def test_layers_that_were_never_run_are_named_and_stay_without_weights():
    model = NeverRun()
    model.build((None, SIDE, SIDE, 3))
    with pytest.raises(ModelError) as error:
        og.Network(model, "unit")
    assert "'without_weights'" in str(error.value) and "\n" not in str(error.value)
    assert not model.answer.built and not model.variables
    model(np.ones((1, SIDE, SIDE, 3), "float32"))
    assert og.Network(model, "unit").head.outputs == 3


class Counting(OfCode):
    """Counts its calls in a variable."""

    def __init__(self, is_opaque):
        super().__init__(inner=False)
        self.is_opaque = is_opaque
        self.calls = self.add_weight(shape=(), initializer="zeros", trainable=False, name="calls")

    def call(self, x, training=False):
        self.calls.assign_add(1)
        return (super() if self.is_opaque else super(OfCode, self)).call(x)


@pytest.mark.each_backend
@pytest.mark.parametrize("is_opaque", [False, True])
def test_variables_keep_their_values(is_opaque):
    model = called(lambda: Counting(is_opaque))
    count = float(ops.convert_to_numpy(model.calls))
    net = og.Network(model, "unit")
    net.scores(np.ones((1, SIDE, SIDE, 3), "float32"))
    assert net.is_opaque == is_opaque
    assert float(ops.convert_to_numpy(model.calls)) == count


def test_generators_of_random_numbers_stay_where_they_are():
    image = keras.Input((SIDE, SIDE, 3))
    noise = layers.GaussianNoise(0.1, seed=1)
    x = layers.GlobalAveragePooling2D()(noise(image * 2 - 1, training=True))
    drop = layers.Dropout(0.5, seed=2)
    model = keras.Model(image, ops.softmax(drop(layers.Dense(3)(x), training=True)) * 1.0)
    seeds = [each.seed_generator.state for each in (noise, drop)]
    before = [np.array(ops.convert_to_numpy(seed)) for seed in seeds]
    og.Network(model, "unit")
    og.Network(model)
    for seed, old in zip(seeds, before, strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(seed), old)
