"""What a connection to Postgres is opened with, be it Postgres itself or a PgBouncer in front of it."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import asyncpg
import msgspec

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Connection = PoolConnectionProxy[asyncpg.Record]

_ACQUIRE_SECONDS = 3.0  # longer than this for a connection: answer 503 rather than queue without end
_CANCEL_SECONDS = 3.0  # a query that is being cancelled holds up whoever failed no longer
_PLAN_SECONDS = 20  # how long a plan is kept: one made on an empty table (1.5 s a batch later) must not last
_SILENT_SECONDS = 1.0  # beyond the statement's own time limit: then the server itself says nothing any more
_STATEMENTS = 100  # kept prepared by a connection: PgBouncer 1.18 would lend it to others, who know none of them
_NAME = {"application_name": "crm"}
_LIMITS = {
    "lock_timeout": "5s",
    "idle_in_transaction_session_timeout": "20s",  # a host that is cut off holds its locks no longer than that
    # Planned once per connection: a list was planned for 0.34 ms and run for 0.17 ms. What needs a plan for its own
    # values says so (`-- plan: custom`).
    "plan_cache_mode": "force_generic_plan",
}


class Pool:
    """asyncpg's pool with a queue before it: who waits is served in turn, and is handed the connection itself.

    asyncpg serves whoever comes just when one is free before those who wait, and each giving back is a task. The
    list to 32 readers at once over 10 connections: p99 99 ms, here 23 ms, and 0.43 s of CPU per 1,000, not 0.53.
    """

    def __init__(self, connections: "asyncpg.Pool[Any]", size: int) -> None:
        self.connections, self._free = connections, size
        self._waiting: deque[asyncio.Future[Connection | None]] = deque()

    async def acquire(self) -> "Connection":
        """A connection. Raises TimeoutError after three seconds, and what asyncpg raises when it cannot connect."""
        if self._free:
            self._free -= 1
        elif (handed := await self._turn()) is not None:
            return handed
        try:
            wait = None if self.connections.get_idle_size() else _ACQUIRE_SECONDS  # a timer of asyncpg's is a task
            return cast("Connection", await self.connections.acquire(timeout=wait))
        except BaseException:
            self._leave()
            raise

    async def _turn(self) -> "Connection | None":
        """What the next to finish hands on: its connection, or only its place."""
        turn: asyncio.Future[Connection | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            async with asyncio.timeout(_ACQUIRE_SECONDS):
                return await turn
        except BaseException:
            if turn.done() and not turn.cancelled():  # it came at that very moment
                late = turn.result()
                await self.release(late) if late else self._leave()
            raise

    async def release(self, connection: "Connection", calm: bool = True) -> None:
        """Hand it to who waits longest; after an error, or when nobody waits, asyncpg has it back."""
        if calm and _alive(connection) and self._hand(connection):
            return
        try:
            await self.connections.release(connection, timeout=None if calm else _CANCEL_SECONDS)
        finally:
            self._leave()

    def _leave(self) -> None:
        """Somebody's place is free, without a connection."""
        if not self._hand(None):
            self._free += 1

    def _hand(self, connection: "Connection | None") -> bool:
        """Whether somebody waited for it. Who gave up waits no more."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(connection)
                return True
        return False


def _alive(connection: "Connection") -> bool:
    try:
        return not connection.is_closed()
    except asyncpg.InterfaceError:  # asyncpg has it back already
        return False


async def pool(url: str, size: int, statement_seconds: int, bouncer: bool = False) -> Pool:
    """At most `size` connections, none yet; a statement may take `statement_seconds`."""
    connections = await asyncpg.create_pool(
        url,
        min_size=0,
        max_size=size,
        init=_prepare_codecs,
        reset=_nothing,
        timeout=5,
        command_timeout=statement_seconds + _SILENT_SECONDS,
        statement_cache_size=0 if bouncer else _STATEMENTS,
        max_cached_statement_lifetime=_PLAN_SECONDS,
        # PgBouncer takes no such settings, and would hand them to others: there those of the role hold (roles.sql).
        server_settings=_NAME if bouncer else {**_NAME, **_LIMITS, "statement_timeout": f"{statement_seconds}s"},
    )
    return Pool(connections, size)


async def _nothing(_connection: Any) -> None:
    """No RESET ALL between users: all settings here are SET LOCAL, and the round trip costs a third."""


async def _prepare_codecs(connection: Any) -> None:
    encode: Callable[[Any], str] = lambda value: msgspec.json.encode(value).decode()  # noqa: E731
    async with connection.transaction():  # it asks for the type first: behind PgBouncer one connection must answer
        await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=encode, decoder=msgspec.json.decode)
