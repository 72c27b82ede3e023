"""Presets of KerasHub, with a stand-in for KerasHub, which the tests do not install."""

import json
import sys
from types import ModuleType, SimpleNamespace

import keras
import numpy as np
import pytest

import optogram as og
from optogram.errors import InputError, ModelError
from optogram.network.opening import named, preset

pytestmark = pytest.mark.once

CONVERTER = {
    "scale": [1 / 127.5, 1 / 127.5, 1 / 51],
    "offset": [-1, -0.5, 0],
    "interpolation": "bilinear",
    "antialias": False,
    "crop_to_aspect_ratio": True,
    "pad_to_aspect_ratio": False,
}


@pytest.fixture
def folder(tmp_path):
    """The folder of a preset."""
    made = tmp_path / "pets"
    made.mkdir()
    for name in ("config.json", "metadata.json", "task.json"):
        (made / name).write_text("{}")
    return made


@pytest.fixture
def hub(monkeypatch):
    """KerasHub, whose presets are one network; what its converter says can be changed."""
    image = keras.Input((8, 8, 3))
    model = keras.Model(image, keras.layers.Dense(3)(keras.layers.Flatten()(image)))
    model.preprocessor = SimpleNamespace(image_converter=SimpleNamespace(**CONVERTER))

    def fails(name):
        raise ValueError("Unable to find a subclass of it.\nmore")

    module = ModuleType("keras_hub")
    kinds = {kind: SimpleNamespace(from_preset=fails, presets={}) for kind in preset._TASKS}
    kinds["ObjectDetector"] = SimpleNamespace(
        from_preset=lambda name: model, presets={"pets_base": {}}
    )
    module.models = SimpleNamespace(**kinds)
    monkeypatch.setitem(sys.modules, "keras_hub", module)
    for room in (named, preset):
        monkeypatch.setattr(room, "find_spec", lambda name: name)
    return module.models, model


def test_the_preprocessor_says_how_photos_are_prepared(folder, hub):
    (folder.parent / "pets.labels.txt").write_text("cat\ndog\nfox\n")
    net = og.load(folder)
    photo = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    expected = photo * np.float32(CONVERTER["scale"]) + np.float32(CONVERTER["offset"])
    np.testing.assert_allclose(net.prepare(photo)[0], expected, atol=1e-5)
    assert (net.name, net.origin, net.resample) == ("pets", str(folder), "bilinear")
    assert net.labels.names == ("cat", "dog", "fox")
    assert 'fit="crop"' in net.warnings[0]
    other = og.load(folder, preprocess="unit", resample="area", labels=["a", "b", "c"])
    assert (other.preparation.name, other.resample) == ("unit", "area")


def test_presets_are_found_by_name(hub):
    _, model = hub
    model.preprocessor.image_converter.interpolation = "bicubic"
    model.preprocessor.image_converter.crop_to_aspect_ratio = False
    net = og.load("pets_base")
    assert net.resample == "lanczos"
    assert "'bicubic', which is not available" in net.warnings[0]
    assert og.load("hf://someone/pets", trust=True).name == "pets"
    with pytest.raises(ModelError, match="would be downloaded"):
        og.load("hf://someone/pets")
    with pytest.raises(ModelError, match="No network is called 'pets_bas'"):
        og.load("pets_bas")


def test_what_cannot_be_opened_is_said(folder, hub, monkeypatch):
    models, _ = hub
    with pytest.raises(InputError, match="not for presets"):
        og.load(folder, weights=None)
    monkeypatch.setattr(models, "ObjectDetector", models.ImageClassifier)
    with pytest.raises(ModelError, match="a preset of no task for images: give one of"):
        og.load(folder)

    def fails(name):
        raise OSError("no disk\nat all")

    monkeypatch.setattr(models.ImageClassifier, "from_preset", fails)
    with pytest.raises(ModelError, match=r"could not be loaded by KerasHub \(no disk\): give"):
        og.load(folder)
    code = {"class_name": "Lambda", "module": "keras.layers", "config": {"function": {}}}
    (folder / "task.json").write_text(json.dumps(code))
    with pytest.raises(ModelError, match=r"task\.json .*--trust"):
        og.load(folder)
    (folder / "task.json").write_text("{")
    with pytest.raises(ModelError, match=r"task\.json cannot be read .*: save the preset again"):
        og.load(folder)
    monkeypatch.setattr(preset, "find_spec", lambda name: None)
    with pytest.raises(ModelError, match="not installed: pip install keras-hub"):
        og.load(folder)
