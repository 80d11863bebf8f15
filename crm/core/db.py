"""Postgres: one pool a role, and the only two ways in: a tenant's transaction, or the system's.

A tenant's transaction opens with ONE simple query: BEGIN, SET LOCAL app.tenant_id, and the check of the
caller's session. SET LOCAL ends with the transaction, so nothing leaks to the next user of a connection,
behind PgBouncer too. Measured elsewhere: this costs what a bare BEGIN … COMMIT costs.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar, cast
from uuid import UUID

import asyncpg
import msgspec

from crm.core import metrics
from crm.core.errors import TenantSuspended, Unauthenticated, Unavailable
from crm.core.sql import Query

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Connection = PoolConnectionProxy[asyncpg.Record]

log = logging.getLogger(__name__)

PLATFORM = UUID(int=0)  # the tenant whose users are the super admins
_ACQUIRE_SECONDS = 3.0  # longer than this for a connection: answer 503 rather than queue without end
_ENTER_REFUSED: dict[str, type[Exception]] = {"CRM01": Unauthenticated, "CRM02": TenantSuspended}
_AWAY = (
    OSError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # the server said goodbye on an idle connection: "cannot switch to state"
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.QueryCanceledError,
    asyncpg.LockNotAvailableError,
    asyncpg.DeadlockDetectedError,
)

Row = TypeVar("Row")
AfterCommit = Callable[[], Awaitable[None]]


class Caller(msgspec.Struct, frozen=True):
    """Who opens the transaction: checked by crm.enter in the database, in the same round trip."""

    home: UUID
    user: UUID
    session: UUID
    role: str


class Tx:
    """An open transaction. Its methods run queries by their declared shape."""

    def __init__(self, connection: "Connection", tenant: UUID | None) -> None:
        self._connection, self.tenant = connection, tenant
        self.callbacks: list[AfterCommit] = []

    async def many(self, query: Query, row: Callable[..., Row], **params: Any) -> list[Row]:
        """Every row, as `row` made of its columns in order."""
        return [row(*record) for record in await self._connection.fetch(query.text, *_args(query, params))]

    async def maybe(self, query: Query, row: Callable[..., Row], **params: Any) -> Row | None:
        """The row, or None."""
        record = await self._connection.fetchrow(query.text, *_args(query, params))
        return None if record is None else row(*record)

    async def one(self, query: Query, row: Callable[..., Row], **params: Any) -> Row:
        """The row that must be there. Raises LookupError."""
        found = await self.maybe(query, row, **params)
        if found is None:
            raise LookupError(query.name)
        return found

    async def value(self, query: Query, **params: Any) -> Any:
        """The first column of the first row, None when there is no row."""
        return await self._connection.fetchval(query.text, *_args(query, params))

    async def count(self, query: Query, **params: Any) -> int:
        """How many rows the statement wrote: the database's own word on what happened."""
        tag = await self._connection.execute(query.text, *_args(query, params))
        return int(tag.rpartition(" ")[2])

    async def none(self, query: Query, **params: Any) -> None:
        """Run it for its effect."""
        await self._connection.execute(query.text, *_args(query, params))

    async def plan_anew(self) -> None:
        """Plan each later query of this transaction for its own values (for `-- plan: custom`)."""
        await self._connection.execute("SET LOCAL plan_cache_mode = force_custom_plan")

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """What fails inside is undone alone."""
        await self._connection.execute("SAVEPOINT part")
        try:
            yield
        except BaseException:
            await self._connection.execute("ROLLBACK TO SAVEPOINT part")
            raise
        await self._connection.execute("RELEASE SAVEPOINT part")

    def after_commit(self, callback: AfterCommit) -> None:
        """Call this once the transaction is durable; what it raises is logged, never felt by the caller."""
        self.callbacks.append(callback)


def _args(query: Query, params: dict[str, Any]) -> list[Any]:
    return [params[name] for name in query.params]


class Database:
    """The two pools of a process. Opening connects to nothing yet: Postgres may be away at the start."""

    def __init__(self, app: "asyncpg.Pool[Any]", system: "asyncpg.Pool[Any]") -> None:
        self._app, self._system = app, system

    @classmethod
    async def open(cls, app_url: str, system_url: str, size: int, statement_seconds: int) -> "Database":
        """Pools of at most `size` connections (a third of it for the system's role)."""
        app = await _pool(app_url, size, statement_seconds)
        return cls(app, await _pool(system_url, max(2, size // 3), statement_seconds))

    async def close(self) -> None:
        """Wait a little for what is in hand, then close."""
        for pool in (self._app, self._system):
            with suppress(TimeoutError):
                await asyncio.wait_for(pool.close(), 5)
                continue
            pool.terminate()

    @asynccontextmanager
    async def tenant(self, tenant: UUID, caller: Caller | None = None) -> AsyncIterator[Tx]:
        """A transaction that sees one tenant. Jobs give no caller. Raises Unauthenticated, TenantSuspended."""
        async with _transaction(self._app, tenant, _opening(tenant, caller)) as tx:
            yield tx

    @asynccontextmanager
    async def system(self, tenant: UUID | None = None, caller: Caller | None = None) -> AsyncIterator[Tx]:
        """A transaction of the system's role; with a tenant it may also write what it was granted there."""
        async with _transaction(self._system, tenant, _opening(tenant, caller)) as tx:
            yield tx


def _opening(tenant: UUID | None, caller: Caller | None) -> str:
    """The one string the tenant travels in: only UUIDs and a role out of our own enumeration go into it."""
    text = "BEGIN"
    if tenant is not None:
        text += f"; SET LOCAL app.tenant_id = '{UUID(int=tenant.int)}'"
    if caller is not None:
        text += f"; SELECT crm.enter('{caller.home}', '{caller.user}', '{caller.session}', '{caller.role}')"
    return text


@asynccontextmanager
async def _transaction(pool: "asyncpg.Pool[Any]", tenant: UUID | None, opening: str) -> AsyncIterator[Tx]:
    try:
        with metrics.pool_wait.time():
            connection = cast("Connection", await pool.acquire(timeout=_ACQUIRE_SECONDS))
    except (TimeoutError, *_AWAY) as error:
        raise Unavailable from error
    tx = Tx(connection, tenant)
    try:
        await _enter(connection, opening)
        yield tx
        await _commit(connection)
    except (TimeoutError, *_AWAY) as error:
        raise Unavailable from error
    finally:
        # Releasing rolls back what was not committed; a dead connection is dropped by the pool.
        with suppress(Exception):
            await _roll_back(connection)
        with suppress(*_AWAY):
            await pool.release(connection)
    for callback in tx.callbacks:
        await _quietly(callback)


async def _enter(connection: "Connection", opening: str) -> None:
    try:
        await connection.execute(opening)
    except asyncpg.PostgresError as error:
        refused = _ENTER_REFUSED.get(error.sqlstate or "")
        if refused is None:
            raise
        raise refused from error


async def _commit(connection: "Connection") -> None:
    """Commit; Postgres answers ROLLBACK, and no error, when something inside had failed and was swallowed."""
    if await connection.execute("COMMIT") != "COMMIT":
        raise RuntimeError("the transaction had failed before its commit")


async def _roll_back(connection: "Connection") -> None:
    if not connection.is_closed() and connection.is_in_transaction():
        await connection.execute("ROLLBACK", timeout=2)


async def _quietly(callback: AfterCommit) -> None:
    try:
        await callback()
    except Exception as error:  # the commit stands; the sweep wakes what this could not
        log.warning("after commit: a wake-up or a publish failed", extra={"why": type(error).__name__})


async def _pool(url: str, size: int, statement_seconds: int) -> "asyncpg.Pool[Any]":
    return await asyncpg.create_pool(
        url,
        min_size=0,
        max_size=size,
        init=_prepare_codecs,
        reset=_nothing,
        timeout=5,
        command_timeout=statement_seconds + 5,
        server_settings={
            "application_name": "crm",
            "statement_timeout": f"{statement_seconds}s",
            "lock_timeout": "5s",
            "idle_in_transaction_session_timeout": "60s",
        },
    )


async def _nothing(_connection: Any) -> None:
    """No RESET ALL between users: all settings here are SET LOCAL, and the round trip costs a third."""


async def _prepare_codecs(connection: Any) -> None:
    encode: Callable[[Any], str] = lambda value: msgspec.json.encode(value).decode()  # noqa: E731
    await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=encode, decoder=msgspec.json.decode)
