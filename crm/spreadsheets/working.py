"""An import, from the file to the contacts: its lines are kept first, then worked in batches.

A batch is one transaction, locks the import's row and takes its lines by deleting them: whoever dies in it has
taken nothing, and the next goes on where it was. A person is known again by phone, and the first line of a file on
somebody counts: so the same file twice changes nothing.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from uuid import UUID

import msgspec

from crm import contacts
from crm.contacts import Person
from crm.contacts.attributes import declared
from crm.core import sql
from crm.core.feed import Event
from crm.core.rails import Rails
from crm.core.tx import Tx
from crm.spreadsheets import cells
from crm.spreadsheets.cells import Said
from crm.spreadsheets.reading import Sheet
from crm.spreadsheets.shapes import ErrorRow, ImportRow, KeptRow, LineRow, MetRow, ProgressRow, RunningRow, shown

_sql = sql.load("spreadsheets")

KEEP = 1_000  # lines kept by one statement
BATCH = 250  # lines worked in one transaction, which holds the tenant's door: about 0.1 s
COUNTED = ("created", "updated", "unchanged", "failed")
TRIES = 10  # of one batch, before the import is given up


class Named(msgspec.Struct, frozen=True):
    """What a line says of a contact, and the line that named the contact first."""

    contact: UUID
    line: int
    first: int
    said: Said


async def keep(tx: Tx, wanted: UUID, sheet: Sheet) -> int:
    """Keep the lines of a file; how many. Raises ValidationFailed."""
    lines = 0
    while records := await asyncio.to_thread(sheet.records, KEEP):
        await tx.none(_sql.keep, id=wanted, records=[[record.line, record.cells] for record in records])
        lines += len(records)
    await tx.none(_sql.kept, id=wanted, lines=lines)
    return lines


async def running(tx: Tx) -> list[RunningRow]:
    """Imports of every tenant that nobody works on."""
    return await tx.many(_sql.running, RunningRow)


async def work(rails: Rails, tenant: UUID, wanted: UUID, goes_on: Callable[[], bool] = lambda: True) -> None:
    """Work an import to its end, or until told to stop."""
    while goes_on() and await _begin(rails, tenant, wanted) and await _batch(rails, tenant, wanted):
        pass


async def _begin(rails: Rails, tenant: UUID, wanted: UUID) -> bool:
    """Count a try: a batch that fails each time must not be tried for ever."""
    async with rails.db.tenant(tenant) as tx:
        status = await tx.value(_sql.begin, id=wanted, tries=TRIES)
        if status == "FAILED":
            await tx.none(_sql.forget, id=wanted)
    return bool(status == "RUNNING")


async def _batch(rails: Rails, tenant: UUID, wanted: UUID) -> bool:
    """Work the next lines; whether there may be more."""
    async with rails.db.tenant(tenant) as tx:
        row = await tx.maybe(_sql.hold, ImportRow, id=wanted)
        if row is None:
            return False
        lines = await tx.many(_sql.take, LineRow, id=wanted, max=BATCH)
        counts, wrong = await _taken(tx, row, lines)
        if wrong:
            await tx.none(_sql.note, id=wanted, errors=wrong)
        more = len(lines) == BATCH
        if not more:
            await tx.none(_sql.forget, id=wanted)
        after = await tx.one(
            _sql.progress, ProgressRow, id=wanted, more=more, **{name: counts[name] for name in COUNTED}
        )
        await rails.feed.append(tx, [Event("import:progress", None, shown(after))] if after.told else [])
    return more


async def _taken(tx: Tx, row: ImportRow, lines: Sequence[LineRow]) -> tuple[Counter[str], list[ErrorRow]]:
    """Make or change the people these lines speak of: how many of each of COUNTED, and what was wrong."""
    table = cells.Table(row.columns, row.headings, {each.key: each for each in await declared(tx)})
    found = await asyncio.to_thread(lambda: [cells.said(line, table) for line in lines])
    wrong = [error for one in found if isinstance(one, list) for error in one]
    good = [(line.line, one) for line, one in zip(lines, found, strict=True) if isinstance(one, Said)]
    counts = Counter(failed=len(lines) - len(good))
    if good:
        firsts, repeats = await _met(tx, row.id, good)
        for kept in await _learn(tx, firsts, first=True):
            counts["created" if kept.created else "updated" if kept.changed else "unchanged"] += 1
        for named, kept in zip(repeats, await _learn(tx, repeats, first=False), strict=True):
            counts["failed" if kept.changed else "unchanged"] += 1
            wrong += [cells.repeated(table, named.line, named.first)] if kept.changed else []
    return counts, wrong


async def _met(tx: Tx, wanted: UUID, good: Sequence[tuple[int, Said]]) -> tuple[list[Named], list[Named]]:
    """Whom the lines name, held: the lines that are the first of the file to name theirs, and the others."""
    await contacts.hold(tx)
    people = await contacts.seen(tx, [Person(phone=one.phone) for _, one in good])
    await tx.none(_sql.lock, ids=people)
    lines = [line for line, _ in good]
    met = await tx.many(_sql.meet, MetRow, id=wanted, contacts=people, lines=lines)
    first = {row.contact_id: row.line for row in met}
    named = [Named(who, line, first[who], one) for who, (line, one) in zip(people, good, strict=True)]
    return [one for one in named if one.line == one.first], [one for one in named if one.line != one.first]


async def _learn(tx: Tx, named: Sequence[Named], *, first: bool) -> list[KeptRow]:
    """What the lines say of their people; written only if they are the first to name them."""
    if not named:
        return []
    ids = [one.contact for one in named]
    return await tx.many(_sql.learn, KeptRow, ids=ids, lines=[one.said for one in named], first=first)
