"""A map alone, and its bar."""

import numpy as np
import pytest

from optogram.errors import InputError
from optogram.render import Scale, colorize, heatmap

pytestmark = pytest.mark.once


def pixels(image):
    return np.asarray(image).astype(int)


def corner(shape=(4, 6), cell=(0, 5), value=1.0):
    values = np.zeros(shape)
    values[cell] = value
    return values


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear", "nearest"])
def test_the_hottest_cell_is_the_brightest_at_its_place(interpolation):
    image = pixels(heatmap(corner(), size=(40, 60), bar=False, interpolation=interpolation))
    row, column = np.unravel_index(image.sum(axis=-1).argmax(), image.shape[:2])
    assert row < 10
    assert column >= 50


def test_the_size_is_kept_or_a_whole_multiple():
    assert heatmap(corner(), size=(31, 77), bar=False).size == (77, 31)
    assert heatmap(corner(), bar=False).size == (6 * 56, 4 * 56)
    assert heatmap(np.ones((300, 200)), bar=False).size == (200, 300)


def test_bar_and_title_stand_outside_the_map():
    bare = heatmap(corner(), size=(240, 360), bar=False)
    framed = heatmap(corner(), size=(240, 360), title="block5_conv3")
    assert framed.width > bare.width
    top = framed.height - 240
    assert top > 0
    assert np.array_equal(pixels(framed)[top:, :360], pixels(bare))


@pytest.mark.parametrize("values", [corner(value=3.0), corner(value=-3.0)])
def test_the_bar_runs_between_the_colors_of_its_ends(values):
    scale = Scale(-3, 3, True) if values.min() < 0 else Scale(0, 3)
    strip = pixels(heatmap(values, size=(240, 100)))[1:-1, 100 + 12]
    low, middle, high = colorize(
        np.array([scale.low, (scale.low + scale.high) / 2, scale.high]), scale
    )
    assert np.abs(strip[0] - high).max() < 10
    assert np.abs(strip[-1] - low).max() < 10
    assert np.abs(strip[len(strip) // 2] - middle).max() < 10


def test_numbers_fit_beside_a_picture_lower_than_they_are():
    image = heatmap(corner(value=-1.0), size=(8, 60))
    assert image.height > 8


def test_the_unknown_is_visible_and_spares_its_neighbors():
    values = np.full((4, 4), 0.5)
    values[1, 2] = np.nan
    known, unknown = colorize(np.array([0.5, np.nan]))
    image = pixels(heatmap(values, size=(40, 40), bar=False))
    assert (image[12:18, 22:28] == unknown).all()
    assert (image == known).all(axis=-1).sum() == 1600 - 100


@pytest.mark.parametrize("values", [np.zeros((3, 3)), np.full((3, 3), np.nan), np.ones((3, 3))])
def test_constant_maps_have_one_color(values):
    assert len(np.unique(pixels(heatmap(values, bar=False)).reshape(-1, 3), axis=0)) == 1
    heatmap(values)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "float16"])
def test_dtypes_are_alike(dtype):
    assert np.array_equal(heatmap(corner().astype(dtype)), heatmap(corner()))


def test_a_common_scale_makes_two_maps_comparable():
    scale = Scale(0, 2)
    half = heatmap(np.full((2, 2), 1.0), scale=scale, bar=False)
    full = heatmap(np.full((2, 2), 2.0), scale=scale, bar=False)
    assert not np.array_equal(half, full)
    assert np.array_equal(full, heatmap(np.full((2, 2), 7.0), scale=scale, bar=False))


@pytest.mark.parametrize("shape", [(3,), (2, 2, 2), (0, 3)])
def test_what_is_no_map_is_refused(shape):
    with pytest.raises(InputError, match=r"A map must have the shape \(h, w\)"):
        heatmap(np.ones(shape))
