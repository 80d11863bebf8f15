"""The shapes of contacts: people as they are told of, rows, requests, answers."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from crm.contacts.phones import match_key, phone_misfits
from crm.core.errors import FieldError
from crm.core.feed import Event
from crm.core.fields import Email, Language, Name, Tag, Tags
from crm.core.page import PageQuery, Stamp, maybe_stamp, stamp

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
    blocked: bool
    former: bool


class MadeRow(msgspec.Struct, frozen=True):
    """The id of a contact, or of something of theirs."""

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
    email: str | None
    language: str | None
    tags: list[str]
    attributes: dict[str, Any]
    blocked: bool
    erased_at: datetime | None


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
    created_at: Stamp
    email: str | None
    language: str | None
    tags: list[str]
    attributes: dict[str, Any]
    blocked: bool
    erased_at: Stamp | None


class ChangedRow(msgspec.Struct, frozen=True):
    """A contact that people changed: whether it was blocked, and is."""

    id: UUID
    was_blocked: bool
    blocked: bool


class TakenRow(msgspec.Struct, frozen=True):
    """A contact that was made part of another, and may be taken out of it again."""

    id: UUID
    name: str | None
    at: datetime


class TakenOut(msgspec.Struct, frozen=True):
    """A contact that this one took in: `POST /api/contacts/{id}/unmerge` takes it out again."""

    id: UUID
    name: str | None
    at: Stamp


class WholeContactOut(ContactOut, frozen=True, rename="camel"):
    """A contact by itself: with whom it took in, the last first."""

    merged_from: list[TakenOut]


class Add(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A new contact, known by a phone as people type it."""

    phone: Annotated[str, Meta(min_length=1, max_length=40)]
    name: Name | None = None
    email: Email | None = None
    language: Language | None = None
    tags: Tags = []
    attributes: dict[str, Any] = {}
    blocked: bool = False
    marketing_opt_out: bool = False

    @staticmethod
    def misfits(given: dict[str, Any]) -> list[FieldError]:
        """A phone that is none (for crm.core.body)."""
        return phone_misfits(given, "phone")


class Change(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """What people may change; null empties. Of `attributes` only those named change, and null takes one away.

    A hotel that has declared no fields (`PUT /api/contact-attributes`) takes any: text, number, true or false.
    """

    name: Name | UnsetType | None = UNSET
    email: Email | UnsetType | None = UNSET
    language: Language | UnsetType | None = UNSET
    tags: Tags | UnsetType = UNSET
    attributes: dict[str, Any] | UnsetType = UNSET
    blocked: bool | UnsetType = UNSET
    marketing_opt_out: bool | UnsetType = UNSET


class ContactList(PageQuery, frozen=True, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """Filters of the list; `search` looks for each of its words in names, e-mail and numbers.

    What is today is the hotel's own day; who leaves today is in the house until the hotel says CHECKED_OUT.
    """

    search: Annotated[str, Meta(max_length=100)] | None = None
    tag: Tag | None = None
    blocked: bool | None = None
    opted_out: bool | None = None
    stay: Literal["arriving_today", "in_house"] | None = None


class Merge(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The contact to merge into."""

    into_id: UUID


class MergeOut(msgspec.Struct, frozen=True, rename="camel"):
    """A merge, which `POST /api/contacts/{fromId}/unmerge` undoes."""

    id: UUID
    from_id: UUID
    into_id: UUID
    why: str
    created_at: Stamp
    undone_at: Stamp | None


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
        row.email,
        row.language,
        row.tags,
        row.attributes,
        row.blocked,
        maybe_stamp(row.erased_at),
    )


def whole(row: ContactRow, taken: list[TakenRow]) -> WholeContactOut:
    """The row with whom it took in."""
    took = [TakenOut(one.id, one.name, stamp(one.at)) for one in taken]
    return WholeContactOut(**msgspec.structs.asdict(shown(row)), merged_from=took)


def updated(row: ContactRow) -> Event:
    """What sockets hear of a contact."""
    return Event("contact:updated", None, {"contact": shown(row)})


def merge_shown(row: MergeRow) -> MergeOut:
    """The row as the contract writes it."""
    stamps = (stamp(row.created_at), maybe_stamp(row.undone_at))
    return MergeOut(row.id, row.from_id, row.into_id, row.why, *stamps)
