"""The doors of spreadsheets: take a file of contacts, tell how far it is and what was wrong, give contacts out."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import msgspec
from starlette.datastructures import UploadFile
from starlette.responses import Response, StreamingResponse

from crm import audit
from crm.contacts.attributes import declared
from crm.core import form, http, sql
from crm.core.access import ATTENDANT, TENANT_ADMIN
from crm.core.edge import prefers_english
from crm.core.errors import NotFound
from crm.core.http import Call, Door, Raw
from crm.core.page import COUNTED, Page, PageQuery, turned
from crm.core.tx import Tx
from crm.media import gate, names
from crm.spreadsheets import headings, working, writing
from crm.spreadsheets.reading import Sheet
from crm.spreadsheets.shapes import SHOWN, ErrorRow, ImportOut, ImportRow, shown
from crm.spreadsheets.writing import ExportQuery

_sql = sql.load("spreadsheets")

LARGEST = 100 * 1024 * 1024  # bytes of a file: about a million people
_ALONE = "text/csv"
AT_ONCE = 1_000  # lines that are worked before the answer


async def take(call: Call) -> Response:
    """Take a file of contacts: a short one is worked at once (201), a long one by the worker (202).

    Raises MalformedBody, ValidationFailed (no phones, quotes that do not close), PayloadTooLarge,
    UnsupportedMediaType, BodyTooSlow, RateLimited.
    """
    async with call.opened():  # a token outlives its session: who may not come in uploads nothing
        pass
    with gate.taken(call.place):
        file = await form.file_of(call.request, LARGEST, _ALONE)
        try:
            wanted, lines = await _kept(call, file)
        finally:
            await file.close()
    if lines <= AT_ONCE:
        await working.work(call.rails, call.place, wanted)
    async with call.opened() as tx:
        answer = await _shown(call, tx, wanted)
    return http.json_response(msgspec.json.encode(answer), 202 if answer.status == "RUNNING" else 201)


async def _kept(call: Call, file: UploadFile) -> tuple[UUID, int]:
    """Keep the lines of a file, all or none; the import and how many."""
    sheet = await asyncio.to_thread(Sheet, file.file)
    async with call.opened() as tx:
        columns = headings.meant(sheet.headings, {row.key: row.label for row in await declared(tx)})
        wanted = await tx.value(
            _sql.begin_import,
            by_user=call.who.user if call.who.home == call.place else None,
            filename=names.clean(file.filename),
            columns=columns,
            headings=sheet.headings,
        )
        lines = await working.keep(tx, wanted, sheet)
        await audit.note(call, tx, "contacts.imported", wanted, lines=lines)
    return wanted, lines


async def get(call: Call) -> ImportOut:
    """An import, how far it is, and its first 1,000 errors. Raises NotFound."""
    return await _shown(call, call.tx, call.id())


async def _shown(call: Call, tx: Tx, wanted: UUID) -> ImportOut:
    row = await tx.maybe(_sql.get, ImportRow, id=wanted)
    if row is None:
        raise NotFound
    errors = await tx.many(_sql.errors, ErrorRow, id=wanted, line=0, place=-1, max=SHOWN)
    return shown(row, errors, _english(call))


def _english(call: Call) -> bool:
    return prefers_english(call.request.headers.get("accept-language", ""))


async def page(call: Call) -> Page[ImportOut]:
    """Imports, newest first. Their total counts up to 10,000."""
    query: PageQuery = call.query
    before, before_id = query.start
    rows = await call.tx.many(
        _sql.page, ImportRow, before=before, before_id=before_id, skip=query.skip, max=query.limit + 1
    )
    total = None if query.cursor else await call.tx.value(_sql.total, most=COUNTED)
    return turned(query, rows, total, shown, lambda row: (row.created_at, row.id))


async def errors(call: Call) -> Response:
    """All that was wrong in a file, as CSV. Raises NotFound."""
    wanted = call.id()
    async with call.opened() as tx:
        if await tx.maybe(_sql.get, ImportRow, id=wanted) is None:
            raise NotFound
    return _csv(writing.errors(call, wanted, _english(call)), "erros.csv")


async def export(call: Call) -> Response:
    """All contacts, as a file that the import takes again."""
    async with call.opened() as tx:
        await audit.note(call, tx, "contacts.exported")
    return _csv(writing.contacts(call, call.query.excel), "contatos.csv")


def _csv(pieces: AsyncIterator[str], filename: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{filename}"', "Cache-Control": "no-store"}
    return StreamingResponse(pieces, headers=headers, media_type="text/csv; charset=utf-8")


_CSV = Raw((_ALONE,))
routes = [
    Door(
        method="POST",
        path="/api/contacts/import",
        handler=take,
        role=ATTENDANT,
        form=True,
        bare=_ALONE,
        own_tx=True,
        answer=ImportOut,
        status=202,
        also=((201, ImportOut),),
    ),
    Door(
        method="GET",
        path="/api/contacts/imports",
        handler=page,
        role=ATTENDANT,
        query=PageQuery,
        answer=Page[ImportOut],
    ),
    Door(method="GET", path="/api/contacts/imports/{id}", handler=get, role=ATTENDANT, answer=ImportOut),
    Door(
        method="GET",
        path="/api/contacts/imports/{id}/errors.csv",
        handler=errors,
        role=ATTENDANT,
        answer=_CSV,
        own_tx=True,
    ),
    Door(
        method="GET",
        path="/api/contacts/export.csv",
        handler=export,
        role=TENANT_ADMIN,
        query=ExportQuery,
        answer=_CSV,
        own_tx=True,
    ),
]
