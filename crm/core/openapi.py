"""The OpenAPI document, generated from the doors: what is not in it does not exist."""

import re
from http import HTTPStatus
from typing import Any, get_origin

import msgspec

from crm.core import jsonschema
from crm.core.errors import tree
from crm.core.http import PUBLIC, Door, Raw

_FORM = {
    "type": "object",
    "required": ["file"],
    "properties": {"file": {"type": "string", "contentMediaType": "application/octet-stream"}},
}


def document(doors: list[Door]) -> dict[str, Any]:
    """OpenAPI 3.1 of all doors."""
    asked = [door.body for door in doors if door.body]
    read = [kind for door in doors for kind in _read(door)]
    answered = [kind for door in doors for kind in _answers(door)]
    schema_of, components = jsonschema.schemas(asked, read, answered)
    paths: dict[str, Any] = {}
    for door in doors:
        paths.setdefault(door.path, {})[door.method.lower()] = _operation(door, schema_of)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "CRM for WhatsApp",
            "version": "1",
            "description": "Errors are application/problem+json (RFC 9457). The WebSocket is at /ws.",
        },
        "paths": paths,
        "components": {
            "schemas": {**components, "Problem": _problem()},
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


def _problem() -> dict[str, Any]:
    """Of every error (RFC 9457): the members that all have, and those that some codes add."""
    text, uuid = {"type": "string"}, {"type": "string", "format": "uuid"}
    field = {"type": "object", "required": ["pointer", "message"], "properties": {"pointer": text, "message": text}}
    person = {
        "type": "object",
        "required": ["id", "name"],
        "properties": {"id": uuid, "name": {"type": ["string", "null"]}},
    }
    always = {
        "type": text,
        "title": text,
        "status": {"type": "integer"},
        "code": {"type": "string", "enum": [kind.code for kind in tree()]},
        "detail": text,
        "requestId": text,
    }
    more = {
        "errors": {"type": "array", "items": field, "description": "validation_failed: each wrong field."},
        "existingId": {**uuid, "description": "conflict: the row in the way."},
        "assignedTo": {**person, "description": "already_assigned: who has it."},
        "action": {"type": ["string", "null"], "description": "conflict with Meta: a word for what helps."},
        "metaCode": {"type": ["integer", "null"], "description": "conflict with Meta: its code."},
        "state": {**text, "description": "Of a file that is not ready, or has not failed."},
    }
    return {"title": "Problem", "type": "object", "required": list(always), "properties": {**always, **more}}


def _operation(door: Door, schema_of: dict[int, Any]) -> dict[str, Any]:
    function = getattr(door.handler, "func", door.handler)
    operation: dict[str, Any] = {
        "operationId": re.sub(r"\W+", "_", f"{door.method.lower()}{door.path}").strip("_"),
        "tags": [door.path.split("/")[2 if door.path.startswith("/api/") else 1]],
        "summary": (function.__doc__ or "").strip().splitlines()[0],
        "description": f"Role: {door.role}.",
        "parameters": [*_path(door), *_params(door, schema_of), *_headers(door)],
        "responses": {
            **{str(status): _answered(status, kind, schema_of) for status, kind in _all(door)},
            "default": {
                "description": "A problem",
                "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
            },
        },
    }
    if door.role != PUBLIC:
        operation["security"] = [{"bearer": []}]
    if door.body:
        content = {"application/json": {"schema": schema_of[id(door.body)]}}
        operation["requestBody"] = {"required": True, "content": content}
    if door.raw:
        content = {"application/json": {"schema": {"type": "object", "additionalProperties": True}}}
        operation["requestBody"] = {"required": True, "content": content}
    if door.form:
        content = {"multipart/form-data": {"schema": _FORM}}
        if door.bare:
            content[door.bare] = {"schema": {"type": "string"}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _path(door: Door) -> list[dict[str, Any]]:
    """What a path names is an id, unless it is somebody else's word."""
    word = {"type": "string"}
    return [
        {"name": name, "in": "path", "required": True, "schema": {**word, "format": "uuid"} if uuid else word}
        for name in re.findall(r"{(\w+)}", door.path)
        for uuid in [name == "id" or name.endswith("Id")]
    ]


def _read(door: Door) -> list[type[msgspec.Struct]]:
    return [kind for kind in (door.query, door.reads, door.headers) if kind]


def _params(door: Door, schema_of: dict[int, Any]) -> list[dict[str, Any]]:
    """What it takes of the query and the headers."""
    found = []
    for kind in _read(door):
        shape, place = schema_of[id(kind)], "header" if kind is door.headers else "query"
        for name, schema in shape["properties"].items():
            found.append({"name": name, "in": place, "required": name in shape["required"], "schema": schema})
    return found


def _headers(door: Door) -> list[dict[str, Any]]:
    """What doors of its kind take of the headers."""
    found: list[dict[str, Any]] = []
    if door.role != PUBLIC:
        found.append({"name": "X-Tenant-Slug", "in": "header", "required": False, "schema": {"type": "string"}})
    if door.once:
        text = {"type": "string", "maxLength": 200}
        found.append({"name": "Idempotency-Key", "in": "header", "required": False, "schema": text})
    return found


def _all(door: Door) -> list[tuple[int, Any]]:
    """What it answers, by status."""
    return [(door.status, door.answer), *door.also]


def _answers(door: Door) -> list[Any]:
    """The types of its JSON."""
    return [kind for _, kind in _all(door) if kind and not isinstance(kind, Raw)]


def _answered(status: int, kind: Any, schema_of: dict[int, Any]) -> dict[str, Any]:
    if kind is None:
        return {"description": HTTPStatus(status).phrase}
    if isinstance(kind, Raw):
        text = {"type": "string"}
        shown = {media: text if media.startswith("text/") else {**text, "format": "binary"} for media in kind.types}
        return {"description": ", ".join(kind.types), "content": {one: {"schema": shown[one]} for one in shown}}
    name = getattr(kind, "__name__", None) or str(get_origin(kind))
    return {"description": name, "content": {"application/json": {"schema": schema_of[id(kind)]}}}
