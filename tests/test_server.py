"""A stop of the API that nobody feels: who is inside is served, who holds a connection is told to leave."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import httpx
import msgspec
import pytest

from crm import app
from crm.core import edge, http
from crm.core.config import Settings
from crm.intake import READING_BYTES
from ops.dev import processes
from ops.dev.home import Home
from tests.people import Sql
from tests.sockets import listening
from tests.system import Hotel, System, calling, eventually, serving, signature

ROOT = Path(__file__).parents[1]


@dataclass
class Api:
    """A process of its own."""

    process: asyncio.subprocess.Process
    url: str

    def ask_to_end(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    async def ended(self) -> int:
        async with asyncio.timeout(25):
            return await self.process.wait()


@asynccontextmanager
async def api(home: Home, graph_url: str) -> AsyncIterator[Api]:
    """`python -m crm api` on the suite's servers."""
    port = processes.free_port()
    env = {**os.environ, **home.environ(), "WHATSAPP_GRAPH_URL": graph_url, "PORT": str(port)}
    command = (sys.executable, "-m", "crm", "api")
    quiet = {"stdout": asyncio.subprocess.DEVNULL, "stderr": asyncio.subprocess.DEVNULL}
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, env=env, **quiet)
    found = Api(process, f"http://127.0.0.1:{port}")
    try:
        await eventually(lambda: answers(found.url))
        yield found
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def answers(url: str) -> bool:
    try:
        async with calling() as client:
            return (await client.get(f"{url}/health/ready")).status_code == 200
    except httpx.TransportError:
        return False


@dataclass
class Proxy:
    """Keeps connections open and asks the first API that takes requests, as nginx does between two colours.

    It goes to the other one when a connection is refused, or when an answer said that the connection ends.
    """

    urls: list[str]
    statuses: list[int] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    async def ask_for_ever(self, headers: dict[str, str], stop: asyncio.Event) -> None:
        async with calling(headers=headers, timeout=10) as client:
            while not stop.is_set():
                asked = self.urls[0]
                try:
                    answer = await client.get(f"{asked}/api/conversations?limit=5")
                    self.statuses.append(answer.status_code)
                    if answer.headers.get("connection") == "close":
                        self._leave(asked)
                except httpx.ConnectError:
                    self._leave(asked)
                except httpx.TransportError as error:
                    self.broken.append(repr(error))

    def _leave(self, asked: str) -> None:
        """Ask this one last: the others of those who ask now may have found the same."""
        self.urls.sort(key=lambda url: url == asked)


async def test_a_rolling_restart_under_load_loses_no_request(
    home: Home, graph_url: str, hotel_a: Hotel, system: System
) -> None:
    headers = {"Authorization": hotel_a.admin.headers["Authorization"]}
    async with api(home, graph_url) as first, api(home, graph_url) as second:
        proxy, stop = Proxy([first.url, second.url]), asyncio.Event()
        load = [asyncio.create_task(proxy.ask_for_ever(headers, stop)) for _ in range(6)]
        async with listening(hotel_a.attendant, first.url) as ear:
            await asyncio.sleep(0.5)
            first.ask_to_end()
            await asyncio.sleep(0.3)
            assert not await answers(first.url)
            assert await ear.closed(10) == 1012
        assert await first.ended() == 0
        async with api(home, graph_url) as third:
            proxy.urls.append(third.url)
            second.ask_to_end()
            assert await second.ended() == 0
            before = len(proxy.statuses)
            await eventually(lambda: _more(proxy, before + 20))
            stop.set()
            await asyncio.gather(*load)
    assert (set(proxy.statuses), proxy.broken) == ({200}, [])
    assert len(proxy.statuses) > 200


async def _more(proxy: Proxy, count: int) -> bool:
    return len(proxy.statuses) > count


async def test_a_request_in_hand_is_finished_before_the_end(home: Home, graph_url: str, hotel_a: Hotel) -> None:
    headers = {"Authorization": hotel_a.admin.headers["Authorization"]}
    owner = await asyncpg.connect(home.database_url("owner"))
    async with api(home, graph_url) as process, calling(headers=headers, timeout=20) as client:
        async with owner.transaction():
            await owner.execute("SELECT FROM tenants WHERE id = $1 FOR UPDATE", hotel_a.id)
            slow = asyncio.create_task(client.patch(f"{process.url}/api/tenant", json={"name": "Aurora"}))
            await asyncio.sleep(0.3)
            process.ask_to_end()
            await asyncio.sleep(2.5)  # longer than the leaving
            assert (process.process.returncode, slow.done()) == (None, False)
        assert (await slow).status_code == 200
        assert await process.ended() == 0
    await owner.close()


async def _ended(tasks: list["asyncio.Task[httpx.Response]"], many: int) -> bool:
    return sum(task.done() for task in tasks) >= many


async def test_more_requests_than_fit_are_answered_503_at_once_and_the_others_are_served(
    settings: Settings, home: Home, hotel_a: Hotel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edge, "AT_ONCE", 20)
    page = "https://app.example"
    headers = {"Authorization": hotel_a.admin.headers["Authorization"], "Origin": page}
    owner = await asyncpg.connect(home.database_url("owner"))
    limits = httpx.Limits(max_connections=100)
    shown_there = msgspec.structs.replace(settings, frontend_url=page)
    async with serving(app.build(shown_there)) as url, calling(headers=headers, limits=limits) as client:
        async with owner.transaction():
            await owner.execute("LOCK TABLE users IN ACCESS EXCLUSIVE MODE")
            asked = [asyncio.create_task(client.get(f"{url}/api/users", timeout=20)) for _ in range(60)]
            await eventually(lambda: _ended(asked, 40))
            early = [task.result() for task in asked if task.done()]
            assert [answer.status_code for answer in early] == [503] * 40
            assert all(int(answer.headers["Retry-After"]) >= 1 for answer in early)
            assert {answer.headers["Access-Control-Allow-Origin"] for answer in early} == {page}
            assert (await client.get(f"{url}/health")).status_code == 200
            assert "crm_http_turned_away_total" in (await client.get(f"{url}/metrics", timeout=10)).text
        late = await asyncio.gather(
            *(task for task in asked if not task.done() or task.result().status_code != 503)
        )
        assert {answer.status_code for answer in late} <= {200, 503}
        assert (await client.get(f"{url}/api/users")).status_code == 200
    await owner.close()


async def test_bodies_that_come_slowly_do_not_fill_the_memory(
    hotel_a: Hotel, system: System, as_owner: Sql
) -> None:
    """Thirty webhooks of which only the head has come: those for which there is no room are not even read."""
    size = 3 * 1024 * 1024
    room = READING_BYTES // size
    lines = [await asyncio.open_connection(*_place(system.url)) for _ in range(room + 9)]
    for _, writer in lines:
        head = ["POST /webhooks/whatsapp HTTP/1.1", "Host: x", "X-Hub-Signature-256: x", f"Content-Length: {size}"]
        writer.write("\r\n".join([*head, "", ""]).encode())
    early = await asyncio.gather(
        *(asyncio.wait_for(reader.readline(), 3) for reader, _ in lines), return_exceptions=True
    )
    assert sum(isinstance(line, bytes) and b" 503 " in line for line in early) == 9
    for _, writer in lines:
        writer.close()
    await asyncio.sleep(0.2)
    small = b'{"entry": []}'
    async with calling() as client:
        answer = await client.post(
            f"{system.url}/webhooks/whatsapp", content=small, headers=signature(small, hotel_a.secret)
        )
    assert answer.status_code == 200


@pytest.mark.parametrize("path", ["/webhooks/whatsapp", "/auth/login"])
async def test_a_body_that_drips_is_told_so_and_holds_its_place_no_longer(
    path: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "BODY_SECONDS", 0.3)
    async with serving(app.build(settings)) as url:
        reader, writer = await asyncio.open_connection(*_place(url))
        head = [f"POST {path} HTTP/1.1", "Host: x", "X-Hub-Signature-256: x", "Content-Length: 1000"]
        writer.write("\r\n".join([*head, "", "{"]).encode())
        answer = await asyncio.wait_for(reader.read(), 5)  # to its end: the connection is closed
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b'"code":"body_too_slow"' in answer
        writer.close()


async def test_who_asks_before_writing_a_body_that_is_too_large_is_told_at_once(system: System) -> None:
    reader, writer = await asyncio.open_connection(*_place(system.url))
    size = f"Content-Length: {2 * http.BODY_LIMIT}"
    head = ["POST /auth/login HTTP/1.1", "Host: x", "Expect: 100-continue", size]
    writer.write("\r\n".join([*head, "", ""]).encode())
    assert (await asyncio.wait_for(reader.read(), 10)).startswith(b"HTTP/1.1 413 ")  # no "100 Continue" before it
    writer.close()


def _place(url: str) -> tuple[str, int]:
    host, _, port = url.removeprefix("http://").partition(":")
    return host, int(port)


async def test_a_body_without_end_is_read_to_its_limit_alone(system: System) -> None:
    """The answer closes the connection: what else comes is nobody's."""
    sent, answer = await asyncio.to_thread(_pour, _place(system.url), 3 * edge.LINGER_BYTES)
    assert sent < 2 * edge.LINGER_BYTES  # some stood in the buffers between
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"\r\nconnection: close\r\n" in answer


def _pour(place: tuple[str, int], size: int) -> tuple[int, bytes]:
    """How much of a body in chunks is taken, and what is answered."""
    lines = ["POST /auth/login HTTP/1.1", "Host: x", "Content-Type: application/json", "Transfer-Encoding: chunked"]
    piece, sent = b"10000\r\n" + b" " * 0x10000 + b"\r\n", 0
    with socket.create_connection(place, timeout=10) as line:
        line.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        with suppress(OSError):
            while sent < size:
                line.sendall(piece)
                sent += len(piece)
        return sent, line.recv(4096)
