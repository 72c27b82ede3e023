"""Tab completion: what is offered for a line, in each shell."""

import inspect
import json
import os
import shlex
import shutil
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import click
import keras
import pytest
from click.testing import CliRunner

import kinds
import optogram as og
from optogram.cli import main
from optogram.cli.completing import models
from optogram.cli.completing.offers import OFFERS
from optogram.cli.completing.shells import SHELLS, VARIABLE
from optogram.cli.options.network import open_network

pytestmark = pytest.mark.once

BREAKS = " \t\n\"'><=;|&(:"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder, in which commands run, with a home and a cache of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


@pytest.fixture
def offered(monkeypatch, folder):
    """What a shell is offered for a line: texts as the shell takes them."""

    def offered(line, shell="bash"):
        monkeypatch.setenv("COMP_LINE", line)
        monkeypatch.setenv("COMP_POINT", str(len(line.encode())))
        monkeypatch.setenv("COMP_WORDBREAKS", BREAKS)
        monkeypatch.setattr("sys.stderr", None)  # nothing is written to it
        return SHELLS[shell](main, {}, "optogram", VARIABLE).complete().splitlines()

    return offered


def values(lines):
    return [line.partition(",")[2] for line in lines]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A model with a nested one, in both formats, with class names beside it."""
    place = tmp_path_factory.mktemp("models")
    model = kinds.transfer()
    model.save(place / "my.keras")
    model.save(place / "my.h5")
    (place / "my.labels.txt").write_text('red fox\nblue, green\nit\'s "$HOME"\nred deer\n4WD\n')
    return place


# -- paths and names ---------------------------------------------------------------------------


def test_photos_are_pictures_and_folders(offered, folder):
    for name in ("cat.jpg", "dog.PNG", "notes.txt", ".hidden.jpg", "new\nline.jpg"):
        (folder / name).touch()
    (folder / "my photos").mkdir()
    (folder / "my photos/a b.jpg").touch()
    assert offered("optogram explain ") == ["path,cat.jpg", "path,dog.PNG", "path,my photos"]
    assert offered("optogram predict cat.jpg d") == ["path,dog.PNG"]
    assert offered("optogram explain my\\ photos/") == ["path,my photos/a b.jpg"]
    assert offered("optogram explain ~/my") == [f"path,{folder}/my photos"]
    assert offered("optogram explain x.jpg --out ") == ["path,my photos"]


def test_models_are_names_and_files(offered, folder):
    for name in ("my.keras", "old.h5", "vgg.txt"):
        (folder / name).touch()
    assert values(offered("optogram explain --model VGG")) == ["vgg16", "vgg19"]
    assert "path,my.keras" in offered("optogram inspect ")
    assert offered("optogram explain --model=o") == ["path,old.h5"]


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("explain --method gradcam_", ["gradcam_plus_plus"]),
        ("explain --fit cr", ["crop"]),
        ("kernels --colors virid", ["viridis"]),
        ("explain --baseline bl", ["black", "blur"]),
        ("maximize --start gr", ["gray"]),
        ("explain --preprocess c", ["caffe"]),
        ("expl", ["explain", "explore"]),
        ("explain --agai", ["--against"]),
        ("completion f", ["fish"]),
    ],
)
def test_words_are_offered(offered, typed, found):
    assert values(offered(f"optogram {typed}")) == found


# -- layers ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["my.keras", "my.h5"])
def test_layers_of_a_file_are_those_of_the_opened_network(offered, files, name):
    line = f"optogram maps x.jpg --model {shlex.quote(str(files / name))} --layer "
    layers = [layer.name for layer in og.load(files / name, preprocess="unit").layers]
    assert values(offered(line)) == layers
    assert values(offered(line + "conv:")) == ["pre"]  # bash replaces what follows the colon
    assert values(offered(line + "'ba*")) == ["ba*"], "names would replace a pattern"
    assert offered(line + "nothing*") == []


@pytest.mark.parametrize("kind", ["nested_twice", "shared_backbone"])
def test_layers_of_nested_models_have_the_names_of_the_opened_network(kind, tmp_path):
    model = getattr(kinds, kind)()
    model.save(tmp_path / "model.keras")
    layers = models.described(str(tmp_path / "model.keras")).layers
    opened = og.Network(model, "unit").layers
    assert set(layers) == {layer.name for layer in opened if "@" not in layer.name}


def test_inputs_and_outputs_are_those_of_the_model(offered, tmp_path):
    photo, age = keras.Input((8, 8, 3), name="photo"), keras.Input((1,), name="age")
    x = keras.layers.Flatten()(photo)
    outputs = {"species": keras.layers.Dense(3)(x), "weight": keras.layers.Dense(1)(age)}
    keras.Model([photo, age], outputs).save(tmp_path / "two.keras")
    line = "optogram predict x.jpg --model two.keras"
    assert values(offered(f"{line} --input ")) == ["photo", "age"]
    assert values(offered(f"{line} --output ")) == ["species", "weight"]
    assert offered(f"{line} --fixed a") == ["open,age="]
    (tmp_path / "ages.npy").touch()
    assert offered(f"{line} --fixed age=a") == ["path,ages.npy"]


def test_layers_of_a_network_by_name_are_remembered_when_it_is_opened(offered, folder):
    line = "optogram kernels --model MobileNetV2 --layer Conv"
    assert offered(line) == []
    layers = {"Conv1": "Conv2D", "Conv1_relu": "ReLU", "out_relu": "ReLU"}
    former = folder / "cache/optogram/layers/mobilenetv2-3.0.0.tsv"
    former.parent.mkdir(parents=True)
    former.touch()
    models.remember("mobilenet_v2", layers)
    assert values(offered(line)) == ["Conv1", "Conv1_relu"]
    (kept,) = former.parent.iterdir()
    assert kept.name == f"mobilenetv2-{metadata.version('keras')}.tsv"
    assert "remember(" in inspect.getsource(open_network)
    models.remember("a name of nothing", layers)
    models.remember("my.keras", layers)
    assert len(list(former.parent.iterdir())) == 1


def test_nothing_is_remembered_where_nothing_can_be_written(folder):
    (folder / "cache").touch()  # a file where the folder would be
    models.remember("vgg16", {"conv": "Conv2D"})


def test_layers_of_the_embedded_network_are_known(offered):
    assert values(offered("optogram kernels --layer stem_c")) == ["stem_conv"]


# -- classes -----------------------------------------------------------------------------------


def test_classes_are_quoted_as_the_word_that_they_replace(offered):
    line = "optogram explain x.jpg --target"
    assert values(offered(f"{line} egy")) == [r"Egyptian\ cat"]
    assert values(offered(f"{line}=egy")) == [r"Egyptian\ cat"]
    assert values(offered(f"{line} 'egy")) == values(offered(f'{line} "egy')) == ["Egyptian cat"]
    assert values(offered("optogram maximize --target Egyptian\\ c")) == [r"Egyptian\ cat"]


@pytest.mark.parametrize("option", ["--target", "--against"])
def test_classes_are_found_by_a_word_and_by_number(offered, option):
    line = f"optogram explain x.jpg {option}"
    found = values(offered(f"{line} 'cat"))
    assert found[0] == "catamaran" and {"Egyptian cat", "tiger cat"} <= set(found)
    assert values(offered(f"{line} 28"))[:2] == ["28", "280"]
    assert offered(f"{line} 285", "zsh") == ["plain", "285", "Egyptian cat"]
    assert offered(f"{line} 285", "fish") == ["285\tEgyptian cat"]


def test_classes_of_ones_own_model(offered, files, folder):
    line = f"optogram explain x.jpg --model {shlex.quote(str(files / 'my.keras'))}"
    assert values(offered(f"{line} --target re")) == [r"red\ fox", r"red\ deer"]
    for quote in ('"', "'", ""):  # bash reads back what it was given
        (value,) = values(offered(f"{line} --target {quote}it"))
        assert shlex.split(quote + value.replace("\\$", "$") + quote) == ['it\'s "$HOME"']
    assert offered(f"{line} --target b", "fish") == ["blue, green\tclass 1"]
    assert values(offered(f"{line} --target 4")) == ["4WD", "4"]
    Path("other.txt").write_text("one\ntwo\n\x1b[2J\n")
    assert values(offered(f"{line} --labels other.txt --target ")) == ["one", "two"]


# -- what goes wrong ---------------------------------------------------------------------------


def hostile(folder):
    """Names of model files that cannot be read, or should not."""
    (folder / "text.keras").write_text("no model")
    os.mkfifo(folder / "pipe.keras")
    with zipfile.ZipFile(folder / "list.keras", "w") as archive:
        archive.writestr("config.json", "[" * 100_000)
    with zipfile.ZipFile(folder / "long.keras", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", " " * 30_000_000)
    with zipfile.ZipFile(folder / "odd.keras", "w") as archive:
        layer = {"class_name": "Lambda", "config": {"name": "\x1b[2J"}, "inbound_nodes": []}
        archive.writestr("config.json", json.dumps({"config": {"layers": [layer]}}))
    return ["text", "pipe", "list", "long", "odd", "missing"]


def test_a_file_that_cannot_be_read_offers_nothing(offered, folder):
    for name in hostile(folder):
        for option in ("--layer", "--target", "--output", "--input"):
            assert offered(f"optogram explain x.jpg --model {name}.keras {option} ") == []


@pytest.mark.parametrize(
    "line",
    [
        "optogram explain x --memory ",
        "optogram explain --nothing ",
        "optogram explain 'open",
        "optogr",
    ],
)
@pytest.mark.parametrize("shell", SHELLS)
def test_a_line_that_makes_no_sense_offers_nothing(offered, line, shell):
    assert offered(line, shell) == []


def test_every_offer_belongs_to_a_parameter():
    context = click.Context(main)
    commands = [main.get_command(context, name) for name in main.list_commands(context)]
    names = {parameter.name for command in commands for parameter in command.params}
    assert set(OFFERS) <= names | {"code"}
    for command in commands:
        for parameter in command.params:
            metavar = parameter.metavar or ""
            is_named = {"FILE", "DIR", "NAME", "CLASS", "PHOTO"} & set(metavar.split("|"))
            assert not is_named or parameter.name in OFFERS, (command.name, parameter.name)


# -- the shells --------------------------------------------------------------------------------


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_is_printed(shell, monkeypatch):
    monkeypatch.setenv("SHELL", f"/bin/{shell}")
    named, found = (CliRunner().invoke(main, ["completion", *more]) for more in ([shell], []))
    assert named.exit_code == 0 and named.stdout == found.stdout
    assert f"{VARIABLE}={shell}_complete" in named.stdout
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=named.stdout, text=True, check=True)


def test_without_a_shell_one_is_asked_for(monkeypatch):
    monkeypatch.setenv("SHELL", "/bin/tcsh")
    result = CliRunner().invoke(main, ["completion"])
    assert result.exit_code == 2 and "Name the shell: bash, zsh, fish." in result.stderr


@pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
def test_bash_completes_without_keras(files, folder):
    program = folder / "optogram"
    program.write_text(
        f"#!{sys.executable}\nimport atexit, sys\nfrom optogram.cli import main\n"
        "atexit.register(lambda: open('loaded', 'w').write(str('keras' in sys.modules)))\n"
        "main(prog_name='optogram')\n"
    )
    program.chmod(0o755)
    line = f"optogram explain x.jpg --model {files}/my.keras --target red\\ f"
    script = f"""
        eval "$(optogram completion bash)"
        complete -p optogram
        COMP_LINE={shlex.quote(line)}; COMP_POINT=${{#COMP_LINE}}
        _optogram_completion optogram 'red\\ f' --target
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(
        ["bash", "--norc", "-c", script],
        env={**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == r"red\ fox"
    assert "-F _optogram_completion optogram" in done.stdout and done.stderr == ""
    assert Path("loaded").read_text() == "False"
