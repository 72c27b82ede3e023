"""Small pictures in rows."""

import numpy as np
import pytest
from PIL import Image

from optogram.errors import InputError
from optogram.render import grid

pytestmark = pytest.mark.once


def test_pictures_keep_their_own_colors_and_order():
    colors = np.random.default_rng(0).integers(0, 255, (7, 3, 3, 3), np.uint8)
    image = np.asarray(grid(colors, cell=6, margin=5))
    assert image.shape == (3 * 11 - 5, 3 * 11 - 5, 3)
    for index, picture in enumerate(colors):
        top, left = index // 3 * 11, index % 3 * 11
        assert np.array_equal(image[top : top + 6, left : left + 6][::2, ::2], picture)
    assert (image[22:, 11:] == 255).all()


def test_pictures_of_several_sizes_fit_their_cells():
    black = [np.zeros((100, 200), np.uint8), Image.new("L", (30, 60))]
    image = np.asarray(grid(black, cell=80, columns=2, margin=0))
    assert image.shape[:2] == (40, 80 * 2)
    assert (image[:, :80] == 0).all()
    assert (image[:, 80:] == 0).all(axis=-1).sum() == 40 * 20


def test_labels_are_drawn_under_their_pictures():
    image = np.asarray(grid(np.zeros((2, 80, 80), np.uint8), cell=80, labels=["Ankle boot", ""]))
    assert image.shape[0] > 80
    assert image[80:, :80].min() < 128
    assert (image[80:, 82:] == 255).all()


def test_nothing_makes_no_grid():
    with pytest.raises(InputError, match="at least one picture"):
        grid([])
