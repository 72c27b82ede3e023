"""The networks known by name, against what keras.applications itself says."""

import inspect
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras.src.applications import imagenet_utils

from optogram.errors import ModelError
from optogram.network.opening import catalogue

pytestmark = [pytest.mark.once, pytest.mark.keras_inside]

ENTRIES = [catalogue.find(name) for name in catalogue.names()]
KERAS_ENTRIES = [entry for entry in ENTRIES if entry.preprocess != "lite"]

TORCH_MEAN = np.array([0.485, 0.456, 0.406])
TORCH_DEVIATION = np.array([0.229, 0.224, 0.225])
CAFFE_MEAN_BGR = np.array([103.939, 116.779, 123.68])
FORMULAS = {
    "caffe": lambda rgb: rgb[..., ::-1] - CAFFE_MEAN_BGR,
    "tf": lambda rgb: rgb / 127.5 - 1,
    "torch": lambda rgb: (rgb / 255 - TORCH_MEAN) / TORCH_DEVIATION,
    "none": lambda rgb: rgb,
}


def is_classifier(builder):
    if not inspect.isfunction(builder):
        return False
    return {"include_top", "weights", "classes"} <= inspect.signature(builder).parameters.keys()


def by_builder(entry):
    return entry.builder


def test_every_classifier_of_keras_is_in_and_nothing_else():
    classifiers = {name for name, value in vars(keras.applications).items() if is_classifier(value)}
    assert {entry.builder for entry in KERAS_ENTRIES} == classifiers


def test_names_are_unique_also_without_gaps():
    names = catalogue.names()
    assert "efficientnet-lite0" in names
    assert len({name.replace("-", "") for name in names}) == len(names)
    assert all(name == name.lower() for name in names)


@pytest.mark.parametrize("entry", KERAS_ENTRIES, ids=by_builder)
def test_preparation_is_that_of_keras(entry):
    builder = getattr(keras.applications, entry.builder)
    preprocess_input = sys.modules[builder.__module__].preprocess_input
    rgb = np.random.default_rng(0).uniform(0, 255, (1, 2, 3, 3)).astype("float32")
    np.testing.assert_allclose(
        preprocess_input(rgb.copy(), data_format="channels_last"),
        FORMULAS[entry.preprocess](rgb),
        rtol=1e-5,
        atol=1e-4,
    )


@pytest.mark.parametrize("entry", KERAS_ENTRIES, ids=by_builder)
def test_size_is_that_of_keras(entry, monkeypatch):
    class DefaultSize(Exception):  # noqa: N818
        pass

    def stop(*_args, default_size, **_kwargs):
        raise DefaultSize(default_size)

    if entry.builder.startswith("MobileNetV3"):
        pytest.skip("Keras leaves its size open; its weights were trained at 224")
    if entry.builder == "NASNetMobile" and keras.backend.backend() == "torch":
        pytest.skip("Keras does not offer it on PyTorch")
    monkeypatch.setattr(imagenet_utils, "obtain_input_shape", stop)
    with pytest.raises(DefaultSize) as caught:
        getattr(keras.applications, entry.builder)(weights=None)
    assert caught.value.args == (entry.size,)


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("vgg16", "vgg16"),
        ("VGG16", "vgg16"),
        ("VGG-16", "vgg16"),
        ("ResNet50_V2", "resnet50v2"),
        ("EfficientNetV2-B0", "efficientnetv2b0"),
        ("efficientnet lite0", "efficientnet-lite0"),
        ("EfficientNet_Lite0", "efficientnet-lite0"),
    ],
)
def test_find(typed, name):
    assert catalogue.find(typed).name == name


def test_find_names_the_nearest():
    with pytest.raises(ModelError, match=r"'vgg17' \(the nearest are .*'vgg16'.*\); give"):
        catalogue.find("vgg17")
    with pytest.raises(ModelError, match="No network is called 'qqqq'; give"):
        catalogue.find("qqqq")


def test_build_has_a_fixed_size_and_rescales_where_nothing_is_prepared():
    entry = catalogue.find("mobilenetv3small")
    model = catalogue.build(entry, weights=None)
    assert model.input_shape == (None, 224, 224, 3)
    assert model.output_shape == (None, 1000)
    assert any(isinstance(layer, keras.layers.Rescaling) for layer in model.layers)


def test_build_efficientnet_lite0():
    entry = catalogue.find("efficientnet-lite0")
    assert (entry.preprocess, entry.size) == ("lite", 224)
    assert catalogue.build(entry, weights=None).name == "efficientnet-lite0"


def test_build_with_a_weights_file(tmp_path):
    entry = catalogue.find("mobilenet")
    saved = catalogue.build(entry, weights=None)
    saved.save_weights(tmp_path / "mine.weights.h5")
    loaded = catalogue.build(entry, weights=tmp_path / "mine.weights.h5")
    for one, other in zip(saved.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def fake_builder(monkeypatch, function):
    entry = catalogue.find("vgg16")
    monkeypatch.setattr(keras.applications, entry.builder, function)
    return entry


def small_network(**_kwargs):
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])


def test_weights_file_missing(monkeypatch, tmp_path):
    entry = fake_builder(monkeypatch, small_network)
    with pytest.raises(ModelError, match=r"No weights file .*none\.h5"):
        catalogue.build(entry, weights=tmp_path / "none.h5")


def test_download_that_fails(monkeypatch, tmp_path):
    def builder(**_kwargs):
        nowhere = "http://127.0.0.1:9/weights.h5"
        keras.utils.get_file("weights.h5", nowhere, cache_dir=tmp_path)

    entry = fake_builder(monkeypatch, builder)
    with pytest.raises(
        ModelError, match=r"vgg16 could not be downloaded \(URL fetch failure.*--weights random"
    ):
        catalogue.build(entry)


@pytest.mark.parametrize(
    "error", [TimeoutError("slow"), ValueError("Incomplete or corrupted file")]
)
def test_download_cut_short(monkeypatch, error):
    def builder(**_kwargs):
        raise error

    with pytest.raises(ModelError, match="could not be downloaded"):
        catalogue.build(fake_builder(monkeypatch, builder))


@pytest.mark.parametrize("error", [ValueError("something else"), RuntimeError("out of memory")])
def test_unrelated_errors_pass(monkeypatch, error):
    def builder(**_kwargs):
        raise error

    with pytest.raises(type(error), match=str(error)):
        catalogue.build(fake_builder(monkeypatch, builder))


def test_network_that_keras_lacks_on_this_backend(monkeypatch):
    def builder(**_kwargs):
        raise ValueError("NASNetMobile is not available with the torch backend at this time")

    with pytest.raises(ModelError, match=r"Keras does not offer vgg16 on the .* set KERAS_BACKEND"):
        catalogue.build(fake_builder(monkeypatch, builder), weights=None)


def test_builder_absent_in_this_keras():
    entry = catalogue.Entry("vgg99", "VGG99", "caffe", 224)
    with pytest.raises(ModelError, match=r"Keras .* has no VGG99; upgrade it"):
        catalogue.build(entry)


def test_importing_the_catalogue_imports_no_backend():
    code = (
        "import sys, optogram.network.opening.catalogue, optogram.network.labels\n"
        "import optogram.network.opening.torch_pickle\n"
        "assert not {'keras', 'tensorflow', 'jax', 'torch'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
