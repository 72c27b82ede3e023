"""All maps of a layer in one picture."""

import math

import numpy as np
import pytest

from optogram.errors import InputError
from optogram.render import Scale, colorize, mosaic

pytestmark = pytest.mark.once


def pixels(image):
    return np.asarray(image).astype(int)


def cells(image, columns, count, shape, margin=2):
    height, width = shape
    tops = [index // columns * (height + margin) for index in range(count)]
    lefts = [index % columns * (width + margin) for index in range(count)]
    return [
        pixels(image)[top : top + height, left : left + width]
        for top, left in zip(tops, lefts, strict=True)
    ]


@pytest.mark.parametrize("count", [1, 7, 128, 512])
def test_no_map_is_lost_and_the_rest_is_blank(count):
    codes = (np.arange(count)[:, None] >> np.arange(9)) & 1  # each map spells its own number
    maps = codes.T.reshape(3, 3, count)
    columns = math.ceil(math.sqrt(count))
    image = mosaic(maps, cell=6, bar=False, cmap="gray", scale=Scale(0, 1))
    rows = math.ceil(count / columns)
    assert image.size == (columns * 8 - 2, rows * 8 - 2)
    for cell, code in zip(cells(image, columns, count, (6, 6)), codes, strict=True):
        assert np.array_equal(cell[1::2, 1::2, 0].ravel(), code * 255)
    blank = cells(image, columns, rows * columns, (6, 6))[count:]
    assert all((cell == 255).all() for cell in blank)


def test_one_scale_is_common():
    maps = np.stack([np.full((2, 2), 1.0), np.full((2, 2), 4.0)], axis=-1)
    low, high = cells(mosaic(maps, cell=8), 2, 2, (8, 8))
    assert (low == colorize(1.0, Scale(0, 4))).all()
    assert (high == colorize(4.0, Scale(0, 4))).all()


def test_each_map_may_have_its_own_scale_and_then_no_bar():
    maps = np.stack([np.full((2, 2), 1.0), np.full((2, 2), 4.0)], axis=-1)
    image = mosaic(maps, cell=8, per_map=True)
    first, second = cells(image, 2, 2, (8, 8))
    assert np.array_equal(first, second)
    assert image.width == 18
    assert mosaic(maps, cell=8).width > 18


def test_own_scales_share_the_sign():
    maps = np.stack([np.full((2, 2), -1.0), np.full((2, 2), 4.0)], axis=-1)
    negative, positive = cells(mosaic(maps, cell=8, per_map=True), 2, 2, (8, 8))
    assert (negative == colorize(-1.0, Scale(-1, 1, True))).all()
    assert (positive == colorize(1.0, Scale(-1, 1, True))).all()


def test_maps_keep_their_proportions():
    assert mosaic(np.ones((10, 20, 4)), cell=40, bar=False).size == (82, 42)
    assert mosaic(np.ones((10, 20, 4)), cell=40, bar=False, columns=4).size == (166, 20)


def test_the_default_cell_is_a_whole_multiple_and_never_smaller():
    assert mosaic(np.ones((14, 14, 128)), bar=False).width == 12 * 86 - 2
    assert mosaic(np.ones((150, 150, 64)), bar=False).width == 8 * 152 - 2
    assert mosaic(np.ones((3, 3, 1)), bar=False).size == (126, 126)


def test_tiles_of_several_shapes_share_a_list():
    image = mosaic([np.ones((4, 4)), np.ones((2, 4))], cell=40, bar=False)
    wide = cells(image, 2, 2, (40, 40))[1]
    assert (wide[10:30] == colorize(1.0)).all()
    assert (wide[:10] == 255).all()


def test_labels_need_room_below():
    maps = np.ones((4, 4, 3))
    assert mosaic(maps, labels=list("abc")).height > mosaic(maps).height
    with pytest.raises(InputError, match="got 2 labels for 3 pictures"):
        mosaic(maps, labels=["a", "b"])


@pytest.mark.parametrize("dtype", ["bool", "uint8", "float16"])
def test_dtypes_are_alike(dtype):
    maps = np.eye(4)[..., None].repeat(3, -1)
    assert np.array_equal(mosaic(maps.astype(dtype)), mosaic(maps))


def test_the_input_is_left_as_it_is():
    maps = np.array([[[np.nan, -1.0], [2.0, 0.0]]])
    before = maps.copy()
    mosaic(maps)
    np.testing.assert_array_equal(maps, before)


@pytest.mark.parametrize(
    "maps, options",
    [
        (np.ones((2, 2)), {}),
        (np.ones((2, 2, 0)), {}),
        ([], {}),
        (np.ones((2, 2, 3)), {"columns": 0}),
        (np.ones((2, 2, 3)), {"cell": 0}),
        (np.ones((2, 2, 3)), {"margin": -1}),
        (np.ones((2, 2, 3)), {"per_map": True, "scale": Scale(0, 1)}),
    ],
)
def test_what_makes_no_mosaic_is_refused(maps, options):
    with pytest.raises(InputError):
        mosaic(maps, **options)


def test_each_map_from_its_lowest_to_its_highest():
    maps = np.stack([[[5.0, 6.0]], [[-3.0, -1.0]], [[2.0, 2.0]]], axis=-1)
    image = mosaic(maps, cell=8, columns=3, per_map="range", cmap="gray")
    for cell, ends in zip(cells(image, 3, 3, (4, 8)), ([0, 255], [0, 255], [0, 0]), strict=True):
        assert (cell[:, :4] == ends[0]).all() and (cell[:, 4:] == ends[1]).all()
    with pytest.raises(InputError, match="'all'"):
        mosaic(maps, per_map="all")
    with pytest.raises(InputError, match="not both"):
        mosaic(maps, per_map="range", scale=Scale(0, 1))
