"""The shapes of contacts: people as they are told of, rows, answers."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec

from crm.contacts.phones import match_key
from crm.core.feed import Event
from crm.core.page import maybe_stamp, stamp

Kind = Literal["group", "bsuid", "wa_id", "match_key"]
Identity = tuple[Kind, str]


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody (or a group) as a webhook or an attendant names them; at least one id is there."""

    wa_id: str | None = None
    bsuid: str | None = None
    parent_bsuid: str | None = None
    group: str | None = None
    phone: str | None = None
    profile_name: str | None = None
    username: str | None = None

    @property
    def identities(self) -> list[Identity]:
        """What they may be found by, the surest first. A user name is none: it can change hands."""
        named: list[tuple[Kind, str | None]] = [
            ("group", self.group),
            ("bsuid", self.bsuid),
            ("bsuid", self.parent_bsuid),
            ("wa_id", self.wa_id),
            ("match_key", match_key(self.wa_id or self.phone or "")),
        ]
        return [(kind, value) for kind, value in named if value]


class Moved(msgspec.Struct, frozen=True):
    """What a person is known by from now on (Meta: system); None stays."""

    wa_id: str | None = None
    bsuid: str | None = None
    parent_bsuid: str | None = None


class HolderRow(msgspec.Struct, frozen=True):
    """An identity, the contact that holds it, and what is stored of that; `former`: it had it until lately."""

    kind: Kind
    value: str
    contact_id: UUID
    wa_id: str | None
    bsuid: str | None
    profile_name: str | None
    username: str | None
    former: bool


class MadeRow(msgspec.Struct, frozen=True):
    """The id of a contact just made."""

    id: UUID


class Choice(msgspec.Struct, frozen=True):
    """A person wants no marketing (`out`), or wants it again, since `at`."""

    contact: UUID
    out: bool
    at: datetime


class RecipientRow(msgspec.Struct, frozen=True):
    """By what a contact can be reached."""

    wa_id: str | None
    phone: str | None
    bsuid: str | None
    group_id: str | None


class ContactRow(msgspec.Struct, frozen=True):
    """A contact as stored."""

    id: UUID
    name: str | None
    profile_name: str | None
    username: str | None
    phone: str | None
    wa_id: str | None
    bsuid: str | None
    is_group: bool
    marketing_opt_out: bool
    merged_into: UUID | None
    created_at: datetime


class MergeRow(msgspec.Struct, frozen=True):
    """Two contacts that were made one."""

    id: UUID
    from_id: UUID
    into_id: UUID
    why: str
    moved: dict[str, Any]
    created_at: datetime
    undone_at: datetime | None


class ContactOut(msgspec.Struct, frozen=True, rename="camel"):
    """A contact as the contract shows it."""

    id: UUID
    name: str | None
    username: str | None
    phone: str | None
    wa_id: str | None
    bsuid: str | None
    is_group: bool
    marketing_opt_out: bool
    merged_into: UUID | None
    created_at: str


class Merge(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The contact to merge into."""

    into_id: UUID


class MergeOut(msgspec.Struct, frozen=True, rename="camel"):
    """A merge, which `POST /api/contacts/{fromId}/unmerge` undoes."""

    id: UUID
    from_id: UUID
    into_id: UUID
    why: str
    created_at: str
    undone_at: str | None


def shown(row: ContactRow) -> ContactOut:
    """The row as the contract writes it."""
    return ContactOut(
        row.id,
        row.name or row.profile_name,
        row.username,
        row.phone or (f"+{row.wa_id}" if row.wa_id else None),
        row.wa_id,
        row.bsuid,
        row.is_group,
        row.marketing_opt_out,
        row.merged_into,
        stamp(row.created_at),
    )


def updated(row: ContactRow) -> Event:
    """What sockets hear of a contact."""
    return Event("contact:updated", None, {"contact": shown(row)})


def merge_shown(row: MergeRow) -> MergeOut:
    """The row as the contract writes it."""
    stamps = (stamp(row.created_at), maybe_stamp(row.undone_at))
    return MergeOut(row.id, row.from_id, row.into_id, row.why, *stamps)
