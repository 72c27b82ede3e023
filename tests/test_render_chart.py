"""Line charts: lines are where their numbers say."""

import numpy as np
import pytest

from optogram.errors import InputError
from optogram.render import chart


def rows_of(picture, color):
    """The mean row of pixels near ``color``."""
    pixels = np.asarray(picture).astype(int)
    rows = np.argwhere(np.abs(pixels - color).sum(axis=-1) < 60)[:, 0]
    return rows.min(), rows.mean()


BLUE, ORANGE = (0, 114, 178), (213, 94, 0)


def test_a_higher_line_is_drawn_above_a_lower_one():
    picture = chart({"high": ([0, 1], [0.9, 0.9]), "low": ([0, 1], [0.2, 0.2])})
    assert rows_of(picture, BLUE)[0] < rows_of(picture, ORANGE)[0]


def test_titles_and_labels_take_their_room():
    bare = chart({"a": ([0, 1], [0, 1])})
    named = chart({"a": ([0, 1], [0, 1])}, title="A title", x_label="share")
    assert named.height > bare.height


@pytest.mark.parametrize(
    "line",
    [([0, 1], [3, 3]), ([2, 2], [0, 1]), ([0], [1]), ([0, 1, 2], [0, np.nan, 1]), ([0], [np.nan])],
)
def test_lines_without_extent_or_with_gaps_are_drawn(line):
    assert chart({"a": line}).width > 300


@pytest.mark.parametrize("lines", [{}, {"a": ([0, 1], [1])}])
def test_what_is_no_line_is_refused(lines):
    with pytest.raises(InputError, match="lines"):
        chart(lines)
