"""What may be replaced, what is left over, and what is no file at all."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import networks
import optogram as og
from optogram.cli import main
from optogram.errors import OptogramError, OutputError
from optogram.files import is_own, one_run, read_array, reading, replacing, write_table
from optogram.methods.request.checkpoint import Checkpoint
from optogram.network.opening.efficientnet_lite0 import load_weights_file
from optogram.render import write, write_gif
from optogram.training import Trained

pytestmark = pytest.mark.once

PICTURE = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)


@pytest.fixture(scope="module")
def net():
    return og.Network(networks.build("fused"), "unit")


@pytest.fixture(scope="module")
def writers(net):
    """What writes a file, by its ending; each call writes something else."""
    result = og.kernels(net, "conv1")
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    trained = Trained(model, ("a", "b"), 1.0, np.zeros(1))
    drawn = np.random.default_rng(1)

    def picture():
        return drawn.integers(0, 256, (20, 30, 3), np.uint8)

    return {
        "a.png": lambda path: write(picture(), path),
        "a.JPG": lambda path: write(picture(), path),
        "a.webp": lambda path: write(picture(), path),
        "a.gif": lambda path: write_gif([picture(), picture()], path),
        "a.npz": lambda path: result.save(path),
        "b.npz": lambda path: Checkpoint(path, "run", "a test").write({"x": drawn.random(3)}, {}),
        "a.csv": lambda path: write_table(drawn.random((3, 4)), path),
        "a.keras": lambda path: trained.save(path),
        "a.h5": lambda path: trained.save(path),
    }


def test_every_writer_renews_its_own_files_and_no_others(writers, tmp_path):
    foreign = {
        "a.png": lambda path: Image.fromarray(PICTURE).save(path),
        "a.JPG": lambda path: Image.fromarray(PICTURE).save(path),
        "a.webp": lambda path: Image.fromarray(PICTURE).save(path),
        "a.gif": lambda path: Image.fromarray(PICTURE).save(path),
        "a.npz": lambda path: np.savez(path, values=PICTURE),
        "b.npz": lambda path: np.savez(path, texts=PICTURE),
        "a.csv": lambda path: path.write_text("1,2\n3,4\n"),
        "a.keras": lambda path: keras.Sequential([keras.Input((4,))]).save(path),
        "a.h5": lambda path: keras.Sequential([keras.Input((4,))]).save(path),
    }
    for name, writer in writers.items():
        path = tmp_path / name
        foreign[name](path)
        assert not is_own(path), name
        before = path.read_bytes()
        with pytest.raises(OutputError, match="optogram did not make it"):
            writer(path)
        assert path.read_bytes() == before, name
        path.unlink()
        writer(path)
        first = path.stat().st_ino
        writer(path)
        assert is_own(path) and path.stat().st_ino != first, name
        # Changed by somebody, a table is theirs; so is a picture that another program saved anew.
        if name.endswith("csv"):
            path.write_text(path.read_text().replace("0", "1"))
        elif name.lower().endswith(("png", "jpg", "webp")):
            Image.open(path).copy().save(path)
        else:
            continue
        assert not is_own(path), name


def test_a_marked_picture_keeps_its_pixels_and_needs_no_more_words(tmp_path):
    path = write(PICTURE, tmp_path / "a.png")
    with Image.open(path) as image:
        np.testing.assert_array_equal(image, PICTURE)
        assert "optogram" in image.info["Software"]


def test_links_twins_and_folders(tmp_path):
    mine, own = tmp_path / "mine.png", write(PICTURE, tmp_path / "own.png")
    Image.fromarray(PICTURE).save(mine)
    before = mine.read_bytes()
    (tmp_path / "link.png").symlink_to(mine)
    (tmp_path / "hard.png").hardlink_to(mine)
    (tmp_path / "nowhere.png").symlink_to(tmp_path / "gone.png")
    (tmp_path / "folder.png").mkdir()
    os.mkfifo(tmp_path / "pipe.png")
    for name, words in {
        "link.png": "did not make it",
        "hard.png": "did not make it",
        "nowhere.png": "broken link",
        "folder.png": "is a folder",
        "pipe.png": "pipe or device",
        "gone/a.png": "is not a folder",
        "a\0.png": "NUL",
    }.items():
        with pytest.raises(OutputError, match=words):
            write(PICTURE, tmp_path / name)
    assert mine.read_bytes() == before and not (tmp_path / "gone.png").exists()
    (tmp_path / "ours.png").symlink_to(own)
    write(255 - PICTURE, tmp_path / "ours.png")
    assert (tmp_path / "ours.png").is_symlink(), "the link stays"
    np.testing.assert_array_equal(Image.open(own), 255 - PICTURE)


def test_what_was_read_in_a_run_stays_even_if_it_is_own(tmp_path):
    path = write(PICTURE, tmp_path / "a.png")
    (tmp_path / "twin.png").hardlink_to(path)
    with one_run():
        reading(path)
        for name in ("a.png", "twin.png"):
            with pytest.raises(OutputError, match="was read in this run"):
                write(PICTURE, tmp_path / name)
        with pytest.raises(OutputError, match="was read in this run"):
            write(PICTURE, tmp_path / "." / "a.png")
    write(PICTURE, path)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run a command in a folder with a photo and a model; returns exit status and what it said."""
    monkeypatch.chdir(tmp_path)
    Image.fromarray(PICTURE).save("cat.png")
    networks.build("fused").save("model.keras")

    def run(*arguments):
        result = CliRunner().invoke(main, [*map(str, arguments)])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.exit_code, result.stderr.splitlines()[-1:] and result.stderr.splitlines()[-1]

    return run


MODEL = ("--model", "model.keras", "--preprocess", "unit")


def contents(folder="."):
    return {str(path): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


def test_explaining_a_photo_where_it_lies(run):
    before = contents()
    assert run("explain", "cat.png", *MODEL, "--out", ".", "--mask", 0.5)[0] == 0
    made = contents().keys() - before.keys()
    assert made == {f"cat-{end}" for end in (
        "explained.png", "gradcam.png", "gradcam.npz", "gradcam-mask.png"
    )}  # fmt: skip
    assert run("explain", ".", *MODEL, "--out", ".", "--mask", 0.5)[0] == 0
    assert contents().keys() == before.keys() | made, "its own pictures are not explained"
    assert {name: contents()[name] for name in before} == before


def test_every_command_refuses_before_the_work(run, monkeypatch):
    layer = "conv1"
    commands = {
        "cat-explained.png": ("explain", "cat.png", *MODEL, "--out", "."),
        "cat-gradcam-overlay-1.png": (
            "explain", "cat.png", *MODEL, "--out", ".", "--overlay", "even",
            "--target", 0, "--target", 1,
        ),
        "gradcam.npz": ("check", "cat.png", *MODEL, "--out", "."),
        "k.png": ("kernels", *MODEL, "--layer", layer, "--out", "k.png"),
        f"{layer}_0.gif": (
            "maximize", *MODEL, "--layer", layer, "--filters", 0, "--frames", 1, "--out", ".",
        ),
        f"{layer}.npz": ("strongest", ".", *MODEL, "--layer", layer, "--out", "."),
        "index.html": ("report", "cat.png", *MODEL, "--out", "."),
    }  # fmt: skip
    for method in ("gradcam", "kernels", "maximize", "strongest_images"):
        monkeypatch.setattr(og, method, None)  # none is asked
    for name, command in commands.items():
        Path(name).write_text("mine")
        before = contents()
        status, said = run(*command)
        assert (status, contents()) == (2, before), name
        assert said.startswith("optogram: ") and "optogram did not make it" in said, name
        Path(name).unlink()


def test_maps_and_tables_of_others_stay(run):
    asked = ("maps", "cat.png", *MODEL, "--first", 2, "--numbers", "--over-photo")
    assert run(*asked)[0] == 0 and run(*asked)[0] == 0
    (table, *_) = Path("maps").rglob("*.csv")
    table.write_text("mine")
    before = contents()
    status, said = run(*asked)
    assert status == 2 and "did not make it" in said and contents() == before


def test_a_photo_that_is_an_own_picture_is_not_replaced_by_its_namesake(run):
    assert run("explain", "cat.png", *MODEL, "--out", ".")[0] == 0
    before = contents()
    status, said = run("explain", "cat.png", "cat-gradcam.png", *MODEL, "--out", ".")
    assert status == 2 and "was read in this run" in said and contents() == before


def test_photos_of_one_name_get_names_of_their_own():
    from optogram.cli.photos import unique_stems

    paths = ["a/cat.png", "b/Cat.jpg", "cat-2.png", "d/cat.png", "cat-2.gif"]
    stems = list(unique_stems(paths))
    assert len({stem.casefold() for stem in stems}) == len(paths), stems
    assert stems[:2] == ["cat", "Cat-2"]


# -- temporary files -------------------------------------------------------------------------------

HANGING = """
import sys, time
from pathlib import Path
from optogram.files import replacing
with replacing(Path(sys.argv[1])) as part:
    part.write_bytes(b"half")
    print(part, flush=True)
    time.sleep(60)
"""


def hanging(path):
    """A process that is in the middle of writing ``path``, and its temporary file."""
    process = subprocess.Popen(
        [sys.executable, "-c", HANGING, str(path)], stdout=subprocess.PIPE, text=True
    )
    return process, Path(process.stdout.readline().strip())


def test_what_a_killed_process_left_is_removed_and_what_a_living_one_writes_is_not(tmp_path):
    path = tmp_path / f"{'long ' * 49}.npz"  # 250 characters: the temporary name is shorter
    killed, left = hanging(path)
    living, written = hanging(path)
    try:
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        assert left.exists() and written.exists()
        with replacing(tmp_path / "other.npz") as part:
            part.write_bytes(b"other")
        assert left.exists(), "of other files nothing is known"
        with replacing(path) as part:
            part.write_bytes(b"whole")
        assert not left.exists() and written.exists()
        assert path.read_bytes() == b"whole"
    finally:
        living.kill()
        living.wait()


# -- what is no file -------------------------------------------------------------------------------


def test_pipes_devices_sockets_and_folders_are_told_at_once(net, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    networks.build("fused").save("model.keras")
    for ending in (".npy", ".npz", ".png", ".keras", ".txt", ".h5"):
        os.mkfifo(f"pipe{ending}")
        Path(f"folder{ending}").mkdir()
        Path(f"device{ending}").symlink_to("/dev/zero")
    server = socket.socket(socket.AF_UNIX)
    server.bind("socket.npy")
    layer = "conv1"
    target = og.Filter(layer, 0)
    begun = time.monotonic()
    for kind in ("pipe", "folder", "device", "nul\0", "gone"):
        for ask in (
            lambda kind=kind: og.load(f"{kind}.keras"),
            lambda kind=kind: og.load(f"{kind}.h5"),
            lambda kind=kind: load_weights_file(net.model, f"{kind}.h5"),
            lambda kind=kind: og.Network(net.model, "unit", f"{kind}.txt"),
            lambda kind=kind: og.saliency(net, f"{kind}.png"),
            lambda kind=kind: og.load_result(f"{kind}.npz"),
            lambda kind=kind: og.maximize(net, target, start=f"{kind}.png"),
            lambda kind=kind: og.datasets.fashion_mnist(f"{kind}.png"),
        ):
            with pytest.raises(OptogramError):
                ask()
        if kind != "gone":
            for ask in (
                lambda kind=kind: og.maximize(net, target, steps=1, checkpoint=f"{kind}.npz"),
                lambda kind=kind: og.strongest_images(
                    net, layer, [PICTURE], 1, checkpoint=f"{kind}.npz"
                ),
            ):
                with pytest.raises(OptogramError):
                    ask()
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save("x.png")
    for name in ("pipe", "folder", "device", "socket", "gone"):
        with pytest.raises(ValueError):
            read_array(Path(f"{name}.npy"))
        answer = CliRunner().invoke(
            main, ["predict", "x.png", "--model", "model.keras", "--fixed", f"age={name}.npy"]
        )
        assert answer.exit_code == 2 and "age=" in answer.stderr
    server.close()
    assert time.monotonic() - begun < 60, "nothing waits for the other end of a pipe"
