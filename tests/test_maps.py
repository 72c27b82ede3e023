"""Mosaics of kernels and maps: which are drawn, and on whose scale."""

import numpy as np
import pytest

from optogram.errors import InputError
from optogram.render import Scale, colorize
from optogram.result import FeatureMaps, Kernels, layer_by_layer

pytestmark = pytest.mark.once

GRAY = np.arange(24, dtype=np.float32).reshape(2, 1, 1, 12) - 6  # twelve kernels of 2×1


def kernels(values, input="maps", **more):
    return Kernels(values, "kernels", {"input": input, **more}, {}, (), layer="conv")


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


def test_all_kernels_of_a_depthwise_convolution_are_drawn():
    values = np.arange(12, dtype=np.float32).reshape(1, 1, 6, 2)
    found = kernels(values, "RGB", is_depthwise=True)
    drawn = cells(found.mosaic(columns=12, cell=2, bar=False), 12, 12, (2, 2))[:, 0]
    np.testing.assert_allclose(drawn, np.arange(12) / 11 * 255, atol=1)  # as in the layer's output
    own = cells(found.mosaic(2, columns=2, cell=2, bar=False), 2, 2, (2, 2))[:, 0]
    assert own.tolist() == [0, 255]
    assert (found.count(), found.count(2)) == (12, 2)
    assert found.caption() == "conv: 12 depthwise kernels 1×1, one channel each, 6 channels"
    with pytest.raises(InputError, match="12 kernels"):
        found.mosaic(filters=[12])


@pytest.mark.parametrize(
    ("shape", "more", "words"),
    [
        ((3, 3, 3, 8), {"input": "RGB"}, "conv: 8 kernels 3×3, in RGB"),
        ((3, 3, 16, 8), {}, "conv: 8 kernels 3×3, input channel 0 of 16"),
        (
            (3, 3, 1, 9),
            {"input": "RGB", "groups": 3},
            "conv: 9 kernels 3×3, one input channel in each of 3 groups",
        ),
    ],
)
def test_titles_say_what_is_shown(shape, more, words):
    found = kernels(np.ones(shape, np.float32), **more)
    assert found.caption() == words
    found.plot()


def test_signed_layers_keep_the_two_sided_scale_in_every_picture():
    """Also where the maps drawn have no negative value."""
    values = np.stack([np.full((2, 2), 1.0), [[0.5, 1], [1, 1]], np.full((2, 2), -2.0)], axis=-1)
    maps = FeatureMaps(
        values[None].astype(np.float32),
        "feature_maps",
        {},
        {},
        (),
        np.full((1, 224, 224, 3), 128, np.uint8),
        "conv",
    )
    red = colorize(1.0, Scale(-1, 1, signed=True))
    drawn = np.asarray(maps.mosaic(channels=[0], cell=8, bar=False))
    assert (drawn == red).all()
    layers = np.asarray(layer_by_layer({"conv": maps}, [0], cell=8))
    assert (layers == red).all(axis=-1).sum() == 64
    over = np.asarray(maps.overlay(0, bar=False)).astype(int)
    assert (over[..., 0] > over[..., 2] + 40).all()
