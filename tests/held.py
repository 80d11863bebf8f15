"""Somebody who holds rows, and who waits for them: what goes on meanwhile."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import asyncpg

from ops.dev.home import Home
from tests.system import eventually

HEAD = "SELECT FROM feed_heads WHERE tenant_id = $1 FOR UPDATE"  # a hotel's feed: nothing of it is told meanwhile
DOOR = "SELECT pg_advisory_xact_lock(hashtextextended('contacts ' || $1, 0))"  # nothing comes in meanwhile
TALK = "SELECT FROM conversations WHERE id = $1 FOR NO KEY UPDATE"  # a conversation, as who changes it
FILE = "SELECT FROM media WHERE id = $1 FOR NO KEY UPDATE"  # a file, as who has just fetched it
UNHELD = "SELECT id FROM messages WHERE id = $1 FOR UPDATE NOWAIT"  # a message, unless somebody holds it
WAITS = """SELECT pid, waitstart FROM pg_locks
    WHERE waitstart IS NOT NULL AND pg_backend_pid() = ANY(pg_blocking_pids(pid))"""
WAITING = "SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted"


class Holder:
    """Holds what its query locked until it is left."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def waits(self) -> set[asyncpg.Record]:
        """Who waits for it, and since when: several may."""
        return set(await self._connection.fetch(WAITS))

    async def waiting(self, many: int) -> bool:
        """Whether so many wait, for it or for one another."""
        return bool(await self._connection.fetchval(WAITING) >= many)

    async def meanwhile(self, work: Callable[[], Awaitable[object]], tries: int = 5) -> bool:
        """Whether work can be done while somebody waits, one and the same time: he gives up after five seconds."""
        for _ in range(tries):
            waits = await eventually(self.waits, 20)
            await work()
            if waits & await self.waits():
                return True
        return False


@asynccontextmanager
async def holding(home: Home, query: str, *args: object) -> AsyncIterator[Holder]:
    """Run a query that locks rows, as the owner."""
    connection = await asyncpg.connect(home.database_url("owner"))
    try:
        async with connection.transaction():
            await connection.execute(query, *args)
            yield Holder(connection)
    finally:
        await connection.close()


async def cut(home: Home, pid: int) -> None:
    """End a connection of API or worker, as Postgres does when it goes away."""
    connection = await asyncpg.connect(home.database_url("app"))
    await connection.execute("SELECT pg_terminate_backend($1)", pid)
    await connection.close()


def deadlocks(home: Home) -> int:
    """How many Postgres has told of."""
    return (home.logs / "postgres.log").read_text().count("deadlock detected")
