"""The worker: Redis is only a hint, work is done by one at a time, and a stop is quick and clean."""

import asyncio
import logging
import os
import signal
import sys
import time
from pathlib import Path
from uuid import UUID

import httpx
import msgspec
import pytest
from redis.asyncio import Redis

from crm import app, worker
from crm.core.apart import apart
from crm.core.config import Settings
from crm.core.errors import Unavailable
from crm.core.rails import Rails
from ops.dev import processes
from ops.dev.home import Home
from tests.held import HEAD, holding
from tests.meta import accepted, becomes, raw, script, send, stored
from tests.own import working
from tests.people import Sql
from tests.system import Guest, Hotel, System, calling, eventually, serving, unique_phone

pytestmark = pytest.mark.usefixtures("brisk")

ROOT = Path(__file__).parents[1]
UNTOLD = """WITH raw AS (INSERT INTO webhook_events (body) VALUES ($1) RETURNING received_at, id)
            INSERT INTO webhook_waiting (lane, received_at, id, bytes) SELECT '', received_at, id, 1 FROM raw"""
QUEUE = """INSERT INTO messages (tenant_id, conversation_id, direction, type, status, content, next_attempt_at)
           VALUES ($1, $2, 'OUTBOUND', 'text', 'QUEUED', $3, now()) RETURNING id"""


@pytest.fixture
async def dora(system: System) -> Guest:
    """A guest who has just written to a hotel that has no other."""
    guest = Guest(await system.hotel("Vazia"), unique_phone())
    await guest.writes()
    return guest


async def test_flushing_redis_loses_no_message_in_or_out(dora: Guest, system: System) -> None:
    redis, conversation = Redis.from_url(system.home.redis_url), await dora.conversation()

    async def flush() -> None:
        for _ in range(100):
            await redis.flushall()
            await asyncio.sleep(0.01)

    flushing = asyncio.create_task(flush())
    for place in range(15):
        await dora.hotel.webhook(dora.body(dora.message(text=f"entra {place}")))
        await send(dora.hotel, conversation, f"sai {place}")
    await flushing
    await redis.aclose()

    async def all_there() -> bool:
        history = await dora.history()
        return len(history) == 31 and all(item["status"] in ("RECEIVED", "READ") for item in history)

    await eventually(all_there, 20)
    assert len(await accepted(system, dora.hotel)) == 15


async def test_an_event_nobody_was_woken_for_is_swept_within_seconds(dora: Guest, as_owner: Sql) -> None:
    sent = dora.message(text="sem aviso")
    await as_owner(UNTOLD, raw(dora.body(sent)))
    assert await stored(as_owner, sent["id"]) == 1
    assert (await eventually(lambda: dora.seen(sent["id"]), 6))["content"] == "sem aviso"


async def test_a_wake_up_that_fails_is_logged_and_not_felt(
    dora: Guest, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    away = msgspec.structs.replace(settings, redis_url="redis://127.0.0.1:1/0")
    sent = dora.message(text="sem Redis")
    async with serving(app.build(away)) as url:
        dora.hotel.url, home = url, dora.hotel.url
        with caplog.at_level(logging.WARNING):
            arrived = await dora.hotel.webhook(dora.body(sent))
            path = f"{url}/api/conversations/{(await dora.conversation())['id']}/messages"
            answered = await dora.hotel.attendant.post(path, json={"content": "também"})
            await eventually(lambda: _says(caplog, "the worker could not be woken"))
    dora.hotel.url = home
    assert (arrived.status_code, answered.status_code) == (200, 201)
    assert await _says(caplog, "after commit: a wake-up or a publish failed")
    await eventually(lambda: dora.seen(sent["id"]))
    await becomes(dora.hotel, answered.json(), "READ")


@pytest.mark.parametrize("failure", [ValueError("a day beyond the calendar"), Unavailable()])
def test_what_fails_of_one_hotel_holds_up_no_other(failure: Exception, caplog: pytest.LogCaptureFixture) -> None:
    worked = []
    for hotel in (UUID(int=1), UUID(int=2)):
        with apart("stays", hotel):
            if hotel.int == 1:
                raise failure
            worked.append(hotel)
    assert worked == [UUID(int=2)]
    assert [record.__dict__["tenantId"] for record in caplog.records] == [str(UUID(int=1))]


async def _says(caplog: pytest.LogCaptureFixture, text: str) -> bool:
    return any(text in record.getMessage() for record in caplog.records)


async def test_a_worker_that_is_stopped_finishes_the_send_in_hand_and_begins_no_other(
    dora: Guest, laid: Rails, system: System, as_owner: Sql
) -> None:
    await script(system, dora.hotel, delayMs=800)
    asked: list[httpx.Request] = []  # by this worker: the suite's own sends what it leaves, perhaps at once

    async def note(request: httpx.Request) -> None:
        asked.append(request)

    laid.graph.http.event_hooks = {"request": [note]}
    conversation, jobs = await dora.conversation(), worker.Jobs(laid)
    sends = [await as_owner(QUEUE, dora.hotel.id, conversation["id"], text) for text in ("quase", "depois")]
    jobs.lanes.want(UUID(dora.hotel.id), UUID(conversation["id"]))
    await eventually(lambda: accepted(system, dora.hotel))
    await jobs.finish(5)
    states = "SELECT status FROM messages WHERE id = $1"
    assert (await as_owner(states, sends[0][0]["id"]))[0][0] in ("SENT", "DELIVERED", "READ")
    assert len(asked) == 1
    message = {"id": str(sends[1][0]["id"]), "conversationId": conversation["id"]}
    await becomes(dora.hotel, message, "READ")  # by the suite's own worker


async def test_a_worker_that_gives_up_a_send_leaves_it_uncertain_at_once(
    dora: Guest, laid: Rails, system: System, as_owner: Sql
) -> None:
    await script(system, dora.hotel, hang=True)
    conversation, jobs = await dora.conversation(), worker.Jobs(laid)
    [row] = await as_owner(QUEUE, dora.hotel.id, conversation["id"], "sem resposta")
    jobs.lanes.want(UUID(dora.hotel.id), UUID(conversation["id"]))
    state = "SELECT status FROM messages WHERE id = $1 AND status <> 'QUEUED'"
    await eventually(lambda: as_owner(state, row["id"]))
    await asyncio.sleep(0.2)
    await jobs.finish(0.1)
    assert [found[0] for found in await as_owner(state, row["id"])] == ["UNCERTAIN"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_the_worker_stops_on_a_signal_within_seconds(
    number: signal.Signals, home: Home, graph_url: str, system: System
) -> None:
    env = {**os.environ, **home.environ(), "WHATSAPP_GRAPH_URL": graph_url, "LOG_LEVEL": "INFO"}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "crm", "worker"),
        cwd=ROOT,
        env=env,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout
    async with asyncio.timeout(20):
        while b"worker started" not in (line := await process.stdout.readline()):
            assert line, "the worker ended before it started"
    asked = time.monotonic()
    process.send_signal(number)
    rest, _ = await asyncio.wait_for(process.communicate(), 20)
    assert (process.returncode, b"worker stopped" in rest, b"Traceback" in rest) == (0, True, False), rest
    assert time.monotonic() - asked < 5


BLOCKED = """
WITH people AS (
    INSERT INTO contacts (tenant_id) SELECT $1::uuid FROM generate_series(1, 230) RETURNING id
), talks AS (
    INSERT INTO conversations (tenant_id, contact_id, channel_id)
    SELECT $1::uuid, id, $2::uuid FROM people RETURNING id
)
INSERT INTO messages (tenant_id, conversation_id, direction, type, status, content, next_attempt_at, lease_until)
SELECT $1::uuid, talks.id, 'OUTBOUND', 'text', head.status, '', now(), head.lease
FROM talks, (VALUES ('SENDING', now() + INTERVAL '1 minute'), ('QUEUED', NULL)) AS head (status, lease)
RETURNING id"""


async def test_many_lanes_that_must_wait_do_not_hide_one_that_may_go(
    hotel_b: Hotel, dora: Guest, as_owner: Sql
) -> None:
    rows = await as_owner(BLOCKED, hotel_b.id, hotel_b.channel_id)
    try:
        conversation = await dora.conversation()
        [row] = await as_owner(QUEUE, dora.hotel.id, conversation["id"], "livre")
        await becomes(dora.hotel, {"id": str(row["id"]), "conversationId": conversation["id"]}, "READ")
    finally:
        ids = [row["id"] for row in rows]
        await as_owner("UPDATE messages SET status = 'FAILED' WHERE id = ANY($1::uuid[]) RETURNING 1", ids)


DUE = {
    "a scheduled message": """INSERT INTO messages
        (tenant_id, conversation_id, direction, type, status, content, send_at)
        VALUES ($1, $2, 'OUTBOUND', 'text', 'SCHEDULED', '', now())""",
    "a talk put off": """WITH talk AS (
            UPDATE conversations SET status = 'PENDING', snoozed_until = now() WHERE tenant_id = $1 AND id = $2
        )
        INSERT INTO snoozes (tenant_id, conversation_id, due_at) VALUES ($1, $2, now())
        ON CONFLICT DO NOTHING""",
    "a lost wake-up": """INSERT INTO messages
        (tenant_id, conversation_id, direction, type, status, content, next_attempt_at)
        VALUES ($1, $2, 'OUTBOUND', 'text', 'QUEUED', '', now())""",
}
DONE = """SELECT 1 WHERE NOT EXISTS (SELECT FROM snoozes WHERE conversation_id = $1)
    AND NOT EXISTS (SELECT FROM messages WHERE conversation_id = $1 AND status IN ('SCHEDULED', 'QUEUED'))"""


@pytest.mark.parametrize("what", DUE)
async def test_a_hotel_whose_feed_is_held_holds_up_no_other(
    what: str, dora: Guest, system: System, home: Home, as_owner: Sql
) -> None:
    """What falls due of one hotel is done while the worker still waits, one and the same time, for another's."""
    slow = Guest(await system.hotel("Lenta"), unique_phone())
    await slow.writes()
    await as_owner(DUE["a scheduled message"], slow.hotel.id, (await slow.conversation())["id"])
    quick = (await dora.conversation())["id"]

    async def due() -> None:
        await as_owner(DUE[what], dora.hotel.id, quick)
        await eventually(lambda: as_owner(DONE, quick), 30)

    async with holding(home, HEAD, UUID(slow.hotel.id)) as held:
        assert await held.meanwhile(due)


async def test_a_worker_that_is_stopped_gives_up_what_waits_for_a_hotels_feed(
    dora: Guest, laid: Rails, home: Home, as_owner: Sql
) -> None:
    jobs, chat = worker.Jobs(laid), (await dora.conversation())["id"]
    async with holding(home, HEAD, UUID(dora.hotel.id)):
        await as_owner(DUE["a scheduled message"], dora.hotel.id, chat)
        jobs.turns.want(UUID(dora.hotel.id), "due")
        await jobs.finish(0.1)
        assert len(jobs.turns) == 0
    await eventually(lambda: as_owner(DONE, chat), 20)  # by the suite's own worker


async def test_a_worker_serves_its_own_numbers_where_it_is_told_to(settings: Settings) -> None:
    port = processes.free_port()
    async with working(msgspec.structs.replace(settings, worker_metrics_port=port)), calling() as client:
        page = (await client.get(f"http://127.0.0.1:{port}/metrics")).text
        assert "crm_sends_total" in page
        assert "crm_webhook_elements_total" in page
    assert processes.is_free(port)
