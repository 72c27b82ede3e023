"""Functions of the scores as targets: the numbers of the same `Class` targets, in every method."""

import gc
import weakref

import keras
import numpy as np
import pytest

import networks
import optogram as og
from optogram.errors import InputError

pytestmark = pytest.mark.once

METHODS = {
    "saliency": og.saliency,
    "guided_gradcam": og.guided_gradcam,
    "scorecam": og.scorecam,
    "occlusion": lambda *args, **more: og.occlusion(*args, patch=6, **more),
    "smoothgrad": lambda *args, **more: og.smoothgrad(*args, samples=3, **more),
}
"""One for each kind of program."""
CLOSE = {"smoothgrad": 1e-6}
"""Largest difference ÷ range: several scores of one image are summed as a product of matrices."""


@pytest.fixture(scope="module")
def net():
    return og.Network(networks.build("branches"), "none", ["ant", "bee", "cat", "dog", "emu"])


@pytest.fixture(scope="module")
def x(net):
    return networks.images_for(net.model, count=2)


def difference(outputs):
    return outputs[:, 3] - outputs[:, 1]


@pytest.mark.each_backend
@pytest.mark.parametrize("method", METHODS)
def test_a_function_gives_the_numbers_of_the_same_class_targets(method, net, x):
    found = METHODS[method](net, x, difference)
    expected = METHODS[method](net, x, og.Class(3) - og.Class(1))
    atol = CLOSE.get(method, 0) * np.ptp(expected.values)
    np.testing.assert_allclose(found.values, expected.values, rtol=0, atol=atol)
    np.testing.assert_array_equal(found.score, expected.score)
    assert found.targets == ("difference", "difference")
    assert found.values.any()


@pytest.mark.each_backend
def test_a_function_of_probabilities(net, x):
    found = og.saliency(net, x, lambda outputs: outputs[:, 2], score="probability")
    expected = og.saliency(net, x, 2, score="probability")
    np.testing.assert_allclose(found.values, expected.values, rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(found.score, expected.score, rtol=1e-6)


@pytest.mark.each_backend
def test_a_function_that_is_not_linear_follows_the_chain_rule(net, x):
    found = og.gradcam(net, x, lambda outputs: outputs[:, 2] ** 2, "stem", rectify=False)
    plain = og.gradcam(net, x, 2, "stem", rectify=False)
    np.testing.assert_allclose(found.score, plain.score**2, rtol=1e-5)
    expected = 2 * plain.score[:, None, None] * plain.values
    np.testing.assert_allclose(found.values, expected, rtol=1e-4, atol=1e-6 * np.ptp(expected))


@pytest.mark.each_backend
def test_functions_and_other_targets_can_be_combined(net, x):
    both = 2 * og.Score(difference, "3 over 1") - og.Class(0)
    found = og.saliency(net, x[:1], [both, 4])
    assert found.targets == ("2·3 over 1 − ant (0)", "emu (4)")
    linear = 2 * og.Class(3) - 2 * og.Class(1) - og.Class(0)
    expected = og.saliency(net, x[:1], [linear, 4])
    scale = np.ptp(expected.values)
    np.testing.assert_allclose(found.values, expected.values, rtol=0, atol=1e-6 * scale)


@pytest.mark.each_backend
def test_one_function_for_each_image(net, x):
    found = og.layercam(net, x, [lambda outputs: outputs[:, 0], lambda outputs: outputs[:, 4]])
    np.testing.assert_array_equal(found.values, og.layercam(net, x, [0, 4]).values)
    assert found.targets == ("a function", "a function")


@pytest.mark.each_backend
def test_a_function_of_scores_at_every_position():
    image = keras.Input((12, 12, 3))
    maps = keras.layers.Conv2D(4, 3, padding="same", name="maps")(image)
    net = og.Network(keras.Model(image, maps), "none")
    x = np.random.default_rng(0).random((2, 12, 12, 3), np.float32)

    def inside(outputs):
        return keras.ops.mean(outputs[:, 2:6, 3:9, 1], axis=(1, 2))

    found = og.occlusion(net, x, inside, patch=4)
    expected = og.occlusion(net, x, og.Class(1, (2, 3, 6, 9)), patch=4)
    np.testing.assert_allclose(found.values, expected.values, rtol=1e-4, atol=1e-6)


@pytest.mark.each_backend
def test_an_image_maximizes_a_function(net):
    made = og.maximize(net, difference, "tutorial", steps=4)
    expected = og.maximize(net, og.Class(3) - og.Class(1), "tutorial", steps=4)
    np.testing.assert_allclose(made.values, expected.values, rtol=1e-5)
    assert made.history[0, -1] > made.history[0, 0]


def test_the_check_asks_the_function_again(net, x):
    checked = og.check(og.gradcam(net, x[:1], difference), steps=2)
    expected = og.check(og.gradcam(net, x[:1], og.Class(3) - og.Class(1)), steps=2)
    np.testing.assert_allclose(checked.values, expected.values, atol=1e-6)
    logits = net.scores(x[:1])[0]
    np.testing.assert_allclose(checked.deletion[0, :, 0], logits[3] - logits[1], rtol=1e-5)


@pytest.mark.each_backend
def test_functions_written_anew_in_each_call_share_programs_if_they_compute_the_same(net, x):
    nets = []
    for index in (0, 1, 0, 1):
        found = og.saliency(net, x, lambda outputs, index=index: outputs[:, index])
        np.testing.assert_array_equal(found.values, og.saliency(net, x, index).values)
        nets.append(found.question.net)
    assert nets[0] is nets[2]
    assert nets[1] is nets[3]
    assert nets[0] is not nets[1]
    assert [len(one._programs) for one in nets] == [1, 1, 1, 1]


NUMBER = 0


def test_globals_and_arrays_are_read_anew_in_each_call(net, x):
    global NUMBER
    array = np.zeros(5, np.float32)

    def by_global(outputs):
        return outputs[:, NUMBER]

    def by_array(outputs):
        return keras.ops.sum(outputs * keras.ops.convert_to_tensor(array), axis=1)

    for NUMBER in (0, 3):
        array[:] = np.arange(5) == NUMBER
        expected = og.saliency(net, x, NUMBER).values
        np.testing.assert_array_equal(og.saliency(net, x, by_global).values, expected)
        found = og.saliency(net, x, by_array).values
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)


class Held:
    """An object that a function reads."""

    index = 2


def test_what_functions_leave_behind_is_bounded(net):
    held, alive = Held(), {"object": [], "number": []}
    for index in range(12):
        reads_object, reads_number = (
            lambda outputs, held=held: outputs[:, held.index],
            lambda outputs, index=index: outputs[:, 0] * index,
        )
        for name, function in (("object", reads_object), ("number", reads_number)):
            extended = net.with_functions([function], "logit")
            assert extended.with_functions([function], "logit") is extended
            alive[name].append(weakref.ref(extended))
    del extended, function, reads_object, reads_number
    gc.collect()
    left = {name: sum(one() is not None for one in nets) for name, nets in alive.items()}
    # What reads an object, which can be changed, is not kept for other calls.
    assert left == {"object": 0, "number": 8}


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda outputs: outputs, r"must return one number per image.*returned shape \(2, 5\)"),
        (lambda outputs: outputs[0, 1], r"returned shape \(\)"),
        (lambda outputs: [outputs[0, 1], outputs[1, 2]], "returned list"),
        (lambda outputs: outputs[:, 1000 // 0], "a function, failed on scores.*integer division"),
        (lambda: 1, "failed on scores of shape"),
    ],
)
def test_what_no_target_can_be_is_one_sentence(function, words, net, x):
    with pytest.raises(InputError, match=words) as caught:
        og.gradcam(net, x, function)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("given", [og.Class, Held])
def test_a_class_is_no_function(given, net, x):
    with pytest.raises(InputError, match="Expected a target"):
        og.gradcam(net, x, given)
    with pytest.raises(InputError, match="function must be a function of the scores"):
        og.Score(given)
    with pytest.raises(InputError, match="name must be a text"):
        og.Score(difference, 3)


@pytest.mark.each_backend
def test_a_function_without_gradient_gives_a_warning(net, x):
    found = og.saliency(net, x, lambda outputs: keras.ops.argmax(outputs, axis=1))
    assert not found.values.any()
    assert any("zero everywhere" in warning for warning in found.warnings)


def test_checkpoints_match_functions_by_what_they_compute(net, tmp_path):
    path = tmp_path / "made.npz"
    more = {"recipe": "tutorial", "steps": 2, "checkpoint": path}

    def made(factor):
        return og.maximize(net, lambda outputs: factor * outputs[:, 1], **more)

    first = made(2.0)
    np.testing.assert_array_equal(made(2.0).values, first.values)
    with pytest.raises(InputError, match="another run of maximize"):
        made(3.0)


def test_results_are_saved_with_the_name_of_the_function(net, x, tmp_path):
    found = og.gradcam(net, x[:1], og.Score(difference, "dog over bee"))
    assert og.load_result(found.save(tmp_path / "why.npz")).targets == ("dog over bee",)
