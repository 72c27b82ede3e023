"""Several layers in one call: one result for each, from one forward and backward pass."""

import numpy as np
import pytest

import networks
import optogram as og
from optogram.errors import InputError
from optogram.interpreters.engine import Computation

CLOSE = 1e-6
"""Largest difference ÷ range: programs with several outputs may sum in another order."""
CAMS = [og.gradcam, og.gradcam_plus_plus, og.layercam, og.scorecam, og.guided_gradcam]


@pytest.fixture(scope="module")
def net():
    return og.Network(networks.build("branches"), "none", ["ant", "bee", "cat", "dog", "emu"])


@pytest.fixture(scope="module")
def x(net):
    return networks.images_for(net.model, count=2)


@pytest.fixture
def runs(monkeypatch):
    """The first part of the key of each program run."""
    told, run = [], Computation.run
    monkeypatch.setattr(
        Computation,
        "run",
        lambda net, key, *args, **more: told.append(key[0]) or run(net, key, *args, **more),
    )
    return told


@pytest.mark.parametrize(
    ("method", "target"),
    [*((method, None) for method in CAMS), (og.gradcam, [1, 3])],
    ids=lambda given: getattr(given, "__name__", str(given)),
)
def test_each_layer_has_the_result_of_its_own_call(method, target, net, x):
    images = x if target is None else x[:1]
    found = method(net, images, target, ["last", "stem"])
    assert list(found) == ["stem", "last"]  # in order of the network
    for name, result in found.items():
        alone = method(net, images, target, name)
        assert type(result) is type(alone)
        assert (result.layer, result.targets) == (name, alone.targets)
        assert (result.parameters, result.warnings) == (alone.parameters, alone.warnings)
        atol = CLOSE * np.ptp(alone.values)
        np.testing.assert_allclose(result.values, alone.values, rtol=0, atol=atol)
        np.testing.assert_allclose(result.score, alone.score, rtol=1e-6)


def test_gradients_at_all_layers_come_from_one_pass(net, x, runs):
    found = og.gradcam(net, x, None, ["stem", "mixed", "last"])
    assert len(found) == 3
    assert runs == ["gradients"]
    runs.clear()
    og.guided_gradcam(net, x, None, ["stem", "mixed", "last"])
    assert runs == ["gradients", "gradients"]  # at the layers, and at the image


def test_layers_that_do_not_fit_into_the_memory_budget_take_passes_of_their_own(net, x, runs):
    whole = og.layercam(net, x, 1, ["stem", "mixed", "last"])
    runs.clear()
    told = []
    found = og.layercam(
        net,
        x,
        1,
        ["stem", "mixed", "last"],
        memory=1,
        progress=lambda done, total, _: told.append((done, total)),
    )
    assert len(runs) == 3 * len(x)
    assert told == [(done, 6) for done in range(1, 7)]
    for name, result in found.items():
        np.testing.assert_allclose(result.values, whole[name].values, rtol=1e-4, atol=1e-6)


@pytest.mark.once
def test_a_pattern_stands_for_the_layers_that_match(net, x):
    found = og.gradcam(net, x, 1, "branch?")
    assert list(found) == ["branch1", "branch3", "branch5"]
    assert list(og.gradcam(net, x, 1, ["mixed"])) == ["mixed"]
    assert isinstance(og.gradcam(net, x, 1, "mixed"), og.result.GradCAM)


@pytest.mark.once
def test_results_of_several_layers_can_be_checked_and_saved(net, x, tmp_path):
    for name, result in og.gradcam(net, x[:1], 1, ["stem", "last"]).items():
        alone = og.check(og.gradcam(net, x[:1], 1, name), steps=2)
        checked = og.check(result, steps=2)
        np.testing.assert_allclose(checked.values, alone.values, atol=1e-5)
        loaded = og.load_result(result.save(tmp_path / f"{name}.npz"))
        assert loaded.layer == name
        np.testing.assert_array_equal(loaded.values, result.values)


@pytest.mark.once
@pytest.mark.parametrize(
    "layer, words",
    [
        ([], "layer must name at least one layer."),
        (["stem", "missing"], "no layer 'missing'"),
        ("no*such", "'no\\*such'"),
        (["stem", "predictions"], "'predictions' has no feature maps"),
        ([1], "layer must be a text, a sequence of texts or None"),
    ],
)
def test_layers_that_cannot_be_explained_are_named(layer, words, net, x):
    with pytest.raises(InputError, match=words):
        og.gradcam(net, x, 1, layer)


@pytest.mark.once
def test_the_command_line_explains_all_layers_in_one_call(net, tmp_path, monkeypatch, runs):
    from click.testing import CliRunner
    from PIL import Image

    from optogram.cli import main

    monkeypatch.chdir(tmp_path)
    net.model.save("branches.keras")
    Image.new("RGB", (40, 40), "orange").save("photo.png")
    asked = ["explain", "photo.png", "--model", "branches.keras", "--preprocess", "unit"]
    layers = ["--layer", "last", "--layer", "branch?", "--method", "layercam"]
    runs.clear()
    done = CliRunner().invoke(main, [*asked, *layers, "--method", "saliency"])
    assert done.exit_code == 0, done.output
    assert runs.count("gradients") == 2  # one for four layers, one for saliency
    for name in ("last", "branch1", "branch3", "branch5"):
        assert og.load_result(f"explained/photo-layercam-{name}.npz").layer == name
    assert og.load_result("explained/photo-saliency.npz").layer is None
