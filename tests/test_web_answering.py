"""Questions over HTTP and the socket: shared, stopped, kept; what goes wrong is said."""

import asyncio
import gc
import json
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
from starlette.testclient import TestClient

from optogram.errors import InputError
from optogram.web import answering as answering_module
from optogram.web import app as app_module
from optogram.web.answering import Answering
from optogram.web.app import create_app
from optogram.web.asking import QUESTIONS, question, whole
from optogram.web.kept import Kept
from optogram.web.packing import Answer
from optogram.web.workspace import Workspace
from unpacking import event, unpacked

pytestmark = pytest.mark.once

PATIENCE = 60


class Watched:
    """A question that waits until the test lets it go on."""

    def __init__(self):
        self.calls, self.stopped = [], threading.Event()
        self.begun, self.go = threading.Event(), threading.Event()

    def answer(self, workspace, tell, n):
        """A number of bytes, after a while."""
        self.calls.append(n)
        self.begun.set()
        try:
            while not self.go.wait(0.01):
                tell.progress(len(self.calls), 9, "waiting")
        except BaseException:
            self.stopped.set()
            raise
        tell.partial(Answer({"n": -n}))
        return Answer({"n": n}, {"bytes": np.zeros(n, np.uint8)})


@pytest.fixture
def watched(monkeypatch):
    made = Watched()

    def declare(name, function, **how):
        function.__name__ = name
        question(whole("n", "A number.", 0), **how)(function)

    for name, how in {"slow": {"is_long": True}, "quick": {}, "afresh": {"is_kept": False}}.items():

        def function(workspace, tell, n):
            """A number of bytes, after a while."""
            return made.answer(workspace, tell, n)

        declare(name, function, **how)

    def broken(workspace, tell, n):
        """What fails."""
        if n == 1:
            raise InputError("One is refused.")
        raise KeyError("secret path")

    declare("broken", broken)
    yield made
    made.go.set()
    for name in ("slow", "quick", "afresh", "broken"):
        del QUESTIONS[name]


@pytest.fixture
def client(watched):
    app = create_app(Workspace([], budget=10_000), ["127.0.0.1"])
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        client.workspace = app.state.workspace
        yield client


def connect(client):
    return client.websocket_connect("ws://127.0.0.1/api/socket")


def ask(socket, number, name, **given):
    socket.send_text(json.dumps({"ask": number, "name": name, "with": given}))


def heard(socket, kind):
    """The next event that is no progress, which must be of this kind, and its answer."""
    while True:
        about, answer = event(socket.receive_bytes())
        if about["event"] != "progress" or kind == "progress":
            assert about["event"] == kind, about
            return about, answer


def test_progress_then_unfinished_then_the_answer(client, watched):
    with connect(client) as socket:
        ask(socket, 7, "slow", n=5)
        about, _ = heard(socket, "progress")
        assert about == {"ask": 7, "event": "progress", "done": 1, "total": 9, "what": "waiting"}
        watched.go.set()
        assert heard(socket, "partial") == ({"ask": 7, "event": "partial"}, ({"n": -5}, {}))
        about, (said, arrays) = heard(socket, "result")
        assert about["ask"] == 7 and said == {"n": 5} and arrays["bytes"].tolist() == [0] * 5


def test_equal_questions_are_answered_once(client, watched):
    with connect(client) as first, connect(client) as second:
        ask(first, 1, "slow", n=5)
        assert watched.begun.wait(PATIENCE)
        ask(second, 1, "slow", n="5")
        heard(second, "progress")
        watched.go.set()
        for socket in (first, second):
            heard(socket, "partial")
            about, (said, _) = heard(socket, "result")
            assert (about["ask"], said) == (1, {"n": 5})
    assert watched.calls == [5]


@pytest.mark.parametrize("how", ["cancel", "leave"])
def test_what_nobody_waits_for_is_stopped(client, watched, how):
    with connect(client) as other:
        with connect(client) as socket:
            ask(socket, 1, "slow", n=5)
            assert watched.begun.wait(PATIENCE)
            ask(other, 1, "slow", n=5)
            heard(other, "progress")
            if how == "cancel":
                socket.send_text('{"cancel": 1}')
                ask(socket, 2, "broken", n=1)
                assert heard(socket, "error")[0]["ask"] == 2
        # Somebody waits still.
        heard(other, "progress")
        assert not watched.stopped.is_set()
        other.send_text('{"cancel": 1}')
        assert watched.stopped.wait(PATIENCE)
        # And it can be asked again.
        watched.go.set()
        ask(other, 3, "slow", n=5)
        heard(other, "partial")
        assert heard(other, "result")[0]["ask"] == 3
    assert watched.calls == [5, 5]


def test_short_questions_do_not_wait_for_long_ones(client, watched):
    with connect(client) as socket:
        for n in range(8):
            ask(socket, n, "slow", n=n)
        assert watched.begun.wait(PATIENCE)
        ask(socket, 99, "broken", n=1)
        assert heard(socket, "error")[0]["ask"] == 99


def test_answers_are_kept_within_the_budget(client, watched):
    watched.go.set()
    for n in (10, 10, 4000, 4000, 6000, 10):
        answer = client.get("/api/quick", params={"n": n})
        assert answer.status_code == 200
        assert unpacked(answer.content)[1]["bytes"].size == n
    # That of 10 bytes had to go for that of 6000.
    assert watched.calls == [10, 4000, 6000, 10]
    assert client.workspace.answers.size <= 10_000
    client.get("/api/quick", params={"n": 20_000})
    assert client.get("/api/quick", params={"n": 10}).status_code == 200
    assert watched.calls[-1] == 20_000
    for _ in range(2):
        client.get("/api/afresh", params={"n": 3})
    assert watched.calls[-2:] == [3, 3]


def test_the_least_recently_used_go_first():
    kept = Kept(10)
    for key in "abc":
        kept.put(key, key, 4)
    assert [kept.get(key) for key in "abc"] == [None, "b", "c"] and kept.size == 8
    kept.get("b")
    kept.put("d", "d", 4)
    assert [kept.get(key) for key in "bcd"] == ["b", None, "d"]
    kept.put("b", "larger", 6)
    assert (kept.get("b"), kept.get("d"), kept.size) == ("larger", "d", 10)
    kept.put("d", "too large", 11)
    assert (kept.get("d"), kept.size) == (None, 6)


def test_what_fails_is_said_without_what_it_was(client, caplog):
    found = client.get("/api/broken", params={"n": 1})
    assert (found.status_code, found.json()) == (422, {"error": "One is refused."})
    found = client.get("/api/broken", params={"n": 2})
    assert found.status_code == 500 and "secret" not in found.text
    assert "secret path" in caplog.text
    with connect(client) as socket:
        ask(socket, 1, "broken", n=2)
        about, _ = heard(socket, "error")
        assert not about["is_asker"] and "'broken' could not be answered" in about["error"]


def test_a_parameter_whose_reading_fails_is_answered(client, monkeypatch):
    def fails(workspace, text):
        raise KeyError(text)

    broken, (parameter,) = QUESTIONS["broken"], QUESTIONS["broken"].parameters
    strange = replace(broken, parameters=(replace(parameter, read=fails),))
    with monkeypatch.context() as changed:
        changed.setitem(QUESTIONS, "broken", strange)
        assert client.get("/api/broken", params={"n": 2}).status_code == 500
        with connect(client) as socket:
            ask(socket, 1, "broken", n=2)
            assert not heard(socket, "error")[0]["is_asker"]


def test_over_http(client):
    assert client.get("/api/nothing").status_code == 404
    assert client.get("/api/broken").status_code == 422
    assert "twice" in client.get("/api/broken?n=1&n=2").json()["error"]
    assert client.post("/api/broken", params={"n": 1}).status_code == 405


@pytest.mark.parametrize(
    "message",
    [
        "",
        "no json",
        "[]",
        "5",
        "null",
        "{}",
        '{"ask": "1", "name": "networks", "with": {}}',
        '{"ask": true, "name": "networks", "with": {}}',
        '{"cancel": 1.5}',
        '{"cancel": [1]}',
        '{"ask": 1, "name": 5, "with": {}}',
        '{"ask": 1, "name": "networks", "with": []}',
        "[" * 60000,
        '{"a":' * 10000,
        "9" * 60000,
        " " * 70000,
    ],
)
def test_messages_that_are_no_questions_end_the_socket(client, message):
    with connect(client) as socket:
        socket.send_text(message)
        closed = socket.receive()
        assert (closed["type"], closed["code"]) == ("websocket.close", 1008)


@pytest.mark.parametrize(
    "given",
    [
        {"n": None},
        {"n": True},
        {"n": [1]},
        {"n": {}},
        {"n": 10**400},
        {"n": 1e300},
        {"n": "\ud800"},
        {"n": float("nan")},
        {"n": ""},
        {"n": "9" * 5000},
        {"\ud800": 1, "n": 1},
        {"": 1},
    ],
)
def test_parameters_that_cannot_be_are_refused_in_a_sentence(client, given):
    with connect(client) as socket:
        ask(socket, 1, "broken", **given)
        about, _ = heard(socket, "error")
        assert about["is_asker"] and about["error"]
        ask(socket, 2, "\ud800" * 100, n=1)
        assert "There is no question" in heard(socket, "error")[0]["error"]


def test_bytes_are_no_question(client):
    with connect(client) as socket:
        socket.send_bytes(b"{}")
        assert socket.receive()["code"] == 1008


def test_numbers_of_questions_are_used_once_at_a_time(client, watched):
    with connect(client) as socket:
        ask(socket, 1, "slow", n=1)
        heard(socket, "progress")
        ask(socket, 1, "slow", n=2)
        while (closed := socket.receive())["type"] == "websocket.send":
            pass
        assert closed["code"] == 1008
    assert watched.stopped.wait(PATIENCE)


def test_too_many_questions_at_a_time_are_refused_and_can_be_cancelled(
    client, watched, monkeypatch
):
    monkeypatch.setattr(app_module, "_AT_ONCE", 3)
    with connect(client) as socket:
        for number in range(4):
            ask(socket, number, "slow", n=number)
        about, _ = heard(socket, "error")
        assert about["ask"] == 3 and "More than 3 questions" in about["error"]
        socket.send_text('{"cancel": 0}')
        ask(socket, 5, "broken", n=1)
        assert heard(socket, "error")[0]["ask"] == 5


def test_events_that_nobody_reads_are_bounded(monkeypatch):
    monkeypatch.setattr(answering_module, "_WAITING_BYTES", 1000)

    async def run():
        listener = answering_module._Listener()
        for done in range(1000):
            listener.put(("progress", {"done": done, "total": 1000, "what": ""}))
        assert (await listener.get())[1]["done"] == 999
        for _ in range(10):
            listener.put(("partial", bytes(90)))
        assert [await listener.get() for _ in range(10)] == [("partial", bytes(90))] * 10
        for _ in range(12):
            listener.put(("partial", bytes(90)))
        kind, said = await listener.get()
        assert kind == "error" and "not read fast enough" in said["error"]

    asyncio.run(run())


def test_closing_ends_what_is_being_answered(watched):
    async def run():
        answers = Answering(Workspace([]))
        asked = asyncio.ensure_future(answers.answer("slow", {"n": "1"}))
        await asyncio.to_thread(watched.begun.wait, PATIENCE)
        answers.close()
        kind, said = await asyncio.wait_for(asked, PATIENCE)
        assert kind == "error" and "stopped" in said["error"]
        kind, said = await answers.answer("slow", {"n": "2"})
        assert kind == "error" and "stopped" in said["error"]

    asyncio.run(run())
    assert watched.stopped.wait(PATIENCE) and watched.calls == [1]


def test_whoever_goes_stops_a_question_over_http(watched):
    """A request that ends before its answer: the work ends, too."""
    app = create_app(Workspace([]), ["127.0.0.1"])
    sent = []

    async def run():
        gone = asyncio.Event()

        async def receive():
            if not sent:
                sent.append("request")
                return {"type": "http.request", "body": b"", "more_body": False}
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message):
            sent.append(message)

        scope = {
            "type": "http",
            "method": "GET",
            "path": "/api/slow",
            "query_string": b"n=1",
            "headers": [(b"host", b"127.0.0.1")],
            "http_version": "1.1",
            "scheme": "http",
            "root_path": "",
            "server": ("127.0.0.1", 80),
            "client": ("127.0.0.1", 9),
        }
        running = asyncio.ensure_future(app(scope, receive, send))
        await asyncio.to_thread(watched.begun.wait, PATIENCE)
        gone.set()
        await asyncio.wait_for(running, PATIENCE)

    asyncio.run(run())
    assert watched.stopped.wait(PATIENCE)


def test_a_socket_that_is_gone_when_it_is_told_something(watched):
    """The answer cannot be sent any more: that is no error of the explorer."""
    app = create_app(Workspace([]), ["127.0.0.1"])
    wrong = []

    async def run():
        asyncio.get_running_loop().set_exception_handler(lambda _, about: wrong.append(about))
        tried, begun = asyncio.Event(), []

        async def receive():
            if not begun:
                begun.append("connect")
                return {"type": "websocket.connect"}
            if len(begun) == 1:
                begun.append("question")
                text = json.dumps({"ask": 1, "name": "slow", "with": {"n": 1}})
                return {"type": "websocket.receive", "text": text}
            await tried.wait()
            await asyncio.sleep(0.1)
            return {"type": "websocket.disconnect"}

        async def send(message):
            if message["type"] == "websocket.send":
                tried.set()
                raise OSError

        scope = {
            "type": "websocket",
            "path": "/api/socket",
            "query_string": b"",
            "headers": [(b"host", b"127.0.0.1")],
            "scheme": "ws",
            "root_path": "",
            "server": ("127.0.0.1", 80),
            "client": ("127.0.0.1", 9),
        }
        await asyncio.wait_for(app(scope, receive, send), PATIENCE)
        gc.collect()
        await asyncio.sleep(0)

    asyncio.run(run())
    assert watched.stopped.wait(PATIENCE) and wrong == []


def test_what_is_computed_twice_at_a_time_is_computed_once():
    kept, made = Kept(10), []

    def make():
        made.append(1)
        time.sleep(0.05)
        return object(), 1

    found = []
    threads = [
        threading.Thread(target=lambda: found.append(kept.once("key", make))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1 and len(set(map(id, found))) == 1
    with pytest.raises(ZeroDivisionError):
        kept.once("other", lambda: 1 / 0)
    assert kept.once("other", lambda: ("made", 1)) == "made"
