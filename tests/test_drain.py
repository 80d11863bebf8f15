"""The drain: a hotel that cannot be worked now waits by itself, and holds up no other; many are worked together."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from crm import drain, intake
from crm.core import rails
from crm.core.config import Settings
from crm.core.rails import Rails
from ops.dev.home import Home
from tests.held import DOOR, holding
from tests.meta import raw
from tests.people import Sql
from tests.scratch import Scratch
from tests.system import Guest, Hotel, System, eventually, unique_phone


async def test_a_hotel_whose_door_is_held_holds_up_no_other(system: System, home: Home, as_owner: Sql) -> None:
    slow, quick = await system.hotel("Parado"), await system.hotel("Ligeiro")
    stuck, guest = Guest(slow, unique_phone()), Guest(quick, unique_phone())
    waiting = "SELECT count(*) FROM webhook_waiting WHERE lane = $1"

    async def left(hotel: Hotel) -> int:
        return int((await as_owner(waiting, hotel.number_id))[0][0])

    async def worked() -> bool:
        return await left(quick) == 0

    async with holding(home, DOOR, slow.id):
        node = stuck.message(text="parado")
        assert (await slow.webhook(stuck.body(node))).status_code == 200
        for number in range(60):
            assert (await quick.webhook(guest.body(guest.message(text=f"n {number}")))).status_code == 200
        await eventually(worked, 20)  # the first turn waits as long as a lock may be waited for
        for number in range(3):
            assert (await guest.writes(f"depois {number}"))["content"] == f"depois {number}"
            await eventually(worked)
        assert await left(slow) == 1
    await eventually(lambda: stuck.seen(node["id"]))


async def test_what_waits_aside_comes_in_the_order_it_was_told(system: System, home: Home) -> None:
    hotel = await system.hotel("Ordem")
    guest = Guest(hotel, unique_phone())
    nodes = [guest.message(text=f"n {number}") for number in range(12)]
    async with holding(home, DOOR, hotel.id):
        for node in nodes:
            assert (await hotel.webhook(guest.body(node))).status_code == 200
        await asyncio.sleep(6)
    await eventually(lambda: guest.seen(nodes[-1]["id"]))
    told = [message["content"] for message in await guest.history()]
    assert told == [f"n {number}" for number in range(11, -1, -1)]


@pytest.fixture
async def alone(settings: Settings, migrated: Scratch) -> AsyncIterator[Rails]:
    """A database that no other worker drains, with nothing waiting in it."""
    migrated.run("DELETE FROM webhook_waiting", role="superuser")
    laid = await rails.lay(migrated.instead(settings))
    yield laid
    await laid.close()


async def stored(laid: Rails, lanes: Sequence[str], size: int = 0) -> None:
    """An event in each of these lanes, of a number nobody has."""
    value = {"messaging_product": "whatsapp", "metadata": {"phone_number_id": "1"}, "messages": [{"x": "x" * size}]}
    body = raw({"entry": [{"id": "1", "changes": [{"field": "messages", "value": value}]}]})
    await intake.write(laid, [intake.Post(body, None, lane) for lane in lanes])


@pytest.mark.parametrize(
    ("waiting", "size", "gathers"),
    [
        ([f"n{number}" for number in range(16)], 0, True),  # many hotels, little of each: more of each is cheaper
        ([f"n{number}" for number in range(15)], 0, False),  # what is told to few is told at once
        (["flood"] * 501, 0, False),
        (["heavy"] * 40, 20_000, False),  # cut at its bytes
        ([*["flood"] * 60, *(f"n{number}" for number in range(20))], 0, False),  # a share of 23, and 20 others
        ([*["flood"] * 60, *(f"n{number}" for number in range(24))], 0, True),  # of 20, and 24 others
    ],
)
async def test_a_turn_lets_more_gather_when_many_came_and_none_waits(
    alone: Rails, waiting: list[str], size: int, gathers: bool
) -> None:
    await stored(alone, waiting, size)
    assert (await drain.work(alone)).gathers is gathers


async def test_what_comes_after_a_turn_of_many_is_worked_together(
    alone: Rails, migrated: Scratch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drain, "GATHER_SECONDS", 2.0)
    await stored(alone, [f"n{number}" for number in range(drain.MANY)])
    running = asyncio.create_task(drain.Drain(alone).run())

    async def worked() -> bool:
        return migrated.run("SELECT 1 FROM webhook_waiting", role="superuser") == []

    await eventually(worked)
    for lane in ("first", "second"):
        await stored(alone, [lane])
    await running
    turns = "SELECT count(*) FROM webhook_events WHERE lane ~ 'first|second' AND ignored = 1 GROUP BY xmin::text"
    assert migrated.run(turns, role="superuser") == [(2,)]


async def test_a_backlog_is_taken_by_a_plan_for_what_waits(alone: Rails, migrated: Scratch) -> None:
    """One that is kept of when nothing waited reads all of it for every lane, at each turn."""
    migrated.run("VACUUM webhook_waiting", role="superuser")
    await drain.work(alone)
    await stored(alone, [f"n{number % 20}" for number in range(4_000)])
    read = "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_user_tables WHERE relname = 'webhook_waiting'"
    [(before,)] = migrated.run(read)
    await drain.Drain(alone).run()
    await alone.close()  # its connections tell what they have read
    [(after,)] = migrated.run(read)
    assert after - before < 250_000  # 168,000 of them by the first turn; 756,000 when all turns do as it does
