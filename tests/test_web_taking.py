"""What is taken away of a panel: its numbers as a file, and the lines and the command that make it.

Lines and commands are run, and give the numbers of the file.
"""

import io
import json
import shlex

import keras
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import networks
import optogram as og
from optogram.cli import main

pytest.importorskip("starlette")
from starlette.testclient import TestClient

from optogram.web.app import create_app
from optogram.web.asking import QUESTIONS
from optogram.web.numbers import disposition, file_name
from optogram.web.opening import Opening
from optogram.web.workspace import Workspace
from unpacking import unpacked

pytestmark = pytest.mark.once

OPENED = {"weights": None, "preprocess": "unit", "resample": "lanczos", "fixed": (), "trust": False}
LAYER = """it's "conv" $2*"""
FILTER = 1


def odd(name="fused"):
    """A network one of whose layers has a name that a shell, Python and patterns read otherwise."""

    def named(layer):
        return type(layer).from_config({**layer.get_config(), "name": LAYER})

    renamed = {"conv2": named}
    return keras.models.clone_model(
        networks.build(name),
        clone_function=lambda layer: renamed.get(
            layer.name, lambda one: type(one).from_config(one.get_config())
        )(layer),
    )


class Opened:
    """A network out of a file and photos of a folder, opened as the command line does."""

    def __init__(self, folder, model):
        path = folder / "my $net's.keras"
        model.save(path)
        net = og.load(path, preprocess="unit")
        photos = folder / 'a folder; "of" $photos'
        photos.mkdir()
        for i in range(3):
            pixels = np.random.default_rng(i).integers(256, size=(20, 24, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(photos / f"-it's {i}.png")
        files = sorted(photos.iterdir())
        self.net, self.workspace = net, Workspace([net], files)
        self.workspace.searched = str(photos)
        self.workspace.openings[id(net)] = Opening(str(path), OPENED)
        self.photo = self.workspace.add(files[0], files[0].name)
        app = create_app(self.workspace, ["127.0.0.1"])
        self.client = TestClient(app, base_url="http://127.0.0.1")

    def get(self, name, **given):
        known = {each.name for each in QUESTIONS[name.removesuffix(".npz")].parameters}
        usual = {"photo": self.photo.id, "layer": LAYER, "filter": FILTER}
        asked = {key: value for key, value in {**usual, **given}.items() if key in known}
        answer = self.client.get(f"/api/{name}", params=asked)
        assert answer.status_code == 200, answer.text
        return answer

    def numbers(self, name, **given):
        """(what the file says, its arrays)"""
        file = dict(np.load(io.BytesIO(self.get(f"{name}.npz", **given).content)))
        return json.loads(str(file.pop("about"))), file


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    return Opened(tmp_path_factory.mktemp("taking"), odd())


PATCH = {"patch": 5, "fill": "mean"}
PANELS = {
    "map_values": ({}, {"values": "maps.values[0]"}),
    "map_contributions": ({"target": "1-0"}, {"contributions": "contributions"}),
    "covered_values": (
        {**PATCH, "y": -1, "x": 3, "show": "difference"},
        {"values": "difference[0]"},
    ),
    "unit_map": (
        {},
        {"map": "values", "over": "over", "counts": "counts", "edges": "edges"},
    ),
    "arithmetic": (
        {"row": 0, "column": 1, "count": 64},
        {"products": "np.moveaxis(result.values[..., result.strongest(64)], -1, 0)"},
    ),
    "changed_unit": (
        {"factor": 0.5},
        {"scores": "result.scores_after[0]", "probabilities": "result.probabilities_after[0]"},
    ),
    "strongest_crops": ({}, {"crop1": "np.asarray(result.crop(0, 1))"}),
    "photo_crop": ({}, {"crop0": "np.asarray(result.crop(0))"}),
    "patched": ({**PATCH, "y": 2, "x": 3}, {"scores": "scores"}),
    "occlusion_map": ({**PATCH, "target": "1", "stride": 3}, {"values": "result.values[0]"}),
    "attribution": ({"target": "1-0", "method": "saliency"}, {"cells": "result.heatmap[0]"}),
}


def run(lines):
    names = {}
    exec(lines, names)
    return names


@pytest.mark.parametrize("panel", PANELS)
def test_the_lines_give_the_numbers_of_the_file(one, panel):
    given, expected = PANELS[panel]
    about, arrays = one.numbers(panel, **given)
    names = run(about["python"])
    for name, code in expected.items():
        again = np.asarray(eval(code, {"np": np, **names}))
        np.testing.assert_allclose(arrays[name], again, rtol=1e-4, atol=1e-5, err_msg=name)
    # The file has all that the packed answer has.
    packed_about, packed_arrays = unpacked(one.get(panel, **given).content)
    assert packed_about == about and packed_arrays.keys() == arrays.keys()
    for name, values in packed_arrays.items():
        np.testing.assert_allclose(arrays[name], values, rtol=1e-5)


def made(command, folder, monkeypatch):
    """The results that a command writes, loaded; it is run in ``folder``."""
    monkeypatch.chdir(folder)
    program, *arguments = shlex.split(command)
    assert program == "optogram"
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    files = [file for file in folder.rglob("*.npz") if "progress" not in file.name]
    return og.load_result(*files)


COMMANDS = {
    "map_values": ("values", lambda result: result.values[0]),
    "unit_map": ("map", lambda result: result.values[0, ..., FILTER]),
    "changed_unit": ("scores", lambda result: result.scores_after[0]),
    "strongest_crops": ("crop0", lambda result: np.asarray(result.crop(0))),
    "occlusion_map": ("values", lambda result: result.values[0]),
}


@pytest.mark.parametrize("panel", COMMANDS)
def test_the_command_gives_the_numbers_of_the_file(one, panel, tmp_path, monkeypatch):
    about, arrays = one.numbers(panel, **PANELS[panel][0])
    name, read = COMMANDS[panel]
    found = read(made(about["command"], tmp_path, monkeypatch))
    np.testing.assert_allclose(arrays[name], found, rtol=1e-4, atol=1e-5)


def test_the_weights_of_a_filter(one, tmp_path, monkeypatch):
    about, arrays = one.numbers("arithmetic", row=0, column=1, count=64)
    again = about["weights"]
    kernel = run(again["python"])["kernel"]
    expected = np.moveaxis(arrays["weights"], 0, -1)
    np.testing.assert_allclose(kernel[..., about["weight_channels"]], expected)
    whole = made(again["command"], tmp_path, monkeypatch).values[..., FILTER]
    np.testing.assert_allclose(whole, kernel)
    assert about["command"] is None and "in Python" in about["no_command"]


def test_a_pattern(one, tmp_path, monkeypatch):
    # The lines and the command as they are, but for the size of what is made.
    from optogram.web.questions import activating

    small = {"steps": 8, "size": (8, 8)}
    monkeypatch.setattr(
        activating, "maximize", lambda *given, **named: og.maximize(*given, **named, **small)
    )
    about, arrays = one.numbers("pattern")
    lines = about["python"].replace(f", {FILTER}))", f", {FILTER}), steps=8, size=(8, 8))")
    np.testing.assert_array_equal(run(lines)["pixels"], arrays["pixels"])
    command = f"{about['command']} --steps 8 --size 8x8"
    np.testing.assert_array_equal(made(command, tmp_path, monkeypatch).images[0], arrays["pixels"])


def test_a_network(one):
    (about,) = unpacked(one.get("networks").content)[0]["networks"]
    names = run(about["python"])
    assert [each.name for each in names["net"].layers] == [each.name for each in one.net.layers]
    done = CliRunner().invoke(main, shlex.split(about["command"])[1:])
    assert done.exit_code == 0 and LAYER in done.output


def test_without_a_folder_or_a_file_of_the_network(one):
    bare = Workspace([one.net], one.workspace.folder)
    content = one.photo.source.read_bytes()
    photo = bare.add(content, "added.png")

    def ask(name, **given):
        question = QUESTIONS[name]
        _, values = question.read(bare, {"layer": LAYER, "filter": "1", **given})
        return question.answer(bare, Silent(), **values).about

    about = ask("unit_map", photo=photo.id)
    assert "# net:" in about["python"] and "'added.png'" in about["python"]
    assert about["command"] is None and "og.explore" in about["no_command"]
    about = ask("strongest_crops")
    assert about["command"] is None and "one folder" in about["no_command"]
    lines = about["python"].partition("\n")[2]
    result = og.strongest_images(one.net, LAYER, list(one.workspace.folder), 9, filters=[1])
    names = {"og": og, "net": one.net}
    exec(lines, names)
    np.testing.assert_allclose(names["result"].values, result.values)
    bare.folder = tuple(bare.folder) * 9
    assert "# photos:" in ask("strongest_crops")["python"]


class Silent:
    def progress(self, *_):
        pass


def test_names_of_files(one):
    answer = one.get("unit_map.npz")
    said = answer.headers["content-disposition"]
    assert answer.headers["content-type"] == "application/x-npz"
    assert said.startswith('attachment; filename="it_s_0-unit_map-it_s_conv__2_-1.npz"')
    hostile = '../../a\r\nb: c\0\u202e"é;%.png'
    named = file_name([hostile, "", "unit_map"])
    assert not set(named) & set('/\\\r\n\0\u202e":*') and named.endswith("-unit_map.npz")
    header = disposition(named)
    assert header.isascii() and header.isprintable() and header.count('"') == 2
    assert file_name(["..", ""]) == "numbers.npz" and len(file_name(["x" * 999])) < 130


def test_what_is_no_file_of_numbers(one):
    for name, status in (("networks", 404), ("report", 404), ("nothing", 404), ("unit_map", 422)):
        refused = one.client.get(f"/api/{name}.npz", params={"layer": LAYER})
        assert refused.status_code == status and refused.json()["error"]
