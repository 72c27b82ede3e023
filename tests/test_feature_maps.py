"""Feature maps and kernels: numbers, and the pictures that the tutorials make of them."""

import keras
import numpy as np
import pytest
from PIL import Image

import networks
import optogram as og
from optogram.errors import InputError
from optogram.render import Scale, colorize, mosaic, overlay
from optogram.result import FeatureMaps

pytestmark = pytest.mark.once

PHOTO = np.random.default_rng(0).integers(0, 256, (30, 45, 3), np.uint8)


@pytest.fixture(scope="module")
def net():
    return og.Network(networks.build("branches"), "unit")


@pytest.fixture(scope="module")
def flat():
    """A network whose end takes maps of one size alone, as VGG16's does."""
    return og.Network(networks.build("fused"), "unit")


def maps_of(values):
    values = np.asarray(values, np.float32)
    pictures = np.zeros((len(values), 8, 8, 3), np.uint8)
    return FeatureMaps(values, "feature_maps", {}, {}, (), pictures, "conv")


def made_by_keras(net, x, layer):
    part = keras.Model(net.model.inputs, net.model.get_layer(layer).output)
    return part.predict(x, verbose=0)


# -- numbers ---------------------------------------------------------------------------------------


@pytest.mark.each_backend
def test_all_layers_at_once_are_what_keras_makes_of_them(net):
    found = og.feature_maps(net, PHOTO)
    x = net.prepare(PHOTO)
    for layer, maps in found.items():
        np.testing.assert_allclose(maps.values, made_by_keras(net, x, layer), atol=1e-6)


@pytest.mark.each_backend
def test_photos_of_another_size_go_up_to_the_layers_that_take_them(flat):
    found = og.feature_maps(flat, [PHOTO, PHOTO[::-1]], ["conv1", "pool", "conv3"], size=(None, 24))
    assert {name: maps.values.shape[1:] for name, maps in found.items()} == {
        "conv1": (16, 24, 4), "pool": (8, 12, 6), "conv3": (6, 10, 6)
    }  # fmt: skip
    assert found["pool"].images.shape == (2, 16, 24, 3)
    # The same layers with the same weights in a model that takes any size.
    x = anywhere = keras.Input((None, None, 3))
    for layer in flat.model.layers[:4]:
        again = type(layer).from_config(layer.get_config())
        x = again(x)
        again.set_weights(layer.get_weights())
    small = [
        np.asarray(Image.fromarray(photo).resize((24, 16), Image.Resampling.LANCZOS))
        for photo in (PHOTO, PHOTO[::-1])
    ]
    expected = keras.Model(anywhere, x).predict(np.stack(small) / 255, verbose=0)
    np.testing.assert_allclose(found["conv3"].values, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("image", "more", "words"),
    [
        (PHOTO, {"size": (3, 3)}, "conv3"),
        (PHOTO, {"size": (0, 4)}, "size must be"),
        (PHOTO, {"size": (24, 24), "fit": "squash"}, "stretch"),
        ([], {"size": (24, 24)}, "at least one image"),
        ([PHOTO, PHOTO[:, :9]], {"size": (None, 24)}, "one size"),
        (np.zeros((1, 16, 16, 3), np.float32), {"size": (24, 24)}, "prepared already"),
    ],
)
def test_sizes_that_cannot_be_fed(flat, image, more, words):
    with pytest.raises(InputError, match=words) as error:
        og.feature_maps(flat, image, ["conv1", "conv3"], **more)
    assert "\n" not in str(error.value)


def test_the_strongest_map_and_its_matrix():
    maps = maps_of(np.arange(2 * 4 * 3).reshape(1, 2, 4, 3) * [1, -1, 2])
    np.testing.assert_array_equal(maps.strongest(2), [[2, 0]])
    np.testing.assert_array_equal(maps.matrix(), maps.values[0, ..., 2])
    np.testing.assert_array_equal(maps.matrix(1), maps.values[0, ..., 1])
    for missing in (3, -1):
        with pytest.raises(InputError, match=r"3 maps, numbered 0 to 2"):
            maps.matrix(missing)


# -- pictures --------------------------------------------------------------------------------------


def test_each_map_in_a_file_of_its_own_on_the_scale_of_the_layer(tmp_path):
    values = np.zeros((1, 2, 3, 12))
    values[0, 1, 2] = np.arange(12)
    told = []
    files = maps_of(values).write_each(
        tmp_path, cell=6, bar=False, cmap="gray", progress=lambda *step: told.append(step)
    )
    assert sorted(tmp_path.iterdir()) == files == [tmp_path / f"{i:02}.png" for i in range(12)]
    for channel, file in enumerate(files):
        pixels = np.asarray(Image.open(file))
        assert pixels.shape == (4, 6, 3)
        expected = colorize(channel, Scale(0, 11), "gray")
        assert (pixels[2:, 4:] == expected).all() and not pixels[:2].any()
    assert told[-1][:2] == (12, 12) and [step[0] for step in told] == list(range(13))
    again = maps_of(values).write_each(tmp_path, channels=[3])
    assert again == [tmp_path / "03.png"]


def test_a_map_over_the_photo_at_its_own_size(tmp_path):
    maps = maps_of(np.random.default_rng(1).random((1, 3, 3, 4)))
    photo = np.random.default_rng(2).integers(0, 256, (240, 300, 3), np.uint8)
    Image.fromarray(photo).save(tmp_path / "photo.png")
    expected = np.asarray(overlay(photo, maps.matrix(), bar=False))
    for given in (photo, Image.fromarray(photo), tmp_path / "photo.png"):
        np.testing.assert_array_equal(maps.overlay(photo=given, bar=False), expected)
    with pytest.raises(InputError, match="does not exist"):
        maps.overlay(photo=tmp_path / "gone.png")


def test_layers_are_rows_and_channels_columns():
    first = maps_of(np.random.default_rng(0).random((1, 4, 4, 6)))
    second = maps_of(np.random.default_rng(1).random((1, 2, 2, 3)) + 7)
    picture = np.asarray(og.layer_by_layer({"one": first, "two": second}, range(3), cell=16))
    rows = [
        np.asarray(
            mosaic(maps.values[0][..., :3], columns=3, cell=16, per_map="range", labels=list("012"))
        )
        for maps in (first, second)
    ]
    places = np.lib.stride_tricks.sliding_window_view(picture, rows[0].shape)[:, :, 0]
    tops = [np.argwhere((places == row).all(axis=(2, 3, 4)))[0, 0] for row in rows]
    assert tops[0] + len(rows[0]) <= tops[1]
    with pytest.raises(InputError, match="3 maps"):
        og.layer_by_layer({"one": first, "two": second}, range(4))
    with pytest.raises(InputError, match="at least one layer"):
        og.layer_by_layer({})


def test_chosen_kernels_share_the_scale_of_all(net):
    kernels = og.kernels(net, "last")
    shown = kernels.values[:, :, 2]
    expected = mosaic(
        shown[..., [3, 0]],
        scale=Scale(shown.min(), shown.max()),
        cmap="gray",
        columns=2,
        unit="weight",
    )
    np.testing.assert_array_equal(kernels.mosaic(2, [3, 0], columns=2), expected)
    with pytest.raises(InputError, match="4 kernels"):
        kernels.mosaic(filters=[4])
    with pytest.raises(InputError, match="input channels"):
        kernels.mosaic(channel=99)


def test_the_map_that_contributes_most_is_not_the_one_that_is_always_on():
    # Maps: always on; twice the image; the image, which the score does not read.
    image = keras.Input((4, 4, 1))
    maps = keras.layers.Conv2D(3, 1, name="maps")
    pooled = keras.layers.Dense(1, use_bias=False, name="score")
    weighted = keras.layers.Flatten()(maps(image))
    net = og.Network(keras.Model(image, pooled(weighted)), preprocess="none")
    maps.set_weights([np.array([[[[0.0, 2.0, 5.0]]]], np.float32), np.array([9, 0, 0], np.float32)])
    slopes = np.random.default_rng(0).uniform(1, 2, (4, 4, 3)).astype(np.float32)
    slopes[..., 2] = 0
    pooled.set_weights([slopes.reshape(-1, 1)])
    x = np.random.default_rng(1).random((2, 4, 4, 1), np.float32)

    found = og.feature_maps(net, x, "maps", target=0)["maps"]
    assert found.strongest(1)[0] == 0, "the highest mean is that of the map that is always on"
    np.testing.assert_array_equal(found.strongest(1, "variation"), [[2], [2]])
    np.testing.assert_array_equal(found.strongest(3, by="contribution"), [[1, 0, 2], [1, 0, 2]])
    varying = 2 * (x - x.mean(axis=(1, 2), keepdims=True))[..., 0]
    literal = np.abs(varying * slopes[..., 1]).sum(axis=(1, 2))
    np.testing.assert_allclose(found.contributions[:, 1], literal, rtol=1e-4)
    np.testing.assert_allclose(found.contributions[:, [0, 2]], 0, atol=1e-5)
    np.testing.assert_array_equal(
        found.values, og.feature_maps(net, x, "maps")["maps"].values, "the same maps"
    )
    with pytest.raises(InputError, match="target="):
        og.feature_maps(net, x, "maps")["maps"].strongest(1, "contribution")
    with pytest.raises(InputError, match="by must be"):
        found.strongest(1, "size")
    with pytest.raises(InputError, match="2 images and 3 targets"):
        og.feature_maps(net, x, "maps", target=[0, 0, 0])
