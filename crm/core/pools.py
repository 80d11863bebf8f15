"""What a connection to Postgres is opened with, be it Postgres itself or a PgBouncer in front of it."""

from collections.abc import Callable
from typing import Any

import asyncpg
import msgspec

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


async def pool(url: str, size: int, statement_seconds: int, bouncer: bool = False) -> "asyncpg.Pool[Any]":
    """At most `size` connections, none yet; a statement may take `statement_seconds`."""
    return await asyncpg.create_pool(
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


async def _nothing(_connection: Any) -> None:
    """No RESET ALL between users: all settings here are SET LOCAL, and the round trip costs a third."""


async def _prepare_codecs(connection: Any) -> None:
    encode: Callable[[Any], str] = lambda value: msgspec.json.encode(value).decode()  # noqa: E731
    async with connection.transaction():  # it asks for the type first: behind PgBouncer one connection must answer
        await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=encode, decoder=msgspec.json.decode)
