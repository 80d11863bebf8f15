"""The shapes of stays: rows, requests, answers."""

from contextlib import suppress
from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from crm.core.errors import FieldError
from crm.core.fields import Language, Name
from crm.core.page import Stamp, stamp
from crm.messages import Content, TemplateUse

EARLIEST, LATEST = date(2000, 1, 1), date(2099, 12, 31)  # beyond, a day's arithmetic leaves the calendar

Status = Literal["BOOKED", "IN_HOUSE", "CHECKED_OUT", "CANCELED", "NO_SHOW"]
Room = Annotated[str, Meta(min_length=1, max_length=100, pattern=r"\S")]


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

    @staticmethod
    def misfits(given: dict[str, Any]) -> list[FieldError]:
        """Days that nothing is reckoned from, and an end before the beginning (for crm.core.body)."""
        days = {name: day for name in ("checkIn", "checkOut") if (day := _day(given.get(name)))}
        pt, en = f"de {EARLIEST} a {LATEST}", f"from {EARLIEST} to {LATEST}"
        errors = [FieldError(f"/{name}", pt, en) for name, day in days.items() if not EARLIEST <= day <= LATEST]
        if not errors and len(days) == 2 and days["checkOut"] < days["checkIn"]:
            return [FieldError("/checkOut", "não pode ser antes de checkIn", "must not be before checkIn")]
        return errors


def _day(value: object) -> date | None:
    with suppress(msgspec.ValidationError):
        return msgspec.convert(value, date)
    return None


class StayOut(msgspec.Struct, frozen=True, rename="camel"):
    """A stay as the contract shows it."""

    code: str
    contact_id: UUID
    check_in: date
    check_out: date
    room: str | None
    language: str | None
    status: Status
    created_at: Stamp
    updated_at: Stamp


class Stays(msgspec.Struct, frozen=True):
    """A contact's stays: a person has few, so there are no pages."""

    data: list[StayOut]


class PlannedRow(msgspec.Struct, frozen=True):
    """A message planned for a stay."""

    message_id: UUID


class HotelRow(msgspec.Struct, frozen=True):
    """A hotel with stays to look at."""

    tenant_id: UUID


class ClaimedStayRow(msgspec.Struct, frozen=True):
    """A stay taken to look at its messages."""

    id: UUID


class ChangedRuleRow(msgspec.Struct, frozen=True):
    """A rule that changed, and the day from which stays are still to be looked at for it."""

    id: UUID
    look_from: date


Anchor = Literal["check_in", "check_out"]
OffsetDays = Annotated[int, Meta(ge=-60, le=60)]
TimeOfDay = Annotated[str, Meta(pattern=r"^([01]\d|2[0-3]):[0-5]\d$(?!\n)")]


class Rule(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """What each guest is sent so many days after arrival or departure (before: negative), by the hotel's clock.

    A text goes only where the guest has written in the 24 hours before: a template is what surely arrives.
    `{name}`, `{checkIn}`, `{checkOut}`, `{room}` and `{code}` in it are the guest's.
    """

    name: Name
    anchor: Anchor
    offset_days: OffsetDays
    at: TimeOfDay
    content: Content | None = None
    template: TemplateUse | None = None
    channel_id: UUID | None = None


class ChangeRule(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """What of a rule changes. A `content` takes the place of a template, and a `template` that of a text.

    `channelId` null: from the hotel's oldest number again.
    """

    name: Name | None = None
    anchor: Anchor | None = None
    offset_days: OffsetDays | None = None
    at: TimeOfDay | None = None
    content: Content | UnsetType | None = UNSET
    template: TemplateUse | UnsetType | None = UNSET
    channel_id: UUID | UnsetType | None = UNSET


class RuleRow(msgspec.Struct, frozen=True, rename="camel"):
    """A rule as stored and as shown."""

    id: UUID
    name: str
    anchor: str
    offset_days: int
    at: str
    content: str | None
    template: dict[str, Any] | None
    channel_id: UUID | None


class Rules(msgspec.Struct, frozen=True):
    """A hotel's rules: few, so there are no pages."""

    data: list[RuleRow]


class PlanRow(msgspec.Struct, frozen=True):
    """A stay and a rule: when its message is wanted (None: not), and the one there is.

    `revised`: the rule has other words, or another number, since it was made; `words`: the digest of those it has.
    """

    stay_id: UUID
    contact_id: UUID
    rule_id: UUID
    content: str | None
    template: dict[str, Any] | None
    channel_id: UUID | None
    revision: int
    code: str
    check_in: date
    check_out: date
    room: str | None
    name: str | None
    wanted_at: datetime | None
    message_id: UUID | None
    send_at: datetime | None
    revised: bool
    words: bytes | None


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
