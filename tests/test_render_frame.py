"""Scale bars: text that scales with the picture, round numbers, both ends, the unit."""

import numpy as np
import pytest

from optogram.render import Scale, frame, heatmap, overlay
from optogram.render.frame import scale_bar
from optogram.render.text import text_size

pytestmark = pytest.mark.once


def black(places):
    return np.zeros((*places.shape, 3), np.uint8)


def drawn(scale, picture, monkeypatch, unit=None):
    """The texts of a bar and their font sizes, and the bar."""
    texts = {}

    def label(text, size, **options):
        texts[text] = size
        return original(text, size, **options)

    original = frame.label
    monkeypatch.setattr(frame, "label", label)
    bar = scale_bar(scale, picture, black, unit)
    return texts, bar


def test_text_scales_with_the_picture():
    sizes = [text_size(side, side) for side in (32, 224, 400, 1000, 3464)]
    assert sizes == sorted(sizes) and sizes[0] >= 11
    assert text_size(3000, 4000) / 3000 > 0.025  # 12 pixels of 3000 cannot be read
    assert text_size(224, 224) / 224 < 0.08
    photo = np.zeros((3000, 4000, 3), np.uint8)
    assert overlay(photo, np.ones((7, 7))).width > 4000 + 3 * text_size(3000, 4000)


@pytest.mark.parametrize(
    ("scale", "inside"),
    [
        (Scale(0, 3.37), {"1", "2"}),
        (Scale(-12, 12, True), {"-5", "0", "5"}),
        (Scale(0, 0.00123), {"6e-4", "0.001"}),
        (Scale(-2, 7), {"0", "2", "4"}),
    ],
)
def test_both_ends_and_round_numbers_are_labeled(scale, inside, monkeypatch):
    texts, _ = drawn(scale, (260, 260), monkeypatch)
    ends = {f"{scale.low:g}", f"{scale.high:g}"}
    assert set(texts) >= ends | inside
    steps = {text.strip("-").rstrip("0").lstrip("0.")[:1] for text in set(texts) - ends}
    assert len(texts) <= 9 and steps <= {"", *"123456789"}


def test_numbers_stand_apart():
    """Every number is a block of dark rows; blocks are separated by white rows."""
    for high in (1.0, 3.05, 4.46, 9.99):
        for side in (112, 224, 1000):
            size = text_size(side, side)
            bar = scale_bar(Scale(-high / 3, high), (side, side), black)
            dark = np.asarray(bar.convert("L"))[:, size + size // 4 + size // 3 :].min(axis=1) < 200
            starts = np.flatnonzero(np.diff(dark.astype(int), prepend=0) == 1)
            ends = np.flatnonzero(np.diff(dark.astype(int), append=0) == -1)
            assert len(starts) >= 3
            assert (ends - starts < size).all()
            assert (starts[1:] - ends[:-1] > size / 3).all()


def test_the_unit_stands_along_the_bar(monkeypatch):
    values = np.arange(4.0).reshape(2, 2)
    bare, named = heatmap(values, size=(224, 224)), heatmap(values, size=(224, 224), unit="logit")
    assert named.height == bare.height and named.width > bare.width
    texts, _ = drawn(Scale(0, 1), (224, 224), monkeypatch, "logit per unit of input")
    assert "logit per unit of input" in texts
