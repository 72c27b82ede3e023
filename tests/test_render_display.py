"""Numbers to display range: sign, NaN, constant maps and dtype."""

import numpy as np
import pytest

from optogram.errors import InputError
from optogram.render import Scale, scale_of, standardized, to_picture, to_unit

pytestmark = pytest.mark.once

RAMP = np.array([[0.0, 1.0], [2.0, 4.0]])


def test_a_map_without_negatives_runs_from_zero():
    assert scale_of(RAMP + 1) == Scale(0, 5, signed=False)


def test_a_map_with_negatives_is_symmetric_about_zero():
    assert scale_of([-1, 0, 3]) == Scale(-3, 3, signed=True)


def test_unsigned_on_request_runs_from_least_to_most():
    assert scale_of([-1, 0, 3], signed=False) == Scale(-1, 3)


def test_given_ends_replace_those_found():
    assert scale_of(RAMP, high=10) == Scale(0, 10)
    assert scale_of([-1, 3], low=0) == Scale(0, 3)
    assert scale_of([-1, 3], high=5) == Scale(-5, 5, signed=True)


def test_unknown_values_do_not_stretch_the_scale():
    assert scale_of([np.nan, np.inf, -np.inf, 2]) == Scale(0, 2)


@pytest.mark.parametrize("values", [np.zeros(3), np.full(3, np.nan), np.zeros(3, bool), []])
def test_nothing_to_show_gives_an_empty_scale(values):
    assert scale_of(values) == Scale(0, 0)


@pytest.mark.parametrize("signed, neutral", [(False, 0), (True, 0.5)])
def test_a_zero_map_stays_neutral(signed, neutral):
    unit = to_unit(np.zeros((2, 2)), scale_of(np.zeros((2, 2)), signed=signed))
    assert np.array_equal(unit, np.full((2, 2), neutral, np.float32))


@pytest.mark.parametrize("value, place", [(3.0, 1), (-3.0, 0), (1e-30, 1)])
def test_a_constant_map_lands_at_its_end(value, place):
    values = np.full((2, 2), value)
    assert np.array_equal(to_unit(values, scale_of(values)), np.full((2, 2), place))


def test_places_are_in_proportion_and_clipped():
    assert to_unit([-1, 0, 1, 2, 9], Scale(0, 2)).tolist() == [0, 0, 0.5, 1, 1]
    assert to_unit([-9, -2, -1, 0, 2], Scale(-2, 2, signed=True)).tolist() == [0, 0, 0.25, 0.5, 1]


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int64", "bool", "float16", "float64", ">f4"])
def test_every_dtype_gives_the_same_places(dtype):
    values = np.array([0, 1, 1, 0]).astype(dtype)
    unit = to_unit(values, scale_of(values))
    assert unit.dtype == np.float32
    assert unit.tolist() == [0, 1, 1, 0]


def test_small_dtypes_do_not_overflow():
    assert to_unit(np.array([0, 255], np.uint8), Scale(-255, 255, True)).tolist() == [0.5, 1]
    assert to_unit(np.array([-128, 127], np.int8), Scale(-128, 127)).tolist() == [0, 1]
    assert to_unit(np.array([-6e4, 6e4], np.float16), Scale(-6e4, 6e4)).max() == 1


def test_bfloat16_is_a_number():
    dtype = pytest.importorskip("ml_dtypes").bfloat16
    assert to_unit(np.array([0, 2], dtype), Scale(0, 2)).tolist() == [0, 1]


def test_unknown_values_stay_unknown():
    unit = to_unit([np.nan, np.inf, 1], Scale(0, 1))
    assert np.isnan(unit).tolist() == [True, True, False]


@pytest.mark.parametrize("values", [["a"], [1j], [None]])
def test_what_is_no_number_is_refused(values):
    with pytest.raises(InputError, match="real numbers"):
        scale_of(values)


@pytest.mark.parametrize("ends", [(1, 0, False), (0, np.nan, False), (-1, 2, True)])
def test_impossible_scales_are_refused(ends):
    with pytest.raises(InputError):
        Scale(*ends)


def test_a_picture_keeps_channels_and_shows_the_unknown_as_gray():
    picture = to_picture(np.array([[[-1.0, 0.0, 1.0], [np.nan, 1.0, -1.0]]]))
    assert picture.dtype == np.uint8
    assert picture.tolist() == [[[0, 128, 255], [128, 255, 0]]]


def test_inputs_are_left_as_they_are():
    values = np.array([[-1.0, np.nan], [np.inf, 2.0]])
    before = values.copy()
    to_picture(values)
    to_unit(values, scale_of(values))
    np.testing.assert_array_equal(values, before)


def test_standardized_pictures_have_their_own_mean_at_gray_and_the_same_contrast():
    generator = np.random.default_rng(0)
    pictures = generator.normal([[[[0.0]]], [[[1e3]]]], [[[[1e-2]]], [[[50.0]]]], (2, 30, 40, 3))
    shown = standardized(pictures, 0.1)
    assert shown.shape == pictures.shape and shown.dtype == np.uint8
    for picture, image in zip(pictures, shown, strict=True):
        expected = ((picture - picture.mean()) / (picture.std() + 1e-5) * 0.1 + 0.5) * 255
        np.testing.assert_allclose(image, np.clip(expected, 0, 255), atol=0.501)  # rounded
        assert image.std() / 255 == pytest.approx(0.1, abs=0.002)
    once, twice = (standardized(pictures, contrast).astype(int) for contrast in (0.1, 0.2))
    middle = np.abs(once - 127.5) < 50  # nothing clipped
    np.testing.assert_allclose((twice - 127.5)[middle], 2 * (once - 127.5)[middle], atol=1.51)


def test_standardized_pictures_are_clipped_and_a_constant_one_is_gray():
    outlier = np.zeros((1, 20, 20, 1))
    outlier[0, 3, 4] = 1e6
    shown = standardized(outlier, 0.15)
    assert shown[0, 3, 4] == 255 and shown[0, 5, 5] in (125, 126)  # 127.5 less 0.15 / 20 of 255
    assert np.unique(standardized(np.full((1, 4, 4, 3), 7.0))).tolist() == [128]
