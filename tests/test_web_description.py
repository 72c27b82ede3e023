"""The description of the HTTP API: complete, and true of what is answered."""

import pytest
from starlette.testclient import TestClient

from explored import photos
from optogram.web.app import create_app
from optogram.web.asking import QUESTIONS
from optogram.web.workspace import Workspace

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def client():
    return TestClient(create_app(Workspace([]), ["127.0.0.1"]), base_url="http://127.0.0.1")


@pytest.fixture(scope="module")
def paths(client):
    described = client.get("/api/openapi.json").json()
    assert described["openapi"].startswith("3.1")
    return described["paths"]


def test_every_question_and_parameter_is_described(paths):
    for name, question in QUESTIONS.items():
        described = paths[f"/api/{name}"]["get"]
        assert described["summary"] == question.about
        found = {each["name"]: each for each in described["parameters"]}
        assert found.keys() == {each.name for each in question.parameters}
        for each in question.parameters:
            assert found[each.name]["required"] == (each.default is None)
            assert found[each.name]["schema"].get("default") == each.default


def test_all_questions_with_numbers_can_be_had_as_files(paths):
    files = {path.removeprefix("/api/") for path in paths if path.endswith(".npz")}
    assert files == {f"{name}.npz" for name, each in QUESTIONS.items() if each.has_numbers}
    for name in files:
        described = paths[f"/api/{name}"]["get"]
        assert described["parameters"] == paths[f"/api/{name[:-4]}"]["get"]["parameters"]
        assert list(described["responses"]["200"]["content"]) == ["application/x-npz"]
    assert not {"networks.npz", "report.npz", "result_file.npz"} & files


def answered(paths, path, response):
    """That a response is one of those described, with what it holds."""
    method = response.request.method.lower()
    described = paths[path][method]["responses"][str(response.status_code)]
    if "content" in described:
        kind = response.headers["content-type"].partition(";")[0]
        assert kind in described["content"]
    else:
        assert not response.content
    if response.status_code >= 400:
        assert list(response.json()) == ["error"]
    return response


def test_what_is_answered_is_described(client, paths):
    foreign = {"host": "evil.example"}
    for path, methods in paths.items():
        for method in methods:
            url = path.replace("{photo}", "0" * 16)
            assert answered(paths, path, client.request(method, url, headers=foreign))
    for name in QUESTIONS:
        asked = client.get(f"/api/{name}", params={"nothing": "1"})
        assert answered(paths, f"/api/{name}", asked).status_code == 422
    added = answered(paths, "/api/photos", client.post("/api/photos", content=photos()[0]))
    answered(paths, "/api/photos", client.post("/api/photos", content=b"no photo"))
    assert answered(paths, "/api/photos", client.get("/api/photos")).json() == [added.json()]
    picture = "/api/photos/{photo}/picture"
    known = added.json()["id"]
    for photo, status in ((known, 200), ("0" * 16, 404)):
        found = client.get(picture.replace("{photo}", photo))
        assert answered(paths, picture, found).status_code == status
    photo = "/api/photos/{photo}"
    for status in (204, 404):
        found = client.delete(photo.replace("{photo}", known))
        assert answered(paths, photo, found).status_code == status


def test_names_of_questions_are_not_those_of_other_addresses():
    assert not {"photos", "socket", "openapi.json"} & QUESTIONS.keys()
