"""Answers as bytes, and back; the page's own reading is tested in browser/test_page.py."""

import numpy as np
import pytest

from optogram.web.packing import Answer, packed, scaled
from unpacking import unpacked

pytestmark = pytest.mark.once

RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("given", "dtype"),
    [
        (RANDOM.integers(256, size=(3, 5), dtype=np.uint8), "uint8"),
        (RANDOM.integers(-9, 9, size=7), "int32"),
        (np.array([True, False]), "int32"),
        (RANDOM.normal(size=(2, 3, 4)), "float32"),
        (RANDOM.normal(size=11).astype(np.float16), "float16"),
        (np.zeros((0, 4), np.float32), "float32"),
        (np.float64(2.5), "float32"),
        (RANDOM.normal(size=(4, 6)).astype("float32").T[::2], "float32"),
    ],
)
def test_arrays_come_back(given, dtype):
    about, arrays = unpacked(packed(Answer({"name": "größte\u202e"}, {"a": given, "b": given})))
    assert about == {"name": "größte\u202e"}
    for found in arrays.values():
        assert (found.dtype, found.shape) == (dtype, np.shape(given))
        np.testing.assert_array_equal(found, np.asarray(given).astype(dtype))


def test_what_json_cannot_hold_is_null_or_plain():
    about = {"nan": np.float32("nan"), "many": np.arange(3), 5: (np.int64(7), float("inf"))}
    found, _ = unpacked(packed(Answer(about)))
    assert found == {"nan": None, "many": [0, 1, 2], "5": [7, None]}


@pytest.mark.parametrize("each", [False, True])
def test_scaled_numbers_are_within_half_a_step(each):
    values = RANDOM.normal(size=(4, 5, 6)).astype("float32") * np.arange(1, 5)[:, None, None]
    _, arrays = unpacked(packed(Answer({}, {"a": scaled(values, each=each)})))
    extent = np.ptp(values, axis=(1, 2), keepdims=True) if each else np.ptp(values)
    assert np.all(np.abs(arrays["a"] - values) <= extent / 255 * 0.501)


def test_scaled_numbers_that_are_constant_or_not_finite():
    values = np.array([[2.0, 2.0, 2.0], [np.nan, 1.0, np.inf], [np.nan] * 3])
    _, arrays = unpacked(packed(Answer({}, {"a": scaled(values, each=True)})))
    assert arrays["a"].tolist() == [[2, 2, 2], [1, 1, 1], [0, 0, 0]]


def test_answers_follow_one_another():
    one = packed(Answer({"n": 1}, {"a": np.arange(3, dtype=np.uint8)}))
    about, arrays = unpacked(one + packed(Answer({"n": 2}, {"a": np.arange(5)})), len(one))
    assert about == {"n": 2} and arrays["a"].tolist() == [0, 1, 2, 3, 4]
