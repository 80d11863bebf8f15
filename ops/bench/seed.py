"""Seeds the benchmark's home once: tenants, people, contacts, conversations, messages; set by set, by SQL."""

import asyncio
import time
from pathlib import Path

import asyncpg
import msgspec

from crm.core import crypto, migrate
from ops.dev.home import Home

PASSWORD = "senha-do-banco-1"
_PARTS = 2  # connections that insert messages at once: the machine has two cores
_FOLDER = Path(__file__).parent
_LATER = (
    "tenants", "users", "contacts", "contact_identities", "conversations", "messages", "message_words", "channels",
)  # fmt: skip


class Size(msgspec.Struct, frozen=True):
    """How much is seeded; ten messages a conversation on average."""

    tenants: int
    conversations: int
    people: int  # attendants of the first tenant: fifty sockets each


FULL, SMALL = Size(50, 200_000, 200), Size(5, 2_000, 2)


class Refused(Exception):
    """This home cannot be benchmarked; the text says why."""


def prepare(home: Home, size: Size) -> None:
    """Migrate, and seed if that was not done here yet. Raises Refused."""
    wanted = msgspec.to_builtins(size)
    if home.state.get("bench", wanted) != wanted:
        raise Refused(f"{home.path} was seeded with another size; give another --home or delete it")
    migrate.apply(home.database_url("owner"))
    asyncio.run(_prepare(home, size, seeded="bench" in home.state))
    home.remember(bench=wanted)


async def _prepare(home: Home, size: Size, seeded: bool) -> None:
    url = home.database_url("owner")
    owner = await asyncpg.connect(url)
    try:
        if not seeded:
            await _refuse_foreign(owner, home)
            await _seed(owner, url, size)
        # What earlier runs left behind: raw events, the feed and the changes of totals would grow for ever.
        await owner.execute("TRUNCATE webhook_events, webhook_waiting, feed_events, dead_letters")
        await owner.execute("VACUUM (ANALYZE) conversations")
    finally:
        await owner.close()


async def _refuse_foreign(owner: "asyncpg.Connection[asyncpg.Record]", home: Home) -> None:
    """Never seed a folder that somebody works in. What a broken seeding left is taken away."""
    if await owner.fetchval("SELECT count(*) FROM tenants WHERE plan NOT IN ('none', 'bench')"):
        raise Refused(f"{home.path} has tenants of its own; the benchmark needs a home to itself")
    await owner.execute("DROP SCHEMA IF EXISTS bench CASCADE")
    if await owner.fetchval("SELECT count(*) FROM tenants WHERE plan = 'bench'"):
        raise Refused(f"the seeding of {home.path} was broken off; delete the folder")


async def _seed(owner: "asyncpg.Connection[asyncpg.Record]", url: str, size: Size) -> None:
    started = time.monotonic()
    print(f"seeding {size.conversations:,} conversations and {size.conversations * 10:,} messages …", flush=True)
    async with owner.transaction():
        await _set(owner, size)
        await owner.execute((_FOLDER / "seed_places.sql").read_text())
    await owner.execute("ANALYZE")
    await asyncio.gather(*(_messages(url, part) for part in range(_PARTS)))
    await owner.execute("DROP SCHEMA bench CASCADE")
    for table in _LATER:
        await owner.execute(f"VACUUM (ANALYZE) {table}")
    print(f"seeded in {time.monotonic() - started:.1f} s", flush=True)


async def _set(owner: "asyncpg.Connection[asyncpg.Record]", size: Size) -> None:
    values = {
        "bench.tenants": size.tenants,
        "bench.conversations": size.conversations,
        "bench.people": size.people,
        "bench.hash": crypto.password_hash(PASSWORD, 10),
    }
    for name, value in values.items():
        await owner.fetchval("SELECT set_config($1, $2, FALSE)", name, str(value))


async def _messages(url: str, part: int) -> None:
    connection = await asyncpg.connect(url, server_settings={"synchronous_commit": "off", "work_mem": "256MB"})
    try:
        for name, value in (("bench.part", part), ("bench.parts", _PARTS)):
            await connection.fetchval("SELECT set_config($1, $2, FALSE)", name, str(value))
        await connection.execute((_FOLDER / "seed_messages.sql").read_text())
    finally:
        await connection.close()
