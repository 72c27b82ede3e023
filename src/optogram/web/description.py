"""The HTTP API, described in OpenAPI 3.1."""

from typing import Any

from optogram.version import __version__
from optogram.web.asking import QUESTIONS, Question

_PACKED = {
    "description": 'JSON header and arrays; see the documentation, "The explorer\'s API".',
    "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
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


def description() -> dict[str, Any]:
    """The OpenAPI description of all addresses but the page's own."""
    paths: dict[str, Any] = {
        f"/api/{each.name}": {"get": _asked(each)} for each in QUESTIONS.values()
    }
    paths["/api/photos"] = {
        "get": {
            "operationId": "photos",
            "summary": "The photos, in the order in which they came.",
            "responses": {"200": _json("Photos.", {"type": "array", "items": _PHOTO})},
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
            "responses": {
                "201": _json("The photo.", _PHOTO),
                "413": _json("It has too many bytes.", _ERROR),
                "422": _json("It is no photo that can be read.", _ERROR),
            },
        },
    }
    paths["/api/photos/{photo}"] = {
        "delete": {
            "operationId": "remove_photo",
            "summary": "Remove a photo from the list; its file stays.",
            "parameters": [
                {"name": "photo", "in": "path", "required": True, "schema": {"type": "string"}}
            ],
            "responses": {
                "204": {"description": "It was removed."},
                "404": _json("There is no such photo.", _ERROR),
            },
        }
    }
    paths["/api/photos/{photo}/picture"] = {
        "get": {
            "operationId": "picture",
            "summary": "A photo for display, at most 1600 pixels on its longer side.",
            "parameters": [
                {"name": "photo", "in": "path", "required": True, "schema": {"type": "string"}}
            ],
            "responses": {
                "200": {
                    "description": "The picture.",
                    "content": {"image/png": {}, "image/jpeg": {}},
                },
                "404": _json("There is no such photo.", _ERROR),
            },
        }
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "optogram explorer", "version": __version__},
        "paths": paths,
    }


def _asked(question: Question) -> dict[str, Any]:
    return {
        "operationId": question.name,
        "summary": question.about,
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
        "responses": {
            "200": _PACKED,
            "422": _json("A parameter is missing or cannot be used.", _ERROR),
        },
    }


def _json(about: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": about, "content": {"application/json": {"schema": schema}}}
