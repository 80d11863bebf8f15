"""The shapes of privacy: who is meant, what is told of them, and the receipt of an erasure."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec

from crm.core.page import Stamp, stamp

Kind = Literal["message", "note", "draft"]


class FamilyRow(msgspec.Struct, frozen=True):
    """A contact that is the person, or proved to be; `erasure`: the receipt, when it is erased."""

    id: UUID
    erasure: dict[str, Any] | None


class TalkRow(msgspec.Struct, frozen=True):
    """A conversation with the person."""

    id: UUID


class FileRow(msgspec.Struct, frozen=True):
    """A file of these conversations."""

    id: UUID
    state: str
    mime_type: str
    filename: str | None
    size: int | None
    sha256: bytes | None


class FactsRow(msgspec.Struct, frozen=True):
    """A row of the person's, as it is stored."""

    kind: str
    facts: dict[str, Any]


class HouseRow(msgspec.Struct, frozen=True):
    """The hotel that tells, and its time zone."""

    name: str
    timezone: str


class NeedleRow(msgspec.Struct, frozen=True):
    """A word by which the person is known."""

    value: str


class GroupMessageRow(msgspec.Struct, frozen=True):
    """A message that the person wrote in a group."""

    id: UUID
    conversation_id: UUID


class MentionRow(msgspec.Struct, frozen=True):
    """A place where somebody else speaks of the person, and how many there are in all."""

    kind: Kind
    id: UUID
    conversation_id: UUID
    total: int


class WaitingErasureRow(msgspec.Struct, frozen=True):
    """An erasure whose raw webhooks are still to be looked through."""

    tenant_id: UUID
    id: UUID


class SpanRow(msgspec.Struct, frozen=True):
    """A time in which a person's webhooks came, over which numbers, and the words that name the person."""

    needles: list[str]
    lanes: list[str]
    since: datetime
    until: datetime


class RawRow(msgspec.Struct, frozen=True):
    """A raw webhook that holds something of the person."""

    received_at: datetime
    id: UUID
    body: bytes


class Place(msgspec.Struct, frozen=True, rename="camel"):
    """Where others speak of the person; the id of a draft is its writer's."""

    kind: Kind
    id: UUID
    conversation_id: UUID


class Receipt(msgspec.Struct, frozen=True, rename="camel"):
    """What was erased: how many rows of each; they stay, with their times, and say nothing any more.

    `mentions`: how many messages, notes and drafts of others have the person's full name or number; `places`: the
    newest 200 of them, which a human is to read. They are as they were.
    """

    contact_id: UUID
    erased_at: Stamp
    contacts: int
    conversations: int
    messages: int
    media: int
    events: int
    dead_letters: int
    mentions: int = 0
    places: list[Place] = []


class Counts(msgspec.Struct):
    """What an erasure has blanked so far."""

    contacts: int = 0
    conversations: int = 0
    messages: int = 0
    media: int = 0
    events: int = 0
    dead_letters: int = 0
    mentions: int = 0
    places: list[Place] = []


def receipt(contact: UUID, at: datetime, counts: Counts) -> Receipt:
    """What the answer, the audit log and the contact keep."""
    return Receipt(contact, stamp(at), **msgspec.structs.asdict(counts))
