"""The HTTP API, described in OpenAPI 3.1."""

from typing import Any

from optogram.version import __version__
from optogram.web.asking import QUESTIONS, Question
from optogram.web.numbers import NPZ

_PACKED = {
    "description": 'JSON header and arrays; see the documentation, "The explorer\'s API".',
    "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
}
_NUMBERS = {
    "description": "Arrays for numpy.load; `about` is what else is answered, as JSON.",
    "headers": {"content-disposition": {"schema": {"type": "string"}}},
    "content": {NPZ: {"schema": {"type": "string", "format": "binary"}}},
}
_ERROR = {
    "type": "object",
    "properties": {"error": {"type": "string"}},
    "required": ["error"],
}
_PHOTO = {
    "type": "object",
    "properties": {
        "id": {"type": "string"},
        "name": {"type": "string"},
        "width": {"type": "integer"},
        "height": {"type": "integer"},
    },
    "required": ["id", "name", "width", "height"],
}
_IDENTIFIER = {"type": "string", "pattern": "^[0-9a-f]{16}$"}


def description() -> dict[str, Any]:
    """The OpenAPI description of all addresses but the page's own."""
    paths: dict[str, Any] = {
        f"/api/{each.name}": {"get": _asked(each)} for each in QUESTIONS.values()
    }
    for each in QUESTIONS.values():
        if each.has_numbers:
            paths[f"/api/{each.name}.npz"] = {"get": _asked(each, as_file=True)}
    paths["/api/photos"] = {
        "get": {
            "operationId": "photos",
            "summary": "The photos, in the order in which they came.",
            "responses": _answers({"200": _json("Photos.", {"type": "array", "items": _PHOTO})}),
        },
        "post": {
            "operationId": "add_photo",
            "summary": "Add a photo; the body is the content of its file.",
            "parameters": [
                {"name": "name", "in": "query", "schema": {"type": "string"}, "required": False}
            ],
            "requestBody": {
                "required": True,
                "content": {
                    "application/octet-stream": {"schema": {"type": "string", "format": "binary"}}
                },
            },
            "responses": _answers(
                {
                    "201": _json("The photo.", _PHOTO),
                    "408": _json("It did not come in time.", _ERROR),
                    "413": _json("It has too many bytes.", _ERROR),
                    "422": _json("It is no photo that can be read, or one too many.", _ERROR),
                    "503": _json("Too many photos are being added at a time.", _ERROR),
                }
            ),
        },
    }
    paths["/api/photos/{photo}"] = {
        "delete": {
            "operationId": "remove_photo",
            "summary": "Remove a photo from the list; its file stays.",
            "parameters": [
                {"name": "photo", "in": "path", "required": True, "schema": _IDENTIFIER}
            ],
            "responses": _answers(
                {
                    "204": {"description": "It was removed."},
                    "404": _json("There is no such photo.", _ERROR),
                }
            ),
        }
    }
    paths["/api/photos/{photo}/picture"] = {
        "get": {
            "operationId": "picture",
            "summary": "A photo for display, at most 1600 pixels on its longer side.",
            "parameters": [
                {"name": "photo", "in": "path", "required": True, "schema": _IDENTIFIER}
            ],
            "responses": _answers(
                {
                    "200": {
                        "description": "The picture.",
                        "content": {"image/png": {}, "image/jpeg": {}},
                    },
                    "404": _json("There is no such photo.", _ERROR),
                }
            ),
        }
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "optogram explorer", "version": __version__},
        # Only an explorer that other machines can reach asks for its token.
        "security": [{}, {"token": []}],
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        "paths": paths,
    }


def _asked(question: Question, *, as_file: bool = False) -> dict[str, Any]:
    return {
        "operationId": f"{question.name}_npz" if as_file else question.name,
        "summary": f"The same as /api/{question.name}, as a file." if as_file else question.about,
        "parameters": [
            {
                "name": each.name,
                "in": "query",
                "required": each.is_required,
                "description": each.about,
                "schema": dict(each.schema)
                | ({} if each.is_required else {"default": each.default}),
            }
            for each in question.parameters
        ],
        "responses": _answers(
            {
                "200": _NUMBERS if as_file else _PACKED,
                "422": _json("A parameter is missing, unknown, or cannot be used.", _ERROR),
                "500": _json("It could not be answered; the log says why.", _ERROR),
            }
        ),
    }


def _answers(responses: dict[str, Any]) -> dict[str, Any]:
    """``responses``, and what every address may answer."""
    refused = "The host, the page that asks, or the token is not the explorer's."
    return {**responses, "403": _json(refused, _ERROR)}


def _json(about: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": about, "content": {"application/json": {"schema": schema}}}
