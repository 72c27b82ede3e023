"""Numbers and words."""

from pathlib import Path
from types import SimpleNamespace

import matplotlib
import numpy as np
import pytest
from matplotlib import font_manager
from PIL import ImageFont

from optogram.render import compact, fonts
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


def test_long_names_that_differ_at_their_ends_stay_different():
    first, second = (label(f"transformer_block_2/mlp/dense_{i}", 14, width=80) for i in (1, 2))
    assert first.width <= 80 and first.tobytes() != second.tobytes()


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


# -- fonts -----------------------------------------------------------------------------------------


@pytest.fixture
def nothing_installed(monkeypatch):
    """As where no system font is: Matplotlib brings its own."""
    clear = fonts._chosen.cache_clear, fonts._installed.cache_clear
    monkeypatch.setattr(font_manager.fontManager, "ttflist", [])
    for forget in clear:
        forget()
    yield
    for forget in clear:
        forget()


def test_scripts_of_the_default_font_need_no_other(nothing_installed):
    for text in ("кошка − ñ", "قطة", "חתול", "e\u0301", "x² → …"):
        assert fonts.drawable(text) == (text, fonts._default())


def test_characters_that_no_font_has_are_escaped(nothing_installed):
    text, font = fonts.drawable("猫 (285)")
    assert (text, font.name) == (r"\u732b (285)", fonts.DEFAULT)
    assert np.array_equal(label("猫 (285)", 14), label(r"\u732b (285)", 14))


def test_an_installed_font_is_found_and_others_are_escaped(nothing_installed, monkeypatch):
    """The fonts of Matplotlib itself stand for installed ones."""
    folder = Path(matplotlib.get_data_path(), "fonts", "ttf")
    entries = [
        SimpleNamespace(fname=str(folder / file), name=name, weight=400, style="normal")
        for file, name in (("nothing.ttf", "gone"), ("STIXGeneral.ttf", "STIX"))
    ]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", entries)
    has = font_manager.get_font(entries[1].fname).get_charmap()
    default = font_manager.get_font(fonts._default().path).get_charmap()
    only = chr(next(code for code in sorted(has, reverse=True) if code not in default))
    assert fonts.drawable(f"{only} 猫") == (
        rf"{only} \u732b",
        fonts.Font(entries[1].fname, "STIX"),
    )


def test_characters_of_cjk_are_drawn_where_a_font_has_them():
    """With such a font installed, or escaped: no two of them look alike, as boxes do."""
    cat, dog = (np.asarray(label(text, 40)) for text in ("猫", "犬"))
    assert cat.shape != dog.shape or not np.array_equal(cat, dog)


def test_lines_beyond_the_limit_end_with_an_ellipsis():
    one, two = (label("many words in a name " * 5, 14, width=120, lines=n) for n in (1, 2))
    assert one.height * 2 == two.height and two.width <= 120
