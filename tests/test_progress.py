"""Progress bars: in a terminal, in a notebook, and what ``progress=`` takes."""

import inspect
import sys
import threading
import types

import numpy as np
import pytest

import networks
import optogram as og
from optogram.progress import progress_bar, reporting

pytestmark = pytest.mark.once

PHOTO = np.random.default_rng(0).uniform(0, 255, (16, 16, 3)).astype(np.uint8)


@pytest.fixture(scope="module")
def net():
    return og.Network(networks.build("fused"), "unit")


@pytest.fixture
def terminal(monkeypatch, capsys):
    """Standard error as a terminal: a function that gives what was written to it since."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    return lambda: capsys.readouterr().err


class Cell:
    """The output of a notebook's cell: each display with what it showed, one after another."""

    def __init__(self):
        self.displays = []

    def display(self, content, display_id):
        assert display_id is True
        shown = [content._repr_html_()]
        self.displays.append(shown)
        return types.SimpleNamespace(update=lambda content: shown.append(content._repr_html_()))


@pytest.fixture
def cell(monkeypatch):
    """A process that is the kernel of a notebook."""
    found = Cell()
    ipython = types.ModuleType("IPython")
    ipython.get_ipython = lambda: types.SimpleNamespace(kernel=object())
    ipython.display = types.ModuleType("IPython.display")
    ipython.display.display = found.display
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", ipython.display)
    return found


def test_true_shows_a_bar_in_a_terminal(net, terminal):
    og.occlusion(net, PHOTO, 1, patch=8, stride=4, progress=True)
    written = terminal()
    assert "━" in written and " % " in written and "left" in written
    og.occlusion(net, PHOTO, 1, patch=8, stride=4, progress=False)
    assert terminal() == ""


def test_true_writes_nothing_where_no_bar_can_be_drawn(net, capfd):
    og.saliency(net, PHOTO, 1, progress=True)
    assert capfd.readouterr() == ("", "")


def test_a_bar_in_a_notebook_ends_at_100_percent(net, cell):
    og.occlusion(net, PHOTO, 1, patch=8, stride=4, progress=True)
    (shown,) = cell.displays
    assert 'value="0.0000"' in shown[0] and "starting" in shown[0]
    assert 'value="1.0000"' in shown[-1] and "100 %" in shown[-1]


def test_a_bar_in_a_notebook_says_where_the_work_stopped(cell):
    with pytest.raises(KeyboardInterrupt), progress_bar() as progress:
        progress(1, 4, "photos <b>")
        raise KeyboardInterrupt
    (shown,) = cell.displays
    assert 'value="0.2500"' in shown[-1] and "stopped: photos &lt;b&gt;" in shown[-1]


def test_bars_of_several_threads_share_one_terminal(terminal):
    started = threading.Barrier(4)

    def work(number):
        with reporting(True) as progress:
            started.wait(timeout=60)
            progress(1, 2, f"work {number}")
            started.wait(timeout=60)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    # The cursor is hidden while the display is there: once for all.
    written = terminal()
    assert written.count("\x1b[?25l") == written.count("\x1b[?25h") == 1


def test_the_terminal_is_left_in_order_when_work_fails(terminal):
    with pytest.raises(ZeroDivisionError), reporting(True) as progress:
        progress(1, 2, "photos")
        raise ZeroDivisionError
    after_the_bar = terminal().rpartition("\x1b[2K")[2]
    assert "━" not in after_the_bar and "\x1b[?25h" in after_the_bar  # the cursor is back
    with reporting(True) as progress:  # and another bar can be shown
        progress(2, 2, "photos")
    assert "━" in terminal()


@pytest.mark.parametrize("odd", [3, "yes", [True]])
def test_other_values_are_refused_in_one_sentence(net, odd):
    with pytest.raises(og.InputError, match="progress must be True or False, a function or None"):
        og.gradcam(net, PHOTO, 1, progress=odd)


def test_every_function_that_takes_progress_takes_a_bool_and_says_so():
    taking = [
        function
        for function in [
            *(getattr(og, name) for name in og.__all__),
            og.training.train,
            og.FeatureMaps.write_each,
        ]
        if inspect.isfunction(function) and "progress" in inspect.signature(function).parameters
    ]
    assert {og.gradcam, og.maximize, og.report, og.check, og.training.train} <= set(taking)
    for function in taking:
        assert inspect.signature(function).parameters["progress"].default is None, function
        assert "progress : bool or callable, optional" in inspect.getdoc(function), function
