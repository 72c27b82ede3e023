"""Values to colors."""

import numpy as np
import pytest

from optogram.errors import InputError
from optogram.render import DIVERGING, GRAY, SEQUENTIAL, Scale, colorize, overlay

pytestmark = pytest.mark.once


def chroma(color):
    return int(color.max()) - int(color.min())


def brightness(colors):
    return colors.astype(int).sum(axis=-1)


def test_more_is_brighter_on_the_sequential_map():
    assert (np.diff(brightness(colorize(np.arange(20)))) > 0).all()


def test_the_sign_survives_and_zero_is_neutral():
    negative, zero, positive = colorize(np.array([-1.0, 0.0, 1.0]))
    assert positive[0] > positive[2]
    assert negative[2] > negative[0]
    assert chroma(zero) <= 2 < min(chroma(positive), chroma(negative))


def test_a_zero_map_has_one_neutral_color():
    assert (colorize(np.zeros((3, 3))) == colorize(np.array([0, 1]))[0]).all()
    signed = colorize(np.zeros((3, 3)), Scale(0, 0, signed=True))
    assert (signed == colorize(np.array([-1, 0, 1]))[1]).all()


@pytest.mark.parametrize("cmap", [SEQUENTIAL, DIVERGING, GRAY, "cividis", "jet"])
def test_the_unknown_has_a_color_of_its_own(cmap):
    values = np.append(np.linspace(0, 1, 300), np.nan)
    *known, unknown = colorize(values, cmap=cmap).astype(int)
    assert np.abs(np.array(known) - unknown).max(axis=1).min() > 24


def test_infinity_is_unknown():
    unknown, infinite, _ = colorize(np.array([np.nan, np.inf, 1.0]))
    assert (unknown == infinite).all()


def test_colors_of_ones_own_run_from_bottom_to_top():
    bottom, _, top = colorize(np.array([0, 1, 2]), cmap=["#4C00FF", "#FFE0B3"])
    assert bottom.tolist() == [0x4C, 0x00, 0xFF]
    assert top.tolist() == [0xFF, 0xE0, 0xB3]


def test_any_shape_gains_a_last_axis():
    assert colorize(np.ones((2, 3, 4))).shape == (2, 3, 4, 3)
    assert colorize(np.ones((2, 3, 4))).dtype == np.uint8


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(InputError, match=r"'infernoo'; the nearest are .*inferno"):
        colorize(np.ones(2), cmap="infernoo")
    with pytest.raises(InputError, match="try 'inferno'"):
        colorize(np.ones(2), cmap="qqqqqqqqqq")


@pytest.mark.parametrize("cmap", [[], ["red"], ["red", "no color"]])
def test_colors_that_make_no_map_are_refused(cmap):
    with pytest.raises(InputError):
        colorize(np.ones(2), cmap=cmap)


def test_the_colors_of_r():
    ten = "4C00FF 0019FF 0080FF 00E5FF 00FF4D 4DFF00 E6FF00 FFFF00 FFDE59 FFE0B3"  # as R prints
    found = colorize((np.arange(10) + 0.5) / 10, Scale(0, 1), "topo.colors(10)")
    assert " ".join(bytes(color).hex().upper() for color in found) == ten
    ramp = colorize(np.linspace(0, 1, 1200), Scale(0, 1), "topo.colors(12)")
    colors, counts = np.unique(ramp, axis=0, return_counts=True)
    assert len(colors) == 12 and abs(counts - 100).max() <= 5
    assert [bytes(ramp[0]).hex(), bytes(ramp[-1]).hex()] == ["4c00ff", "ffe0b3"]
    with pytest.raises(InputError, match="2 to 257"):
        colorize(np.ones(2), cmap="topo.colors(1)")


def test_jet_of_opencv_is_three_trapezoids():
    middle, eighth = colorize([4, 1], Scale(0, 8), "opencv:jet")
    assert middle.tolist() == [128, 255, 128]
    assert eighth.tolist() == [0, 0, 255]
    assert colorize([0, 8], Scale(0, 8), "opencv:jet").tolist() == [[0, 0, 128], [128, 0, 0]]


RAINBOW = np.array([[0, 0, 255], [0, 255, 0], [255, 0, 0]], np.uint8)


class OfMatplotlib:
    """What matplotlib's color maps do when they are called."""

    def __call__(self, places):
        return np.stack([places, 1 - places, np.zeros_like(places), np.ones_like(places)], axis=-1)


@pytest.mark.parametrize(
    "cmap",
    [
        RAINBOW,
        RAINBOW / 255,
        np.hstack([RAINBOW, [[9], [8], [7]]]).astype(np.uint8),
        RAINBOW.tolist(),
        [tuple(color) for color in (RAINBOW / 255).astype(np.float32)],
    ],
)
def test_colors_as_numbers_run_from_bottom_to_top(cmap):
    found = colorize(np.array([0.0, 0.25, 0.5, 1.0]), Scale(0, 1), cmap)
    assert found.tolist() == [[0, 0, 255], [0, 128, 128], [0, 255, 0], [255, 0, 0]]
    photo = np.full((224, 8, 3), 90, np.uint8)
    drawn = overlay(photo, np.ones((2, 2)), style="added", opacity=1, cmap=cmap, bar=False)
    assert drawn.getpixel((4, 4)) == (255, 90, 90)


def test_a_callable_makes_colors_as_those_of_matplotlib_do():
    found = colorize(np.array([0.0, 0.5, 1.0]), Scale(0, 1), OfMatplotlib())
    assert found.tolist() == [[0, 255, 0], [128, 128, 0], [255, 0, 0]]


@pytest.mark.parametrize(
    ("cmap", "words"),
    [
        (RAINBOW / 128, "floats in 0…1"),
        (np.full((3, 3), np.nan), "floats in 0…1"),
        (RAINBOW.astype(int) - 1, "0…255"),
        (RAINBOW[:1], "at least two"),
        (RAINBOW[:, :2], r"\(colors, 3\)"),
        ([(0, 0, 0), (1, 1)], r"\(colors, 3\)"),
        (lambda places: places, r"\(colors, 3\)"),
        (lambda places: places.no, "fails for"),
    ],
)
def test_numbers_that_make_no_colors(cmap, words):
    with pytest.raises(InputError, match=words):
        colorize(np.ones(2), cmap=cmap)
