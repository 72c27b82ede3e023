"""A map over its photo, and a photo through a mask."""

import numpy as np
import pytest

from optogram.errors import InputError
from optogram.render import Scale, colorize, overlay, through_mask

pytestmark = pytest.mark.once

GRAY = np.full((240, 320, 3), 90, np.uint8)
NOISE = np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8)


def pixels(image):
    return np.asarray(image).astype(int)


def spot(cell, value=1.0, shape=(6, 8)):
    values = np.zeros(shape)
    values[cell] = value
    return values


def test_the_heat_lies_where_the_map_has_it():
    change = np.abs(pixels(overlay(GRAY, spot((1, 6)), bar=False)) - 90).sum(axis=-1)
    row, column = np.unravel_index(change.argmax(), change.shape)
    assert 40 <= row < 80
    assert 240 <= column < 280


@pytest.mark.parametrize("value", [1.0, -1.0])
def test_neutral_places_leave_a_gray_photo_untouched(value):
    image = pixels(overlay(GRAY, spot((1, 6), value), bar=False))
    assert (image[120:] == 90).all()
    assert (image[:, :160] == 90).all()


def test_neutral_places_are_the_photo_and_others_lose_color_and_no_light():
    scale = Scale(0, 1)
    image = pixels(overlay(NOISE, np.zeros((2, 2)), bar=False, scale=scale))
    np.testing.assert_array_equal(image, NOISE)
    luma = np.array([0.299, 0.587, 0.114])
    image = pixels(overlay(NOISE, np.ones((2, 2)), bar=False, scale=scale, opacity=0))
    assert np.abs(image @ luma - NOISE @ luma).max() < 1
    assert 0 < np.ptp(image, axis=-1).mean() < 0.5 * np.ptp(NOISE, axis=-1).mean()


def test_the_sign_survives():
    positive = pixels(overlay(GRAY, spot((0, 0)) - spot((5, 7)), bar=False))
    assert positive[2, 2, 0] > positive[2, 2, 2]
    assert positive[-2, -2, 2] > positive[-2, -2, 0]


def test_opacity_rises_with_the_value_and_hides_no_more_than_asked():
    ramp = np.linspace(0, 1, 320)[None]
    black = pixels(overlay(GRAY * 0, ramp, bar=False, cmap="gray", opacity=0.5))
    assert (np.diff(black[0, :, 0]) >= 0).all()
    assert black.max() == 128
    assert np.array_equal(overlay(GRAY, ramp, bar=False, opacity=0), GRAY)


def test_the_bar_is_blended_as_the_map_is():
    gray = np.full((240, 320, 3), 128, np.uint8)
    image = pixels(overlay(gray, np.ones((2, 2))))
    strip = image[1:-1, 320 + 12]
    assert np.abs(strip[0] - image[120, 160]).max() < 10
    assert np.abs(strip[-1] - 128).max() < 10


def test_the_unknown_is_visible():
    values = spot((1, 6))
    values[4, 2] = np.nan
    image = pixels(overlay(GRAY, values, bar=False))
    assert (image[165:195, 85:115] != 90).all()
    assert (image[200:] == 90).all()


def test_photos_keep_their_size_unless_small():
    assert overlay(GRAY, np.ones((7, 7)), bar=False).size == (320, 240)
    assert overlay(np.zeros((28, 20, 1), np.uint8), np.ones((7, 7)), bar=False).size == (160, 224)
    assert overlay(GRAY, np.ones((7, 7)), title="tabby").height > 240


def test_the_mask_opens_the_photo():
    mask = np.zeros((6, 8), bool)
    mask[1, 6] = True
    image = pixels(through_mask(NOISE, mask))
    assert np.array_equal(image[40:80, 240:280], NOISE[40:80, 240:280])
    image[40:80, 240:280] = 0
    assert image.max() < 40


def test_inputs_are_left_as_they_are():
    photo, values, mask = NOISE.copy(), spot((1, 1), -1.0), np.ones((2, 2), bool)
    overlay(photo, values)
    through_mask(photo, mask)
    assert np.array_equal(photo, NOISE)
    assert np.array_equal(values, spot((1, 1), -1.0))


def test_alpha_is_the_blend_of_the_tutorial():
    steps = np.arange(20) / 19
    values = np.repeat(-3 + (np.arange(20) + 0.5) / 20, 16)[None].repeat(240, 0)  # middles of steps
    values[0, 0], values[0, -1] = -3, -2
    image = pixels(overlay(NOISE, values, style="alpha", bar=False))
    viridis = colorize(steps, Scale(0, 1), "viridis").astype(float)
    alpha = np.floor(np.linspace(0, 255, 20)) / 255
    on_paper = alpha[:, None] * viridis + (1 - alpha[:, None]) * 255
    expected = 0.3 * NOISE + 0.7 * on_paper.repeat(16, axis=0)
    assert np.abs(image - expected).max() <= 0.51
    assert np.array_equal(overlay(NOISE, values, style="alpha", opacity=0, bar=False), NOISE)


def test_added_is_the_photo_plus_jet_and_clipped():
    values = np.repeat([-5.0, 0, 1, 2, 3, 4, 4, 2], 40)[None].repeat(240, 0)
    blue, cyan, green, orange, red = (
        [0, 0, 127.5], [0, 127.5, 255], [127.5, 255, 127.5], [255, 127.5, 0], [127.5, 0, 0]
    )  # fmt: skip
    jet = np.array([blue, blue, cyan, green, orange, red, red, green]).repeat(40, axis=0)
    for factor in (0.4, 0.7):
        image = pixels(overlay(NOISE, values, style="added", opacity=factor, bar=False))
        assert np.abs(image - np.clip(NOISE + factor * jet, 0, 255)).max() <= 1
    by_default = overlay(NOISE, values, style="added", bar=False)
    assert np.array_equal(by_default, overlay(NOISE, values, style="added", opacity=0.4, bar=False))


def test_a_picture_of_the_size_asked_for():
    small = np.zeros((28, 28, 1), np.uint8)
    for style in ("even", "alpha", "added"):
        assert overlay(small, np.ones((7, 7)), style=style, size=(540, 530), bar=False).size == (
            530,
            540,
        )


@pytest.mark.parametrize("style", ["even", "alpha", "added"])
def test_the_unknown_and_the_constant_are_drawn_in_every_style(style):
    values = np.ones((6, 8))
    values[4, 2] = np.nan
    known = pixels(overlay(GRAY, np.ones((6, 8)), style=style, bar=False))
    image = pixels(overlay(GRAY, values, style=style))
    assert (np.ptp(known, axis=(0, 1)) == 0).all()
    assert (image[165:195, 85:115] != known[0, 0]).any(axis=-1).all()
    assert np.array_equal(image[200:, :320], known[200:])
    overlay(GRAY, np.full((2, 2), np.nan), style=style)


def test_the_light_that_a_mask_leaves():
    mask = np.array([[True, False]])
    image = pixels(through_mask(NOISE, mask, light=0))
    assert np.array_equal(image[:, :160], NOISE[:, :160]) and not image[:, 160:].any()
    with pytest.raises(InputError, match="light"):
        through_mask(NOISE, mask, light=2)


def test_unusable_options_are_refused():
    with pytest.raises(InputError, match="'even', 'alpha' or 'added', not 'odd'"):
        overlay(GRAY, np.ones((2, 2)), style="odd")
    with pytest.raises(InputError, match="at least 1"):
        overlay(GRAY, np.ones((2, 2)), size=(0, 5))
    with pytest.raises(InputError, match="opacity"):
        overlay(GRAY, np.ones((2, 2)), opacity=1.5)
    with pytest.raises(InputError, match="must be boolean"):
        through_mask(GRAY, np.ones((2, 2)))


# -- maps that cover a part of the photo -----------------------------------------------------------

PART = np.array([[0.0, 1.0], [0.0, 0.0]])
BLOCKS = {"style": "added", "cmap": ["black", "white"], "opacity": 1, "interpolation": "nearest"}


def test_a_map_lies_in_its_rectangle_and_the_photo_stays_outside():
    image = pixels(overlay(NOISE, PART, where=(0.25, 0.1, 0.75, 0.6), bar=False, **BLOCKS))
    expected = NOISE.copy()
    height, width = NOISE.shape[:2]
    rows = slice(
        round(height * 0.25),
        round(height * 0.25) + (round(height * 0.75) - round(height * 0.25)) // 2,
    )
    middle = (round(width * 0.1) + round(width * 0.6)) // 2
    expected[rows, middle : round(width * 0.6)] = 255
    assert np.array_equal(image, expected)


def test_what_lies_beyond_the_photo_is_cut():
    """A padded photo in the middle half of what the network saw: rows 1 and 2 of 4 are on it."""
    values = np.array([[9.0, 9.0], [1.0, 0.0], [0.0, 1.0], [9.0, 9.0]]) / 9
    inner = overlay(NOISE, values[1:3], where=None, scale=Scale(0, 1 / 9), bar=False, **BLOCKS)
    image = overlay(
        NOISE, values, where=(-0.5, 0, 1.5, 1), scale=Scale(0, 1 / 9), bar=False, **BLOCKS
    )
    assert np.array_equal(pixels(image), pixels(inner))


def test_a_mask_is_dark_outside_its_rectangle():
    image = pixels(through_mask(NOISE, np.ones((2, 2), bool), where=(0, 0.5, 1, 1), light=0))
    half = NOISE.shape[1] // 2
    assert np.array_equal(image[:, half:], NOISE[:, half:]) and not image[:, :half].any()


@pytest.mark.parametrize(
    "where", [(2, 2, 3, 3), (-3, 0, -2, 1), (0.5, 0.5, 0.5, 0.5), (-1e9, -1e9, 1e9, 1e9)]
)
def test_rectangles_of_any_size_are_drawn(where):
    assert overlay(NOISE, PART, where=where, bar=False).size == NOISE.shape[1::-1]
    assert through_mask(NOISE, PART > 0, where=where).size == NOISE.shape[1::-1]
