"""What is older than a hotel keeps messages (settings.retentionDays): blanked each night, as of an erased person.

A night looks at what became too old since the last one, conversation by conversation; and at what came in since
then and was too old already (an imported history). A killed one begins anew: done twice, it changes nothing.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from crm import contacts, media
from crm.core import sql
from crm.core.apart import apart
from crm.core.rails import Rails
from crm.core.tx import Tx
from crm.privacy.shapes import FileRow

_sql = sql.load("privacy")

HOURS = [2, 3, 4]  # of the hotel's own clock
BATCH = 500  # conversations looked at, and messages blanked, at a time
_FIRST = UUID(int=0)


class KeeperRow(msgspec.Struct, frozen=True):
    """A hotel that does not keep everything, and whose night it is."""

    tenant_id: UUID


class NightRow(msgspec.Struct, frozen=True):
    """What is blanked tonight: from `since` (the end of the last night) up to `cut`; what came after `seen` too."""

    since: datetime
    cut: datetime
    seen: UUID
    mark: UUID


class WalkedRow(msgspec.Struct, frozen=True):
    """A conversation, and whether it has something that became too old."""

    id: UUID
    ripe: bool


class OldRow(msgspec.Struct, frozen=True):
    """A message that is too old."""

    id: UUID


class SilencedRow(msgspec.Struct, frozen=True):
    """A message that says nothing any more, and the file it had."""

    media_id: UUID | None


async def forget_old(rails: Rails, goes_on: Callable[[], bool], hours: Sequence[int] = HOURS) -> None:
    """Blank what is too old, of every hotel whose night it is."""
    async with rails.db.system(alone=True) as tx:
        keepers = await tx.many(_sql.keepers, KeeperRow, hours=list(hours))
    for row in keepers:
        if goes_on():
            with apart("forget", row.tenant_id):
                await forget_of(rails, row.tenant_id, goes_on)


async def forget_of(rails: Rails, tenant: UUID, goes_on: Callable[[], bool]) -> int:
    """Blank what is too old of one hotel; how many messages."""
    async with rails.db.tenant(tenant) as tx:
        night = await tx.maybe(_sql.night, NightRow)
    if night is None:
        return 0
    blanked, after = 0, _FIRST
    while goes_on() and (walked := await _walk(rails, tenant, night, after)):
        ripe = [row.id for row in walked if row.ripe]
        while ripe and goes_on() and (count := await _batch(rails, tenant, night, ripe)):
            blanked += count
        after = walked[-1].id
    while goes_on() and (count := await _batch(rails, tenant, night, None)):
        blanked += count
    if goes_on():
        async with rails.db.tenant(tenant) as tx:
            await tx.none(_sql.dawn, cut=night.cut, seen=night.mark)
    return blanked


async def _walk(rails: Rails, tenant: UUID, night: NightRow, after: UUID) -> list[WalkedRow]:
    async with rails.db.tenant(tenant) as tx:
        place = {"since": night.since, "cut": night.cut, "after": after}
        rows = await tx.many(_sql.walk, WalkedRow, max=BATCH, **place)
        if ripe := [row.id for row in rows if row.ripe]:
            await tx.none(_sql.forget_notes, conversations=ripe, cut=night.cut)
    return rows


async def _batch(rails: Rails, tenant: UUID, night: NightRow, talked: list[UUID] | None) -> int:
    """Blank the next messages of these conversations, or (None) of those that came in late; how many."""
    async with rails.db.tenant(tenant) as tx:
        await contacts.hold(tx)  # what comes in touches many conversations, too, in another order
        if talked is None:
            old = await tx.many(_sql.late, OldRow, seen=night.seen, cut=night.cut, max=BATCH)
        else:
            place = {"conversations": talked, "since": night.since, "cut": night.cut}
            old = await tx.many(_sql.old, OldRow, max=BATCH, **place)
        await silence(tx, [row.id for row in old])
    return len(old)


async def silence(tx: Tx, messages: list[UUID]) -> int:
    """Blank messages, and delete the files that no other message has; how many files."""
    if not messages:
        return 0
    await hold_files(tx, messages)
    silenced = await tx.many(_sql.silence, SilencedRow, ids=messages)
    files = {row.media_id for row in silenced if row.media_id}
    alone = [row.id for row in await tx.many(_sql.alone, FileRow, ids=list(files)) if row.state != "DELETED"]
    await media.forget(tx, alone)
    return len(alone)


async def hold_files(tx: Tx, messages: list[UUID]) -> None:
    """Hold the files of messages before a message is: who fetches one holds it, and then its messages."""
    await tx.none(_sql.hold_files, messages=messages)
