"""The command line: what it prints, and one sentence with exit status 2 for bad input."""

import inspect
import json
import os
import struct
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import click
import keras
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import optogram as og
from optogram import render, result
from optogram.cli import main, starting
from optogram.cli.options import network
from optogram.cli.options.attribution import TAKEN_BY
from optogram.methods import ATTRIBUTIONS, OF_ATTENTION
from optogram.network.opening import efficientnet_lite0
from optogram.pictures import prepared, read

pytestmark = pytest.mark.once

CAT = og.datasets.sample_photo("chelsea")


@pytest.fixture(scope="module")
def lite0_model(lite0):
    """The default network's model, read from its file once for all commands of this file."""
    return lite0.model


@pytest.fixture(scope="module")
def load(model_file):
    """`optogram.load`, which opens the small network once for commands that open it alike."""
    opened, load = {}, og.load

    def opening(model, **options):
        if str(model) != str(model_file) or options.get("labels") is not None:
            return load(model, **options)
        key = repr(options)
        if key not in opened:
            opened[key] = load(model, **options)
        return opened[key]

    return opening


@pytest.fixture
def run(tmp_path, monkeypatch, lite0_model, load):
    """Run a command in an empty folder; returns exit status, standard output and error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(og, "load", load)
    monkeypatch.setattr(efficientnet_lite0, "efficientnet_lite0", lambda weights: lite0_model)

    def run(*arguments):
        result = CliRunner().invoke(main, [str(argument) for argument in arguments])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.exit_code, result.stdout, result.stderr

    return run


@pytest.fixture(scope="session")
def model_file(tmp_path_factory) -> Path:
    """A small three-class network in a file, with the same weights on every backend."""
    path = tmp_path_factory.mktemp("models") / "small.keras"
    small = keras.Sequential(
        [
            keras.Input((32, 32, 3)),
            keras.layers.Conv2D(4, 3, activation="relu", name="conv"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(3, activation="softmax", name="dense"),
        ]
    )
    generator = np.random.default_rng(0)
    small.set_weights([generator.normal(0.05, 0.2, w.shape) for w in small.get_weights()])
    small.save(path)
    return path


def refused(answer) -> str:
    """The one sentence of a refusal."""
    status, out, err = answer
    lines = [line for line in err.splitlines() if not line.startswith("Warning: ")]
    assert (status, out, len(lines)) == (2, "", 1), answer
    assert lines[0].startswith("optogram: ")
    return lines[0]


@pytest.mark.each_backend
def test_predict_names_the_cat(run):
    status, out, _ = run("predict", CAT, "--top", 2)
    assert status == 0
    first, second = out.splitlines()[1:]
    assert "76.29%" in first and "Egyptian cat" in first and "class 285" in first
    assert "tiger cat" in second


def test_predict_with_ones_own_model_and_labels(run, model_file):
    Path("labels.txt").write_text("red\ngreen\nblue\n")
    status, out, err = run("predict", CAT, "--model", model_file, "--labels", "labels.txt")
    assert status == 0
    assert {"red", "green", "blue"} <= set(out.split())
    assert "preprocess" in err, "the guessed preparation is said"
    _, _, err = run("predict", CAT, "--model", model_file, "--preprocess", "tf")
    assert err == ""


def test_inspect_lists_layers_and_one_layer(run, model_file):
    status, out, _ = run("inspect", model_file)
    assert status == 0
    assert "30×30×4" in out and "124 parameters" not in out and "127 parameters" in out
    status, out, _ = run("inspect", model_file, "--layer", "conv")
    assert (
        "parameters: 112" in out and "weights: 3×3×3×4, 4\n" in out and "config filters: 4" in out
    )


def test_report_writes_the_page(run, model_file):
    status, out, _ = run("report", CAT, "--model", model_file, "--out", "pages", "--top", 2)
    assert status == 0
    assert Path("pages/index.html").stat().st_size > 10_000
    assert [path.name for path in Path("pages").iterdir()] == ["index.html"]
    assert "index.html" in out


def test_help_and_version_are_answered_without_a_backend(run):
    assert run("--help")[0] == 0
    assert og.__version__ in run("--version")[1]


@pytest.fixture(scope="session")
def several_file(tmp_path_factory) -> Path:
    """A network that takes a photo and an age, and returns species and a map of classes."""
    photo, age = keras.Input((24, 24, 3), name="photo"), keras.Input((1,), name="age")
    maps = keras.layers.Conv2D(4, 3, activation="relu", name="conv")(photo)
    both = keras.layers.Concatenate()([keras.layers.GlobalAveragePooling2D()(maps), age])
    species = keras.layers.Dense(3, activation="softmax", name="species")(both)
    parts = keras.layers.Conv2D(2, 1, activation="softmax", name="parts")(maps)
    path = tmp_path_factory.mktemp("models") / "several.keras"
    keras.Model({"photo": photo, "age": age}, {"species": species, "parts": parts}).save(path)
    return path


def test_one_of_several_inputs_and_outputs_is_explained(run, several_file):
    asked = ["--model", several_file, "--preprocess", "unit"]
    status, out, _ = run("predict", CAT, *asked, "--output", "species", "--fixed", "age=40")
    assert status == 0 and "class" in out
    np.save("age.npy", np.array([40.0]))
    again = run("predict", CAT, *asked, "--output", "species", "--fixed", "age=age.npy")[1]
    assert again == out
    region = ["--output", "parts", "--target", 1, "--region", "2,2,10,20"]
    status, out, _ = run("explain", CAT, *asked, *region, "--method", "saliency")
    assert status == 0 and "rows 2 to 10, columns 2 to 20" in out
    assert 'choose one with --output "species"' in refused(run("predict", CAT, *asked))
    assert "also takes 'age'" in refused(run("predict", CAT, *asked, "--output", "species"))
    for given in ("age", "age=", "age=old", "age=none.npy"):
        answer = run("predict", CAT, *asked, "--output", "species", "--fixed", given)
        assert "does not give values for an input" in answer[2] and answer[0] == 2
    answer = run("explain", CAT, *asked, "--output", "parts", "--target", 1, "--region", "1,2")
    assert "is not a box such as" in answer[2]


# -- bad input -------------------------------------------------------------------------------------


def png_that_claims(width: int, height: int) -> bytes:
    """A tiny PNG file whose header promises a huge picture."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def test_a_photo_that_is_not_there(run):
    assert "'gone.jpg' does not exist" in refused(run("predict", "gone.jpg"))


def test_a_file_that_is_no_picture(run):
    Path("notes.jpg").write_text("milk, eggs")
    assert "'notes.jpg' holds no picture" in refused(run("predict", "notes.jpg"))


def test_a_truncated_jpeg(run):
    Image.fromarray(np.zeros((200, 200, 3), np.uint8)).save("whole.jpg")
    Path("cut.jpg").write_bytes(Path("whole.jpg").read_bytes()[:-200])
    assert "'cut.jpg' cannot be decoded" in refused(run("predict", "cut.jpg"))


def test_a_decompression_bomb(run):
    Path("bomb.png").write_bytes(png_that_claims(60_000, 60_000))
    assert "'bomb.png' has" in refused(run("predict", "bomb.png"))


def test_an_unknown_model_and_the_nearest_names(run):
    assert "'vgg16'" in refused(run("predict", CAT, "--model", "vgg61"))


def test_an_unknown_layer_and_the_nearest_names(run, model_file):
    sentence = refused(run("inspect", model_file, "--layer", "conf"))
    assert "'conv'" in sentence


@pytest.mark.parametrize(
    "name", ["gone.keras", "folder.keras", "text.keras", "zip.keras", "w.weights.h5"]
)
def test_a_file_that_is_no_model(run, model_file, name):
    if name == "folder.keras":
        Path(name).mkdir()
    elif name == "text.keras":
        Path(name).write_text("not a model")
    elif name == "zip.keras":
        with zipfile.ZipFile(name, "w") as archive:
            archive.writestr("readme.txt", "not a model")
    elif name == "w.weights.h5":
        keras.saving.load_model(model_file).save_weights(name)
    assert name in refused(run("inspect", name))


def test_a_model_that_needs_code_is_opened_only_with_trust(run):
    model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Lambda(lambda x: x + 1)])
    model.save("code.keras")
    sentence = refused(run("inspect", "code.keras"))
    assert "Lambda" in sentence and "--trust" in sentence
    assert run("inspect", "code.keras", "--trust")[0] == 0


def test_labels_that_do_not_fit(run, model_file):
    Path("labels.json").write_text(json.dumps(["red", "green"]))
    sentence = refused(run("predict", CAT, "--model", model_file, "--labels", "labels.json"))
    assert "3 labels" in sentence and "2" in sentence


def test_an_unwritable_output(run, model_file):
    Path("taken").write_text("a file")
    assert "taken" in refused(run("report", CAT, "--model", model_file, "--out", "taken"))


def test_options_out_of_range(run):
    status, out, err = run("predict", CAT, "--top", 0)
    assert (status, out) == (2, "") and "--top" in err.splitlines()[-1]
    assert run("predict", CAT, "--fit", "squash")[0] == 2
    assert run("predict")[0] == 2


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda net, x: net.predict(np.full((9, 9, 3), np.nan)), "NaN"),
        (lambda net, x: net.predict(np.zeros((9, 9, 5))), "5 channels"),
        (
            lambda net, x: net.predict(np.full((1, 32, 32, 3), np.inf, np.float32)),
            "NaN or infinite",
        ),
        (lambda net, x: net.predict(np.zeros((1, 30, 32, 3), np.float32)), "(N, 32, 32, 3)"),
        (lambda net, x: og.saliency(net, x, 3), "3 is out of range"),
        (lambda net, x: og.saliency(net, x, -1), "out of range"),
        (lambda net, x: og.saliency(net, x, "cat"), "'cat'"),
        (lambda net, x: og.saliency(net, x, 1.5), "1.5"),
        (lambda net, x: og.saliency(net, x, [0, 1, 2], score="loss"), "probability"),
        (lambda net, x: og.gradcam(net, x, layer="con"), "'conv'"),
        (lambda net, x: og.gradcam(net, x, layer="dense"), "has no feature maps"),
        (lambda net, x: og.occlusion(net, x, patch=40), "32×32"),
        (lambda net, x: og.occlusion(net, x, fill="gray"), "gray"),
        (lambda net, x: og.occlusion(net, x, fill=300), "0..255"),
        (lambda net, x: og.saliency(net, x, memory="much"), "2GB"),
        (lambda net, x: og.kernels(net, "dense"), "not a convolution"),
        (lambda net, x: og.saliency(net, x, og.Filter("conv", 4)), "4 channels"),
        (lambda net, x: og.saliency(net, x, og.Neuron("conv", (30, 0), 0)), "outside"),
    ],
)
def test_bad_arguments_in_python(model_file, call, words):
    net = og.load(model_file, preprocess="unit")
    with pytest.raises(og.InputError) as caught:
        call(net, np.zeros((1, 32, 32, 3), np.float32))
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_a_real_process_exits_with_2_and_no_stack_trace(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "optogram", "predict", "gone.jpg"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and done.stderr.startswith("optogram: ")


def test_a_missing_backend_is_replaced_and_said_or_named(tmp_path):
    """With every backend hidden, the sentence says what to install."""
    code = (
        "import importlib.util, sys\n"
        "find = importlib.util.find_spec\n"
        "hidden = ('tensorflow', 'jax', 'torch')\n"
        "importlib.util.find_spec = lambda name, *a: None if name in hidden else find(name, *a)\n"
        "from optogram.cli import main\n"
        f"sys.argv = ['optogram', 'predict', {str(CAT)!r}]\n"
        "main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 2, done.stderr
    assert 'pip install "optogram[' in done.stderr and done.stderr.count("\n") == 1


# -- explain, check, strongest ---------------------------------------------------------------------


@pytest.fixture
def photos(tmp_path):
    """A folder with two small photos of one name and one in another."""
    place = tmp_path / "photos"
    (place / "b").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name in ("cat.png", "cat.jpg", "b/dog.png"):
        Image.fromarray(rng.integers(0, 256, (40, 50, 3), np.uint8)).save(place / name)
    return place


ON_MAPS = [method for method in ATTRIBUTIONS if method not in OF_ATTENTION]
"""Those that explain a network without attention."""


def test_explain_writes_every_method_as_picture_and_as_numbers(run, model_file, photos):
    status, out, err = run(
        "explain", photos, "--model", model_file, "--preprocess", "unit", "--method", "all",
        "--target", 1, "--target", 2, "--seed", 7, "--out", "out",
    )  # fmt: skip
    assert status == 0
    for method in OF_ATTENTION:
        assert f"Left out: {method}. " in err and "no attention layer lies between" in err
    assert out.count("class 1, class 2") == 3
    written = {path.name for path in Path("out").iterdir()}
    for stem in ("cat", "cat-2", "dog"):
        assert f"{stem}-explained.png" in written
        for method in ON_MAPS:
            assert {f"{stem}-{method}.png", f"{stem}-{method}.npz"} <= written
    result = og.load_result("out/dog-smoothgrad.npz")
    assert result.parameters["seed"] == 7
    assert result.targets == ("class 1", "class 2")
    net = og.load(model_file, preprocess="unit")
    expected = og.smoothgrad(net, [photos / "b" / "dog.png"], [1, 2], seed=7)
    np.testing.assert_allclose(result.values, expected.values, atol=1e-6)


@pytest.fixture
def work(monkeypatch):
    """Counts the files decoded, by name, and the photos prepared."""
    decoded, prepared_to = [], []
    open_, fit = read._open, prepared.fit_picture
    monkeypatch.setattr(read, "_open", lambda path, name: decoded.append(path) or open_(path, name))
    monkeypatch.setattr(
        prepared,
        "fit_picture",
        lambda photo, size, *how: prepared_to.append(size) or fit(photo, size, *how),
    )
    return decoded, prepared_to


@pytest.mark.parametrize(
    "command",
    [
        ("explain", "--method", "saliency", "--method", "gradcam", "--overlay", "even", "--stages"),
        pytest.param(
            ("explain", "--method", "all", "--overlay", "even", "--mask", 0.5, "--stages"),
            marks=pytest.mark.full,
            id="explain all",
        ),
        ("check", "--method", "saliency", "--method", "gradcam", "--steps", 2),
        ("maps", "--over-photo", "--strongest", 2),
        ("report", "--top", 2),
        ("predict",),
    ],
    ids=lambda command: command[0],
)
def test_each_photo_is_decoded_once_and_prepared_once(command, run, model_file, photos, work):
    name, *options = command
    status, _, err = run(name, photos, "--model", model_file, "--preprocess", "unit", *options)
    assert status == 0
    assert all(line.startswith("Left out: ") for line in err.splitlines())
    decoded, prepared_to = work
    assert sorted(map(str, decoded)) == sorted(
        str(photos / photo) for photo in ("cat.png", "cat.jpg", "b/dog.png")
    )
    assert prepared_to == [(32, 32)] * 3


def test_explain_against_another_class_and_at_a_layer(run, model_file, photos):
    status, out, _ = run(
        "explain", photos / "cat.png", "--model", model_file, "--preprocess", "unit",
        "--target", 1, "--against", 0, "--layer", "conv:pre",
    )  # fmt: skip
    assert status == 0 and "class 1 − class 0" in out
    assert og.load_result("explained/cat-gradcam.npz").layer == "conv:pre"


def test_explain_covers_what_it_is_told_to(run, model_file, photos):
    status, _, _ = run(
        "explain", photos / "cat.png", "--model", model_file, "--preprocess", "unit",
        "--method", "occlusion", "--target", 1, "--score", "probability", "--patch", 3,
        "--stride", 2, "--margin", 1, "--fill", 0.5, "--fill-space", "network",
    )  # fmt: skip
    assert status == 0
    found = og.load_result("explained/cat-occlusion.npz")
    net = og.load(model_file, preprocess="unit")
    expected = og.occlusion(
        net, photos / "cat.png", 1, patch=3, stride=2, margin=1, fill=0.5, fill_space="network",
        score="probability",
    )  # fmt: skip
    assert found.parameters == expected.parameters
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-6)
    status, _, _ = run(
        "explain", photos / "cat.png", "--model", model_file, "--preprocess", "unit", "--method",
        "occlusion", "--of", "scores", "--overlay", "added", "--opacity", 0.7, "--mask", 0.85,
        "--out", "scores",
    )  # fmt: skip
    assert status == 0
    written = {path.name for path in Path("scores").iterdir()}
    assert {f"cat-occlusion-{end}.png" for end in ("heat", "overlay", "mask")} <= written
    status, _, err = run("explain", photos / "cat.png", "--model", model_file, "--of", "scores")
    assert status == 2 and "--of scores needs --method occlusion" in err
    words = ("--method", "occlusion", "--fill", "median")
    assert "'median'" in refused(
        run("explain", photos / "cat.png", "--model", model_file, "--preprocess", "unit", *words)
    )


def test_explain_says_the_warnings_of_results(run, tmp_path, photos):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((16, 16, 3)),
            keras.layers.Conv2D(4, 3, activation="gelu", name="conv"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )
    model.save(tmp_path / "smooth.keras")
    status, _, err = run(
        "explain", photos / "cat.png", "--model", "smooth.keras", "--method", "guided_backprop"
    )
    assert status == 0
    assert "Warning: cat, guided_backprop: No rectifier" in err
    assert err.count("--preprocess") == 1, "what the network wants known is said once"


def test_check_prints_numbers_and_a_sentence_for_each_method(run, model_file, photos):
    status, out, _ = run(
        "check", photos, "--model", model_file, "--preprocess", "unit", "--method", "saliency",
        "--method", "gradcam", "--steps", 3, "--out", "out",
    )  # fmt: skip
    assert status == 0
    assert "saliency, 3 maps" in out and "gradcam, 3 maps" in out
    assert out.count("rank correlation with the map") == 2
    assert out.count("when the weights are scrambled") == 2
    assert "similarity when scrambled" in out
    assert {path.name for path in Path("out").iterdir()} == {
        "saliency.png", "saliency.npz", "gradcam.png", "gradcam.npz"
    }  # fmt: skip
    assert og.load_result("out/gradcam.npz").sentence in out


def test_strongest_draws_the_photos_of_filters(run, model_file, photos):
    arguments = (
        "strongest", photos, "--model", model_file, "--preprocess", "unit", "--layer", "conv",
        "--filters", "0-1,3", "--top", 2,
    )  # fmt: skip
    status, out, _ = run(*arguments)
    assert status == 0 and "3 photos, 3 filters" in out
    np.testing.assert_array_equal(og.load_result("strongest/conv.npz").filters, [0, 1, 3])
    assert Path("strongest/conv.png").stat().st_size > 1000
    assert run(*arguments)[0] == 0, "a second run goes on from the first"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("explain", "gone.png"), "'gone.png' does not exist"),
        (("explain", CAT, "--target", "crane"), "names 2 classes"),
        (("explain", CAT, "--layer", "nowhere"), "no layer 'nowhere'"),
        (("explain", CAT, "--memory", "much"), "memory"),
        (("check", CAT, "--layer", "predictions"), "has no feature maps"),
        (("strongest", "gone", "--layer", "stem_conv"), "is not a folder"),
    ],
)
def test_explain_and_check_refuse_in_one_sentence(arguments, words, run):
    assert words in refused(run(*arguments))


def test_explain_leaves_a_file_where_the_folder_should_be(run):
    Path("out").write_text("mine")
    assert "is a file" in refused(run("explain", CAT, "--out", "out"))
    assert Path("out").read_text() == "mine"


def test_against_needs_a_target(run):
    status, _, err = run("explain", CAT, "--against", 3)
    assert status == 2 and "--target" in err


def test_explain_also_draws_overlays_masks_and_steps_where_asked(run, model_file):
    asked = ["explain", CAT, "--model", model_file, "--preprocess", "unit", "--out", "out"]
    asked += ["--target", 0, "--target", 1]
    assert run(*asked, "--overlay", "added", "--mask", 0.5, "--stages")[0] == 0
    made = {path.name for path in Path("out").iterdir()}
    extra = {f"chelsea-gradcam-{w}-{n}.png" for w in ("overlay", "mask", "stages") for n in (0, 1)}
    assert made == extra | {f"chelsea-{w}" for w in ("explained.png", "gradcam.png", "gradcam.npz")}
    with Image.open("out/chelsea-gradcam-mask-0.png") as mask:
        assert mask.size == (451, 300), "as large as the photo"
    steps = og.gradcam(og.load(model_file, preprocess="unit"), CAT, [0, 1]).steps
    np.testing.assert_array_equal(Image.open("out/chelsea-gradcam-stages-1.png"), steps.plot(1))
    status, _, err = run(*asked, "--method", "saliency", "--stages")
    assert status == 2 and "--method gradcam" in err


def test_explain_keeps_what_speaks_against_the_target_where_asked(run, model_file):
    asked = ["explain", CAT, "--model", model_file, "--preprocess", "unit"]
    asked += ["--target", 2, "--against", 1]
    net, least = og.load(model_file, preprocess="unit"), []
    target = og.Class(2) - og.Class(1)
    for option, rectify in (("--rectify", True), ("--no-rectify", False)):
        assert run(*asked, option)[0] == 0
        found = og.load_result("explained/chelsea-gradcam.npz").values
        np.testing.assert_allclose(found, og.gradcam(net, CAT, target, rectify=rectify).values)
        least.append(found.min())
    assert least[1] < 0 <= least[0]


# -- maps and kernels ------------------------------------------------------------------------------


def test_maps_writes_pages_files_and_overlays(run, model_file):
    status, out, _ = run(
        "maps", CAT, "--model", model_file, "--preprocess", "unit", "--layer", "con*",
        "--grid", "1x2", "--first", 3, "--cell", 30, "--each", "--strongest", 2, "--over-photo",
        "--together", "--colors", "topo.colors(12)", "--scale", "range", "--numbers",
    )  # fmt: skip
    assert status == 0 and "1 conv: 30×30×4, strongest " in out
    net = og.load(model_file, preprocess="unit")
    maps = og.feature_maps(net, CAT, "conv")["conv"]
    first, second = maps.strongest(2)[0]
    folder = Path("maps/chelsea")
    assert {str(path.relative_to(folder)) for path in folder.rglob("*.png")} == {
        "1_conv_4_0-1.png", "1_conv_4_2-2.png", "1_conv_4_strongest.png", "layers.png",
        f"1_conv_4_over_{first}.png", f"1_conv_4_over_{second}.png",
        "1_conv_4/0.png", "1_conv_4/1.png", "1_conv_4/2.png",
    }  # fmt: skip
    table = np.loadtxt(folder / f"1_conv_4_{second}.csv", np.float32, delimiter=",")
    np.testing.assert_array_equal(table, maps.matrix(int(second)))
    expected = maps.mosaic(
        channels=[0, 1], cell=30, columns=2, cmap="topo.colors(12)", per_map="range"
    )
    np.testing.assert_array_equal(Image.open(folder / "1_conv_4_0-1.png"), expected)
    expected = maps.overlay(int(first), photo=CAT, cmap="topo.colors(12)")
    np.testing.assert_array_equal(Image.open(folder / f"1_conv_4_over_{first}.png"), expected)


def test_maps_of_all_layers_at_the_proportions_of_the_photo(run, model_file):
    asked = ["maps", CAT, "--model", model_file, "--preprocess", "unit", "--layer", "all"]
    status, out, _ = run(*asked, "--size", "x60", "--out", "out")
    assert status == 0 and "conv: 38×58×4" in out
    assert [path.name for path in Path("out/chelsea").iterdir()] == ["1_conv_4.png"]


def test_kernels_writes_one_picture_of_all_layers_named(run, model_file):
    status, out, _ = run("kernels", "--model", model_file, "--layer", "conv", "--out", "a/k.png")
    assert status == 0 and "conv: 3×3×3×4, 4 shown" in out
    net = og.load(model_file, preprocess="unit")
    expected = og.kernels(net, "conv").mosaic()
    np.testing.assert_array_equal(Image.open("a/k.png"), expected)
    gray = ["--input-channel", 1, "--first", 3, "--columns", 3, "--cell", 12]
    assert run("kernels", "--model", model_file, "--layer", "conv", *gray)[0] == 0
    expected = og.kernels(net, "conv").mosaic(1, range(3), columns=3, cell=12)
    np.testing.assert_array_equal(Image.open("kernels.png"), expected)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("maps", "gone.png"), "'gone.png' does not exist"),
        (("maps", CAT, "--layer", "nowhere"), "no layer 'nowhere'"),
        (("maps", CAT, "--layer", "stem_conv", "--colors", "infernoo"), "infernoo"),
        (("kernels", "--layer", "block2b_add"), "not a convolution"),
        (("kernels", "--layer", "stem_conv", "--input-channel", 3), "3 input channels"),
        (("kernels", "--layer", "stem_conv", "--out", "kernels.txt"), "txt"),
    ],
)
def test_maps_and_kernels_refuse_in_one_sentence(arguments, words, run):
    status, _, err = run(*arguments)
    sentence = err.splitlines()[-1]
    assert status == 2 and sentence.startswith("optogram: ") and words in sentence


@pytest.mark.parametrize("size", ["x", "300", "0x4", "axb"])
def test_a_size_that_says_nothing_is_a_usage_error(size, run, model_file):
    status, _, err = run("maps", CAT, "--model", model_file, "--size", size)
    assert status == 2 and "x400" in err


# -- maximize --------------------------------------------------------------------------------------


def test_maximize_writes_sheets_results_and_gifs(run, model_file):
    status, out, _ = run(
        "maximize", "--model", model_file, "--preprocess", "unit", "--layer", "conv",
        "--filters", "0-2", "--sheet", "1x2", "--recipe", "tutorial", "--steps", 4, "--frames", 2,
        "--optimizer", "l2", "--learning-rate", 2, "--units", "network", "--noise", "0.5,0.25",
        "--crop", 3, "--contrast", 0.15, "--border", 1, "--margin", 5, "--bare", "--cell", 26,
    )  # fmt: skip
    assert status == 0
    assert [line.split(":")[0] for line in out.splitlines()] == ["conv_0-1", "conv_2"]
    with Image.open("maximized/conv_0-1.png") as sheet:
        assert sheet.size == (2 * 26 + 5, 26)
    result = og.load_result("maximized/conv_0-1.npz")
    assert result.targets == ("conv, filter 0", "conv, filter 1")
    wanted = {
        "steps": 4,
        "optimizer": "l2",
        "learning_rate": 2.0,
        "center": 0.5,
        "spread": 0.25,
        "crop": 3,
    }
    assert wanted.items() <= result.parameters.items()
    with Image.open("maximized/conv_2.gif") as gif:
        assert (gif.n_frames, gif.info["duration"]) == (2, 200)
    assert Path("maximized/conv_0-1_1.gif").exists()


def test_maximize_again_computes_nothing_and_other_arguments_are_refused(run, model_file):
    asked = ["maximize", "--model", model_file, "--preprocess", "unit", "--layer", "con*"]
    asked += ["--filters", "all", "--recipe", "tutorial", "--sheet", "2x2"]
    assert run(*asked, "--steps", 2)[0] == 0
    written = Path("maximized/conv_0-3.npz").stat().st_mtime_ns
    assert run(*asked, "--steps", 2)[0] == 0
    assert Path("maximized/conv_0-3.npz").stat().st_mtime_ns == written
    assert "another run" in refused(run(*asked, "--steps", 3))


def test_a_sheet_of_filters_that_never_fire_does_not_keep_the_others(run, tmp_path):
    inputs = keras.Input((16, 16, 3))
    x = keras.layers.Conv2D(2, 3, activation="relu", name="conv")(inputs)
    model = keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(x))
    model.get_layer("conv").set_weights(
        [np.full((3, 3, 3, 2), 0.1), np.array([-100.0, 1.0])]  # the first filter never fires
    )
    model.save(tmp_path / "half_dead.keras")
    asked = ["maximize", "--model", "half_dead.keras", "--preprocess", "unit", "--layer", "conv"]
    asked += ["--recipe", "tutorial", "--steps", 2, "--sheet", "1x1"]
    status, out, err = run(*asked, "--filters", "all")
    assert (status, [line.split(":")[0] for line in out.splitlines()]) == (0, ["conv_1"])
    assert "Warning: conv_0 is skipped: The gradient of conv, filter 0 is zero" in err
    assert "is zero at the start image" in refused(run(*asked, "--filters", "0", "--seed", 1))


def test_maximize_classes_from_a_photo(run, model_file):
    status, _, _ = run(
        "maximize", "--model", model_file, "--preprocess", "unit", "--target", 1, "--target", 2,
        "--steps", 2, "--start", CAT, "--score", "probability", "--size", "32x32",
    )  # fmt: skip
    assert status == 0
    result = og.load_result("maximized/class_1_2.npz")
    assert result.parameters["start"] == str(CAT)
    photo = og.load(model_file, preprocess="unit").prepare(CAT)
    assert np.corrcoef(result.values[0].ravel(), photo.ravel())[0, 1] > 0.9


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "--layer"),
        (("--layer", "no*"), "No layer"),
        (("--layer", "stem_conv", "--filters", "a-b"), "0-9,17"),
        (("--layer", "stem_conv", "--noise", "1"), "138,20"),
        (("--layer", "stem_conv", "--size", "12"), "310x400"),
    ],
)
def test_maximize_says_how_options_are_written(run, arguments, words):
    status, _, err = run("maximize", *arguments)
    assert (status, words in err) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--layer", "stem"), "the nearest"),
        (("--layer", "stem_conv", "--filters", "32"), "out of range"),
        (("--layer", "stem_conv", "--learning-rate", "0"), "--learning-rate"),
        (("--layer", "head_conv", "--start", "gone.jpg"), "gone.jpg"),
    ],
)
def test_maximize_refuses_in_one_sentence(run, arguments, words):
    assert words in refused(run("maximize", *arguments))


def test_every_method_is_on_the_command_line():
    public = {name for name in dir(og) if not name.startswith("_")}
    assert set(ATTRIBUTIONS) <= public
    for name in ATTRIBUTIONS:
        assert getattr(og, name).__module__ == f"optogram.methods.{name}"


def saved(path, *layers, **options) -> Path:
    """A network of ``layers`` in a file, and the names of its classes beside it."""
    model = keras.Sequential([keras.Input((16, 16, 3)), *layers])
    generator = np.random.default_rng(0)  # weights above 0, so that every filter fires
    model.set_weights([generator.uniform(0, 0.2, w.shape) for w in model.get_weights()])
    model.save(path)
    return Path(path)


def layers_of(first="conv", classes=3):
    return (
        keras.layers.Conv2D(2, 3, activation="relu", name=first),
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(classes, activation="softmax"),
    )


@pytest.mark.parametrize(
    "last",
    [
        [keras.layers.Dense(3, activation="softmax")],
        [keras.layers.Dense(1, activation="sigmoid")],
        [
            keras.layers.Dense(1),
            keras.layers.Rescaling(-1.0),
            keras.layers.Activation("sigmoid"),
        ],
        [keras.layers.Dense(4, activation="sigmoid")],
        [keras.layers.Dense(1)],
    ],
    ids=["softmax", "yes", "no", "several labels", "regression"],
)
@pytest.mark.parametrize("score", ["logit", "probability"])
def test_the_answer_of_the_network_is_explained_as_in_python(score, last, run):
    layers = keras.layers.Conv2D(2, 3, activation="relu"), keras.layers.GlobalAveragePooling2D()
    model = saved("small.keras", *layers, *(one.from_config(one.get_config()) for one in last))
    Image.effect_noise((20, 20), 60).convert("RGB").save("a.png")
    methods = ("saliency", "gradcam", "integrated_gradients", "lrp", "occlusion", "eigencam")
    asked = [word for method in methods for word in ("--method", method)]
    status, _, err = run(
        "explain", "a.png", "--model", model, "--preprocess", "unit", "--score", score, *asked
    )
    assert status == 0, err
    net = og.load(model, preprocess="unit")
    for method in methods:
        found = og.load_result(f"explained/a-{method}.npz")
        expected = getattr(og, method)(net, "a.png", score=score)
        assert (found.targets, found.warnings) == (expected.targets, expected.warnings)
        np.testing.assert_allclose(found.score, expected.score, rtol=1e-6)
        np.testing.assert_allclose(found.values, expected.values, rtol=1e-5, atol=1e-7)


def test_a_photo_that_cannot_be_read_leaves_the_others_to_be_done(run):
    model = saved("small.keras", *layers_of())
    Path("photos").mkdir()
    for name in ("a.png", "c.png"):
        Image.new("RGB", (20, 20), (90, 40, 10)).save(f"photos/{name}")
    Path("photos/b.png").write_bytes(b"no picture")
    given = ("photos", "--model", model, "--preprocess", "unit")
    for command, options, written in (
        ("predict", (), None),
        ("explain", ("--out", "out"), "out/{}-explained.png"),
        ("maps", ("--out", "out", "--size", "20x20"), "out/{}/1_conv_2.png"),
        ("check", ("--steps", 2), None),
        ("report", ("--out", "page"), None),
        ("strongest", ("--layer", "conv"), None),
    ):
        status, out, err = run(command, *given, *options)
        assert status == 1, (command, err)
        lines = [line for line in err.splitlines() if "photo" in line]
        told, named, path = (line for line in lines if "Warning" not in line or "Skipped" in line)
        assert "Skipped: " in told and "b.png" in told and "no picture" in told
        assert named == "1 of 3 photos was skipped:"
        assert path.strip() == str(Path("photos/b.png"))
        if written:
            assert [Path(written.format(name)).exists() for name in "abc"] == [True, False, True]
        if command in ("predict", "explain"):
            assert out.count("photos") == 2, out
    page = Path("page/index.html").read_text()
    assert "a.png" in page and "c.png" in page and "b.png" not in page


def test_no_photo_that_can_be_read_is_an_error(run):
    model = saved("small.keras", *layers_of())
    for name in ("a.png", "b.png"):
        Path(name).write_bytes(b"no picture")
    for command in ("predict", "explain", "maps", "check", "report"):
        answer = run(command, "a.png", "--model", model, "--preprocess", "unit")
        assert "'a.png' holds no picture" in refused(answer), "alone, its own words are enough"
        status, out, err = run(command, "a.png", "b.png", "--model", model, "--preprocess", "unit")
        assert (status, out) == (2, "")
        assert [line.split(":")[0] for line in err.splitlines()] == ["Skipped"] * 2 + ["optogram"]
        assert "None of the 2 photos" in err
    assert not list(Path().glob("*/*.png"))


def test_filters_that_are_none_or_are_not_there(run):
    given = ("--model", saved("small.keras", *layers_of()), "--layer", "conv")
    for filters in ("3-1", "0-99999999999", "9" * 5000, "1--3", "-1", "", "a", "²", "0,"):
        status, out, err = run("maximize", *given, f"--filters={filters}")
        assert (status, out) == (2, "")
        assert len(err.splitlines()[-1]) < 400
    assert not Path("maximized").exists()


def test_a_layer_may_be_called_as_a_pattern_is_written(run):
    for name in ("conv[1]", "a*b", "what?", "a b:0"):
        model = saved("small.keras", *layers_of(name))
        status, out, _ = run("maps", CAT, "--model", model, "--layer", name, "--out", "out")
        assert status == 0, name
        assert f" {name}: " in out
        assert run("kernels", "--model", model, "--layer", name)[0] == 0


def test_files_whose_names_are_no_text(run):
    model = saved("small.keras", *layers_of())
    name = os.fsdecode(b"photos/caf\xe9.png")
    try:
        Path("photos").mkdir()
        Image.new("RGB", (20, 20), (90, 40, 10)).save(name)
    except OSError:
        pytest.skip("this file system holds text alone")
    given = ("--model", model, "--preprocess", "unit")
    for command, *arguments in (
        ("predict", name),
        ("explain", "photos", "--overlay", "even"),
        ("maps", name, "--over-photo"),
        ("check", name, "--steps", 2),
        ("report", name),
        ("strongest", "photos", "--layer", "conv"),
        ("maximize", "--layer", "conv", "--start", name, "--recipe", "tutorial", "--steps", 1),
    ):
        status, out, err = run(command, *arguments, *given)
        assert status == 0, err
        assert "\udce9" not in out + err
        if command in ("predict", "explain", "maps"):
            assert "caf\\udce9.png" in out
    assert "caf\\udce9.png" in Path("report/index.html").read_text()
    assert og.load_result("strongest/conv.npz").photos == (name,)
    assert og.load_result("maximized/conv_0-1.npz").parameters["start"] == name


EVIL = "\x1b]0;owned\x07\x1b[2J\r\u202e\u2066\x9b\u2028"


def test_nothing_that_is_named_moves_the_cursor(run):
    model = saved("small.keras", *layers_of(f"conv{EVIL}"))
    Path("labels.json").write_text(json.dumps([f"cat{EVIL}\noptogram: all is well", "b", "c"]))
    photo = f"photo{EVIL}.png"
    Image.new("RGB", (20, 20), (90, 40, 10)).save(photo)
    Path(f"bad{EVIL}.png").write_bytes(b"no picture")
    given = ("--model", model, "--labels", "labels.json")
    for command, *arguments in (
        ("predict", photo, f"bad{EVIL}.png"),
        ("explain", photo, "--target", 0),
        ("maps", photo),
        ("check", photo, "--target", 0, "--steps", 2),
        ("kernels", "--layer", f"conv{EVIL}"),
        ("maximize", "--layer", f"conv{EVIL}", "--recipe", "tutorial", "--steps", 1),
        ("inspect",),
    ):
        model_first = (model, *given[2:]) if command == "inspect" else (*arguments, *given)
        status, out, err = run(command, *model_first)
        assert status == (1 if command == "predict" else 0), err
        assert "".join((out + err).split("\n")).isprintable(), command
        assert not any(line.startswith("optogram:") for line in (out + err).splitlines())


def test_long_labels_are_short_on_the_terminal(run):
    model = saved("small.keras", *layers_of())
    Path("labels.txt").write_text("\n".join(letter * 1_000_000 for letter in "abc"))
    given = ("--model", model, "--labels", "labels.txt")
    for command in ("predict", "explain"):
        status, out, _ = run(command, CAT, *given)
        assert status == 0
        assert max(map(len, out.splitlines())) < 1000
    assert len(og.load_result("explained/chelsea-gradcam.npz").targets[0]) > 1_000_000


def test_maps_are_laid_over_the_whole_photo_where_the_network_looked(run, model_file, tmp_path):
    photo = np.random.default_rng(0).integers(0, 255, (240, 480, 3)).astype(np.uint8)
    Image.fromarray(photo).save(tmp_path / "wide.png")
    options = ("--model", model_file, "--fit", "crop")
    status, _, _ = run("explain", "wide.png", "--overlay", "even", "--mask", "0.5", *options)
    assert status == 0
    over = np.asarray(Image.open("explained/wide-gradcam-overlay.png"))[:, :480]
    assert np.array_equal(over[:, :120], photo[:, :120])
    assert np.array_equal(over[:, 360:], photo[:, 360:])
    assert not np.array_equal(over[:, 120:360], photo[:, 120:360])
    dark = np.asarray(Image.open("explained/wide-gradcam-mask.png")).astype(int)[-240:]
    assert (dark[:, :120] <= 0.12 * photo[:, :120] + 1).all()
    assert run("maps", "wide.png", "--layer", "conv", "--over-photo", *options)[0] == 0
    (name,) = Path("maps/wide").glob("*_over_*.png")
    assert np.array_equal(np.asarray(Image.open(name))[:, :120], photo[:, :120])
    assert og.load_result("explained/wide-gradcam.npz").seen.tolist() == [[0, 0.25, 1, 0.75]]


def test_a_mask_of_nothing_is_told(run, model_file, tmp_path):
    Image.fromarray(np.zeros((40, 40, 3), np.uint8)).save(tmp_path / "black.png")
    options = ("--model", model_file, "--method", "occlusion", "--fill", "0", "--mask")
    status, _, err = run("explain", "black.png", *options, "0.5")
    assert status == 0 and "nowhere reaches 0.5" in err
    assert run("explain", "black.png", *options, "0")[0] == 2


def test_integrated_gradients_begin_where_they_are_told(run, model_file, tmp_path):
    Image.fromarray(np.full((9, 9, 3), 40, np.uint8)).save(tmp_path / "dark.png")
    options = ("--model", model_file, "--method", "integrated_gradients", "--baseline")
    for given, told in (("blur", "blur"), ("40", 40), ("dark.png", "dark.png")):
        assert run("explain", CAT, *options, given)[0] == 0
        (file,) = Path("explained").glob("*.npz")
        assert og.load_result(file).parameters["baseline"] == told
    assert "no file 'blak'" in refused(run("explain", CAT, *options, "blak"))


# -- no option is ignored --------------------------------------------------------------------------

TAKES_NO_OPTION = {"net", "image", "target", "fit", "size", "incremental", "memory", "progress"}
TAKES_NO_OPTION |= {"layers"}  # arrays beside the map


def test_options_are_taken_by_the_methods_that_have_such_an_argument():
    """The table says what the signatures say, and every argument of a method has its option."""
    found = {}
    for method in ATTRIBUTIONS:
        arguments = inspect.signature(getattr(og, method)).parameters
        for name in arguments.keys() - TAKES_NO_OPTION - {"score"}:
            found.setdefault(name, set()).add(method)
        assert "score" in arguments
    assert {name: set(methods) for name, methods in TAKEN_BY.items()} == found


def test_options_have_the_defaults_of_the_arguments():
    explain = main.get_command(click.Context(main), "explain")
    defaults = {option.name: option.default for option in explain.params}
    for name, methods in TAKEN_BY.items():
        if name == "layer":
            continue
        signatures = [inspect.signature(getattr(og, method)) for method in methods]
        own = {signature.parameters[name].default for signature in signatures}
        # click marks options without a default in its own way
        has_default = isinstance(defaults[name], int | float | str)
        # Where methods differ, each is asked with its own.
        assert has_default == (len(own) == 1 and None not in own), name
        assert not has_default or str(defaults[name]) == str(*own), name


GIVEN = {
    "precision": "fast",
    "layer": "conv",
    "rectify": None,
    "similar": 2,
    "strength": 0.5,
    "samples": 3,
    "noise": 0.2,
    "seed": 3,
    "points": 3,
    "spacing": "even",
    "head_fusion": "max",
    "composite": "epsilon_plus",
    "baseline": "white",
    "baselines": ".",
    "fraction": 0.5,
    "max_dist": 0.1,
    "masks": 140,
    "tolerance": 0.5,
    "grid": 3,
    "segments": 5,
    "patch": 5,
    "stride": 5,
    "margin": 1,
    "fill": "mean",
    "fill_space": "network",
}


def flags(name):
    flag = "--no-rectify" if name == "rectify" else f"--{name.replace('_', '-')}"
    return [flag] if GIVEN[name] is None else [flag, GIVEN[name]]


@pytest.mark.parametrize("name", TAKEN_BY)
def test_an_option_that_no_method_takes_is_refused(run, name):
    takers = TAKEN_BY[name]
    others = [method for method in ATTRIBUTIONS if method not in takers]
    for methods in (others[:1], others):
        asked = [word for method in methods for word in ("--method", method)]
        status, out, err = run("explain", "cat.png", *asked, *flags(name))
        assert (status, out) == (2, "")
        sentence = err.splitlines()[-1]
        flag = f"--{name.replace('_', '-')}"
        assert sentence.startswith(f"Error: {', '.join(methods)} do")
        assert f" not take {flag}: " in sentence and " or ".join(takers) in sentence


def test_an_option_is_given_to_each_method_that_takes_it(run, model_file, photos):
    asked = [word for method in ON_MAPS for word in ("--method", method)]
    others = ("fill", "fill_space", "head_fusion")
    given = [word for name in GIVEN for word in flags(name) if name not in others]
    status, *_ = run(
        "explain", photos / "cat.png", "--model", model_file, "--preprocess", "unit",
        *asked, *given, "--fill", 0.5, "--fill-space", "network",
    )  # fmt: skip
    assert status == 0
    net = og.load(model_file, preprocess="unit")
    arguments = GIVEN | {"rectify": False, "fill": 0.5}
    for method in ON_MAPS:
        function = getattr(og, method)
        taken = inspect.signature(function).parameters
        own = {name: value for name, value in arguments.items() if name in taken}
        expected = function(net, [photos / "cat.png"], **own)
        found = og.load_result(f"explained/cat-{method}.npz")
        np.testing.assert_allclose(found.values, expected.values, atol=1e-5)
        for name in own.keys() - {"layer", "patch", "stride"}:
            assert found.parameters[name] == own[name], (method, name)


def test_each_layer_asked_for_is_explained(run, tmp_path, photos):
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((24, 24, 3)),
            layers.Conv2D(4, 3, activation="relu", name="one_conv"),
            layers.Conv2D(4, 3, activation="relu", name="two_conv"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(3, activation="softmax"),
        ]
    )
    model.save("two.keras")
    asked = ["--model", "two.keras", "--preprocess", "unit", "--target", 1]
    asked += ["--method", "gradcam", "--method", "saliency"]
    both = ["--layer", "one_conv", "--layer", "two_conv:pre"]
    status, *_ = run(
        "explain", photos / "cat.png", *asked, *both, "--overlay", "alpha", "--opacity", 0.5
    )
    assert status == 0
    stems = ("cat-gradcam-one_conv", "cat-gradcam-two_conv-pre", "cat-saliency")
    endings = (".png", ".npz", "-overlay.png")
    assert {path.name for path in Path("explained").iterdir()} == {
        "cat-explained.png",
        *(stem + ending for stem in stems for ending in endings),
    }
    found = [og.load_result(f"explained/{stem}.npz") for stem in stems]
    assert [result.layer for result in found] == ["one_conv", "two_conv:pre", None]
    net = og.load("two.keras", preprocess="unit")
    expected = og.gradcam(net, [photos / "cat.png"], 1, layer="one_conv")
    np.testing.assert_allclose(found[0].values, expected.values, atol=1e-6)
    status, *_ = run("explain", photos / "cat.png", *asked, "--layer", "one_*", "--out", "single")
    assert status == 0 and og.load_result("single/cat-gradcam.npz").layer == "one_conv"
    status, out, _ = run("check", photos / "cat.png", *asked, "--layer", "*_conv", "--steps", 2)
    assert status == 0 and "gradcam-two_conv, 1 map\n" in out
    names = {path.name for path in Path("checked").iterdir()}
    assert {"gradcam-one_conv.npz", "gradcam-two_conv.png", "saliency.npz"} <= names


def test_several_layers_are_told_apart_side_by_side(monkeypatch, model_file):
    net = og.load(model_file, preprocess="unit")
    x = np.zeros((1, 32, 32, 3), np.float32)
    results = [og.gradcam(net, x, 0, layer=layer) for layer in ("conv", "conv:pre")]
    seen = []
    grid = render.grid
    monkeypatch.setattr(
        render, "grid", lambda *a, **k: (seen.append(k["labels"]), grid(*a, **k))[1]
    )
    result.side_by_side([*results, og.saliency(net, x, 0)])
    assert seen == [["the photo", "Grad-CAM, conv", "Grad-CAM, conv:pre", "Saliency"]]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["explain", "cat.png", "--opacity", 0.5], "--opacity needs --overlay"),
        (
            [
                *[
                    "explain",
                    "cat.png",
                    "--method",
                    "occlusion",
                    "--fill",
                    "blur",
                    "--fill-space",
                    "network",
                ]
            ],
            "--fill-space needs a number",
        ),
        (["explain", "cat.png", "--against", 3], "--target"),
        (["maximize", "--target", 1, "--filters", 3], "--filters needs --layer"),
        (["maximize", "--target", 1, "--border", 3], "--border needs --layer"),
        (["maximize", "--layer", "conv", "--score", "logit"], "--score needs --target"),
        (["maximize", "--layer", "conv", "--fps", 3], "--fps needs --frames"),
        (["check", "cat.png", "--patch", 3], "does not take --patch"),
    ],
)
def test_an_option_that_needs_another_is_refused(run, arguments, words):
    status, out, err = run(*arguments)
    assert (status, out) == (2, "") and words in err.splitlines()[-1]


def test_a_model_file_takes_no_weights(run, model_file):
    for command in (["inspect", model_file], ["predict", CAT, "--model", model_file]):
        for weights in ("random", "imagenet", "w.weights.h5"):
            status, out, err = run(*command, "--weights", weights)
            assert (status, out) == (2, "") and "--weights" in err.splitlines()[-1]
    for weights in (None, "w.weights.h5"):
        with pytest.raises(og.InputError, match="leave weights= out"):
            og.load(model_file, weights=weights)


def test_kernels_in_color_take_no_colors(run, model_file):
    asked = ["kernels", "--model", model_file, "--preprocess", "unit", "--layer", "conv"]
    status, out, err = run(*asked, "--colors", "viridis")
    assert (status, out) == (2, "") and "--input-channel" in err
    assert run(*asked, "--colors", "viridis", "--input-channel", 0)[0] == 0


@pytest.mark.parametrize("given", [("--noise", "100,3"), ("--units", "display")])
def test_settings_of_pixels_are_refused_where_pixels_are_not_optimized(run, model_file, given):
    asked = ["maximize", "--model", model_file, "--preprocess", "unit", "--layer", "conv"]
    sentence = refused(run(*asked, "--recipe", "fast", *given))
    assert "recipes that optimize pixels" in sentence
    assert run(*asked, "--recipe", "tutorial", "--steps", 2, *given)[0] == 0


def test_check_takes_the_seed_whatever_the_method(run, model_file, photos):
    asked = ["check", photos / "cat.png", "--model", model_file, "--preprocess", "unit"]
    assert run(*asked, "--seed", 5, "--steps", 2)[0] == 0
    assert og.load_result("checked/gradcam.npz").parameters["seed"] == 5


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["raport"], "No command is called 'raport': did you mean report?"),
        (["grad-cam", "cat.jpg"], "a method, optogram explain PHOTO --method gradcam."),
        (["predict", "cat.png", "--model", "cat.png"], "cat.png is not a Keras model file"),
        (["predict", "notes.jpg"], "'notes.jpg' holds no picture that can be read"),
        (["report", "--truth", "tabby"], "'tabby' is no file: give --truth folders, or a CSV"),
        (["audit", "photos"], "'photos' must have one subfolder per class"),
        (["maximize", "--target", "tiger", "--size", "0"], "'--size': '0' is not a size"),
        (["maximize", "--target", "tiger", "--noise", "1"], "'--noise': '1' is not a pair"),
        (["kernels", "--layer", "conv", "--out", "kernels"], "such as kernels.png, not 'kernels'"),
    ],
)
def test_a_mistaken_command_is_refused_before_keras_is_imported(
    arguments, said, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.jpg").write_text("no picture")
    (tmp_path / "photos").mkdir()
    for folder in (tmp_path, tmp_path / "photos"):
        Image.new("RGB", (8, 8)).save(folder / "cat.png")

    def start():
        raise AssertionError("the backend is started")

    monkeypatch.setattr(network, "start_backend", start)
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert said in result.stderr


@pytest.mark.parametrize(("raised", "shown"), [(KeyboardInterrupt, ""), (ImportError, "a log\n")])
def test_logs_of_the_backend_are_shown_only_where_it_fails(raised, shown, capfd):
    with pytest.raises(raised), starting._standard_error_kept_back():
        os.write(2, b"a log\n")
        raise raised
    assert capfd.readouterr().err == shown
