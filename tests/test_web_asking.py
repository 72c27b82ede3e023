"""What can be asked: parameters that are missing, unknown, or cannot be read."""

import pytest

import optogram as og
from explored import photos
from networks import build
from optogram.errors import InputError
from optogram.web import asking
from optogram.web.asking import QUESTIONS, choice, number, whole, words
from optogram.web.workspace import Workspace

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def workspace():
    made = Workspace([og.Network(build("fused"), "unit", labels=list("abcde"))])
    made.add(photos()[0], "first.png")
    return made


def refused(question, workspace, **given):
    with pytest.raises(InputError) as failed:
        QUESTIONS[question].read(workspace, given)
    return str(failed.value)


def test_missing_and_unknown_parameters(workspace):
    assert "needs 'photo'" in refused("predictions", workspace)
    said = refused("predictions", workspace, photo="0" * 16, foto="1")
    assert "no parameter 'foto'" in said and "model, photo" in said


def test_defaults_and_what_identifies_a_question(workspace):
    photo = next(iter(workspace))
    key, values = QUESTIONS["predictions"].read(workspace, {"photo": photo.id})
    assert values == {"model": workspace.networks[0], "photo": photo}
    again, _ = QUESTIONS["predictions"].read(workspace, {"photo": photo.id, "model": "0"})
    assert key == again
    assert key != QUESTIONS["prepared"].read(workspace, {"photo": photo.id})[0]


# Digits of other scripts, and what Python's int and float take beside numbers.
STRANGE = ["", " ", "x", "٣", "³", "1_0", "+-1", "1 ", "0x10", "nan", "inf", "1" * 5000, "\0", "½"]


@pytest.mark.parametrize("text", [*STRANGE, "-1", "10", "000000000000000009", "1.5", "1e0"])
def test_whole_numbers(text, workspace):
    with pytest.raises(InputError, match=r"side must be a whole number in 0\.\.9"):
        whole("side", "", 0, 9).read(workspace, text)


@pytest.mark.parametrize("text", [*STRANGE, "-0.1", "1e400", "1e99999", "."])
def test_numbers(text, workspace):
    with pytest.raises(InputError, match=r"share must be a number in 0\.\.1"):
        number("share", "", 0, 1).read(workspace, text)


def test_what_is_taken(workspace):
    assert [whole("n", "", -5, 9).read(workspace, text) for text in ("0", "-5", "09")] == [0, -5, 9]
    taken = {"1": 1, ".5": 0.5, "1.": 1, "0.25": 0.25, "2.5e-1": 0.25, "-0": 0}
    for text, value in taken.items():
        assert number("n", "", 0, 1).read(workspace, text) == value
    assert choice("c", "", ("a", "b")).read(workspace, "b") == "b"
    with pytest.raises(InputError, match="one of a, b, got 'c'"):
        choice("c", "", ("a", "b")).read(workspace, "c")
    with pytest.raises(InputError, match="at most 1000 characters, got 1001"):
        words("w", "").read(workspace, "w" * 1001)


@pytest.mark.parametrize("text", ["1", "0000001", "-1", "x", "٠", "9" * 30])
def test_networks(text, workspace):
    with pytest.raises(InputError, match=r"no network .* a number in 0\.\.0"):
        workspace.network(text)
    assert workspace.network("0") is workspace.network("00") is workspace.networks[0]


@pytest.mark.parametrize("text", ["../../etc/passwd", "", "0" * 16, "\ud800", "x" * 10_000])
def test_photos(text, workspace):
    with pytest.raises(InputError, match="There is no photo"):
        workspace.photo(text)


def test_targets(workspace):
    net = workspace.networks[0]
    assert workspace.target(net, "") is None
    assert str(workspace.target(net, "3")) == str(og.Class(3))
    assert str(workspace.target(net, "3-1")) == str(og.Class(3) - og.Class(1))
    assert str(workspace.target(net, "filter:conv1:2")) == str(og.Filter("conv1", 2))


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "5",
        "-1",
        "1-",
        "1-9",
        "1--2",
        "000000000285000000000",
        "²",
        "1-1-1",
        "filter:conv1:x",
        "filter:nowhere:0",
        "filter::0",
        "filter:conv1:",
        "filter:conv1:²",
    ],
)
def test_targets_that_there_are_not(text, workspace):
    with pytest.raises(InputError):
        workspace.target(workspace.networks[0], text)


def test_every_question_says_what_it_answers_and_takes():
    assert {"networks", "steps", "classes", "predictions"} <= QUESTIONS.keys()
    for name, each in QUESTIONS.items():
        assert each.about.endswith((".", "…")) and each.name == name
        names = [parameter.name for parameter in each.parameters]
        assert len(set(names)) == len(names)
        for parameter in each.parameters:
            assert parameter.about.endswith(".")
            assert isinstance(parameter.schema, dict)


def test_a_question_is_declared_once():
    before = dict(QUESTIONS)
    try:
        with pytest.raises(ValueError, match="twice"):

            @asking.question()
            def networks(workspace, tell):
                """Another."""
    finally:
        QUESTIONS.clear()
        QUESTIONS.update(before)
