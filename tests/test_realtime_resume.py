"""Coming back to /ws: what was missed is replayed in order, or the client is told to read anew."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from crm import worker
from crm.core import rails
from crm.core.config import Settings
from crm.core.feed import Event
from crm.core.rails import Rails
from tests.people import Sql
from tests.sockets import listening, narrow
from tests.system import Hotel, System


@pytest.fixture(scope="module")
async def hotel(system: System) -> Hotel:
    """A hotel of this module alone, so that every seq is ours."""
    return await system.hotel("Volta")


@pytest.fixture(scope="module")
async def laid(settings: Settings) -> AsyncIterator[Rails]:
    """The product's own connections, to append events."""
    laid = await rails.lay(settings)
    yield laid
    await laid.close()


async def happen(laid: Rails, hotel: Hotel, first: int, last: int, size: int = 1) -> None:
    """Events numbered first..last, each in a transaction of its own."""
    for number in range(first, last + 1):
        async with laid.db.tenant(UUID(hotel.id)) as tx:
            await laid.feed.append(tx, [Event("contact:updated", None, {"n": number, "fill": "x" * size})])


async def head(as_app: Sql, hotel: Hotel) -> int:
    return (await as_app("SELECT coalesce(max(seq), 0) FROM feed_heads", tenant=hotel.id))[0][0]


async def test_resume_replays_in_order_everything_after_a_seq(hotel: Hotel, laid: Rails, as_app: Sql) -> None:
    since = await head(as_app, hotel)
    await happen(laid, hotel, 1, 30)
    async with listening(hotel.attendant) as ear:
        assert ear.ready["seq"] == since + 30
        await ear.say("resume", {"since": since})
        frames = await ear.kept(30)
        assert [(frame["seq"], frame["data"]["n"]) for frame in frames] == [(since + n, n) for n in range(1, 31)]
        await ear.say("resume", {"since": since + 28})
        assert [frame["data"]["n"] for frame in await ear.kept(2)] == [29, 30]
        await ear.say("resume", {"since": since + 30})
        assert await ear.heard() == []


async def test_resume_misses_nothing_while_others_write(hotel: Hotel, laid: Rails, as_app: Sql) -> None:
    since = await head(as_app, hotel)
    async with listening(hotel.attendant) as ear:
        writers = [asyncio.create_task(happen(laid, hotel, 1, 40)) for _ in range(4)]
        for _ in range(8):
            await asyncio.sleep(0.02)
            await ear.say("resume", {"since": since})
        await asyncio.gather(*writers)
        await happen(laid, hotel, 999, 999)
        seqs = [since]
        while seqs[-1] < since + 161:
            seqs += [frame["seq"] for frame in await ear.kept(1)]
    assert set(seqs) == set(range(since, since + 162))
    assert all(later <= max(seqs[:place]) + 1 for place, later in enumerate(seqs[1:], 1)), "something overtook"


async def test_a_long_resume_reaches_a_reader_on_a_thin_line(hotel: Hotel, laid: Rails, as_app: Sql) -> None:
    since = await head(as_app, hotel)
    async with laid.db.tenant(UUID(hotel.id)) as tx:
        fill = "x" * 4000
        await laid.feed.append(tx, [Event("contact:updated", None, {"n": n, "fill": fill}) for n in range(1500)])
    async with narrow(hotel.attendant) as ear:
        await ear.say("resume", {"since": since})
        frames = await ear.kept(1500, 30)
    assert [frame["data"]["n"] for frame in frames] == list(range(1500))


async def test_resume_from_the_future_or_from_before_48_hours_says_resync(
    system: System, laid: Rails, as_owner: Sql
) -> None:
    hotel = await system.hotel("Velho")
    await happen(laid, hotel, 1, 5)
    query = "UPDATE feed_events SET created_at = now() - INTERVAL '49 hours' WHERE tenant_id = $1 AND seq <= 3"
    await as_owner(query, UUID(hotel.id))
    await worker.tidy(laid)
    async with listening(hotel.attendant) as ear:
        for since, answer in ((6, "resync"), (2**62, "resync"), (0, "resync"), (2, "resync")):
            await ear.say("resume", {"since": since})
            assert await ear.frame() == {"event": answer, "data": {}}, since
        await ear.say("resume", {"since": 3})
        assert [frame["seq"] for frame in await ear.kept(2)] == [4, 5]
        for since in (-1, "3", None, 2**63, 1.5, [1], True, False):
            await ear.say("resume", {"since": since})
            assert (await ear.frame())["data"]["code"] == "validation_failed", since
