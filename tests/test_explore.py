"""`og.explore` and `optogram explore`: from the first photo to the end of the process."""

import io
import json
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import webbrowser
from pathlib import Path

import keras
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import optogram as og
from explored import photos
from networks import build
from optogram.cli import main
from optogram.errors import InputError, PhotoError
from optogram.web.explore import Explorer, workspace_of
from optogram.web.listening import Listener

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def net():
    return og.Network(build("fused"), "unit")


def fetched(explorer, path="api/photos"):
    with urllib.request.urlopen(explorer.address + path, timeout=60) as answer:
        return answer.read().decode()


def is_there(explorer):
    try:
        fetched(explorer)
    except OSError:
        return False
    return True


@pytest.fixture
def opened(monkeypatch):
    """The addresses that were opened in a browser."""
    addresses = []
    monkeypatch.setattr(webbrowser, "open", addresses.append)
    return addresses


def test_it_answers_until_it_is_stopped(net, opened):
    first, second = photos()
    explorer = og.explore(net, [first, second], memory=1000)
    assert opened == [explorer.address] and explorer.address in repr(explorer)
    assert fetched(explorer).count('"id"') == 2
    explorer.stop()
    assert not is_there(explorer)
    port = int(explorer.address.rstrip("/").rpartition(":")[2])
    # The port is free again, and it can be stopped twice.
    with og.explore(net, first, port=port, browser=False) as again:
        assert is_there(again) and again.address == explorer.address
    assert not is_there(again)
    again.stop()


def test_a_notebook_shows_it_inline_with_a_token(net, opened, monkeypatch):
    from optogram.web import explore

    monkeypatch.setattr(explore, "is_running", lambda: True)
    with og.explore(net, photos()[0]) as explorer:
        place, _, token = explorer.address.partition("?token=")
        assert f'src="{place}#token={token}"' in explorer._repr_html_() and not opened
        bearer = {"authorization": f"Bearer {token}"}
        request = urllib.request.Request(f"{place}api/photos", headers=bearer)
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert b'"id"' in answer.read()
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(f"{place}api/photos", timeout=60)


def test_several_at_once(net, opened):
    first, second = photos()
    with og.explore(net, first, browser=False) as one, og.explore([net, net], second) as other:
        assert one.address != other.address and opened == [other.address]
        assert fetched(one) != fetched(other)
        assert len(other.workspace.networks) == 2
        one.stop()
        assert is_there(other)


def test_one_that_never_served_frees_its_port(net):
    from optogram.web.explore import workspace_of

    listener = Listener("127.0.0.1", 0)
    port = listener.socket.getsockname()[1]
    Explorer(workspace_of([net], photos(), None), listener).stop()
    Listener("127.0.0.1", port).socket.close()


def test_the_lines_of_the_documentation_save_numbers(net, tmp_path):
    if shutil.which("curl") is None:
        pytest.skip("There is no curl.")
    page = Path(__file__).parents[1].joinpath("docs", "explorer.md").read_text("utf-8")
    adding, saving = [line for line in page.splitlines() if line.startswith("curl ")]
    (tmp_path / "photo.jpg").write_bytes(photos()[1])
    with og.explore(net, photos()[0], browser=False) as explorer:

        def run(line):
            line = line.replace("http://127.0.0.1:8000/", explorer.address)
            return subprocess.run(
                shlex.split(line), cwd=tmp_path, check=True, capture_output=True, timeout=60
            ).stdout

        identifier = json.loads(run(adding))["id"]
        run(saving.replace("IDENTIFIER", identifier))
    found = np.load(tmp_path / "photo-unit_map-conv2-1.npz")
    maps = og.feature_maps(net, tmp_path / "photo.jpg", "conv2")["conv2"]
    np.testing.assert_allclose(found["map"], maps.matrix(1), atol=1e-5)


def test_a_folder_of_photos(net, tmp_path):
    for name, content in zip("ab", photos(), strict=True):
        (tmp_path / f"{name}.png").write_bytes(content)
    with og.explore(net, tmp_path / "a.png", photos=tmp_path, browser=False) as explorer:
        assert [path.name for path in explorer.workspace.folder] == ["a.png", "b.png"]
        assert next(iter(explorer.workspace)).name == "a.png"


def pictures(tmp_path):
    """Photos of every kind that `Network.prepare` takes, by what they are."""
    generator = np.random.default_rng(0)
    pixels = generator.integers(256, size=(20, 24, 3), dtype=np.uint8)
    turned = Image.fromarray(pixels)
    turned.getexif()[0x0112] = 6
    file = tmp_path / "turned.jpg"
    turned.save(file, exif=turned.getexif())
    return {
        "bytes": photos()[0],
        "text": str(file),
        "path": file,
        "open file": io.BytesIO(photos()[1]),
        "array": pixels,
        "gray array": pixels[..., 0],
        "float array": pixels.astype("float32") / 2,
        "16 bits": pixels.astype("uint16") * 200,
        "transparent": Image.fromarray(np.dstack([pixels, pixels[..., :1]])),
        "upright": Image.open(file),
        "gray": Image.fromarray(pixels).convert("L"),
    }


def test_photos_are_all_that_prepare_takes(net, tmp_path):
    given = pictures(tmp_path)
    workspace = workspace_of([net], list(given.values()), None)
    shown = list(workspace)
    # The text and the path are those of one file.
    assert len(shown) == len(given) - 1
    del given["text"]
    for (kind, source), photo in zip(given.items(), shown, strict=True):
        expected = net.prepare(source)
        np.testing.assert_array_equal(workspace.prepared(net, photo), expected, err_msg=kind)
        if "array" not in kind and kind != "16 bits":
            size = net.prepare(source).photos[0].size
            assert (photo.height, photo.width) == size
    assert [photo.name for photo in shown][:3] == ["photo", "turned.jpg", "photo"]
    # What is changed later is not what was given.
    array = given["array"]
    array[:] = 0
    assert net.prepare(shown[3].source).any()


def test_batches_folders_and_one_photo(net, tmp_path):
    pixels = np.random.default_rng(0).integers(256, size=(3, 20, 24, 3), dtype=np.uint8)
    assert len(list(workspace_of([net], pixels, None))) == 3
    (one,) = workspace_of([net], pixels[0], None)
    assert one.name == "photo" and (one.width, one.height) == (24, 20)
    for name, content in zip("ab", photos(), strict=True):
        (tmp_path / f"{name}.png").write_bytes(content)
    shown = workspace_of([net], tmp_path, None)
    assert [photo.name for photo in shown] == ["a.png", "b.png"]
    prepared = net.prepare([tmp_path / "a.png"])
    assert [photo.name for photo in workspace_of([net], prepared, None)] == ["a.png"]


def test_photos_with_more_channels():
    model = keras.Sequential(
        [keras.Input((8, 8, 5)), keras.layers.Conv2D(2, 3), keras.layers.GlobalMaxPooling2D()]
    )
    many = og.Network(model, "unit")
    pixels = np.random.default_rng(0).integers(256, size=(20, 24, 5), dtype=np.uint8)
    workspace = workspace_of([many], pixels, None)
    (photo,) = workspace
    np.testing.assert_array_equal(workspace.prepared(many, photo), many.prepare(pixels))


@pytest.mark.parametrize(
    "wrong",
    [np.zeros(3), np.full((4, 4, 3), -1.0), np.zeros((4, 4, 7)), object(), b"no photo", "no.png"],
)
def test_photos_that_are_none_are_refused_as_by_prepare(net, wrong):
    with pytest.raises(InputError) as expected:
        net.prepare(wrong)
    with pytest.raises(InputError) as refused:
        og.explore(net, wrong, browser=False)
    assert type(refused.value) is type(expected.value)
    # Content is called by the name of its photo.
    said = str(expected.value).replace("The picture given as bytes", "'photo'")
    assert str(refused.value)[:40] == said[:40]


def test_more_photos_than_are_shown(net, monkeypatch):
    from optogram.web import explore

    monkeypatch.setattr(explore, "PHOTOS", 1)
    with pytest.raises(InputError, match="up to 1 photos, got 2"):
        og.explore(net, photos(), browser=False)
    with pytest.raises(InputError, match="stream"):
        og.explore(net, iter(photos()), browser=False)
    with pytest.raises(InputError, match="net must be a Network"):
        og.explore(net.model, photos(), browser=False)


def test_what_cannot_be_explored(net, tmp_path):
    with pytest.raises(InputError, match="Expected a network"):
        og.explore([], browser=False)
    with pytest.raises(PhotoError, match=r"missing\.png"):
        og.explore(net, tmp_path / "missing.png", browser=False)
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(InputError, match=str(folder)):
            og.explore(net, photos()[0], photos=folder, browser=False)
    with pytest.raises(InputError, match="port"):
        og.explore(net, photos()[0], port=70_000, browser=False)
    with pytest.raises(InputError, match="memory"):
        og.explore(net, photos()[0], memory=-1, browser=False)


@pytest.fixture
def run(tmp_path, monkeypatch, net):
    """Run `optogram explore` in a folder with two photos and a model; what would be served."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    for name, content in zip("ab", photos(), strict=True):
        (tmp_path / "photos" / f"{name}.png").write_bytes(content)
    (tmp_path / "text.png").write_text("no photo")
    net.model.save(tmp_path / "small.keras")
    served = []

    def stand(explorer):
        served.append(explorer)
        explorer.stop()

    monkeypatch.setattr(Explorer, "run", stand)

    def run(*arguments):
        served.clear()
        done = CliRunner().invoke(main, ["explore", *map(str, arguments)])
        return done, served[0] if served else None

    return run


def test_the_command(run, opened):
    model = ["--model", "small.keras", "--preprocess", "unit"]
    done, explorer = run("photos", *model, *model[:2], "--photos", "photos")
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines()[0] == explorer.address == opened[0]
    assert [photo.name for photo in explorer.workspace] == ["a.png", "b.png"]
    assert len(explorer.workspace.networks) == 2 and len(explorer.workspace.folder) == 2
    done, explorer = run("photos/a.png", *model, "--no-browser", "--host", "0.0.0.0")
    assert "/?token=" in done.stdout.splitlines()[0] and len(opened) == 1


def test_more_photos_than_the_command_shows(run, monkeypatch):
    from optogram.web import photos as photos_module

    monkeypatch.setattr(photos_module, "PHOTOS", 1)
    done, explorer = run("photos", "--model", "small.keras")
    assert explorer is None and done.exit_code == 2
    assert "up to 1 photos, got 2" in done.stderr and "--photos" in done.stderr


def test_photos_that_cannot_be_read_are_skipped(run, opened):
    done, explorer = run("photos/a.png", "text.png", "--model", "small.keras")
    assert "Skipped: 'text.png' holds no picture" in done.stderr
    assert [photo.name for photo in explorer.workspace] == ["a.png"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["missing.png"], "missing.png"),
        (["text.png"], "holds no picture"),
        (["--photos", "missing"], "missing"),
        (["--model", "vgg61"], "No network is called 'vgg61'"),
        (["--model", "missing.keras"], "missing.keras"),
        (["--model", "text.png"], "text.png"),
        (["--host", "no such host.invalid"], "cannot listen at no such host.invalid"),
        (["--port", "70000"], "--port"),
        (["--memory", "much"], "--memory must be"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_opened(run, monkeypatch, arguments, said):
    monkeypatch.setattr("optogram.cli.explore.open_network", lambda *_, **__: 1 / 0)
    done, explorer = run(*arguments)
    assert done.exit_code == 2 and explorer is None
    assert said in done.stderr and done.stdout == ""


def test_a_port_that_is_taken(run):
    listener = Listener("127.0.0.1", 0)
    with listener.socket:
        port = listener.address.rstrip("/").rpartition(":")[2]
        done, _ = run("--port", port)
    assert done.exit_code == 2 and f"port {port}" in done.stderr and "port 0" in done.stderr


LINE = "explore a.png --model small.keras --preprocess unit --no-browser"
ENDLESS = """
import time
from optogram.web.asking import question
from optogram.web.packing import Answer

@question(is_long=True)
def endless(workspace, tell):
    '''What cannot be stopped.'''
    time.sleep(1000)
    return Answer({})

from optogram.__main__ import run
run()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_ctrl_c_ends_it_though_it_computes(tmp_path, net):
    net.model.save(tmp_path / "small.keras")
    (tmp_path / "a.png").write_bytes(photos()[0])
    running = subprocess.Popen(
        [sys.executable, "-c", ENDLESS, *shlex.split(LINE)],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Jobs in the background of a shell ignore it, and so would what they start.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        address = running.stdout.readline().strip()
        answered = urllib.request.urlopen(address + "api/photos", timeout=300).read()
        assert b"a.png" in answered

        def ask():
            with pytest.raises(OSError):
                urllib.request.urlopen(address + "api/endless", timeout=300)

        asking = threading.Thread(target=ask)
        asking.start()
        time.sleep(1)
        running.send_signal(signal.SIGINT)
        output, errors = running.communicate(timeout=60)
        asking.join()
        assert (running.returncode, output) == (130, "")
        # Before it come TensorFlow's own words.
        assert errors.splitlines()[-1] == "The explorer was stopped."
        assert "Traceback" not in errors
    finally:
        running.kill()
