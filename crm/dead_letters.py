"""What could not be worked: kept whole with its error until a person has it tried again, or discards it."""

import hashlib
import logging
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec

from crm import audit
from crm.core import metrics, sql
from crm.core.access import TENANT_ADMIN
from crm.core.db import PLATFORM
from crm.core.errors import Conflict, NotFound
from crm.core.http import Call, Door
from crm.core.page import Page, PageQuery, Stamp, maybe_stamp, stamp, turned
from crm.core.tx import Tx

log = logging.getLogger(__name__)
_sql = sql.load("dead_letters")

Status = Literal["WAITING", "RETRIED", "DISCARDED"]
EVENT, MESSAGE, STATUS, SEND = "inbound.event", "inbound.message", "inbound.status", "outbound.message"


class LetterRow(msgspec.Struct, frozen=True):
    """A letter as stored. `about` names the thing: a wamid, our message's id, or a raw event's."""

    tenant_id: UUID
    id: UUID
    kind: str
    about: str
    item: dict[str, Any]
    error: str
    attempts: int
    status: Status
    created_at: datetime
    last_at: datetime
    ended_at: datetime | None
    ended_by: UUID | None


class LetterOut(msgspec.Struct, frozen=True, rename="camel"):
    """A letter as it is shown; the platform is not shown what it says (`item` null)."""

    id: UUID
    tenant_id: UUID | None
    kind: str
    about: str
    item: dict[str, Any] | None
    error: str
    attempts: int
    status: Status
    first_at: Stamp
    last_at: Stamp
    ended_at: Stamp | None
    ended_by: UUID | None


class LetterQuery(PageQuery, frozen=True, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """Which letters: those that wait for somebody, unless said otherwise."""

    status: Status = "WAITING"


class WaitingLettersRow(msgspec.Struct, frozen=True):
    """How many letters of a tenant wait."""

    slug: str
    rows: int


def name_of(*parts: object) -> str:
    """A name for a thing out of what tells it apart; a long one (an id may have any length) by its digest."""
    text = ":".join(str(part) for part in parts)
    return text if len(text) <= 200 and text.isprintable() else digest_of(text)


def digest_of(thing: object) -> str:
    """The name of a thing that has none: names are logged, so nothing of what it says may stand in it."""
    return hashlib.sha256(str(thing).encode(errors="backslashreplace")).hexdigest()


async def bury(tx: Tx, tenant: UUID | None, kind: str, about: str, item: dict[str, Any], error: str) -> None:
    """Keep it; buried before, it gets one more try on its row. Without a tenant it is the platform's."""
    metrics.buried.labels(kind).inc()
    log.error("dead letter", extra={"tenantId": str(tenant), "kind": kind, "about": about, "error": error[:80]})
    await tx.none(_sql.bury, tenant=tenant or PLATFORM, kind=kind, about=about, item=item, error=error[:500])


async def hold(tx: Tx, letter: UUID) -> LetterRow:
    """The letter, held until the commit. Raises NotFound, Conflict when it has ended."""
    row = await tx.maybe(_sql.hold, LetterRow, id=letter)
    if row is None:
        raise NotFound
    if row.status != "WAITING":
        raise _ended(row)
    return row


async def end(call: Call, tx: Tx, letter: UUID, status: Status) -> LetterOut:
    """End a letter that waits, with a line in its tenant's log. Raises NotFound, Conflict when it has ended."""
    row = await tx.maybe(_sql.end, LetterRow, id=letter, status=status, by=call.who.user)
    if row is None:
        raise _ended(await hold(tx, letter))
    await audit.note(call, tx, f"dead_letter.{status.lower()}", letter, kind=row.kind, about=row.about)
    return shown(row)


def _ended(row: LetterRow) -> Conflict:
    return Conflict(f"Já está {row.status}.", f"It is {row.status} already.", existingId=str(row.id))


async def end_about(tx: Tx, kind: str, about: str, by: UUID | None) -> None:
    """End the letter of a thing that was put back by another door, when there is one."""
    await tx.none(_sql.end_about, kind=kind, about=about, by=by)


async def page(call: Call) -> Page[LetterOut]:
    """The hotel's letters, newest first."""
    query: LetterQuery = call.query
    before, before_id = query.start
    rows = await call.tx.many(
        _sql.page,
        LetterRow,
        status=query.status,
        before=before,
        before_id=before_id,
        skip=query.skip,
        max=query.limit + 1,
    )
    total = None if query.cursor else await call.tx.value(_sql.total, status=query.status)
    return turned(query, rows, total, shown, lambda row: (row.created_at, row.id))


def shown(row: LetterRow, whole: bool = True) -> LetterOut:
    """The row as it is shown."""
    return LetterOut(
        row.id,
        None if row.tenant_id == PLATFORM else row.tenant_id,
        row.kind,
        row.about,
        row.item if whole else None,
        row.error,
        row.attempts,
        row.status,
        stamp(row.created_at),
        stamp(row.last_at),
        maybe_stamp(row.ended_at),
        row.ended_by,
    )


async def discard(call: Call) -> LetterOut:
    """It is of no use to anybody: it waits no more. Raises NotFound, Conflict."""
    return await end(call, call.tx, call.id(), "DISCARDED")


routes = [
    Door(
        method="GET",
        path="/api/dead-letters",
        handler=page,
        role=TENANT_ADMIN,
        query=LetterQuery,
        answer=Page[LetterOut],
    ),
    Door(
        method="POST",
        path="/api/dead-letters/{id}/discard",
        handler=discard,
        role=TENANT_ADMIN,
        answer=LetterOut,
    ),
]
