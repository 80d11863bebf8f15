"""Postgres: one pool a role, and the only two ways in: a tenant's transaction, or the system's."""

import asyncio
import logging
import time
from contextlib import suppress
from typing import TYPE_CHECKING
from uuid import UUID

import asyncpg

from crm.core import metrics, pools
from crm.core.config import Settings
from crm.core.errors import Unavailable
from crm.core.pools import Pool
from crm.core.replica import Replica
from crm.core.tx import AfterCommit, Caller, Tx, raise_refusal

if TYPE_CHECKING:
    from crm.core.pools import Connection

log = logging.getLogger(__name__)

PLATFORM = UUID(int=0)  # the tenant whose users are the super admins
_AWAY = (
    OSError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # the server said goodbye on an idle connection: "cannot switch to state"
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.InsufficientResourcesError,  # no connection, no memory or no disk left
    asyncpg.PostgresSystemError,  # its disk fails
    asyncpg.ReadOnlySQLTransactionError,  # it is a standby by now, or was told to write nothing
    asyncpg.QueryCanceledError,
    asyncpg.LockNotAvailableError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,  # a replica's: what was read there had to make room for what the primary wrote
)


class Database:
    """The two pools of a process. Opening connects to nothing yet: Postgres may be away at the start."""

    def __init__(self, app: Pool, system: Pool, bouncer: bool = False) -> None:
        self._app, self._system = app, system
        self._bouncer = bouncer  # it may give another connection between the two halves of a statement
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
                await asyncio.wait_for(pool.connections.close(), 5)
                continue
            pool.connections.terminate()

    def connections(self) -> dict[str, tuple[int, int]]:
        """How many connections are busy and idle, by role."""
        of = {"app": self._app.connections, "system": self._system.connections}
        return {role: (pool.get_size() - pool.get_idle_size(), pool.get_idle_size()) for role, pool in of.items()}

    def tenant(self, tenant: UUID, caller: Caller | None = None, alone: bool = False) -> "Transaction":
        """A transaction that sees one tenant; jobs give no caller. Raises Unauthenticated, TenantSuspended.

        With `alone`, queries that may go alone do so until another one needs the transaction.
        """
        return Transaction(self._app, Tx(tenant, caller, alone and not self._bouncer))

    def on_replica(self, tenant: UUID, caller: Caller, alone: bool = False) -> "Transaction | None":
        """A transaction that only reads, on the replica; None without one, or when it lags too far behind."""
        if self.replica is None or not self.replica.fresh:
            return None
        return Transaction(self.replica.pool, Tx(tenant, caller, alone and not self._bouncer))

    def doubt_replica(self) -> None:
        """It failed somebody: the primary answers until it is seen to be well again."""
        if self.replica is not None:
            self.replica.doubt()

    def system(
        self, tenant: UUID | None = None, caller: Caller | None = None, alone: bool = False
    ) -> "Transaction":
        """A transaction of the system's role; with a tenant it may also write what it was granted there.

        Without one, and `alone`, each statement is a transaction by itself: one round trip instead of three.
        """
        return Transaction(self._system, Tx(tenant, caller, alone and not self._bouncer))


class Transaction:
    """`async with` it: begins, commits what ended well, then runs what was to follow the commit.

    An outage, a timeout or a lost lock is Unavailable. A class, not a generator: it stands on every request's path.
    """

    __slots__ = ("_connection", "_pool", "_tx")

    def __init__(self, pool: Pool, tx: Tx) -> None:
        self._pool, self._tx = pool, tx

    async def __aenter__(self) -> Tx:
        """Take a connection and begin. Raises Unavailable, Unauthenticated, TenantSuspended."""
        started = time.perf_counter()
        try:
            self._connection = await self._pool.acquire()
        except (TimeoutError, *_AWAY) as error:
            raise Unavailable from error
        finally:
            metrics.pool_wait.observe(time.perf_counter() - started)
        self._tx.connection = self._connection
        try:
            if not self._tx.waits:
                await self._tx.begin()
        except (TimeoutError, *_AWAY) as error:
            await self._release(silent=isinstance(error, TimeoutError))
            raise Unavailable from error
        except BaseException:
            await self._release()
            raise
        return self._tx

    async def __aexit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        """Commit, or roll back what failed. Raises Unavailable, and what a query that went alone was refused."""
        silent, calm = isinstance(error, TimeoutError), False
        try:
            if error is None:
                await self._tx.end()
                calm = True
        except (TimeoutError, *_AWAY) as failure:
            silent = isinstance(failure, TimeoutError)
            raise Unavailable from failure
        finally:
            await self._release(silent, calm)
        if isinstance(error, (TimeoutError, *_AWAY)):
            raise Unavailable from error
        if error is not None:
            raise_refusal(error)
            return
        for callback in self._tx.callbacks:
            await _quietly(callback)

    async def _release(self, silent: bool = False, calm: bool = False) -> None:
        """Give the connection back, rolled back if need be; the pool drops a dead one, we drop a silent one.

        After an error, a query may still be being cancelled: the pool waits for that, and not for ever. Only a
        connection known to be clean is `calm`, and the Tx lets go of it: the next one may be another hotel's.
        """
        del self._tx.connection
        if silent:
            self._connection.terminate()
        clean = False
        try:
            with suppress(Exception):
                await _roll_back(self._connection)
                clean = True
        finally:  # cancelled in the middle of it, too
            with suppress(*_AWAY):
                await self._pool.release(self._connection, calm and clean)


async def _roll_back(connection: "Connection") -> None:
    if not connection.is_closed() and connection.is_in_transaction():
        await connection.execute("ROLLBACK", timeout=2)


async def _quietly(callback: AfterCommit) -> None:
    try:
        await callback()
    except Exception as error:  # the commit stands; the sweep wakes what this could not
        log.warning("after commit: a wake-up or a publish failed", extra={"why": type(error).__name__})
