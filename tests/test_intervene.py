"""Channels that are changed: the same scores as of a model that was rebuilt by hand."""

import threading

import keras
import numpy as np
import pytest

import networks
import optogram as og
from optogram.errors import InputError
from optogram.interpreters.edited import Edited


class Changed(keras.layers.Layer):
    """Some channels of a map times a factor, plus a number."""

    def __init__(self, channels, scale, shift):
        super().__init__()
        self.channels, self.scale, self.shift = channels, scale, shift

    def call(self, x):
        is_one = np.isin(np.arange(x.shape[-1]), self.channels)
        numbers = np.where(is_one, self.scale, 1.0), np.where(is_one, self.shift, 0.0)
        scale, shift = (keras.ops.convert_to_tensor(each.astype("float32")) for each in numbers)
        return x * scale + shift


def rebuilt(model, changes):
    """``model`` with a layer behind some calls of layers; changes: {(name, call): Changed(…)}."""
    calls = {}
    if isinstance(model, keras.Sequential):
        model = keras.Model(model.inputs, model.outputs)

    def call(operation, *args, **kwargs):
        made = operation(*args, **kwargs)
        calls[operation.name] = calls.get(operation.name, 0) + 1
        added = changes.get((operation.name, calls[operation.name]))
        return added(made) if added else made

    return keras.models.clone_model(model, clone_function=lambda layer: layer, call_function=call)


def answers(model, x):
    return keras.ops.convert_to_numpy(model(keras.ops.convert_to_tensor(x), training=False))


SCALED = og.Change(scale=3.0, shift=-0.5)
CASES = {
    "a map that a skip connection reads too": (
        "skips",
        {og.Filter("stem", 2): 1.5},
        {("stem", 1): Changed([2], 0, 1.5)},
    ),
    "after a branch, with an earlier layer": (
        "skips",
        {og.Filter("block0_add", [0, 3]): og.Change(scale=3.0), og.Filter("stem", 1): SCALED},
        {("block0_add", 1): Changed([0, 3], 3, 0), ("stem", 1): Changed([1], 3, -0.5)},
    ),
    "one branch of four": (
        "branches",
        {og.Filter("branch3", 1): og.Change(shift=2.0)},
        {("branch3", 1): Changed([1], 1, 2)},
    ),
    "the second of three calls of a layer": (
        "shared_layer",
        {og.Filter("again@2", 0): 0.7},
        {("again", 2): Changed([0], 0, 0.7)},
    ),
    "all channels but one": (
        "everything",
        {"add": 0.0, og.Filter("add", 4): og.Change()},
        {("add", 1): Changed([0, 1, 2, 3, 5], 0, 0)},
    ),
    "a dense layer": ("fused", {og.Filter("hidden", 3): 5.0}, {("hidden", 1): Changed([3], 0, 5)}),
    "every position": (
        "segmentation",
        {og.Filter("conv1", 1): SCALED},
        {("conv1", 1): Changed([1], 3, -0.5)},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_scores_are_those_of_a_model_rebuilt_by_hand(case):
    name, changes, literal = CASES[case]
    model = networks.build(name)
    net, x = og.Network(model, "none"), networks.images_for(model)
    found = og.intervene(net, x, changes)
    before, after = answers(model, x), answers(rebuilt(model, literal), x)
    assert np.abs(after - before).max() > 1e-3
    np.testing.assert_allclose(found.probabilities_before, before, atol=1e-5)
    np.testing.assert_allclose(found.probabilities_after, after, atol=1e-5)
    np.testing.assert_allclose(found.values, after - before, atol=1e-5)
    np.testing.assert_allclose(found.scores_before, net.scores(x), atol=1e-4)
    for scores, expected in ((found.scores_before, before), (found.scores_after, after)):
        np.testing.assert_allclose(keras.ops.softmax(scores), expected, atol=1e-5)
    np.testing.assert_allclose(og.intervention_probe(net, x[1:])(changes), after[1], atol=1e-5)


def test_before_and_after_an_activation():
    net = og.Network(networks.build("fused"), "none")
    x = networks.images_for(net.model)
    silenced = og.intervene(net, x, {og.Filter("conv1", 2): 0.0})
    shut = og.intervene(net, x, {og.Filter("conv1:pre", 2): -3.0})  # the rectifier makes it 0
    np.testing.assert_allclose(silenced.scores_after, shut.scores_after, atol=1e-6)
    assert (silenced.scores_after != silenced.scores_before).any()


def test_channels_first_and_the_channels_of_the_image():
    keras.utils.set_random_seed(0)
    image = keras.Input((3, 12, 12))
    conv = keras.layers.Conv2D(4, 3, data_format="channels_first", name="conv")
    x = keras.layers.GlobalAveragePooling2D(data_format="channels_first")(conv(image))
    model = keras.Model(image, keras.layers.Dense(3, name="scores")(x))
    net, x = og.Network(model, "none"), networks.images_for(networks.build("fused"), size=None)
    x = x[:, :12, :12]
    kernel, bias, dense, offset = model.get_weights()
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), (1, 2))
    maps = np.einsum("nhwcij,ijco->nhwo", windows, kernel) + bias
    maps[..., 1] = maps[..., 1] * 2 + 1
    expected = maps.mean((1, 2)) @ dense + offset
    found = og.intervene(net, x, {og.Filter("conv", 1): og.Change(2, 1)})
    np.testing.assert_allclose(found.scores_after, expected, atol=1e-4)
    blind = x * [1, 0, 1]
    found = og.intervene(net, x, {og.Filter(net.graph.steps[0].name, 1): 0.0})
    np.testing.assert_allclose(found.scores_after, net.scores(blind), atol=1e-5)


def test_of_several_inputs_and_outputs_one_is_explained():
    keras.utils.set_random_seed(0)
    image, age = keras.Input((16, 16, 3), name="image"), keras.Input((2,), name="age")
    conv = keras.layers.Conv2D(4, 3, activation="relu", name="conv")(image)
    x = keras.layers.GlobalAveragePooling2D()(conv)
    x = keras.layers.Concatenate()([x, age])
    yes = keras.layers.Dense(1, activation="sigmoid", name="yes")(x)
    amount = keras.layers.Dense(1, name="amount")(keras.layers.Flatten()(conv))
    model = keras.Model([image, age], [yes, amount])
    x = networks.images_for(networks.build("fused"))
    ages = np.tile(np.array([[0.2, 0.4]], "float32"), (2, 1))
    by_hand = rebuilt(model, {("conv", 1): Changed([0], 4, 0)})
    expected = [keras.ops.convert_to_numpy(found) for found in by_hand([x, ages])]
    changes, fixed = {og.Filter("conv", 0): og.Change(4.0)}, {"age": [0.2, 0.4]}
    net = og.Network(model, "none", fixed=fixed, output="yes")
    found = og.intervene(net, x, changes, target=1)
    np.testing.assert_allclose(found.probabilities_after[:, 1:], expected[0], atol=1e-5)
    np.testing.assert_array_equal(found.target_after, found.scores_after[:, 0])
    net = og.Network(model, "none", fixed=fixed, output="amount")
    found = og.intervene(net, x, changes)
    np.testing.assert_allclose(found.probabilities_after, expected[1], atol=1e-4)
    assert (found.unit, found.target_unit) == ("output", "output") and "%" not in found.summary()


def test_targets_are_read_before_and_after():
    net = og.Network(networks.build("skips"), "none")
    x = networks.images_for(net.model)
    changes = {og.Filter("stem", 2): 0.5}
    found = og.intervene(net, x, changes)
    best = found.probabilities_before.argmax(1)
    assert found.targets == tuple(f"class {index}" for index in best)
    np.testing.assert_allclose(found.target_after, found.scores_after[[0, 1], best], atol=1e-6)
    found = og.intervene(net, x, changes, og.Class(1) - og.Class(3), memory=1)
    for when in ("before", "after"):
        scores = getattr(found, f"scores_{when}")
        difference = scores[:, 1] - scores[:, 3]
        np.testing.assert_allclose(getattr(found, f"target_{when}"), difference, atol=1e-5)
    targets = [og.Filter("stem", 2), og.Filter("stem", 1), og.Class(0)]
    found = og.intervene(net, x[0][None], changes, targets, score="probability")
    assert found.values.shape == (3, 5) and found.target_after[0] == 0.5
    assert found.target_after[1] == found.target_before[1] != 0
    np.testing.assert_allclose(found.target_after[2], found.probabilities_after[2, 0], atol=1e-6)


# -- a probe ---------------------------------------------------------------------------------------


def test_a_slider_runs_what_follows_the_layer_and_compiles_nothing(monkeypatch):
    net = og.Network(networks.build("skips"), "none")
    probe = og.intervention_probe(net, networks.images_for(net.model)[:1])
    late, both = {og.Filter("block1_add", 1): 0.0}, {"stem": 0.5, og.Filter("block0_conv", 1): 2.0}
    first = probe(late), probe(both)
    ran = []
    monkeypatch.setattr(net.backend, "compile", None)
    monkeypatch.setattr(net, "_program", spied(ran, net._program))
    again = probe({og.Filter("block1_add", 4): og.Change(3)}), probe({**both, "stem": og.Change(2)})
    assert all((one != other).any() for one, other in zip(first, again, strict=True))
    assert [key[0] for key in ran] == ["edited", "edited"]
    np.testing.assert_array_equal(probe(late), first[0])
    held = Edited(net, [net.step("block1_add").index], [net.head.logits]).held
    assert [net.graph.steps[output.step].name for output in held] == ["block1_add"]


def spied(keys, program):
    def spying(key, *more):
        keys.append(key)
        return program(key, *more)

    return spying


def test_a_probe_says_scores_and_probabilities():
    net = og.Network(networks.build("binary"), "none")
    x = networks.images_for(net.model)[:1]
    probe, change = og.intervention_probe(net, x), {og.Filter("conv1", 0): og.Change(shift=4.0)}
    found = og.intervene(net, x, change)
    np.testing.assert_array_equal(probe(change, of="scores"), found.scores_after[0])
    np.testing.assert_array_equal(probe(change), found.probabilities_after[0])
    np.testing.assert_allclose(probe.probabilities, found.probabilities_before[0], atol=1e-6)
    np.testing.assert_allclose(probe.scores, net.scores(x)[0], atol=1e-6)
    with pytest.raises(InputError, match="one image, got 2"):
        og.intervention_probe(net, networks.images_for(net.model))


def test_ten_threads_at_one_probe_and_one_network():
    net = og.Network(networks.build("branches"), "none")
    x = networks.images_for(net.model)
    layers = ("stem", "branch3")

    def asked(number):
        value = og.Change(scale=number % 7, shift=number / 9)
        return {og.Filter(layers[number % 2], number % 3 % 2): value}

    alone = og.Network(net.model, "none")
    quiet = og.intervention_probe(alone, x[:1])
    expected = [(quiet(asked(i)), og.intervene(alone, x, asked(i)).scores_after) for i in range(6)]
    probe, start, wrong = og.intervention_probe(net, x[:1]), threading.Barrier(10), []

    def work(number):
        start.wait(60)
        for i in np.roll(np.arange(6), number):
            same = np.array_equal(probe(asked(i)), expected[i][0])
            if not (
                same and np.array_equal(og.intervene(net, x, asked(i)).scores_after, expected[i][1])
            ):
                wrong.append((number, i))

    threads = [threading.Thread(target=work, args=(i,), daemon=True) for i in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not wrong and not any(thread.is_alive() for thread in threads)


# -- the result ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def result():
    labels = ["ant", "bee", "cat", "dog", "eel"]
    net = og.Network(networks.build("fused"), "none", labels)
    changes = {og.Filter("conv1", [0, 1, 3]): og.Change(4), og.Filter("hidden", 2): -1.5}
    return og.intervene(net, networks.images_for(net.model), changes, "cat")


def test_a_result_says_what_changed_and_how(result, tmp_path):
    assert result.changes == ("conv1, filters 0-1, 3: × 4", "hidden, filter 2: set to −1.5")
    most = np.abs(result.values).argmax(1)
    np.testing.assert_array_equal(result.strongest(1)[:, 0], most)
    assert result.strongest(99).shape == (2, 5)
    told, row = repr(result), int(most[0])
    assert "\n" not in told and result.classes[row] in told and "filter 2: set to −1.5" in told
    assert f"{result.probabilities_after[0, row]:.2%}" in told
    lines = result.summary(1, top=2).splitlines()
    assert (
        len(lines) == 5 and lines[0] == result.changes[0] and lines[2].startswith("cat (2), logit")
    )
    assert f"{result.probabilities_before[1, most[1]]:.2%}" in lines[3]
    assert {a.dtype for a in vars(result).values() if isinstance(a, np.ndarray)} == {
        np.dtype("float32")
    }
    loaded = og.load_result(result.save(tmp_path / "result.npz"))
    assert repr(loaded) == repr(result) and loaded.summary() == result.summary()
    np.testing.assert_array_equal(loaded.scores_after, result.scores_after)


def test_bars_are_as_long_as_probabilities(result):
    from matplotlib.figure import Figure

    ax = Figure().subplots()
    assert result.plot(1, top=3, ax=ax) is ax
    chosen = result.strongest(3)[1]
    before, after = ([bar.get_width() for bar in bars] for bars in ax.containers)
    np.testing.assert_allclose(before, result.probabilities_before[1, chosen])
    np.testing.assert_allclose(after, result.probabilities_after[1, chosen])
    assert [text.get_text() for text in ax.get_yticklabels()] == [
        result.classes[index] for index in chosen
    ]
    assert ax.yaxis_inverted() and "<img" in result._repr_html_()


def test_changes_without_effect_and_overflow_are_said():
    net = og.Network(networks.build("fused"), "none")
    x = networks.images_for(net.model)[:1]
    found = og.intervene(net, x, {"conv1": og.Change()})
    assert not found.values.any() and any("no effect" in warning for warning in found.warnings)
    far = og.Change(scale=3e38)
    found = og.intervene(net, x, {"hidden:pre": far, "predictions:pre": far})
    assert any("NaN or infinite" in warning for warning in found.warnings)


# -- what cannot be --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "at least one channel"),
        ({og.Filter("conv9", 0): 0.0}, "no layer 'conv9'.*conv1"),
        ({"block*": 0.0}, "matches"),
        ({og.Filter("conv1", 4): 0.0}, "'conv1' has 4 channels, numbered 0 to 3: 4 is out"),
        ({og.Filter("conv1", [0, 99]): 0.0}, "99 is out of range"),
        ({og.Filter("conv1", 0): float("nan")}, "conv1, filter 0 must be a finite number"),
        ({og.Filter("conv1", 0): "0"}, r"conv1, filter 0 must be a finite number.*og\.Change"),
        ({og.Filter("conv1", 0): None}, "must be a finite number"),
        ({og.Filter("conv1", 0): 1e39}, "float32 can hold"),
        ({og.Filter("conv1", 0, border=1): 0.0}, "leave border=1 out"),
        ({og.Class(1): 0.0}, r"keys of changes are og\.Filter"),
        ({og.Filter("conv1", 0) * 2: 0.0}, r"keys of changes are og\.Filter"),
        ({og.Filter("conv1", 0): 0, og.Filter("conv1", [1, 0]): 1}, "two values for filter 0"),
        ({"conv1": 0, "conv[1]": 1}, "two values for all its channels"),
        ({og.Filter("predictions", 0): 0.0}, "do not depend on the output of 'predictions'"),
    ],
)
def test_wrong_changes_are_one_sentence(changes, words):
    net = og.Network(networks.build("fused"), "none")
    x = networks.images_for(net.model)[:1]
    with pytest.raises(InputError, match=words) as caught:
        og.intervene(net, x, changes)
    assert str(caught.value).isprintable()
    if changes:
        with pytest.raises(InputError, match=words):
            og.intervention_probe(net, x)(changes)


def test_changes_that_are_no_numbers():
    for odd in ("2", None, float("nan"), float("inf"), [1]):
        with pytest.raises(InputError, match="scale must be a finite number"):
            og.Change(scale=odd)
    assert og.Change(np.float32(2)) == og.Change(2) and hash(og.Change(2)) == hash(og.Change(2.0))
    image = keras.Input((8, 8, 3))
    x = keras.ops.argmax(image, axis=-1)
    x = keras.layers.Flatten()(keras.ops.cast(x, "float32"))
    net = og.Network(keras.Model(image, keras.layers.Dense(2)(x)), "none")
    name = next(step.name for step in net.graph.steps if step.kind == "Argmax")
    with pytest.raises(InputError, match="no channels that can be changed"):
        og.intervene(net, np.zeros((1, 8, 8, 3), "float32"), {name: 0.0})
