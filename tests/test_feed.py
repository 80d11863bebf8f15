"""The feed of a hotel: gapless, in commit order, and appended by the transaction that caused the event."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import nullcontext, suppress
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import msgspec
import pytest
from redis.exceptions import RedisError

from crm import messages
from crm.contacts import Person
from crm.core import feed, queue, rails
from crm.core.config import Settings
from crm.core.feed import End, Event, EventRow, Feed, Passing
from crm.core.rails import Rails
from crm.messages import Inbound
from tests.people import Sql
from tests.system import Guest, Hotel, System, eventually, unique_phone

WRITERS, TURNS = 8, 25


class Undone(Exception):
    """Ends a transaction that must leave nothing."""


@pytest.fixture(scope="module")
async def laid(settings: Settings) -> AsyncIterator[Rails]:
    """The product's own connections."""
    laid = await rails.lay(settings)
    yield laid
    await laid.close()


@pytest.fixture(scope="module")
async def hotel(system: System) -> Hotel:
    return await system.hotel("Diario")


def event(number: int = 0) -> Event:
    return Event("contact:updated", None, {"n": number})


async def newest(laid: Rails, hotel: Hotel) -> int:
    async with laid.db.tenant(UUID(hotel.id)) as tx:
        return await feed.head(tx)


async def after(laid: Rails, hotel: Hotel, seq: int) -> list[EventRow]:
    async with laid.db.tenant(UUID(hotel.id)) as tx:
        return await feed.since(tx, seq)


async def write(laid: Rails, hotel: Hotel, chance: random.Random) -> int:
    """One to three events in a transaction of uneven length that now and then fails; how many were committed."""
    count = chance.randint(1, 3)
    with suppress(Undone):
        async with laid.db.tenant(UUID(hotel.id)) as tx:
            await asyncio.sleep(chance.random() * 0.003)
            await laid.feed.append(tx, [event(number) for number in range(count)])
            await asyncio.sleep(chance.random() * 0.003)
            if chance.random() < 0.15:
                raise Undone
        return count
    return 0


async def follow(laid: Rails, hotel: Hotel, seq: int, done: asyncio.Event) -> list[int]:
    """The seqs that a reader of `feed.since` meets until the writers are done and nothing is left."""
    met = [seq]
    while True:
        last_look = done.is_set()
        rows = await after(laid, hotel, met[-1])
        met += [row.seq for row in rows]
        if last_look and not rows:
            return met


async def test_eight_writers_leave_no_gap_and_a_follower_misses_nothing(laid: Rails, hotel: Hotel) -> None:
    start, done = await newest(laid, hotel), asyncio.Event()

    async def writer(seed: int) -> int:
        chance = random.Random(seed)
        return sum([await write(laid, hotel, chance) for _ in range(TURNS)])

    reader = asyncio.create_task(follow(laid, hotel, start, done))
    written = sum(await asyncio.gather(*(writer(seed) for seed in range(WRITERS))))
    done.set()
    assert written > WRITERS * TURNS
    assert await reader == list(range(start, start + written + 1))


async def test_who_commits_later_has_the_later_seq(laid: Rails, hotel: Hotel) -> None:
    order: list[str] = []

    async def slow(began: asyncio.Event) -> None:
        async with laid.db.tenant(UUID(hotel.id)) as tx:
            await laid.feed.append(tx, [event(1)])
            began.set()
            await asyncio.sleep(0.2)
            order.append("slow")

    began, start = asyncio.Event(), await newest(laid, hotel)
    first = asyncio.create_task(slow(began))
    await began.wait()
    async with laid.db.tenant(UUID(hotel.id)) as tx:
        await laid.feed.append(tx, [event(2)])
        order.append("quick")
    await first
    assert order == ["slow", "quick"]
    assert [row.data for row in await after(laid, hotel, start)] == ['{"n":1}', '{"n":2}']


async def test_one_hotels_open_transaction_does_not_hold_up_another(
    laid: Rails, hotel: Hotel, hotel_b: Hotel
) -> None:
    async with laid.db.tenant(UUID(hotel.id)) as tx:
        await laid.feed.append(tx, [event()])
        begun = time.monotonic()
        async with laid.db.tenant(UUID(hotel_b.id)) as other:
            await laid.feed.append(other, [event()])
        assert time.monotonic() - begun < 4


async def test_what_is_rolled_back_leaves_no_gap(laid: Rails, hotel: Hotel) -> None:
    start = await newest(laid, hotel)
    with suppress(Undone):
        async with laid.db.tenant(UUID(hotel.id)) as tx:
            await laid.feed.append(tx, [event(), event(), event()])
            raise Undone
    async with laid.db.tenant(UUID(hotel.id)) as tx:
        await laid.feed.append(tx, [event(7)])
    assert [(row.seq, row.data) for row in await after(laid, hotel, start)] == [(start + 1, '{"n":7}')]


async def test_what_a_part_did_is_not_told_when_it_is_undone(laid: Rails, hotel: Hotel) -> None:
    told: list[str] = []

    async def tell(word: str) -> None:
        told.append(word)

    async with laid.db.tenant(UUID(hotel.id)) as tx:
        tx.after_commit(lambda: tell("before"))
        with suppress(ValueError):
            async with tx.savepoint():
                tx.after_commit(lambda: tell("undone"))
                raise ValueError
        async with tx.savepoint():
            tx.after_commit(lambda: tell("done"))
    assert told == ["before", "done"]


async def test_what_ends_without_a_commit_is_not_told(laid: Rails, hotel: Hotel) -> None:
    told: list[str] = []

    async def tell() -> None:
        told.append("word")

    async def swallow() -> None:
        async with laid.db.tenant(UUID(hotel.id)) as tx:
            tx.after_commit(tell)
            with suppress(asyncpg.DivisionByZeroError):
                await tx.connection.execute("SELECT 1 / 0")

    with suppress(Undone):
        async with laid.db.tenant(UUID(hotel.id)) as tx:
            tx.after_commit(tell)
            raise Undone
    with pytest.raises(RuntimeError, match="failed before its commit"):
        await swallow()
    assert told == []


async def test_appending_nothing_locks_nothing_and_tells_nobody(laid: Rails, hotel: Hotel) -> None:
    start = await newest(laid, hotel)
    async with laid.db.tenant(UUID(hotel.id)) as idle:
        await laid.feed.append(idle, [])
        async with asyncio.timeout(4), laid.db.tenant(UUID(hotel.id)) as busy:
            await laid.feed.append(busy, [event()])
        assert idle.callbacks == []
    assert await newest(laid, hotel) == start + 1


async def test_events_of_one_append_keep_their_order_and_their_conversation(laid: Rails, hotel: Hotel) -> None:
    start, key = await newest(laid, hotel), uuid4()
    told = [Event("message:new", key, {"text": 'ção 😀 "\\'}), Event("conversation:updated", None, {})]
    async with laid.redis.pubsub() as ear:
        await ear.subscribe(feed.channel(UUID(hotel.id)))
        await ear.get_message(timeout=5)
        async with laid.db.tenant(UUID(hotel.id)) as tx:
            await laid.feed.append(tx, told)
        word = await ear.get_message(timeout=5)
    rows = await after(laid, hotel, start)
    assert msgspec.json.decode(word["data"], type=feed.Word) == feed.Happened(rows)  # told as kept
    assert [(row.seq - start, row.event, row.conversation_id) for row in rows] == [
        (1, "message:new", key),
        (2, "conversation:updated", None),
    ]
    assert rows[0].frame() == f'{{"event":"message:new","seq":{start + 1},"data":{{"text":"ção 😀 \\"\\\\"}}}}'


async def test_one_hotel_never_reads_anothers_events(laid: Rails, hotel: Hotel, hotel_b: Hotel) -> None:
    secret = str(uuid4())
    async with laid.db.tenant(UUID(hotel.id)) as tx:
        await laid.feed.append(tx, [Event("contact:updated", None, {"secret": secret})])
    assert secret in str(await after(laid, hotel, await newest(laid, hotel) - 1))
    assert secret not in str(await after(laid, hotel_b, 0))


def inbound(hotel: Hotel, text: str) -> Inbound:
    person = Person(wa_id=unique_phone(), profile_name="Dora")
    wamid, now = f"wamid.{uuid4()}", datetime.now(UTC)
    return Inbound(
        channel_id=UUID(hotel.channel_id),
        person=person,
        wamid=wamid,
        type="text",
        content=text,
        payload=None,
        at=now,
    )


async def test_a_message_that_is_rolled_back_takes_its_event_with_it(
    laid: Rails, hotel: Hotel, as_owner: Sql
) -> None:
    start, text = await newest(laid, hotel), f"some-{uuid4()}"
    with suppress(Undone):
        async with laid.db.tenant(UUID(hotel.id)) as tx:
            told = await messages.receive(tx, [inbound(hotel, text)])
            await laid.feed.append(tx, told)
            assert (len(told), await feed.head(tx)) == (1, start + 1)
            raise Undone
    assert await newest(laid, hotel) == start
    assert await as_owner("SELECT 1 FROM messages WHERE content = $1", text) == []


@pytest.mark.parametrize(
    ("body", "status"),
    [({"content": "x", "replyTo": str(UUID(int=7))}, 422), ({"content": ""}, 422), ({"content": "x" * 4097}, 422)],
)
async def test_a_refused_send_leaves_no_event_and_no_message(
    laid: Rails, hotel: Hotel, body: dict[str, Any], status: int
) -> None:
    guest = Guest(hotel, unique_phone())
    await guest.writes()
    start, url = await newest(laid, hotel), f"/api/conversations/{(await guest.conversation())['id']}/messages"
    assert (await hotel.attendant.post(url, json=body)).status_code == status
    assert len(await guest.history()) == 1
    assert await newest(laid, hotel) == start


async def test_a_send_outside_the_window_leaves_no_event(laid: Rails, hotel: Hotel, as_owner: Sql) -> None:
    guest = Guest(hotel, unique_phone())
    await guest.writes()
    key = (await guest.conversation())["id"]
    await as_owner("UPDATE conversations SET window_expires_at = now() WHERE id = $1", UUID(key))
    start = await newest(laid, hotel)
    answer = await hotel.attendant.post(f"/api/conversations/{key}/messages", json={"content": "tarde"})
    assert (answer.status_code, answer.json()["code"]) == (409, "window_closed")
    assert await newest(laid, hotel) == start


async def test_a_repeated_send_tells_once(laid: Rails, hotel: Hotel) -> None:
    guest = Guest(hotel, unique_phone())
    await guest.writes()
    url = f"/api/conversations/{(await guest.conversation())['id']}/messages"
    start = await newest(laid, hotel)
    answers = await asyncio.gather(*(_send_once(hotel.attendant, url) for _ in range(5)))
    assert len({answer.json()["id"] for answer in answers}) == 1

    async def all_told() -> bool:
        return [row.event for row in await after(laid, hotel, start)] == ["message:new"] + ["message:status"] * 3

    await eventually(all_told)


async def _send_once(client: httpx.AsyncClient, url: str) -> httpx.Response:
    return await client.post(url, json={"content": "uma vez"}, headers={"Idempotency-Key": "feed-once"})


@pytest.mark.parametrize(("seconds", "asked"), [(60.0, 1), (0.0, 3)])
async def test_a_redis_that_let_a_word_hang_is_told_no_other_for_a_while(
    seconds: float, asked: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "_DEAF_SECONDS", seconds)
    came: list[asyncio.StreamWriter] = []
    typing, end, tenant = Passing("user:typing", uuid4(), {}), End(4401), uuid4()
    async with await asyncio.start_server(lambda _, writer: came.append(writer), "127.0.0.1", 0) as silent:
        client = queue.connect(f"redis://127.0.0.1:{silent.sockets[0].getsockname()[1]}/0", timeout=0.2)
        hearing = queue.Hearing()
        told, wake = Feed(client, hearing), queue.Wake(client, hearing)
        with pytest.raises(RedisError):
            await told.say(tenant, typing)
        for word in (lambda: told.say(tenant, typing), wake.drain):
            with nullcontext() if seconds else pytest.raises(RedisError):
                await word()
        assert len(came) == asked
        with pytest.raises(RedisError):
            await told.say(tenant, end)  # whose right has ended is said all the same
        assert len(came) == asked + 1
        await client.aclose()
        for writer in came:
            writer.close()
