"""Refresh, logout, passwords, and every way a session ends."""

import asyncio
from typing import Any
from uuid import UUID

import httpx
import jwt
import pytest

from ops.dev.home import Home
from tests.held import holding
from tests.people import Sql
from tests.sockets import at_socket
from tests.system import PASSWORD, Hotel, System, eventually
from tests.visitors import bearer, enter, login, me, refresh, told


async def test_refresh_gives_new_tokens_that_work(
    stranger: httpx.AsyncClient, hotel_a: Hotel, eva: dict[str, Any]
) -> None:
    first = await enter(stranger, eva["email"], hotel_a.slug)
    second = (await refresh(stranger, first["refreshToken"])).json()
    assert second.keys() == first.keys()
    assert second["user"] == first["user"]
    assert second["refreshToken"] != first["refreshToken"]
    assert (await me(stranger, second["accessToken"])).status_code == 200
    assert (await refresh(stranger, second["refreshToken"])).status_code == 200


async def test_a_refresh_at_another_hotels_address_is_refused_and_spends_nothing(
    stranger: httpx.AsyncClient, hotel_a: Hotel, hotel_b: Hotel
) -> None:
    token = (await enter(stranger, hotel_a.logins["attendant"], hotel_a.slug))["refreshToken"]
    body, theirs = {"refreshToken": token}, {"X-Tenant-Slug": hotel_b.slug}
    assert told(await stranger.post("/auth/refresh", json=body, headers=theirs)) == (403, "tenant_mismatch")
    assert (
        await stranger.post("/auth/refresh", json=body, headers={"X-Tenant-Slug": hotel_a.slug})
    ).status_code == 200


async def test_a_refresh_token_used_twice_ends_the_whole_family(
    stranger: httpx.AsyncClient, hotel_a: Hotel, eva: dict[str, Any]
) -> None:
    first = await enter(stranger, eva["email"], hotel_a.slug)
    second = (await refresh(stranger, first["refreshToken"])).json()
    other = await enter(stranger, eva["email"], hotel_a.slug)
    assert told(await refresh(stranger, first["refreshToken"])) == (401, "unauthenticated")
    for token in (first["accessToken"], second["accessToken"]):
        assert told(await me(stranger, token)) == (401, "unauthenticated")
    assert told(await refresh(stranger, second["refreshToken"])) == (401, "unauthenticated")
    assert (await me(stranger, other["accessToken"])).status_code == 200
    log = (await hotel_a.admin.get("/api/tenant/audit")).json()["data"]
    assert "refresh.reused" in {line["action"] for line in log if line["actorId"] == eva["id"]}


async def test_of_two_refreshes_at_once_exactly_one_wins(
    stranger: httpx.AsyncClient, hotel_a: Hotel, eva: dict[str, Any]
) -> None:
    for _ in range(5):
        token = (await enter(stranger, eva["email"], hotel_a.slug))["refreshToken"]
        answers = await asyncio.gather(refresh(stranger, token), refresh(stranger, token))
        assert sorted(answer.status_code for answer in answers) == [200, 401]


async def test_logout_counts_at_once(stranger: httpx.AsyncClient, hotel_a: Hotel, eva: dict[str, Any]) -> None:
    tokens = await enter(stranger, eva["email"], hotel_a.slug)
    out = await stranger.post("/auth/logout", headers=bearer(tokens["accessToken"]))
    assert (out.status_code, out.content) == (204, b"")
    assert told(await me(stranger, tokens["accessToken"])) == (401, "unauthenticated")
    assert told(await refresh(stranger, tokens["refreshToken"])) == (401, "unauthenticated")


async def test_me_tells_who_where_and_what_they_may(bruno: httpx.AsyncClient, hotel_a: Hotel) -> None:
    body = (await bruno.get("/auth/me")).json()
    assert body.keys() == {"user", "tenant", "permissions"}
    assert body["user"].keys() == {"id", "email", "name", "role", "tenantId", "mustChangePassword"}
    assert (body["user"]["email"], body["tenant"]["slug"]) == (hotel_a.logins["attendant"], hotel_a.slug)
    assert body["permissions"] == ["conversations"]


async def test_a_new_password_ends_the_other_sessions(
    stranger: httpx.AsyncClient, hotel_a: Hotel, eva: dict[str, Any]
) -> None:
    other, mine = [await enter(stranger, eva["email"], hotel_a.slug) for _ in range(2)]
    change = {"currentPassword": PASSWORD, "newPassword": "outra-senha-2"}
    url, tokens = str(stranger.base_url), [session["accessToken"] for session in (other, mine)]
    async with at_socket(url, tokens[0]) as others, at_socket(url, tokens[1]) as own:
        for ear in (others, own):
            await ear.hear("ready")
        answer = await stranger.post("/auth/change-password", json=change, headers=bearer(tokens[1]))
        assert answer.status_code == 204
        assert await others.closed() == 4401
        assert await own.heard() == []
    assert (await me(stranger, mine["accessToken"])).status_code == 200
    assert told(await me(stranger, other["accessToken"])) == (401, "unauthenticated")
    assert (await login(stranger, eva["email"], PASSWORD, hotel_a.slug)).status_code == 401
    await enter(stranger, eva["email"], hotel_a.slug, "outra-senha-2")


async def test_who_changes_a_password_while_it_is_reset_does_not_undo_the_reset(
    system: System, home: Home, as_owner: Sql
) -> None:
    hotel, theirs = await system.hotel("Senha"), "SELECT password_hash FROM users WHERE email = $1"
    reset = "UPDATE users SET password_hash = 'reset' WHERE email = $1"
    change = {"currentPassword": PASSWORD, "newPassword": "another-long-one"}
    async with holding(home, reset, hotel.logins["attendant"]) as held:
        changing = asyncio.create_task(hotel.attendant.post("/auth/change-password", json=change))
        await eventually(held.waits)
    assert told(await changing) == (401, "invalid_credentials")
    assert [row[0] for row in await as_owner(theirs, hotel.logins["attendant"])] == ["reset"]


async def test_a_new_password_needs_the_current_one_and_eight_characters(
    stranger: httpx.AsyncClient, hotel_a: Hotel, eva: dict[str, Any]
) -> None:
    mine = bearer((await enter(stranger, eva["email"], hotel_a.slug))["accessToken"])
    wrong = {"currentPassword": "wrong", "newPassword": "outra-senha-2"}
    refused = await stranger.post("/auth/change-password", json=wrong, headers=mine)
    assert (*told(refused), refused.json()["detail"]) == (
        401,
        "invalid_credentials",
        "A senha atual está incorreta.",
    )
    short = {"currentPassword": PASSWORD, "newPassword": "1234567"}
    assert told(await stranger.post("/auth/change-password", json=short, headers=mine)) == (
        422,
        "validation_failed",
    )
    await enter(stranger, eva["email"], hotel_a.slug)


async def test_a_person_sees_and_ends_their_own_sessions_only(
    stranger: httpx.AsyncClient, hotel_a: Hotel, eva: dict[str, Any]
) -> None:
    other = await enter(stranger, eva["email"], hotel_a.slug)
    address = stranger.headers["X-Forwarded-For"]
    stranger.headers["X-Forwarded-For"] = f"{address}, 127.0.0.1"  # by two proxies that are trusted
    mine = await enter(stranger, eva["email"], hotel_a.slug)
    listed = (await stranger.get("/auth/sessions", headers=bearer(mine["accessToken"]))).json()["data"]
    assert [session["current"] for session in listed] == [True, False]
    assert listed[0].keys() == {"id", "ip", "userAgent", "current", "createdAt", "lastUsedAt", "expiresAt"}
    assert [session["ip"] for session in listed] == [address, address]
    path = f"/auth/sessions/{listed[1]['id']}"
    assert told(await hotel_a.admin.delete(path)) == (404, "not_found")
    assert (await stranger.delete(path, headers=bearer(mine["accessToken"]))).status_code == 204
    assert told(await me(stranger, other["accessToken"])) == (401, "unauthenticated")


@pytest.mark.parametrize("end", ["deactivated", "another role", "suspended", "canceled"])
async def test_who_loses_access_is_refused_at_the_next_request(
    stranger: httpx.AsyncClient, system: System, end: str
) -> None:
    hotel = await system.hotel("Efemero")
    person = (await hotel.attendant.get("/auth/me")).json()["user"]
    tokens = await enter(stranger, person["email"], hotel.slug)
    change = {"deactivated": {"active": False}, "another role": {"role": "TENANT_ADMIN"}}.get(end)
    verb = {"suspended": "suspend", "canceled": "cancel"}.get(end)
    await hotel.admin.patch(f"/api/users/{person['id']}", json=change) if change else None
    await system.root.post(f"/api/tenants/{hotel.id}/{verb}") if verb else None
    expected = (403, "tenant_suspended") if verb else (401, "unauthenticated")
    assert told(await me(stranger, tokens["accessToken"])) == expected
    if end != "another role":
        assert told(await refresh(stranger, tokens["refreshToken"])) == expected
    if verb:
        assert told(await login(stranger, person["email"], slug=hotel.slug)) == (403, "tenant_suspended")


async def test_a_person_has_at_most_twenty_sessions(
    stranger: httpx.AsyncClient, hotel_a: Hotel, eva: dict[str, Any]
) -> None:
    tokens = [(await enter(stranger, eva["email"], hotel_a.slug))["accessToken"] for _ in range(22)]
    listed = (await stranger.get("/auth/sessions", headers=bearer(tokens[-1]))).json()["data"]
    assert len(listed) == 20
    answers = [(await me(stranger, token)).status_code for token in tokens]
    assert answers == [401, 401, *[200] * 20]


async def test_a_session_that_ran_out_is_over(
    stranger: httpx.AsyncClient, hotel_a: Hotel, eva: dict[str, Any], as_owner: Sql
) -> None:
    over, tokens = [await enter(stranger, eva["email"], hotel_a.slug) for _ in range(2)]
    late = "UPDATE sessions SET expires_at = now() - INTERVAL '1 second' WHERE id = $1"
    await as_owner(late, UUID(jwt.decode(over["accessToken"], options={"verify_signature": False})["sid"]))
    assert told(await me(stranger, over["accessToken"])) == (401, "unauthenticated")
    listed = (await stranger.get("/auth/sessions", headers=bearer(tokens["accessToken"]))).json()["data"]
    assert [session["current"] for session in listed] == [True]
    assert told(await refresh(stranger, over["refreshToken"])) == (401, "unauthenticated")


async def test_a_session_is_forgotten_a_month_after_its_end(
    stranger: httpx.AsyncClient, hotel_a: Hotel, eva: dict[str, Any], as_owner: Sql
) -> None:
    """Made 40 days ago each, as its id says."""
    made = "INSERT INTO sessions (tenant_id, id, user_id, refresh_hash, ip, user_agent, expires_at, revoked_at)"
    ages = [
        (31, None),
        (29, None),
        (-7, 31),
        (-7, 29),
        (-7, None),
    ]  # days since it expired, and since it was revoked
    old = [
        await as_owner(
            f"""{made} SELECT $1, uuidv7(INTERVAL '-40 days'), $2, '', '', '', now() - $3 * INTERVAL '1 day',
            now() - $4 * INTERVAL '1 day' RETURNING id""",
            UUID(hotel_a.id), UUID(eva["id"]), expired, revoked,
        )
        for expired, revoked in ages
    ]  # fmt: skip
    await enter(stranger, hotel_a.logins["attendant"], hotel_a.slug)
    found = await as_owner("SELECT id FROM sessions WHERE user_id = $1 ORDER BY id", UUID(eva["id"]))
    assert {row["id"] for row in found} == {old[place][0]["id"] for place in (1, 3, 4)}
