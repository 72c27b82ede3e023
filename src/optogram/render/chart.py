"""Line charts and bar charts, drawn by Matplotlib: as a picture, or into given axes.

Uses the object API of Matplotlib, never pyplot, so that global state is not changed.
"""

import textwrap
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image

from optogram.arguments import checked, shown, whole
from optogram.errors import InputError
from optogram.render.canvas import require_room
from optogram.render.fonts import drawable
from optogram.render.text import compact
from optogram.words import brief

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.text import Text

# Okabe and Ito's colors, suitable for color-blind readers.
_COLORS = ("#0072b2", "#d55e00", "#787878", "#009e73", "#cc79a7")
_STYLES = ("solid", "dashed", "dotted", "dashdot")
"""Line styles of the first five lines, the next five, and so on."""
_DPI = 100
_FONT = 13
"""Font size in pixels."""
_INK, _FRAME, _GRID = "#26282c", "#bec0c4", "#e4e5e8"
_BAR = 14
"""Thickness of a bar in pixels, and the gap between groups."""
_LONGEST_NAME = 28
"""Characters in a line of a bar's name, which has two lines at most."""
_CHARACTER = 0.6
"""Width of a character, as a fraction of the font size."""
_DRAWING = threading.Lock()
"""Held while Matplotlib draws, which is not thread-safe even for separate figures."""


@checked
def chart(
    lines: Mapping[str, tuple[ArrayLike, ArrayLike]],
    *,
    title: str | None = None,
    x_label: str | None = None,
    y_range: tuple[float, float] | None = None,
    size: tuple[int, int] = (240, 380),
) -> Image.Image:
    """Draw a line chart with a legend below the frame.

    Parameters
    ----------
    lines : mapping of str to (xs, ys)
        The first line is drawn on top; values that are not finite are gaps.
    title : str, optional
        Title above the frame.
    x_label : str, optional
        Label of the x axis.
    y_range : (float, float), optional
        Values at the bottom and the top of the frame. Default: from 0, or the minimum if it is
        negative, to the maximum.
    size : (int, int)
        Height and width of the frame in pixels.

    Returns
    -------
    PIL.Image.Image
        RGB, larger than the frame by title, axes and legend.

    Raises
    ------
    InputError
        If there is no line, or the lengths of its xs and ys differ.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    height, width = (whole("size, height and width,", side, 1, 10_000) for side in size)
    require_room(width, height)
    with _DRAWING:
        figure = Figure((width / _DPI, height / _DPI), dpi=_DPI, facecolor="white")
        canvas = FigureCanvasAgg(figure)
        ax = figure.add_axes((0, 0, 1, 1), facecolor="white")
        _draw(ax, lines, x_label=x_label, y_range=y_range)
        _set_style(ax, title, width)
        extent = ax.get_tightbbox(canvas.get_renderer())
        assert extent is not None  # the axes are visible
        below = (extent.y0 - _FONT / 2) / height
        _add_legend(ax, lines, width, loc="upper left", bbox_to_anchor=(0, below))
        return _picture(canvas, (height, width))


@checked
def bars(
    names: Sequence[str],
    series: Mapping[str, ArrayLike],
    *,
    title: str | None = None,
    x_label: str | None = None,
    x_range: tuple[float, float] | None = None,
    width: int = 380,
) -> Image.Image:
    """Draw horizontal bars in groups, one group per name from the top down, with a legend.

    Parameters
    ----------
    names : sequence of str
        Names of the groups.
    series : mapping of str to array of shape (len(names),)
        Lengths of the bars, one of each group; values that are not finite have no bar.
    title : str, optional
        Title above the frame.
    x_label : str, optional
        Label of the x axis.
    x_range : (float, float), optional
        Values at the left and the right of the frame. Default: all values, and 0.
    width : int
        Width of the frame in pixels; its height depends on the number of bars.

    Returns
    -------
    PIL.Image.Image
        RGB, larger than the frame by title, axes and legend.

    Raises
    ------
    InputError
        If there is no bar, or a series has another length than ``names``.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    width = whole("width", width, 1, 10_000)
    height = len(names) * (len(series) + 1) * _BAR
    require_room(width, height)
    with _DRAWING:
        figure = Figure((width / _DPI, max(1, height) / _DPI), dpi=_DPI, facecolor="white")
        canvas = FigureCanvasAgg(figure)
        ax = figure.add_axes((0, 0, 1, 1), facecolor="white")
        _draw_bars(ax, names, series, x_label=x_label, x_range=x_range)
        _set_style(ax, title, width, axis="x")
        extent = ax.get_tightbbox(canvas.get_renderer())
        assert extent is not None  # the axes are visible
        below = (extent.y0 - _FONT / 2) / height
        place = {"loc": "upper left", "bbox_to_anchor": (0, below)}
        _add_legend(ax, series, width, handles=ax.containers, **place)
        return _picture(canvas, (height, width))


def bars_on(
    ax: "Axes",
    names: Sequence[str],
    series: Mapping[str, ArrayLike],
    *,
    title: str | None = None,
    x_label: str | None = None,
    x_range: tuple[float, float] | None = None,
) -> "Axes":
    """Draw a bar chart into ``ax``, in the style of its figure; return ``ax``. See `bars`.

    Raises
    ------
    InputError
        If ``ax`` is not an Axes of matplotlib, or as in `bars`.
    """
    require_axes(ax)
    with _DRAWING:
        _draw_bars(ax, names, series, x_label=x_label, x_range=x_range)
        width = ax.get_window_extent().width * 72 / ax.figure.dpi  # in points
        if title:
            size = float(ax.title.get_fontsize())
            _write(ax.set_title("", parse_math=False), _wrapped(title, width, size))
        drawn = ax.containers[-len(series) :]
        _add_legend(ax, series, width * 0.9, handles=drawn, loc="best", fontsize="small")
    return ax


def chart_on(
    ax: "Axes",
    lines: Mapping[str, tuple[ArrayLike, ArrayLike]],
    *,
    title: str | None = None,
    x_label: str | None = None,
    y_range: tuple[float, float] | None = None,
) -> "Axes":
    """Draw a line chart into ``ax``, in the style of its figure; return ``ax``.

    The legend is at the best position, with wrapped names. See `chart`.

    Raises
    ------
    InputError
        If ``ax`` is not an Axes of matplotlib, or as in `chart`.
    """
    require_axes(ax)
    with _DRAWING:
        _draw(ax, lines, x_label=x_label, y_range=y_range)
        width = ax.get_window_extent().width * 72 / ax.figure.dpi  # in points
        if title:
            size = float(ax.title.get_fontsize())
            _write(ax.set_title("", parse_math=False), _wrapped(title, width, size))
        _add_legend(ax, lines, width * 0.9, loc="best", fontsize="small")
    return ax


def picture_on(ax: "Axes", picture: Image.Image) -> "Axes":
    """Show a picture in ``ax``, without ticks; return ``ax``.

    Raises
    ------
    InputError
        If ``ax`` is not an Axes of matplotlib.
    """
    require_axes(ax)
    ax.imshow(np.asarray(picture))
    ax.set_axis_off()
    return ax


def require_axes(ax: Any) -> None:
    """Raise an InputError unless ``ax`` is a rectangular Axes of Matplotlib."""
    from matplotlib.axes import Axes

    if not isinstance(ax, Axes):
        raise InputError(
            "ax must be the axes of a Matplotlib figure, as matplotlib.pyplot.subplots() returns "
            f"them, not {shown(ax)}."
        )
    if ax.name != "rectilinear":
        raise InputError(f"ax must be rectangular axes, not of the kind {ax.name!r}.")


def _draw(
    ax: "Axes",
    lines: Mapping[str, tuple[ArrayLike, ArrayLike]],
    *,
    x_label: str | None,
    y_range: tuple[float, float] | None,
) -> None:
    drawn = [[np.asarray(axis, float) for axis in pair] for pair in lines.values()]
    if not drawn or any(xs.shape != ys.shape or xs.ndim != 1 for xs, ys in drawn):
        raise InputError("A chart needs lines, each with one y for every x.")
    left, right = _range([xs for xs, _ in drawn])
    bottom, top = y_range or _range([*(ys for _, ys in drawn), np.zeros(1)])
    top = top if top > bottom else bottom + 1
    right = right if right > left else left + 1
    for number, (xs, ys) in enumerate(drawn):
        is_finite = np.isfinite(xs) & np.isfinite(ys)
        ax.plot(
            xs,
            np.where(is_finite, ys, np.nan),
            color=_COLORS[number % len(_COLORS)],
            linestyle=_STYLES[number // len(_COLORS) % len(_STYLES)],
            linewidth=1.6,
            marker="o" if is_finite.sum() == 1 else "",
            zorder=3 - number / len(drawn),
        )
    edge = (top - bottom) / 50
    ax.set_xlim(left, right)
    ax.set_ylim(bottom - edge, top + edge)
    ax.xaxis.set_major_formatter(lambda tick, _: compact(tick))
    ax.yaxis.set_major_formatter(lambda tick, _: compact(tick))
    if x_label:
        _write(ax.xaxis.label, x_label)
        ax.xaxis.label.set_parse_math(False)


def _draw_bars(
    ax: "Axes",
    names: Sequence[str],
    series: Mapping[str, ArrayLike],
    *,
    x_label: str | None,
    x_range: tuple[float, float] | None,
) -> None:
    drawn = [np.asarray(values, float) for values in series.values()]
    if not drawn or not len(names) or any(values.shape != (len(names),) for values in drawn):
        raise InputError("A bar chart needs names, and series with one value for each of them.")
    left, right = x_range or _range([*drawn, np.zeros(1)])
    right = right if right > left else left + 1
    thickness = 1 / (len(drawn) + 1)
    for number, values in enumerate(drawn):
        ax.barh(
            np.arange(len(names)) + (number + 1) * thickness,
            np.where(np.isfinite(values), values, 0),
            height=thickness,
            color=_COLORS[number % len(_COLORS)],
            zorder=3,
        )
    ax.set_xlim(left, right)
    ax.set_ylim(len(names) - thickness / 2 + 0.1, thickness / 2 - 0.1)
    ax.xaxis.set_major_formatter(lambda tick, _: compact(tick))
    written = [_in_two_lines(name) for name in names]
    middles = np.arange(len(names)) + (len(drawn) + 1) / 2 * thickness
    ax.set_yticks(middles, [drawable(words)[0] for words in written])
    ax.tick_params(axis="y", length=0)
    for text, words in zip(ax.get_yticklabels(), written, strict=True):
        text.set_parse_math(False)
        _write(text, words)
    if x_label:
        _write(ax.xaxis.label, x_label)
        ax.xaxis.label.set_parse_math(False)


def _in_two_lines(name: str) -> str:
    lines = textwrap.wrap(brief(name), _LONGEST_NAME, max_lines=2, placeholder=" …")
    return "\n".join(lines) or " "


def _picture(canvas: "FigureCanvasAgg", size: tuple[int, int]) -> Image.Image:
    """The figure as a picture; its frame keeps its ``size``, and all around it is added."""
    figure, (height, width) = canvas.figure, size
    box = figure.get_tightbbox(canvas.get_renderer()).padded(_FONT / 2 / _DPI)
    figure.set_size_inches(box.width, box.height)
    figure.axes[0].set_position(
        (
            -box.x0 / box.width,
            -box.y0 / box.height,
            width / _DPI / box.width,
            height / _DPI / box.height,
        )
    )
    canvas.draw()
    return Image.fromarray(np.array(canvas.buffer_rgba())).convert("RGB")


def _range(axes: Sequence[np.ndarray]) -> tuple[float, float]:
    numbers = np.concatenate(axes)
    finite = numbers[np.isfinite(numbers)]
    return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)


def _set_style(ax: "Axes", title: str | None, width: float, axis: Literal["x", "y"] = "y") -> None:
    """The looks of pictures of our own, whatever the reader's style says."""
    size = _FONT * 72 / _DPI
    ax.grid(axis=axis, color=_GRID, linewidth=0.8)
    ax.set_axisbelow(True)
    ax.tick_params(labelsize=size, color=_FRAME, labelcolor=_INK)
    ax.spines[:].set_color(_FRAME)
    ax.xaxis.label.set(size=size, color=_INK)
    if title:
        heading = ax.set_title("", fontsize=size + 1, color=_INK, loc="left", parse_math=False)
        _write(heading, _wrapped(title, width, _FONT + 1))


def _add_legend(
    ax: "Axes",
    names: Mapping[str, Any],
    width: float,
    handles: Sequence[Any] | None = None,
    **place: Any,
) -> None:
    """Name the ``handles``, or the last lines: in a row where ``width`` suffices, else one a row.

    Handles: one for each name.
    """
    is_own = place["loc"] != "best"
    room = [(len(brief(name)) * _CHARACTER + 4) * _FONT for name in names]
    is_row = is_own and sum(room) <= width
    # The names are set afterwards: a legend leaves out those that begin with an underscore.
    style: dict[str, Any] = {"ncols": len(names) if is_row else 1, "handlelength": 1.5, **place}
    if is_own:
        style |= {"frameon": False, "borderaxespad": 0, "borderpad": 0}
        style |= {"fontsize": _FONT * 72 / _DPI, "labelcolor": _INK}
    handles = ax.lines[-len(names) :] if handles is None else handles
    legend = ax.legend(handles, ["name"] * len(names), **style)
    # Long names shall not squeeze the reader's axes.
    legend.set_in_layout(is_own)
    size = _FONT if is_own else float(legend.get_texts()[0].get_fontsize())
    for text, name in zip(legend.get_texts(), names, strict=True):
        text.set_parse_math(False)
        _write(text, brief(name) if is_row else _wrapped(name, width - 3 * size, size))


def _wrapped(text: str, width: float, size: float) -> str:
    """``text`` in lines of about ``width``, in the units of the font's ``size``."""
    return textwrap.fill(brief(text), max(8, int(width / size / _CHARACTER)))


def _write(text: "Text", words: str) -> None:
    """Set the words of ``text``, in a font that has them."""
    words, font = drawable(words)
    text.set_text(words)
    if not words.isascii():
        text.set_fontfamily([*text.get_fontfamily(), font.name])
