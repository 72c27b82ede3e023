"""Layers by name or pattern, in Python and on the command line."""

import keras
import numpy as np
import pytest
from keras import layers

import networks
import optogram as og
from optogram.errors import InputError, nearest, similar

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def net():
    return og.Network(networks.build("fused"), "unit")


def test_a_pattern_stands_for_the_layers_with_feature_maps_in_their_order(net):
    assert net.layer_names("conv*") == ["conv1", "conv2", "conv3"]
    assert net.layer_names(["conv[23]", "conv1", "conv?"]) == ["conv2", "conv3", "conv1"]
    assert net.layer_names(["*"])[-1] == "conv3"  # no maps after it
    assert net.layer_names(["conv1:pre", "hidden"]) == ["conv1:pre", "hidden"]


def test_a_layer_may_be_called_as_a_pattern_is_written():
    image = x = keras.Input((8, 8, 3))
    for name in ("block[1]", "block1"):
        x = layers.Conv2D(2, 3, padding="same", name=name)(x)
    net = og.Network(keras.Model(image, layers.GlobalAveragePooling2D()(x)), "unit")
    assert net.layer_names("block[1]") == ["block[1]"]
    assert net.layer_names("block[12]") == ["block1"]


def test_functions_take_patterns(net):
    maps = og.feature_maps(net, np.zeros((16, 16, 3), np.uint8), "conv[12]")
    assert list(maps) == ["conv1", "conv2"]
    found = og.kernels(net, "*")  # convolutions only
    assert {name: result.layer for name, result in found.items()} == {
        "conv1": "conv1", "conv2": "conv2", "conv3": "conv3"
    }  # fmt: skip
    assert og.kernels(net, "conv1").values.shape == found["conv1"].values.shape
    assert list(og.kernels(net, ["conv3"])) == ["conv3"]


def test_names_and_patterns_without_layers(net):
    with pytest.raises(InputError, match=r"No layer .* with feature maps matches 'konv\*': .*conv"):
        net.layer_names("konv*")
    with pytest.raises(InputError, match="no layer 'conv9': the nearest are"):
        net.layer_names(["conv1", "conv9"])
    with pytest.raises(InputError, match=r"'po\*' matches only .* 'pool' \(MaxPooling2D\)"):
        og.kernels(net, "po*")


def test_names_with_the_same_words_are_suggested_first():
    names = ["block1_conv1", "block1_conv2", "block2_conv1", "pool", "fc1"]
    assert [names[i] for i in similar("conv1", names, 8)] == ["block1_conv1", "block2_conv1"]
    assert similar("blok2_conv1", names, 8)[0] == 2
    assert [names[i] for i in similar("pol", names, 8)] == ["pool"]
    assert nearest("conv1", iter(names)) == "the nearest are 'block1_conv1' and 'block2_conv1'"
    assert (
        nearest("conv", ["conv1", "conv2", "conv3"]) == "the nearest are 'conv1', 'conv2', 'conv3'"
    )
