"""The shapes of stays: rows, requests, answers."""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from crm.core.page import stamp

Status = Literal["BOOKED", "IN_HOUSE", "CHECKED_OUT", "CANCELED", "NO_SHOW"]
Room = Annotated[str, Meta(min_length=1, max_length=100)]
Language = Annotated[str, Meta(pattern=r"^[A-Za-z]{2,3}([-_][A-Za-z]{2,4})?$(?!\n)")]


class StayRow(msgspec.Struct, frozen=True):
    """A stay as stored."""

    id: UUID
    contact_id: UUID
    code: str
    check_in: date
    check_out: date
    room: str | None
    language: str | None
    status: Status
    created_at: datetime
    updated_at: datetime


class Put(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A stay as the hotel's own system has it now; the dates are days of the hotel."""

    check_in: date
    check_out: date
    room: Room | None = None
    language: Language | None = None
    status: Status = "BOOKED"


class StayOut(msgspec.Struct, frozen=True, rename="camel"):
    """A stay as the contract shows it."""

    code: str
    contact_id: UUID
    check_in: date
    check_out: date
    room: str | None
    language: str | None
    status: Status
    created_at: str
    updated_at: str


class Stays(msgspec.Struct, frozen=True):
    """A contact's stays: a person has few, so there are no pages."""

    data: list[StayOut]


def shown(row: StayRow) -> StayOut:
    """The row as the contract writes it."""
    return StayOut(
        row.code,
        row.contact_id,
        row.check_in,
        row.check_out,
        row.room,
        row.language,
        row.status,
        stamp(row.created_at),
        stamp(row.updated_at),
    )
