"""Files from anyone: one sentence, nothing executed, nothing written, no network, no hang."""

import faulthandler
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from contextlib import contextmanager, suppress
from html.parser import HTMLParser
from pathlib import Path

import keras
import numpy as np
import psutil
import pytest
from click.testing import CliRunner
from keras import layers
from PIL import Image

import hostile_files
import hostile_models
import optogram as og
from optogram.cli import main
from optogram.cli.options.parsing import file_stem
from optogram.cli.photos import unique_stems
from optogram.errors import InputError, OptogramError
from optogram.network.opening.efficientnet_lite0 import load_weights_file
from optogram.result import is_result

pytestmark = pytest.mark.once

_HANG = 60
"""Seconds after which a test is ended; what is refused is refused far sooner."""
_ROOM = 1_000_000_000
"""Bytes that one refusal may add to the process; every bomb here is larger."""

_STARTS = ("os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.startfile", "subprocess.Popen")
_NETWORK = ("socket.connect", "socket.getaddrinfo", "socket.sendto", "socket.gethostbyname")


class Watch:
    """What the process does meanwhile, told by Python itself; one hook serves all tests."""

    seen = None
    allowed = ""

    def __call__(self, event, arguments):
        if self.seen is None or threading.current_thread() is not threading.main_thread():
            return
        is_writing = event == "open" and self._is_written(*arguments)
        if is_writing or event in _STARTS + _NETWORK:
            self.seen.append((event, arguments))

    def _is_written(self, path, mode, flags):
        if not isinstance(path, str | bytes) or not flags & (os.O_WRONLY | os.O_RDWR):
            return False
        path = os.fsdecode(path)
        return (
            not path.startswith(self.allowed) and "__pycache__" not in path and path != os.devnull
        )


WATCH = Watch()
sys.addaudithook(WATCH)


def largest_size(*, anew=False):
    """The most memory that the process has held, on Linux since this was last asked ``anew``."""
    if anew:
        with suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")
    try:
        import resource
    except ImportError:
        return 0
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def present_size():
    """The memory that the process holds."""
    return psutil.Process().memory_info().rss


def contents(folder):
    """Every file below, and what a file of some size holds by its date."""
    return {path: path.lstat().st_mtime_ns for path in folder.rglob("*")}


@contextmanager
def guarded(folder):
    """Nothing may be started, sent or written in the block, and it may not hang or swell."""

    hung = []

    def end(*_):  # whoever catches the exception goes on, but is found out
        hung.append(True)
        raise TimeoutError(f"not refused within {_HANG} s")

    before, size = contents(folder.parent), largest_size(anew=True)
    usual = signal.signal(signal.SIGALRM, end) if hasattr(signal, "SIGALRM") else None
    if usual is not None:
        signal.alarm(_HANG)
    faulthandler.dump_traceback_later(3 * _HANG, exit=True)  # where C does not come back
    WATCH.allowed, WATCH.seen = str(folder / "temporary"), []
    try:
        yield
        seen = WATCH.seen
    finally:
        WATCH.seen = None
        faulthandler.cancel_dump_traceback_later()
        if usual is not None:
            signal.alarm(0)
            signal.signal(signal.SIGALRM, usual)
    assert not hung
    assert seen == []
    assert contents(folder.parent) == before
    assert largest_size() - size < _ROOM


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder, in a place of its own, that holds what is temporary too."""
    place = tmp_path / "outer" / "inner"
    (place / "temporary").mkdir(parents=True)
    monkeypatch.setattr(tempfile, "tempdir", str(place / "temporary"))
    monkeypatch.chdir(place)
    return place


def assert_refused(folder, files, opening, least=2):
    files = list(files)
    assert len(files) >= least
    # Reading knows no backend, nor does most of loading: two of each kind will do on the others.
    for file in files if keras.backend.backend() == "tensorflow" else files[:2]:
        with guarded(folder):
            try:
                opened = opening(file)
            except OptogramError as error:
                sentence = str(error)
            else:
                pytest.fail(f"{str(file)!r} was opened: {opened}")
        assert sentence.isprintable(), file
        assert sentence.endswith((".", "'", '"')) and 20 < len(sentence) <= 1010, sentence


@pytest.fixture(scope="module")
def net():
    image = keras.Input((32, 32, 3))
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3, name="conv")(image))
    return og.Network(keras.Model(image, layers.Dense(3, activation="softmax")(x)), "unit")


# -- what would fill the memory --------------------------------------------------------------------


CALLS = {
    "predict": lambda net, photo: net.predict(photo),
    "saliency": lambda net, photo: og.saliency(net, photo),
    "occlusion": lambda net, photo: og.occlusion(net, photo, 1, patch=4),
    "maximize": lambda net, photo: og.maximize(net, 0, "tutorial", steps=1),
    "neuron": lambda net, photo: og.saliency(net, photo, og.Neuron(net.default_layer, (0, 0), 0)),
    "feature maps": lambda net, photo: og.feature_maps(net, photo, net.default_layer),
    "gradcam": lambda net, photo: og.gradcam(net, photo, 1, net.default_layer),
}


def test_small_files_of_large_maps_are_judged_before_anything_runs(folder):
    photo = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    for path, layer in list(hostile_models.bombs(folder)):
        assert path.stat().st_size < 40_000
        with guarded(folder):
            net = og.load(path, preprocess="unit")
            assert layer in net.summary()
            makes_maps = bool(net.map_layers()) and layer in net.map_layers()
            for name, call in CALLS.items():
                if makes_maps or name in ("predict", "saliency", "occlusion", "maximize"):
                    with pytest.raises(InputError) as error:
                        call(net, photo)
                    assert f"the layer {layer!r} alone makes" in str(error.value), (path, name)


# -- what is refused -------------------------------------------------------------------------------


def test_what_the_models_are_made_of_is_honest(folder):
    """So that they are refused for what was changed in them."""
    members, _ = hostile_models.honest()
    for name in ("whole.keras", "whole.h5"):
        path = hostile_models.with_config(folder / name, hostile_models.config())
        assert og.load(path, preprocess="unit").head.classes == 3
    hostile_models.packed(folder / "packed.keras", members | {"assets/a": b"", "notes.txt": b""}, 8)
    assert og.load(folder / "packed.keras", preprocess="unit").head.classes == 3
    for path in hostile_models.with_weights(folder / "weights", lambda *_: None):
        assert og.load(path, preprocess="unit").head.classes == 3
    for path in hostile_models.changed(folder, hostile_models.setting(activation="tanh")):
        assert og.load(path, preprocess="unit")["conv"].config["activation"] == "tanh"


@pytest.mark.parametrize("kind", hostile_models.KINDS)
def test_models(kind, folder):
    assert_refused(folder, hostile_models.KINDS[kind](folder), og.load)


def test_weights_of_a_network_by_name(folder, net):
    files = hostile_files.weights_files(folder)
    assert_refused(folder, files, lambda path: load_weights_file(net.model, path))


@pytest.mark.parametrize("kind", hostile_files.PICTURES)
def test_pictures(kind, folder, net):
    assert_refused(folder, hostile_files.PICTURES[kind](folder), net.prepare)


@pytest.mark.parametrize("kind", hostile_files.LABELS)
def test_labels(kind, folder, net):
    def opening(path):
        return og.Network(net.model, "unit", labels=path)

    assert_refused(folder, hostile_files.LABELS[kind](folder), opening)


def test_what_the_results_are_made_of_is_honest(folder):
    path = hostile_files.result_file(folder / "whole.npz")
    assert og.load_result(path).targets == ("cat (0)", "dog (1)")
    assert is_result(path)


@pytest.mark.parametrize("kind", hostile_files.RESULTS)
def test_results(kind, folder):
    files = list(hostile_files.RESULTS[kind](folder))
    assert_refused(folder, files, og.load_result)
    for path in files:
        with guarded(folder):
            assert is_result(path) in (True, False)


@pytest.mark.parametrize("kind", hostile_files.RESULTS)
def test_what_work_is_to_go_on_from(kind, folder, net):
    def opening(path):
        return og.maximize(net, [og.Filter("conv", 0)], steps=2, checkpoint=path)

    files = [path for path in hostile_files.RESULTS[kind](folder) if "missing" not in path.name]
    files = [path for path in files if path.suffix == ".npz" and os.path.lexists(path)]
    if files:
        assert_refused(folder, files, opening, least=1)


# -- the guard itself ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "deed",
    [
        lambda: os.system("true"),
        lambda: subprocess.run([sys.executable, "--version"], check=False, capture_output=True),
        lambda: Path("../evil").write_text("evil"),
        lambda: socket.socket().connect_ex(("127.0.0.1", 9)),
        # The largest size may be an old one: first up to it, then past the bound.
        lambda: np.ones(largest_size() - present_size() + 5 * _ROOM // 4, np.uint8),
    ],
)
def test_what_must_not_happen_would_be_noticed(deed, folder):
    with pytest.raises(AssertionError), guarded(folder):
        deed()


# -- what is shown and where it is written ---------------------------------------------------------

EVIL = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</title></style><script src=//example.org></script>",
    "{{ 7 * 7 }}{% raw %}",
    "two\nlines\r\x1b[31m",
    "right\u202eto left",
    "&lt;b&gt;&#60;i&#62;",
    "\udcff\udc80",
)


class Page(HTMLParser):
    """The tags and attributes of a page, and its text."""

    def __init__(self, path):
        super().__init__()
        self.found, self.text = set(), ""
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        self.found |= {tag, *(f"{tag} {name}" for name, _ in attributes)}

    def handle_data(self, data):
        self.text += data


def small(layer="conv"):
    """A model with a layer of that name; its own name can be changed afterwards to any."""
    image = keras.Input((16, 16, 3))
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(2, 3, name=layer)(image))
    return keras.Model(image, layers.Dense(3, activation="softmax")(x))


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """The tags of a report of harmless names, of a photo that is a file and of one that is none."""
    folder = tmp_path_factory.mktemp("plain")
    file = folder / "p.png"
    Image.new("RGB", (20, 20), (200, 30, 90)).save(file)
    photos = {"file": file, "array": np.full((20, 20, 3), 90, np.uint8)}
    net = og.Network(small(), "unit")
    return {
        name: Page(og.report(net, photo, folder / name)).found for name, photo in photos.items()
    }


@pytest.mark.parametrize("evil", [" ".join(EVIL)], ids=["all"])
def test_no_name_becomes_markup_in_a_report(evil, folder, plain):
    model, photo = small(), folder / f"{evil.replace('/', '')}.png"
    model.name = evil
    Image.new("RGB", (20, 20), (200, 30, 90)).save(folder / "photo.png")
    (folder / "photo.png").rename(photo)
    net = og.Network(model, "unit", [evil, f"b{evil}", f"c{evil}"], origin=evil, warnings=[evil])
    page = Page(og.report(net, photo, "hostile"))
    assert page.found == plain["file"]
    shown = evil.encode(errors="backslashreplace").decode().replace("\r", "\n")
    assert page.text.count(shown) >= 5  # title, heading, origin, note, labels


@pytest.mark.parametrize(
    "evil", [" ".join(evil for evil in EVIL if not {"/", "\udcff"} & set(evil))], ids=["all"]
)
def test_no_layer_name_becomes_markup_in_a_report(evil, folder, plain):
    photo = np.full((20, 20, 3), 90, np.uint8)
    page = Page(og.report(og.Network(small(evil), "unit"), photo, "hostile"))
    assert page.found == plain["array"]
    shown = evil.encode(errors="backslashreplace").decode().replace("\r", "\n")
    assert page.text.count(shown) >= 2


@pytest.mark.parametrize("evil", EVIL)
def test_no_text_of_a_result_becomes_markup_in_a_notebook(evil, folder):
    texts = {"method": evil, "warnings": [evil], "provenance": {"network": evil}}
    result = og.load_result(hostile_files.result_file(folder / "evil.npz", **texts))
    shown = HTMLParser()
    tags = []
    shown.handle_starttag = lambda tag, attributes: tags.append((tag, [a for a, _ in attributes]))
    shown.feed(result._repr_html_())
    assert tags == [
        ("figure", ["style"]),
        ("img", ["src", "style"]),
        ("figcaption", []),
        ("p", []),
    ]


@pytest.mark.parametrize(
    "name",
    [
        *EVIL, "../../x", "/etc/x", "..", ".", "", "...", "a/../../b", "..\\..\\x", "C:\\x", "con",
        "AUX.x", "nul", "null\0byte", "x" * 100_000, "猫" * 5000, "-rf", "~", "$HOME",
        "a" * 99 + "/..",
    ],
    ids=lambda name: ascii(name)[:20],
)  # fmt: skip
def test_file_names_made_of_names_stay_in_their_folder(name, folder):
    (photo,) = unique_stems([name])
    for stem in (file_stem(name), photo):
        assert (folder / f"{stem[:200]}.png").resolve().parent == folder
    assert file_stem(name).partition(".")[0].lower() not in ("", "con", "aux", "nul")
    path = folder / f"{file_stem(name)}_100-115.npz"
    path.write_bytes(b"")
    assert [entry for entry in folder.iterdir() if entry.is_file()] == [path]


def test_long_names_that_begin_alike_have_files_of_their_own():
    assert file_stem("x" * 500 + "a") != file_stem("x" * 500 + "b")


# -- the command line ------------------------------------------------------------------------------


def test_the_command_line_says_one_sentence(folder):
    (model, *_), (labels, *_) = (
        list(hostile_models.KINDS["lambda layers"](folder)),
        list(hostile_files.LABELS["labels that are no text"](folder)),
    )
    hostile_models.with_config(folder / "good.keras", hostile_models.config())
    (huge, *_) = hostile_models.KINDS["pictures larger than any"](folder)
    photo = next(iter(hostile_files.PICTURES["pictures of billions of pixels"](folder)))
    good = [og.datasets.sample_photo("chelsea"), "--model", "good.keras"]
    os.chdir(folder)
    for arguments in (
        ["inspect", model],
        ["inspect", huge],
        ["inspect", "two\nlines.keras"],
        ["report", photo, "--model", "good.keras"],
        ["predict", *good, "--labels", labels],
        ["predict", "\udcff.png", "--model", "good.keras"],
    ):
        told = CliRunner().invoke(main, [*map(os.fspath, arguments)])
        errors = [line for line in told.stderr.splitlines() if not line.startswith("Warning: ")]
        assert (told.exit_code, told.stdout, len(errors)) == (2, "", 1), (arguments, told)
        assert errors[0].startswith("optogram: ")
    done = subprocess.run(
        [sys.executable, "-m", "optogram", "inspect", model],
        capture_output=True,
        check=False,
        timeout=3 * _HANG,
    )
    assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (2, b"", 1), done
