"""Meta's rates: a number's and a person's, kept by all workers together, felt by nobody who does not reach them."""

import asyncio
import time
from typing import Any
from uuid import UUID

import pytest
from redis.asyncio import Redis

from crm import outbound
from crm.core import queue, rates
from crm.core.config import Settings
from crm.core.rails import Rails
from crm.core.rates import MOMENT, PAIR_BURST, Rates
from tests.meta import accepted, becomes, now, send
from tests.people import Sql
from tests.system import Guest, Hotel, System, eventually, unique_number_id, unique_phone

HURRY = "UPDATE messages SET next_attempt_at = now() - INTERVAL '2 seconds' WHERE id = $1 RETURNING attempts"
WAITS = """SELECT attempts, extract(EPOCH FROM next_attempt_at - now())::float8 AS due FROM messages
           WHERE id = $1 AND status = 'QUEUED' AND next_attempt_at > now()"""


@pytest.fixture
async def redis(settings: Settings) -> Any:
    """The suite's own Redis."""
    client = queue.connect(settings.redis)
    yield client
    await client.aclose()


@pytest.fixture(scope="module")
async def hotel(system: System) -> Hotel:
    """A hotel whose number the phone app uses too: 20 messages a second."""
    hotel = await system.hotel("Lenta")
    await _rated(hotel, 20)
    return hotel


@pytest.fixture
async def dora(hotel: Hotel) -> Guest:
    """A guest who has just written to it."""
    guest = Guest(hotel, unique_phone())
    await guest.writes()
    return guest


async def _rated(hotel: Hotel, per_second: int) -> None:
    answer = await hotel.admin.patch(f"/api/channels/{hotel.channel_id}", json={"messagesPerSecond": per_second})
    assert answer.status_code == 200, answer.text


async def _used_up(redis: Redis, guest: Guest) -> str:
    """All of a person's burst is taken; the key that says so."""
    person, number = (await guest.conversation())["contact"]["id"], guest.hotel.number_id
    rates = Rates(redis)
    while await rates.slot(number, 1000, person) <= MOMENT:
        pass
    return f"crm:rate:{number}:{person}"


def _span(taken: list[dict[str, Any]]) -> float:
    return float(taken[-1]["at"] - taken[0]["at"])


async def test_a_number_never_sends_faster_than_it_may(dora: Guest, system: System) -> None:
    conversation = await dora.conversation()
    sent = [await send(dora.hotel, conversation, str(place)) for place in range(30)]
    await becomes(dora.hotel, sent[-1], "SENT", "DELIVERED", "READ")
    mine = [row for row in await accepted(system, dora.hotel) if row["to"] == f"+{dora.wa_id}"]
    assert [row["body"]["text"]["body"] for row in mine] == [str(place) for place in range(30)]
    assert _span(mine) > 1.1  # of 1.45: Meta may take the first late and the last at once


async def test_lanes_of_one_number_share_its_rate(hotel: Hotel, system: System) -> None:
    guests = [Guest(hotel, unique_phone()) for _ in range(24)]
    await asyncio.gather(*[guest.writes() for guest in guests])
    talks = await asyncio.gather(*[guest.conversation() for guest in guests])
    before = len(await accepted(system, hotel))
    sent = await asyncio.gather(*[send(hotel, talk) for talk in talks])
    await asyncio.gather(*[becomes(hotel, message, "READ", seconds=30) for message in sent])
    taken = (await accepted(system, hotel))[before:]
    assert len(taken) == 24
    assert _span(sorted(taken, key=lambda row: row["at"])) > 0.8  # of 1.15


async def test_two_workers_take_slots_one_after_the_other(redis: Redis, settings: Settings) -> None:
    other, number = queue.connect(settings.redis), unique_number_id()
    workers = [Rates(redis), Rates(other)]
    waits = await asyncio.gather(*[workers[turn % 2].slot(number, 20, str(turn)) for turn in range(18)])
    await other.aclose()
    assert 0.4 < max(waits) <= 0.85  # each alone would be at 0.4


async def test_a_slot_further_than_a_moment_is_not_taken(redis: Redis) -> None:
    rates, number = Rates(redis), unique_number_id()
    waits = [await rates.slot(number, 20, str(turn)) for turn in range(40)]
    assert max(wait for wait in waits if wait <= MOMENT) > MOMENT - 0.1
    late = [wait for wait in waits if wait > MOMENT]
    assert MOMENT < max(late) < MOMENT + 0.06
    assert await rates.slot(unique_number_id(), 20, "x") == 0


async def test_a_burst_to_one_person_passes_and_then_waits(redis: Redis) -> None:
    rates, number = Rates(redis), unique_number_id()
    waits = [await rates.slot(number, 1000, "dora") for _ in range(45)]  # as Meta allows
    assert max(waits) < 0.1
    assert 5.5 < await rates.slot(number, 1000, "dora") <= 6
    assert await rates.slot(number, 1000, "eva") < 0.1


async def test_a_clock_that_is_set_back_holds_up_nobody(redis: Redis) -> None:
    """What was given out before lies hours ahead: nobody waits for that."""
    rates, number = Rates(redis), unique_number_id()
    keys = [f"crm:rate:{number}", f"crm:rate:{number}:dora"]
    for key in keys:
        await redis.set(key, time.time() + 7200, ex=60)
    assert await rates.slot(number, 20, "dora") <= MOMENT
    assert all([float(await redis.get(key)) < time.time() + 60 for key in keys])


class Counting(Redis):
    """A client that keeps what it asked."""

    asked: list[str]

    async def execute_command(self, *words: Any, **options: Any) -> Any:
        self.asked.append(str(words[0]))
        return await super().execute_command(*words, **options)


async def test_a_slot_is_one_question_to_redis_and_leaves_nothing_for_ever(settings: Settings) -> None:
    redis, number = Counting.from_url(settings.redis), unique_number_id()
    redis.asked = []
    rates = Rates(redis)
    await rates.slot(number, 80, "eva")
    redis.asked.clear()
    await rates.slot(number, 80, "dora")
    assert redis.asked == ["EVALSHA"]
    keys = [f"crm:rate:{number}:{person}" for person in ("eva", "dora")]
    assert all([0 < await redis.pttl(key) <= 6001 for key in keys])
    await redis.aclose()


async def test_while_redis_is_away_each_process_goes_on_counting() -> None:
    rates = Rates(queue.connect("redis://127.0.0.1:1/0"))
    began = time.monotonic()
    waits = [await rates.slot("number", 20, "dora") for _ in range(30)]
    assert time.monotonic() - began < 5
    assert waits[0] == 0
    assert 0.8 < max(wait for wait in waits if wait <= MOMENT) <= MOMENT < max(waits) < MOMENT + 0.06
    burst = [await rates.slot("other", 1000, "dora") for _ in range(PAIR_BURST + 1)]
    assert [wait > MOMENT for wait in burst] == [False] * PAIR_BURST + [True]


async def test_the_memory_of_a_process_keeps_no_slot_that_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crm.core.rates._KEPT", 4)
    monkeypatch.setattr("crm.core.rates.PAIR_SECONDS", 0.001)
    rates = Rates(queue.connect("redis://127.0.0.1:1/0"))
    for number in range(8):
        await rates.slot(f"number-{number}", 1000, "dora")
    await asyncio.sleep(0.01)
    await rates.slot("another", 1000, "dora")
    assert len(rates._memory) == 2


async def test_who_must_wait_loses_no_try_and_holds_nobody_up(
    dora: Guest, hotel: Hotel, system: System, as_owner: Sql, redis: Redis
) -> None:
    other = Guest(hotel, unique_phone())
    await other.writes()
    full = await _used_up(redis, dora)
    waiting = await send(hotel, await dora.conversation(), "espera")
    [row] = await eventually(lambda: as_owner(WAITS, waiting["id"]))
    assert (row["attempts"], 3 < row["due"] < 7) == (0, True)
    await becomes(hotel, await send(hotel, await other.conversation(), "passa"), "READ")
    assert (await now(hotel, waiting))["error"] is None
    await redis.delete(full)
    await as_owner(HURRY, waiting["id"])
    await becomes(hotel, waiting, "READ")


async def test_a_worker_that_stops_while_a_message_waits_gives_it_back(
    dora: Guest, laid: Rails, as_owner: Sql, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (rates, outbound):
        monkeypatch.setattr(module, "MOMENT", 9.0)
    row = """INSERT INTO messages (tenant_id, conversation_id, direction, type, status, content, next_attempt_at)
             VALUES ($1, $2, 'OUTBOUND', 'text', 'QUEUED', 'x', now()) RETURNING tenant_id, conversation_id, id"""
    place = (await dora.conversation())["id"]
    while await laid.rates.slot(dora.hotel.number_id, 20, "x") < 5:
        pass
    async with laid.db.tenant(UUID(dora.hotel.id)):
        pass  # connected: the system's own worker, which looks once a second, is to find nothing
    [made] = await as_owner(row, dora.hotel.id, place)
    lane = asyncio.create_task(outbound.run_lane(laid, made["tenant_id"], made["conversation_id"]))
    claimed = "SELECT 1 FROM messages WHERE id = $1 AND status = 'SENDING'"
    await eventually(lambda: as_owner(claimed, made["id"]))
    lane.cancel()
    await asyncio.gather(lane, return_exceptions=True)
    [left] = await as_owner("SELECT status, attempts FROM messages WHERE id = $1", made["id"])
    assert tuple(left) == ("QUEUED", 0)
    await redis.delete(f"crm:rate:{dora.hotel.number_id}")
    await becomes(dora.hotel, {"id": str(made["id"]), "conversationId": str(made["conversation_id"])}, "READ")
