"""Line charts: lines are where their numbers say, and whole names fit."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from optogram.errors import InputError
from optogram.render import chart, chart_on, picture_on

pytestmark = pytest.mark.once


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


# -- legends ---------------------------------------------------------------------------------------

NAMES = (
    "class 757 (recreational vehicle, RV, R.V.)",
    "class 784 (screwdriver) − class 740 (power drill)",
    "class 285 (Egyptian cat)",
    "_hidden $x_{1} and a single dollar",
    "",
)


def own_axes(**style):
    figure = Figure(figsize=(5, 4), layout="constrained", **style)
    FigureCanvasAgg(figure)
    return figure.add_subplot()


def lines_named(names):
    return {name: ([0, 1, 2], [0, i, 1]) for i, name in enumerate(names)}


def test_the_picture_holds_whole_names_however_long(monkeypatch):
    """Nothing is drawn in the outermost pixels, and the legend itself lies within the figure."""
    drawn = []
    draw = FigureCanvasAgg.draw
    monkeypatch.setattr(FigureCanvasAgg, "draw", lambda self: (drawn.append(self), draw(self)))
    for names in (NAMES, ["W" * 200, *NAMES], [f"{n} line" for n in range(12)]):
        picture = np.asarray(chart(lines_named(names), title="T" * 150, x_label="step"))
        border = [picture[:2], picture[-2:], picture[:, :2], picture[:, -2:]]
        assert all((edge == 255).all() for edge in border)
        figure = drawn.pop().figure
        legend = figure.axes[0].get_legend()
        box, whole = legend.get_window_extent(), figure.bbox
        assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= whole.x1 and box.y1 <= whole.y1
        texts = [text.get_text() for text in legend.get_texts()]
        assert ["".join(text.split()) for text in texts] == ["".join(n.split()) for n in names]


def test_short_names_stand_in_one_row():
    three, one = (chart(lines_named(names)) for names in (["a", "b", "c"], ["a"]))
    assert three.height == one.height
    assert chart(lines_named(NAMES)).height > one.height


# -- axes of one's own -----------------------------------------------------------------------------


def test_lines_are_drawn_into_axes_of_ones_own():
    ax = own_axes()
    ax.plot([0, 2], [0, 2], label="mine")
    found = chart_on(ax, lines_named(NAMES), title="$ is a title", x_label="x_$")
    assert found is ax
    assert len(ax.lines) == 1 + len(NAMES)
    np.testing.assert_array_equal(ax.lines[2].get_ydata(), [0, 1, 1])
    ax.figure.canvas.draw()
    legend, frame = ax.get_legend(), ax.get_window_extent()
    assert [text.get_text().replace("\n", " ") for text in legend.get_texts()] == list(NAMES)
    assert legend.get_window_extent().width <= frame.width


def test_a_picture_is_shown_in_axes_of_ones_own():
    ax = own_axes()
    picture = Image.fromarray(np.arange(60, dtype=np.uint8).reshape(4, 5, 3))
    assert picture_on(ax, picture) is ax
    np.testing.assert_array_equal(ax.images[0].get_array(), np.asarray(picture))
    assert not ax.axison


@pytest.mark.parametrize("ax", ["figure", Figure(), Figure().subplots(1, 2), None])
def test_what_is_no_axes_is_refused(ax):
    with pytest.raises(InputError, match=r"subplots\(\)"):
        chart_on(ax, {"a": ([0, 1], [0, 1])})


def test_round_axes_are_refused():
    with pytest.raises(InputError, match="'polar'"):
        picture_on(Figure().add_subplot(projection="polar"), Image.new("RGB", (2, 2)))


# -- many callers ----------------------------------------------------------------------------------


def test_charts_are_the_same_in_many_threads():
    asked = [lines_named(NAMES[: 1 + n % 5]) for n in range(16)]
    serial = [chart(lines).tobytes() for lines in asked]
    with ThreadPoolExecutor(8) as pool:
        assert [picture.tobytes() for picture in pool.map(chart, asked)] == serial


def test_a_chart_loads_no_pyplot_and_changes_no_settings():
    code = (
        "import sys, matplotlib\n"
        "matplotlib.rcParams['backend'] = 'agg'\n"  # reading an unset one imports pyplot
        "matplotlib.rcParams['axes.facecolor'] = 'black'\n"
        "before = dict(matplotlib.rcParams)\n"
        "from optogram.render import chart\n"
        "picture = chart({'a': ([0, 1], [0, 1])})\n"
        "assert picture.resize((1, 1)).getpixel((0, 0)) > (200, 200, 200)\n"
        "assert dict(matplotlib.rcParams) == before\n"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
