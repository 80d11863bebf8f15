"""The shapes of messages: rows, requests, answers, and how a row is told."""

from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import msgspec

from crm.contacts import Moved, Person
from crm.conversations import ConversationOut, Direction, Latest, MessageStatus
from crm.core import page as paging
from crm.core.feed import Event
from crm.core.fields import Moment
from crm.core.page import Stamp, stamp
from crm.messages.pieces import ErrorShown, FileShown, ReactionShown

WINDOW = timedelta(hours=24)  # Meta: customer service window
_PREVIEW = 120  # characters of a message shown in the list


class MessageRow(msgspec.Struct, frozen=True):
    """A message as stored."""

    id: UUID
    conversation_id: UUID
    direction: Direction
    type: str
    status: MessageStatus
    content: str | None
    media: FileShown | None
    payload: dict[str, Any] | None
    wamid: str | None
    reply_to: UUID | None
    sent_by: UUID | None
    error: ErrorShown | None
    created_at: datetime
    sent_at: datetime | None
    delivered_at: datetime | None
    read_at: datetime | None
    failed_at: datetime | None
    send_at: datetime | None
    origin: str | None
    reactions: list[ReactionShown] | None
    edited_at: datetime | None
    revoked_at: datetime | None


class MessageOut(msgspec.Struct, frozen=True, rename="camel"):
    """A message as the contract shows it."""

    id: UUID
    conversation_id: UUID
    direction: Direction
    type: str
    content: str | None
    media: FileShown | None
    payload: dict[str, Any] | None
    reply_to: UUID | None
    status: MessageStatus
    error: ErrorShown | None
    wamid: str | None
    sent_by: UUID | None
    created_at: Stamp
    sent_at: Stamp | None
    delivered_at: Stamp | None
    read_at: Stamp | None
    failed_at: Stamp | None
    send_at: Stamp | None
    origin: str | None
    reactions: list[ReactionShown]
    edited_at: Stamp | None
    revoked_at: Stamp | None


class HistoryQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which part of the history: before `before`, after `after`, or from `at` on (filled up from before it)."""

    before: paging.Cursor | None = None
    after: paging.Cursor | None = None
    at: Moment | None = None
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


class Inbound(msgspec.Struct, frozen=True, kw_only=True):
    """A message as a webhook told it: a customer's, or (status not RECEIVED) the hotel's own from elsewhere."""

    channel_id: UUID
    person: Person
    wamid: str
    type: str
    content: str
    payload: dict[str, Any] | None
    at: datetime
    reply_to_wamid: str | None = None
    status: str = "RECEIVED"
    origin: Literal["PHONE", "HISTORY", "STANDBY"] | None = None
    target_wamid: str | None = None
    from_ad: bool = False
    moved: Moved | None = None
    media_id: UUID | None = None
    media: dict[str, Any] | None = None

    @property
    def direction(self) -> Literal["INBOUND", "OUTBOUND"]:
        """Who wrote."""
        return "INBOUND" if self.status == "RECEIVED" else "OUTBOUND"

    @property
    def placeholder(self) -> bool:
        """Whether its media follows under the same wamid (Meta: other webhook fields, history)."""
        return self.type == "media_placeholder"

    def in_place_of(self, placeholder: "Inbound") -> "Inbound":
        """This media in the place of its placeholder, which knows whom it is with, when, and how it stood."""
        made = {name: getattr(self, name) for name in ("type", "content", "payload", "media_id", "media")}
        return msgspec.structs.replace(placeholder, **made)

    @property
    def silent(self) -> bool:
        """An imported history is nobody's news."""
        return self.origin == "HISTORY"

    @property
    def opens(self) -> bool:
        """Whether Meta counts it as the customer's word to us (Meta: windows); the phone app's own is none."""
        return self.direction == "INBOUND" and not self.silent and self.type not in ("system", "edit", "revoke")

    @property
    def unread(self) -> bool:
        """Whether somebody should read it."""
        return self.opens and self.type != "reaction"


class Advance(msgspec.Struct, frozen=True):
    """What Meta reports of one of our messages. `message_id` is ours, sent along as opaque data."""

    wamid: str
    message_id: UUID | None
    status: Literal["SENT", "DELIVERED", "READ", "PLAYED", "FAILED"]
    at: datetime
    error: dict[str, Any] | None = None
    pricing: dict[str, Any] | None = None
    bsuid: str | None = None


class AdvancedRow(msgspec.Struct, frozen=True):
    """A message whose status rose."""

    wamid: str
    id: UUID
    conversation_id: UUID
    status: str
    at: datetime
    error: ErrorShown | None


class ParkedRow(msgspec.Struct, frozen=True):
    """A status that came before its message."""

    wamid: str
    status: Literal["SENT", "DELIVERED", "READ", "PLAYED", "FAILED"]
    at: datetime
    error: dict[str, Any] | None
    pricing: dict[str, Any] | None


class ClaimedRow(msgspec.Struct, frozen=True):
    """The head of a lane, taken for sending."""

    id: UUID
    conversation_id: UUID
    channel_id: UUID
    contact_id: UUID
    type: str
    content: str
    payload: dict[str, Any] | None
    media_id: UUID | None
    media: dict[str, Any] | None
    reply_to_wamid: str | None
    attempts: int
    blocked: bool


class StandingRow(msgspec.Struct, frozen=True):
    """Where a message stands; `offered`: nobody knows whether it arrived, and people may decide."""

    direction: Direction
    type: str
    status: str
    offered: bool
    blocked: bool
    erased: bool


class DueRow(msgspec.Struct, frozen=True):
    """A tenant with scheduled messages whose time has come, or (not scheduled) sends to offer to people."""

    tenant_id: UUID
    scheduled: bool


WAITING_NAMES = {"tenant_id": "tenantId", "rows": "waiting", "oldest": "oldestSeconds"}


class WaitingSendsRow(msgspec.Struct, frozen=True, rename=WAITING_NAMES):
    """What a tenant has to send; `oldest` in seconds."""

    tenant_id: UUID
    slug: str
    rows: int
    lanes: int
    sending: int
    oldest: float


class LaneRow(msgspec.Struct, frozen=True):
    """A conversation that has something to send."""

    tenant_id: UUID
    conversation_id: UUID


def shown(row: MessageRow) -> MessageOut:
    """The row as the contract writes it; a history writes fifty, so a time that is missing costs no call."""
    return MessageOut(
        row.id,
        row.conversation_id,
        row.direction,
        row.type,
        row.content,
        row.media,
        row.payload,
        row.reply_to,
        row.status,
        row.error,
        row.wamid,
        row.sent_by,
        stamp(row.created_at),
        stamp(row.sent_at) if row.sent_at else None,
        stamp(row.delivered_at) if row.delivered_at else None,
        stamp(row.read_at) if row.read_at else None,
        stamp(row.failed_at) if row.failed_at else None,
        stamp(row.send_at) if row.send_at else None,
        row.origin,
        [one for one in row.reactions if one["emoji"]] if row.reactions else [],
        stamp(row.edited_at) if row.edited_at else None,
        stamp(row.revoked_at) if row.revoked_at else None,
    )


def latest(
    row: MessageRow,
    unread: int = 0,
    first: UUID | None = None,
    window: datetime | None = None,
    clicked: datetime | None = None,
) -> Latest:
    """What the list shows of a conversation whose newest message this is."""
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
        first,
        window,
        clicked,
    )


def told(row: MessageRow, conversation: ConversationOut) -> Event:
    return Event("message:new", row.conversation_id, {"message": shown(row), "conversation": conversation})


def updated(row: MessageRow) -> Event:
    """Something of the message has changed that is not its status: media, reactions, its text."""
    return Event("message:updated", row.conversation_id, {"message": shown(row)})


def status_event(row: AdvancedRow) -> Event:
    data: dict[str, Any] = {
        "messageId": row.id,
        "conversationId": row.conversation_id,
        "status": row.status,
        "at": stamp(row.at),
    }
    if row.error is not None:
        data["error"] = row.error
    return Event("message:status", row.conversation_id, data)


def changed(row: MessageRow) -> Event:
    """The status a person, or the clock, has given a message."""
    at = datetime.now(UTC)
    return status_event(AdvancedRow(row.wamid or "", row.id, row.conversation_id, row.status, at, row.error))
