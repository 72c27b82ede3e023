"""Maps as arrays at the size of the photo: what overlays color."""

import numpy as np
import pytest

import networks
import optogram as og
from optogram.errors import InputError
from optogram.render import map_on
from optogram.render.colors import color_table, paint
from optogram.render.display import to_unit

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def net():
    return og.Network(networks.build("branches"), "unit", ["ant", "bee", "cat", "dog", "emu"])


@pytest.fixture(scope="module")
def photos(chelsea):
    return [chelsea, np.ascontiguousarray(chelsea[:, 100:330])]


METHODS = {
    "gradcam": og.gradcam,
    "saliency": og.saliency,
    "occlusion": lambda *args, **more: og.occlusion(*args, patch=6, **more),
}


@pytest.mark.parametrize("fit", ["stretch", "crop", "pad"])
@pytest.mark.parametrize("method", METHODS)
def test_an_overlay_is_the_array_in_colors(method, fit, net, photos):
    found = METHODS[method](net, photos, [1, 3], fit=fit)
    for index, photo in enumerate(photos):
        array = found.at("photo", index)
        assert array.shape == photo.shape[:2]
        assert array.dtype == np.float32
        over = found.overlay(index, photo=photo, style="added", opacity=1, bar=False)
        scale = found.scale(index) if method == "saliency" else None
        if scale is None:
            highest = max(0.0, float(found.map_on_image(index).max()))
            scale = og.render.Scale(0.0, highest)
        heat = paint(to_unit(array, scale), color_table(scale, og.render.OPENCV_JET))
        known = np.isfinite(array)
        expected = np.clip(photo.astype(float) + heat, 0, 255)
        np.testing.assert_array_equal(np.asarray(over)[known], expected[known].astype(np.uint8))
        np.testing.assert_array_equal(np.asarray(over)[~known], photo[~known])
        assert known.all() == (fit != "crop")


def test_values_at_the_centers_of_cells_are_the_values_of_the_map(net, photos):
    found = og.gradcam(net, photos, 1, "stem")
    height, width = found.values.shape[1:]
    array = found.at((3 * height, 3 * width), 1)
    np.testing.assert_allclose(array[1::3, 1::3], found.values[1], rtol=1e-5, atol=1e-7)


def test_sizes(net, photos):
    found = og.gradcam(net, photos[0], 1)
    assert found.at("network").shape == found.images.shape[1:3]
    assert found.at((7, 9)).shape == (7, 9)
    maps = og.feature_maps(net, photos, ["stem"])["stem"]
    array = maps.at("photo", 2, 1)
    np.testing.assert_array_equal(array, map_on(photos[1].shape[:2], maps.values[1, ..., 2]))
    np.testing.assert_array_equal(maps.at("photo"), maps.at("photo", maps.strongest(1)[0, 0]))


def test_a_loaded_result_has_the_same_array(net, photos, tmp_path):
    found = METHODS["occlusion"](net, photos[0], 1, fit="crop")
    loaded = og.load_result(found.save(tmp_path / "found.npz"))
    np.testing.assert_array_equal(loaded.at("photo"), found.at("photo"))
    scores = found.at("photo", of="scores")
    known = np.isfinite(scores)
    np.testing.assert_allclose(scores[known], (found.score - found.at("photo"))[known], atol=1e-5)


@pytest.mark.parametrize(
    ("size", "words"),
    [
        ("phone", "size must be 'photo' or 'network' or 2 whole numbers"),
        ((0, 3), "size, height and width, must be a whole number, 1 or more"),
        ("photo", "The size of the photo is not known"),
    ],
)
def test_sizes_that_cannot_be(size, words, net):
    x = networks.images_for(net.model, count=1)
    with pytest.raises(InputError, match=words):
        og.gradcam(net, x, 1).at(size)


@pytest.mark.parametrize("other", [1, -1], ids=["unsigned", "signed"])
def test_an_even_overlay_leaves_the_photo_where_the_map_is_neutral(other, chelsea):
    values = np.zeros(chelsea.shape[:2])
    values[100:150, 200:260] = 2
    values[20:60, 20:60] = other
    over = np.asarray(og.render.overlay(chelsea, values, bar=False), int)
    neutral = values == 0
    np.testing.assert_array_equal(over[neutral], chelsea[neutral])
    assert np.abs(over - chelsea)[~neutral].mean() > 20
