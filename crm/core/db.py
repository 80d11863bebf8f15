"""Postgres: one pool a role, and the only two ways in: a tenant's transaction, or the system's.

A tenant's transaction opens with ONE simple query: BEGIN, set_config('app.tenant_id', …, TRUE), and the check
of the caller's session. The setting ends with the transaction, so nothing leaks to the next user of a
connection, behind PgBouncer too.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar, cast
from uuid import UUID

import asyncpg
import msgspec

from crm.core import metrics, pools, sql
from crm.core.config import Settings
from crm.core.errors import TenantSuspended, Unauthenticated, Unavailable
from crm.core.replica import Replica
from crm.core.sql import Query

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Connection = PoolConnectionProxy[asyncpg.Record]

log = logging.getLogger(__name__)
_sql = sql.load("access")

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
    asyncpg.SerializationError,  # a replica's: what was read there had to make room for what the primary wrote
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

    __slots__ = ("callbacks", "connection", "tenant")

    def __init__(self, tenant: UUID | None) -> None:
        self.connection: Connection
        self.tenant = tenant
        self.callbacks: list[AfterCommit] = []

    async def many(self, query: Query, row: Callable[..., Row], **params: Any) -> list[Row]:
        """Every row, as `row` made of its columns in order."""
        return [row(*record) for record in await self.connection.fetch(query.text, *_args(query, params))]

    async def maybe(self, query: Query, row: Callable[..., Row], **params: Any) -> Row | None:
        """The row, or None."""
        record = await self.connection.fetchrow(query.text, *_args(query, params))
        return None if record is None else row(*record)

    async def one(self, query: Query, row: Callable[..., Row], **params: Any) -> Row:
        """The row that must be there. Raises LookupError."""
        found = await self.maybe(query, row, **params)
        if found is None:
            raise LookupError(query.name)
        return found

    async def value(self, query: Query, **params: Any) -> Any:
        """The first column of the first row, None when there is no row."""
        return await self.connection.fetchval(query.text, *_args(query, params))

    async def count(self, query: Query, **params: Any) -> int:
        """How many rows the statement wrote: the database's own word on what happened."""
        tag = await self.connection.execute(query.text, *_args(query, params))
        return int(tag.rpartition(" ")[2])

    async def none(self, query: Query, **params: Any) -> None:
        """Run it for its effect."""
        await self.connection.execute(query.text, *_args(query, params))

    async def plan_anew(self) -> None:
        """Plan each later query of this transaction for its own values (for `-- plan: custom`)."""
        await self.connection.execute("SET LOCAL plan_cache_mode = force_custom_plan")

    @asynccontextmanager
    async def seeing_all(self) -> AsyncIterator[None]:
        """Inside, an attendant's transaction sees all of the tenant, whatever the hotel restricts.

        For what hands a conversation on: Postgres refuses an UPDATE whose new row its writer may not see.
        """
        viewer = await self.value(_sql.viewer)
        if viewer:
            await self.value(_sql.see_as, viewer="")
        yield
        if viewer:
            await self.value(_sql.see_as, viewer=viewer)

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """What fails inside is undone alone."""
        await self.connection.execute("SAVEPOINT part")
        try:
            yield
        except BaseException:
            await self.connection.execute("ROLLBACK TO SAVEPOINT part")
            raise
        await self.connection.execute("RELEASE SAVEPOINT part")

    def after_commit(self, callback: AfterCommit) -> None:
        """Call this once the transaction is durable; what it raises is logged, never felt by the caller."""
        self.callbacks.append(callback)


def _args(query: Query, params: dict[str, Any]) -> list[Any]:
    return [params[name] for name in query.params]


class Database:
    """The two pools of a process. Opening connects to nothing yet: Postgres may be away at the start."""

    def __init__(self, app: "asyncpg.Pool[Any]", system: "asyncpg.Pool[Any]", bouncer: bool = False) -> None:
        self._app, self._system, self._bouncer = app, system, bouncer
        self.replica: Replica | None = None

    @classmethod
    async def open(cls, settings: Settings, statement_seconds: int, size: int = 0) -> "Database":
        """Pools of at most `size` connections (DATABASE_POOL if not given), a third of it for the system's role."""
        size, bouncer = size or settings.database_pool, settings.pgbouncer
        app = await pools.pool(settings.database_url, size, statement_seconds, bouncer)
        system = await pools.pool(settings.database_system_url, max(2, size // 3), statement_seconds, bouncer)
        database = cls(app, system, bouncer)
        if settings.database_replica_url:
            pool = await pools.pool(settings.database_replica_url, size, statement_seconds, bouncer)
            database.replica = Replica(pool, app, settings.database_replica_lag)
        return database

    async def close(self) -> None:
        """Wait a little for what is in hand, then close."""
        if self.replica:
            await self.replica.close()
        for pool in (self._app, self._system, *([self.replica.pool] if self.replica else [])):
            with suppress(TimeoutError):
                await asyncio.wait_for(pool.close(), 5)
                continue
            pool.terminate()

    def connections(self) -> dict[str, tuple[int, int]]:
        """How many connections are busy and idle, by role."""
        of = {"app": self._app, "system": self._system}
        return {role: (pool.get_size() - pool.get_idle_size(), pool.get_idle_size()) for role, pool in of.items()}

    def tenant(self, tenant: UUID, caller: Caller | None = None) -> "Transaction":
        """A transaction that sees one tenant; jobs give no caller. Raises Unauthenticated, TenantSuspended."""
        return Transaction(self._app, tenant, _opening(tenant, caller))

    def on_replica(self, tenant: UUID, caller: Caller | None = None) -> "Transaction | None":
        """A transaction that only reads, on the replica; None without one, or when it lags too far behind."""
        if self.replica is None or not self.replica.fresh:
            return None
        return Transaction(self.replica.pool, tenant, _opening(tenant, caller))

    def doubt_replica(self) -> None:
        """It failed somebody: the primary answers until it is seen to be well again."""
        if self.replica is not None:
            self.replica.doubt()

    async def system_alone(self, query: Query, **params: Any) -> None:
        """One statement of the system's role as its own transaction: one round trip instead of three."""
        if self._bouncer:  # it may give us another connection between the two halves of a statement
            async with self.system() as tx:
                return await tx.none(query, **params)
        started = time.perf_counter()
        try:
            async with self._system.acquire(timeout=_ACQUIRE_SECONDS) as connection:
                metrics.pool_wait.observe(time.perf_counter() - started)
                try:
                    await connection.execute(query.text, *_args(query, params))
                except TimeoutError:
                    connection.terminate()
                    raise
        except (TimeoutError, *_AWAY) as error:
            raise Unavailable from error

    def system(self, tenant: UUID | None = None, caller: Caller | None = None) -> "Transaction":
        """A transaction of the system's role; with a tenant it may also write what it was granted there."""
        return Transaction(self._system, tenant, _opening(tenant, caller))


def _opening(tenant: UUID | None, caller: Caller | None) -> str:
    """The one text the tenant travels in: only UUIDs and a role out of our own enumeration go into it.

    One SELECT does both: 304 µs with the commit, against 381 with SET LOCAL before a SELECT of its own.
    """
    parts = []
    if tenant is not None:
        parts.append(f"set_config('app.tenant_id', '{UUID(int=tenant.int)}', TRUE)")
    if caller is not None:
        parts.append(f"crm.enter('{caller.home}', '{caller.user}', '{caller.session}', '{caller.role}')")
    return "BEGIN; SELECT " + ", ".join(parts) if parts else "BEGIN"


class Transaction:
    """`async with` it: begins, commits what ended well, then runs what was to follow the commit.

    An outage, a timeout or a lost lock is Unavailable. A class, not a generator: it stands on every request's path.
    """

    __slots__ = ("_connection", "_opening", "_pool", "_tx")

    def __init__(self, pool: "asyncpg.Pool[Any]", tenant: UUID | None, opening: str) -> None:
        self._pool, self._opening, self._tx = pool, opening, Tx(tenant)

    async def __aenter__(self) -> Tx:
        """Take a connection and begin. Raises Unavailable, Unauthenticated, TenantSuspended."""
        started = time.perf_counter()
        try:
            wait = None if self._pool.get_idle_size() else _ACQUIRE_SECONDS  # two timers are 5 % of a list's CPU
            self._connection = cast("Connection", await self._pool.acquire(timeout=wait))
        except (TimeoutError, *_AWAY) as error:
            raise Unavailable from error
        finally:
            metrics.pool_wait.observe(time.perf_counter() - started)
        try:
            await _enter(self._connection, self._opening)
        except (TimeoutError, *_AWAY) as error:
            await self._release(silent=isinstance(error, TimeoutError))
            raise Unavailable from error
        except BaseException:
            await self._release()
            raise
        self._tx.connection = self._connection
        return self._tx

    async def __aexit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        """Commit, or roll back what failed. Raises Unavailable."""
        silent = isinstance(error, TimeoutError)
        try:
            if error is None:
                await _commit(self._connection)
        except (TimeoutError, *_AWAY) as failure:
            silent = isinstance(failure, TimeoutError)
            raise Unavailable from failure
        finally:
            await self._release(silent, calm=error is None)
        if isinstance(error, (TimeoutError, *_AWAY)):
            raise Unavailable from error
        if error is not None:
            return
        for callback in self._tx.callbacks:
            await _quietly(callback)

    async def _release(self, silent: bool = False, calm: bool = False) -> None:
        """Give the connection back, rolled back if need be; the pool drops a dead one, we drop a silent one.

        After an error, a query may still be being cancelled: the pool waits for that, and not for ever.
        """
        if silent:
            self._connection.terminate()
        with suppress(Exception):
            await _roll_back(self._connection)
        with suppress(*_AWAY):
            await self._pool.release(self._connection, timeout=None if calm else _ACQUIRE_SECONDS)


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
