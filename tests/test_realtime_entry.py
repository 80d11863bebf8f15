"""Coming in at /ws and being shown out: authentication, close codes, origins."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import httpx
import msgspec
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from crm import app
from crm.core.config import Settings
from tests.held import holding
from tests.sockets import Ear, at_socket, listening, short_lived, token_of
from tests.system import PASSWORD, Hotel, System, eventually, serving

FRONTENDS = "https://crm.example, https://app.example/"


@pytest.fixture(scope="module")
async def hotel(system: System) -> Hotel:
    """A hotel of this module alone."""
    return await system.hotel("Entrada")


@pytest.fixture(scope="module")
async def with_frontends(settings: Settings) -> AsyncIterator[str]:
    """An API that knows two frontends."""
    async with serving(app.build(msgspec.structs.replace(settings, frontend_url=FRONTENDS))) as url:
        yield url


async def again(system: System, hotel: Hotel, who: str = "attendant") -> httpx.AsyncClient:
    """A new session of a person of the hotel."""
    return await system.sign_in(hotel.logins[who], PASSWORD, hotel.slug)


async def me(client: httpx.AsyncClient) -> dict[str, str]:
    return (await client.get("/auth/me")).json()["user"]


@pytest.mark.parametrize("way", ["frame", "header"])
async def test_a_token_signs_in_by_first_frame_or_by_header(hotel: Hotel, way: str) -> None:
    token = token_of(hotel.attendant)
    by_header = {"additional_headers": {"Authorization": f"Bearer {token}"}}
    options = by_header if way == "header" else {"token": token}
    async with at_socket(hotel.url, **options) as ear:
        ready = await ear.frame()
    person = await me(hotel.attendant)
    assert ready == {"event": "ready", "data": {"userId": person["id"], "tenantId": hotel.id, "seq": 0}}


@pytest.mark.parametrize("token", ["", "x", "a.b.c", 7, None, ["t"], "\x00", "é" * 300])
async def test_a_token_that_is_none_is_4401(hotel: Hotel, token: object) -> None:
    async with at_socket(hotel.url) as ear:
        await ear.say("auth", {"token": token})
        assert await ear.closed() == 4401


@pytest.mark.parametrize("data", [None, "token", 3, [], {}])
async def test_auth_without_a_token_is_4401(hotel: Hotel, data: object) -> None:
    async with at_socket(hotel.url) as ear:
        await ear.say("auth", data)
        assert await ear.closed() == 4401


@pytest.mark.parametrize("header", ["Bearer", "Bearer x", "Basic dTpw", "Bearer  "])
async def test_a_header_that_names_nobody_is_4401(hotel: Hotel, header: str) -> None:
    async with at_socket(hotel.url, additional_headers={"Authorization": header}) as ear:
        assert await ear.closed() == 4401


async def test_expired_tokens_refresh_tokens_and_tokens_of_another_secret_are_4401(
    system: System, hotel: Hotel, settings: Settings
) -> None:
    signed_in = (await system.login(hotel.logins["attendant"], PASSWORD, hotel.slug)).json()
    expired = short_lived(hotel.attendant, settings.jwt_secret, -1)
    forged = short_lived(hotel.attendant, "x" * 40, 600)
    for token in (expired, forged, signed_in["refreshToken"]):
        async with at_socket(hotel.url, token) as ear:
            assert await ear.closed() == 4401


async def test_a_socket_ends_with_4401_when_its_token_does_and_no_door_takes_it(
    hotel: Hotel, settings: Settings
) -> None:
    token = short_lived(hotel.attendant, settings.jwt_secret, 2)
    async with at_socket(hotel.url, token) as ear:
        await ear.hear("ready")
        assert await ear.closed() == 4401
    late = await hotel.attendant.get("/auth/me", headers={"Authorization": f"Bearer {token}"})
    assert (late.status_code, late.json()["code"]) == (401, "token_expired")


async def test_a_fresh_token_keeps_the_socket_past_the_old_ones_end(hotel: Hotel, settings: Settings) -> None:
    async with at_socket(hotel.url, short_lived(hotel.attendant, settings.jwt_secret, 2)) as ear:
        await ear.hear("ready")
        await ear.say("auth", {"token": token_of(hotel.attendant)})
        await asyncio.sleep(2.2)
        assert await ear.heard() == []


async def test_signing_in_again_as_somebody_else_or_with_a_session_that_ended_is_4401(
    system: System, hotel: Hotel, carla: httpx.AsyncClient
) -> None:
    ended = await again(system, hotel)
    assert (await ended.post("/auth/logout")).status_code == 204
    for other in (hotel.admin, carla, ended):
        async with listening(hotel.attendant) as ear:
            await ear.say("auth", {"token": token_of(other)})
            assert await ear.closed() == 4401


async def test_logout_closes_that_sessions_sockets_and_no_others(system: System, hotel: Hotel) -> None:
    session = await again(system, hotel)
    async with listening(session) as gone, listening(hotel.attendant) as stays:
        assert (await session.post("/auth/logout")).status_code == 204
        assert await gone.closed() == 4401
        assert await stays.heard() == []
    async with at_socket(hotel.url, token_of(session)) as ear:
        assert await ear.closed() == 4401


async def test_a_session_that_ends_while_its_socket_comes_in_is_4401(system: System) -> None:
    """It was asked for before its end could be heard: a session that ended between stayed in."""
    hotel = await system.hotel("Porta")
    async with at_socket(hotel.url) as ear:
        async with holding(system.home, "LOCK TABLE feed_heads IN ACCESS EXCLUSIVE MODE") as heads:
            await ear.say("auth", {"token": token_of(hotel.attendant)})
            await eventually(heads.waits)
            assert (await hotel.attendant.post("/auth/logout")).status_code == 204
        assert await ear.closed() == 4401


async def test_after_signing_in_again_the_socket_belongs_to_the_new_session(system: System, hotel: Hotel) -> None:
    old, new = await again(system, hotel), await again(system, hotel)
    async with listening(old) as ear:
        await ear.say("auth", {"token": token_of(new)})
        assert await ear.heard() == []
        await old.post("/auth/logout")
        assert await ear.heard() == []
        await new.post("/auth/logout")
        assert await ear.closed() == 4401


@pytest.mark.parametrize("end", ["deactivated", "another role", "password reset"])
async def test_who_loses_access_loses_all_sockets(system: System, hotel: Hotel, end: str) -> None:
    new = {"name": "Eva", "email": f"eva-{end[:4]}@{hotel.slug}.example", "role": "ATTENDANT", "password": PASSWORD}
    path = f"/api/users/{(await hotel.admin.post('/api/users', json=new)).json()['user']['id']}"
    eva = await system.sign_in(new["email"], PASSWORD, hotel.slug)
    async with listening(eva) as one, listening(eva) as two, listening(hotel.attendant) as bruno:
        if end == "password reset":
            await hotel.admin.post(f"{path}/reset-password")
        else:
            await hotel.admin.patch(
                path, json={"active": False} if end == "deactivated" else {"role": "TENANT_ADMIN"}
            )
        assert (await one.closed(), await two.closed()) == (4401, 4401)
        assert await bruno.heard() == []
    async with at_socket(hotel.url, token_of(eva)) as ear:
        assert await ear.closed() == 4401


async def test_suspending_a_hotel_closes_its_sockets_and_refuses_new_ones_with_4403(system: System) -> None:
    hotel = await system.hotel("Devedor")
    async with listening(hotel.admin) as alice, listening(hotel.attendant) as bruno:
        await system.root.post(f"/api/tenants/{hotel.id}/suspend")
        assert (await alice.closed(), await bruno.closed()) == (4403, 4403)
    async with at_socket(hotel.url, token_of(hotel.attendant)) as ear:
        assert await ear.closed() == 4403


async def test_the_platform_has_no_socket(system: System) -> None:
    async with at_socket(system.url, token_of(system.root)) as ear:
        assert await ear.closed() == 4403


def visit(system: System, hotel: Hotel, root: httpx.AsyncClient) -> dict[str, dict[str, str]]:
    """The headers with which a super admin steps into a hotel."""
    return {"additional_headers": {"Authorization": f"Bearer {token_of(root)}", "X-Tenant-Slug": hotel.slug}}


async def test_a_super_admins_visit_by_socket_is_in_the_hotels_audit_log(system: System, hotel: Hotel) -> None:
    root_id = (await me(system.root))["id"]
    before = (await hotel.admin.get("/api/tenant/audit?limit=100")).text.count(root_id)
    async with at_socket(system.url, **visit(system, hotel, system.root)) as ear:
        assert (await ear.hear("ready"))["data"]["tenantId"] == hotel.id
    assert (await hotel.admin.get("/api/tenant/audit?limit=100")).text.count(root_id) > before


async def test_a_super_admin_steps_in_by_the_handshakes_header_whichever_way_he_signs_in(
    system: System, hotel: Hotel
) -> None:
    root_id, token = (await me(system.root))["id"], token_of(system.root)
    before = (await hotel.admin.get("/api/tenant/audit?limit=100")).text.count(root_id)
    async with at_socket(system.url, token, additional_headers={"X-Tenant-Slug": hotel.slug}) as ear:
        assert (await ear.hear("ready"))["data"]["tenantId"] == hotel.id
    assert (await hotel.admin.get("/api/tenant/audit?limit=100")).text.count(root_id) > before


async def test_a_visiting_super_admin_stays_with_a_fresh_token(system: System, hotel: Hotel) -> None:
    root = await system.sign_in((await me(system.root))["email"], PASSWORD)
    async with at_socket(system.url, **visit(system, hotel, system.root)) as ear:
        await ear.hear("ready")
        await ear.say("auth", {"token": token_of(root)})
        assert await ear.heard() == []


async def test_a_handshake_that_names_another_hotel_is_4401(hotel: Hotel, hotel_b: Hotel) -> None:
    for slug in (hotel_b.slug, "no-such-hotel"):
        named = {"additional_headers": {"X-Tenant-Slug": slug}}
        async with at_socket(hotel.url, token_of(hotel.attendant), **named) as ear:
            assert await ear.closed() == 4401


async def test_logout_of_a_visiting_super_admin_closes_the_socket_too(system: System, hotel: Hotel) -> None:
    root = await system.sign_in((await me(system.root))["email"], PASSWORD)
    async with at_socket(system.url, **visit(system, hotel, root)) as ear:
        await ear.hear("ready")
        await root.post("/auth/logout")
        assert await ear.closed() == 4401


async def test_who_does_not_sign_in_within_five_seconds_is_4408(hotel: Hotel) -> None:
    async with at_socket(hotel.url) as silent, at_socket(hotel.url) as other:
        await other.say("ping")
        assert await other.closed() == 4408
        with pytest.raises(TimeoutError):
            await silent.closed(4)
        assert await silent.closed(2) == 4408


@pytest.mark.parametrize(
    "text",
    ["x" * 66_000, "é" * 40_000, b"x" * 66_000, "x" * 1_500_000],
    ids=["text", "two-byte", "binary", "megabytes"],
)
async def test_a_frame_above_64_kib_is_4413(hotel: Hotel, text: str | bytes) -> None:
    async with listening(hotel.attendant) as ear:
        await ear.socket.send(text)
        assert await ear.closed() == 4413


async def test_a_flood_of_frames_is_4429(hotel: Hotel) -> None:
    async with listening(hotel.attendant) as ear:
        for _ in range(150):
            await ear.say("ping")
        assert await ear.closed() == 4429


async def test_a_person_has_at_most_fifty_sockets_and_others_are_not_counted(hotel: Hotel) -> None:
    many = [listening(hotel.attendant) for _ in range(50)]
    for socket in many:
        await socket.__aenter__()
    async with at_socket(hotel.url, token_of(hotel.attendant)) as ear:
        assert await ear.closed() == 4429
    async with listening(hotel.admin) as alice:
        assert await alice.heard() == []
    await asyncio.gather(*(socket.__aexit__(None, None, None) for socket in many))

    async def room_again() -> bool:
        async with at_socket(hotel.url, token_of(hotel.attendant)) as ear:
            return (await ear.frame())["event"] == "ready"

    await eventually(room_again)


async def test_fifty_is_the_most_too_when_all_come_at_once(system: System) -> None:
    hotel = await system.hotel("Portas")
    async with AsyncExitStack() as stack:
        doors = [at_socket(hotel.url, token_of(hotel.admin)) for _ in range(70)]
        ears = await asyncio.gather(*(stack.enter_async_context(door) for door in doors))
        told = await asyncio.gather(*(_ready_or_code(ear) for ear in ears))
    assert {word: told.count(word) for word in set(told)} == {"ready": 50, 4429: 20}


async def _ready_or_code(ear: Ear) -> str | int | None:
    try:
        return str((await ear.frame(20))["event"])
    except ConnectionClosed:
        return ear.socket.close_code


@pytest.mark.parametrize("origin", ["https://crm.example", "https://app.example", "own host", None])
async def test_own_host_known_frontends_and_programs_without_origin_come_in(
    with_frontends: str, hotel: Hotel, origin: str | None
) -> None:
    named = with_frontends if origin == "own host" else origin
    async with at_socket(with_frontends, token_of(hotel.attendant), origin=named) as ear:
        assert (await ear.frame())["event"] == "ready"


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "https://crm.example.evil.example", "http://crm.example", "null", "http://["]
)
async def test_any_other_origin_is_refused_at_the_handshake(with_frontends: str, origin: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with at_socket(with_frontends, origin=origin):
            pass
    answer = refused.value.response
    told = json.loads(answer.body)
    assert (answer.status_code, told["code"]) == (403, "forbidden")
    assert (answer.headers["X-Request-Id"], answer.headers["X-Frame-Options"]) == (told["requestId"], "DENY")


async def test_a_server_that_stops_says_1012(settings: Settings, hotel: Hotel) -> None:
    server = serving(app.build(settings))
    url = await server.__aenter__()
    async with listening(hotel.attendant, url) as ear:
        await server.__aexit__(None, None, None)
        assert await ear.closed() == 1012
