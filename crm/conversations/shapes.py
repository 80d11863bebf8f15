"""The shapes of conversations: rows, requests, answers, and how a row is told."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec

from crm.core.errors import FieldError
from crm.core.fields import Moment, Tag, Tags
from crm.core.page import PageQuery, Stamp, maybe_stamp, stamp

Status = Literal["OPEN", "PENDING", "CLOSED"]
Direction = Literal["INBOUND", "OUTBOUND"]
MessageStatus = Literal[
    "SCHEDULED", "QUEUED", "SENDING", "UNCERTAIN", "SENT", "DELIVERED", "READ", "PLAYED", "FAILED", "CANCELED",
    "RECEIVED",
]  # fmt: skip
Note = Annotated[str, msgspec.Meta(min_length=1, max_length=4096, pattern=r"\S")]


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
    last_message_direction: Direction | None
    last_message_type: str | None
    last_message_preview: str | None
    last_message_status: MessageStatus | None
    last_message_at: datetime
    window_expires_at: datetime | None
    free_until: datetime | None
    created_at: datetime
    department_id: UUID | None
    department_name: str | None
    snoozed_until: datetime | None
    first_unread_id: UUID | None


class TouchedRow(ConversationRow, frozen=True):
    """A conversation with a new message, and what that ended: being archived, put off, closed (while it came)."""

    unarchived: bool
    unsnoozed: bool
    reopened: bool


class ListedRow(ConversationRow, frozen=True):
    """A conversation of the list, with how many there are in all, when that was asked."""

    total: int


class PlacedRow(msgspec.Struct, frozen=True):
    """A conversation's place in the list."""

    id: UUID
    last_message_at: datetime


class SightRow(msgspec.Struct, frozen=True):
    """Whether the hotel restricts what an attendant sees, and the departments that are seen nevertheless."""

    restricted: bool
    departments: list[UUID]


class UnreadRow(msgspec.Struct, frozen=True):
    """How many conversations have something unread: all, the own, and nobody's."""

    total: int
    mine: int
    unassigned: int


class SnoozedRow(msgspec.Struct, frozen=True):
    """A hotel with something put off whose time has come."""

    tenant_id: UUID


class PlaceRow(msgspec.Struct, frozen=True):
    """The open conversation of a contact over a channel."""

    id: UUID
    contact_id: UUID
    channel_id: UUID


class MovedRow(msgspec.Struct, frozen=True):
    """What a change by hand has changed."""

    moved: bool
    tagged: bool


class ShutRow(msgspec.Struct, frozen=True):
    """A conversation that a statement changed."""

    id: UUID


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


class DepartmentOut(msgspec.Struct, frozen=True):
    """Which team the conversation is with."""

    id: UUID
    name: str | None


class LastMessageOut(msgspec.Struct, frozen=True, rename="camel"):
    """What the list shows under the name."""

    id: UUID
    direction: Direction | None
    type: str | None
    preview: str | None
    status: MessageStatus | None
    created_at: Stamp


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
    last_message_at: Stamp
    window_expires_at: Stamp | None
    free_until: Stamp | None
    created_at: Stamp
    department: DepartmentOut | None
    snoozed_until: Stamp | None
    first_unread_message_id: UUID | None


class ConversationList(PageQuery, frozen=True, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """Filters of the list."""

    status: Status | None = None
    assigned_to: Annotated[str, msgspec.Meta(pattern=r"^(me|none|[0-9a-fA-F-]{36})$")] | None = None
    unread: bool = False
    channel_id: UUID | None = None
    department_id: UUID | None = None
    contact_id: UUID | None = None
    tag: Tag | None = None
    search: Annotated[str, msgspec.Meta(max_length=100)] | None = None
    archived: bool = False


class Assign(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Who and which department shall have it; null for nobody, left out for whom it has."""

    user_id: UUID | msgspec.UnsetType | None = msgspec.UNSET
    department_id: UUID | msgspec.UnsetType | None = msgspec.UNSET
    note: Note | None = None

    @staticmethod
    def misfits(given: dict[str, Any]) -> list[FieldError]:
        """Nobody named (for crm.core.body)."""
        if "userId" in given or "departmentId" in given:
            return []
        return [FieldError("/userId", "diga a quem: userId ou departmentId", "say to whom: userId or departmentId")]


class Patch(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A new status, or new tags in place of the old."""

    status: Status | None = None
    tags: Tags | None = None


class Snooze(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Until when it is put off."""

    until: Moment


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
    first_unread_id: UUID | None = None
    window_expires_at: datetime | None = None
    ad_clicked_at: datetime | None = None


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
        maybe_stamp(row.free_until),
        stamp(row.created_at),
        None if row.department_id is None else DepartmentOut(row.department_id, row.department_name),
        maybe_stamp(row.snoozed_until),
        row.first_unread_id,
    )
