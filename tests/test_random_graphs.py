"""Networks drawn at random: replayed like Keras, measured right, and left as they were.

A failure prints the smallest network that shows it; ``build`` makes the model of it again.
"""

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from influence import compare, make_additive
from model_state import assert_same, state
from networks import fill
from optogram.errors import InputError
from optogram.graph.steps import Output, flatten
from optogram.interpreters import forward
from optogram.interpreters.geometry import measure, shapes
from random_graphs import build, descriptions, images
from replay import KERAS_BACKEND, answer, assert_equal, is_bit_for_bit
from thoroughness import examples

pytestmark = pytest.mark.keras_inside

# JAX compiles every operation of every network.
EXAMPLES = ((5, 20), (4, 20), (3, 12)) if KERAS_BACKEND == "jax" else ((10, 20), (10, 20), (6, 12))
REPLAYS, FIELDS, SHAPES = (examples(*numbers) for numbers in EXAMPLES)


def on_networks(count, *more):
    """Run a test on ``count`` networks, the same ones at every run."""

    def decorate(test):
        checks = [HealthCheck.too_slow]
        budget = settings(
            max_examples=count, deadline=None, derandomize=True, suppress_health_check=checks
        )
        return budget(given(descriptions(), *more)(test))

    return decorate


# An element may see less than the rule says behind these: not all that they read has influence.
NOT_ADDITIVE = {"MaxPooling2D", "Maximum", "Negative", "tanh", "Tanh"}
# What would lie beyond the border of these can be in the image: "same" padding hides it.
BORDER_IN_THE_IMAGE = {"Cropping2D", "Conv2DTranspose"}


def is_strided(step):
    strides = np.broadcast_to(getattr(step.operation, "strides", 1), 2)
    return step.half != "activation" and (strides > 1).any()


def sees_all_its_window(graph, step):
    """Whether the first and last row and column of the step's receptive field have influence."""
    above = [graph.steps[index] for index in graph.ancestors([Output(step.index)])]
    kinds = {one.kind for one in above}
    finer_than_what_was_skipped = "UpSampling2D" in kinds and any(map(is_strided, above))
    products = any(one.kind == "Multiply" and len(one.inputs) == 2 for one in above)
    times_nothing = products and "ZeroPadding2D" in kinds
    return not (
        kinds & (NOT_ADDITIVE | BORDER_IN_THE_IMAGE) or finer_than_what_was_skipped or times_nothing
    )


@on_networks(REPLAYS)
def test_the_replay_of_a_random_network_equals_the_model(description):
    model = build(description)
    fill(model)
    before = state(model)
    graph = flatten(model)
    x = images(description["size"], description["channels"])
    found = answer(lambda t: forward.run(graph, t, graph.outputs), x)
    expected = keras.tree.flatten(answer(model, x))
    for ours, theirs in zip(found, expected, strict=True):
        assert_equal(ours, theirs, is_bit_for_bit(graph))

    names = [step.name for step in graph.steps]
    assert len(set(names)) == len(names)
    assert all(value.step < step.index for step in graph.steps for value in step.inputs)
    assert_same(before, state(model))


@pytest.mark.newest_keras
@on_networks(FIELDS)
def test_receptive_fields_of_a_random_network_are_what_has_influence(description):
    model = make_additive(build(description))
    graph = flatten(model)
    fields = {
        index: found.receptive_field
        for index, found in measure(graph, (1, *model.input_shape[1:])).items()
    }
    for step in graph.steps[1:]:
        read = [fields[value.step] for value in step.inputs]
        if fields[step.index].is_whole:  # only where a window cannot be told
            assert any(field.is_whole for field in read) or len({f.stride for f in read}) > 1
    if len(graph.steps) > 1:
        compare(model, exact=sees_all_its_window)


@on_networks(SHAPES, st.tuples(st.integers(-2, 4), st.integers(-2, 4)))
def test_shapes_of_a_random_network_are_those_of_its_maps(description, more):
    graph = flatten(build(description))
    own = description["size"]
    other = tuple(side + by for side, by in zip(own, more, strict=True))
    wanted = [Output(step.index, i) for step in graph.steps for i in range(len(step.shapes))]
    for size in (own, other):
        x = images(size, description["channels"])
        try:
            predicted = shapes(graph, x.shape)
        except InputError:
            assert size != own
            continue
        made = answer(lambda t: forward.run(graph, t, wanted), x)
        expected = [predicted[output.step][output.index] for output in wanted]
        assert [maps.shape for maps in made] == expected
