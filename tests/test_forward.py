"""The forward interpreter: a schedule is made once for a question, and fills in what steps read."""

import keras
import numpy as np
from keras import layers, ops

import networks
import optogram as og
from optogram import backend
from optogram.graph.steps import Output, flatten
from optogram.interpreters import forward
from replay import answer


def test_one_schedule_serves_all_batches_of_a_question(monkeypatch):
    made = []
    schedule = forward.schedule

    def counted(*arguments):
        made.append(arguments)
        return schedule(*arguments)

    net = og.Network(networks.build("skips"), "none")
    x = networks.images_for(net.model)
    assert len(x) > 1
    monkeypatch.setattr(forward, "schedule", counted)
    net.evaluate(x, [net.head.logits], memory=1)  # one image at a time
    og.saliency(net, x, memory=1)
    assert len(made) == 2
    net.evaluate(x, [net.head.logits], memory=1)
    assert len(made) == 2


def test_what_a_schedule_starts_from_is_not_computed_again():
    graph = flatten(networks.build("skips"))
    (wanted,) = graph.outputs
    known = graph.steps[wanted.step].inputs
    steps = forward.schedule(graph, [wanted], known).steps
    assert [step.index for step in steps] == [wanted.step]
    assert set(steps[0].unneeded) == set(known)


class Gathering(layers.Layer):
    """Reads tensors in every nesting, beside numbers."""

    def call(self, pair, extra, scales):
        return scales[0] * (pair[1] + scales[1] * extra["more"][0]) + pair[0]


def test_tensors_are_filled_in_at_any_depth_of_the_arguments():
    image = keras.Input((4, 4, 3))
    first, second = image + 1.0, image + 2.0
    made = Gathering()([first, second], extra={"more": (image,)}, scales=(0.5, 3.0))
    graph = flatten(keras.Model(image, made))
    x = np.random.default_rng(0).random((2, 4, 4, 3), np.float32)
    schedule = forward.schedule(graph, graph.outputs)
    expected = 0.5 * (x + 2 + 3 * x) + x + 1
    for _ in range(2):
        (found,) = answer(schedule.run, x)
        np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_what_the_backend_runs_fastest_is_chosen_when_a_schedule_is_made(monkeypatch):
    image = keras.Input((6, 6, 3))
    x = layers.DepthwiseConv2D(3, activation="relu", name="depthwise")(image)
    graph = flatten(keras.Model(image, x))
    step = graph.steps[1]
    assert (step.name, type(step.run)) == ("depthwise:pre", layers.DepthwiseConv2D)

    def twice(layer):
        return (lambda x: 2 * layer(x)) if isinstance(layer, layers.DepthwiseConv2D) else None

    x = np.random.default_rng(0).random((1, 6, 6, 3), np.float32)
    wanted = [Output(step.index)]
    (plain,) = answer(lambda t: [ops.convert_to_tensor(step.run(t))], x)
    monkeypatch.setattr(backend.current(), "faster", twice)
    (found,) = answer(forward.schedule(graph, wanted).run, x)
    np.testing.assert_allclose(found, 2 * plain, rtol=1e-5, atol=1e-6)
