"""Redis as ops/redis sets it up, and what of ours lies in it: nothing that may not be lost."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from redis import Redis as Client
from redis.exceptions import AuthenticationError, ResponseError

from crm.core import queue
from ops.dev import processes
from tests.people import Sql
from tests.redis_conf import PASSWORD, Redis
from tests.sends import ask
from tests.sockets import listening
from tests.system import Guest, Hotel, System, eventually
from tests.visitors import bearer, fresh, login, visitor

JOBS, CACHED = 300, 20_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    """With ops/redis/redis.conf, but as small as a test fills."""
    path = tmp_path_factory.mktemp("redis")
    made = Redis(path / "data", processes.free_port(), path / "log", "--maxmemory", "6mb")
    made.start()
    yield made
    made.stop()


async def test_a_cache_that_overflows_costs_no_job(server: Redis) -> None:
    client = queue.connect(server.url)
    jobs = queue.queue(client, queue.OUTBOUND)
    for number in range(JOBS):
        await jobs.enqueue(queue.SEND, conversation_id=str(number))
    for start in range(0, CACHED, 500):
        async with client.pipeline(transaction=False) as pipe:
            for number in range(start, start + 500):
                pipe.set(f"crm:read:{number}", b"x" * 500, ex=3600)
            await pipe.execute()
    stats = await client.info("stats")
    assert stats["evicted_keys"] > CACHED // 2  # it did overflow
    assert await jobs.count("queued") == JOBS
    taken = [await jobs.dequeue(timeout=1) for _ in range(JOBS)]
    assert {job.kwargs["conversation_id"] for job in taken if job} == {str(number) for number in range(JOBS)}
    await client.aclose()


def test_it_lets_nobody_in_without_the_password_and_shows_it_to_nobody(server: Redis) -> None:
    with pytest.raises(AuthenticationError):
        Client.from_url(f"redis://127.0.0.1:{server.port}").ping()
    assert Client(port=server.port, password=PASSWORD).ping()
    assert PASSWORD not in Path(f"/proc/{server.pid}/cmdline").read_text()


@pytest.mark.parametrize(
    "words", ["FLUSHALL", "FLUSHDB", "KEYS *", "SWAPDB 0 1", "DEBUG SLEEP 0", "CONFIG SET dir /"]
)
def test_what_empties_or_stops_it_is_closed(server: Redis, words: str) -> None:
    with pytest.raises(ResponseError):
        Client(port=server.port, password=PASSWORD).execute_command(*words.split())


def test_what_was_written_is_there_after_a_crash(server: Redis) -> None:
    client = Client(port=server.port, password=PASSWORD)
    client.set("saq:kept", "1")
    time.sleep(1.1)  # the second that may be lost
    assert server.process is not None
    server.process.kill()
    server.process.wait()
    server.start()
    assert client.get("saq:kept") == b"1"


def test_it_is_not_started_without_a_good_password(tmp_path: Path) -> None:
    ends = {}
    for word in ("", "short", 'with "quotes" in it and long'):
        server = Redis(tmp_path, processes.free_port(), tmp_path / "log")
        command = server.command()
        (tmp_path / "password").write_text(word)
        ends[word] = processes.start(command, tmp_path / "log").wait(5)
    assert set(ends.values()) == {1}
    assert "shorter than 16 characters" in (tmp_path / "log").read_text()


async def use(system: System, guest: Guest, stranger: httpx.AsyncClient, hotel: Hotel) -> None:
    """What a hotel does in a day, as far as Redis sees it."""
    await guest.writes("Bom dia")
    conversation = (await guest.conversation())["id"]
    async with listening(hotel.attendant, system.url) as ear:
        await ear.say("conversation:join", {"conversationId": conversation})
        await ear.say("typing", {"conversationId": conversation})
        await ear.heard()
        assert (await ask(guest, content="Bom dia!")).status_code == 201
        await login(stranger, f"{fresh('ghost')}@redis.example", "wrong", hotel.slug)


async def test_only_wake_ups_live_in_redis_without_an_end(
    system: System, guest: Guest, stranger: httpx.AsyncClient, hotel_a: Hotel
) -> None:
    client = Client.from_url(system.settings.redis)
    await use(system, guest, stranger, hotel_a)
    seen = {key.decode() for key in client.scan_iter(count=1000)}
    assert {key.split(":")[0] for key in seen} >= {"saq", "LIMITS", "crm"}
    lasting = {key for key in seen if not key.startswith("saq:") and client.ttl(key) == -1}
    assert lasting == set()


async def test_a_session_that_ended_stays_ended_when_redis_is_flushed(
    system: System, stranger: httpx.AsyncClient, hotel_a: Hotel, eva: dict[str, Any]
) -> None:
    token = (await login(stranger, eva["email"], slug=hotel_a.slug)).json()["accessToken"]
    assert (await stranger.get("/auth/me", headers=bearer(token))).status_code == 200
    await stranger.post("/auth/logout", headers=bearer(token))
    Client.from_url(system.settings.redis).flushall()
    assert (await stranger.get("/auth/me", headers=bearer(token))).status_code == 401


async def test_failed_logins_still_count_when_redis_is_flushed(
    system: System, proxied_url: str, hotel_a: Hotel, eva: dict[str, Any]
) -> None:
    answers = []
    for _ in range(6):
        async with visitor(proxied_url) as client:
            answers.append((await login(client, eva["email"], "wrong", hotel_a.slug)).status_code)
        Client.from_url(system.settings.redis).flushall()
    assert answers == [401] * 5 + [429]


async def test_what_is_repeated_is_still_done_once_when_redis_is_flushed(
    system: System, guest: Guest, hotel_a: Hotel, as_owner: Sql
) -> None:
    first = guest.message(text="Uma vez")
    conversation, key = None, {"Idempotency-Key": str(uuid4())}
    answers = []
    for _ in range(2):
        await hotel_a.webhook(guest.body(first))
        conversation = conversation or (await guest.conversation())["id"]
        path = f"/api/conversations/{conversation}/messages"
        answers.append((await hotel_a.attendant.post(path, json={"content": "Só uma"}, headers=key)).json()["id"])
        Client.from_url(system.settings.redis).flushall()
    assert answers[0] == answers[1]
    await eventually(lambda: drained(as_owner))
    assert sorted(item["content"] for item in await guest.history()) == ["Só uma", "Uma vez"]


async def drained(as_owner: Sql) -> bool:
    """No webhook waits."""
    await asyncio.sleep(0.2)
    return not (await as_owner("SELECT count(*) FROM webhook_waiting"))[0][0]
