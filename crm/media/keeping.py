"""Bytes in the store: put there before a row names them, gone from it when none does.

`media_leftovers` holds what may have to go, and when: written before bytes are put (due in a day, or at once when
the last who puts them has no row for them), deleted with the row that names them once nobody else is putting them,
written again when the last such row is deleted. So the bytes of a transaction that never committed are known
without a search through the store. The row is locked while its bytes go.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import IO
from uuid import UUID

import msgspec

from crm.core import sql
from crm.core.apart import apart
from crm.core.errors import NotFound, Unavailable
from crm.core.feed import Event
from crm.core.rails import Rails
from crm.core.store import key_of
from crm.core.tx import Tx
from crm.media.look import Look
from crm.media.shapes import thumbnail_key_of
from crm.messages import MessageRow, updated

log = logging.getLogger(__name__)
_sql = sql.load("media")

UNNAMED_SECONDS = 86_400.0  # how long what was put may wait for its row
AT_ONCE = 2_000  # messages of one statement: a file sent to 100,000 took longer than a request's may
_DELETE_SECONDS, _AGAIN_SECONDS = 20, 60.0


class ForgottenRow(msgspec.Struct, frozen=True):
    """A file that was deleted just now."""

    id: UUID


class LeaverRow(msgspec.Struct, frozen=True):
    """A tenant with bytes that are due to go."""

    tenant_id: UUID


class LeftoverRow(msgspec.Struct, frozen=True):
    """Bytes that are due to go; `named`: a file has them after all."""

    sha256: bytes
    named: bool


@asynccontextmanager
async def kept(rails: Rails, tenant: UUID, put: UUID, seen: Look, file: IO[bytes]) -> AsyncIterator[None]:
    """A file and its thumbnail are in the store while the work inside names them in a row. Raises Unavailable.

    The caller, known by `put`, calls `named` in that row's transaction, or else `unwanted`. Of work that fails the
    bytes go soon; of a killed one after a day.
    """
    async with rails.db.tenant(tenant) as tx:
        await tx.none(_sql.leave, sha256=seen.sha256, put=put, seconds=UNNAMED_SECONDS)
    try:
        await _put(rails, tenant, seen, file)
        yield
    except BaseException:
        await asyncio.shield(_give_up(rails, tenant, put, seen.sha256))
        raise


async def _give_up(rails: Rails, tenant: UUID, put: UUID, sha256: bytes) -> None:
    with suppress(Unavailable):  # what is not told now goes after the day
        async with rails.db.tenant(tenant) as tx:
            await unwanted(tx, put, sha256)


async def _put(rails: Rails, tenant: UUID, seen: Look, file: IO[bytes]) -> None:
    """Unless the same bytes lie there."""
    if seen.thumbnail:
        await rails.store.put(thumbnail_key_of(tenant, seen.sha256), seen.thumbnail)
    if not await rails.store.has(key_of(tenant, seen.sha256)):
        await rails.store.put(key_of(tenant, seen.sha256), file)


async def named(tx: Tx, put: UUID, sha256: bytes) -> None:
    """A row names the bytes of this put, in this transaction."""
    await tx.none(_sql.named, sha256=sha256, put=put)


async def unwanted(tx: Tx, put: UUID, sha256: bytes) -> None:
    """Who put these bytes has no row for them: they go soon, unless others put or name them."""
    await tx.none(_sql.unwanted, sha256=sha256, put=put)


async def forget(tx: Tx, media: list[UUID], within: list[UUID] | None = None) -> list[UUID]:
    """Delete files as `end`, and in the same transaction, untold, what messages show of them; which were there."""
    gone = await end(tx, media, within)
    while gone and len(await blanked(tx, gone)) == AT_ONCE:
        pass
    return gone


async def end(tx: Tx, media: list[UUID], within: list[UUID] | None = None) -> list[UUID]:
    """Delete files for good; which were there. What messages show of them `blanked` takes away.

    The row keeps its id, times, type, size and dimensions. Bytes and thumbnail go soon after the commit, unless
    another file of the tenant has the same bytes. With `within` (conversations), a file that a message elsewhere
    carries stays: so a brochure sent to many outlives the erasure of one of them.
    """
    return [row.id for row in await tx.many(_sql.forget, ForgottenRow, ids=media, within=within)]


async def blanked(tx: Tx, media: list[UUID]) -> list[Event]:
    """Take deleted files off the next messages that carry them; the events to append (AT_ONCE: go on)."""
    return [updated(row) for row in await tx.many(_sql.blank, MessageRow, ids=media, max=AT_ONCE)]


async def remove(rails: Rails) -> None:
    """Delete from the store what is due and no file names, of every tenant, each apart from the others."""
    async with rails.db.system(alone=True) as tx:
        tenants = await tx.many(_sql.leavers, LeaverRow)
    for row in tenants:
        with apart("remove", row.tenant_id):
            await remove_of(rails, row.tenant_id)


async def remove_of(rails: Rails, tenant: UUID) -> None:
    """Delete one tenant's leftovers. Raises Unavailable, and they wait a minute, when the store is away."""
    try:
        while await _remove_one(rails, tenant):
            pass
    except Unavailable:
        async with rails.db.tenant(tenant) as tx:
            await tx.none(_sql.postpone, seconds=_AGAIN_SECONDS)
        raise


async def _remove_one(rails: Rails, tenant: UUID) -> bool:
    """The bytes go while their row is locked: whoever would put them there again waits for that."""
    async with rails.db.tenant(tenant) as tx:
        row = await tx.maybe(_sql.leftover, LeftoverRow)
        if row is None:
            return False
        if not row.named:
            await _delete(rails, thumbnail_key_of(tenant, row.sha256), key_of(tenant, row.sha256))
            await tx.none(_sql.unknown, sha256=row.sha256)
        await tx.none(_sql.settled, sha256=row.sha256)
    return True


async def _delete(rails: Rails, *keys: str) -> None:
    try:
        async with asyncio.timeout(_DELETE_SECONDS):
            for key in keys:
                with suppress(NotFound):
                    await rails.store.delete(key)
    except TimeoutError as error:
        raise Unavailable from error
