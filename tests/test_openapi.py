"""The OpenAPI document says what the doors really do: types are generated from it, and clients."""

from typing import Any

import pytest

from crm import app
from crm.core import openapi

Operation = dict[str, Any]
DOCUMENT = openapi.document(list(app.doors))


def operation(door: str) -> Operation:
    """What is said of a door, by its method and path."""
    method, path = door.split()
    return DOCUMENT["paths"][path][method.lower()]


def content(door: str, status: int) -> list[str]:
    """The media types of a door's answer."""
    return list(operation(door)["responses"][str(status)].get("content", {}))


@pytest.mark.parametrize(
    ("door", "status", "types"),
    [
        ("GET /metrics", 200, ["text/plain"]),
        ("GET /docs", 200, ["text/html"]),
        ("GET /openapi.json", 200, ["application/json"]),
        ("GET /health/ready", 503, ["application/json"]),
        ("GET /webhooks/whatsapp", 200, ["text/plain"]),
        ("GET /api/media/{id}", 200, ["*/*"]),
        ("GET /api/media/{id}", 206, ["*/*"]),
        ("GET /api/media/{id}", 304, []),
        ("GET /api/media/{id}", 416, []),
        ("GET /api/media/{id}/thumbnail", 200, ["*/*"]),
        ("GET /api/contacts/export.csv", 200, ["text/csv"]),
        ("GET /api/contacts/imports/{id}/errors.csv", 200, ["text/csv"]),
        ("GET /api/contacts/{id}/personal-data", 200, ["application/zip"]),
        ("POST /api/contacts/import", 201, ["application/json"]),
        ("POST /api/contacts/import", 202, ["application/json"]),
    ],
)
def test_each_answer_that_is_not_the_usual_json_is_told(door: str, status: int, types: list[str]) -> None:
    assert content(door, status) == types


def test_whoever_answers_200_says_what_with() -> None:
    silent = [door for door in app.doors if door.status != 204 and door.answer is None]
    assert [f"{door.method} {door.path}" for door in silent] == ["POST /webhooks/whatsapp"]
