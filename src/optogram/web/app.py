"""The explorer's addresses: the page and its modules, questions, and the socket."""

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncIterator, Iterable
from importlib import resources
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

import optogram.web.questions  # noqa: F401  declares them
from optogram.errors import OptogramError
from optogram.web.answering import Answering, Event, as_texts
from optogram.web.asking import QUESTIONS
from optogram.web.description import description
from optogram.web.numbers import NPZ, as_npz, disposition, file_name, stem
from optogram.web.packing import Answer, packed
from optogram.web.safety import Guard
from optogram.web.uploads import PHOTO_ROUTES, refused
from optogram.web.workspace import Workspace

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
PACKED = "application/octet-stream"
_MESSAGE_BYTES = 1 << 16
_AT_ONCE = 256
"""Largest number of questions that one socket may have open."""


def create_app(
    workspace: Workspace, hosts: Iterable[str], token: str | None = None, is_framed: bool = False
) -> Starlette:
    """The ASGI application of the explorer; the other arguments are those of `Guard`."""
    answering = Answering(workspace)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        # What the page asks first is computed while the browser loads the page.
        asking = [
            asyncio.ensure_future(answering.answer("predictions", {"photo": photo.id}))
            for photo in itertools.islice(workspace, 1)
        ]
        yield
        answering.close()
        await asyncio.gather(*asking)

    app = Starlette(
        routes=[
            Route("/", _file),
            Route("/page/{path:path}", _file),
            Route("/api/openapi.json", _description),
            *PHOTO_ROUTES,
            WebSocketRoute("/api/socket", _socket),
            Route("/api/{name}.npz", _numbers),
            Route("/api/{name}", _ask),
        ],
        middleware=[Middleware(Guard, hosts=hosts, token=token, is_framed=is_framed)],
        lifespan=lifespan,
    )
    app.state.workspace, app.state.answering = workspace, answering
    app.state.files = page_files()
    app.state.coming = {"bytes": 0}
    return app


def page_files() -> dict[str, bytes]:
    """The files of the page by path: these, and no others, can be fetched."""
    root = resources.files("optogram.web").joinpath("page")

    def found(folder: Any, before: str) -> Iterable[tuple[str, bytes]]:
        for entry in folder.iterdir():
            if entry.is_dir():
                yield from found(entry, f"{before}{entry.name}/")
            else:
                yield f"{before}{entry.name}", entry.read_bytes()

    return dict(found(root, ""))


async def _file(request: Request) -> Response:
    path = request.path_params.get("path", "index.html")
    ending = path[path.rfind(".") :]
    if path not in request.app.state.files or ending not in _TYPES:
        return refused("There is no such file.", 404)
    return Response(request.app.state.files[path], media_type=_TYPES[ending])


async def _description(request: Request) -> Response:
    return JSONResponse(description())


async def _ask(request: Request) -> Response:
    answer = await _answered(request)
    return answer if isinstance(answer, Response) else Response(answer, media_type=PACKED)


async def _numbers(request: Request) -> Response:
    """The arrays of an answer as an .npz file."""
    if (question := QUESTIONS.get(request.path_params["name"])) and not question.has_numbers:
        return refused(f"{question.name!r} has no numbers: ask /api/{question.name}.", 404)
    answer = await _answered(request)
    if isinstance(answer, Response):
        return answer
    state, given = request.app.state, request.query_params
    parts = [given.get(name, "") for name in ("layer", "filter", "method")]
    try:
        photo = stem(state.workspace.photo(given.get("photo", "")).name)
    except OptogramError:  # a question without photo, or one that was removed meanwhile
        photo = ""
    name = file_name([photo, request.path_params["name"], *parts])
    content = await state.answering.run(as_npz, answer)
    return Response(content, media_type=NPZ, headers={"content-disposition": disposition(name)})


async def _answered(request: Request) -> bytes | Response:
    """The packed answer to a question, or why there is none."""
    name = request.path_params["name"]
    if name not in QUESTIONS:
        return refused("There is no such question: see /api/openapi.json.", 404)
    given = request.query_params.multi_items()
    if len(dict(given)) < len(given):
        return refused("A parameter is given twice.", 422)
    asked = asyncio.ensure_future(request.app.state.answering.answer(name, dict(given)))
    gone = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait([asked, gone], return_when=asyncio.FIRST_COMPLETED)
    finally:
        gone.cancel()
        if not asked.done():
            asked.cancel()
    if asked.cancelled() or not asked.done():
        return Response(status_code=499)
    kind, content = asked.result()
    if kind == "error":
        return refused(content["error"], 422 if content["is_asker"] else 500)
    return bytes(content)


async def _gone(request: Request) -> None:
    """Return when the one who asked is gone."""
    while not await request.is_disconnected():
        await asyncio.sleep(0.2)


async def _socket(socket: WebSocket) -> None:
    """Questions ``{"ask": number, "name": …, "with": {…}}`` and ``{"cancel": number}``.

    Each event of an answer comes as a packed message, with ``ask`` and ``event`` in its header.
    """
    await socket.accept()
    answering: Answering = socket.app.state.answering
    asked: dict[int, asyncio.Task[None]] = {}
    sending = asyncio.Lock()

    async def send(content: bytes) -> None:
        async with sending:
            # The other side may be gone: the loop below hears of it, and stops the work.
            with contextlib.suppress(WebSocketDisconnect, RuntimeError):
                await socket.send_bytes(content)

    async def refuse(ask: int, sentence: str) -> None:
        about = {"ask": ask, "event": "error", "error": sentence, "is_asker": True}
        await send(packed(Answer(about)))

    async def follow(ask: int, name: str, given: dict[str, Any]) -> None:
        async def receive(event: Event) -> None:
            kind, content = event
            about = {"ask": ask, "event": kind}
            if isinstance(content, bytes):
                # The answer may be kept, and read by others: what is ours goes before it.
                await send(packed(Answer(about)) + content)
            else:
                await send(packed(Answer({**content, **about})))

        try:
            await answering.events(name, as_texts(given), receive)
        except OptogramError as error:
            await refuse(ask, str(error))
        finally:
            if asked.get(ask) is asyncio.current_task():
                del asked[ask]

    try:
        while True:
            received = await socket.receive()
            if received["type"] == "websocket.disconnect":
                return
            message = _message(received.get("text") or "")
            if message is None:
                await socket.close(1008, "This message is no question.")
                return
            if "cancel" in message:
                if task := asked.pop(message["cancel"], None):
                    task.cancel()
                continue
            if message["ask"] in asked:
                await socket.close(1008, "Each question needs a number of its own.")
                return
            if len(asked) >= _AT_ONCE:
                await refuse(message["ask"], f"More than {_AT_ONCE} questions at a time.")
                continue
            task = asyncio.ensure_future(follow(message["ask"], message["name"], message["with"]))
            asked[message["ask"]] = task
    # The other side was gone when it was to be told something.
    except (WebSocketDisconnect, RuntimeError):
        pass
    finally:
        for task in list(asked.values()):
            task.cancel()


def _message(text: str) -> dict[str, Any] | None:
    """The message in ``text``, or None if it is none."""
    if len(text) > _MESSAGE_BYTES:
        return None
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(message, dict):
        return None
    if type(message.get("cancel")) is int:
        return message
    is_question = (
        type(message.get("ask")) is int
        and isinstance(message.get("name"), str)
        and isinstance(message.get("with"), dict)
    )
    return message if is_question else None
