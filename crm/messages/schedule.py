"""Messages for later: a row with its time, queued when the time has come."""

from datetime import UTC, datetime
from uuid import UUID

import msgspec

from crm import conversations
from crm.core import meta, sql
from crm.core.access import ATTENDANT
from crm.core.errors import Conflict, NotFound, Problem, WindowClosed, invalid
from crm.core.feed import Event
from crm.core.fields import Moment, ahead, zoned
from crm.core.http import Call, Door
from crm.core.meta_errors import OPTED_OUT
from crm.core.page import FIRST, Page, PageQuery, read_cursor, turned
from crm.core.tx import Tx
from crm.messages.kinds import Content
from crm.messages.sends import BLOCKED
from crm.messages.shapes import (
    DueRow,
    MessageOut,
    MessageRow,
    StandingRow,
    changed,
    latest,
    shown,
    updated,
)

_sql = sql.load("sends")

_BATCH = 200  # scheduled messages queued in one transaction
_START = datetime.fromtimestamp(0, UTC), UUID(int=0)
# Why what is due may no longer go: by the template's status, or else. The title is for English readers, the detail
# for Portuguese ones; more of each code is at GET /api/meta-errors.
_REASONS = {
    "SUSPENDED": meta.told(
        None, "The hotel was suspended when the message was due", "No horário marcado o hotel estava suspenso."
    ),
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
    if at is not None:
        ahead(at, "/sendAt")


async def due_tenants(tx: Tx) -> list[DueRow]:
    """Who has something whose time has come; run as the system's role."""
    return await tx.many(_sql.due_tenants, DueRow)


async def fall_due(tx: Tx) -> tuple[list[UUID], list[Event]]:
    """Queue what is due; the lanes to wake, and the events. What may no longer go has FAILED, with the reason.

    The caller holds the tenant's door: closed conversations are opened, and many are touched.
    """
    rows = await tx.many(_sql.fall_due, MessageRow, reasons=_REASONS, max=_BATCH)
    rows.sort(key=lambda row: (row.conversation_id, row.created_at))
    newest = {row.conversation_id: latest(row) for row in rows if row.status == "QUEUED"}
    back = await conversations.bring_back(tx, list(newest))
    touched, _ = await conversations.touch(tx, list(newest.values()))
    events = [changed(row) for row in rows]
    events += [Event("conversation:updated", key, {"conversation": shown}) for key, shown in touched.items()]
    return list(newest), [*events, *back]


async def move(tx: Tx, message: UUID, at: datetime) -> list[Event]:
    """Send a scheduled message at another time; nothing when it waits no more."""
    row = await tx.maybe(_sql.move, MessageRow, id=message, at=at)
    return [updated(row)] if row else []


async def call_off(tx: Tx, message: UUID) -> list[Event]:
    """Do not send a scheduled message; nothing when it waits no more."""
    row = await tx.maybe(_sql.cancel, MessageRow, id=message)
    return [changed(row)] if row else []


class ScheduledQuery(PageQuery, frozen=True, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """Which page of what is to be sent from a moment (included) to another (not included)."""

    since: Moment | None = msgspec.field(default=None, name="from")
    to: Moment | None = None


class Reschedule(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Another time, another text, or both."""

    send_at: Moment | None = None
    content: Content | None = None


def too_late() -> WindowClosed:
    """The window will be closed at the time it is to be sent."""
    return WindowClosed(
        "Em sendAt a janela de 24 horas estará fechada: depois de windowExpiresAt só um modelo pode ser enviado.",
        "At sendAt the 24-hour window will be closed: after windowExpiresAt only a template can be sent.",
    )


async def page(call: Call) -> Page[MessageOut]:
    """What is to be sent later, the next first. Raises ValidationFailed."""
    query: ScheduledQuery = call.query
    stretch = {"since": zoned(query.since, "/from") or _START[0], "until": zoned(query.to, "/to") or FIRST}
    after, after_id = read_cursor(query.cursor) if query.cursor else _START
    place = {"after": after, "after_id": after_id, "skip": query.skip, "max": query.limit + 1}
    rows = await call.tx.many(_sql.scheduled, MessageRow, **stretch, **place)
    total = None if query.cursor else await call.tx.value(_sql.scheduled_total, **stretch)
    return turned(query, rows, total, shown, lambda row: (row.send_at or row.created_at, row.id))


async def patch(call: Call) -> MessageOut:
    """Change what still waits. Raises NotFound, Conflict, WindowClosed, ValidationFailed."""
    change: Reschedule = call.body
    check(change.send_at)
    given = {"send_at": change.send_at, "content": change.content}
    row = await call.tx.maybe(_sql.reschedule, MessageRow, id=call.id(), **given)
    if row is None:
        raise await _refusal(call.tx, call.id(), change)
    await call.rails.feed.append(call.tx, [updated(row)])
    return shown(row)


async def _refusal(tx: Tx, message: UUID, change: Reschedule) -> Problem:
    """Why nothing changed. Raises NotFound."""
    standing = await tx.maybe(_sql.standing, StandingRow, id=message)
    if standing is None or standing.direction == "INBOUND":
        raise NotFound
    if standing.status != "SCHEDULED":
        now = standing.status
        return Conflict(f"Não é possível: a mensagem está {now}.", f"Not possible: the message is {now}.")
    if change.content is not None and standing.type != "text":
        return invalid("/content", "só o texto de uma mensagem `text` muda", "only the text of a `text` can change")
    if standing.type == "template":
        return invalid(
            "/sendAt", "a oferta deste modelo já terá acabado", "the offer of this template will have ended"
        )
    return too_late()


routes = [
    Door(
        method="GET",
        path="/api/messages/scheduled",
        handler=page,
        role=ATTENDANT,
        query=ScheduledQuery,
        answer=Page[MessageOut],
    ),
    Door(
        method="PATCH",
        path="/api/messages/{id}",
        handler=patch,
        role=ATTENDANT,
        body=Reschedule,
        answer=MessageOut,
    ),
]
