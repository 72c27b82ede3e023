"""One line for each object in a prompt, and ``show()``: in a notebook, and in a viewer."""

import sys
import types

import numpy as np
import pytest
from PIL import Image, ImageShow

import networks
import optogram as og

pytestmark = pytest.mark.once

PHOTO = np.random.default_rng(0).uniform(0, 255, (16, 16, 3)).astype(np.uint8)


@pytest.fixture(scope="module")
def net():
    labels = ["ant", "bee", "cat", "dog", "eel"]
    return og.Network(networks.build("fused"), "unit", labels)


def test_a_result_says_method_network_target_shape_and_score(net):
    found = og.gradcam(net, PHOTO, "cat", layer="conv1")
    text = repr(found)
    assert text.startswith("<GradCAM of sequential")
    assert "at conv1 for cat" in text and f"values {found.values.shape}" in text
    assert text.endswith(f"score {found.score[0]:.4g}>")
    assert repr(og.saliency(net, PHOTO, "cat")).startswith("<Attribution (saliency) of ")


def test_many_targets_are_cut_short(net):
    text = repr(og.saliency(net, PHOTO, [0, 1, 2, 3, 4]))
    assert "ant" in text and "cat" in text and "eel" not in text and text.count("and 2 more") == 2


@pytest.fixture(scope="module")
def results(net, tmp_path_factory):
    """A result of every kind."""
    folder = tmp_path_factory.mktemp("photos")
    for number in range(2):
        Image.fromarray(PHOTO[::-1] if number else PHOTO).save(folder / f"{number}.png")
    saliency = og.saliency(net, PHOTO, "cat")
    return [
        saliency,
        og.occlusion(net, PHOTO, "cat", patch=8, stride=8),
        og.feature_maps(net, PHOTO, ["conv1"])["conv1"],
        og.kernels(net, "conv1"),
        og.intervene(net, PHOTO, {og.Filter("conv1", 0): 0.0}),
        og.maximize(net, "cat", steps=1),
        og.strongest_images(net, "conv1", folder, 1, filters=[0]),
        og.check(saliency, steps=2),
    ]


def test_every_result_is_one_line(results):
    for result in results:
        text = repr(result)
        assert "\n" not in text and len(text) < 400
        assert text.startswith(f"<{type(result).__name__}") and "array(" not in text


def test_a_loaded_result_reads_like_the_saved_one(results, tmp_path):
    path = results[0].save(tmp_path / "result.npz")
    assert repr(og.load_result(path)) == repr(results[0])


def test_networks_layers_batches_and_predictions_are_one_line(net, tmp_path):
    Image.fromarray(PHOTO).save(tmp_path / "photo.png")
    batch = net.prepare([tmp_path / "photo.png"] * 5)
    assert repr(net["conv1"]) == ("<Layer conv1, Conv2D: output (None, 16, 16, 4), 112 parameters>")
    assert repr(batch).startswith("<PreparedPhotos (5, 16, 16, 3) of photo.png, photo.png")
    assert "and 2 more" in repr(batch)
    assert repr(batch + 1).startswith("array(") or "PreparedPhotos" in repr(batch + 1)
    for item in (net, net.predict(PHOTO)[0][0], og.Class("cat") - og.Class("dog")):
        assert "\n" not in repr(item) and len(repr(item)) < 300


def test_show_opens_a_viewer(results, monkeypatch):
    shown = []
    monkeypatch.setattr(ImageShow, "show", lambda picture: shown.append(picture) or True)
    for result in results:
        assert result.show() is None
    assert len(shown) == len(results) and all(isinstance(one, Image.Image) for one in shown)
    monkeypatch.setattr(ImageShow, "show", lambda picture: False)
    with pytest.raises(og.OutputError, match=r"use result.plot\(\).save"):
        results[0].show()


def test_show_displays_the_picture_in_a_notebook(results, monkeypatch):
    shown = []
    ipython = types.ModuleType("IPython")
    ipython.get_ipython = lambda: types.SimpleNamespace(kernel=object())
    ipython.display = types.ModuleType("IPython.display")
    ipython.display.display = lambda content, display_id: shown.append(content)
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", ipython.display)
    assert results[0].show() is None
    (picture,) = shown
    assert picture.tobytes() == results[0].plot().tobytes()
