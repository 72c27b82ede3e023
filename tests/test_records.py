"""JSON and CSV on standard output, notes on standard error, and what is checked before Keras."""

import csv
import io
import json
import re
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import optogram as og
from optogram.cli import main, records
from optogram.cli.advice import in_options
from optogram.cli.options import network as opening
from optogram.network.network import Network
from optogram.pictures.preparation import NAMED

pytestmark = pytest.mark.once

PAGE = (Path(__file__).parent.parent / "docs" / "machine_readable.md").read_text(encoding="utf-8")
COMMANDS = {
    "predict": ("photos", "--top", 2),
    "inspect": (),
    "explain": ("photos", "--method", "gradcam", "--method", "saliency", "--target", 1),
    "intervene": ("photos", "--set", "conv:1=0", "--scale", "conv:0=2", "--top", 2),
    "ablate": ("photos", "--layer", "conv", "--by", "flipped", "--top", 1),
    "check": ("photos", "--method", "saliency", "--steps", 2),
    "strongest": ("photos", "--layer", "conv", "--top", 3),
    "concepts": ("photos", "--layer", "conv", "--concepts", 2, "--crops", 3),
}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a small network, two photos, and a file that is no photo."""
    folder = tmp_path_factory.mktemp("records")
    model = keras.Sequential(
        [
            keras.Input((16, 16, 3)),
            keras.layers.Conv2D(2, 3, activation="relu", name="conv"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )
    rng = np.random.default_rng(0)
    weights = [rng.uniform(0, 0.3, w.shape) for w in model.get_weights()]
    weights[2] *= 30  # so that probabilities are no straight lines
    model.set_weights(weights)
    model.save(folder / "small.keras")
    (folder / "photos").mkdir()
    for name in ("a", "c"):
        photo = rng.integers(0, 256, (20, 24, 3), np.uint8)
        Image.fromarray(photo).save(folder / "photos" / f"{name}.png")
    (folder / "photos" / "b.png").write_bytes(b"no picture")
    return folder


@pytest.fixture
def run(place, monkeypatch, tmp_path):
    """Run a command on the small network; returns exit status, standard output and error."""
    monkeypatch.chdir(place)

    def run(name, *arguments, out=True):
        model = ("small.keras",) if name == "inspect" else ("--model", "small.keras")
        if name in ("explain", "intervene", "ablate", "check", "strongest", "concepts") and out:
            model += ("--out", tmp_path / "out")
        result = CliRunner().invoke(main, [name, *map(str, (*arguments, *model))])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.exit_code, result.stdout, result.stderr

    return run


@pytest.mark.parametrize("name", COMMANDS)
def test_standard_output_is_one_document_of_documented_keys(name, run):
    status, out, err = run(name, *COMMANDS[name], "--json")
    found = json.loads(out)
    assert found["command"] == name and found["optogram"] == og.__version__
    assert found["network"]["warnings"], "the guessed preprocessing"
    assert "Warning: " in err and "--preprocess" in err
    assert status == (0 if name == "inspect" else 1)
    if name != "inspect":
        (skipped,) = found["skipped"]
        assert skipped["photo"] == str(Path("photos/b.png"))
        assert skipped["reason"].startswith("'photos") and "b.png" in err
    keys = {*found, *(key for value in found.values() for key in _keys(value))}
    free = {"parameters", "config", "similarity"}
    for key in keys - free:
        assert f"`{key}`" in PAGE, key


def _keys(value):
    """The keys of the mappings in ``value``, except in those that are of a method or a layer."""
    if isinstance(value, list):
        return {key for item in value for key in _keys(item)}
    if isinstance(value, dict):
        inner = {k: v for k, v in value.items() if k not in ("parameters", "config", "similarity")}
        return set(value) | {key for item in inner.values() for key in _keys(item)}
    return set()


@pytest.mark.parametrize("name", COMMANDS)
def test_standard_output_is_one_table_of_documented_columns(name, run):
    _, out, _ = run(name, *COMMANDS[name], "--csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert len(rows) >= 3
    if name != "predict":
        paragraph = PAGE.split(f"## {name}\n")[1].split("Columns")[1].split("\n\n")[0]
        assert list(rows[0]) == re.findall(r"`(\w+)`", paragraph)
    if name != "inspect":
        *read, last = rows
        assert "b.png" in last["photo"] and "no picture" in last["error"]
        assert all(row["error"] == "" for row in read)


def test_numbers_are_those_of_the_library(run):
    net = og.load("small.keras")
    photos = ["photos/a.png", "photos/c.png"]
    expected = net.predict(photos, top=2)
    found = json.loads(run("predict", *COMMANDS["predict"], "--json")[1])["photos"]
    assert [photo["photo"] for photo in found] == photos
    for photo, predictions in zip(found, expected, strict=True):
        for one, other in zip(photo["classes"], predictions, strict=True):
            assert one["index"] == other.index and one["label"] == other.label
            assert one["probability"] == pytest.approx(other.probability, abs=1e-6)
    explained = json.loads(run("explain", *COMMANDS["explain"], "--json")[1])["photos"][0]
    assert explained["predicted"]["index"] == expected[0][0].index
    maps = {each["method"]: each for each in explained["explanations"]}
    result = og.gradcam(net, photos[0], 1)
    assert maps["gradcam"]["score"] == pytest.approx(float(result.score[0]), abs=1e-5)
    assert maps["gradcam"]["maximum"] == pytest.approx(result.values.max(), rel=1e-4)
    assert all(Path(file).exists() for file in explained["files"])
    document = json.loads(run("intervene", *COMMANDS["intervene"], "--json")[1])
    assert document["changes"] == ["conv, filter 1: set to 0", "conv, filter 0: × 2"]
    changes = {og.Filter("conv", 1): 0.0, og.Filter("conv", 0): og.Change(scale=2.0)}
    result = og.intervene(net, photos, changes)
    for i, photo in enumerate(document["photos"]):
        assert [one["index"] for one in photo["classes"]] == result.strongest(2)[i].tolist()
        for one in photo["classes"]:
            assert one["probability_after"] == pytest.approx(
                result.probabilities_after[i, one["index"]], abs=1e-6
            )
            assert one["score_before"] == pytest.approx(
                result.scores_before[i, one["index"]], abs=1e-5
            )
        assert photo["target_after"] == pytest.approx(float(result.target_after[i]), abs=1e-5)
        saved = og.load_result(photo["files"][1])
        np.testing.assert_allclose(saved.values[0], result.values[i], atol=1e-6)
    peaks = og.strongest_images(net, "conv", photos, top=3)
    (one, two) = json.loads(run("strongest", *COMMANDS["strongest"], "--json")[1])["filters"]
    for found, values in zip((one, two), peaks.values, strict=True):
        assert [each["value"] for each in found["photos"]] == pytest.approx(values[:2], rel=1e-5)


def test_what_is_no_number_is_null():
    content = {"a": np.float32("nan"), "b": np.array([1.5, np.inf]), "c": (1, None)}
    assert records._plain(content) == {"a": None, "b": [1.5, None], "c": [1, None]}
    third = records._plain(np.float64(1) / 3)
    assert json.loads(json.dumps(third)) == 1 / 3, "not rounded"


def test_quiet_leaves_errors_alone(run):
    status, out, err = run("predict", "photos/a.png", "--quiet")
    assert (status, out, err) == (0, "", "")
    status, out, err = run("predict", "photos", "--quiet")
    assert (status, out) == (1, "") and err.startswith("Skipped: ") and err.count("\n") == 1
    _, _, err = run("strongest", *COMMANDS["strongest"], "--quiet")
    assert err.startswith("Skipped: ") and err.count("\n") == 1
    status, out, err = run("predict", "photos/b.png", "--quiet", "--json")
    assert (status, out) == (2, "") and err.startswith("optogram: ")
    assert run("predict", "photos", "--json", "--csv")[0] == 2


def test_pictures_that_optogram_made_are_left_out_of_folders(run, place, tmp_path):
    for name in ("a", "c"):
        (tmp_path / f"{name}.png").write_bytes((place / "photos" / f"{name}.png").read_bytes())
    again = ("explain", tmp_path, "--out", tmp_path, "--json")
    twice = [run(*again, out=False) for _ in range(2)]
    first, second = (json.loads(out)["photos"] for _, out, _ in twice)
    assert first == second and len(first) == 2
    assert "left out" not in twice[0][2]
    note = "4 pictures that optogram made were left out."
    assert twice[1][2].splitlines().count(note) == 1
    for command, *more in (("predict",), ("strongest", "--layer", "conv")):
        assert note in run(command, tmp_path, *more)[2]
    status, out, err = run("predict", tmp_path / "a-explained.png")
    assert status == 0 and "a-explained.png" in out and "left out" not in err


def test_photos_of_one_size_are_predicted_together(run, monkeypatch):
    lengths, predict = [], Network.predict

    def counting(net, x, *args, **more):
        lengths.append(len(x))
        return predict(net, x, *args, **more)

    monkeypatch.setattr(Network, "predict", counting)
    run("predict", "photos/a.png", "photos/c.png", "photos/a.png", "--memory", "1GB")
    assert lengths == [3]


def test_explain_says_what_is_predicted_and_lists_its_files(run, tmp_path):
    net = og.load("small.keras")
    ((first,),) = net.predict("photos/a.png", top=1)
    other = (first.index + 1) % 3
    asked = ("explain", "photos/a.png", "--target", other, "--mask", 0.5)
    status, out, _ = run(*asked)
    head, *files = out.splitlines()
    assert status == 0
    assert f"{first.label}, {first.probability:.2%}; explained: class {other}" in head
    assert {Path(file.strip()) for file in files} == set((tmp_path / "out").iterdir())
    with Image.open(files[0].strip()) as small:
        width = small.width
    assert run(*asked, "--cell", 400)[0] == 0
    with Image.open(files[0].strip()) as large:
        assert large.width == pytest.approx(width + 2 * (400 - 224), abs=40)


# -- before the backend ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("explain", "gone.jpg", "--target", "tabby"), "'gone.jpg' does not exist"),
        (("explain", "gone.jpg", "lost.jpg"), "None of the 2 photos"),
        (("predict", "photos", "--model", "vgg61"), "'vgg16'"),
        (("predict", "photos", "--model", "gone.keras"), "gone.keras does not exist"),
        (("predict", "photos", "--labels", "gone.txt"), "gone.txt"),
        (
            ("predict", "photos", "--memory", "much"),
            '--memory must be in bytes, or a text such as "2GB"',
        ),
        (("predict", "photos", "--preprocess", "tff"), "'tff' is not one of"),
        (("predict", "photos", "--weights", "gone.h5"), "No weights file gone.h5"),
        (("predict", "photos", "--fixed", "age"), "'age' does not give values"),
        (("predict", "photos", "--top", 0), "--top"),
        (("explain", "photos", "--out", "small.keras"), "small.keras is a file"),
        (("explain", "photos", "--out", "small.keras/x"), "small.keras is not a folder"),
        (("explain", "photos", "--stages", "--method", "saliency"), "--method gradcam"),
        (
            ("explain", "photos", "--method", "integrated_gradients", "--baseline", "blak"),
            "no file 'blak'",
        ),
        (("maps", "photos", "--size", "30by40"), "'30by40' is not a size"),
        (("maps", "photos", "--grid", "5by4"), "'5by4' is not a size such as \"5x8\", rows first"),
        (("maximize", "--layer", "conv", "--filters", "3-1"), "'3-1' is not a list"),
        (("maximize", "--layer", "conv", "--start", "gone.jpg"), "'gone.jpg' does not exist"),
        (("maximize", "--layer", "conv", "--sheet", "0x3"), "'0x3' is not a size"),
        (("strongest", "gone", "--layer", "conv"), "'gone' is not a folder"),
        (("intervene", "photos"), "Say which filters are changed"),
        (("intervene", "photos", "--set", "conv:1"), "'conv:1' is not LAYER:FILTERS=VALUE"),
        (("intervene", "photos", "--scale", "conv:1=nan"), "with a finite number"),
        (("train", "--data", "gone"), "gone"),
    ],
)
def test_what_can_be_known_is_said_before_the_backend_starts(arguments, words, place, monkeypatch):
    monkeypatch.chdir(place)

    def never():
        raise AssertionError("the backend was started")

    monkeypatch.setattr(opening, "start_backend", never)
    monkeypatch.setattr("optogram.cli.train.start_backend", never)
    result = CliRunner().invoke(main, list(map(str, arguments)))
    assert result.exit_code == 2 and result.stdout == ""
    last = result.stderr.splitlines()[-1]
    assert words in last and last.startswith(("optogram: ", "Error: "))


def test_targets_do_not_import_keras_before_the_photos_are_found(tmp_path):
    code = (
        "import sys\nfrom optogram.cli import main\n"
        "try: main(['explain', 'gone.jpg', '--target', 'tabby'])\n"
        "except SystemExit: print('keras' in sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    assert done.stderr.splitlines()[-1] == "False"


def test_preprocessings_are_all_on_the_command_line():
    predict = main.get_command(main.make_context("optogram", ["predict"]), "predict")
    (option,) = (each for each in predict.params if each.name == "preprocess")
    assert set(option.type.choices) == set(NAMED)


# -- advice ----------------------------------------------------------------------------------------


def test_advice_names_the_options_of_the_command(run):
    options = ("--points", 1, "--score", "probability")
    err = run("explain", "photos/a.png", "--method", "integrated_gradients", *options)[2]
    assert "raise points, as in --points 10." in err


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("choose them with preprocess=…; otherwise", "choose them with --preprocess …; otherwise"),
        ("give weights='imagenet' or labels=…, or", "give --weights 'imagenet' or --labels …, or"),
        ("use a smaller patch, or fill_space.", "use a smaller patch, or --fill-space."),
        ("samples must be a whole number", "--samples must be a whole number"),
        ("open it with trust=True.", "open it with --trust."),
        ('give fixed={"age": an array}.', "give --fixed age=NUMBERS (an array)."),
        (
            "such as Class(3, region=(top, left, bottom, right)).",
            "such as --target 3 --region TOP,LEFT,BOTTOM,RIGHT.",
        ),
        ("the method integrated_gradients, start=3", "the method integrated_gradients, start=3"),
        ("'fill_space' stays, and net.labels=1", "'fill_space' stays, and net.labels=1"),
    ],
)
def test_arguments_of_python_become_options_where_there_is_one(text, expected):
    explain = main.get_command(main.make_context("optogram", ["explain"]), "explain")
    assert in_options(text, explain) == expected
