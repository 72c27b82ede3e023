"""The explorer's maps, verdicts and what is taken away, compared with the library's own numbers."""

import shlex

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import networks
import optogram as og
from optogram.errors import InputError
from optogram.methods import ATTRIBUTIONS, OF_ATTENTION, attribution_method

pytest.importorskip("starlette")

import optogram.web.questions
from optogram.web.asking import QUESTIONS
from optogram.web.kept import StoppedError
from optogram.web.opening import Opening
from optogram.web.workspace import Workspace

pytestmark = pytest.mark.once

OPENED = {"weights": None, "preprocess": "unit", "resample": "lanczos", "fixed": (), "trust": False}


class Telling:
    """Hears how far a question is; stops it at once if nobody is to listen."""

    def __init__(self, is_stopped=False):
        self.told, self._is_stopped = [], is_stopped

    def progress(self, done, total, what):
        if self._is_stopped:
            raise StoppedError
        self.told.append((done, total))


class Explored:
    """A workspace with one network and one photo in a folder, as the command line opens them."""

    def __init__(self, name, folder):
        self.path = folder / "model.keras"
        networks.build(name).save(self.path)
        self.net = og.load(self.path, preprocess="unit")
        pixels = np.random.default_rng(0).integers(256, size=(20, 24, 3), dtype=np.uint8)
        self.file = folder / "it's noise.png"
        Image.fromarray(pixels).save(self.file)
        self.workspace = Workspace([self.net])
        self.workspace.openings[id(self.net)] = Opening(str(self.path), OPENED)
        self.photo = self.workspace.add(self.file, self.file.name)

    def ask(self, name, tell=None, **given):
        question = QUESTIONS[name]
        _, values = question.read(self.workspace, given)
        return question.answer(self.workspace, tell or Telling(), **values)

    def map(self, method, **given):
        return self.ask("attribution", photo=self.photo.id, method=method, **given)


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    return Explored("branches", tmp_path_factory.mktemp("why"))


@pytest.fixture(scope="module")
def spatial(tmp_path_factory):
    return Explored("segmentation", tmp_path_factory.mktemp("spatial"))


@pytest.mark.parametrize("method", sorted({*ATTRIBUTIONS} - {*OF_ATTENTION}))
def test_a_map_is_the_one_of_the_library(one, method):
    result = attribution_method(method)(one.net, one.file, 3)
    answer = one.map(method, target="3")
    np.testing.assert_array_equal(answer.arrays["cells"], result.heatmap[0])
    values = answer.arrays["values"]
    # The proportions of the photo, and no fewer pixels than the network's 16×16.
    assert values.shape == (16, 19)
    np.testing.assert_allclose(values, result.at((16, 19)), rtol=1e-5, atol=1e-7)
    about = answer.about
    assert about["unit"] == result.unit and about["score"] == result.score[0]
    assert about["target"] == result.targets[0] and about["layer"] == result.layer


def test_why_this_and_not_that(one):
    result = og.gradcam(one.net, one.file, og.Class(2) - og.Class(4), "stem")
    answer = one.map("gradcam", target="2-4", layer="stem")
    np.testing.assert_allclose(answer.arrays["cells"], result.heatmap[0], rtol=1e-5)
    assert answer.about["layer"] == "stem" and answer.about["score"] == pytest.approx(
        result.score[0]
    )


def test_methods_without_a_layer_do_not_depend_on_it(one):
    first = one.map("saliency", target="1").arrays["values"]
    assert np.array_equal(first, one.map("saliency", target="1", layer="stem").arrays["values"])
    listed = {each["name"]: each for each in one.ask("methods").about["methods"]}
    assert list(listed) == list(ATTRIBUTIONS)
    assert listed["gradcam"]["has_layer"] and not listed["occlusion"]["has_layer"]


def test_a_verdict_is_that_of_check(one):
    checked = og.check(og.gradcam(one.net, one.file, 3), steps=6)
    tell = Telling()
    given = {"photo": one.photo.id, "target": "3", "method": "gradcam"}
    answer = one.ask("verdict", tell, **given)
    assert answer.about["sentence"] == checked.sentence
    assert answer.about["depends_on_weights"] == checked.depends_on_weights
    for name in ("deletion", "insertion"):
        np.testing.assert_allclose(answer.arrays[name], getattr(checked, name)[0], atol=1e-5)
    np.testing.assert_allclose(answer.arrays["correlations"], checked.values[0], atol=1e-5)
    assert tell.told
    with pytest.raises(StoppedError):
        one.ask("verdict", Telling(is_stopped=True), **given)


def test_what_does_not_apply_is_refused_in_the_sentence_of_the_library(one, spatial):
    with pytest.raises(InputError, match="target") as said:
        spatial.map("gradcam")
    with pytest.raises(InputError) as expected:
        og.gradcam(spatial.net, spatial.file)
    assert str(said.value) == str(expected.value)
    with pytest.raises(InputError, match="nowhere"):
        one.map("gradcam", layer="nowhere")
    share = spatial.map("saliency", target="1")
    expected = og.saliency(spatial.net, spatial.file, 1).heatmap[0]
    np.testing.assert_allclose(share.arrays["cells"], expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("method", "given"),
    [
        ("gradcam", {"target": "2-4", "layer": "stem"}),
        ("occlusion", {"target": "1"}),
        ("smoothgrad", {}),
    ],
)
def test_the_python_lines_and_the_command_give_the_same_numbers(one, tmp_path, method, given):
    from optogram.cli import main

    answer = one.map(method, **given)
    names = {}
    exec(answer.about["python"], names)
    again = names["result"]
    np.testing.assert_allclose(answer.arrays["cells"], again.heatmap[0], rtol=1e-4, atol=1e-6)

    program, *arguments = shlex.split(answer.about["command"])
    assert program == "optogram"
    place = arguments.index("--")
    arguments[place:place] = ["--out", str(tmp_path)]
    ran = CliRunner().invoke(main, arguments)
    assert ran.exit_code == 0, ran.output
    (file,) = tmp_path.glob("*.npz")
    saved = og.load_result(file)
    np.testing.assert_allclose(answer.arrays["cells"], saved.heatmap[0], rtol=1e-4, atol=1e-6)

    taken = one.ask("result_file", photo=one.photo.id, method=method, **given)
    assert taken.about["name"] == f"it's noise-{method}.npz"
    path = tmp_path / "taken.npz"
    path.write_bytes(taken.arrays["content"].tobytes())
    loaded = og.load_result(path)
    np.testing.assert_array_equal(loaded.values, one_values(one, method, given))
    assert loaded.targets == again.targets


def one_values(one, method, given):
    """The values of the result that the workspace keeps."""
    from optogram.web.questions.why import explained

    layer, target = given.get("layer", ""), given.get("target", "")
    return explained(one.workspace, Telling(), one.net, one.photo, target, method, layer).values


def test_what_cannot_be_said_is_said_to_be_so(one):
    about = one.map("saliency", target="filter:stem:2").about
    assert about["command"] is None and "filters" in about["no_command"]
    names = {}
    exec(about["python"], names)
    assert names["result"].targets == (about["target"],)
    unknown = Workspace([one.net])
    photo = unknown.add(one.file.read_bytes(), "added.png")
    question = QUESTIONS["attribution"]
    _, values = question.read(unknown, {"photo": photo.id, "method": "saliency"})
    about = question.answer(unknown, Telling(), **values).about
    assert about["command"] is None and "og.explore" in about["no_command"]
    assert "og.saliency(net, 'added.png')" in about["python"] and "# net:" in about["python"]


def test_how_a_network_was_opened():
    options = {
        "weights": "random",
        "preprocess": None,
        "resample": "bilinear",
        "labels": "my labels.txt",
        "fixed": ("age=40", "box=0.1,0.9"),
        "trust": True,
        "code": None,
    }
    opening = Opening("vgg16", options)
    assert opening.python() == [
        "import keras",
        "keras.utils.set_random_seed(0)",
        "net = og.load('vgg16', weights=None, resample='bilinear', labels='my labels.txt', "
        "trust=True, fixed={'age': 40.0, 'box': [0.1, 0.9]})",
    ]
    assert shlex.join(opening.words()) == (
        "--weights random --resample bilinear --labels 'my labels.txt' "
        "--fixed age=40 --fixed box=0.1,0.9 --trust"
    )
    (line,) = Opening("a.keras", options | {"code": "layers.py"}).python()
    assert line.startswith("# net:")


def test_the_report_is_that_of_the_library(one):
    tell = Telling()
    answer = one.ask("report", tell, photos=one.photo.id)
    page = answer.arrays["content"].tobytes().decode()
    name = one.net.predict(one.file)[0][0].label
    assert "<!DOCTYPE html>" in page and "noise.png" in page and name in page
    done = [done for done, _ in tell.told]
    assert done == sorted(done) and tell.told[-1][0] == tell.told[-1][1]
    with pytest.raises(InputError, match="no photo"):
        one.ask("report", photos="0" * 16)
    with pytest.raises(StoppedError):
        one.ask("report", Telling(is_stopped=True), photos=one.photo.id)
