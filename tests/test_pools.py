"""The queue before the connections: served in turn, and no place is lost, whoever gives up or fails."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from crm.core import pools
from crm.core.config import Settings
from crm.core.pools import Pool


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
    await asyncio.wait_for(stays, 2)
    assert gone.cancelled()


async def test_who_gave_up_before_is_passed_over(pool: Pool) -> None:
    first = await pool.acquire()
    gone = asyncio.create_task(visit(pool, "gone", []))
    await asyncio.sleep(0)
    gone.cancel()
    await pool.release(first)
    await asyncio.wait_for(visit(pool, "next", []), 2)


@pytest.mark.parametrize("calm", [True, False])
async def test_a_dead_connection_is_handed_to_nobody(pool: Pool, calm: bool) -> None:
    first = await pool.acquire()
    waiting = asyncio.create_task(visit(pool, "waits", []))
    await asyncio.sleep(0)
    dead = await first.fetchval("SELECT pg_backend_pid()")
    first.terminate()
    await pool.release(first, calm)
    assert await asyncio.wait_for(waiting, 2) != dead


async def test_nobody_waits_for_ever(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools, "_ACQUIRE_SECONDS", 0.05)
    first = await pool.acquire()
    with pytest.raises(TimeoutError):
        await pool.acquire()
    await pool.release(first)
    await visit(pool, "next", [])


async def test_a_connection_that_cannot_be_made_takes_no_place() -> None:
    nowhere = await pools.pool("postgresql://nobody@127.0.0.1:9/crm", 1, 5)
    for _ in range(3):
        with pytest.raises(OSError, match="Connect"):
            await nowhere.acquire()
