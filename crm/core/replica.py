"""A streaming replica for reads that may be some seconds old, and the watch over how many.

Each second the primary says how far it has written, then the replica how far it shows. The newest of the primary's
words that the replica has passed tells how old the replica's rows are: no clock is compared, an idle primary is no
lag, and a replica that receives nothing any more grows old by itself.
"""

import asyncio
import time
from collections import deque
from contextlib import suppress

import asyncpg

from crm.core import metrics, sql
from crm.core.pools import Pool

_sql = sql.load("replica")
WATCH_SECONDS = 1.0


class Replica:
    """The pool of the replica, and whether it may be asked."""

    def __init__(self, pool: Pool, primary: Pool, most_seconds: float) -> None:
        self.pool, self._primary, self._most = pool, primary, most_seconds
        self._marks: deque[tuple[float, int]] = deque(maxlen=int(most_seconds / WATCH_SECONDS) + 2)
        self._shows = float("-inf")  # the replica has all that was written up to this moment
        self._watching: asyncio.Task[None] | None = None

    @property
    def lag(self) -> float:
        """How old its rows are at most, in seconds; infinite when that is not known."""
        return time.monotonic() - self._shows

    @property
    def fresh(self) -> bool:
        """Whether it may be asked. The first question begins the watch, and goes to the primary."""
        if self._watching is None:
            self._watching = asyncio.create_task(self._watch())
        return self.lag <= self._most

    def doubt(self) -> None:
        """It failed: ask it no more until the watch has seen it again."""
        self._shows = float("-inf")

    async def close(self) -> None:
        """End the watch."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)

    async def _watch(self) -> None:
        while True:
            with suppress(OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await self.look()
            metrics.replica_lag.set(self.lag)
            await asyncio.sleep(WATCH_SECONDS)

    async def look(self) -> None:
        """Ask both. Raises what asyncpg raises when one is away."""
        now = time.monotonic()
        self._marks.append((now, await _place(self._primary, _sql.written.text)))
        shown = await _place(self.pool, _sql.replayed.text)
        passed = [at for at, written in self._marks if written <= shown]
        if passed:
            self._shows = max(passed)


async def _place(pool: Pool, query: str) -> int:
    """A place in the log; before its beginning when there is none."""
    async with asyncio.timeout(WATCH_SECONDS), pool.connections.acquire() as connection, connection.transaction():
        found = await connection.fetchval(query)
    return -1 if found is None else int(found)
