"""Fetches what messages brought: id → URL → bytes → store, judged on the way; the row says how it stands.

A try ends READY, FAILED (with a word that says why), or PENDING again. Meta keeps the bytes for seven days, so what
may pass is tried until then. While a worker lives it renews its lease; of one that dies the row is found again when
the lease has run out.
"""

import asyncio
import logging
import random
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import IO
from uuid import UUID

import msgspec

from crm import channels
from crm.channels import SenderRow
from crm.core import meta_media, metrics, sql
from crm.core.errors import Problem, Unavailable
from crm.core.meta import MetaError
from crm.core.meta_errors import TRANSIENT
from crm.core.meta_media import ForeignHost, Gone, TooLarge
from crm.core.rails import Rails
from crm.core.tx import Tx
from crm.media import keeping, sniffing
from crm.media.look import Look, look
from crm.media.shapes import LARGEST, FetchRow, PendingRow
from crm.messages import MessageRow, updated

log = logging.getLogger(__name__)
_sql = sql.load("media")

LEASE_SECONDS, RENEW_SECONDS = 45.0, 15.0  # what a dead worker held is taken up within the first
SHARE = 20  # of one tenant's, that a sweep hands out
_FIRST_WAIT, _LONGEST_WAIT = 2.0, 1800.0
_DEATHS = 3  # tries after which a file that its worker did not survive is left alone


class Refused(Exception):
    """It will never come, and the one word why: it is shown beside the message (docs/states.md)."""


async def pending(tx: Tx) -> list[PendingRow]:
    """Media of all tenants to fetch now; run as the system's role."""
    return await tx.many(_sql.pending, PendingRow, share=SHARE)


async def fetch(rails: Rails, tenant: UUID, media: UUID) -> None:
    """Fetch one piece of media, unless somebody else does. Raises Unavailable when our own parts are away."""
    async with rails.db.tenant(tenant) as tx:
        row = await tx.maybe(_sql.claim, FetchRow, id=media, lease=LEASE_SECONDS)
        sender = await channels.sender(tx, row.channel_id) if row else None
    if row is None:
        return
    try:
        async with _held(rails, tenant, row):
            await _bring(rails, tenant, row, sender)
    except Refused as refused:
        await _settle(rails, tenant, row, "FAILED", str(refused))
    except MetaError as error:
        permanent = error.rule.retry == "permanent"
        state = "FAILED" if permanent else "PENDING"
        await _settle(
            rails, tenant, row, state, f"meta_{error.code or 'unreachable'}", max(error.after, _wait(row))
        )
    except Unavailable:
        await _settle(rails, tenant, row, "PENDING", "unavailable", _wait(row))
        raise
    except asyncio.CancelledError:  # the worker must end: the next one begins at once
        await asyncio.shield(_settle(rails, tenant, row, "PENDING", "stopped"))
        raise


@asynccontextmanager
async def _held(rails: Rails, tenant: UUID, row: FetchRow) -> AsyncIterator[None]:
    """Renew the lease until the work inside has ended."""
    renewing = asyncio.create_task(_renew(rails, tenant, row))
    try:
        yield
    finally:
        renewing.cancel()
        await asyncio.wait([renewing])


async def _renew(rails: Rails, tenant: UUID, row: FetchRow) -> None:
    while True:
        await asyncio.sleep(RENEW_SECONDS)
        with suppress(Problem):  # Postgres is away for a moment: three renewals fit into a lease
            async with rails.db.tenant(tenant) as tx:
                await tx.count(_sql.renew, id=row.id, claim=row.claim, lease=LEASE_SECONDS)


def _wait(row: FetchRow) -> float:
    longest = min(_LONGEST_WAIT, _FIRST_WAIT * 2.0 ** min(row.attempts - 1, 12))
    return longest * random.uniform(0.75, 1.0)  # noqa: S311 (jitter)


async def _bring(rails: Rails, tenant: UUID, row: FetchRow, sender: SenderRow | None) -> None:
    """The bytes in the store, and what they are in the row. Raises Refused, MetaError, Unavailable."""
    with tempfile.TemporaryFile() as file:
        seen = await _brought(rails, tenant, row, sender, file)
        async with keeping.kept(rails, tenant, row.claim, seen, file):
            await _ready(rails, tenant, row, seen)


async def _brought(rails: Rails, tenant: UUID, row: FetchRow, sender: SenderRow | None, file: IO[bytes]) -> Look:
    """The bytes in `file`, and what they are. Raises Refused, MetaError, Unavailable."""
    if row.expired:
        raise Refused("expired")
    if sender is None:
        raise Refused("no_channel")
    if row.died and row.attempts > _DEATHS:
        raise Refused("worker_died")
    token = channels.token(rails.box, tenant, sender)
    try:
        expected = await _download(rails, row, token, file)
    except TooLarge as error:
        raise Refused("too_large") from error
    except ForeignHost as error:
        raise Refused("foreign_host") from error
    seen = await rails.look(partial(look, file))
    if expected is not None and seen.sha256 != expected:
        raise Refused("digest_differs")
    return seen


async def _download(rails: Rails, row: FetchRow, token: str, file: IO[bytes]) -> bytes | None:
    """The bytes in `file`; their SHA-256 as Meta told it. The webhook's URL saves asking, while it lives."""
    if row.graph_url and meta_media.allowed(rails.graph, row.graph_url):
        try:
            await meta_media.download(rails.graph, row.graph_url, token, file, LARGEST)
            return row.sha256
        except Gone:
            log.info("a media URL has expired: asking for another", extra={"mediaId": str(row.id)})
    named = await meta_media.named(rails.graph, token, row.graph_id)
    try:
        await meta_media.download(rails.graph, named.url, token, file, LARGEST)
    except Gone as error:
        raise MetaError(TRANSIENT, None, "Meta's fresh URL leads nowhere") from error
    return row.sha256 or named.sha256


async def _ready(rails: Rails, tenant: UUID, row: FetchRow, seen: Look) -> None:
    """The row says so, unless it was deleted meanwhile or another worker has it."""
    async with rails.db.tenant(tenant) as tx:
        told = facts(seen) | {"mime_type": sniffing.believed(seen.sniffed.mime_type, row.mime_type)}
        if await tx.count(_sql.ready, id=row.id, claim=row.claim, **told):
            metrics.media.labels("ready").inc()
            await keeping.named(tx, row.claim, seen.sha256)
            await announce(rails, tx, row.id)
        else:
            await keeping.unwanted(tx, row.claim, seen.sha256)


def facts(seen: Look) -> dict[str, object]:
    """What a look found, as the columns of a row."""
    found = {
        name: value for name, value in msgspec.structs.asdict(seen).items() if name not in ("sniffed", "thumbnail")
    }
    return found | {
        "mime_type": seen.sniffed.mime_type,
        "animated": seen.sniffed.animated,
        "has_thumbnail": seen.thumbnail is not None,
    }


async def _settle(rails: Rails, tenant: UUID, row: FetchRow, state: str, error: str, wait: float = 0) -> None:
    """Write down a try that brought nothing."""
    metrics.media.labels("failed" if state == "FAILED" else "again").inc()
    log.warning("media did not come", extra={"mediaId": str(row.id), "why": error, "becomes": state})
    async with rails.db.tenant(tenant) as tx:
        settled = await tx.count(_sql.settle, id=row.id, claim=row.claim, state=state, error=error, wait=wait)
        if settled and state == "FAILED":
            await announce(rails, tx, row.id)


async def announce(rails: Rails, tx: Tx, media: UUID) -> None:
    """Write what media is now on the messages that carry it, and tell everybody."""
    rows = await tx.many(_sql.show, MessageRow, id=media)
    await rails.feed.append(tx, [updated(row) for row in rows])
