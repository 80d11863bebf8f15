"""The entries of a conversation's timeline: how they look, and those that nobody's request makes."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec

from crm.conversations.shapes import PersonOut
from crm.core import sql
from crm.core.feed import Event
from crm.core.page import Stamp, stamp
from crm.core.tx import Tx

_sql = sql.load("timeline")
Kind = Literal[
    "note", "assigned", "claimed", "transferred", "closed", "reopened", "archived", "unarchived", "snoozed",
    "unsnoozed", "tagged",
]  # fmt: skip


class EntryRow(msgspec.Struct, frozen=True):
    """An entry as stored, with its author's name."""

    id: UUID
    type: Kind
    by_user: UUID | None
    by_name: str | None
    content: str | None
    mentions: list[UUID]
    data: dict[str, Any]
    created_at: datetime


class EntryOut(msgspec.Struct, frozen=True, rename="camel"):
    """An entry as the contract shows it; `by` is null for the system and for support staff."""

    id: UUID
    type: Kind
    by: PersonOut | None
    at: Stamp
    content: str | None
    mentions: list[UUID]
    data: dict[str, Any]


class NotedRow(EntryRow, frozen=True):
    """An entry, and the conversation it is of."""

    conversation_id: UUID


class Entry(msgspec.Struct, frozen=True):
    """Something to note."""

    type: Kind
    content: str | None = None
    mentions: list[UUID] = []
    data: dict[str, Any] = {}


def shown_entry(row: EntryRow) -> EntryOut:
    """The row as the contract writes it."""
    by = None if row.by_user is None else PersonOut(row.by_user, row.by_name)
    return EntryOut(row.id, row.type, by, stamp(row.created_at), row.content, row.mentions, row.data)


def told(conversation: UUID, entry: EntryOut) -> Event:
    """The entry, for those who have the conversation open."""
    return Event("timeline:new", conversation, {"conversationId": conversation, "entry": entry})


async def added(
    tx: Tx, conversations: Sequence[UUID], entry: Entry, by: UUID | None = None
) -> list[tuple[UUID, EntryOut]]:
    """Note it in each of these: the conversations with their entries as they are shown."""
    if not conversations:
        return []
    rows = await tx.many(
        _sql.add, NotedRow, conversations=list(conversations), by_user=by, **msgspec.structs.asdict(entry)
    )
    return [(row.conversation_id, shown_entry(row)) for row in rows]


async def noted(tx: Tx, conversations: Sequence[UUID], entry: Entry, by: UUID | None = None) -> list[Event]:
    """Note it in each of these, done by itself unless somebody did it. The events to tell."""
    return [told(conversation, shown) for conversation, shown in await added(tx, conversations, entry, by)]
