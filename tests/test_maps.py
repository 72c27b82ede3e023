"""Mosaics of kernels and maps: which are drawn, and on whose scale."""

import numpy as np
import pytest

from optogram.errors import InputError
from optogram.result import FeatureMaps, Kernels

pytestmark = pytest.mark.once

GRAY = np.arange(24, dtype=np.float32).reshape(2, 1, 1, 12) - 6  # twelve kernels of 2×1


def kernels(values, input="maps"):
    return Kernels(values, "kernels", {"input": input}, {}, (), layer="conv")


def cells(picture, columns, count, cell):
    """The upper left pixel of each cell of a mosaic with margins of 2, top row first."""
    height, width = cell
    pixels = np.asarray(picture).astype(int)
    places = [divmod(index, columns) for index in range(count)]
    return np.array([pixels[row * (height + 2), column * (width + 2)] for row, column in places])


def test_chosen_kernels_are_drawn_in_their_order_on_the_scale_of_all():
    """Tutorial row C2 draws 15 of 32, scaled by the smallest and the largest of all."""
    picture = kernels(GRAY).mosaic(filters=[11, 0, 3], columns=3, cell=2, bar=False)
    drawn = cells(picture, 3, 3, (2, 1))[:, 0]
    whole = GRAY[0, 0, 0, [11, 0, 3]]
    expected = (whole - GRAY.min()) / (GRAY.max() - GRAY.min()) * 255
    np.testing.assert_allclose(drawn, expected, atol=1)


def test_chosen_kernels_in_color_are_as_among_all():
    values = np.random.default_rng(0).normal(size=(2, 2, 3, 6)).astype(np.float32)
    for colors in ("RGB", "BGR"):
        found = kernels(values, colors)
        every = cells(found.mosaic(columns=6, cell=2), 6, 6, (2, 2))
        some = cells(found.mosaic(filters=[5, 1], columns=2, cell=2), 2, 2, (2, 2))
        np.testing.assert_array_equal(some, every[[5, 1]])


@pytest.mark.parametrize("number", [12, -13])
def test_a_number_beyond_the_last(number):
    with pytest.raises(
        InputError, match=rf"'conv' has 12 kernels, numbered 0 to 11: {number} is out of"
    ):
        kernels(GRAY).mosaic(filters=[0, number])
    maps = FeatureMaps(
        np.zeros((1, 2, 2, 12), np.float32),
        "feature_maps",
        {},
        {},
        (),
        np.zeros((1, 4, 4, 3), np.uint8),
        "conv",
    )
    with pytest.raises(InputError, match=f"{number} is out of range"):
        maps.mosaic(channels=[number])
