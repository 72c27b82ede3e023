"""Many threads at once: the answers of one, none waits for ever, and nothing is left behind."""

import itertools
import random
import threading

import keras
import numpy as np
import pytest
from keras import layers

import optogram as og
from optogram.interpreters import memory
from optogram.interpreters.turns import TURNS

SIDE, THREADS, WAIT = 12, 8, 120
CALLS_EACH = 14
"""Calls of a thread, out of 42."""
_TOGETHER = 3
"""Programs of one batch, at most: windows, what is behind them, and one of another size."""


def network(side, seed, name):
    keras.utils.set_random_seed(seed)
    x = image = keras.Input((side, side, 3))
    x = layers.Conv2D(4, 3, padding="same", activation="relu", name="conv1")(x)
    x = layers.DepthwiseConv2D(3, padding="same", activation="relu", name="conv2")(x)
    x = layers.GlobalAveragePooling2D()(x)
    answer = layers.Dense(3, activation="softmax", name="answer")(x)
    return keras.Model(image, answer, name=name)


MODELS = [network(SIDE, 1, "fixed"), network(None, 2, "any_size")]
PHOTOS = np.random.default_rng(0).integers(0, 256, (6, SIDE, SIDE, 3), np.uint8)
OTHER = np.random.default_rng(1).integers(0, 256, (SIDE + 2, SIDE + 4, 3), np.uint8)


def checked_map(net, **more):
    return og.check(og.gradcam(net, PHOTOS[0], 1), steps=2, **more)


def last_map(net, **more):
    return list(og.progressive_occlusion(net, PHOTOS[0], 1, patch=3, stride=2, **more))[-1]


def of_another_size(net, **more):
    return og.saliency(net, OTHER if net.size == (None, None) else PHOTOS[1], **more)


LONG = {
    "check": checked_map,
    "feature maps": lambda net, **more: og.feature_maps(net, PHOTOS, ["conv1"], **more)["conv1"],
    "gradcam": lambda net, **more: og.gradcam(net, PHOTOS, layer="conv2", **more),
    "gradcam++": lambda net, **more: og.gradcam_plus_plus(net, PHOTOS[0], layer="conv1", **more),
    "guided backprop": lambda net, **more: og.guided_backprop(net, PHOTOS[0], **more),
    "guided gradcam": lambda net, **more: og.guided_gradcam(net, PHOTOS[0], **more),
    "integrated": lambda net, **more: og.integrated_gradients(net, PHOTOS[0], points=6, **more),
    "intervene": lambda net, **more: og.intervene(
        net, PHOTOS, {og.Filter("conv1", 1): og.Change(scale=2.0)}, **more
    ),
    "layercam": lambda net, **more: og.layercam(net, PHOTOS[:2], layer="conv1", **more),
    "maximize": lambda net, **more: og.maximize(
        net, og.Filter("conv1", range(3)), size=(SIDE, SIDE), steps=3, **more
    ),
    "occlusion": lambda net, **more: og.occlusion(net, PHOTOS[:2], 0, patch=4, stride=3, **more),
    "progressive occlusion": last_map,
    "saliency": of_another_size,
    "scorecam": lambda net, **more: og.scorecam(net, PHOTOS[:2], layer="conv1", **more),
    "smoothgrad": lambda net, **more: og.smoothgrad(net, PHOTOS[0], samples=5, **more),
    "strongest images": lambda net, **more: og.strongest_images(
        net, "conv1", list(PHOTOS), 2, size=(SIDE, SIDE), **more
    ),
}
"""All public functions that take ``progress``, but for reports and training."""

CALLS = LONG | {
    "opening": lambda net: og.Network(net.model, "unit").scores(PHOTOS[:1]),
    "predict": lambda net: net.predict(PHOTOS[2]),
    "scores": lambda net: net.scores(PHOTOS),
    "summary": lambda net: net.summary(),
    "patch": lambda net: og.occlusion_probe(net, PHOTOS[3], patch=5)(2, 4),
    "change": lambda net: og.intervention_probe(net, PHOTOS[3])({og.Filter("conv2", 0): 0.0}),
    "kernels": lambda net: og.kernels(net, "conv1"),
}


def content(found):
    """All of an answer that can be compared."""
    if isinstance(found, og.Result):
        arrays = {name: each for name, each in vars(found).items() if isinstance(each, np.ndarray)}
        return {name: (each.shape, each.tobytes()) for name, each in arrays.items()}
    return found.tobytes() if isinstance(found, np.ndarray) else found


def in_threads(*works):
    """Run all at once; whatever one raises is raised."""
    errors = []

    def kept(work):
        try:
            work()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=kept, args=(work,), daemon=True) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT)
    assert not any(thread.is_alive() for thread in threads), "a deadlock"
    for error in errors:
        raise error


def nothing_is_left():
    assert not memory._LEDGER._taken
    assert not (TURNS._waiting or TURNS._is_taken or TURNS._short)


@pytest.fixture(scope="module")
def nets():
    return [og.Network(model, "unit") for model in MODELS]


@pytest.fixture(scope="module")
def serial(nets):
    """What one caller gets, of networks that nobody else uses."""
    alone = [og.Network(model, "unit") for model in MODELS]
    pairs = itertools.product(CALLS, range(len(alone)))
    return {(name, which): content(CALLS[name](alone[which])) for name, which in pairs}


def test_threads_get_the_answers_of_one(nets, serial):
    def work(seed):
        pairs = list(serial)
        random.Random(seed).shuffle(pairs)
        for name, which in pairs[:CALLS_EACH]:
            assert content(CALLS[name](nets[which])) == serial[name, which], name

    in_threads(*(lambda seed=seed: work(seed) for seed in range(THREADS)))
    nothing_is_left()


def test_earlier_batch_lengths_do_not_change_a_bit():
    alone, after = (og.Network(MODELS[1], "unit") for _ in range(2))
    LONG["integrated"](after)
    assert content(LONG["smoothgrad"](alone)) == content(LONG["smoothgrad"](after))


def test_threads_that_ask_the_same_compile_it_once(monkeypatch):
    net = og.Network(MODELS[0], "unit")
    compiled, start = [], threading.Barrier(THREADS)
    usual = net.backend.compile
    monkeypatch.setattr(net.backend, "compile", lambda *given: compiled.append(1) or usual(*given))

    def work():
        start.wait(WAIT)
        net.scores(PHOTOS[0])

    in_threads(*[work] * THREADS)
    assert len(compiled) == 1


class StopError(Exception):
    """What a caller raises who is no longer interested."""


@pytest.mark.parametrize("name", LONG)
def test_work_is_stopped_by_its_progress(nets, serial, name):
    def progress(done, total, what):
        raise StopError

    before = threading.active_count()
    with pytest.raises(StopError):
        LONG[name](nets[0], progress=progress)
    nothing_is_left()
    assert threading.active_count() == before
    assert content(LONG[name](nets[0])) == serial[name, 0]


@pytest.mark.parametrize("name", LONG)
def test_no_more_than_a_batch_runs_between_two_reports_of_progress(nets, monkeypatch, name):
    runs, most = [], []
    usual = og.Network.run

    def run(self, *given, **more):
        runs.append(given[0])
        return usual(self, *given, **more)

    def progress(done, total, what):
        assert 0 <= done <= total
        most.append(len(runs))
        runs.clear()

    monkeypatch.setattr(og.Network, "run", run)
    LONG[name](nets[0], progress=progress, memory=1)  # one image at a time
    print(name, max([*most, len(runs)]), most)
    assert max([*most, len(runs)]) <= _TOGETHER, name
