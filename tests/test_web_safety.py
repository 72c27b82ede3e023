"""Who may ask the explorer: hosts, origins, tokens; what can be fetched from it."""

import pytest
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from explored import photos
from optogram.errors import InputError
from optogram.web.app import create_app, page_files
from optogram.web.listening import Listener, is_local
from optogram.web.workspace import Workspace

pytestmark = pytest.mark.once

TOKEN = "a-secret-token"
HOSTS = ["127.0.0.1", "localhost", "::1", "Studio"]


def client_of(token=None, base="http://127.0.0.1:8000", **more):
    app = create_app(Workspace([]), HOSTS, token, **more)
    return TestClient(app, base_url=base, follow_redirects=False)


@pytest.fixture
def client():
    return client_of()


def reaches(client, headers, path="/api/photos", query=""):
    """Whether a request, and a socket, with these headers are answered; they must agree."""
    headers = {name: value.encode("latin-1") for name, value in headers.items()}
    answered = client.get(path + query, headers=headers).status_code not in (303, 403)
    try:
        socket = str(client.base_url).replace("http", "ws") + "/api/socket"
        with client.websocket_connect(socket + query, headers=headers):
            opened = True
    except WebSocketDisconnect as closed:
        assert closed.code == 1008
        opened = False
    assert answered == opened
    return answered


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8000", "localhost", "LOCALHOST:1", "[::1]:8000", "studio:8000"]
)
def test_its_own_names(client, host):
    assert reaches(client, {"host": host})


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1.evil.example",
        "evil.example:8000",
        "127.0.0.2",
        "",
        "[::1",
        "0",
        "127.0.0.1@evil.example",
        "evil.example/127.0.0.1",
        "[::1].evil.example",
        "2130706433",
    ],
)
def test_foreign_names_are_refused(client, host):
    assert not reaches(client, {"host": host})
    assert client.get("/", headers={"host": host}).status_code == 403


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "null",
        "",
        "http://127.0.0.1",
        "http://127.0.0.1:8001",
        "http://[::1",
        "http://localhost:8000",
        "ftp://127.0.0.1:8000",
        "http://127.0.0.1:8000.evil.example",
        "http://127.0.0.1:8000@evil.example",
        "file://",
        "http://evil.example/127.0.0.1:8000",
    ],
)
def test_foreign_pages_are_refused(client, origin):
    headers = {"host": "127.0.0.1:8000", "origin": origin}
    assert not reaches(client, headers)
    found = client.post("/api/photos", content=photos()[0], headers=headers)
    assert found.status_code == 403
    assert client.get("/api/photos").json() == []


@pytest.mark.parametrize("origin", ["http://127.0.0.1:8000", "https://127.0.0.1:8000"])
def test_its_own_page_is_answered(client, origin):
    site = {"sec-fetch-site": "same-origin"}
    assert reaches(client, {"host": "127.0.0.1:8000", "origin": origin, **site})


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_pages_of_other_sites_and_ports_may_link_to_it_only(client, site):
    assert not reaches(client, {"sec-fetch-site": site, "sec-fetch-mode": "no-cors"})
    link = {"sec-fetch-site": site, "sec-fetch-mode": "navigate"}
    assert client.get("/", headers=link).status_code == 200
    assert not reaches(client, link)
    assert client.get("/page/main.js", headers=link).status_code == 403


def test_without_the_token_nothing_is_answered():
    client = client_of(TOKEN)
    refused = client.get("/api/photos")
    assert refused.status_code == 403 and "token is needed" in refused.json()["error"]
    for path in ("/", "/page/main.js", "/api/openapi.json", "/page/nothing.js", "/nothing"):
        assert client.get(path).status_code == 403
    assert not reaches(client, {})


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer wrong"},
        {"authorization": f"Bearer {TOKEN}x"},
        {"authorization": f"Bearer {TOKEN[:-1]}"},
        {"authorization": f"Bearer {TOKEN.upper()}"},
        {"authorization": "Bearer "},
        {"authorization": "Basic \xff"},
        {"cookie": "optogram-80=wrong"},
        {"cookie": f"optogram-81={TOKEN}"},
        {"cookie": "\xff\x01=;;; ,,= [[[; optogram-80"},
        {"cookie": "optogram-80=" + "x" * 10_000},
    ],
)
def test_wrong_tokens_are_refused(headers):
    assert not reaches(client_of(TOKEN, "http://127.0.0.1"), headers)


@pytest.mark.parametrize("query", ["?token=", "?token=wrong", "?token=%ff", "?token", "?tokens=a"])
def test_wrong_links_are_refused(query):
    assert not reaches(client_of(TOKEN), {}, query=query)
    found = client_of(TOKEN).get(f"/{query}")
    assert found.status_code == 403 and "set-cookie" not in found.headers


def test_the_bearer_is_answered():
    assert reaches(client_of(TOKEN), {"authorization": f"Bearer {TOKEN}"})


def test_the_link_sets_a_cookie_and_hides_the_token():
    client = client_of(TOKEN)
    link = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    found = client.get(f"/?view=layer&token={TOKEN}&layer=a%26b", headers=link)
    assert (found.status_code, found.headers["location"]) == (303, "/?view=layer&layer=a%26b")
    cookie = found.headers["set-cookie"]
    assert cookie.startswith(f"optogram-8000={TOKEN};")
    assert "HttpOnly" in cookie and "SameSite=lax" in cookie
    # The client keeps the cookie.
    assert client.get("/").status_code == 200
    assert reaches(client, {})
    # The link of another explorer on this host does not take it away.
    other = {"cookie": f"optogram-8001=other; optogram-8000={TOKEN}"}
    assert reaches(client_of(TOKEN), other)


def test_tokens_are_compared_in_constant_time(monkeypatch):
    import hmac

    compared = []
    real = hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", lambda a, b: compared.append(a) or real(a, b))
    client_of(TOKEN).get("/api/photos", headers={"authorization": "Bearer guess"})
    assert b"guess" in compared


def test_a_redirect_stays_here():
    client = client_of(TOKEN)
    for path in ("//evil.example/", "/\\evil.example", "/api/photos"):
        found = client.get(f"http://127.0.0.1:8000{path}", params={"token": TOKEN})
        assert found.headers["location"] == "/"


@pytest.mark.parametrize("path", ["/", "/page/main.js", "/api/photos", "/api/nothing", "/nothing"])
def test_headers(client, path):
    headers = client.get(path).headers
    policy = dict(
        each.strip().split(" ", 1) for each in headers["content-security-policy"].split(";")
    )
    assert policy["default-src"] == "'none'" and policy["script-src"] == "'self'"
    assert policy["style-src"] == "'self'" and policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'" and policy["base-uri"] == "'none'"
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"
    assert "access-control-allow-origin" not in headers
    refused = client.get(path, headers={"host": "evil.example"}).headers
    assert "default-src 'none'" in refused["content-security-policy"]


def test_only_in_notebooks_it_may_be_framed():
    framed = client_of(is_framed=True).get("/").headers["content-security-policy"]
    assert "frame-ancestors *" in framed


def test_in_a_frame_the_files_of_the_page_need_no_token_and_all_else_does():
    client = client_of(TOKEN, is_framed=True)
    frame = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    assert client.get("/", headers=frame).status_code == 200
    script = {"sec-fetch-site": "same-origin", "sec-fetch-mode": "cors"}
    assert client.get("/page/main.js", headers=script).status_code == 200
    for path in ("/api/photos", "/api/openapi.json", "/api/networks", "/nothing", "/pages"):
        assert client.get(path).status_code == 403
    for headers in ({}, {"authorization": "Bearer wrong"}, {"cookie": "optogram-8000=wrong"}):
        assert not reaches(client, headers)
    # Other pages fetch nothing, and do not frame it under another name.
    other = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}
    assert client.get("/page/main.js", headers=other).status_code == 403
    assert client.get("/", headers={"host": "evil.example", **frame}).status_code == 403
    assert not reaches(
        client, {"authorization": f"Bearer {TOKEN}", "origin": "http://evil.example"}
    )
    # What the page asks brings the token; its address is not forwarded.
    assert reaches(client, {"authorization": f"Bearer {TOKEN}"})
    assert reaches(client, {}, query=f"?token={TOKEN}")
    for query in ("?token=wrong", "?token="):
        assert not reaches(client, {}, query=query)
        refused = client.get(f"/{query}", headers=frame)
        assert refused.status_code == (403 if query.endswith("wrong") else 200)
        assert "set-cookie" not in refused.headers
    entered = client.get(f"/?token={TOKEN}")
    assert entered.status_code == 303 and TOKEN in entered.headers["set-cookie"]


def test_a_frame_has_the_token_where_servers_do_not_see_it():
    framed = Listener("127.0.0.1", 0, is_framed=True)
    framed.socket.close()
    assert framed.address.endswith(f"/?token={framed.token}")
    assert framed.frame.endswith(f"/#token={framed.token}")
    assert framed.address.partition("?")[0] == framed.frame.partition("#")[0]


@pytest.mark.parametrize(
    "path",
    [
        "../app.py",
        "..%2fapp.py",
        "%2e%2e/app.py",
        "....//app.py",
        "..\\app.py",
        "/etc/passwd",
        "views/../../app.py",
        "main.js%00",
        "main.js/",
        "MAIN.JS",
        "",
        "views",
        "views/",
        "jsconfig.json",
        "x" * 10000,
        "%ff",
        "%0a",
        "file:///etc/passwd",
    ],
)
def test_nothing_else_can_be_fetched(client, path):
    assert client.get(f"/page/{path}").status_code == 404


def test_the_files_of_the_page(client):
    files = page_files()
    assert {"index.html", "page.css", "main.js", "views/patch.js"} <= files.keys()
    assert client.get("/").content == files["index.html"]
    types = {"main.js": "text/javascript", "page.css": "text/css", "icon.svg": "image/svg+xml"}
    for path, kind in types.items():
        found = client.get(f"/page/{path}")
        assert found.content == files[path] and found.headers["content-type"].startswith(kind)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "localhost"])
def test_addresses_of_this_machine_alone(host):
    assert is_local(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.com", "", "127.1"])
def test_addresses_that_others_reach(host):
    assert not is_local(host)


def test_where_it_listens():
    here = Listener("127.0.0.1", 0)
    port = here.socket.getsockname()[1]
    assert here.address == f"http://127.0.0.1:{port}/" and here.token is None
    with pytest.raises(
        InputError, match=rf"cannot listen at 127.0.0.1, port {port} .*another port"
    ):
        Listener("127.0.0.1", port)
    here.socket.close()
    everywhere, other = Listener("0.0.0.0", 0), Listener("0.0.0.0", 0)
    assert everywhere.address.endswith(f"/?token={everywhere.token}")
    assert len(everywhere.token) >= 32 and everywhere.token != other.token
    for each in (everywhere, other):
        each.socket.close()


@pytest.mark.parametrize(
    "host", ["", "no such host.invalid", "x" * 300, "a\0b", "-", "127.0.0.1:80"]
)
def test_addresses_that_cannot_be_listened_at(host):
    with pytest.raises(InputError, match="listen at"):
        Listener(host, 0)
