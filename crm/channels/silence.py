"""The alarm of a number that is silent in hours busy in earlier weeks: a notice, until a customer writes."""

from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import UUID

import msgspec

from crm.channels import health, notices, views
from crm.core import sql
from crm.core.apart import apart
from crm.core.feed import Event
from crm.core.page import stamp
from crm.core.rails import Rails
from crm.core.tx import Tx

_sql = sql.load("silence")

WEEKS = [1, 2, 3, 4]  # ago; all but the quietest must have been busy
# So often was a customer heard in those hours: were they to write by chance alone, ten or more expected and none
# come is once in 22,000 times (e^-10).
BAR = 10
TURN = 300  # hotels judged at a time
FIRST = UUID(int=0)


class TurnRow(msgspec.Struct, frozen=True):
    """A hotel to be judged."""

    tenant_id: UUID


class SilentRow(msgspec.Struct, frozen=True):
    """A silent number: since when, and how often customers are usually heard in such hours."""

    channel_id: UUID
    since: datetime
    usual: int


class NoticedTenantRow(msgspec.Struct, frozen=True):
    """How many numbers of a hotel have an open notice of a kind."""

    kind: str
    slug: str
    channels: int


async def hear(tx: Tx, sounds: Mapping[tuple[UUID, str], datetime]) -> list[Event]:
    """Traffic of channels (health.hear); a customer's is counted in its hour and ends a silence. What to tell."""
    news = await health.hear(tx, sounds)
    channels = sorted(channel for channel, name in news if name == "inbound")
    if not channels:
        return []
    await tx.none(_sql.count, channels=channels, ats=[sounds[channel, "inbound"] for channel in channels])
    return await views.updated(tx, await notices.end(tx, channels, [notices.SILENT]))


async def judge(rails: Rails, after: UUID, at: datetime | None = None) -> UUID:
    """Raise the alarm of the next hotels' silent numbers; after whom to go on, FIRST when all were judged.

    Several workers may judge one hotel: the second finds it said. One that cannot be judged holds up no other.
    """
    async with rails.db.system(alone=True) as tx:
        turn = await tx.many(_sql.next_tenants, TurnRow, after=after, max=TURN)
    for row in turn:
        with apart("silence", row.tenant_id):
            await judge_one(rails, row.tenant_id, at or datetime.now(UTC))
    return turn[-1].tenant_id if len(turn) == TURN else FIRST


async def judge_one(rails: Rails, tenant: UUID, at: datetime) -> list[UUID]:
    """Raise the alarm of one hotel's silent numbers; which."""
    async with rails.db.tenant(tenant) as tx:
        silent = await tx.many(_sql.silent, SilentRow, at=at, weeks=WEEKS, bar=BAR)
        for row in silent:
            await health.keep(tx, [row.channel_id], at, silence=stamp(row.since))
            data = {"since": stamp(row.since), "usual": row.usual}
            await notices.post(tx, [row.channel_id], notices.SILENT, data)
        channels = [row.channel_id for row in silent]
        await rails.feed.append(tx, await views.updated(tx, channels))
    return channels


async def forget(tx: Tx, channel: UUID) -> None:
    """The channel is out of use, or has another number: what was heard of the old one is no measure."""
    await health.forget(tx, channel)
    await tx.none(_sql.forget, channel=channel)


async def noticed(tx: Tx) -> list[NoticedTenantRow]:
    """Open notices (INFO left out) by kind and hotel, as the system's role."""
    return await tx.many(_sql.noticed, NoticedTenantRow)
