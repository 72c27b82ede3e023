"""Questions about a survey, against the survey itself."""

import numpy as np
import pytest
from click.testing import CliRunner
from starlette.testclient import TestClient

import optogram as og
import surveyed
from optogram.cli import main
from optogram.errors import InputError
from optogram.web.app import create_app
from optogram.web.explore import workspace_of
from unpacking import unpacked

pytest.importorskip("zarr")
pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def survey(tmp_path_factory):
    return surveyed.survey(tmp_path_factory.mktemp("survey"))


@pytest.fixture(scope="module")
def ask(survey):
    app = create_app(workspace_of([], None, None, survey=survey), ["127.0.0.1"])
    with TestClient(app, base_url="http://127.0.0.1") as client:

        def asked(name, **given):
            return client.get(f"/api/{name}", params=given)

        yield asked


def answer(response):
    assert response.status_code == 200, response.text
    return unpacked(response.content)


def test_the_survey_is_described_with_the_networks(ask, survey):
    about, _ = answer(ask("networks"))
    assert about["networks"] == []
    layers = about["survey"]["layers"]
    assert {one["name"]: one["units"] for one in layers} == survey.layers
    assert [one["patterns"] for one in layers] == [1, 0]


def test_the_table_of_a_layer_is_that_of_the_survey(ask, survey):
    about, arrays = answer(ask("surveyed_layer", layer="b"))
    assert np.array_equal(arrays["fires"], survey.column("fires", "b"))
    assert np.array_equal(arrays["strength"], survey.column("strongest_activation", "b")[:, 0])
    assert about["names"] == {"0": "cat", "1": "dog"}
    for channel in range(2):
        unit = survey.unit("b", channel)
        served = zip(arrays["served"][channel], arrays["contribution"][channel], strict=True)
        assert tuple(served) == unit.classes
        alike = zip(arrays["nearest"][channel], arrays["correlation"][channel], strict=True)
        assert tuple(alike) == unit.nearest
    assert "mean" not in arrays  # not in this survey
    about, _ = answer(ask("surveyed_layer", layer="a"))
    assert about["with_patterns"] == [surveyed.PATTERNED]


def test_pictures_are_patterns_and_crops(ask, survey):
    about, arrays = answer(ask("surveyed_pictures", layer="a", units="0,1", most=2, side=32))
    assert about["units"] == [0, 1]
    assert about["photos"][1][0] == {"name": "blue.png", "activation": 2, "label": None}
    assert arrays["pattern_sizes"].tolist() == [[[0, 0]], [[32, 32]]]
    assert (arrays["patterns"][1, 0] == surveyed.PATTERN).all()
    for row, channel in enumerate(about["units"]):
        for rank, one in enumerate(survey.unit("a", channel).strongest):
            assert np.array_equal(arrays["crops"][row, rank], survey.crop(one, 32))


def test_photos_that_are_gone_have_no_size(ask, survey, tmp_path):
    poorer = surveyed.survey(tmp_path)
    (tmp_path / "photos/blue.png").unlink()
    app = create_app(workspace_of([], None, None, survey=poorer), ["127.0.0.1"])
    client = TestClient(app, base_url="http://127.0.0.1")
    given = {"layer": "a", "units": "1", "most": 2}
    _, arrays = answer(client.get("/api/surveyed_pictures", params=given))
    assert arrays["crop_sizes"].tolist() == [[[0, 0], [96, 96]]]


@pytest.mark.parametrize(
    ("name", "given", "sentence"),
    [
        ("surveyed_layer", {"layer": "c"}, "does not describe a layer 'c'"),
        ("surveyed_pictures", {"layer": "a", "units": "1,x"}, "numbers such as 3,17"),
        ("surveyed_pictures", {"layer": "a", "units": "99"}, "numbered 0 to 69"),
        ("steps", {}, "No network is open, only a survey"),
    ],
)
def test_what_cannot_be_answered_is_said_in_a_sentence(ask, name, given, sentence):
    response = ask(name, **given)
    assert response.status_code == 422
    assert sentence in response.json()["error"]


def test_photos_need_a_network(survey):
    with pytest.raises(InputError, match="Photos need a network"):
        og.explore(survey, "cat.jpg")
    with pytest.raises(InputError, match="Expected one survey, got two"):
        og.explore(survey, survey=survey)
    with pytest.raises(InputError, match="Expected a network"):
        og.explore([])


def test_the_command_refuses_what_a_survey_alone_has_no_use_for(survey, tmp_path):
    def told(*given):
        result = CliRunner().invoke(main, ["explore", *given, "--no-browser"])
        assert result.exit_code == 2
        return result.output

    assert "Looking at photos needs a network" in told(survey.place, str(tmp_path))
    assert "--labels needs a network" in told(survey.place, "--labels", "names.txt")
    assert "One survey is looked at at a time" in told(survey.place, survey.place + "/")
    assert "There is no store" in told(str(tmp_path / "none.zarr"))
