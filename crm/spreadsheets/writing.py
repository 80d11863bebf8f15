"""CSV as it is given out: a thousand rows at a time, each piece read in a transaction of its own."""

import csv
import io
from collections.abc import AsyncIterator, Iterable, Sequence
from uuid import UUID

import msgspec

from crm.contacts.attributes import declared, free
from crm.core import sql
from crm.core.http import Call
from crm.spreadsheets import values
from crm.spreadsheets.cells import guarded, tags_cell
from crm.spreadsheets.headings import COLUMNS, plain
from crm.spreadsheets.shapes import ErrorRow, SheetRow

_sql = sql.load("spreadsheets")

ROWS = 1_000  # of one piece
# What only goes out, so that nobody writes to whoever wants nothing; an import leaves these columns aside.
TOLD = ("language", "blocked", "marketing_opt_out")


class ExportQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`excel`: as a Brazilian Excel opens it, with semicolons and the mark of UTF-8."""

    excel: bool = False


async def contacts(call: Call, excel: bool = False) -> AsyncIterator[str]:
    """Every contact, the oldest first, in the columns that an import takes, and behind them what only goes out.

    A column of these that an attribute of the hotel is called by is the attribute's alone: an import must know it.
    """
    separator, start = (";", "\ufeff") if excel else (",", "")
    async with call.opened() as tx:
        own = await declared(tx)
        keys = [row.key for row in own] or await free(tx)
    told = _told([*keys, *(row.label for row in own)])
    yield start + _lines([[*COLUMNS, *keys, *told]], separator)
    after = UUID(int=0)
    while True:
        async with call.opened() as tx:
            rows = await tx.many(_sql.after, SheetRow, after=after, max=ROWS)
        yield _lines((_cells(row, keys, told) for row in rows), separator)
        if len(rows) < ROWS:
            return
        after = rows[-1].id


def _told(own: Iterable[str]) -> list[str]:
    taken = {plain(word) for word in own}
    return [column for column in TOLD if plain(column) not in taken]


def _cells(row: SheetRow, keys: Sequence[str], told: Sequence[str]) -> list[str]:
    own = [values.write(row.attributes.get(key)) for key in keys]
    more = [values.write(getattr(row, column)) for column in told]
    return [row.name or "", row.phone or "", row.email or "", tags_cell(row.tags), *own, *more]


async def errors(call: Call, wanted: UUID, english: bool) -> AsyncIterator[str]:
    """Every error of an import, in the order of the file."""
    yield _lines([("line", "column", "message") if english else ("linha", "coluna", "mensagem")])
    line, place = 0, -1
    while True:
        async with call.opened() as tx:
            rows = await tx.many(_sql.errors, ErrorRow, id=wanted, line=line, place=place, max=ROWS)
        yield _lines([str(row.line), row.heading, row.en if english else row.pt] for row in rows)
        if len(rows) < ROWS:
            return
        line, place = rows[-1].line, rows[-1].place


def _lines(rows: Iterable[Sequence[str]], separator: str = ",") -> str:
    """Rows as CSV (RFC 4180), safe from formulas."""
    out = io.StringIO()
    csv.writer(out, delimiter=separator).writerows([guarded(cell) for cell in row] for row in rows)
    return out.getvalue()
