"""The real nginx while it runs: what it writes down, and what it does when its files change."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import suppress

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket
from websockets.asyncio.client import connect

from tests.drills import door as doors
from tests.drills.door import DOMAIN, PROGRAM, Door
from tests.system import serving

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="nginx is missing: apt-get install nginx")
SECRET = "geheim-7f3a"
RELOADS = 5


def colour(name: str) -> Starlette:
    """An API that says its name, at once or after a while, and one that says it on a socket to each frame."""

    async def say(request: Request) -> PlainTextResponse:
        await asyncio.sleep(float(request.query_params.get("seconds", 0)))
        return PlainTextResponse(name)

    async def talk(socket: WebSocket) -> None:
        await socket.accept()
        async for _ in socket.iter_text():
            await socket.send_text(name)

    return Starlette(routes=[WebSocketRoute("/ws", talk), Route("/{path:path}", say, methods=["GET", "POST"])])


@pytest.fixture
async def blue() -> AsyncIterator[str]:
    async with serving(colour("blue")) as url:
        yield url


@pytest.fixture
async def green() -> AsyncIterator[str]:
    async with serving(colour("green")) as url:
        yield url


async def test_the_log_is_json_whatever_is_asked_and_tells_no_secret(blue: str) -> None:
    with doors.opened(blue) as door:
        async with door.visitor(headers={"Authorization": f"Bearer {SECRET}", "User-Agent": 'a"\\b'}) as client:
            await client.get(f"/webhooks/whatsapp?hub.verify_token={SECRET}")
            await client.get("/a%20b", headers={"Referer": f"https://x/?{SECRET}", "X-Request-Id": "mine-1"})
        for line in (
            b'GET /\xff?%s HTTP/1.1\r\nHost: %s\r\nUser-Agent: \xfe\x01"\r\nConnection: close\r\n\r\n',
            b"GET /old?%s HTTP/0.9\r\nHost: %s\r\n\r\n",
            b"ZZZ /?%s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n",
            b"GET /?%s\r\n%.0s",
        ):
            await raw(door, line % (SECRET.encode(), DOMAIN.encode()))
        lines = doors.until(lambda: (found := door.lines()) and len(found) >= 6 and found)
        assert SECRET not in door.log.read_text(errors="replace")
    assert [line["path"] for line in lines[:3]] == ["/webhooks/whatsapp", "/a%20b", "(not ascii)"]
    assert (lines[0]["status"], lines[0]["ip"], lines[0]["tls"]) == (200, "127.0.0.1", "TLSv1.3")
    assert (lines[1]["requestId"], lines[1]["agent"], lines[2]["agent"]) == ("mine-1", 'a"\\b', "(not ascii)")


async def raw(door: Door, words: bytes) -> None:
    """Say this, and hear it out."""
    reader, writer = await asyncio.open_connection("127.0.0.1", door.tls, ssl=door.trust(), server_hostname=DOMAIN)
    writer.write(words)
    with suppress(ConnectionResetError):
        await asyncio.wait_for(reader.read(), 5)
    writer.close()


async def test_nginx_own_words_tell_no_secret_either() -> None:
    """It names the whole request when the API is away: the handshake of Meta carries its token there."""
    with doors.opened("http://127.0.0.1:9") as door:
        async with door.visitor() as client:
            for path in ("/webhooks/whatsapp", "/ws", "/auth/me"):
                await client.get(f"{path}?hub.verify_token={SECRET}")
        log = doors.until(lambda: (text := door.log.read_text()).count("connect() failed") == 3 and text)
    assert 'request: "GET /webhooks/whatsapp HTTP/1.1"' in log.replace("  ", " ")
    assert SECRET not in log


async def ask(door: Door, stop: asyncio.Event, heard: list[str], **query: float) -> None:
    """Ask until told to stop, each time on a connection of its own, as strangers come; what was heard."""
    while not stop.is_set():
        async with door.visitor() as client:
            answer = await client.get("/api/x", params=query)
        heard.append(f"{answer.status_code} {answer.text}")


async def test_a_change_of_colour_and_reloads_under_load_lose_no_request(blue: str, green: str) -> None:
    """Colours change back and forth while people ask, some of whom wait a second for their answer."""
    stop, heard = asyncio.Event(), []
    with doors.opened(blue, WATCH_SECONDS="100") as door:
        quick = [asyncio.create_task(ask(door, stop, heard)) for _ in range(6)]
        slow = [asyncio.create_task(ask(door, stop, heard, seconds=1)) for _ in range(20)]
        for turn in range(6):
            await asyncio.sleep(0.4)
            door.point_at(blue if turn % 2 else green)
            await asyncio.to_thread(door.reload)
        stop.set()
        await asyncio.gather(*quick, *slow)
        lines = doors.until(lambda: len(found := door.lines()) >= len(heard) and found)
    assert set(heard) == {"200 blue", "200 green"}
    assert min(heard.count("200 blue"), heard.count("200 green")) > 20
    assert {line["status"] for line in lines} == {200}
    print(f"{len(heard)} requests over 6 reloads, none lost")


async def test_people_on_kept_connections_lose_none_either_if_they_ask_again(blue: str) -> None:
    """nginx closes idle connections at a reload; one that is written on at that moment says nothing at all."""
    stop, lost, answered = asyncio.Event(), [], []

    async def ask_kept() -> None:
        async with door.visitor() as client:
            while not stop.is_set():
                try:
                    answered.append((await client.get("/api/x")).status_code)
                except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError) as error:
                    lost.append(error)
                    answered.append((await client.get("/api/x")).status_code)

    with doors.opened(blue, WATCH_SECONDS="100") as door:
        load = [asyncio.create_task(ask_kept()) for _ in range(10)]
        for _ in range(RELOADS):
            await asyncio.sleep(0.3)
            await asyncio.to_thread(door.reload)
        stop.set()
        await asyncio.gather(*load)
    assert set(answered) == {200}
    assert len(lost) <= RELOADS * 10
    print(f"{len(lost)} of {len(answered)} had to be asked again")


async def test_a_socket_stays_open_over_a_change_of_colour(blue: str, green: str) -> None:
    with doors.opened(blue, WATCH_SECONDS="100") as door:
        where = {"host": "127.0.0.1", "port": door.tls, "ssl": door.trust(), "proxy": None}
        async with connect(f"wss://{DOMAIN}/ws", **where) as old:
            door.point_at(green)
            await asyncio.to_thread(door.reload)
            await eventually_says(door, "green")
            await asyncio.sleep(1.5)  # what serves it now is an old worker
            await old.send("?")
            assert await asyncio.wait_for(old.recv(), 5) == "blue"
            async with connect(f"wss://{DOMAIN}/ws", **where) as new:
                await new.send("?")
                assert await asyncio.wait_for(new.recv(), 5) == "green"


async def answers(door: Door) -> str:
    """What the API says to somebody who has just come: on a kept connection an old worker may speak."""
    async with door.visitor() as client:
        return (await client.get("/")).text


async def eventually_says(door: Door, name: str) -> None:
    """Ask until the API of this name answers."""
    async with asyncio.timeout(10):
        while await answers(door) != name:
            pass


async def test_what_changes_is_read_without_anybody_telling_nginx(blue: str, green: str) -> None:
    with doors.opened(blue) as door:
        door.point_at(green)
        await eventually_says(door, "green")
        doors.until(lambda: "read again" in door.log.read_text())


async def test_what_nginx_refuses_leaves_it_as_it_was_until_it_is_mended(blue: str, green: str) -> None:
    with doors.opened(blue) as door:
        door.point_at(f"{green} nonsense=1")
        doors.until(lambda: "goes on with the old ones" in door.log.read_text())
        assert await answers(door) == "blue"
        door.point_at(green)
        await eventually_says(door, "green")
        assert door.log.read_text().count("goes on with the old ones") == 1


@pytest.mark.parametrize(
    ("env", "says"),
    [
        ({"DOMAIN": ""}, "DOMAIN is not set. Write DOMAIN=crm.example.com into .env.production"),
        ({"DOMAIN": "a.test; return 200"}, "DOMAIN is 'a.test; return 200': only letters"),
        ({"EDGE_PROXIES": "0.0.0.0/0;}"}, "EDGE_PROXIES is '0.0.0.0/0;}'"),
        ({"COLOUR": "/nowhere"}, "state/colour/upstream.conf is missing: run ops/install"),
        ({"CERTS": "/proc/nothing"}, "state/certs cannot be written. On the host: sudo chown"),
    ],
)
async def test_a_start_that_cannot_be_says_what_to_do(blue: str, env: dict[str, str], says: str) -> None:
    with pytest.raises(AssertionError, match=re.escape(says)), doors.opened(blue, **env):
        pass
