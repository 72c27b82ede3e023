"""Numbers and words."""

import numpy as np
import pytest
from PIL import ImageFont

from optogram.render import compact
from optogram.render.text import label

pytestmark = pytest.mark.once


@pytest.mark.parametrize(
    "number, text",
    [
        (0, "0"),
        (-0.0, "0"),
        (0.42, "0.42"),
        (1 / 3, "0.333"),
        (-1.5, "-1.5"),
        (1.3e-5, "1.3e-5"),
        (151.2, "151"),
        (999.96, "1000"),
        (12345, "12345"),
        (2e7, "2e7"),
        (np.float32(0.1), "0.1"),
        (float("nan"), "nan"),
    ],
)
def test_compact(number, text):
    assert compact(number) == text


def test_text_keeps_to_its_width():
    words = label("guided backpropagation of block5_conv3", 14, width=120)
    assert words.width <= 120
    assert words.height > label("guided", 14).height
    assert label("a_name_without_any_space_in_it", 14, width=60).width <= 60


def test_other_scripts_leave_ink():
    for text in ("tabby", "кошка", "猫"):
        assert np.asarray(label(text, 16)).min() < 128


def test_no_words_need_no_room():
    assert label("", 14).width == 1


def test_what_is_drawn_of_a_long_text_is_bounded(monkeypatch):
    measured = []
    measure = ImageFont.FreeTypeFont.getlength

    def getlength(font, text, *more, **options):
        measured.append(len(text))
        return measure(font, text, *more, **options)

    monkeypatch.setattr(ImageFont.FreeTypeFont, "getlength", getlength)
    for text in ("x" * 100_000, "word " * 50_000, "line\n" * 50_000, "\x00" * 50_000):
        measured.clear()
        drawn = label(text, 14, width=100)
        assert drawn.width <= 100
        assert drawn.height < 2000
        assert sum(measured) < 50_000


def test_what_does_not_print_is_written_out():
    for text, written in (("\x1b[31m", "\\x1b[31m"), ("gpj\u202e", "gpj\\u202e"), ("\t", "\\t")):
        assert np.array_equal(label(text, 14), label(written, 14))
