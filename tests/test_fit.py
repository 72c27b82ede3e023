"""Bringing pictures to size: stretch, crop and pad, and where each pixel came from."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from optogram.errors import InputError
from optogram.pictures.fit import FITS, fit_picture, seen_region
from optogram.pictures.read import read_picture

pytestmark = pytest.mark.once

RED, WHITE = (255, 0, 0), (255, 255, 255)


@pytest.fixture(scope="module")
def cat() -> np.ndarray:
    return pytest.importorskip("skimage.data").chelsea()


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def noise(*shape) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("size", [(224, 224), (50, 400), (700, 33), (1, 1)])
def test_every_fit_gives_the_size(cat, fit, size):
    for picture in (cat, cat.astype(np.float32) / 3, cat[..., :1], cat.repeat(3, axis=2)):
        fitted = fit_picture(picture, size, fit)
        assert fitted.shape == (*size, picture.shape[2])
        assert fitted.dtype == np.float32
        assert fitted.min() >= 0
        assert fitted.max() <= 255


@pytest.mark.parametrize("fit", FITS)
def test_a_picture_of_the_right_size_is_not_touched(cat, fit):
    for size in (None, (None, None), cat.shape[:2], (300, None), (None, 451)):
        for picture in (cat, cat / np.float32(7)):
            np.testing.assert_array_equal(fit_picture(picture, size, fit), picture)


def test_stretch_is_keras_load_img(folder, cat):
    keras = pytest.importorskip("keras")
    Image.fromarray(cat).save("cat.png")
    loaded = keras.utils.load_img("cat.png", target_size=(224, 224), interpolation="lanczos")
    fitted = fit_picture(read_picture("cat.png"), (224, 224))
    np.testing.assert_array_equal(fitted, np.asarray(loaded))


def test_float_and_byte_pictures_agree(cat):
    byte = fit_picture(cat, (100, 90))
    floats = fit_picture(cat.astype(np.float32), (100, 90))
    assert np.abs(byte - floats).max() <= 1.01


def test_an_open_side_keeps_the_proportions():
    picture = noise(100, 50, 3)
    assert fit_picture(picture, (40, None)).shape == (40, 20, 3)
    assert fit_picture(picture, (None, 40), "pad").shape == (80, 40, 3)
    assert fit_picture(picture, (1, None), "crop").shape == (1, 1, 3)


def test_crop_cuts_the_center_and_does_not_blur_what_needs_no_scaling():
    picture = noise(33, 20, 3)
    np.testing.assert_array_equal(fit_picture(picture, (20, 20), "crop"), picture[6:26])
    assert seen_region((33, 20), (20, 20), "crop") == (6, 0, 26, 20)
    assert seen_region((200, 400), (50, 50), "crop") == (0, 100, 200, 300)


@pytest.mark.parametrize("fit", ["crop", "pad"])
def test_no_rounding_reaches_past_the_photo_or_the_canvas(fit):
    """Every pair of small sizes; a photo in the right proportions is seen exactly whole."""
    for height, width, out_height, out_width in itertools.product(range(1, 60, 7), repeat=4):
        photo = np.zeros((height, width, 1), np.uint8)
        assert fit_picture(photo, (out_height, out_width), fit).shape == (out_height, out_width, 1)
        region = seen_region((height, width), (out_height, out_width), fit)
        if height * out_width == width * out_height:
            assert region == (0, 0, height, width)
        if fit == "crop":
            assert min(region) >= 0
            assert region[2] <= height
            assert region[3] <= width


def test_pad_shows_the_whole_photo_on_mid_gray():
    picture = np.zeros((20, 40, 3), np.uint8)
    padded = fit_picture(picture, (20, 20), "pad")
    assert (padded[:5] == 127.5).all()
    assert (padded[5:15] == 0).all()
    assert (padded[15:] == 127.5).all()
    assert seen_region((20, 40), (20, 20), "pad") == (-10, 0, 30, 40)


def test_stretch_sees_the_whole_photo():
    assert seen_region((33, 20), (7, 9)) == (0, 0, 33, 20)
    assert seen_region((33, 20), None) == (0, 0, 33, 20)


@pytest.mark.parametrize("fit", FITS)
def test_the_seen_region_is_where_the_pixels_come_from(fit):
    """A ramp reads its own coordinate, so every pixel tells where in the photo it was."""
    height, width = 150, 200
    margin = 36  # three output pixels, the reach of Lanczos: nearer the border the ramp bends
    rows, columns = np.mgrid[:height, :width] + np.float32(0.5)
    ramp = np.stack([rows, columns], axis=-1)
    size = (24, 17)
    fitted = fit_picture(ramp, size, fit)
    top, left, bottom, right = seen_region((height, width), size, fit)
    expected_rows = top + (np.arange(size[0]) + 0.5) * (bottom - top) / size[0]
    expected_columns = left + (np.arange(size[1]) + 0.5) * (right - left) / size[1]
    inside = (expected_rows > margin) & (expected_rows < height - margin)
    assert inside.sum() >= 4
    np.testing.assert_allclose(fitted[inside, 8, 0], expected_rows[inside], atol=0.05)
    inside = (expected_columns > margin) & (expected_columns < width - margin)
    np.testing.assert_allclose(fitted[12, inside, 1], expected_columns[inside], atol=0.05)


@pytest.mark.parametrize("size", [(0, 5), (-1, None), (5,), (1, 2, 3), 224, (2.5, 3), ("a", "b")])
def test_bad_sizes(size):
    with pytest.raises(InputError, match="size must be") as caught:
        fit_picture(noise(4, 4, 3), size)
    assert repr(size) in str(caught.value)


def test_an_unknown_fit_names_the_three():
    with pytest.raises(InputError, match=r"'stretch', 'crop', 'pad', not 'crops'.*'crop'"):
        fit_picture(noise(4, 4, 3), (2, 2), "crops")
    with pytest.raises(InputError, match="fit must be"):
        seen_region((4, 4), (2, 2), None)


def test_the_former_name_of_a_fit_leads_to_its_new_one():
    with pytest.raises(InputError, match="not 'squash': it is called 'stretch' now"):
        fit_picture(noise(4, 4, 3), (2, 2), "squash")
