"""Which pixels have influence on a map, measured by gradients, against the receptive fields."""

import math
from functools import partial

import keras
import numpy as np
from keras import layers

from optogram import backend
from optogram.graph.steps import Output, flatten
from optogram.interpreters import forward
from optogram.interpreters.geometry import measure

CURRENT = backend.current()


def make_additive(model):
    """Positive weights that average: all activations stay where they pass everything on."""
    rng = np.random.default_rng(0)
    for weight in model.weights:
        if "kernel" in weight.name:
            values = rng.uniform(0.5, 1.5, weight.shape)
            values /= values.sum(axis=(0, 1, 2) if values.ndim == 4 else 0)
        else:
            values = np.full(weight.shape, weight.name in ("gamma", "moving_variance"))
        weight.assign(values.astype("float32"))
    return model


def influences(graph, steps, x):
    """For each step (elements, H, W), True where an element of its map has a gradient.

    The elements are those of `elements_of`, over all channels and all images of ``x``.
    """

    def summed(step, at, mask):
        (maps,) = forward.run(graph, at, [Output(step.index)])
        return keras.ops.reshape(maps * mask, (1, -1)), ()

    # One row each: TensorFlow's rewriting of rows in a loop can abort the process.
    def gradients(at, *masks):
        return [
            CURRENT.gradient(partial(summed, step))(at, mask)[0]
            for step, mask in zip(steps, masks, strict=True)
        ]

    elements = [elements_of(step.shape) for step in steps]
    count = len(elements[0])
    masks = []
    for step, places in zip(steps, elements, strict=True):
        chosen = np.zeros((count, len(x), *step.shape[1:3], 1), "float32")
        for i, place in enumerate(places):
            chosen[i][:, *place] = 1
        masks.append(chosen.reshape(-1, *chosen.shape[2:]))
    fed = [np.concatenate([x] * count), *masks]
    with keras.StatelessScope():
        found = CURRENT.compile(gradients, [])(*map(CURRENT.to_tensor, fed))
    found = np.stack([CURRENT.to_array(one) for one in found])
    return (found.reshape(len(steps), count, *x.shape) != 0).any(axis=(2, 5))


def pictures(graph):
    """Images that show all influence: for maxima, one in which each pixel is the brightest."""
    _, height, width, channels = graph.steps[0].shape
    if not any(isinstance(step.operation, layers.MaxPooling2D) for step in graph.steps):
        return np.full((1, height, width, channels), 0.6, "float32")
    x = np.full((height * width, height, width, channels), 0.6, "float32")
    x.reshape(height * width, height * width, channels)[np.diag_indices(height * width)] = 0.7
    return x


def window_of(field, element, size):
    """[(first, last), ...] of rows and of columns that the rule says ``element`` sees."""
    if field.is_whole:
        return [(0, side - 1) for side in size]
    return [
        (
            math.ceil(field.start[axis] + element[axis] * field.stride[axis]),
            math.floor(field.end[axis] + element[axis] * field.stride[axis]),
        )
        for axis in range(2)
    ]


def elements_of(shape):
    _, height, width, _ = shape
    return [(0, 0), (0, width - 1), (height // 2, width // 2), (height - 1, width - 1)]


def compare(model, exact):
    """Assert that nothing outside the field of each step has influence.

    ``exact``: and that its first and last row and column have, where they are in the image; for
    all steps, for none, or as a function of the graph and a step says.
    """
    graph = flatten(model)
    geometry = measure(graph, (1, *model.input_shape[1:]))
    size = model.input_shape[1:3]
    steps = maps_of(graph)[1:]
    for step, found in zip(steps, influences(graph, steps, pictures(graph)), strict=True):
        field = geometry[step.index].receptive_field
        is_exact = exact(graph, step) if callable(exact) else exact
        for element, seen in zip(elements_of(step.shape), found, strict=True):
            window = window_of(field, element, size)
            where = f"{step.name} {element}: {window}"
            assert_inside(window, seen, where)
            if is_exact and not field.is_whole:
                assert_reached(window, seen, where)


def hold(graph, steps, x):
    """Assert that nothing outside the fields of ``steps`` has influence at the image ``x``."""
    geometry = measure(graph, (1, *x.shape[1:]))
    for step, found in zip(steps, influences(graph, steps, x), strict=True):
        for element, seen in zip(elements_of(step.shape), found, strict=True):
            window = window_of(geometry[step.index].receptive_field, element, x.shape[1:3])
            assert_inside(window, seen, f"{step.name} {element}: {window}")


def assert_inside(window, seen, where):
    """No row and no column outside ``window`` has influence."""
    for axis, places in enumerate(_places(window, seen)):
        assert {*np.flatnonzero(seen.any(axis=1 - axis)).tolist()} <= places, where


def assert_reached(window, seen, where):
    """The first and the last row and column of ``window`` have influence, where in the image."""
    for axis, places in enumerate(_places(window, seen)):
        found = {*np.flatnonzero(seen.any(axis=1 - axis)).tolist()}
        assert {*window[axis]} & places <= found, where


def _places(window, seen):
    """The rows and the columns of ``window`` that are in the image."""
    places = [
        {*range(first, last + 1)} & {*range(side)}
        for (first, last), side in zip(window, seen.shape, strict=True)
    ]
    # Where one of them is empty the element sees nothing but padding.
    return places if all(places) else [set(), set()]


def maps_of(graph):
    return [step for step in graph.steps if len(step.shape) == 4 and step.half != "pre"]
