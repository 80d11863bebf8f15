"""The queue before the connections: served in turn, and no place is lost, whoever gives up or fails."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import suppress
from uuid import UUID

import pytest

from crm.core import pools
from crm.core.config import Settings
from crm.core.db import Database
from crm.core.errors import Problem
from crm.core.pools import Pool
from crm.core.tx import Tx
from tests.system import Hotel
from tests.test_alone import caller, count

SETTING = "SELECT current_setting('app.tenant_id', TRUE)"


@pytest.fixture
async def pool(settings: Settings) -> AsyncIterator[Pool]:
    """One connection for all."""
    made = await pools.pool(settings.database_url, 1, 5)
    yield made
    made.connections.terminate()


async def visit(pool: Pool, name: str, came: list[str]) -> int:
    """Wait for one's turn, say so, and leave; the server's process that served."""
    connection = await pool.acquire()
    came.append(name)
    pid = int(await connection.fetchval("SELECT pg_backend_pid()"))
    await pool.release(connection)
    return pid


async def test_who_waits_is_served_in_turn_over_the_same_connection(pool: Pool) -> None:
    came: list[str] = []
    first = await pool.acquire()
    waiting = [asyncio.create_task(visit(pool, name, came)) for name in "abc"]
    await asyncio.sleep(0)
    await pool.release(first)
    served = await asyncio.gather(visit(pool, "late", came), *waiting)
    assert came == ["a", "b", "c", "late"]
    assert len({*served}) == 1


async def test_who_gives_up_at_the_very_moment_hands_it_on(pool: Pool) -> None:
    first = await pool.acquire()
    gone = asyncio.create_task(visit(pool, "gone", []))
    stays = asyncio.create_task(visit(pool, "stays", []))
    await asyncio.sleep(0)
    await pool.release(first)  # it is handed to the one that goes now
    gone.cancel()
    await asyncio.wait_for(stays, 20)
    assert gone.cancelled()


async def test_who_gave_up_before_is_passed_over(pool: Pool) -> None:
    first = await pool.acquire()
    gone = asyncio.create_task(visit(pool, "gone", []))
    await asyncio.sleep(0)
    gone.cancel()
    await pool.release(first)
    await asyncio.wait_for(visit(pool, "next", []), 20)


@pytest.mark.parametrize("calm", [True, False])
async def test_a_dead_connection_is_handed_to_nobody(pool: Pool, calm: bool) -> None:
    first = await pool.acquire()
    waiting = asyncio.create_task(visit(pool, "waits", []))
    await asyncio.sleep(0)
    dead = await first.fetchval("SELECT pg_backend_pid()")
    first.terminate()
    await pool.release(first, calm)
    assert await asyncio.wait_for(waiting, 20) != dead


async def test_nobody_waits_for_ever(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    first = await pool.acquire()  # to open it may take a while
    monkeypatch.setattr(pools, "_ACQUIRE_SECONDS", 0.05)
    with pytest.raises(TimeoutError):
        await pool.acquire()
    await pool.release(first)
    await visit(pool, "next", [])


async def test_a_connection_that_cannot_be_made_takes_no_place() -> None:
    nowhere = await pools.pool("postgresql://nobody@127.0.0.1:9/crm", 1, 5)
    for _ in range(3):
        with pytest.raises(OSError, match="Connect"):
            await nowhere.acquire()


@pytest.fixture
async def pair(settings: Settings) -> AsyncIterator[Database]:
    """Two connections."""
    database = await Database.open(settings, 5, size=2)
    yield database
    database._app.connections.terminate()


async def whole(database: Database) -> bool:
    """Whether both places and both connections are back, within five seconds."""
    pool = database._app
    for _ in range(100):
        if (pool._free, pool.connections._queue.qsize()) == (2, 2):
            return True
        await asyncio.sleep(0.05)
    return False


async def test_who_is_cancelled_in_a_rollback_takes_no_connection_along(pair: Database, hotel_a: Hotel) -> None:
    async def fail(failing: asyncio.Event) -> None:
        async with pair.tenant(UUID(hotel_a.id)):
            failing.set()
            raise LookupError

    for _ in range(3):
        failing = asyncio.Event()
        task = asyncio.create_task(fail(failing))
        await asyncio.wait_for(failing.wait(), 5)  # from here on it rolls back
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert await whole(pair)


async def test_a_transaction_that_has_ended_has_no_connection(pair: Database, hotel_a: Hotel) -> None:
    """The next to have it may be another hotel's."""
    async with pair.tenant(UUID(hotel_a.id)) as tx:
        pass
    with pytest.raises(AttributeError):
        await tx.connection.fetch(SETTING)


@pytest.mark.parametrize("seed", range(3))
async def test_whoever_is_cancelled_whenever_nobody_meets_another_hotel(
    pair: Database, hotel_a: Hotel, hotel_b: Hotel, settings: Settings, seed: int
) -> None:
    chance, met = random.Random(seed), set[tuple[str, object]]()

    async def look(tx: Tx, hotel: Hotel) -> None:
        """In a transaction there is its own tenant, before one there is none."""
        setting = await tx.connection.fetchval(SETTING)
        met.add(("own" if setting == hotel.id else setting or "none", tx.connection.is_in_transaction()))

    async def visit(hotel: Hotel, way: int) -> None:
        with suppress(Problem, LookupError):
            who = caller(hotel.attendant, settings)
            async with pair.tenant(UUID(hotel.id), who, alone=way > 1) as tx:
                if way != 2:  # that one asks nothing: it is let in, or refused, as it ends
                    await look(tx, hotel)
                if way == 3:
                    await count(tx)
                if way == 4:
                    raise LookupError

    for _ in range(30):
        tasks = [asyncio.create_task(visit(hotel, way)) for hotel in (hotel_a, hotel_b) * 4 for way in range(1, 5)]
        for _ in range(20):
            await asyncio.sleep(chance.random() * 0.003)
            chance.choice(tasks).cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        assert [end for end in ends if end and not isinstance(end, asyncio.CancelledError)] == []
    assert met == {("own", True), ("none", False)}
    assert await whole(pair)
