"""Talks with contacts: the list with its filters and kept totals, reading, assigning."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec

from crm import audit
from crm.core import page as paging
from crm.core import sql
from crm.core.access import ATTENDANT
from crm.core.db import Tx
from crm.core.errors import NotFound, invalid
from crm.core.feed import Event
from crm.core.http import Call, Door
from crm.core.page import Page, PageQuery, maybe_stamp, stamp

_sql = sql.load("conversations")
Status = Literal["OPEN", "PENDING", "CLOSED"]


class ConversationRow(msgspec.Struct, frozen=True):
    """A conversation with its contact's and assignee's names, as the list needs it."""

    id: UUID
    status: Status
    archived: bool
    contact_id: UUID
    contact_name: str | None
    contact_phone: str | None
    contact_wa_id: str | None
    channel_id: UUID
    assigned_to: UUID | None
    assigned_name: str | None
    tags: list[str]
    unread_count: int
    last_message_id: UUID | None
    last_message_direction: str | None
    last_message_type: str | None
    last_message_preview: str | None
    last_message_status: str | None
    last_message_at: datetime
    window_expires_at: datetime | None
    created_at: datetime


class ListedRow(ConversationRow, frozen=True):
    """A conversation of the list, with how many there are in all, when that was asked."""

    total: int


class PlaceRow(msgspec.Struct, frozen=True):
    """The open conversation of a contact over a channel."""

    id: UUID
    contact_id: UUID
    channel_id: UUID


class ContactOut(msgspec.Struct, frozen=True, rename="camel"):
    """Whom the conversation is with."""

    id: UUID
    name: str | None
    phone: str | None
    wa_id: str | None


class PersonOut(msgspec.Struct, frozen=True):
    """Who has the conversation."""

    id: UUID
    name: str | None


class LastMessageOut(msgspec.Struct, frozen=True, rename="camel"):
    """What the list shows under the name."""

    id: UUID
    direction: str | None
    type: str | None
    preview: str | None
    status: str | None
    created_at: str


class ConversationOut(msgspec.Struct, frozen=True, rename="camel"):
    """A conversation as the contract shows it."""

    id: UUID
    status: Status
    archived: bool
    contact: ContactOut
    channel_id: UUID
    assigned_to: PersonOut | None
    tags: list[str]
    unread_count: int
    last_message: LastMessageOut | None
    last_message_at: str
    window_expires_at: str | None
    created_at: str


class ConversationList(PageQuery, frozen=True, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """Filters of the list."""

    status: Status | None = None
    assigned_to: Annotated[str, msgspec.Meta(pattern=r"^(me|none|[0-9a-fA-F-]{36})$")] | None = None
    unread: bool = False
    channel_id: UUID | None = None
    archived: bool = False


class Assign(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Who shall have it; null for nobody."""

    user_id: UUID | None


class Latest(msgspec.Struct, frozen=True):
    """The newest message of a conversation and how many unread ones came with it."""

    conversation_id: UUID
    message_id: UUID
    direction: str
    type: str
    preview: str
    status: str
    at: datetime
    unread: int = 0
    window_expires_at: datetime | None = None


def shown(row: ConversationRow) -> ConversationOut:
    """The row as the contract writes it."""
    phone = row.contact_phone or (f"+{row.contact_wa_id}" if row.contact_wa_id else None)
    at = stamp(row.last_message_at)
    last = None
    if row.last_message_id is not None:
        last = LastMessageOut(
            row.last_message_id,
            row.last_message_direction,
            row.last_message_type,
            row.last_message_preview,
            row.last_message_status,
            at,
        )
    return ConversationOut(
        row.id,
        row.status,
        row.archived,
        ContactOut(row.contact_id, row.contact_name, phone, row.contact_wa_id),
        row.channel_id,
        None if row.assigned_to is None else PersonOut(row.assigned_to, row.assigned_name),
        row.tags,
        row.unread_count,
        last,
        at,
        maybe_stamp(row.window_expires_at),
        stamp(row.created_at),
    )


async def opened(tx: Tx, pairs: list[tuple[UUID, UUID]]) -> dict[tuple[UUID, UUID], UUID]:
    """The open conversation of each (contact, channel), made where there is none."""
    found = await _open(tx, _sql.open_of, pairs)
    missing = [pair for pair in pairs if pair not in found]
    if missing:
        found |= await _open(tx, _sql.open_new, sorted(set(missing)))
    return found


async def _open(tx: Tx, query: sql.Query, pairs: list[tuple[UUID, UUID]]) -> dict[tuple[UUID, UUID], UUID]:
    contacts, channels = [contact for contact, _ in pairs], [channel for _, channel in pairs]
    rows = await tx.many(query, PlaceRow, contacts=contacts, channels=channels)
    return {(row.contact_id, row.channel_id): row.id for row in rows}


async def touch(tx: Tx, latest: list[Latest]) -> dict[UUID, ConversationOut]:
    """Note the newest message of each conversation (an older one never replaces a newer), and show them."""
    rows = await tx.many(
        _sql.touch,
        ConversationRow,
        ids=[item.conversation_id for item in latest],
        messages=[item.message_id for item in latest],
        directions=[item.direction for item in latest],
        types=[item.type for item in latest],
        previews=[item.preview for item in latest],
        statuses=[item.status for item in latest],
        ats=[item.at for item in latest],
        unreads=[item.unread for item in latest],
        windows=[item.window_expires_at for item in latest],
    )
    return {row.id: shown(row) for row in rows}


async def page(call: Call) -> Page[ConversationOut]:
    """The list: newest message first."""
    query: ConversationList = call.query
    before, before_id = query.start
    filters = _filters(call)
    counted = query.cursor is None
    place = {"before": before, "before_id": before_id, "archived": query.archived, "max": query.limit + 1}
    if query.skip or any(value is not None for value in filters.values()):
        await call.tx.plan_anew()
        rows = await call.tx.many(
            _sql.page_filtered, ListedRow, **place, counted=counted, skip=query.skip, **filters
        )
    else:
        rows = await call.tx.many(_sql.page, ListedRow, **place, counted=counted)
    total = rows[0].total if rows else await call.tx.value(_sql.total, archived=query.archived, **filters)
    items = rows[: query.limit]
    last = (items[-1].last_message_at, items[-1].id) if len(rows) > query.limit else None
    return paging.paged(query, [shown(row) for row in items], total if counted else None, last)


def _filters(call: Call) -> dict[str, Any]:
    """The filters as the queries take them: None means any."""
    query: ConversationList = call.query
    assigned: UUID | None = None
    if query.assigned_to == "me":
        assigned = call.who.user
    elif query.assigned_to not in (None, "none"):
        assigned = _uuid(query.assigned_to)
    return {
        "status": query.status,
        "assigned_to": assigned,
        "unassigned": True if query.assigned_to == "none" else None,
        "unread": True if query.unread else None,
        "channel_id": query.channel_id,
    }


def _uuid(text: str | None) -> UUID:
    try:
        return UUID(text)
    except (ValueError, TypeError) as error:
        raise invalid("/assignedTo", "use me, none ou o id de uma pessoa", "use me, none or a user's id") from error


async def get(call: Call) -> ConversationOut:
    """One conversation. Raises NotFound."""
    return shown(await found(call.tx, call.id()))


async def found(tx: Tx, conversation: UUID) -> ConversationRow:
    """The conversation that must be there. Raises NotFound."""
    row = await tx.maybe(_sql.get, ConversationRow, id=conversation)
    if row is None:
        raise NotFound
    return row


async def read(call: Call) -> ConversationOut:
    """Nothing is unread any more. Raises NotFound."""
    return await _changed(call, _sql.read)


async def unread(call: Call) -> ConversationOut:
    """Mark as unread, to come back to it. Raises NotFound."""
    return await _changed(call, _sql.unread)


async def assign(call: Call) -> ConversationOut:
    """Give it to a person of the hotel, or to nobody. Raises NotFound, ValidationFailed."""
    user = call.body.user_id
    if user is not None and not await call.tx.value(_sql.is_active, assignee=user):
        raise invalid("/userId", "pessoa inexistente ou inativa", "no such active user")
    answer = await _changed(call, _sql.assign, assignee=user)
    await audit.note(call, call.tx, "conversation.assigned", answer.id, userId=user and str(user))
    return answer


async def _changed(call: Call, query: sql.Query, **params: Any) -> ConversationOut:
    """Run a change of one conversation and tell everybody. Raises NotFound."""
    if not await call.tx.count(query, id=call.id(), **params):
        raise NotFound
    answer = shown(await found(call.tx, call.id()))
    event = Event("conversation:updated", answer.id, {"conversation": answer})
    await call.rails.feed.append(call.tx, [event])
    return answer


routes = [
    Door(
        method="GET",
        path="/api/conversations",
        handler=page,
        role=ATTENDANT,
        query=ConversationList,
        answer=Page[ConversationOut],
    ),
    Door(method="GET", path="/api/conversations/{id}", handler=get, role=ATTENDANT, answer=ConversationOut),
    Door(
        method="POST",
        path="/api/conversations/{id}/read",
        handler=read,
        role=ATTENDANT,
        answer=ConversationOut,
    ),
    Door(
        method="POST",
        path="/api/conversations/{id}/unread",
        handler=unread,
        role=ATTENDANT,
        answer=ConversationOut,
    ),
    Door(
        method="POST",
        path="/api/conversations/{id}/assign",
        handler=assign,
        role=ATTENDANT,
        body=Assign,
        answer=ConversationOut,
    ),
]
