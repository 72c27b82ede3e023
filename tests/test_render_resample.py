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


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear", "nearest"])
def test_a_cell_lands_at_its_own_place(interpolation):
    big = resize_map(at({(0, 2): 1}), (20, 30), interpolation)
    assert big.shape == (20, 30)
    assert big[5, 25] == pytest.approx(1, abs=0.11)
    assert big[15, 25] < 0.5 > big[5, 5]


def test_bilinear_centers_cells_on_pixel_areas():
    row = resize_map(np.array([[0, 1]], np.float32), (1, 8), "bilinear")[0]
    np.testing.assert_allclose(row, [0, 0, 0.125, 0.375, 0.625, 0.875, 1, 1])


def test_nearest_repeats_cells():
    unit = np.random.default_rng(0).random((3, 5), np.float32)
    blocks = resize_map(unit, (12, 20), "nearest")
    np.testing.assert_array_equal(blocks, unit.repeat(4, 0).repeat(4, 1))


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear", "nearest"])
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
    with pytest.raises(InputError, match="'bicubic', 'bilinear' or 'nearest', but got 'cubic'"):
        resize_map(at({}), (4, 4), "cubic")


# -- smooth maps -----------------------------------------------------------------------------------


def test_smooth_maps_have_the_values_of_the_cells_at_their_centers():
    cells = np.random.default_rng(1).normal(size=(7, 5)).astype(np.float32) * 1e-6
    for factors in ((31, 31), (3, 129)):
        big = resize_map(cells, (7 * factors[0], 5 * factors[1]))
        centers = big[factors[0] // 2 :: factors[0], factors[1] // 2 :: factors[1]]
        np.testing.assert_allclose(centers, cells, rtol=1e-5)


def test_smooth_maps_have_no_value_that_the_cells_around_do_not_have():
    cells = at({(2, 2): 1, (4, 3): -1}, (7, 7))
    big = resize_map(cells, (217, 217))
    assert (big.max(), big.min()) == (1, -1)
    assert (big[:31] == 0).all()  # no ring of the other sign
    positive = resize_map(np.maximum(cells, 0), (217, 217))
    assert positive.min() == 0 and (positive[4 * 31 :] == 0).all()


@pytest.mark.parametrize("seed", range(3))
def test_smooth_maps_have_no_edges(seed):
    """A third of the step is a third of the difference, also where plateaus meet slopes."""
    cells = np.random.default_rng(seed).choice([0.0, 0.8, 1.0], (7, 7)).astype(np.float32)
    for axis in (0, 1):
        coarse, fine = (
            np.abs(np.diff(resize_map(cells, (7 * factor, 7 * factor)), axis=axis)).max()
            for factor in (32, 96)
        )
        assert fine < 0.4 * coarse


def test_a_hot_cell_is_round_and_no_diamond():
    """At equal distances from the center of the cell, along the axes and along the diagonal."""
    near = {}
    for interpolation in ("bicubic", "bilinear"):
        big = resize_map(at({(3, 3): 1}, (7, 7)), (7 * 99, 7 * 99), interpolation)
        center, far = 3 * 99 + 49, 25
        step = round(far / 2**0.5)
        near[interpolation] = big[center, center + far], big[center + step, center + step]
    assert abs(np.diff(near["bicubic"])) < 0.01 < 0.05 < abs(np.diff(near["bilinear"]))


def test_a_part_beyond_the_map_continues_its_border():
    cells = np.random.default_rng(1).random((4, 6), np.float32)
    whole = resize_map(cells, (6 * 9, 10 * 9), box=(-1, -2, 5, 8))
    np.testing.assert_allclose(
        whole[2 * 9 - 5 : 5 * 9 : 9, 3 * 9 - 5 : 8 * 9 : 9][:3, :5], cells[:3, :5], rtol=1e-5
    )
    assert np.allclose(whole[0, 22], cells[0, 0])
