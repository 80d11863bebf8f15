"""What waits and who works, raw events worked again, and turns: a hotel's flood delays nobody else."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from crm import drain
from crm.core import rails
from crm.core.config import Settings
from tests.meta import raw
from tests.people import Sql
from tests.scratch import Scratch
from tests.sockets import heard_by, listening
from tests.system import Guest, Hotel, System, eventually, unique_phone
from tests.visitors import pointers, told

REPLAY = "/api/admin/webhook-events/replay"
FORGET = """WITH gone AS (DELETE FROM messages WHERE wamid = $1 RETURNING conversation_id)
            UPDATE conversations AS c SET last_message_id = NULL FROM gone
            WHERE c.id = gone.conversation_id RETURNING 1"""


@pytest.fixture
async def dora(system: System) -> Guest:
    return Guest(await system.hotel("Fila"), unique_phone())


def moments(**around: float) -> dict[str, Any]:
    now = datetime.now(UTC)
    return {
        "from": (now - timedelta(seconds=around.get("before", 60))).isoformat(),
        "to": (now + timedelta(seconds=around.get("after", 60))).isoformat(),
    }


async def test_the_events_of_a_time_are_worked_again(dora: Guest, system: System, as_owner: Sql) -> None:
    lost, kept = await dora.writes("perdida"), await dora.writes("guardada")
    await as_owner(FORGET, lost["wamid"])
    assert await dora.seen(lost["wamid"]) is None
    answer = await system.root.post(REPLAY, json={**moments(), "tenantId": dora.hotel.id})
    assert (answer.status_code, answer.json()) == (200, {"replayed": 2, "next": None})
    assert (await eventually(lambda: dora.seen(lost["wamid"])))["content"] == "perdida"
    history = await dora.history()
    assert sorted(item["content"] for item in history) == ["guardada", "perdida"]
    assert (await dora.seen(kept["wamid"]))["id"] == kept["id"]


async def test_one_event_is_worked_again_by_its_id(dora: Guest, system: System, as_owner: Sql) -> None:
    message = await dora.writes()
    [event] = await as_owner(
        "SELECT id FROM webhook_events WHERE position($1::bytea IN body) > 0", message["wamid"].encode()
    )
    await as_owner(FORGET, message["wamid"])
    answer = await system.root.post(REPLAY, json={"id": str(event["id"])})
    assert answer.json() == {"replayed": 1, "next": None}
    await eventually(lambda: dora.seen(message["wamid"]))
    for nothing in (uuid4(), UUID(int=2**128 - 1), UUID(int=0)):
        assert told(await system.root.post(REPLAY, json={"id": str(nothing)})) == (404, "not_found")


async def test_a_replay_needs_a_time_or_an_id(system: System) -> None:
    for body in ({}, {"from": "2026-01-01T00:00:00Z"}, {"to": "2026-01-01T00:00:00Z"}):
        assert pointers(await system.root.post(REPLAY, json=body)) == {"/from"}
    naive = {"from": "2026-01-01T00:00:00", "to": "2026-01-02T00:00:00"}
    assert pointers(await system.root.post(REPLAY, json=naive)) == {"/from"}


async def test_a_time_without_events_replays_none(system: System) -> None:
    answer = await system.root.post(REPLAY, json={"from": "2020-01-01T00:00:00Z", "to": "2020-01-02T00:00:00Z"})
    assert answer.json() == {"replayed": 0, "next": None}


async def test_the_page_of_jobs_shows_what_waits_and_who_works(dora: Guest, system: System, as_owner: Sql) -> None:
    await dora.writes()
    channel = dora.hotel.channel_id
    rest = "UPDATE channels SET paused_until = 'infinity', pause = '{}' WHERE id = $1 RETURNING 1"
    await as_owner(rest, channel)
    url = f"/api/conversations/{(await dora.conversation())['id']}/messages"
    assert (await dora.hotel.attendant.post(url, json={"content": "espera"})).status_code == 201
    older = "UPDATE messages SET created_at = created_at - INTERVAL '5 seconds' WHERE tenant_id = $1"
    await as_owner(older, UUID(dora.hotel.id))
    jobs = (await system.root.get("/api/admin/jobs")).json()
    [waits] = [row for row in jobs["outbound"] if row["slug"] == dora.hotel.slug]
    assert (waits["waiting"], waits["lanes"], waits["sending"], waits["oldestSeconds"] > 1) == (1, 1, 0, True)
    assert [worker["silentSeconds"] < 30 for worker in jobs["workers"]] != []
    assert {"inbound", "scheduled", "uncertain", "deadLetters"} <= jobs.keys()
    numbers = (await system.root.get("/metrics")).text
    assert f'crm_tenant_waiting_oldest_seconds{{tenant="{dora.hotel.slug}",what="sends"}}' in numbers
    assert f'crm_channels_paused{{tenant="{dora.hotel.slug}"}} 1.0' in numbers
    assert (await dora.hotel.admin.post(f"/api/channels/{channel}/resume")).json()["paused"] is None


ALL: dict[str, Any] = {"max": 500, "bytes": 512 * 1024, "one": None, "but": []}
FLOOD = """
WITH raw AS (
    INSERT INTO webhook_events (body, lane)
    SELECT convert_to(replace($1, 'PLACE', n::text), 'UTF8'), $2 FROM generate_series(1, $3::int) AS n
    RETURNING received_at, id, body
)
INSERT INTO webhook_waiting (lane, received_at, id, bytes)
SELECT $2, received_at, id, octet_length(body) FROM raw"""


async def test_a_flood_of_ten_thousand_delays_another_hotel_by_two_turns_at_most(
    system: System, hotel_b: Hotel, as_owner: Sql
) -> None:
    """The turn in hand and its own; a third may have ended before the message is heard of here."""
    flooded = Guest(await system.hotel("Cheia"), unique_phone())
    body = raw(flooded.body({**flooded.message(), "id": "wamid.flood.PLACE"})).decode()
    carla = Guest(hotel_b, unique_phone())

    async def waiting() -> int:
        query = "SELECT count(*) FROM webhook_waiting WHERE lane = $1"
        return int((await as_owner(query, flooded.hotel.number_id))[0][0])

    async with listening(hotel_b.attendant) as ear:
        await as_owner(FLOOD, body, flooded.hotel.number_id, 10_000)
        await asyncio.sleep(0.3)
        sent, before = carla.message(text="no meio da enchente"), await waiting()
        assert (await hotel_b.webhook(carla.body(sent))).status_code == 200
        await heard_by(ear, "message:new", "no meio da enchente")
        after = await waiting()
    assert after > 0, "the flood was over before the message came: it proves nothing"
    assert before - after <= 3 * drain.BATCH
    await as_owner("DELETE FROM webhook_waiting WHERE lane = $1 RETURNING 1", flooded.hotel.number_id)


async def test_a_turn_takes_an_equal_share_of_every_lane_and_no_more_bytes_than_it_may(
    settings: Settings, migrated: Scratch
) -> None:
    lanes = [f"turn-{uuid4()}" for _ in range(3)]
    laid = await rails.lay(migrated.instead(settings))  # a lane of another test would share in the turn
    query = drain._sql.claim
    async with laid.db.system() as tx:
        for lane, many, size in zip(lanes, (900, 5, 300), ("", "", "x" * 40_000), strict=True):
            text = f'{{"lane": "{lane}", "n": PLACE, "x": "{size}"}}'
            await tx.connection.execute(FLOOD, text, lane, many)
        events = await tx.many(query, drain.WebhookRow, **ALL)
        shares = [sum(lane.encode() in event.body for event in events) for lane in lanes]
        assert shares[1] == 5
        assert shares[0] == 500 // 3
        assert 10 <= shares[2] <= 14  # 512 KiB of 40 KB each
        for which, left in (({"but": lanes[:1]}, lanes[2]), ({"one": lanes[0]}, lanes[0])):
            events = await tx.many(query, drain.WebhookRow, **{**ALL, **which})
            assert {event.lane for event in events} == {left}
    await laid.close()


async def test_a_lane_somebody_works_is_left_alone_and_taken_afterwards(settings: Settings, as_owner: Sql) -> None:
    lane, laid = f"one-{uuid4()}", await rails.lay(settings)
    waiting = "SELECT 1 FROM webhook_waiting WHERE lane = $1"
    async with laid.db.system() as busy:
        await busy.connection.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 10))", lane)
        await as_owner(FLOOD, f'{{"lane": "{lane}"}}', lane, 20)
        async with laid.db.system() as other:
            events = await other.many(drain._sql.claim, drain.WebhookRow, **ALL)
            assert [event for event in events if lane.encode() in event.body] == []
        await asyncio.sleep(1.5)  # the suite's worker sweeps
        assert len(await as_owner(waiting, lane)) == 20

    async def taken() -> bool:
        return await as_owner(waiting, lane) == []

    await eventually(taken)
    await laid.close()
