"""What of a request gets through nginx with ops/nginx, seen from behind it: bodies, addresses, and how many."""

import asyncio
import re
from collections.abc import AsyncIterator

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from tests.drills import door as doors
from tests.drills.door import DOMAIN, MEGABYTE, PROGRAM, SPOOFED, WEBHOOK, Door, address
from tests.system import serving

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="nginx is missing: apt-get install nginx")


OWN_NAMES = "chat.aurora.test, chat.a-very-long-name-of-a-hotel-that-somebody-registered.brisa.test"


async def echo(request: Request) -> JSONResponse:
    """What came through, as an API would see it."""
    size = sum([len(piece) async for piece in request.stream()])
    return JSONResponse({"size": size, "headers": request.headers.items()})


@pytest.fixture(scope="module")
async def mirror() -> AsyncIterator[Door]:
    """A door in front of what tells what came through."""
    methods = ["GET", "POST", "PUT"]
    async with serving(Starlette(routes=[Route("/{path:path}", echo, methods=methods)])) as url:
        with doors.opened(url, EDGE_PROXIES="127.7.0.0/16", CERT_DOMAINS=OWN_NAMES) as door:
            yield door


async def test_nothing_but_the_socket_is_upgraded(mirror: Door) -> None:
    asks = {"Connection": "Upgrade", "Upgrade": "websocket"}
    async with mirror.visitor() as client:
        seen = dict((await client.get("/api/conversations", headers=asks)).json()["headers"])
        other = dict((await client.get("/ws", headers={**asks, "Upgrade": "h2c"})).json()["headers"])
    assert "upgrade" not in seen | other
    assert seen.get("connection") in (None, "")


@pytest.mark.parametrize(
    ("path", "most"),
    [(WEBHOOK, 4), ("/api/media", 101), ("/api/contacts/import", 101), ("/api/contacts", 2), ("/auth/login", 2)],
)
async def test_a_body_is_as_large_as_its_path_allows(mirror: Door, path: str, most: int) -> None:
    async with mirror.visitor(address()) as client:
        taken = await client.post(path, content=b"x" * most * MEGABYTE)
        assert (taken.status_code, taken.json()["size"]) == (200, most * MEGABYTE)
        refused = await client.post(path, content=b"x" * (most * MEGABYTE + 1))
    assert refused.status_code == 413
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["code"] == "payload_too_large"
    assert refused.json()["requestId"] == refused.headers["x-request-id"]


@pytest.mark.parametrize(("path", "kept"), [("/api/media", 0), ("/api/contacts/import", 0), (WEBHOOK, 1)])
async def test_a_file_does_not_lie_in_nginx_while_it_comes(mirror: Door, path: str, kept: int) -> None:
    """Its disk is memory. Others are small, and kept until whole: a slow one then holds no place in the API."""
    seen = []

    async def slow() -> AsyncIterator[bytes]:
        for _ in range(2):
            yield b"x" * MEGABYTE
            await asyncio.sleep(0.1)
        seen.append(len(mirror.spooled()))

    async with mirror.visitor() as client:
        assert (await client.post(path, content=slow())).json()["size"] == 2 * MEGABYTE
    assert seen == [kept]


async def test_what_a_client_says_of_itself_does_not_get_through(mirror: Door) -> None:
    async with mirror.visitor("127.2.0.9") as client:
        seen = (await client.get("/", headers=SPOOFED)).json()["headers"]
    told = {name: value for name, value in seen if "forwarded" in name or name == "x-real-ip"}
    assert told == {"x-forwarded-for": "127.2.0.9", "x-forwarded-proto": "https"}


async def test_an_edge_proxy_that_is_named_tells_the_address(mirror: Door) -> None:
    """Read from the right, past those that are trusted: what the client itself put on the left counts nothing."""
    async with mirror.visitor("127.7.0.1") as client:
        headers = {"X-Forwarded-For": "6.6.6.6, 81.2.9.9, 127.7.0.2"}
        seen = dict((await client.get("/", headers=headers)).json()["headers"])
    assert seen["x-forwarded-for"] == "81.2.9.9"


SPELLINGS = [
    "/auth/login",
    "/auth/login/",
    "//auth//login",
    "/auth/./login",
    "/auth/%6cogin",
    "/x/../auth/login?a=1",
]


@pytest.mark.parametrize("path", [*SPELLINGS, "/auth/register", "/auth/change-password", "/admin/queues/sign-in"])
async def test_whoever_asks_for_passwords_too_fast_is_told_to_wait(mirror: Door, path: str) -> None:
    whence = address()
    told = await asked_raw(mirror, whence, path, 40)
    assert told[:21] == [200] * 21  # one, and a burst of 20
    assert told.count(429) > 10  # the next comes after 2 seconds
    assert await asked_raw(mirror, whence, "/api/contacts", 30) == [200] * 30
    assert await asked_raw(mirror, whence, WEBHOOK, 30) == [200] * 30


async def test_tokens_are_limited_too_but_a_whole_hotel_behind_one_address_is_not(mirror: Door) -> None:
    whence = address()
    assert await asked_raw(mirror, whence, "/auth/refresh", 100) == [200] * 100
    rest = await asked_raw(mirror, whence, "/auth/refresh/", 100)
    assert 429 in rest
    assert await asked_raw(mirror, address(), "/auth/refresh", 5) == [200] * 5


async def test_a_refusal_by_nginx_says_when_to_come_again(mirror: Door) -> None:
    async with mirror.visitor(address()) as client:
        answers = [await client.post("/auth/login") for _ in range(30)]
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert (refused.json()["code"], refused.headers["Retry-After"]) == ("rate_limited", "10")


async def asked_raw(door: Door, whence: str, path: str, times: int) -> list[int]:
    """The statuses of requests on one connection, spelled as they are: httpx would put the path in order."""
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", door.tls, ssl=door.trust(), server_hostname=DOMAIN, local_addr=(whence, 0)
    )
    statuses = []
    for _ in range(times):
        writer.write(f"POST {path} HTTP/1.1\r\nHost: {DOMAIN}\r\nContent-Length: 0\r\n\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        statuses.append(int(head.split()[1]))
        await reader.readexactly(int(re.search(r"content-length: (\d+)", head)[1]))
    writer.close()
    return statuses


@pytest.mark.parametrize("path", ["/metrics", "/metrics/", "//metrics", "/%6detrics", "/x/../metrics?a=1"])
async def test_the_numbers_are_closed_to_the_outside(mirror: Door, path: str) -> None:
    assert await asked_raw(mirror, "127.0.0.1", path, 1) == [404]


async def test_a_hotels_own_name_is_answered_as_soon_as_it_stands_in_the_certificate(mirror: Door) -> None:
    for name in OWN_NAMES.split(", "):
        async with mirror.visitor(name=name) as client:
            assert dict((await client.get("/")).json()["headers"])["host"] == name
