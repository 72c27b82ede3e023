"""Maps and photos at another size."""

import numpy as np
import pytest
from PIL import Image

from optogram.errors import InputError
from optogram.render import as_image
from optogram.render.resample import enlarged, resize_map, resized

pytestmark = pytest.mark.once


def at(cells, shape=(2, 3)):
    unit = np.zeros(shape, np.float32)
    for cell, value in cells.items():
        unit[cell] = value
    return unit


@pytest.mark.parametrize("interpolation", ["bilinear", "nearest"])
def test_a_cell_lands_at_its_own_place(interpolation):
    big = resize_map(at({(0, 2): 1}), (20, 30), interpolation)
    assert big.shape == (20, 30)
    assert big[5, 25] == pytest.approx(1, abs=0.11)
    assert big[15, 25] < 0.5 > big[5, 5]


def test_bilinear_centers_cells_on_pixel_areas():
    row = resize_map(np.array([[0, 1]], np.float32), (1, 8))[0]
    np.testing.assert_allclose(row, [0, 0, 0.125, 0.375, 0.625, 0.875, 1, 1])


def test_nearest_repeats_cells():
    unit = np.random.default_rng(0).random((3, 5), np.float32)
    blocks = resize_map(unit, (12, 20), "nearest")
    np.testing.assert_array_equal(blocks, unit.repeat(4, 0).repeat(4, 1))


@pytest.mark.parametrize("interpolation", ["bilinear", "nearest"])
def test_shrinking_loses_no_cell(interpolation):
    assert resize_map(at({(7, 7): 1}, (16, 16)), (4, 4), interpolation).max() > 0


def test_an_unknown_cell_keeps_its_borders_and_spares_its_neighbors():
    unit = np.full((4, 4), 0.5, np.float32)
    unit[1, 2] = np.nan
    big = resize_map(unit, (40, 40))
    unknown = np.isnan(big)
    assert unknown[10:20, 20:30].all()
    assert unknown.sum() == 100
    np.testing.assert_allclose(big[~unknown], 0.5, rtol=1e-6)


def test_a_map_of_nothing_known_stays_unknown():
    assert np.isnan(resize_map(np.full((2, 2), np.nan, np.float32), (8, 8))).all()


def test_photos_come_in_several_shapes():
    photo = np.arange(12, dtype=np.uint8).reshape(3, 4)
    expected = np.repeat(photo[..., None], 3, axis=-1)
    for same in (photo, photo[..., None], expected, Image.fromarray(photo)):
        assert np.array_equal(as_image(same), expected)


@pytest.mark.parametrize(
    "photo", [np.zeros((4, 4)), np.zeros((4, 4, 2), np.uint8), np.zeros((0, 4), np.uint8)]
)
def test_what_is_no_photo_is_refused(photo):
    with pytest.raises(InputError, match="A photo must be"):
        as_image(photo)


def test_small_photos_grow_by_a_whole_factor_and_large_ones_stay():
    small = np.random.default_rng(0).integers(0, 255, (28, 20, 3), np.uint8)
    assert np.array_equal(enlarged(small), small.repeat(8, 0).repeat(8, 1))
    assert enlarged(np.zeros((300, 200), np.uint8)).size == (200, 300)


def test_pixels_stay_visible_when_a_picture_is_enlarged():
    picture = Image.fromarray(np.array([[0, 255]], np.uint8))
    assert set(np.unique(resized(picture, (10, 20)))) == {0, 255}


def test_unusable_sizes_and_interpolations_are_refused():
    with pytest.raises(InputError, match="Height and width must be"):
        resize_map(at({}), (0, 4))
    with pytest.raises(InputError, match="'bilinear' or 'nearest', but got 'cubic'"):
        resize_map(at({}), (4, 4), "cubic")
