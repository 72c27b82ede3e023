"""What tells one network from another: every setting that changes an answer, and nothing else."""

import functools
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import layers, ops

import networks
import optogram as og
from optogram.graph.steps import Output
from optogram.methods.request.checkpoint import fingerprint

pytestmark = [pytest.mark.once, pytest.mark.keras_inside]

CASES = 8
SIDE, CHANNELS = 8, 8
FACTOR = 1.0


class Private(keras.Layer):
    """Keeps its setting where no configuration tells it."""

    def __init__(self, factor):
        super().__init__()
        self._factor = factor

    def call(self, x):
        return ops.sin(x * self._factor)


class Held(keras.Layer):
    """Has layers of its own, and an array."""

    def __init__(self, slope):
        super().__init__()
        self.inner = [layers.LeakyReLU(slope)]
        self.table = np.full(CHANNELS, slope)

    def call(self, x):
        return self.inner[0](x) + ops.convert_to_tensor(self.table, dtype=x.dtype)


class Steep:
    """An activation that is an object."""

    def __init__(self, slope):
        self.slope = slope

    def __call__(self, x):
        return ops.tanh(self.slope * x)


def closure(slope):
    def steep(x):
        return ops.tanh(slope * x)

    return steep


def read_from_globals(slope):
    """A function whose number is a global variable of a module."""
    found = {"ops": ops, "SLOPE": slope}
    exec("def steep(x):\n    return ops.tanh(SLOPE * x)", found)
    return found["steep"]


def scaled(x, slope):
    return ops.tanh(slope * x)


def both_ways(make):
    return lambda x, setting: make()([x, ops.sin(x)] if setting else [ops.sin(x), x])


# How a step is built of what comes before it, and settings that it may have.
STEPS = {
    "BatchNormalization": (
        lambda x, e: layers.BatchNormalization(epsilon=e[0], axis=e[1])(x),
        [(1e-3, -1), (0.3, -1), (1e-3, 1)],
    ),
    "LayerNormalization": (
        lambda x, e: layers.LayerNormalization(epsilon=e[0], axis=e[1])(x),
        [(1e-3, -1), (0.3, -1), (1e-3, 1)],
    ),
    "GroupNormalization": (
        lambda x, e: layers.GroupNormalization(groups=e[0], epsilon=e[1])(x),
        [(2, 1e-3), (4, 1e-3), (2, 0.3)],
    ),
    "UnitNormalization": (lambda x, a: layers.UnitNormalization(axis=a)(x), [1, 2, 3]),
    "LeakyReLU": (lambda x, a: layers.LeakyReLU(a)(x), [0.1, 0.2, 0.3]),
    "ReLU": (
        lambda x, a: layers.ReLU(max_value=a[0], negative_slope=a[1], threshold=a[2])(x),
        [(None, 0, 0), (0.5, 0, 0), (None, 0.1, 0), (None, 0, 0.1)],
    ),
    "ELU": (lambda x, a: layers.ELU(a)(x), [0.5, 1.0]),
    "Softmax": (lambda x, a: layers.Softmax(axis=a)(x), [-1, 1, 2]),
    "Rescaling": (
        lambda x, a: layers.Rescaling(*a)(x),
        [(1.0, 0.0), (2.0, 0.0), (1.0, 0.5), ([0.5] * CHANNELS, 0.0)],
    ),
    "Normalization": (
        lambda x, a: layers.Normalization(mean=[a] * CHANNELS, variance=[1.0] * CHANNELS)(x),
        [0.0, 0.5],
    ),
    "padding": (lambda x, a: layers.AveragePooling2D(3, 2, a)(x), ["valid", "same"]),
    "pooled": (
        lambda x, a: (layers.MaxPooling2D if a else layers.AveragePooling2D)(3, 1, "same")(x),
        [True, False],
    ),
    "dilation": (
        lambda x, a: layers.Conv2D(CHANNELS, 3, padding="same", dilation_rate=a, name="c")(x),
        [1, 2],
    ),
    "activation": (
        lambda x, a: layers.Conv2D(CHANNELS, 3, padding="same", activation=a)(x),
        ["relu", "gelu", "tanh", None],
    ),
    "closure": (
        lambda x, a: layers.Conv2D(CHANNELS, 1, activation=closure(a))(x),
        [0.5, 1.5],
    ),
    "object": (lambda x, a: layers.Conv2D(CHANNELS, 1, activation=Steep(a))(x), [0.5, 1.5]),
    "partial": (
        lambda x, a: layers.Activation(functools.partial(scaled, slope=a))(x),
        [0.5, 1.5],
    ),
    "global": (lambda x, a: layers.Activation(read_from_globals(a))(x), [0.5, 1.5]),
    "layer as activation": (
        lambda x, a: layers.Conv2D(CHANNELS, 1, activation=layers.LeakyReLU(a))(x),
        [0.1, 0.4],
    ),
    "Lambda": (lambda x, a: layers.Lambda(lambda t: ops.tanh(a * t))(x), [0.5, 1.5]),
    "Lambda's arguments": (
        lambda x, a: layers.Lambda(scaled, arguments={"slope": a})(x),
        [0.5, 1.5],
    ),
    "private": (lambda x, a: Private(a)(x), [0.5, 1.5]),
    "held": (lambda x, a: Held(a)(x), [0.1, 0.4]),
    "interpolation": (
        lambda x, a: layers.Resizing(SIDE, SIDE, interpolation=a)(layers.Cropping2D(1)(x)),
        ["nearest", "bilinear"],
    ),
    "UpSampling2D": (
        lambda x, a: layers.UpSampling2D(2, interpolation=a)(layers.MaxPooling2D()(x)),
        ["nearest", "bilinear"],
    ),
    "cropping": (
        lambda x, a: layers.ZeroPadding2D(1)(layers.Cropping2D(a)(x)),
        [((1, 1), (1, 1)), ((2, 0), (1, 1))],
    ),
    "Permute": (lambda x, a: layers.Permute(a)(x), [(1, 2, 3), (2, 1, 3), (3, 2, 1)]),
    "concatenation": (
        lambda x, a: layers.Conv2D(CHANNELS, 1)(both_ways(layers.Concatenate)(x, a)),
        [True, False],
    ),
    "subtraction": (both_ways(layers.Subtract), [True, False]),
    "constant": (lambda x, a: x * a + 1.0, [0.5, 1.5]),
    "array": (
        lambda x, a: ops.multiply(x, np.linspace(0, a, CHANNELS).astype("float32")),
        [0.5, 1.5],
    ),
    "clip": (lambda x, a: ops.clip(x, *a), [(-0.1, 0.1), (-0.1, 0.2)]),
    "gelu": (lambda x, a: ops.gelu(x, approximate=a), [True, False]),
    "leaky": (lambda x, a: ops.leaky_relu(x, negative_slope=a), [0.1, 0.4]),
    "axis": (lambda x, a: x - ops.mean(x, axis=a, keepdims=True), [1, 2, (1, 2)]),
    "which is read": (
        lambda x, a: [lambda y, z: y + 2 * z, lambda y, z: z + 2 * y][a](ops.sin(x), ops.cos(x)),
        [0, 1],
    ),
    "half": (lambda x, a: layers.Conv2D(CHANNELS, 3, padding="same", dtype=a)(x), [
        "float32", "mixed_float16"
    ]),
}  # fmt: skip


def model_of(chosen, extra=0):
    """A network of the steps ``chosen``, (name, setting) each, with seeded weights."""
    for _ in range(extra):  # what was built before counts in the names that Keras gives
        layers.LeakyReLU()(keras.Input((4, 4, 1)))
    image = keras.Input((SIDE, SIDE, CHANNELS))
    x = image
    for name, setting in chosen:
        x = STEPS[name][0](x, setting)
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3, 2, "same")(x))
    model = keras.Model(image, layers.Dense(3)(x))
    drawn = np.random.default_rng(0)
    for weight in model.weights:
        weight.assign(drawn.uniform(0.1, 0.6, weight.shape))
    return model


def mark_of(model, preprocess="none"):
    net = og.Network(model, preprocess, fixed=None)
    return fingerprint(net, [net.head.logits], (SIDE, SIDE))


def compare(seed):
    """Change one setting of a random network; whether answers changed, and the mark."""
    drawn = np.random.default_rng(seed)
    names = list(drawn.choice(list(STEPS), 2, replace=False))
    changed = int(drawn.integers(2))
    names[changed] = list(STEPS)[seed % len(STEPS)]  # each kind in turn

    def draw(name):
        return STEPS[name][1][drawn.integers(len(STEPS[name][1]))]

    first = [(name, draw(name)) for name in names]
    second = list(first)
    others = [s for s in STEPS[names[changed]][1] if repr(s) != repr(first[changed][1])]
    second[changed] = names[changed], others[drawn.integers(len(others))]
    x = drawn.normal(size=(3, SIDE, SIDE, CHANNELS)).astype("float32")
    before, same, after = model_of(first), model_of(first, extra=3), model_of(second)
    answers = [np.asarray(keras.ops.convert_to_numpy(m(x))) for m in (before, same, after)]
    np.testing.assert_allclose(answers[0], answers[1], rtol=1e-4, atol=1e-5)
    marks = [mark_of(m) for m in (before, same, after)]
    differ = not np.allclose(answers[0], answers[2], rtol=1e-5, atol=1e-6)
    return first, second, marks, differ


def test_networks_that_answer_otherwise_have_other_marks():
    told = 0
    for seed in range(CASES):
        first, second, (mark, same, other), differ = compare(seed)
        assert mark == same, (seed, first)
        assert not differ or mark != other, (seed, first, second)
        told += differ
    assert told > CASES // 2, "most settings change the answers"


@pytest.mark.parametrize("name", STEPS)
def test_every_setting_is_told(name):
    marks = [mark_of(model_of([(name, setting)])) for setting in STEPS[name][1]]
    assert len(set(marks)) == len(marks)


def test_a_network_read_from_its_file_has_the_same_mark(tmp_path):
    model = networks.build("skips")
    model.save(tmp_path / "m.keras")
    one, two = og.Network(model, "unit"), og.load(tmp_path / "m.keras", preprocess="unit")
    values = [Output(len(one.graph.steps) - 1)]
    mark = fingerprint(one, values, (16, 16))
    assert mark == fingerprint(two, values, (16, 16))
    one.scores(np.zeros((1, *one.nominal_size, 3), np.float32))
    assert mark == fingerprint(one, values, (16, 16)), "running leaves it"


def test_what_was_used_keeps_its_mark():
    kinds = ("private", "held", "object", "Lambda")
    model = model_of([(kind, STEPS[kind][1][-1]) for kind in kinds])
    mark = mark_of(model)
    model.compile("adam", "mse")
    model.predict(np.zeros((2, SIDE, SIDE, CHANNELS)), verbose=0)
    assert mark_of(model) == mark
    net = og.Network(model, "none")
    og.saliency(net, np.zeros((1, SIDE, SIDE, CHANNELS), np.float32), 0)
    assert mark_of(model) == mark


PROCESS = """
import sys
sys.path[:0] = {path!r}
from test_fingerprint import mark_of_all
print("mark", mark_of_all(extra=5))
"""


def mark_of_all(extra=0):
    chosen = [(name, settings[-1]) for name, (_, settings) in STEPS.items()]
    return mark_of(model_of(chosen, extra), (closure_of(0.5), closure_of(2)))


@pytest.mark.newest_keras
def test_another_process_finds_the_same_mark():
    done = subprocess.run(
        [sys.executable, "-c", PROCESS.format(path=sys.path)],
        capture_output=True, text=True, check=True, env={**os.environ, "PYTHONHASHSEED": "7"},
    )  # fmt: skip
    assert done.stdout.split()[-1] == mark_of_all()


def test_preparations_and_held_inputs_are_told_by_what_they_do():
    model = model_of([("ELU", 1.0)])
    pairs = [(closure_of(2), closure_of(0.5)), (closure_of(3), closure_of(0.5))]
    again = (closure_of(2), closure_of(0.5))
    assert mark_of(model, pairs[0]) == mark_of(model, again) != mark_of(model, pairs[1])
    back = (closure_of(2), closure_of(0.25))
    assert mark_of(model, back) != mark_of(model, again)
    assert len({mark_of(model, name) for name in ("none", "tf", "unit", "lite")}) == 4
    image, age = keras.Input((SIDE, SIDE, CHANNELS)), keras.Input((1,), name="age")
    joined = layers.Concatenate()([layers.Flatten()(image), age])
    two = keras.Model([image, age], layers.Dense(3)(joined))
    held = [og.Network(two, "none", fixed={"age": value}) for value in (40, 41, 40)]
    marks = [fingerprint(net, [net.head.logits], (SIDE, SIDE)) for net in held]
    assert marks[0] == marks[2] != marks[1]


def closure_of(factor):
    return lambda pixels: pixels * factor
