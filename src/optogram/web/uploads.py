"""The addresses of photos: listed, added, shown, removed."""

import asyncio
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from optogram.errors import OptogramError
from optogram.web.photos import PHOTO_BYTES, Photo

_SECONDS_A_PART = 30
"""An upload of which nothing comes for so long is given up."""
_UPLOADING = 4 * PHOTO_BYTES
"""Largest number of bytes that are being uploaded at a time."""


async def _photos(request: Request) -> Response:
    if request.method == "POST":
        return await _add(request)
    return JSONResponse([_listed(photo) for photo in request.app.state.workspace])


async def _add(request: Request) -> Response:
    name = request.query_params.get("name", "photo")
    coming = request.app.state.coming
    size = request.headers.get("content-length", "0")
    if not size.isdecimal() or int(size[:20]) > PHOTO_BYTES:
        return _too_large(name)
    content, parts = bytearray(), request.stream()
    try:
        while True:
            part = await asyncio.wait_for(anext(parts, None), _SECONDS_A_PART)
            if part is None:
                break
            if coming["bytes"] + len(part) > _UPLOADING:
                return refused("Too many photos are being added: add this one again.", 503)
            content += part
            coming["bytes"] += len(part)
            if len(content) > PHOTO_BYTES:
                return _too_large(name)
        return await _added(request, bytes(content), name)
    except TimeoutError:
        return refused(f"{name[:200]!r} did not come within {_SECONDS_A_PART} seconds.", 408)
    except ClientDisconnect:
        return Response(status_code=499)
    finally:
        coming["bytes"] -= len(content)


def _too_large(name: str) -> Response:
    return refused(f"{name[:200]!r} is too large: photos may have {PHOTO_BYTES >> 20} MB.", 413)


async def _added(request: Request, content: bytes, name: str) -> Response:
    try:
        state = request.app.state
        photo = await state.answering.run(state.workspace.add, content, name)
    except OptogramError as error:
        return refused(str(error), 422)
    return JSONResponse(_listed(photo), 201)


async def _remove(request: Request) -> Response:
    try:
        request.app.state.workspace.remove(request.path_params["photo"])
    except OptogramError as error:
        return refused(str(error), 404)
    return Response(status_code=204)


async def _picture(request: Request) -> Response:
    try:
        photo = request.app.state.workspace.photo(request.path_params["photo"])
    except OptogramError as error:
        return refused(str(error), 404)
    kind = "image/png" if photo.shown.startswith(b"\x89PNG") else "image/jpeg"
    return Response(
        photo.shown, media_type=kind, headers={"cache-control": "private, max-age=3600"}
    )


def _listed(photo: Photo) -> dict[str, Any]:
    return {"id": photo.id, "name": photo.name, "width": photo.width, "height": photo.height}


def refused(sentence: str, status: int) -> Response:
    """The answer to what cannot be done, in a sentence."""
    return JSONResponse({"error": sentence}, status)


PHOTO_ROUTES = (
    Route("/api/photos", _photos, methods=["GET", "POST"]),
    Route("/api/photos/{photo}", _remove, methods=["DELETE"]),
    Route("/api/photos/{photo}/picture", _picture),
)
