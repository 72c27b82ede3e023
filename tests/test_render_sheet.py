"""Pictures side by side."""

import numpy as np
import pytest
from PIL import Image

from optogram.errors import InputError
from optogram.render import sheet

pytestmark = pytest.mark.once


def test_a_row_has_one_height_and_proportions_are_kept():
    low, high = Image.new("RGB", (40, 20), "red"), Image.new("RGB", (30, 60), "blue")
    image = np.asarray(sheet([[low, high]], gap=10))
    assert image.shape[:2] == (10 + 60 + 10, 10 + 120 + 10 + 30 + 10)
    assert (image[10:70, 10:130] == [255, 0, 0]).all()
    assert (image[10:70, 140:170] == [0, 0, 255]).all()


def test_none_leaves_a_place_blank_and_rows_may_be_short():
    black = np.zeros((50, 50), np.uint8)
    image = np.asarray(sheet([[None, black], [black], [black, black]], gap=0))
    assert image.shape[:2] == (150, 100)
    assert (image[:50, :50] == 255).all()
    assert (image[:50, 50:] == 0).all()
    assert (image[50:100, 50:] == 255).all()


def test_titles_and_captions_take_room_outside_the_pictures():
    black = np.zeros((100, 100), np.uint8)
    bare = sheet([[black, black]])
    named = sheet([[black, black]], titles=["photo", "gradcam"], captions=["tabby"])
    assert named.width > bare.width
    assert named.height > bare.height
    assert (np.asarray(named) == 0).all(axis=-1).sum() == 2 * 100 * 100


def test_a_caption_higher_than_its_row_has_the_room_it_needs():
    black = np.zeros((20, 20), np.uint8)
    words = "many words in a caption " * 6
    one = sheet([[black]], captions=[words], gap=0)
    two = sheet([[black], [black]], captions=[words, words], gap=0)
    assert two.height == 2 * one.height > 100


@pytest.mark.parametrize(
    "rows, options",
    [
        ([], {}),
        ([[None]], {}),
        ([[np.zeros((5, 5), np.uint8)]], {"titles": ["a", "b"]}),
        ([[np.zeros((5, 5), np.uint8)]], {"captions": []}),
    ],
)
def test_what_makes_no_sheet_is_refused(rows, options):
    with pytest.raises(InputError):
        sheet(rows, **options)
