"""Messages for later: a row with its time, queued when the time has come."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from crm import conversations
from crm.core import meta, sql
from crm.core.access import ATTENDANT
from crm.core.db import Tx
from crm.core.errors import invalid
from crm.core.feed import Event
from crm.core.http import Call, Door
from crm.core.meta_errors import OPTED_OUT
from crm.core.page import Page, PageQuery, read_cursor, turned
from crm.messages.sends import BLOCKED
from crm.messages.shapes import DueRow, MessageOut, MessageRow, changed, latest, shown, updated

_sql = sql.load("sends")

_BATCH = 200  # scheduled messages queued in one transaction
_FARTHEST = timedelta(days=366)
_START = datetime.fromtimestamp(0, UTC), UUID(int=0)
# Why what is due may no longer go: by the template's status, or else. The title is for English readers, the detail
# for Portuguese ones; more of each code is at GET /api/meta-errors.
_REASONS = {
    "BLOCKED": BLOCKED,
    "CLOSED": meta.told(131047, "The 24-hour window closed before the message was due", ""),
    "PAUSED": meta.told(132015, "When the message was due its template was paused for low quality", ""),
    "DISABLED": meta.told(132016, "When the message was due its template was disabled for low quality", ""),
    "UNAPPROVED": meta.told(
        132001,
        "When the message was due its template was deleted or no longer approved",
        "No horário marcado o modelo já não existia ou já não estava aprovado.",
    ),
    "OPTED_OUT": meta.told(
        OPTED_OUT,
        "When the message was due the customer no longer wanted marketing messages",
        "No horário marcado o cliente já não queria receber mensagens de marketing.",
    ),
}


def check(at: datetime | None) -> None:
    """A time to send at lies ahead, within a year. Raises ValidationFailed."""
    if at is None:
        return
    if at.tzinfo is None:
        raise invalid("/sendAt", "falta o fuso horário (RFC 3339)", "the offset is missing (RFC 3339)")
    if not datetime.now(UTC) < at < datetime.now(UTC) + _FARTHEST:
        raise invalid("/sendAt", "deve estar no futuro, em até um ano", "must lie ahead, within a year")


async def due_tenants(tx: Tx) -> list[DueRow]:
    """Who has something whose time has come; run as the system's role."""
    return await tx.many(_sql.due_tenants, DueRow)


async def fall_due(tx: Tx) -> tuple[list[UUID], list[Event]]:
    """Queue what is due; the lanes to wake, and the events. What may no longer go has FAILED, with the reason."""
    rows = await tx.many(_sql.fall_due, MessageRow, reasons=_REASONS, max=_BATCH)
    rows.sort(key=lambda row: (row.conversation_id, row.created_at))
    newest = {row.conversation_id: latest(row) for row in rows if row.status == "QUEUED"}
    await conversations.bring_back(tx, list(newest))
    touched = await conversations.touch(tx, list(newest.values())) if newest else {}
    events = [changed(row) for row in rows]
    events += [Event("conversation:updated", key, {"conversation": shown}) for key, shown in touched.items()]
    return list(newest), events


async def move(tx: Tx, message: UUID, at: datetime) -> list[Event]:
    """Send a scheduled message at another time; nothing when it waits no more."""
    row = await tx.maybe(_sql.move, MessageRow, id=message, at=at)
    return [updated(row)] if row else []


async def call_off(tx: Tx, message: UUID) -> list[Event]:
    """Do not send a scheduled message; nothing when it waits no more."""
    row = await tx.maybe(_sql.cancel, MessageRow, id=message)
    return [changed(row)] if row else []


async def page(call: Call) -> Page[MessageOut]:
    """What is to be sent later, the next first."""
    query: PageQuery = call.query
    after, after_id = read_cursor(query.cursor) if query.cursor else _START
    rows = await call.tx.many(
        _sql.scheduled, MessageRow, after=after, after_id=after_id, skip=query.skip, max=query.limit + 1
    )
    total = None if query.cursor else await call.tx.value(_sql.scheduled_total)
    return turned(query, rows, total, shown, lambda row: (row.send_at or row.created_at, row.id))


routes = [
    Door(
        method="GET",
        path="/api/messages/scheduled",
        handler=page,
        role=ATTENDANT,
        query=PageQuery,
        answer=Page[MessageOut],
    ),
]
