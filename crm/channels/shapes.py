"""The shapes of channels: rows, requests, answers, and how a row is told."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec

from crm.channels.notices import NoticeOut
from crm.core.fields import MASK, GraphId, Name, Secret, SecretOrMask
from crm.core.page import Stamp, stamp

Display = Annotated[str, msgspec.Meta(max_length=40)]


class ChannelRow(msgspec.Struct, frozen=True):
    """A channel as stored, without its secrets."""

    id: UUID
    name: str
    phone_number_id: str
    waba_id: str
    display_phone_number: str | None
    access_token_hint: str | None
    app_secret_hint: str | None
    verify_token: str
    created_at: datetime
    paused_until: datetime | None
    pause: dict[str, Any] | None
    send_read_receipts: bool
    send_typing: bool
    messages_per_second: int


class RestingRow(msgspec.Struct, frozen=True):
    """A channel that rests; `begins`: it did not before."""

    id: UUID
    begins: bool


class RestingTenantRow(msgspec.Struct, frozen=True):
    """How many channels of a tenant wait for people."""

    slug: str
    channels: int


class SenderRow(msgspec.Struct, frozen=True):
    """What sending over a channel needs."""

    id: UUID
    phone_number_id: str
    waba_id: str
    access_token: bytes | None
    messages_per_second: int


class CheckedRow(msgspec.Struct, frozen=True):
    """What the go-live check needs of a channel."""

    id: UUID
    phone_number_id: str
    waba_id: str
    access_token: bytes | None
    verify_token: str
    resting: bool
    pause: dict[str, Any] | None


class RouteRow(msgspec.Struct, frozen=True):
    """Where Meta's numbers lead: known to the platform before any tenant is."""

    tenant_id: UUID
    id: UUID
    phone_number_id: str
    waba_id: str
    app_secret: bytes | None
    shown: bool


class SealedRow(msgspec.Struct, frozen=True):
    """A channel's secrets as they lie in the table, for resealing."""

    tenant_id: UUID
    id: UUID
    access_token: bytes | None
    app_secret: bytes | None


class Create(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A new number (Meta: onboarding)."""

    whatsapp_phone_number_id: GraphId
    whatsapp_business_account_id: GraphId
    whatsapp_access_token: Secret | None = None
    whatsapp_app_secret: Secret | None = None
    display_phone_number: Display | None = None
    name: Name = "WhatsApp"


class Patch(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """What may change of a number; what is left out stays, and so does a secret that is sent as it was shown."""

    name: Name | None = None
    whatsapp_phone_number_id: GraphId | None = None
    whatsapp_business_account_id: GraphId | None = None
    whatsapp_access_token: SecretOrMask | None = None
    whatsapp_app_secret: SecretOrMask | None = None
    display_phone_number: Display | None = None
    send_read_receipts: bool | None = None
    send_typing: bool | None = None
    messages_per_second: Literal[20, 80, 1000] | None = None  # Meta: rates

    def unmasked(self) -> "Patch":
        """Without the secrets that are only shown."""
        names = ["whatsapp_access_token", "whatsapp_app_secret"]
        shown = [name for name in names if (getattr(self, name) or "").startswith(MASK)]
        return msgspec.structs.replace(self, **dict.fromkeys(shown))


class Paused(msgspec.Struct, frozen=True, rename="camel"):
    """Why nothing is sent over a number: Meta's error, and until when; `until` null waits for people."""

    until: Stamp | None
    error: dict[str, Any] | None


TokenState = Literal["OK", "MISSING", "REFUSED", "UNKNOWN"]


class HealthOut(msgspec.Struct, frozen=True, rename="camel"):
    """How a number stands with Meta, in Meta's words; null: never heard. Times are at most 5 seconds behind."""

    token_state: TokenState
    quality: str | None
    limit: str | None
    name_status: str | None
    username: str | None
    last_webhook_at: Stamp | None
    last_inbound_at: Stamp | None
    last_status_at: Stamp | None
    last_check_at: Stamp | None
    notices: list[NoticeOut]


class ChannelOut(msgspec.Struct, frozen=True, rename="camel"):
    """A number as the contract shows it: of a secret only the last four characters."""

    id: UUID
    name: str
    whatsapp_phone_number_id: str
    whatsapp_business_account_id: str
    whatsapp_access_token: str | None
    whatsapp_app_secret: str | None
    whatsapp_webhook_verify_token: str
    display_phone_number: str | None
    created_at: Stamp
    paused: Paused | None
    health: HealthOut
    send_read_receipts: bool
    send_typing: bool
    messages_per_second: int


def shown(row: ChannelRow, health: HealthOut, full: bool = True) -> ChannelOut:
    """The row as the contract writes it; attendants (`full` false) do not see the verify token."""
    return ChannelOut(
        row.id,
        row.name,
        row.phone_number_id,
        row.waba_id,
        _dots(row.access_token_hint),
        _dots(row.app_secret_hint),
        row.verify_token if full else MASK,
        row.display_phone_number,
        stamp(row.created_at),
        _paused(row),
        health,
        row.send_read_receipts,
        row.send_typing,
        row.messages_per_second,
    )


def _paused(row: ChannelRow) -> Paused | None:
    until = row.paused_until
    if until is None:
        return None
    if until.tzinfo is None:  # asyncpg's infinity
        return Paused(None, row.pause)
    return Paused(stamp(until), row.pause) if until > datetime.now(UTC) else None


def _dots(hint: str | None) -> str | None:
    return None if hint is None else f"{MASK}{hint}"
