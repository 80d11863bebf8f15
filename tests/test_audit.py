"""The audit log: every deed that matters leaves a line its admin can read, and nobody can change it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import pytest

from tests.own import ROOT_EMAIL
from tests.people import Sql
from tests.system import PASSWORD, Guest, Hotel, System, unique_phone
from tests.visitors import fresh, login, pointers

_TOMORROW = (datetime.now(UTC) + timedelta(days=1)).isoformat()
_DAYS = {"checkIn": _TOMORROW[:10], "checkOut": _TOMORROW[:10]}
_RULE = {"name": "Chegada", "anchor": "check_in", "offsetDays": 0, "at": "09:00", "content": "Bem-vinda"}
_TALK, _CONTACT, _STAY = "/api/conversations/{talk}", "/api/contacts/{ana}", "/api/contacts/{ana}/stays/R-1"
# Deeds in their order: the line each leaves, the door, what it is told, and the name of what it makes.
DEEDS: list[tuple[str, str, str, Any, str | None]] = [
    (
        "password.changed",
        "POST",
        "/auth/change-password",
        {"currentPassword": PASSWORD, "newPassword": "nova-123"},
        None,
    ),
    (
        "user.registered",
        "POST",
        "/api/users",
        {"name": "Ivo", "email": "ivo@x.example", "role": "ATTENDANT"},
        "ivo",
    ),
    ("user.changed", "PATCH", "/api/users/{ivo}", {"name": "Ivone"}, None),
    ("password.reset", "POST", "/api/users/{ivo}/reset-password", None, None),
    ("department.created", "POST", "/api/departments", {"name": "Bar"}, "bar"),
    ("department.changed", "PATCH", "/api/departments/{bar}", {"name": "Piscina"}, None),
    ("conversation.transferred", "POST", f"{_TALK}/assign", {"departmentId": "{bar}"}, None),
    ("department.deleted", "DELETE", "/api/departments/{bar}", None, None),
    ("", "POST", f"{_TALK}/claim", None, None),
    ("conversation.assigned", "POST", f"{_TALK}/assign", {"userId": None}, None),
    ("conversation.snoozed", "POST", f"{_TALK}/snooze", {"until": _TOMORROW}, None),
    ("conversation.unsnoozed", "POST", f"{_TALK}/unsnooze", None, None),
    ("conversation.tagged", "PATCH", _TALK, {"tags": ["vip"]}, None),
    ("conversation.closed", "POST", f"{_TALK}/close", None, None),
    ("conversation.reopened", "POST", f"{_TALK}/reopen", None, None),
    ("conversation.archived", "POST", f"{_TALK}/archive", None, None),
    ("conversation.unarchived", "POST", f"{_TALK}/unarchive", None, None),
    ("contact.added", "POST", "/api/contacts", {"phone": "+5548933221100", "name": "Ana"}, "ana"),
    ("contact.blocked", "PATCH", _CONTACT, {"blocked": True}, None),
    ("contact.unblocked", "PATCH", _CONTACT, {"blocked": False}, None),
    ("contact.merged", "POST", f"{_CONTACT}/merge", {"intoId": "{dora}"}, None),
    ("contact.unmerged", "POST", f"{_CONTACT}/unmerge", None, None),
    ("", "PUT", _STAY, _DAYS, None),
    ("stay.deleted", "DELETE", _STAY, None, None),
    ("contact.deleted", "DELETE", _CONTACT, None, None),
    ("contact_attributes.declared", "PUT", "/api/contact-attributes", {"data": []}, None),
    ("stay_message.added", "POST", "/api/stay-messages", _RULE, "rule"),
    ("stay_message.changed", "PATCH", "/api/stay-messages/{rule}", {"name": "Vinda"}, None),
    ("stay_message.deleted", "DELETE", "/api/stay-messages/{rule}", None, None),
    ("channel.changed", "PATCH", "/api/channels/{channel}", {"name": "Bar"}, None),
    ("channel.resumed", "POST", "/api/channels/{channel}/resume", None, None),
    ("templates.synced", "POST", "/api/templates/sync", None, None),
    ("channel.deleted", "DELETE", "/api/channels/{channel}", None, None),
]


async def _log(hotel: Hotel) -> list[dict[str, Any]]:
    return list((await hotel.admin.get("/api/tenant/audit?limit=100")).json()["data"])


async def test_a_line_tells_who_did_what_from_where_under_which_request(hotel_a: Hotel) -> None:
    request_id = fresh("pedido")
    await hotel_a.admin.patch("/api/tenant", json={"name": "Aurora"}, headers={"X-Request-Id": request_id})
    line = next(line for line in await _log(hotel_a) if line["requestId"] == request_id)
    alice = (await hotel_a.admin.get("/auth/me")).json()["user"]["id"]
    assert line.keys() == {
        "id", "actorId", "actorRole", "action", "target", "detail", "ip", "requestId", "createdAt",
    }  # fmt: skip
    assert (line["actorId"], line["actorRole"], line["ip"]) == (alice, "TENANT_ADMIN", "127.0.0.1")
    assert (line["action"], line["target"], line["detail"]) == ("tenant.changed", hotel_a.id, {"fields": ["name"]})


async def _visited(hotel: Hotel, root: httpx.AsyncClient, path: str) -> tuple[int, dict[str, Any]]:
    """What a super admin's request inside the hotel is answered, and its line in the hotel's log."""
    request_id = fresh("visita")
    headers = {"X-Tenant-Slug": hotel.slug, "X-Request-Id": request_id}
    answer = await root.get(path, headers=headers)
    return answer.status_code, next(line for line in await _log(hotel) if line["requestId"] == request_id)


async def test_every_request_of_a_super_admin_inside_a_hotel_is_shown_to_its_admin(
    hotel_a: Hotel, root: httpx.AsyncClient
) -> None:
    status, line = await _visited(hotel_a, root, "/api/conversations?limit=1")
    who = (await root.get("/auth/me")).json()["user"]["id"]
    assert (status, line["actorId"], line["actorRole"]) == (200, who, "SUPER_ADMIN")
    assert "GET /api/conversations" in f"{line['action']} {line['target']} {line['detail']}"


async def test_a_super_admin_is_told_where_the_request_acts(hotel_a: Hotel, root: httpx.AsyncClient) -> None:
    home = (await root.get("/auth/me")).json()
    there = (await root.get("/auth/me", headers={"X-Tenant-Slug": hotel_a.slug})).json()
    alice = (await hotel_a.admin.get("/auth/me")).json()
    assert (home["tenant"], there["user"], there["tenant"]) == (None, home["user"], alice["tenant"])
    assert there["permissions"] == [*home["permissions"], *alice["permissions"]]


async def test_a_super_admins_request_that_holds_a_nul_is_shown_too(
    hotel_a: Hotel, root: httpx.AsyncClient
) -> None:
    status, line = await _visited(hotel_a, root, "/api/contacts/%00")
    assert status == 404
    assert "GET /api/contacts/%00" in f"{line['action']} {line['target']} {line['detail']}"


async def test_the_platforms_deeds_are_written_to_its_own_log_and_the_making_of_a_hotel_to_the_hotels(
    system: System, as_owner: Sql
) -> None:
    hotel = await system.hotel("Auditado")
    for verb in ("suspend", "activate"):
        await system.root.post(f"/api/tenants/{hotel.id}/{verb}")
    query = "SELECT action FROM audit_log WHERE target = $1 AND actor_role = 'SUPER_ADMIN'"
    actions = {row["action"] for row in await as_owner(query, hotel.id)}
    assert actions == {"tenant.created", "tenant.suspended", "tenant.active"}
    assert "tenant.created" in {line["action"] for line in await _log(hotel)}


async def test_every_deed_is_a_line(system: System) -> None:
    hotel = await system.hotel("Feitos")
    dora = Guest(hotel, unique_phone())
    await dora.writes()
    talk = await dora.conversation()
    known = {"talk": talk["id"], "dora": talk["contact"]["id"], "channel": hotel.channel_id}
    before = len(await _log(hotel))
    for action, method, path, told, makes in DEEDS:
        body = told and {
            name: value.format(**known) if isinstance(value, str) else value for name, value in told.items()
        }
        answer = await hotel.admin.request(method, path.format(**known), json=body)
        assert answer.is_success, (action, answer.text)
        if makes:
            made = answer.json()
            known[makes] = made.get("user", made)["id"]
    lines = [line["action"] for line in (await _log(hotel))[:-before]]
    assert lines[::-1] == [action for action, *_ in DEEDS if action]


async def test_sign_ins_and_refusals_are_lines_too(hotel_a: Hotel, stranger: httpx.AsyncClient) -> None:
    ghost = f"{fresh('ghost')}@aurora.example"
    await login(stranger, ghost, "wrong", hotel_a.slug)
    await login(stranger, hotel_a.logins["attendant"], slug=hotel_a.slug)
    address = stranger.headers["X-Forwarded-For"]
    lines = [(line["action"], line["target"]) for line in await _log(hotel_a) if line["ip"] == address]
    assert lines == [("login.ok", hotel_a.logins["attendant"]), ("login.refused", ghost)]


async def test_people_are_lines_with_what_changed(hotel_a: Hotel, eva: dict[str, Any]) -> None:
    path = f"/api/users/{eva['id']}"
    await hotel_a.admin.patch(path, json={"name": "Eva Maria"})
    await hotel_a.admin.post(f"{path}/reset-password")
    lines = [(line["action"], line["detail"]) for line in await _log(hotel_a) if line["target"] == eva["id"]]
    assert lines == [
        ("password.reset", {}),
        ("user.changed", {"name": "Eva Maria"}),
        ("user.registered", {"role": "ATTENDANT"}),
    ]


async def test_a_refused_deed_leaves_no_line(hotel_a: Hotel) -> None:
    request_id = fresh("recusa")
    await hotel_a.admin.patch("/api/tenant", json={"timezone": "Marte"}, headers={"X-Request-Id": request_id})
    assert request_id not in {line["requestId"] for line in await _log(hotel_a)}


async def test_each_hotel_reads_its_own_log_only(hotel_a: Hotel, hotel_b: Hotel) -> None:
    theirs = {line["id"] for line in await _log(hotel_b)}
    assert theirs
    assert theirs.isdisjoint(line["id"] for line in await _log(hotel_a))


async def test_the_log_is_walked_by_cursor_without_losing_a_line(system: System) -> None:
    hotel = await system.hotel("Paginado")
    for n in range(9):
        await hotel.admin.patch("/api/tenant", json={"name": f"Nome {n}"})
    whole = [line["id"] for line in await _log(hotel)]
    walked, params = [], {"limit": "2"}
    while "cursor" not in params or params["cursor"]:
        body = (await hotel.admin.get("/api/tenant/audit", params=params)).json()
        assert body["pagination"].get("total", len(whole)) == len(whole)
        walked += [line["id"] for line in body["data"]]
        params["cursor"] = body["pagination"]["nextCursor"]
    assert walked == whole
    assert pointers(await hotel.admin.get("/api/tenant/audit?cursor=x")) == {"/cursor"}


@pytest.mark.parametrize("change", ["UPDATE audit_log SET action = 'x'", "DELETE FROM audit_log"])
async def test_the_application_cannot_rewrite_it(hotel_a: Hotel, as_app: Sql, change: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await as_app(change, tenant=hotel_a.id)


async def test_the_platforms_own_log_holds_its_sign_ins(stranger: httpx.AsyncClient, as_owner: Sql) -> None:
    assert (await login(stranger, ROOT_EMAIL)).status_code == 200
    query = "SELECT tenant_id FROM audit_log WHERE action = 'login.ok' AND ip = $1"
    rows = await as_owner(query, stranger.headers["X-Forwarded-For"])
    assert [row["tenant_id"].int for row in rows] == [0]
