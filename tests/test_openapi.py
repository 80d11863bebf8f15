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


def params(door: str, place: str) -> dict[str, bool]:
    """What a door takes there, and whether it must be given."""
    return {one["name"]: one["required"] for one in operation(door)["parameters"] if one["in"] == place}


def test_what_metas_doors_read_by_themselves_is_told() -> None:
    asked = {"hub.mode": True, "hub.verify_token": True, "hub.challenge": True}
    assert params("GET /webhooks/whatsapp", "query") == asked
    assert params("POST /webhooks/whatsapp", "header") == {"X-Hub-Signature-256": True}
    assert list(operation("POST /webhooks/whatsapp")["requestBody"]["content"]) == ["application/json"]


def test_where_somebody_signs_in_or_steps_in_is_told() -> None:
    assert params("POST /auth/login", "query") == {"tenant": False}
    for door in app.doors:
        told = params(f"{door.method} {door.path}", "header")
        assert told.get("X-Tenant-Slug") is (None if door.role == "PUBLIC" and "auth" not in door.path else False)


def test_what_must_be_given_in_a_query_is_told() -> None:
    assert [name for name, must in params("GET /api/messages/search", "query").items() if must] == ["q"]


def test_a_part_of_a_file_is_asked_for_by_headers() -> None:
    assert params("GET /api/media/{id}", "header").keys() >= {"Range", "If-Range", "If-None-Match"}


def test_what_a_path_names_is_an_id_unless_it_is_a_word() -> None:
    words = {
        one["name"]
        for operations in DOCUMENT["paths"].values()
        for one in next(iter(operations.values()))["parameters"]
        if one["in"] == "path" and one["schema"].get("format") != "uuid"
    }
    assert words == {"code", "name"}
