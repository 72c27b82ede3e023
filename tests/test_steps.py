"""The list of steps replays every kind of model, and leaves the model as it was."""

import gc
import weakref
from functools import partial

import keras
import numpy as np
import pytest
from keras import layers, ops

import networks
import optogram as og
from optogram import backend
from optogram.graph.steps import Output, flatten
from optogram.interpreters import forward
from replay import answer, assert_equal, is_bit_for_bit

pytestmark = [pytest.mark.once, pytest.mark.keras_inside]


def names(model):
    return [step.name for step in flatten(model).steps]


def node_counts(model):
    """How often each operation of the model is used, nested ones included."""
    nested = [op for op in model._flatten_layers() if isinstance(op, keras.Model)]
    operations = {id(op): op for inner in nested for op in getattr(inner, "operations", [])}
    return [(len(op._inbound_nodes), len(op._outbound_nodes)) for op in operations.values()]


# -- the replay ------------------------------------------------------------------------------------


@pytest.mark.each_backend
@pytest.mark.parametrize("name", networks.BUILDERS)
def test_replay_equals_the_model(name):
    model = networks.build(name)
    graph = flatten(model)
    x = networks.images_for(model)
    (found,) = answer(lambda t: forward.run(graph, t, graph.outputs), x)
    assert_equal(found, answer(partial(model, training=False), x), is_bit_for_bit(graph))


@pytest.mark.each_backend
@pytest.mark.parametrize("name", ["separate", "branches", "strided", "skips"])
def test_every_layer_of_the_replay_equals_keras(name):
    model = networks.build(name)
    graph = flatten(model)
    wanted = [Output(step.index) for step in graph.steps if step.half != "pre"]
    layers_of_keras = [model.get_layer(graph.steps[value.step].name) for value in wanted]
    x = networks.images_for(model)
    found = answer(lambda t: forward.run(graph, t, wanted), x)
    expected = answer(keras.Model(model.input, [layer.output for layer in layers_of_keras]), x)
    for ours, theirs in zip(found, expected, strict=True):
        assert_equal(ours, theirs, is_bit_for_bit(graph))


@pytest.mark.each_backend
@pytest.mark.parametrize("outer", [None, False, True])
@pytest.mark.parametrize("inner", [None, False, True])
def test_training_mode_of_nested_models_is_overruled_as_in_predict(outer, inner):
    keras.utils.set_random_seed(0)
    base = networks._base()
    middle_image = keras.Input(base.input_shape[1:])
    arguments = {} if inner is None else {"training": inner}
    middle = keras.Model(middle_image, base(middle_image, **arguments), name="middle")
    image = keras.Input(base.input_shape[1:])
    arguments = {} if outer is None else {"training": outer}
    model = keras.Model(image, middle(image, **arguments))
    graph = flatten(model)
    x = networks.images_for(model)
    (found,) = answer(lambda t: forward.run(graph, t, graph.outputs), x)
    np.testing.assert_allclose(found, model.predict(x, verbose=0), atol=1e-6)
    assert (found == 0).mean() < 0.6  # nothing was dropped


def test_masks_are_kept_behind_a_fused_activation():
    model = networks.build("masked")
    graph = flatten(model)
    x = networks.images_for(model)
    (dense,) = answer(lambda t: forward.run(graph, t, graph.outputs), x)
    x[:, 8:] = 0
    (found,) = answer(lambda t: forward.run(graph, t, graph.outputs), x)
    assert_equal(found, answer(model, x))
    # Only the unmasked half counts: by hand, from the weights.
    weights = [np.asarray(w) for w in model.get_weights()]
    hidden = np.maximum(x[:, :8, :, 0] @ weights[0] + weights[1], 0).mean(axis=1)
    logits = hidden @ weights[2] + weights[3]
    by_hand = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found, by_hand, atol=1e-6)
    assert not np.allclose(found, dense)


def test_several_inputs_and_outputs_are_flattened_too():
    first, second = keras.Input((3,), name="a"), keras.Input((3,), name="b")
    model = keras.Model([first, second], [first + second, first * second])
    graph = flatten(model)
    assert [graph.steps[value.step].name for value in graph.inputs] == ["a", "b"]
    assert [graph.steps[value.step].kind for value in graph.outputs] == ["Add", "Multiply"]


def test_a_sequential_model_built_by_its_first_batch_is_opened():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([layers.Conv2D(2, 3, activation="relu"), layers.Flatten()])
    x = np.random.default_rng(0).uniform(size=(1, 8, 8, 3)).astype("float32")
    model(x)
    graph = flatten(model)
    assert_equal(answer(lambda t: forward.run(graph, t, graph.outputs), x)[0], answer(model, x))


# -- partial and perturbed runs --------------------------------------------------------------------


class Exploding(layers.Layer):
    """Can be built into a model, and raises when it is run."""

    def call(self, x):
        raise AssertionError("this step was not to be run")

    def compute_output_spec(self, x):
        return keras.KerasTensor(x.shape, x.dtype)


def test_later_steps_and_other_branches_are_not_run():
    image = keras.Input((8, 8, 3))
    wanted = layers.Conv2D(2, 3, name="wanted")(image)
    branch = Exploding(name="branch")(image)
    later = Exploding(name="later")(wanted)
    both = layers.Concatenate()([layers.Flatten()(later), layers.Flatten()(branch)])
    graph = flatten(keras.Model(image, both))
    index = next(step.index for step in graph.steps if step.name == "wanted")
    x = np.ones((1, 8, 8, 3), "float32")
    (found,) = answer(lambda t: forward.run(graph, t, [Output(index)]), x)
    assert found.shape == (1, 6, 6, 2)
    with pytest.raises(AssertionError, match="not to be run"):
        answer(lambda t: forward.run(graph, t, graph.outputs), x)


def test_the_same_value_may_be_asked_for_twice_and_the_input_too():
    model = networks.build("fused")
    graph = flatten(model)
    x = networks.images_for(model)
    wanted = [Output(2), graph.inputs[0], Output(2)]
    first, image, again = answer(lambda t: forward.run(graph, t, wanted), x)
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(image, x)


def test_what_is_added_to_a_step_reaches_all_its_readers():
    model = networks.build("skips")
    graph = flatten(model)
    stem = next(step.index for step in graph.steps if step.name == "stem")
    x = networks.images_for(model)
    shift = np.random.default_rng(1).normal(size=(2, 16, 16, 6)).astype("float32")
    add = {stem: backend.current().to_tensor(shift)}
    found = answer(lambda t: forward.run(graph, t, [Output(stem), graph.outputs[0]], add), x)
    # A convolution's bias does the same to the map, so it must do the same to the answer.
    (plain,) = answer(lambda t: forward.run(graph, t, [Output(stem)]), x)
    assert_equal(found[0], plain + shift)
    rest = keras.Model(model.get_layer("stem").output, model.output)
    assert_equal(found[1], answer(rest, plain + shift))


@pytest.mark.each_backend
def test_tensors_are_let_go_when_no_step_needs_them_any_more():
    graph = flatten(networks.build("skips"))
    indices = sorted(graph.ancestors(graph.outputs))
    let_go = graph.last_uses(indices, keep=graph.outputs)
    by_name = {step.name: step.index for step in graph.steps}
    gone_after = {value.step: index for index, values in let_go.items() for value in values}
    assert gone_after[by_name["stem"]] == by_name["block0_add"]
    assert gone_after[by_name["block0_norm"]] == by_name["block0_relu"]
    assert graph.outputs[0].step not in gone_after
    assert set(gone_after) == set(indices) - {graph.outputs[0].step}


WAS_HELD = []


class Remembering(layers.Layer):
    """Knows whether what it returned last is still held by anyone."""

    returned = None

    def call(self, x):
        made = x * 2
        Remembering.returned = weakref.ref(made)
        return made


class Looking(layers.Layer):
    """Notes, when it is run, whether what `Remembering` returned is still held."""

    def call(self, x):
        gc.collect()
        WAS_HELD.append(Remembering.returned() is not None)
        return x


@pytest.mark.each_backend
def test_memory_of_maps_is_given_back_while_later_steps_run():
    image = keras.Input((8, 8, 3))
    x = layers.ReLU()(Remembering(name="remembering")(image))
    graph = flatten(keras.Model(image, Looking(name="looking")(layers.ReLU()(x))))
    index = next(step.index for step in graph.steps if step.name == "remembering")
    x = np.ones((1, 8, 8, 3), "float32")
    WAS_HELD.clear()
    answer(lambda t: forward.run(graph, t, graph.outputs), x)
    answer(lambda t: forward.run(graph, t, [Output(index), *graph.outputs]), x)
    assert WAS_HELD == [False, True]  # the second time it was asked for


# -- names -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [n for n in networks.BUILDERS if n != "converted"])
def test_names_are_unique(name):
    found = names(networks.build(name))
    assert len(set(found)) == len(found)


def test_names_of_conversions_are_unique():
    inner = keras.Input((8, 8), dtype="float16")
    inner = keras.Model(inner, layers.Flatten()(inner), name="inner")
    image = keras.Input((8, 8, 1))
    found = names(keras.Model(image, inner(image) + inner(image * 2)))
    assert len(set(found)) == len(found)


def test_names_are_those_of_keras_where_they_can_be():
    model = networks.build("branches")
    found = [step.name for step in flatten(model).steps if step.half != "pre"]
    assert found == [layer.name for layer in model.layers]


def test_equal_names_are_told_apart_by_as_little_of_their_path_as_needed():
    found = names(networks.build("nested"))
    convolutions = [name for name in found if "conv1" in name]
    assert convolutions == ["inner/conv1", "middle/conv1", "outer/conv1", "conv1"]
    assert [name for name in found if name.endswith("relu")] == ["inner/relu", "outer/relu"]


@pytest.mark.each_backend
def test_a_name_that_a_backend_cannot_take_is_kept_and_run_all_the_same():
    image = keras.Input((8, 8, 3))
    x = layers.Conv2D(2, 3, activation="relu", name="my conv <1>")(image)
    model = keras.Model(image, layers.Flatten(name="_flat")(x))
    graph, x = flatten(model), networks.images_for(model)
    assert [step.name for step in graph.steps][1:] == ["my conv <1>:pre", "my conv <1>", "_flat"]
    program = backend.current().compile(lambda t: forward.run(graph, t, graph.outputs), [])
    with keras.StatelessScope():
        (found,) = program(backend.current().to_tensor(x))
    expected = answer(model, x)
    np.testing.assert_allclose(backend.current().to_array(found), expected, atol=1e-6)


def test_a_nested_layer_whose_name_is_its_own_keeps_it():
    assert {"conv1", "norm", "relu", "dropout"} <= set(names(networks.build("transfer")))


def test_second_uses_are_counted():
    found = names(networks.build("shared_layer"))
    assert [name for name in found if name.startswith("again")] == [
        "again:pre",
        "again",
        "again@2:pre",
        "again@2",
        "again@3:pre",
        "again@3",
    ]


def test_a_model_used_twice_has_its_layers_twice():
    found = names(networks.build("shared_model"))
    for layer in ("conv1", "norm", "relu", "dropout"):
        assert [name for name in found if name.split("@")[0] == layer] == [layer, f"{layer}@2"]


# -- fused activations -----------------------------------------------------------------------------


def test_a_fused_activation_is_a_step_of_its_own():
    model = networks.build("fused")
    graph = flatten(model)
    steps = {step.name: step for step in graph.steps}
    assert [name for name in steps if name.endswith(":pre")] == [
        "conv1:pre",
        "conv2:pre",
        "conv3:pre",
        "hidden:pre",
        "predictions:pre",
    ]
    before, after = steps["conv2:pre"], steps["conv2"]
    assert (before.kind, before.half) == ("Conv2D", "pre")
    assert (after.kind, after.half) == ("tanh", "activation")
    assert after.inputs == (Output(before.index),)
    assert before.operation is after.operation is model.get_layer("conv2")
    x = networks.images_for(model)
    wanted = [Output(before.index), Output(after.index)]
    linear, activated = answer(lambda t: forward.run(graph, t, wanted), x)
    np.testing.assert_allclose(activated, np.tanh(linear), atol=1e-6)
    assert np.abs(linear).max() > np.abs(activated).max()


def test_logits_of_a_fused_softmax_are_what_the_weights_say():
    model = networks.build("fused")
    graph = flatten(model)
    x = networks.images_for(model)
    steps = {step.name: step for step in graph.steps}
    wanted = [Output(steps[name].index) for name in ("hidden", "predictions:pre")]
    hidden, logits = answer(lambda t: forward.run(graph, t, wanted), x)
    kernel, bias = model.get_layer("predictions").get_weights()
    np.testing.assert_allclose(logits, hidden @ kernel + bias, atol=1e-6)


def test_an_activation_given_as_a_layer_is_split_off_under_the_name_of_its_class():
    keras.layers.Softmax()  # so that Keras numbers the next one: softmax_1
    steps = {step.name: step for step in flatten(networks.build("activation_layers")).steps}
    assert steps["conv1"].kind == "LeakyReLU"
    assert steps["depthwise"].kind == "ReLU"
    assert steps["predictions"].kind == "Softmax"


def test_layers_that_end_otherwise_are_not_split():
    class Own(layers.Conv2D):
        def call(self, inputs):
            return super().call(inputs) * 2

    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 3))
    own = Own(2, 3, activation="relu", name="own")(image)
    rows = layers.Reshape((6, 12))(own)
    model = keras.Model(image, layers.LSTM(3, activation="tanh", name="lstm")(rows))
    assert names(model)[1] == "own"
    assert not [name for name in names(model) if name.endswith(":pre")]
    graph = flatten(model)
    x = networks.images_for(model)
    assert_equal(answer(lambda t: forward.run(graph, t, graph.outputs), x)[0], answer(model, x))


# -- the model stays as it was, and models that cannot be opened -----------------------------------


@pytest.mark.parametrize("name", networks.BUILDERS)
def test_nothing_of_the_model_changes(name):
    model = networks.build(name)
    all_layers = list(model._flatten_layers())
    before = (
        node_counts(model),
        [layer.trainable for layer in all_layers],
        [getattr(layer, "activation", None) for layer in all_layers],
        [layer.get_config() for layer in all_layers if type(layer).__module__.startswith("keras")],
    )
    weights = model.get_weights()
    graph = flatten(model)
    answer(lambda t: forward.run(graph, t, graph.outputs), networks.images_for(model))
    after = (
        node_counts(model),
        [layer.trainable for layer in all_layers],
        [getattr(layer, "activation", None) for layer in all_layers],
        [layer.get_config() for layer in all_layers if type(layer).__module__.startswith("keras")],
    )
    assert before == after
    assert list(model._flatten_layers()) == all_layers
    for old, new in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.each_backend
def test_new_weights_are_seen_by_both_halves_of_a_layer():
    model = networks.build("fused")
    graph = flatten(model)
    x = networks.images_for(model)
    networks.fill(model, seed=1)
    (found,) = answer(lambda t: forward.run(graph, t, graph.outputs), x)
    assert_equal(found, answer(model, x))


class Subclassed(keras.Model):
    def __init__(self, **arguments):
        super().__init__(**arguments)
        self.convolution = layers.Conv2D(2, 3)

    def call(self, x):
        return self.convolution(x)


def test_the_inside_of_a_subclassed_model_has_steps_and_its_answer_its_name():
    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 3))
    model = keras.Model(image, layers.Flatten()(Subclassed(name="mine")(image)))
    graph = flatten(model)
    assert [step.kind for step in graph.steps] == ["InputLayer", "Conv2D", "Subclassed", "Flatten"]
    assert graph.steps[2].name == "mine"
    x = networks.images_for(model)
    assert_equal(answer(lambda t: forward.run(graph, t, graph.outputs), x)[0], answer(model, x))


class Residual(layers.Layer):
    """A block with two inputs that shares a layer, drops out and normalizes."""

    def __init__(self, **arguments):
        super().__init__(**arguments)
        self.convolution = layers.Conv2D(3, 3, padding="same", activation="relu", name="inner")
        self.norm = layers.BatchNormalization(name="norm")
        self.dropout = layers.Dropout(0.5, name="dropout")

    def build(self, first_shape, second_shape):
        self.convolution.build(first_shape)
        self.norm.build(first_shape)

    def call(self, first, second, training=False):
        x = self.norm(self.convolution(first) + self.convolution(second), training=training)
        return self.dropout(x, training=training), second


@pytest.mark.parametrize("training", [None, False, True])
def test_the_inside_of_somebodys_layer_has_steps(training):
    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 3))
    block = Residual(name="block")
    x, y = block(layers.Rescaling(2.0, name="twice")(image), image, training=training)
    x, _ = block(x, y, training=training)
    model = keras.Model(image, layers.Flatten()(x))
    graph = flatten(model)
    found = [step.name for step in graph.steps if step.half != "pre"]
    assert found[2:8] == ["inner", "inner@2", "add", "norm", "dropout", "block"]
    assert {"inner@3", "add_1", "norm@2", "block@2"} <= {*found}
    assert len({*found}) == len(found)
    x = networks.images_for(model)
    found = answer(lambda t: forward.run(graph, t, graph.outputs), x)[0]
    assert_equal(found, answer(partial(model, training=False), x))
    assert [len(block.convolution._inbound_nodes), len(block._inbound_nodes)] == [0, 2]


class Counting(layers.Layer):
    """Asks for the size of the batch, which symbols do not know, and repeats a weight so often."""

    def __init__(self):
        super().__init__(name="counting")
        self.dense = layers.Dense(2)

    def build(self, shape):
        self.row = self.add_weight(shape=(1, 5), initializer="random_normal", name="row")
        self.dense.build((None, 8 * 8 * 3 + 5))

    def call(self, x):
        batch = ops.shape(x)[0]
        halves = ops.reshape(x, (batch * 2, 4 * 8 * 3))
        whole = ops.reshape(halves, (ops.shape(halves)[0] // 2, 8 * 8 * 3))
        return self.dense(ops.concatenate([whole, ops.tile(self.row, (batch, 1))], axis=1))


def test_a_layer_that_computes_with_the_batch_size_is_followed():
    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 3))
    model = keras.Model(image, Counting()(image))
    graph, x = flatten(model), networks.images_for(model)
    kinds = {step.name: step.kind for step in graph.steps}
    assert kinds.pop("row") == kinds.pop("tile") == "Constant"
    assert list(kinds.values()) == [
        *("InputLayer", "Reshape", "Reshape", "Concatenate", "Dense", "Counting"),
    ]
    assert all(0 not in step.shape for step in graph.steps)
    for batch in (x, x[:1], np.concatenate([x, x])):
        found = answer(lambda t: forward.run(graph, t, graph.outputs), batch)[0]
        assert_equal(found, answer(model, batch))


class Doubling(layers.Layer):
    """Returns None beside its output, in place of attention that was not asked for."""

    def call(self, x):
        return 2 * x, None


class AroundDoubling(layers.Layer):
    def build(self, shape):
        self.doubling = Doubling(name="doubling")

    def call(self, x):
        return self.doubling(x)[0] + 1


def test_a_layer_inside_may_return_none_beside_its_output():
    image = keras.Input((None, None, 3))
    model = keras.Model(image, layers.GlobalAveragePooling2D()(AroundDoubling()(image)))
    net, x = og.Network(model, "unit"), np.random.default_rng(0).uniform(0, 1, (1, 8, 8, 3))
    assert net["doubling"].kind == "Doubling"
    assert_equal(net.scores(x), answer(model, x))


class Unrolling(layers.Layer):
    """Runs code of the backend, which has no symbols."""

    def __init__(self):
        super().__init__(name="unrolling")
        self.dense = layers.Dense(2)

    def call(self, x):
        if isinstance(x, keras.KerasTensor):
            raise TypeError("no symbols")
        return self.dense(ops.reshape(x, (-1, 8 * 8 * 3)))

    def compute_output_shape(self, shape):
        return shape[0], 2


def test_what_cannot_be_followed_stays_one_step():
    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 3))
    layer = Unrolling()
    layer.dense.build((None, 8 * 8 * 3))
    model = keras.Model(image, layer(image))
    graph, x = flatten(model), networks.images_for(model)
    assert [step.name for step in graph.steps[1:]] == ["unrolling"]
    assert_equal(answer(lambda t: forward.run(graph, t, graph.outputs), x)[0], answer(model, x))


class Head(layers.Layer):
    """Resizes, as augmenting layers do, before it normalizes: in training unless told not to."""

    def __init__(self):
        super().__init__()
        self.resize, self.norm = layers.Resizing(4, 4), layers.BatchNormalization()

    def call(self, x):
        return self.norm(self.resize(x))


def test_augmentation_and_what_follows_it_work_as_in_predict():
    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 3))
    x = layers.RandomFlip(seed=0)(layers.RandomContrast(0.9, seed=0)(image))
    model = keras.Model(image, layers.Flatten()(Head()(x)))
    graph, x = flatten(model), networks.images_for(model)
    found = answer(lambda t: forward.run(graph, t, graph.outputs), x)[0]
    np.testing.assert_allclose(found, model.predict(x, verbose=0), atol=1e-6)
