"""Messages: the history, what a person sends, what Meta's customers sent, and the states of sending."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec

from crm import channels, contacts, conversations
from crm.contacts import Person
from crm.conversations import ConversationOut, Latest
from crm.core import page as paging
from crm.core import sql
from crm.core.access import ATTENDANT
from crm.core.db import Tx
from crm.core.errors import Conflict, Problem, WindowClosed, invalid
from crm.core.feed import Event
from crm.core.http import Call, Door
from crm.core.page import maybe_stamp, stamp

_sql = sql.load("messages")
WINDOW = timedelta(hours=24)  # Meta: customer service window
_PREVIEW = 120  # characters of a message shown in the list

Content = Annotated[str, msgspec.Meta(min_length=1, max_length=4096)]  # Meta: text body 1–4096
ClientId = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class MessageRow(msgspec.Struct, frozen=True):
    """A message as stored."""

    id: UUID
    conversation_id: UUID
    direction: Literal["INBOUND", "OUTBOUND"]
    type: str
    status: str
    content: str | None
    payload: dict[str, Any] | None
    wamid: str | None
    reply_to: UUID | None
    sent_by: UUID | None
    error: dict[str, Any] | None
    created_at: datetime
    sent_at: datetime | None
    delivered_at: datetime | None
    read_at: datetime | None
    failed_at: datetime | None
    send_at: datetime | None


class MessageOut(msgspec.Struct, frozen=True, rename="camel"):
    """A message as the contract shows it."""

    id: UUID
    conversation_id: UUID
    direction: Literal["INBOUND", "OUTBOUND"]
    type: str
    content: str | None
    media: dict[str, Any] | None
    payload: dict[str, Any] | None
    reply_to: UUID | None
    status: str
    error: dict[str, Any] | None
    wamid: str | None
    sent_by: UUID | None
    created_at: str
    sent_at: str | None
    delivered_at: str | None
    read_at: str | None
    failed_at: str | None
    send_at: str | None


class Send(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """A text to send in a conversation."""

    content: Content
    type: Literal["text"] = "text"
    reply_to: UUID | None = None
    client_message_id: ClientId | None = None


class SendTo(Send, frozen=True, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """A text to send to a phone number."""

    # Letters are refused before anything is normalised: a BSUID's digits would pass for a phone.
    to: Annotated[str, msgspec.Meta(pattern=r"^\+?[0-9 ().-]{5,40}$")]
    channel_id: UUID | None = None


class HistoryQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which part of the history: what is older than `before`, or newer than `after`."""

    before: paging.Cursor | None = None
    after: paging.Cursor | None = None
    limit: paging.Limit = 50


class HistoryPlace(msgspec.Struct, frozen=True, rename="camel"):
    """Where a part of the history stands: `nextCursor` goes in `before`, `prevCursor` in `after`."""

    limit: int
    next_cursor: str | None
    prev_cursor: str | None


class History(msgspec.Struct, frozen=True):
    """Messages, newest first."""

    data: list[MessageOut]
    pagination: HistoryPlace


class Inbound(msgspec.Struct, frozen=True):
    """A message of a customer, as the webhook told it."""

    channel_id: UUID
    person: Person
    wamid: str
    type: str
    content: str
    payload: dict[str, Any] | None
    at: datetime
    reply_to_wamid: str | None


class Advance(msgspec.Struct, frozen=True):
    """What Meta reports of one of our messages. `message_id` is ours, sent along as opaque data."""

    wamid: str
    message_id: UUID | None
    status: Literal["SENT", "DELIVERED", "READ", "PLAYED", "FAILED"]
    at: datetime
    error: dict[str, Any] | None = None


class AdvancedRow(msgspec.Struct, frozen=True):
    """A message whose status rose."""

    wamid: str
    id: UUID
    conversation_id: UUID
    status: str
    at: datetime
    error: dict[str, Any] | None


class ParkedRow(msgspec.Struct, frozen=True):
    """A status that came before its message."""

    wamid: str
    status: Literal["SENT", "DELIVERED", "READ", "PLAYED", "FAILED"]
    at: datetime
    error: dict[str, Any] | None


class ClaimedRow(msgspec.Struct, frozen=True):
    """The head of a lane, taken for sending."""

    id: UUID
    channel_id: UUID
    contact_id: UUID
    content: str
    reply_to_wamid: str | None
    attempts: int


class LaneRow(msgspec.Struct, frozen=True):
    """A conversation that has something to send."""

    tenant_id: UUID
    conversation_id: UUID


def shown(row: MessageRow) -> MessageOut:
    """The row as the contract writes it."""
    return MessageOut(
        row.id,
        row.conversation_id,
        row.direction,
        row.type,
        row.content,
        None,
        row.payload,
        row.reply_to,
        row.status,
        row.error,
        row.wamid,
        row.sent_by,
        stamp(row.created_at),
        maybe_stamp(row.sent_at),
        maybe_stamp(row.delivered_at),
        maybe_stamp(row.read_at),
        maybe_stamp(row.failed_at),
        maybe_stamp(row.send_at),
    )


def _latest(row: MessageRow, unread: int = 0, window: datetime | None = None) -> Latest:
    preview = (row.content or f"[{row.type}]")[:_PREVIEW]
    return Latest(
        row.conversation_id,
        row.id,
        row.direction,
        row.type,
        preview,
        row.status,
        row.created_at,
        unread,
        window,
    )


def _told(row: MessageRow, conversation: ConversationOut) -> Event:
    return Event("message:new", row.conversation_id, {"message": shown(row), "conversation": conversation})


async def receive(tx: Tx, inbound: list[Inbound]) -> list[Event]:
    """Store customers' messages with their contacts and conversations; a replay stores and tells nothing.

    The caller holds the tenant's door (contacts.hold): what is not known here stays so until the commit.
    """
    if not inbound:
        return []
    known = {row.wamid for row in await tx.many(_sql.known, WamidRow, wamids=[item.wamid for item in inbound])}
    fresh = list({item.wamid: item for item in inbound if item.wamid not in known}.values())
    if not fresh:
        return []
    fresh.sort(key=lambda item: item.at)
    people = await contacts.seen(tx, [item.person for item in fresh])
    pairs = [(contact, item.channel_id) for contact, item in zip(people, fresh, strict=True)]
    places = await conversations.opened(tx, pairs)
    rows = await tx.many(
        _sql.receive,
        MessageRow,
        conversations=[places[pair] for pair in pairs],
        wamids=[item.wamid for item in fresh],
        types=[item.type for item in fresh],
        contents=[item.content for item in fresh],
        payloads=[item.payload for item in fresh],
        ats=[item.at for item in fresh],
        replies=[item.reply_to_wamid for item in fresh],
    )
    shown_conversations = await conversations.touch(tx, _newest(rows))
    return [_told(row, shown_conversations[row.conversation_id]) for row in rows]


class WamidRow(msgspec.Struct, frozen=True):
    """A wamid that is stored already."""

    wamid: str


def _newest(rows: list[MessageRow]) -> list[Latest]:
    """Of each conversation the newest of these messages, and how many they are."""
    groups: dict[UUID, list[MessageRow]] = {}
    for row in rows:
        groups.setdefault(row.conversation_id, []).append(row)
    newest = {key: max(group, key=lambda row: (row.created_at, row.id)) for key, group in groups.items()}
    return [_latest(row, len(groups[key]), row.created_at + WINDOW) for key, row in sorted(newest.items())]


async def advance(tx: Tx, reports: list[Advance]) -> list[Event]:
    """Raise statuses as Meta reports them, never lower them; park those of messages not known yet."""
    if not reports:
        return []
    rows = await tx.many(
        _sql.advance,
        AdvancedRow,
        wamids=[report.wamid for report in reports],
        messages=[report.message_id for report in reports],
        statuses=[report.status for report in reports],
        ats=[report.at for report in reports],
        errors=[report.error for report in reports],
    )
    return [_status_event(row) for row in rows]


def _status_event(row: AdvancedRow) -> Event:
    data: dict[str, Any] = {
        "messageId": row.id,
        "conversationId": row.conversation_id,
        "status": row.status,
        "at": stamp(row.at),
    }
    if row.error is not None:
        data["error"] = row.error
    return Event("message:status", row.conversation_id, data)


async def unpark(tx: Tx, wamid: str) -> list[Event]:
    """Apply the statuses that came before this wamid was stored."""
    parked = await tx.many(_sql.unpark, ParkedRow, wamid=wamid)
    return await advance(tx, [Advance(row.wamid, None, row.status, row.at, row.error) for row in parked])


async def history(call: Call) -> History:
    """A part of a conversation's messages, newest first. Raises NotFound."""
    query: HistoryQuery = call.query
    if query.before and query.after:
        raise invalid("/after", "use before ou after, não os dois", "use before or after, not both")
    conversation = call.id()
    if query.after:
        at, row = paging.read_cursor(query.after, "after")
        rows = await _part(call, _sql.after, conversation, after=at, after_id=row)
        rows.reverse()
    else:
        at, row = paging.read_cursor(query.before, "before") if query.before else (paging.FIRST, paging.LAST_ID)
        rows = await _part(call, _sql.before, conversation, before=at, before_id=row)
    if not rows:
        await conversations.found(call.tx, conversation)
    more = len(rows) > query.limit
    kept = (rows[-query.limit :] if query.after else rows[: query.limit]) if more else rows
    older = paging.write_cursor(kept[-1].created_at, kept[-1].id) if kept and (more or query.after) else None
    newer = paging.write_cursor(kept[0].created_at, kept[0].id) if kept else query.after
    return History([shown(row) for row in kept], HistoryPlace(query.limit, older, newer))


async def _part(call: Call, query: sql.Query, conversation: UUID, **place: Any) -> list[MessageRow]:
    limit = call.query.limit + 1
    return await call.tx.many(query, MessageRow, conversation=conversation, max=limit, **place)


async def send(call: Call) -> MessageOut:
    """Queue a text. Raises NotFound, WindowClosed (outside 24 hours only a template is taken)."""
    return await _queue(call, call.id(), call.body)


async def send_to(call: Call) -> MessageOut:
    """Queue a text to a phone number, over a channel or the oldest one. Raises WindowClosed, ValidationFailed."""
    new: SendTo = call.body
    phone = contacts.typed_phone(new.to)
    channel = await channels.only(call.tx, new.channel_id)
    await contacts.hold(call.tx)
    [contact] = await contacts.seen(call.tx, [Person(phone=phone)])
    places = await conversations.opened(call.tx, [(contact, channel)])
    return await _queue(call, places[contact, channel], new)


async def _queue(call: Call, conversation: UUID, new: Send) -> MessageOut:
    """Insert the row QUEUED where the window is open, tell everybody, and wake its lane after the commit."""
    tx = call.tx
    row = await tx.maybe(
        _sql.queue,
        MessageRow,
        conversation=conversation,
        content=new.content,
        reply_to=new.reply_to,
        client_id=new.client_message_id,
        sent_by=None if call.who.visiting else call.who.user,
    )
    if row is None:
        raise await _not_queued(tx, conversation, new)
    if new.reply_to is not None and row.reply_to is None:
        raise invalid("/replyTo", "mensagem inexistente nesta conversa", "no such message in this conversation")
    touched = await conversations.touch(tx, [_latest(row)])
    await call.rails.feed.append(tx, [_told(row, touched[conversation])])
    tx.after_commit(lambda: call.rails.wake.send(tx.tenant or call.who.home, conversation))
    return shown(row)


async def _not_queued(tx: Tx, conversation: UUID, new: Send) -> Problem:
    """Why nothing was inserted. Raises NotFound when there is no such conversation."""
    await conversations.found(tx, conversation)
    if new.client_message_id is not None:
        twin = await tx.value(_sql.by_client_id, conversation=conversation, client_id=new.client_message_id)
        if twin is not None:
            return Conflict(
                "Este clientMessageId já foi usado.", "This clientMessageId was used.", existingId=str(twin)
            )
    return WindowClosed()


async def claim(tx: Tx, conversation: UUID, lease_seconds: int) -> ClaimedRow | None:
    """Take the oldest waiting message of a conversation, unless it must wait or somebody is sending it."""
    return await tx.maybe(_sql.claim, ClaimedRow, conversation=conversation, lease=lease_seconds)


async def settle_sent(tx: Tx, message: UUID, wamid: str) -> list[Event]:
    """Meta accepted it: SENT under this wamid, then whatever Meta reported before we could store it."""
    events = await advance(tx, [Advance(wamid, message, "SENT", datetime.now(UTC))])
    return events + await unpark(tx, wamid)


async def settle(tx: Tx, message: UUID, status: str, error: dict[str, Any] | None, wait: int) -> list[Event]:
    """End an attempt that did not succeed: FAILED, UNCERTAIN, or QUEUED again in `wait` seconds."""
    rows = await tx.many(_sql.settle, AdvancedRow, id=message, status=status, error=error, wait=wait)
    return [_status_event(row) for row in rows]


async def expire_leases(tx: Tx, conversation: UUID) -> list[Event]:
    """A worker died while sending: nobody knows whether Meta read it, so it is UNCERTAIN, never sent again."""
    rows = await tx.many(_sql.expire, AdvancedRow, conversation=conversation)
    return [_status_event(row) for row in rows]


async def waiting_lanes(tx: Tx) -> list[LaneRow]:
    """Conversations with something to send that nobody works on; run as the system's role."""
    return await tx.many(_sql.lanes, LaneRow)


routes = [
    Door(
        method="GET",
        path="/api/conversations/{id}/messages",
        handler=history,
        role=ATTENDANT,
        query=HistoryQuery,
        answer=History,
    ),
    Door(
        method="POST",
        path="/api/conversations/{id}/messages",
        handler=send,
        role=ATTENDANT,
        body=Send,
        answer=MessageOut,
        status=201,
        once=True,
    ),
    Door(
        method="POST",
        path="/api/messages/send",
        handler=send_to,
        role=ATTENDANT,
        body=SendTo,
        answer=MessageOut,
        status=201,
        once=True,
    ),
]
