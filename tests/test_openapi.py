"""The OpenAPI document says what the doors really do: types are generated from it, and clients."""

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest

from crm import app
from crm.core import openapi
from crm.core.errors import tree

Operation = dict[str, Any]
ROOT = Path(__file__).parents[1]
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


SHAPES = DOCUMENT["components"]["schemas"]


def test_a_field_that_is_always_answered_is_required() -> None:
    """Also where it has a default: tokenType and expiresIn were left to chance."""
    for shape in ("SignedIn", "Receipt", "AccountSynced", "Draft"):
        assert set(SHAPES[shape]["required"]) == set(SHAPES[shape]["properties"]), shape
    left_out = set(SHAPES["Registered"]["properties"]) - set(SHAPES["Registered"]["required"])
    assert left_out == {"temporaryPassword"}


def test_a_field_that_a_body_may_leave_out_has_no_default() -> None:
    """openapi-typescript makes of one a field that must be given: a text could not be sent without all of Send."""
    assert "required" not in SHAPES["Send"] or SHAPES["Send"]["required"] == []
    assert SHAPES["Send"]["properties"]["previewUrl"] == {"type": "boolean", "description": "Left out: true."}
    assert '"default"' not in json.dumps(SHAPES)


def test_a_query_has_no_null_and_keeps_its_defaults() -> None:
    told = {one["name"]: one["schema"] for one in operation("GET /api/conversations")["parameters"]}
    assert told["channelId"] == {"type": "string", "format": "uuid"}
    assert told["limit"] == {"type": "integer", "minimum": 1, "maximum": 100, "default": 20}
    assert "null" not in json.dumps(told)


def test_an_object_of_any_fields_says_so() -> None:
    """Without, a generator of types takes it for one that has none."""
    assert SHAPES["TenantsTenantOut"]["properties"]["settings"]["additionalProperties"] is True
    assert not re.findall(r'{"type": "(?:object|array)"}', json.dumps(DOCUMENT))


def test_every_shape_has_a_name_and_title_of_its_own() -> None:
    """openapi-python-client names its classes by the titles: of seven Patches it made one, and left doors out."""
    assert [name for name, shape in SHAPES.items() if shape.get("title", name) != name] == []
    assert [name for name in SHAPES if not re.fullmatch("[A-Za-z]+", name)] == []
    referred = set(re.findall('"#/components/schemas/(.*?)"', json.dumps(DOCUMENT)))
    assert referred == SHAPES.keys()


def test_a_problem_tells_every_member_and_every_code() -> None:
    """The contract: existingId of a conflict, assignedTo of already_assigned, the errors' pointer and message."""
    problem = SHAPES["Problem"]["properties"]
    assert problem.keys() >= {"existingId", "assignedTo", "state", "errors"}
    assert problem["errors"]["items"]["required"] == ["pointer", "message"]
    named = re.findall(r"^\| `(\w+)` \|", (ROOT / "docs/errors.md").read_text(), re.MULTILINE)
    assert set(problem["code"]["enum"]) == set(named)


def values(shape: str, field: str) -> set[str]:
    """The values that a field of an answer may have."""
    schema = SHAPES[shape]["properties"][field]
    return set(next(one["enum"] for one in schema.get("anyOf", [schema]) if "enum" in one))


def test_a_field_of_few_values_tells_them() -> None:
    """As the contract lists them."""
    sent = {
        "SCHEDULED",
        "QUEUED",
        "SENDING",
        "UNCERTAIN",
        "SENT",
        "DELIVERED",
        "READ",
        "PLAYED",
        "FAILED",
        "CANCELED",
    }
    assert values("MessageOut", "status") == values("LastMessageOut", "status") == sent | {"RECEIVED"}
    assert values("LastMessageOut", "direction") == {"INBOUND", "OUTBOUND"}
    assert values("UserOut", "role") == {"SUPER_ADMIN", "TENANT_ADMIN", "ATTENDANT"}
    assert values("UserRow", "role") == values("ColleagueRow", "role") == {"TENANT_ADMIN", "ATTENDANT"}
    assert values("SessionsTenantOut", "status") == {"TRIAL", "ACTIVE", "SUSPENDED", "CANCELED"}
    assert {"note", "assigned", "tagged"} < values("EntryOut", "type")
    assert (values("Health", "status"), values("Ready", "status")) == ({"ok"}, {"ready", "not_ready", "leaving"})


def test_a_time_says_that_it_is_one() -> None:
    """All but a rule's time of day, and the day that the name says."""
    times = {
        (name, field): json.dumps(schema)
        for name, shape in SHAPES.items()
        for field, schema in shape.get("properties", {}).items()
        if re.search(r"At$|Until$|^(at|until|next|from|to)$", field)
    }
    plain = {key for key, told in times.items() if '"format": "date-time"' not in told}
    assert plain == {("RuleRow", "at"), ("Rule", "at"), ("ChangeRule", "at"), ("SendTo", "to"), ("Start", "to")}
    asked = {one["name"]: one["schema"] for one in operation("GET /api/messages/search")["parameters"]}
    assert asked["from"] == asked["to"] == {"type": "string", "format": "date-time"}


def test_what_a_message_shows_of_its_file_and_error_is_told() -> None:
    file, error = SHAPES["FileShown"], SHAPES["ErrorShown"]
    assert set(file["required"]) == {"id", "mimeType", "size", "filename", "state"}
    assert file["properties"].keys() > {"width", "height", "duration"}
    assert set(error["required"]) == {"code", "title", "detail", "action"}


def test_no_problem_of_the_code_has_a_member_that_is_not_told() -> None:
    kinds = {kind.__name__ for kind in tree()}
    told = {*SHAPES["Problem"]["properties"], "headers"}
    calls = [
        node
        for path in (ROOT / "crm").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in kinds
    ]
    given = {word.arg for call in calls for word in call.keywords if word.arg}
    assert {"existingId", "assignedTo", "metaCode"} <= given <= told


def test_every_schema_is_an_object() -> None:
    """false is a schema, too, but openapi-python-client refuses the whole document for one."""
    assert not re.findall(r'"(?:items|prefixItems|anyOf)": (?:true|false)', json.dumps(DOCUMENT))


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
