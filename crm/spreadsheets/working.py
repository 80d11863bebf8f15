"""An import, from the file to the contacts: its lines are kept first, then worked in batches.

A batch is one transaction, locks the import's row and takes its lines by deleting them: whoever dies in it has
taken nothing, and the next goes on where it was. A person is known again by phone: so the same file
twice changes nothing.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from uuid import UUID

from crm import contacts
from crm.contacts import Person
from crm.contacts.attributes import declared
from crm.core import sql
from crm.core.db import Tx
from crm.core.feed import Event
from crm.core.rails import Rails
from crm.spreadsheets import cells
from crm.spreadsheets.cells import Said
from crm.spreadsheets.reading import Sheet
from crm.spreadsheets.shapes import ImportRow, KeptRow, LineRow, ProgressRow, RunningRow, shown

_sql = sql.load("spreadsheets")

KEEP = 1_000  # lines kept by one statement
BATCH = 250  # lines worked in one transaction, which holds the tenant's door: about 0.1 s
TRIES = 10  # of one batch, before the import is given up


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
    return bool(status == "RUNNING")


async def _batch(rails: Rails, tenant: UUID, wanted: UUID) -> bool:
    """Work the next lines; whether there may be more."""
    async with rails.db.tenant(tenant) as tx:
        row = await tx.maybe(_sql.hold, ImportRow, id=wanted)
        if row is None:
            return False
        lines = await tx.many(_sql.take, LineRow, id=wanted, max=BATCH)
        own = {each.key: each for each in await declared(tx)}
        table = cells.Table(row.columns, row.headings, own)
        found = await asyncio.to_thread(lambda: [cells.said(line, table) for line in lines])
        good = [one for one in found if isinstance(one, Said)]
        wrong = [error for one in found if not isinstance(one, Said) for error in one]
        if wrong:
            await tx.none(_sql.note, id=wanted, errors=wrong)
        counts = await _know(tx, good)
        more = len(lines) == BATCH
        after = await tx.one(
            _sql.progress, ProgressRow, id=wanted, failed=len(lines) - len(good), more=more, **counts
        )
        await rails.feed.append(tx, [Event("import:progress", None, shown(after))] if after.told else [])
    return more


async def _know(tx: Tx, good: Sequence[Said]) -> dict[str, int]:
    """Make or change the people these lines speak of, in the order of the lines; how many of each."""
    counts = {"created": 0, "updated": 0, "unchanged": 0}
    if not good:
        return counts
    await contacts.hold(tx)
    met = await contacts.seen(tx, [Person(phone=one.phone) for one in good])
    known: set[UUID] = set()
    for turn in _turns(list(zip(met, good, strict=True))):
        for row in await tx.many(_sql.learn, KeptRow, **_told(turn)):
            made = row.created and row.id not in known
            counts["created" if made else "updated" if row.changed else "unchanged"] += 1
        known |= turn.keys()
    return counts


def _turns(pairs: list[tuple[UUID, Said]]) -> list[Mapping[UUID, Said]]:
    """The lines in as few turns as have each person at most once: of two lines on one person the later is right."""
    turns: list[dict[UUID, Said]] = []
    seen: dict[UUID, int] = {}
    for contact, one in pairs:
        turn = seen[contact] = seen.get(contact, -1) + 1
        if turn == len(turns):
            turns.append({})
        turns[turn][contact] = one
    return list(turns)


def _told(turn: Mapping[UUID, Said]) -> dict[str, object]:
    """In the order in which everybody locks contacts."""
    ids = sorted(turn)
    return {"ids": ids, "lines": [turn[contact] for contact in ids]}
