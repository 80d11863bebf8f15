"""Signing in: at which hotel, with what answer, and which tokens count afterwards."""

import asyncio
import threading
import time
from typing import Any
from uuid import UUID

import httpx
import jwt
import pytest

from crm.core import crypto
from crm.core.config import Settings
from tests.own import ROOT_EMAIL
from tests.system import PASSWORD, Hotel, System
from tests.visitors import enter, fresh, login, me, refresh, told


async def test_a_super_admin_signs_in_and_gets_exactly_the_contracts_answer(stranger: httpx.AsyncClient) -> None:
    body = (await login(stranger, ROOT_EMAIL)).json()
    assert body.pop("accessToken") != body.pop("refreshToken")
    assert UUID(body["user"].pop("id"))
    user = {
        "email": ROOT_EMAIL,
        "name": "Root",
        "role": "SUPER_ADMIN",
        "tenantId": None,
        "mustChangePassword": False,
    }
    assert body == {"tokenType": "Bearer", "expiresIn": 900, "user": user, "tenant": None}


@pytest.mark.parametrize("where", ["header", "header in capitals", "query", "host", "host with port"])
async def test_a_hotel_is_named_by_header_query_or_sub_domain(
    stranger: httpx.AsyncClient, hotel_a: Hotel, where: str
) -> None:
    host = f"{hotel_a.slug}.CRM.example"
    named: dict[str, Any] = {
        "header": {"headers": {"X-Tenant-Slug": hotel_a.slug}},
        "header in capitals": {"headers": {"X-Tenant-Slug": hotel_a.slug.upper()}},
        "query": {"params": {"tenant": hotel_a.slug}},
        "host": {"headers": {"Host": host}},
        "host with port": {"headers": {"Host": f"{host}:3001"}},
    }
    credentials = {"email": hotel_a.logins["attendant"], "password": PASSWORD}
    body = (await stranger.post("/auth/login", json=credentials, **named[where])).json()
    assert body["tenant"] == {"id": hotel_a.id, "slug": hotel_a.slug, "name": "Aurora", "status": "TRIAL"}
    assert (body["user"]["role"], body["user"]["tenantId"]) == ("ATTENDANT", hotel_a.id)
    capitals = {"Authorization": f"Bearer {body['accessToken']}", "X-Tenant-Slug": hotel_a.slug.upper()}
    assert (await stranger.get("/auth/me", headers=capitals)).status_code == 200


async def test_the_header_names_the_hotel_before_the_query_and_the_query_before_the_host(
    stranger: httpx.AsyncClient, hotel_a: Hotel, hotel_b: Hotel
) -> None:
    credentials = {"email": hotel_a.logins["admin"], "password": PASSWORD}
    host = {"Host": f"{hotel_b.slug}.crm.example"}
    by_query = await stranger.post(f"/auth/login?tenant={hotel_a.slug}", json=credentials, headers=host)
    header = {"X-Tenant-Slug": hotel_a.slug}
    by_header = await stranger.post(f"/auth/login?tenant={hotel_b.slug}", json=credentials, headers=header)
    assert (by_query.status_code, by_header.status_code) == (200, 200)


@pytest.mark.parametrize(
    "host",
    [
        "www",
        "api",
        "APP",
        "admin",
        "",
        "localhost:3001",
        "10.0.0.7",
        "[::1]:3001",
        "a.b.crm.example",
        "crm.example.net",
    ],
)
async def test_a_reserved_or_foreign_host_means_the_platform(stranger: httpx.AsyncClient, host: str) -> None:
    named = f"{host}.crm.example".removeprefix(".") if host.isalpha() or not host else host
    answer = await login(stranger, ROOT_EMAIL, Host=named)
    assert (answer.status_code, answer.json().get("tenant", "?")) == (200, None)


@pytest.mark.parametrize(
    "named",
    [
        {"headers": {"X-Tenant-Slug": "nowhere"}},
        {"params": {"tenant": "no\0where"}},
        {"headers": {"Host": "no.crm.example"}},
    ],
)
async def test_an_address_that_names_no_hotel_is_404(stranger: httpx.AsyncClient, named: dict[str, Any]) -> None:
    answer = await stranger.post("/auth/login", json={"email": ROOT_EMAIL, "password": PASSWORD}, **named)
    assert told(answer) == (404, "tenant_not_found")


async def test_wrong_password_unknown_user_and_deactivated_user_answer_the_same(
    stranger: httpx.AsyncClient, hotel_a: Hotel, eva: dict[str, Any]
) -> None:
    await hotel_a.admin.patch(f"/api/users/{eva['id']}", json={"active": False})
    tries = [(hotel_a.logins["admin"], "wrong"), ("ghost@aurora.example", PASSWORD), (eva["email"], PASSWORD)]
    answers = [await login(stranger, *one, slug=hotel_a.slug) for one in tries]
    bodies = [{**answer.json(), "requestId": ""} for answer in answers]
    assert [told(answer) for answer in answers] == [(401, "invalid_credentials")] * 3
    assert bodies[0] == bodies[1] == bodies[2]


async def test_a_login_is_of_one_hotel_only(stranger: httpx.AsyncClient, hotel_a: Hotel, hotel_b: Hotel) -> None:
    assert told(await login(stranger, hotel_a.logins["admin"], slug=hotel_b.slug)) == (401, "invalid_credentials")
    assert told(await login(stranger, hotel_a.logins["admin"])) == (401, "invalid_credentials")


async def test_tokens_carry_the_contracts_claims_and_lives(
    stranger: httpx.AsyncClient, hotel_a: Hotel, eva: dict[str, Any], settings: Settings
) -> None:
    body = await enter(stranger, eva["email"], hotel_a.slug)
    for kind, secret, life in (
        ("access", settings.jwt_secret, 900),
        ("refresh", settings.jwt_refresh_secret, 604800),
    ):
        claims = jwt.decode(body[f"{kind}Token"], secret, algorithms=["HS256"], audience="crm-api")
        assert set(claims) == {"iss", "aud", "sub", "tid", "role", "sid", "jti", "typ", "iat", "exp"}
        assert (claims["typ"], claims["exp"] - claims["iat"]) == (kind, life)
        assert (claims["sub"], claims["tid"], claims["role"]) == (eva["id"], hotel_a.id, "ATTENDANT")


async def test_neither_token_passes_for_the_other(
    stranger: httpx.AsyncClient, hotel_a: Hotel, eva: dict[str, Any]
) -> None:
    tokens = await enter(stranger, eva["email"], hotel_a.slug)
    assert told(await me(stranger, tokens["refreshToken"])) == (401, "unauthenticated")
    assert told(await refresh(stranger, tokens["accessToken"])) == (401, "unauthenticated")


async def test_forged_tokens_are_refused_and_an_expired_one_says_so(
    stranger: httpx.AsyncClient, hotel_a: Hotel, eva: dict[str, Any], settings: Settings
) -> None:
    token = (await enter(stranger, eva["email"], hotel_a.slug))["accessToken"]
    good = jwt.decode(token, settings.jwt_secret, algorithms=["HS256"], audience="crm-api")
    assert (await me(stranger, jwt.encode(good, settings.jwt_secret, "HS256"))).status_code == 200
    bruno = (await hotel_a.attendant.get("/auth/me")).json()["user"]["id"]
    wrongs = [{"role": "SUPER_ADMIN"}, {"aud": "x"}, {"iss": "x"}, {"sid": str(UUID(int=1))}, {"typ": "refresh"}]
    wrongs.append({"sub": bruno})  # in somebody else's session
    forged = [jwt.encode(good | wrong, settings.jwt_secret, "HS256") for wrong in wrongs]
    forged += [jwt.encode(good, "x" * 40, "HS256"), jwt.encode(good, None, "none"), token[:-4], "x.y.z", "crm_x"]
    for one in forged:
        assert told(await me(stranger, one)) == (401, "unauthenticated"), one
    basic = await stranger.get("/auth/me", headers={"Authorization": f"Basic {token}"})
    assert told(basic) == (401, "unauthenticated")
    old = jwt.encode(good | {"exp": int(time.time()) - 1}, settings.jwt_secret, "HS256")
    assert told(await me(stranger, old)) == (401, "token_expired")


_LONG = "senha-" + "x" * 994
_EMOJI = "🏨" * 300


@pytest.mark.parametrize(
    ("right", "wrong"), [(_LONG, _LONG[:-1] + "y"), (_EMOJI, _EMOJI[:-1]), ("é" * 40 + "a", "é" * 40 + "b")]
)
async def test_long_passwords_count_to_their_last_character(
    stranger: httpx.AsyncClient, hotel_a: Hotel, right: str, wrong: str
) -> None:
    new = {"name": "Lia", "email": f"{fresh('lia')}@aurora.example", "role": "ATTENDANT", "password": right}
    assert (await hotel_a.admin.post("/api/users", json=new)).status_code == 201
    assert told(await login(stranger, new["email"], wrong, hotel_a.slug)) == (401, "invalid_credentials")
    await enter(stranger, new["email"], hotel_a.slug, right)


async def test_a_token_stays_in_its_hotel_whatever_the_header_says(hotel_a: Hotel, hotel_b: Hotel) -> None:
    for slug, status in ((hotel_a.slug, 200), (hotel_b.slug, 403), ("nowhere", 403)):
        answer = await hotel_a.admin.get("/api/tenant", headers={"X-Tenant-Slug": slug})
        assert answer.status_code == status
        assert answer.json().get("code") == (None if status == 200 else "tenant_mismatch")


async def test_who_signs_in_while_the_password_is_reset_stays_out(
    system: System, stranger: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reset puts out whoever knows the old password, also who has just shown it."""
    hotel, right, reset = await system.hotel("Senha"), crypto.password_matches, threading.Event()
    shown = threading.Event()

    def slow(password: str, hashed: str) -> bool:
        known = right(password, hashed)
        shown.set()
        return reset.wait(10) and known

    monkeypatch.setattr(crypto, "password_matches", slow)
    signing = asyncio.create_task(login(stranger, hotel.logins["attendant"], slug=hotel.slug))
    assert await asyncio.to_thread(shown.wait, 10)
    user = (await hotel.attendant.get("/auth/me")).json()["user"]["id"]
    assert (await hotel.admin.post(f"/api/users/{user}/reset-password")).status_code == 200
    reset.set()
    assert told(await signing) == (401, "invalid_credentials")
