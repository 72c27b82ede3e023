"""Ctrl-C: what is said, what is kept, and that the same command goes on."""

import importlib
import signal
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path

import keras
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import optogram as og
from optogram.cli import main

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A small network in a file, and three photos."""
    place = tmp_path_factory.mktemp("stopped")
    keras.utils.set_random_seed(0)
    layers = [
        keras.Input((8, 8, 3)),
        keras.layers.Conv2D(4, 3, name="conv"),
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(3, name="out"),
    ]
    keras.Sequential(layers).save(place / "small.keras")
    (place / "photos").mkdir()
    for number in range(3):
        pixels = np.random.default_rng(number).integers(0, 256, (8, 8, 3), np.uint8)
        Image.fromarray(pixels).save(place / f"photos/{number}.png")
    return place


@pytest.fixture
def run(folder, tmp_path, monkeypatch):
    """Run a command in an empty folder; ``stopped``: at that report of progress."""
    monkeypatch.chdir(tmp_path)

    def run(*words, stopped=None):
        left = iter(range(stopped or 0))

        def progress(done, total, what):
            if stopped is not None and next(left, None) is None:
                raise KeyboardInterrupt

        for command in ("explain", "maximize", "strongest"):
            module = importlib.import_module(f"optogram.cli.{command}")
            monkeypatch.setattr(module, "shown_progress", lambda: nullcontext(progress))
        more = ["--model", str(folder / "small.keras"), "--preprocess", "unit"]
        return CliRunner().invoke(main, [*map(str, words), *more])

    return run


def said(result) -> str:
    """The last line of a command that was stopped."""
    assert result.exit_code == 130, result.output
    assert "Traceback" not in result.output
    return result.stderr.splitlines()[-1]


MAXIMIZE = ("maximize", "--layer", "conv", "--sheet", "1x2", "--steps", "12")


def test_maximize_says_how_far_it_is_and_goes_on(run, tmp_path):
    words = said(run(*MAXIMIZE, stopped=2))
    assert words.startswith("Stopped at ") and "0 of 4 images are finished" in words
    assert words.endswith("Run the same command again to continue.")
    # Between two reports of the second sheet: the first has two and one for its end.
    assert "2 of 4 images are finished" in said(run(*MAXIMIZE, stopped=5))
    assert run(*MAXIMIZE).exit_code == 0
    whole = run(*MAXIMIZE, "--out", "at-once")
    assert whole.exit_code == 0
    for name in ("conv_0-1.npz", "conv_2-3.npz"):
        found, expected = (og.load_result(Path(out, name)) for out in ("maximized", "at-once"))
        assert np.array_equal(found.values, expected.values)
        assert np.array_equal(found.history, expected.history)


def test_before_the_first_step_nothing_is_kept(run):
    words = said(run(*MAXIMIZE, "--frames", "1", stopped=0))
    assert words.endswith("Run the same command again to continue.") == any(
        Path("maximized").glob("*.npz")
    )


def test_strongest_says_how_many_photos_it_has_seen_and_goes_on(run, folder):
    command = ("strongest", folder / "photos", "--layer", "conv", "--memory", "1")
    words = said(run(*command, stopped=2))
    assert words == "Stopped after 3 of 3 photos. Run the same command again to continue."
    assert run(*command).exit_code == 0


def test_other_work_says_which_files_are_complete(run, folder):
    command = ("explain", folder / "photos", "--method", "saliency", "--out", "here")
    assert said(run(*command, stopped=0)) == "Stopped. No file was written."
    words = said(run(*command, stopped=4))
    assert words.startswith("Stopped. Complete: here/0-saliency.png, here/0-saliency.npz, ")
    for name in words.removeprefix("Stopped. Complete: ").removesuffix(".").split(", "):
        assert Path(name).stat().st_size > 100
    assert not list(Path().rglob("*.part*"))


def test_many_files_are_counted(run, folder, monkeypatch):
    monkeypatch.setattr("optogram.cli.stopping._LISTED", 1)
    words = said(run("explain", folder / "photos", "--method", "saliency", stopped=4))
    assert "files are complete, the last ones explained/" in words


SCRIPT = """
import sys, time
from contextlib import nullcontext
import optogram.cli.maximize
from optogram.cli import main
module = sys.modules["optogram.cli.maximize"]
module.shown_progress = lambda: nullcontext(lambda *now: (print(*now, flush=True), time.sleep(0.1)))
main(sys.argv[1:], prog_name="optogram")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for other processes")
def test_a_real_process_is_stopped_by_a_signal(folder, tmp_path):
    words = [*MAXIMIZE, "--model", str(folder / "small.keras"), "--steps", "100000"]
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, *words],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Jobs in the background of a shell ignore it, and so would what they start.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert "steps" in process.stdout.readline()
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "Traceback" not in err
    last = err.splitlines()[-1]
    assert last.startswith("Stopped at 0 %: 0 of 4 images are finished. Run the same command")
    (kept,) = (tmp_path / "maximized").iterdir()
    assert kept.name == "conv_0-1.npz" and np.load(kept)["half way history"].shape == (2, 100000)
