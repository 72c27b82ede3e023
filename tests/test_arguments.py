"""What public functions are given: any wrong argument is one sentence, any whole number will do."""

import inspect
import os
from pathlib import Path

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import attention_networks
import optogram as og
from networks import build
from optogram import render
from optogram.arguments import number, whole
from optogram.methods import ATTRIBUTIONS, OF_ATTENTION

pytestmark = pytest.mark.once

PHOTO = np.random.default_rng(0).integers(0, 255, (16, 16, 3), np.uint8)
NET = og.Network(build("fused"), preprocess="unit")
TOKENS = og.Network(attention_networks.vit(), preprocess="unit")
CAM = og.gradcam(NET, PHOTO, 1)
MAPS = og.feature_maps(NET, PHOTO, "conv1")["conv1"]
PHOTOS = list(np.random.default_rng(1).integers(0, 255, (20, 16, 16, 3), np.uint8))

ODD = [
    lambda: None,
    lambda: True,
    lambda: "",
    lambda: "\x1b[31m",
    lambda: -1,
    lambda: 1.5,
    lambda: float("nan"),
    lambda: float("inf"),
    lambda: 10**9,
    lambda: 10**30,
    list,
    lambda: [[]],
    dict,
    object,
    lambda: (item for item in ()),
    lambda: b"bytes",
    lambda: Path("nowhere"),
    lambda: NET,
    lambda: NET.model,
    lambda: np.float32(0.5),
    lambda: np.array(2),
    lambda: np.array("text"),
    lambda: np.array(None, object),
    lambda: np.full((2, 2), np.nan),
    lambda: ["text", 1],
    lambda: (1.5, 2),
    lambda: (1, 2, 3),
    lambda: (-1, 8),
]
"""What no argument is, or few are."""

CALLS = [
    *(
        (
            getattr(og, name),
            {"net": TOKENS if name in OF_ATTENTION else NET, "image": PHOTO, "target": 1},
        )
        for name in ATTRIBUTIONS
    ),
    (og.attention, {"net": TOKENS, "image": PHOTO, "layer": "block0_mha"}),
    (og.token_pca, {"net": TOKENS, "image": PHOTO, "layer": "block0_add1"}),
    (og.progressive_occlusion, {"net": NET, "image": PHOTO, "target": 1}),
    (og.feature_maps, {"net": NET, "image": PHOTO}),
    (og.kernels, {"net": NET, "layer": "conv1"}),
    (og.maximize, {"net": NET, "target": og.Filter("conv1", 0)}),
    (og.strongest_images, {"net": NET, "layer": "conv1", "photos": [PHOTO]}),
    (og.check, {"result": CAM}),
    (og.occlusion_probe, {"net": NET, "image": PHOTO}),
    (og.intervene, {"net": NET, "image": PHOTO, "changes": {og.Filter("conv1", 0): 0.0}}),
    (og.ablate, {"net": NET, "photos": [PHOTO], "layer": "conv1"}),
    (og.intervention_probe, {"net": NET, "image": PHOTO}),
    (og.Change, {"scale": 2.0}),
    (og.feature_map_probe, {"net": NET, "image": PHOTO, "layer": "conv1"}),
    (og.activation_histograms, {"net": NET, "layer": "conv1", "photos": [PHOTO]}),
    (
        og.pixel_arithmetic,
        {"net": NET, "image": PHOTO, "neuron": og.Neuron("conv1", (1, 1), 0)},
    ),
    (og.unit_differences, {"net": NET, "image": PHOTO, "other_image": PHOTO[::-1]}),
    (
        og.unit_correlations,
        {
            "net": NET,
            "image": PHOTO,
            "layer": "conv1",
            "other_net": NET,
            "other_layer": "conv1",
        },
    ),
    (
        og.concepts,
        {
            "net": NET,
            "photos": PHOTOS[:3],
            "layer": "conv1",
            "target": 1,
            "concepts": 2,
            "design": 4,
        },
    ),
    (og.factorize, {"net": NET, "image": PHOTO, "layer": "conv1", "concepts": 2}),
    (
        og.tcav,
        {
            "net": NET,
            "positive": PHOTOS[:8],
            "negative": PHOTOS[8:],
            "layer": "conv1",
            "target": 1,
            "photos": PHOTOS[:3],
            "runs": 2,
        },
    ),
    (og.report, {"net": NET, "images": PHOTO}),
    (og.Network, {"model": NET.model, "preprocess": "unit"}),
    (og.load_result, {"path": "result.npz"}),
    (og.side_by_side, {"results": [CAM]}),
    (og.layer_by_layer, {"maps": {"conv1": MAPS}, "channels": [0]}),
    (og.Class, {"label": 1}),
    (og.Filter, {"layer": "conv1", "channel": 1}),
    (og.Pad, {"pixels": 1}),
    (og.Jitter, {"pixels": 1}),
    (og.Rotate, {"degrees": 1.0}),
    (og.ColorJitter, {"shift": 0.5, "factor": 2.0}),
    (og.Noise, {"start": 0.5, "end": 0.1}),
    (og.Scale, {"low": 0.9, "high": 1.1}),
    (og.Crop, {"low": 0.5, "high": 0.9}),
    (og.Recipe, {"steps": 1, "optimizer": "adam", "learning_rate": 1.0}),
    (NET.prepare, {"image": PHOTO}),
    (NET.predict, {"image": PHOTO}),
    (NET.class_index, {"label": 1}),
    (NET.map_layers, {}),
    (CAM.overlay, {}),
    (CAM.mask, {"t": 0.5}),
    (CAM.save, {"path": "saved.npz"}),
    (MAPS.mosaic, {}),
    (MAPS.matrix, {}),
    (MAPS.histogram, {}),
    (MAPS.cell_at, {"y": 1, "x": 1}),
    (MAPS.strongest_at, {"y": 1, "x": 1}),
    (MAPS.receptive_field, {"row": 1, "column": 1}),
    (render.overlay, {"photo": PHOTO, "values": CAM.heatmap[0]}),
    (render.mosaic, {"maps": MAPS.values[0]}),
    (render.grid, {"pictures": [PHOTO] * 3}),
    (render.sheet, {"rows": [[PHOTO]]}),
    (render.write, {"picture": PHOTO, "path": "picture.png"}),
]
QUICK = {"patch": 8, "stride": 8, "samples": 2, "points": 2, "steps": 2, "recipe": "tutorial"}


@st.composite
def wrong_calls(draw):
    function, arguments = draw(st.sampled_from(CALLS))
    taken = {
        name: parameter
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind is not parameter.VAR_KEYWORD
    }
    quick = {name: value for name, value in QUICK.items() if name in taken}
    name = draw(st.sampled_from(list(taken)))
    return function, {**quick, **arguments}, name, draw(st.sampled_from(ODD))


@settings(
    max_examples=120,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(wrong_calls())
def test_any_argument_of_a_wrong_kind_is_one_sentence(tmp_path, call):
    function, arguments, name, odd = call
    assume(not (name == "progress" and callable(odd())))  # what it raises is its own
    before = Path.cwd()
    os.chdir(tmp_path)
    try:
        function(**{**arguments, name: odd()})
    except og.OptogramError as error:
        assert str(error).isprintable() and len(str(error)) <= 1000
    finally:
        os.chdir(before)


@pytest.mark.parametrize("kind", [np.int64, np.uint8, np.array])
def test_whole_numbers_of_any_kind_will_do(kind):
    plain = og.occlusion(NET, PHOTO, 1, patch=8, stride=4, margin=1)
    for patch in (kind(8), (kind(8), kind(8)), np.array([8, 8])):
        found = og.occlusion(NET, PHOTO, kind(1), patch=patch, stride=kind(4), margin=kind(1))
        np.testing.assert_array_equal(found.values, plain.values)
        assert found.parameters == plain.parameters
    assert len(NET.predict(PHOTO, top=kind(2))[0]) == 2
    assert og.smoothgrad(NET, PHOTO, samples=kind(2), seed=kind(3)).parameters["seed"] == 3
    assert og.strongest_images(NET, "conv1", [PHOTO], kind(1)).values.shape == (4, 1)
    assert MAPS.mosaic(columns=kind(2), cell=kind(8), margin=kind(1)).size
    assert og.Filter("conv1", kind(1)) == og.Filter("conv1", 1)


def test_what_is_no_whole_number():
    for odd in (True, np.True_, 2.0, np.float32(2), "2", None, [2], np.array([2]), 3.5, -1, 11):
        with pytest.raises(og.InputError, match="n must be a whole number, 1 to 10"):
            whole("n", odd, 1, 10)
    for odd in (True, "2", None, [2], float("nan"), float("inf"), 10**400, -1):
        with pytest.raises(og.InputError, match="rate must be a finite number, 0 or more"):
            number("rate", odd, 0)


def test_a_seed_is_said_to_be_wrong():
    for seed in (-1, 1.5, "abc", None, True):
        for method in (og.smoothgrad, og.maximize):
            with pytest.raises(og.InputError, match="seed must be a whole number"):
                method(NET, PHOTO if method is og.smoothgrad else og.Filter("conv1", 0), seed=seed)


def test_a_network_is_not_a_model_nor_a_file_nor_a_photo():
    for function, more in ((og.gradcam, (PHOTO,)), (og.kernels, ("conv1",)), (og.report, (PHOTO,))):
        for wrong in (NET.model, "vgg16", Path("model.keras"), PHOTO, None):
            with pytest.raises(og.InputError, match=r"a Network, .*optogram\.Network\(model\)"):
                function(wrong, *more)
    with pytest.raises(og.InputError, match="An image is a path"):
        og.gradcam(NET, NET)


def test_pictures_of_extreme_proportions(tmp_path):
    net = og.Network(
        keras.Sequential(
            [
                keras.Input((None, None, 3)),
                keras.layers.Conv2D(2, 3, padding="same", name="conv"),
                keras.layers.GlobalAveragePooling2D(),
                keras.layers.Dense(2, activation="softmax"),
            ]
        ),
        preprocess="unit",
    )
    for shape in ((6000, 1, 3), (1, 6000, 3)):
        photo = np.full(shape, 99, np.uint8)
        assert og.report(NET, photo, out=tmp_path).stat().st_size < 5_000_000
        assert max(og.gradcam(NET, photo).overlay(photo=photo).size) < 10_000
        assert max(og.saliency(net, photo, 0).plot().size) < 30_000
        assert max(og.feature_maps(net, photo)["conv"].mosaic().size) < 30_000
    with pytest.raises(og.InputError, match="smaller"):
        render.heatmap(np.eye(3), size=(10**6, 10**6))


def test_a_layer_that_is_recommended_is_taken():
    two = keras.Sequential(
        [
            keras.Input((16, 16, 3)),
            keras.layers.Conv2D(2, 3, name="first"),
            keras.layers.Conv2D(2, 3, name="second"),
            keras.layers.Conv2D(2, 3, name="third"),
            keras.layers.GlobalAveragePooling2D(name="pool"),
            keras.layers.Dense(2, name="dense"),
        ]
    )
    net = og.Network(two, preprocess="unit")
    for target, layer in ((og.Filter("second", 0), None), (0, "dense"), (0, "pool")):
        with pytest.raises(og.InputError, match="such as") as caught:
            og.gradcam(net, PHOTO, target, layer)
        recommended = str(caught.value).rpartition("such as ")[2].strip("'.")
        og.gradcam(net, PHOTO, target, recommended)
    with pytest.raises(og.InputError, match="no layer between the image and the score"):
        og.gradcam(net, PHOTO, og.Filter("first", 0), "second")


def test_an_unknown_argument_is_named_with_those_that_there_are():
    near = r"gradcam\(\) has no argument 'layers': did you mean 'layer'\?"
    with pytest.raises(TypeError, match=near):
        og.gradcam(NET, PHOTO, layers="conv1")
    with pytest.raises(TypeError, match=r"smoothgrad\(\) has no argument 'n': its .*, samples, "):
        og.smoothgrad(NET, PHOTO, n=3)
    with pytest.raises(
        TypeError, match=r"plot\(\) has no argument 'cmap': its arguments are cell, ax"
    ):
        CAM.plot(cmap="jet")
    with pytest.raises(TypeError, match=r"maximize\(\): missing .*'target'; its arguments are net"):
        og.maximize(NET)


def test_an_object_where_its_name_is_expected():
    for layer in (NET["conv1"], NET.model.get_layer("conv1")):
        with pytest.raises(og.InputError, match=r"give its name, 'conv1'\.$"):
            og.gradcam(NET, PHOTO, 1, layer=layer)
