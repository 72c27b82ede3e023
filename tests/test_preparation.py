"""Preparation: the published formulas, exact ways back, and callables held to their word."""

import dataclasses
import re

import numpy as np
import pytest

from optogram.errors import InputError
from optogram.pictures.preparation import NAMED, Preparation, as_affine, preparation

pytestmark = pytest.mark.once

GRAYS = np.arange(256, dtype=np.uint8)


def every_value(channels: int) -> np.ndarray:
    """All 256 values in every channel, never the same in two, as a picture (16, 16, C)."""
    return np.stack([np.roll(GRAYS, 85 * c) for c in range(channels)], -1).reshape(16, 16, channels)


def refusal(spec, channels=3) -> str:
    with pytest.raises(InputError) as caught:
        preparation(spec, channels)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "pixel", "expected"),
    [
        ("caffe", (10, 20, 30), (30 - 103.939, 20 - 116.779, 10 - 123.68)),
        ("tf", (0, 127.5, 255), (-1, 0, 1)),
        (
            "torch",
            (0, 255, 127.5),
            (-0.485 / 0.229, (1 - 0.456) / 0.224, (0.5 - 0.406) / 0.225),
        ),
        ("unit", (0, 51, 255), (0, 0.2, 1)),
        ("none", (0, 51, 255), (0, 51, 255)),
        ("lite", (0, 127, 255), (-127 / 128, 0, 1)),
    ],
)
def test_formulas_by_hand(name, pixel, expected):
    x = preparation(name, 3).to_network(np.array(pixel))
    assert x.dtype == np.float32
    np.testing.assert_allclose(x, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("mode", ["caffe", "tf", "torch"])
def test_the_modes_of_keras_applications(mode):
    utils = pytest.importorskip("keras").applications.imagenet_utils
    pixels = every_value(3)[None]
    theirs = utils.preprocess_input(
        pixels.astype(np.float32), data_format="channels_last", mode=mode
    )
    np.testing.assert_allclose(
        preparation(mode, 3).to_network(pixels), theirs, rtol=1e-6, atol=1e-6
    )


def test_the_range_of_a_caffe_photo():
    """A2 of the tutorials: about −118…151, between black's and white's extremes."""
    x = preparation("caffe", 3).to_network(every_value(3))
    assert x.min() == np.float32(-123.68)
    assert x.max() == np.float32(255 - 103.939)


@pytest.mark.parametrize("name", NAMED)
@pytest.mark.parametrize("lead", [(), (2,)])
def test_round_trip_of_all_values_in_all_channels(name, lead):
    prepared = preparation(name, 3)
    pixels = np.tile(every_value(3), (*lead, 1, 1, 1))
    x = prepared.to_network(pixels)
    back = prepared.to_display(x)
    assert x.shape == back.shape == pixels.shape
    assert back.dtype == np.float32
    assert back.flags.c_contiguous
    np.testing.assert_allclose(back, pixels, atol=255 * np.finfo(np.float32).eps)
    np.testing.assert_array_equal(prepared.display(x), pixels)
    assert prepared.display(x).dtype == np.uint8


@pytest.mark.parametrize("name", ["tf", "unit", "none", "lite"])
@pytest.mark.parametrize("channels", [1, 13])
def test_names_for_any_number_of_channels(name, channels):
    prepared = preparation(name, channels)
    pixels = every_value(channels)
    np.testing.assert_array_equal(prepared.display(prepared.to_network(pixels)), pixels)


def test_the_input_is_left_alone():
    for name in NAMED:
        pixels = every_value(3).astype(np.float32)
        x = preparation(name, 3).to_network(pixels)
        x[:] = 0
        np.testing.assert_array_equal(pixels, every_value(3))


def test_to_display_is_not_clipped_but_display_is():
    unit = preparation("unit", 1)
    np.testing.assert_array_equal(unit.to_display(np.array([[-1.0], [2.0]])), [[-255], [510]])
    np.testing.assert_array_equal(unit.display(np.array([[-1.0], [np.inf]])), [[0], [255]])


def test_display_refuses_nan():
    with pytest.raises(InputError, match="1 of 3 values are NaN"):
        preparation("none", 3).display(np.array([[0, np.nan, 1]]))


@pytest.mark.parametrize("name", ["caffe", "torch"])
def test_three_channels_only(name):
    assert f"'{name}' is for 3 channels, not 1" in refusal(name, 1)
    with pytest.raises(InputError, match="for 3 channels, not 1"):
        preparation(name, 3).to_network(np.zeros((4, 4, 1)))
    with pytest.raises(InputError, match="for 3 channels, not 0"):
        preparation(name, 3).to_network(np.float32(1))


@pytest.mark.parametrize("spec", ["cafe", "imagenet"])
def test_unknown_names(spec):
    sentence = refusal(spec)
    assert f"not '{spec}'" in sentence
    assert all(repr(name) in sentence for name in NAMED)
    assert ("the nearest is 'caffe'" in sentence) == (spec == "cafe")


def test_specs_of_the_wrong_type():
    assert "a pair (forward, inverse)" in refusal(np.sqrt)
    for spec in (None, 3, ("unit", "none"), (np.sqrt,)):
        assert type(spec).__name__ in refusal(spec)


def halve(x):
    x /= 2  # in place, as keras.applications' functions work on NumPy arrays
    return x


def double(x):
    return x * 2


@pytest.mark.parametrize("kind", [tuple, list])
def test_a_pair_of_callables(kind):
    prepared = preparation(kind((halve, double)), 3)
    assert isinstance(prepared, Preparation)
    pixels = every_value(3).astype(np.float32)
    x = prepared.to_network(pixels)
    np.testing.assert_array_equal(x, every_value(3) / np.float32(2))
    np.testing.assert_array_equal(pixels, every_value(3))
    np.testing.assert_array_equal(prepared.display(x), every_value(3))


def test_a_preparation_is_taken_as_it_is():
    for spec in (preparation("tf", 3), preparation((halve, double), 3)):
        assert preparation(spec, 3) is spec
    with pytest.raises(InputError, match="3 channels"):
        preparation(preparation("caffe", 3), 1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        preparation("tf", 3).name = "x"


def raises_in_two_lines(x):
    raise RuntimeError("two\nlines")


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (lambda x: x[..., :1], "turned shape (1, 2, 2, 3) into (1, 2, 2, 1)"),
        (lambda x: x / 0, "12 NaN or infinite values"),
        (lambda x: None, "failed|into ()"),
        (lambda x: "text", "failed"),
        (raises_in_two_lines, "'raises_in_two_lines', failed"),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_a_callable_that_misbehaves_is_named(broken, words):
    x = np.ones((1, 2, 2, 3))
    for spec, call, role in (
        ((broken, double), "to_network", "first (there)"),
        ((double, broken), "to_display", "second (back)"),
    ):
        with pytest.raises(InputError) as caught:
            getattr(preparation(spec, 3), call)(x)
        sentence = str(caught.value)
        assert role in sentence
        assert "\n" not in sentence
        assert any(word in sentence for word in words.split("|")), re.escape(sentence)


def test_nan_from_the_network_is_not_blamed_on_the_callable():
    x = np.full((2, 2, 3), np.nan)
    assert np.isnan(preparation((halve, double), 3).to_display(x)).all()


def assert_is_arithmetic(prepared, channels):
    matrix, offset = as_affine(prepared, channels)
    assert matrix.shape == (channels, channels) and offset.shape == (channels,)
    pixels = every_value(channels).astype(np.float32)
    expected = prepared.to_network(pixels)
    # Float32 sums of a few products.
    atol = 4 * 255 * np.finfo(np.float32).eps * np.abs(matrix).max()
    np.testing.assert_allclose(pixels @ matrix + offset, expected, rtol=1e-5, atol=atol)


@pytest.mark.parametrize("name", NAMED)
def test_every_named_preparation_is_a_matrix_and_an_offset(name):
    assert_is_arithmetic(preparation(name, 3), 3)
    if NAMED[name].channels is None and not NAMED[name].is_reversed:
        assert_is_arithmetic(preparation(name, 1), 1)


def test_a_matrix_that_mixes_channels_is_found():
    mixing = np.array([[0.5, 0.2, 0.0], [0.1, -0.3, 0.4], [0.0, 0.7, 0.9]], np.float32)

    def there(x):
        return x @ mixing - 7

    matrix, offset = as_affine(preparation((there, lambda x: x), 3), 3)
    np.testing.assert_allclose(matrix, mixing, atol=1e-5)
    np.testing.assert_allclose(offset, -7, atol=1e-5)


@pytest.mark.parametrize(
    "there",
    [np.sqrt, lambda x: x - x.mean(), lambda x: np.clip(x / 100, 0, 2), lambda x: x * x / 255],
    ids=["root", "its own mean", "clipped", "square"],
)
def test_what_is_no_matrix_is_refused(there):
    prepared = preparation((there, lambda x: x), 3)
    with pytest.raises(InputError, match='recipe="tutorial"') as caught:
        as_affine(prepared, 3)
    assert "\n" not in str(caught.value)


def test_only_caffe_reverses_the_channels():
    assert [name for name in NAMED if NAMED[name].is_reversed] == ["caffe"]
    assert not preparation((halve, double), 3).is_reversed
