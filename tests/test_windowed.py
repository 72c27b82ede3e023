"""The windowed forward: what it computes of changed images is what whole forward passes compute."""

import gc
import weakref

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from keras import layers

import networks
import optogram as og
import windowing
from model_state import assert_same, state
from networks import fill
from optogram.graph.steps import Output, flatten
from optogram.interpreters.engine import Computation
from optogram.interpreters.reach import Reach
from optogram.interpreters.windowed.plan import WindowPlan, planned
from optogram.interpreters.windowed.run import Windowed
from optogram.interpreters.windowed.spans import Spans, grouped
from random_graphs import build, descriptions, images
from thoroughness import examples
from windowing import TOLERANCE, assert_windows_equal_whole, spans_within

pytestmark = pytest.mark.once

KERAS_BACKEND = keras.config.backend()
EXAMPLES = examples(4 if KERAS_BACKEND == "jax" else 10, 25)


@pytest.fixture
def always(monkeypatch):
    """Windows wherever there is a rule for them."""
    windowing.always(monkeypatch)


# -- the arithmetic of windows ---------------------------------------------------------------------


@given(
    st.integers(0, 30),
    st.integers(1, 10),
    st.integers(-4, 2),
    st.integers(0, 6),
    st.integers(1, 3),
    st.integers(1, 3),
)
@settings(max_examples=200, deadline=None)
def test_what_is_reached_is_what_sees_a_changed_element(start, length, first, span, stride, factor):
    last = first + span if factor == 1 else 0
    first = first if factor == 1 else 1 - factor
    side, stop = 40, start + length
    reach = Reach(first, last, stride, factor)
    found = Spans(np.array([start]), np.array([stop]), 41).through(reach, side)
    seeing = [
        i
        for i in range(side)
        if any(i * stride + first <= j * factor <= i * stride + last for j in range(start, stop))
    ]
    if seeing:
        assert (found.start[0], found.stop[0]) == (seeing[0], seeing[-1] + 1)
    else:
        assert found.start[0] == found.stop[0]


def test_united_spans_hold_all_and_nothing_where_there_is_nothing():
    one = Spans(np.array([2, 5, 3]), np.array([4, 5, 3]), 9)
    other = Spans(np.array([3, 1, 7]), np.array([7, 2, 7]), 9)
    found = one.united([other])
    np.testing.assert_array_equal(found.start[:2], [2, 1])
    np.testing.assert_array_equal(found.stop[:2], [7, 2])
    assert found.start[2] == found.stop[2]


def test_groups_are_those_that_cost_least():
    lengths = np.array([[2, 9, 2, 9, 3], [1, 5, 1, 5, 1]])
    work = np.array([1.0, 1.0])
    np.testing.assert_array_equal(grouped(lengths, work, 1.0, 4)[[0, 2]], 0)
    free = grouped(lengths, work, 0.0, 4)
    assert free[1] == free[3] != free[0] == free[2]
    assert set(grouped(lengths, work, 1e6, 4)) == {0}  # a group costs more than it saves
    assert set(grouped(lengths, work, 0.0, 1)) == {0}
    two = grouped(lengths, work, 0.0, 2)
    assert two[0] == two[2] == two[4] != two[1] == two[3]


# -- equal to whole forward passes -----------------------------------------------------------------

KINDS = {
    "same, stride 2": lambda x: layers.Conv2D(4, 3, 2, padding="same")(x),
    "valid, stride 3": lambda x: layers.Conv2D(4, 4, 3)(x),
    "dilated": lambda x: layers.Conv2D(4, 3, dilation_rate=2, padding="same")(x),
    "grouped": lambda x: layers.Conv2D(6, 3, groups=3, padding="same", activation="relu")(x),
    "1×1, stride 2": lambda x: layers.Conv2D(4, 1, 2)(x),
    "depthwise": lambda x: layers.DepthwiseConv2D(3, 2, padding="same", depth_multiplier=2)(x),
    "separable": lambda x: layers.SeparableConv2D(5, 3, padding="same", activation="elu")(x),
    "max, same": lambda x: layers.MaxPooling2D(3, 2, padding="same")(x - 10),
    "max, valid": lambda x: layers.MaxPooling2D(2)(x),
    "mean, same": lambda x: layers.AveragePooling2D(3, 1, padding="same")(x),
    "mean, valid": lambda x: layers.AveragePooling2D(2)(x),
    "normalization": lambda x: layers.BatchNormalization()(x),
    "zero padding": lambda x: layers.Conv2D(4, 3)(layers.ZeroPadding2D(((2, 0), (1, 3)))(x)),
    "cropping": lambda x: layers.Cropping2D(((1, 2), (3, 0)))(x),
    "enlarging": lambda x: layers.Conv2D(2, 3)(layers.UpSampling2D((2, 3))(x)),
    "branches": lambda x: layers.Concatenate()(
        [layers.Conv2D(2, 5, padding="same")(x), layers.MaxPooling2D(3, 1, padding="same")(x), x]
    ),
    "sum": lambda x: layers.Add()([layers.Conv2D(3, 3, padding="same")(x), x]),
    "operations": lambda x: keras.ops.relu(x * 2 + 1),
    "prelu": lambda x: layers.PReLU(shared_axes=[1, 2])(x),
}
NO_RULE = {
    "prelu everywhere its own": lambda x: layers.PReLU()(x),
    "normalized along rows": lambda x: layers.BatchNormalization(axis=1)(x),
    "plus a picture": lambda x: x + np.arange(13 * 10 * 3, dtype="float32").reshape(13, 10, 3),
    "transposed": lambda x: layers.Conv2DTranspose(3, 3, 2)(x),
    "bilinear": lambda x: layers.UpSampling2D(2, interpolation="bilinear")(x),
    "softmax of rows": lambda x: layers.Activation(lambda t: keras.ops.softmax(t, axis=1))(x),
    "read by both": lambda x: layers.Add()(
        [
            layers.Activation(lambda t: keras.ops.softmax(t, axis=1))(x),
            layers.Conv2D(3, 3, padding="same")(x),
        ]
    ),
    "squeeze and excite": lambda x: layers.Multiply()(
        [x, layers.Dense(3, activation="sigmoid")(layers.GlobalAveragePooling2D(keepdims=True)(x))]
    ),
}


# JAX compiles every network twice: there, one kind of each sort.
ON_JAX = {"same, stride 2", "grouped", "depthwise", "max, same", "mean, same", "enlarging"}
ON_JAX |= {"branches", "read by both", "squeeze and excite"}
HEADS = ("mean",) if KERAS_BACKEND == "jax" else ("flat", "mean")


def tried(kinds):
    return [kind for kind in kinds if KERAS_BACKEND != "jax" or kind in ON_JAX]


def network_with(make, head):
    keras.utils.set_random_seed(0)
    image = keras.Input((14, 11, 3))
    hidden = make(layers.Conv2D(3, 2, name="first")(layers.Rescaling(0.5)(image)))
    hidden = layers.Conv2D(3, 2, activation="relu", name="last")(hidden)
    hidden = layers.Flatten()(hidden) if head == "flat" else layers.GlobalAveragePooling2D()(hidden)
    model = keras.Model(image, layers.Dense(4, activation="softmax")(hidden))
    fill(model)
    return og.Network(model, "none")


@pytest.mark.each_backend
@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("kind", tried(KINDS))
def test_every_kind_of_step_on_windows(kind, head, always):
    if kind == "grouped" and KERAS_BACKEND == "tensorflow" and head == "mean":
        pytest.skip("compiled anew for each shape: one head is enough")
    net = network_with(KINDS[kind], head)
    before = state(net.model)
    values = [net.head.logits, Output(net.step("first").index)]
    steps = assert_windows_equal_whole(net, images((14, 11), 3, 1), values)
    assert "last" in steps  # behind the kind in question
    assert_same(before, state(net.model))


@pytest.mark.each_backend
@pytest.mark.parametrize("kind", tried(NO_RULE))
def test_whole_maps_take_over_where_there_is_no_rule(kind, always):
    net = network_with(NO_RULE[kind], "mean")
    steps = assert_windows_equal_whole(net, images((14, 11), 3, 1), [net.head.logits])
    assert "first" in steps
    assert "last" not in steps


@pytest.mark.each_backend
@pytest.mark.parametrize("keeps", [False, True])
def test_a_mean_is_corrected_where_little_of_its_map_changes(keeps, always):
    keras.utils.set_random_seed(0)
    image = keras.Input((24, 24, 3))
    hidden = layers.Conv2D(4, 3, activation="relu")(image)
    hidden = layers.GlobalAveragePooling2D(keepdims=keeps, name="mean")(hidden)
    net = og.Network(keras.Model(image, layers.Dense(3)(layers.Flatten()(hidden))), "none")
    steps = assert_windows_equal_whole(net, images((24, 24), 3, 1), [net.head.logits])
    assert "mean" in steps


@pytest.mark.each_backend
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(descriptions(), st.integers(0, 5))
def test_random_networks(always, description, seed):
    model = build(description)
    fill(model)
    graph = flatten(model)
    net = Computation(graph, "random", model.variables)
    values = [value for value in graph.outputs if value.step][:3]
    if values:
        x = images(description["size"], description["channels"], 1)
        assert_windows_equal_whole(net, x, values, seed)


@pytest.mark.each_backend
def test_batches_are_cut_where_memory_ends(always):
    net = network_with(KINDS["sum"], "flat")
    x = images((14, 11), 3, 1)
    assert_windows_equal_whole(net, x, [net.head.logits], memory=1)
    assert_windows_equal_whole(net, x, [net.head.logits], one_at_a_time=True)


# -- what methods make of it -----------------------------------------------------------------------


@pytest.mark.each_backend
@pytest.mark.parametrize("image", [0] if KERAS_BACKEND == "jax" else [0, slice(None)])
def test_occlusion_is_the_same_either_way(image, always):
    net = og.Network(networks.build("everything"), "none")
    x = networks.images_for(net.model)
    x = x[image : image + 1] if image == 0 else x
    arguments = {"patch": 5, "stride": 2, "margin": 1, "fill": 3.0, "fill_space": "network"}
    for target in (None, 1, og.Class(0) - og.Class(1), og.Filter(net.default_layer, 0)):
        ours = og.occlusion(net, x, target, **arguments)
        plain = og.occlusion(net, x, target, incremental=False, **arguments)
        largest = np.abs(ours.scores - plain.scores).max()
        assert largest <= TOLERANCE * np.ptp(plain.values)
        assert ours.exact.all()
        assert plain.parameters["incremental"] is False


def test_windows_that_would_be_slower_are_not_used(monkeypatch):
    net = og.Network(networks.build("everything"), "none")
    used = []
    monkeypatch.setattr(Windowed, "stream", lambda *_, **__: used.append(1) or iter(()))
    og.occlusion(net, networks.images_for(net.model)[:1], 1, patch=14, stride=1)
    assert not used


def test_windows_that_do_not_fit_into_memory_are_not_used(always):
    net = network_with(KINDS["sum"], "flat")
    rows, columns = spans_within(14, (3,)), spans_within(11, (3,))
    windowed = Windowed(net, WindowPlan(net, (14, 11), [net.head.logits], rows, columns, 9))
    assert windowed.fits("1GB")
    assert not windowed.fits(1000)


# -- what is kept between calls --------------------------------------------------------------------


@pytest.fixture
def plans_made(monkeypatch):
    """Where each plan that is made is counted."""
    made, make = [], WindowPlan.__init__

    def counted(self, *arguments):
        made.append(arguments)
        make(self, *arguments)

    monkeypatch.setattr(WindowPlan, "__init__", counted)
    return made


def test_a_plan_is_made_once_for_a_grid(always, plans_made):
    net = network_with(KINDS["sum"], "flat")
    x = images((14, 11), 3, 1)
    first = og.occlusion(net, x, 1, patch=3, stride=2)
    again = og.occlusion(net, x, 1, patch=3, stride=2)
    np.testing.assert_array_equal(first.values, again.values)
    assert len(plans_made) == 1
    og.occlusion(net, x, 1, patch=3, stride=3)
    og.occlusion(net, x, 1, patch=3, stride=2, margin=1)
    assert len(plans_made) == 3
    for _ in range(2):
        og.occlusion_probe(net, x, patch=3)
    assert len(plans_made) == 4


@pytest.mark.each_backend
def test_a_plan_serves_other_weights(always, plans_made):
    net = network_with(KINDS["sum"], "flat")
    x = images((14, 11), 3, 1)
    one = og.occlusion(net, x, 1, patch=3, stride=4)
    shifted = net.with_weights({i: v.numpy() * 1.5 for i, v in enumerate(net.variables)})
    ours = og.occlusion(shifted, x, 1, patch=3, stride=4)
    plain = og.occlusion(shifted, x, 1, patch=3, stride=4, incremental=False)
    assert len(plans_made) == 1
    assert np.abs(ours.scores - plain.scores).max() <= TOLERANCE * np.ptp(plain.values)
    assert np.abs(ours.scores - one.scores).max() > TOLERANCE * np.ptp(plain.values)


def test_a_plan_holds_no_network(always):
    net = network_with(KINDS["sum"], "flat")
    rows, columns = spans_within(14, (3,)), spans_within(11, (3,))
    planned(net, (14, 11), [net.head.logits], rows, columns, 9)
    alive = weakref.ref(net)
    gc.collect()
    gc.disable()
    try:
        del net
        assert alive() is None
    finally:
        gc.enable()


@pytest.mark.each_backend
def test_maps_stay_tensors_between_programs(always, monkeypatch):
    net = network_with(NO_RULE["squeeze and excite"], "mean")
    fed = {}
    run = net.run

    def noted(key, build, arrays, *more, **named):
        fed[key[0]] = list(arrays)
        return run(key, build, arrays, *more, **named)

    x = images((14, 11), 3, 1)
    rows, columns = spans_within(14, (3,)), spans_within(11, (3,))
    plan = WindowPlan(net, (14, 11), [net.head.logits], rows, columns, 9, True)
    windowed = Windowed(net, plan)
    monkeypatch.setattr(net, "run", noted)
    base = windowed.base(x)
    (_, found), *_ = windowed.stream(base, x + 1, np.array([[1, 1]]))
    assert len(base) > 1 and all(map(keras.ops.is_tensor, base))
    assert fed["behind windows"] and all(map(keras.ops.is_tensor, fed["behind windows"]))
    assert all(isinstance(array, np.ndarray) for array in found)
