"""Every door × {no token, too low a role, another hotel's object, a bad body}, generated from the route table."""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from typing import Any, get_origin
from uuid import uuid4

import httpx
import pytest

from crm.app import doors
from crm.core.http import PUBLIC, SIGNED_IN, Door
from crm.core.page import Page
from tests.every import every
from tests.meta import dead_letter
from tests.system import PASSWORD, Guest, Hotel, System, unique_phone

# The doors that ask for no token. A new one is a decision: write it here.
OPEN = {
    "GET /health", "GET /health/ready", "GET /metrics", "GET /openapi.json", "GET /docs",
    "GET /webhooks/whatsapp", "POST /webhooks/whatsapp", "POST /auth/login", "POST /auth/refresh",
}  # fmt: skip

# The least that each door takes; a new door with a body that has required fields is added here.
LEAST: dict[str, dict[str, Any]] = {
    "POST /auth/login": {"email": "a@b.example", "password": PASSWORD},
    "POST /auth/refresh": {"refreshToken": "x"},
    "POST /auth/register": {"name": "Eva", "email": "eva@hotel.example", "role": "ATTENDANT"},
    "POST /api/users": {"name": "Eva", "email": "eva@hotel.example", "role": "ATTENDANT"},
    "POST /auth/change-password": {"currentPassword": PASSWORD, "newPassword": PASSWORD},
    "POST /api/tenants": {"name": "Hotel", "slug": "hotel", "email": "a@b.example"},
    "POST /api/channels": {"whatsappPhoneNumberId": "1", "whatsappBusinessAccountId": "2"},
    "POST /api/conversations": {"to": "+5548988440000"},
    "POST /api/conversations/{id}/assign": {"userId": None},
    "POST /api/conversations/{id}/messages": {"content": "Olá"},
    "POST /api/conversations/{id}/notes": {"content": "Olá"},
    "PUT /api/conversations/{id}/draft": {"content": "Olá"},
    "POST /api/conversations/{id}/snooze": {"until": (datetime.now(UTC) + timedelta(days=1)).isoformat()},
    "POST /api/departments": {"name": "Recepção"},
    "POST /api/tags": {"name": "porta"},
    "POST /api/quick-replies": {"shortcut": "porta", "content": "Olá"},
    "POST /api/quick-replies/{id}/render": {"conversationId": "01a20e31-0000-7000-8000-000000000000"},
    "POST /api/admin/webhook-events/replay": {"from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z"},
    "POST /api/contacts": {"phone": "+55 48 99911-2244"},
    "PUT /api/contacts/{id}/stays/{code}": {"checkIn": "2026-12-01", "checkOut": "2026-12-03"},
    "POST /api/stay-messages": {
        "name": "Chegada",
        "anchor": "check_in",
        "offsetDays": -1,
        "at": "09:00",
        "content": "Até amanhã, {name}",
    },
    "PUT /api/contact-attributes": {"data": []},
    "POST /api/contacts/{id}/merge": {"intoId": "01a20e31-0000-7000-8000-000000000000"},
    "POST /api/templates": {
        "name": "porta",
        "language": "pt_BR",
        "category": "UTILITY",
        "components": [{"type": "BODY", "text": "Olá"}],
    },
    "PUT /api/plans/prices": {"validFrom": "2026-10-01", "prices": []},
    "POST /api/messages/send": {"to": "+55 48 99911-2233", "content": "Olá"},
}


def named(door: Door) -> str:
    """A door as people write it."""
    return f"{door.method} {door.path}"


def each(found: list[Door]) -> Any:
    """One test over all of these doors, that names each which it fails at."""
    return every(found, named)


guarded = [door for door in doors if door.role != PUBLIC]
of_a_hotel = [door for door in doors if door.role in ("ATTENDANT", "TENANT_ADMIN")]
with_id = [door for door in guarded if "{id}" in door.path]
with_body = [door for door in doors if door.body]
lists = [door for door in doors if get_origin(door.answer) is Page]


def client(door: Door, system: System, hotel: Hotel) -> httpx.AsyncClient:
    """Somebody whom this door lets in."""
    return system.root if door.role == "SUPER_ADMIN" else hotel.admin


async def knock(client: httpx.AsyncClient, door: Door, **options: Any) -> httpx.Response:
    """Call a door with the least it takes; {id} is nobody's unless given."""
    path = re.sub(r"{\w+}", str(options.pop("id", uuid4())), door.path)
    if door.body and "content" not in options:
        options.setdefault("json", LEAST.get(named(door), {}))
    return await client.request(door.method, path, **options)


def is_problem(answer: httpx.Response, status: int, code: str) -> bool:
    """Whether the answer is this error, in the form of every error (RFC 9457)."""
    text = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert text["requestId"] == answer.headers["x-request-id"]
    assert (answer.status_code, text["status"], text["code"]) == (status, status, code), answer.text
    return True


@pytest.fixture(scope="session")
def nobody(system: System) -> httpx.AsyncClient:
    """Somebody without a token."""
    return system.client()


@pytest.fixture(scope="session")
async def objects(hotel_a: Hotel, root: httpx.AsyncClient) -> dict[str, str]:
    """A real object of hotel A for each kind of path that names one."""
    dora = Guest(hotel_a, unique_phone())
    message = await dora.writes()
    me = (await hotel_a.attendant.get("/auth/me")).json()["user"]
    session = (await hotel_a.attendant.get("/auth/sessions")).json()["data"][0]
    template = await hotel_a.admin.post("/api/templates", json=LEAST["POST /api/templates"])
    department = await hotel_a.admin.post("/api/departments", json=LEAST["POST /api/departments"])
    assert (template.status_code, department.status_code) == (201, 201), template.text + department.text
    kept = {
        path: (await hotel_a.admin.post(path, json=LEAST[f"POST {path}"])).json()["id"]
        for path in ("/api/tags", "/api/quick-replies")
    }
    return {
        **kept,
        "/api/templates": template.json()["id"],
        "/api/departments": department.json()["id"],
        "/api/conversations": (await dora.conversation())["id"],
        "/api/contacts/imports": await imported(hotel_a),
        "/api/stay-messages": await stay_message(hotel_a),
        "/api/contacts": (await dora.conversation())["contact"]["id"],
        "/api/channels": hotel_a.channel_id,
        "/api/users": me["id"],
        "/api/messages": message["id"],
        "/api/media": await picture(hotel_a),
        "/api/dead-letters": await dead_letter(dora),
        "/auth/sessions": session["id"],
        "/api/tenants": hotel_a.id,
    }


async def stay_message(hotel: Hotel) -> str:
    """The id of a rule of the hotel."""
    made = await hotel.admin.post("/api/stay-messages", json=LEAST["POST /api/stay-messages"])
    return str(made.json()["id"])


async def picture(hotel: Hotel) -> str:
    """The id of a file that somebody of the hotel uploaded."""
    form = {"file": ("a.txt", b"Bom dia", "text/plain")}
    return str((await hotel.attendant.post("/api/media", files=form)).json()["id"])


async def imported(hotel: Hotel) -> str:
    """The id of a file of contacts that somebody of the hotel gave."""
    form = {"file": ("a.csv", b"phone\n+55 48 3222-1000", "text/csv")}
    return str((await hotel.attendant.post("/api/contacts/import", files=form)).json()["id"])


def test_every_door_says_who_may_enter() -> None:
    known = {"SUPER_ADMIN", "TENANT_ADMIN", "ATTENDANT", SIGNED_IN, PUBLIC}
    assert [named(door) for door in doors if door.role not in known] == []
    assert {named(door) for door in doors if door.role == PUBLIC} == OPEN


def test_no_door_is_listed_twice() -> None:
    assert sorted({named(door) for door in doors}) == sorted(named(door) for door in doors)


async def test_the_server_has_the_doors_of_the_table_and_no_other(system: System) -> None:
    paths = (await system.root.get("/openapi.json")).json()["paths"]
    told = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    assert told == {named(door) for door in doors}


@each(guarded)
async def test_without_a_token_a_door_is_shut(door: Door, nobody: httpx.AsyncClient) -> None:
    answer = await knock(nobody, door)
    assert is_problem(answer, 401, "unauthenticated")
    assert answer.headers["www-authenticate"] == "Bearer"


@each(guarded)
async def test_a_made_up_token_opens_nothing(door: Door, nobody: httpx.AsyncClient) -> None:
    for word in ("Bearer x", "Bearer a.b.c", "Bearer", "Basic YTpi", "x"):
        answer = await knock(nobody, door, headers={"Authorization": word})
        assert is_problem(answer, 401, "unauthenticated"), word


@each([door for door in doors if door.role == "TENANT_ADMIN"])
async def test_an_attendant_is_kept_out_of_an_admins_door(door: Door, bruno: httpx.AsyncClient) -> None:
    assert is_problem(await knock(bruno, door), 403, "forbidden")


@each([door for door in doors if door.role == "SUPER_ADMIN"])
async def test_a_hotels_people_are_kept_out_of_the_platforms_doors(door: Door, hotel_a: Hotel) -> None:
    for person in (hotel_a.admin, hotel_a.attendant):
        assert is_problem(await knock(person, door, id=hotel_a.id), 403, "forbidden")


@each(of_a_hotel)
async def test_a_super_admin_must_name_the_hotel(door: Door, root: httpx.AsyncClient, hotel_a: Hotel) -> None:
    assert is_problem(await knock(root, door), 403, "forbidden")
    unknown = await knock(root, door, headers={"X-Tenant-Slug": "no-such-hotel"})
    assert is_problem(unknown, 404, "tenant_not_found")


@each(of_a_hotel)
async def test_the_other_hotels_address_is_refused_at_every_door(
    door: Door, hotel_a: Hotel, hotel_b: Hotel
) -> None:
    answer = await knock(hotel_b.admin, door, headers={"X-Tenant-Slug": hotel_a.slug})
    assert is_problem(answer, 403, "tenant_mismatch")


@each([door for door in with_id if door.role != "SUPER_ADMIN"])
async def test_an_object_of_another_hotel_is_not_there(
    door: Door, objects: dict[str, str], hotel_a: Hotel, hotel_b: Hotel
) -> None:
    theirs = objects[door.path.partition("/{id}")[0]]
    people = [hotel_b.admin] if door.role == "TENANT_ADMIN" else [hotel_b.admin, hotel_b.attendant]
    for person in people:
        assert is_problem(await knock(person, door, id=theirs), 404, "not_found")
    assert (await hotel_a.attendant.get("/auth/me")).status_code == 200


@each(with_id)
async def test_an_id_that_names_nothing_is_not_found(door: Door, system: System, hotel_a: Hotel) -> None:
    for nothing in (uuid4(), "not-an-id", "%00"):
        answer = await knock(client(door, system, hotel_a), door, id=nothing)
        assert is_problem(answer, 404, "not_found")


@each(with_body)
async def test_a_field_that_nobody_knows_is_named(door: Door, system: System, hotel_a: Hotel) -> None:
    body = {**LEAST.get(named(door), {}), "tenant_id": hotel_a.id}
    answer = await knock(client(door, system, hotel_a), door, json=body)
    assert is_problem(answer, 422, "validation_failed")
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/tenant_id"]


@each(with_body)
async def test_a_body_that_is_not_json_is_malformed(door: Door, system: System, hotel_a: Hotel) -> None:
    headers = {"Content-Type": "application/json"}
    for raw in (b"", b"{", b"\xff\xfe", b'{"a": NaN}', b"[" * 100_000):
        answer = await knock(client(door, system, hotel_a), door, content=raw, headers=headers)
        assert is_problem(answer, 400, "malformed_body"), raw[:10]


@each(with_body)
async def test_a_body_that_is_no_object_is_refused(door: Door, system: System, hotel_a: Hotel) -> None:
    for raw in (b"[]", b"null", b'"x"', b"1"):
        headers = {"Content-Type": "application/json"}
        answer = await knock(client(door, system, hotel_a), door, content=raw, headers=headers)
        assert is_problem(answer, 422, "validation_failed"), raw


@each(with_body)
async def test_a_body_of_another_type_is_refused(door: Door, system: System, hotel_a: Hotel) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        answer = await knock(client(door, system, hotel_a), door, content=b"{}", headers={"Content-Type": kind})
        assert is_problem(answer, 415, "unsupported_media_type")


@each(with_body)
async def test_a_body_above_a_megabyte_is_too_large(door: Door, system: System, hotel_a: Hotel) -> None:
    """Told by its length, or found out while it comes."""

    async def pieces() -> Any:
        for _ in range(17):
            yield b" " * 65_536
            await asyncio.sleep(0)

    for content in (b" " * (1024 * 1024 + 1), pieces()):
        answer = await knock(client(door, system, hotel_a), door, content=content)
        assert is_problem(answer, 413, "payload_too_large")


@each(lists)
async def test_a_list_says_where_it_stands(
    door: Door, system: System, hotel_a: Hotel, objects: dict[str, str]
) -> None:
    theirs = objects.get(door.path.partition("/{id}")[0], "")
    page = (await knock(client(door, system, hotel_a), door, id=theirs, params={"limit": 1})).json()
    place = page["pagination"]
    assert (place["page"], place["limit"], place["pages"]) == (1, 1, place["total"]), place
    assert place["total"] >= len(page["data"])


@each([door for door in guarded if door.query])
async def test_a_query_that_nobody_knows_is_named(door: Door, system: System, hotel_a: Hotel) -> None:
    answer = await knock(client(door, system, hotel_a), door, params={"nope": "1"})
    assert is_problem(answer, 422, "validation_failed")
    assert "/nope" in [error["pointer"] for error in answer.json()["errors"]]  # beside what is missing


@every(sorted({door.path for door in doors}), str)
async def test_a_method_that_a_path_does_not_take_is_told(path: str, nobody: httpx.AsyncClient) -> None:
    patterns = {door: re.sub(r"{\w+}", "[^/]+", door.path) for door in doors}
    taken = {door.method for door, pattern in patterns.items() if re.fullmatch(pattern, path)}
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE"} - taken:
        answer = await nobody.request(method, path.replace("{id}", str(uuid4())))
        assert is_problem(answer, 405, "method_not_allowed")
        assert set(re.split(r",\s*", answer.headers["allow"])) - {"HEAD"} == taken


@pytest.mark.parametrize("path", ["/", "/nope", "/api/nope", "/api/conversations/", "//api/users", "/%00", "/api"])
async def test_a_path_that_does_not_exist_is_not_found(path: str, nobody: httpx.AsyncClient) -> None:
    for method in ("GET", "POST"):
        assert is_problem(await nobody.request(method, path), 404, "not_found")
