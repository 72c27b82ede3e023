"""Uploads: photos as they are, and what is none, too large, or too many."""

import asyncio
import io

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

import hostile_files
from explored import photos, png
from optogram.web import photos as photos_module
from optogram.web import uploads as uploads_module
from optogram.web.app import create_app
from optogram.web.workspace import Workspace

pytestmark = pytest.mark.once


@pytest.fixture
def client():
    app = create_app(Workspace([]), ["127.0.0.1"])
    client = TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False)
    client.workspace = app.state.workspace
    return client


def add(client, content, name="photo.png"):
    return client.post("/api/photos", params={"name": name}, content=content)


def picture(client, photo):
    return client.get(f"/api/photos/{photo}/picture")


def test_a_photo_is_listed_shown_and_kept_once(client):
    content = photos()[0]
    added = add(client, content, "a.png")
    assert added.status_code == 201
    assert added.json() == {**added.json(), "name": "a.png", "width": 40, "height": 32}
    assert add(client, content, "again.png").json() == added.json()
    assert client.get("/api/photos").json() == [added.json()]
    shown = picture(client, added.json()["id"])
    assert shown.headers["content-type"] == "image/png"
    with Image.open(io.BytesIO(shown.content)) as image, Image.open(io.BytesIO(content)) as given:
        np.testing.assert_array_equal(image, given)


def test_large_photos_are_shown_smaller_and_upright(client):
    image = Image.new("RGB", (2400, 1200), "red")
    turned = image.getexif()
    turned[0x0112] = 6
    content = io.BytesIO()
    image.save(content, "JPEG", exif=turned)
    added = add(client, content.getvalue()).json()
    assert (added["width"], added["height"]) == (1200, 2400)
    shown = picture(client, added["id"])
    assert shown.headers["content-type"] == "image/jpeg"
    assert Image.open(io.BytesIO(shown.content)).size == (800, 1600)


# These take seconds to make; test_hostile.py has them read in any case.
LARGE = ("pictures of a thousand scans", "text chunks without end")
KINDS = [
    pytest.param(kind, marks=[pytest.mark.full] if kind in LARGE else [])
    for kind in hostile_files.PICTURES
    if "names" not in kind
]


@pytest.mark.parametrize("kind", KINDS)
def test_hostile_files_are_refused_in_a_sentence(client, kind, tmp_path):
    for path in hostile_files.PICTURES[kind](tmp_path):
        if path.is_file():
            found = add(client, path.read_bytes(), path.name)
            assert found.status_code == 422, path.name
            assert repr(path.name) in found.json()["error"]
    assert client.get("/api/photos").json() == []


def test_hostile_names_are_text(client, tmp_path):
    names = list(hostile_files.PICTURES["names of pictures that are no names"](tmp_path))
    names += [
        "<img src=x onerror=alert(1)>",
        "../../etc/passwd",
        "'; DROP TABLE photos; --",
        "☃" * 300,
    ]
    generator = np.random.default_rng(0)
    for name in names:
        name = name.encode("utf-8", "replace").decode()
        content = png(generator.integers(256, size=(3, 3), dtype=np.uint8))
        added = add(client, content, name)
        assert added.status_code == 201 and added.json()["name"] == (name[:200] or "photo")
        refused = add(client, b"no photo", name)
        assert refused.status_code == 422 and refused.headers["content-type"] == "application/json"
    assert len(client.get("/api/photos").json()) == len(names)


def test_photos_that_there_are_not(client):
    for name in ("0" * 16, "x", "..%2f..%2fetc%2fpasswd", "%00", "x" * 5000):
        found = picture(client, name)
        assert found.status_code == 404
    assert "no photo" in picture(client, "0" * 16).json()["error"]


def test_too_many_bytes(client, monkeypatch):
    monkeypatch.setattr(uploads_module, "PHOTO_BYTES", 1000)
    assert add(client, bytes(1001)).status_code == 413

    def parts():
        for _ in range(100):
            yield bytes(100)

    # Its length is not said beforehand.
    refused = client.post("/api/photos?name=a.png", content=parts())
    assert refused.status_code == 413 and "'a.png' is too large" in refused.json()["error"]
    small = png(np.zeros((2, 2), np.uint8))
    assert add(client, small).status_code == 201
    assert client.app.state.coming == {"bytes": 0}


def test_too_many_bytes_on_their_way(client, monkeypatch):
    monkeypatch.setattr(uploads_module, "_UPLOADING", 10)
    assert add(client, photos()[0]).status_code == 503
    assert client.app.state.coming == {"bytes": 0}


def test_too_many_photos(client, monkeypatch):
    assert photos_module.PHOTOS == 500
    monkeypatch.setattr(photos_module, "PHOTOS", 20)
    generator = np.random.default_rng(0)
    contents = [png(generator.integers(256, size=(2, 2, 3), dtype=np.uint8)) for _ in range(20)]
    for content in contents:
        assert add(client, content).status_code == 201
    refused = add(client, png(np.zeros((5, 5), np.uint8)))
    assert refused.status_code == 422 and "20 photos already" in refused.json()["error"]
    # There is room again when one is removed; one that is there is found again.
    first = client.get("/api/photos").json()[0]["id"]
    assert client.delete(f"/api/photos/{first}").status_code == 204
    assert picture(client, first).status_code == 404
    assert add(client, contents[0]).status_code == 201
    assert add(client, contents[7]).status_code == 201
    assert len(client.get("/api/photos").json()) == 20


def test_too_many_bytes_of_photos(client, monkeypatch):
    first, second = photos()
    monkeypatch.setattr(photos_module, "SOURCE_BYTES", len(first) + len(second) - 1)
    assert add(client, first).status_code == 201
    assert "MB already" in add(client, second).json()["error"]


def test_an_upload_that_stands_still_is_given_up(client, monkeypatch):
    monkeypatch.setattr(uploads_module, "_SECONDS_A_PART", 0.05)
    sent = []

    async def run(last):
        parts = [{"type": "http.request", "body": b"\x89PNG", "more_body": True}]

        async def receive():
            if parts:
                return parts.pop()
            if last is None:
                await asyncio.Event().wait()
            return last

        async def send(message):
            sent.append(message)

        scope = {
            "type": "http",
            "method": "POST",
            "path": "/api/photos",
            "query_string": b"",
            "headers": [(b"host", b"127.0.0.1")],
            "http_version": "1.1",
            "scheme": "http",
            "root_path": "",
            "server": ("127.0.0.1", 80),
            "client": ("127.0.0.1", 9),
        }
        await asyncio.wait_for(client.app(scope, receive, send), 60)

    asyncio.run(run(None))
    assert sent[0]["status"] == 408
    asyncio.run(run({"type": "http.disconnect"}))
    assert client.app.state.coming == {"bytes": 0} and client.get("/api/photos").json() == []
