"""Models with custom layers: their code by --code, or as custom_objects."""

import importlib
import sys
import zipfile
from contextlib import contextmanager
from pathlib import Path

import click
import keras
import numpy as np
import pytest
from click.testing import CliRunner
from keras import layers
from PIL import Image

import optogram as og
from optogram.cli import main

pytestmark = [pytest.mark.once, pytest.mark.keras_inside]

CODE = '''
"""Two layers of somebody's own."""
import keras
from beside import FACTOR

print("this is said by the code")


@keras.saving.register_keras_serializable("somebody")
class Registered(keras.layers.Layer):
    def call(self, x):
        return FACTOR * x


class Plain(keras.layers.Layer):
    def call(self, x):
        return activation(x)


def activation(x):
    return keras.ops.relu(x)
'''


@contextmanager
def undone():
    """Registrations and imports within the block are undone after it."""
    registered, path, modules = keras.saving.get_custom_objects(), list(sys.path), set(sys.modules)
    before = dict(registered)
    try:
        yield
    finally:
        registered.clear()
        registered.update(before)
        sys.path[:] = path
        for name in ("mine", "beside"):
            if name not in modules:
                sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model with custom layers in both formats, its code, and a photo, made elsewhere."""
    place = tmp_path_factory.mktemp("custom")
    (place / "mine.py").write_text(CODE)
    (place / "beside.py").write_text("FACTOR = 2.0\n")
    with undone():
        sys.path.insert(0, str(place))
        mine = importlib.import_module("mine")
        image = keras.Input((16, 16, 3))
        x = layers.Conv2D(4, 3, activation=mine.activation, name="conv")(image)
        x = layers.GlobalAveragePooling2D()(mine.Plain(name="plain")(mine.Registered()(x)))
        model = keras.Model(image, layers.Dense(3, name="out")(x))
        model.save(place / "my.keras")
        model.save(place / "my.h5")
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    Image.fromarray(pixels).save(place / "photo.png")
    return place


@pytest.fixture
def run(folder, tmp_path, monkeypatch):
    """Run a command on the model with --code."""
    monkeypatch.chdir(tmp_path)

    def run(command, *more, model="my.keras", code=folder / "mine.py"):
        words = [command, *more, "--code", str(code)]
        words += ["--model", str(folder / model)] if command != "inspect" else []
        return CliRunner().invoke(main, list(map(str, words)))

    with undone():
        yield run


def sentence(result) -> str:
    """The one sentence of a refusal."""
    assert (result.exit_code, result.stdout) == (2, ""), result.output
    (line,) = result.stderr.splitlines()
    return line


@pytest.mark.parametrize("model", ["my.keras", "my.h5"])
def test_code_is_run_before_the_model_is_opened(run, folder, model):
    found = run("predict", folder / "photo.png", "--trust", model=model)
    assert found.exit_code == 0, found.output
    assert "class 2" in found.stdout
    assert "this is said by the code" in found.stderr not in found.stdout


@pytest.mark.parametrize(
    ("command", "more"),
    [
        ("explain", ["PHOTO", "--layer", "plain"]),
        ("maps", ["PHOTO", "--layer", "plain"]),
        ("kernels", ["--layer", "conv"]),
        ("inspect", ["MODEL"]),
    ],
)
def test_commands_take_code(run, folder, command, more):
    places = {"PHOTO": folder / "photo.png", "MODEL": folder / "my.keras"}
    found = run(command, *[places.get(word, word) for word in more], "--trust")
    assert found.exit_code == 0, found.output


def test_every_command_that_opens_networks_has_the_option():
    context = click.Context(main)
    for name in main.list_commands(context):
        options = {parameter.name for parameter in main.get_command(context, name).params}
        assert ("code" in options) == ("trust" in options), name


def test_code_is_not_run_without_trust(run, folder):
    (folder / "bad.py").write_text("open('ran', 'w')\n")
    told = sentence(run("predict", folder / "photo.png", code=folder / "bad.py"))
    assert "--code runs" in told and "add --trust" in told
    assert not Path("ran").exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("import keras\n\nx = 1 / 0\n", "line 3: ZeroDivisionError: division by zero"),
        ("def f():\n    raise ValueError\n\nf()\n", "line 2: ValueError"),
        ("x = 1\nclass A(:\n", "line 2: invalid syntax"),
        ("import missing_module_of_mine\n", "line 1: ModuleNotFoundError: No module named"),
        ("import sys\nsys.exit('over')\n", "line 2: SystemExit: over"),
    ],
)
def test_code_that_fails_is_one_sentence_with_its_line(run, folder, text, words):
    (folder / "bad.py").write_text(text)
    told = sentence(run("predict", folder / "photo.png", "--trust", code=folder / "bad.py"))
    assert words in told and "bad.py" in told and told.endswith(": correct the file.")


def test_code_must_be_a_python_file_for_a_model_file(run, folder):
    assert "must be a Python file" in sentence(run("kernels", "--trust", "--layer", "a", code="x"))
    words = ["inspect", "vgg16", "--trust", "--code", str(folder / "mine.py")]
    assert "--code is for model files" in sentence(CliRunner().invoke(main, words))


def test_an_unknown_layer_suggests_code(run, folder):
    found = CliRunner().invoke(main, ["inspect", str(folder / "my.keras")])
    told = sentence(found)
    assert "--code and --trust" in told and "custom_objects={'activation': activation}" in told


# -- Python ------------------------------------------------------------------------------------


class Doubling(layers.Layer):
    def call(self, x):
        return x * 2


class Nameless(layers.Layer):
    """Without get_config, Keras hands the constructor more than it takes."""

    def __init__(self, units):
        super().__init__()
        self.units = units

    def call(self, x):
        return x * self.units


class Forgetful(layers.Layer):
    """Its configuration lacks an argument."""

    def __init__(self, units, **more):
        super().__init__(**more)
        self.units = units

    def call(self, x):
        return x * self.units

    def get_config(self):
        return super().get_config()


@pytest.mark.parametrize("ending", [".keras", ".h5"])
@pytest.mark.parametrize(
    ("kind", "words"),
    [(Nameless, "unexpected keyword argument"), (Forgetful, "positional argument: 'units'")],
)
def test_a_layer_without_its_arguments_is_named_with_what_its_class_lacks(
    tmp_path, kind, words, ending
):
    image = keras.Input((8, 8, 3))
    layer = kind(3)
    path = tmp_path / f"model{ending}"
    keras.Model(image, layers.Flatten()(layer(image))).save(path)
    with pytest.raises(og.ModelError) as error:
        og.load(path, preprocess="unit", custom_objects={kind.__name__: kind})
    told = str(error.value)
    assert repr(layer.name) in told and f"{kind.__name__}.__init__()" in told and words in told
    assert f"give the class {kind.__name__} a get_config()" in told and "\n" not in told


@pytest.mark.parametrize("ending", [".keras", ".h5"])
def test_custom_objects_are_known_only_while_the_file_is_opened(tmp_path, ending):
    image = keras.Input((8, 8, 3))
    model = keras.Model(image, layers.Flatten()(Doubling(name="doubling")(image)))
    path = tmp_path / f"model{ending}"
    model.save(path)
    if ending == ".keras":  # the module it comes from is not there where it is opened
        with zipfile.ZipFile(path) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        members["config.json"] = members["config.json"].replace(__name__.encode(), b"elsewhere")
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in members.items():
                archive.writestr(name, content)
    before = dict(keras.saving.get_custom_objects())
    net = og.load(path, preprocess="unit", custom_objects={"Doubling": Doubling})
    assert "doubling" in {layer.name for layer in net.layers}
    x = np.full((1, 8, 8, 3), 0.25, np.float32)
    assert np.allclose(net.scores(x), 0.5)
    assert keras.saving.get_custom_objects() == before
    assert keras.saving.get_registered_object("Doubling") is None
    with pytest.raises(og.ModelError, match="'Doubling'"):
        og.load(path)


@pytest.mark.parametrize("odd", [{"Doubling": 3}, {1: Doubling}])
def test_custom_objects_are_classes_by_name(folder, odd):
    with pytest.raises(og.InputError, match="classes or functions by name, such as"):
        og.load(folder / "my.keras", custom_objects=odd)


def test_custom_objects_are_for_files():
    with pytest.raises(og.InputError, match="custom_objects= is for model files"):
        og.load("vgg16", weights=None, custom_objects={"Doubling": Doubling})
