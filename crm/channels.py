"""A hotel's WhatsApp numbers and their secrets: written, sealed, never read back."""

import secrets
from datetime import datetime
from functools import partial
from typing import Annotated, Any
from uuid import UUID

import asyncpg
import msgspec

from crm import audit
from crm.core import sql
from crm.core.access import ATTENDANT, TENANT_ADMIN
from crm.core.crypto import Box
from crm.core.db import Tx
from crm.core.errors import Conflict, NotFound, invalid
from crm.core.fields import GraphId, Name, Secret
from crm.core.http import Call, Door
from crm.core.page import stamp

_sql = sql.load("channels")
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


class SenderRow(msgspec.Struct, frozen=True):
    """What sending over a channel needs."""

    id: UUID
    phone_number_id: str
    access_token: bytes | None


class RouteRow(msgspec.Struct, frozen=True):
    """Where Meta's numbers lead: known to the platform before any tenant is."""

    tenant_id: UUID
    id: UUID
    phone_number_id: str
    waba_id: str
    app_secret: bytes | None


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
    """What may change of a number; what is left out stays."""

    name: Name | None = None
    whatsapp_phone_number_id: GraphId | None = None
    whatsapp_business_account_id: GraphId | None = None
    whatsapp_access_token: Secret | None = None
    whatsapp_app_secret: Secret | None = None
    display_phone_number: Display | None = None


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
    created_at: str


class Channels(msgspec.Struct, frozen=True):
    """All numbers of the hotel, oldest first."""

    data: list[ChannelOut]


def shown(row: ChannelRow, full: bool = True) -> ChannelOut:
    """The row as the contract writes it; attendants (`full` false) do not see the verify token."""
    return ChannelOut(
        row.id,
        row.name,
        row.phone_number_id,
        row.waba_id,
        _dots(row.access_token_hint),
        _dots(row.app_secret_hint),
        row.verify_token if full else "••••",
        row.display_phone_number,
        stamp(row.created_at),
    )


def _dots(hint: str | None) -> str | None:
    return None if hint is None else f"••••{hint}"


def _hint(secret: str | None) -> str | None:
    """The last four characters, less of a short secret."""
    return None if secret is None else secret[-4:] if len(secret) >= 12 else ""


def _sealed(box: Box, tx: Tx, change: Create | Patch) -> dict[str, object]:
    token, secret = change.whatsapp_access_token, change.whatsapp_app_secret
    assert tx.tenant is not None
    return {
        "access_token": token and box.seal(token, tx.tenant, "channels.access_token"),
        "access_token_hint": _hint(token),
        "app_secret": secret and box.seal(secret, tx.tenant, "channels.app_secret"),
        "app_secret_hint": _hint(secret),
    }


async def create(call: Call) -> ChannelOut:
    """Add a number. Raises Conflict when any hotel has it."""
    return shown(await _insert(call, call.body))


async def _insert(call: Call, new: Create) -> ChannelRow:
    row = await call.tx.maybe(
        _sql.insert,
        ChannelRow,
        name=new.name,
        phone_number_id=new.whatsapp_phone_number_id,
        waba_id=new.whatsapp_business_account_id,
        display=new.display_phone_number,
        verify_token=secrets.token_urlsafe(24),
        **_sealed(call.rails.box, call.tx, new),
    )
    if row is None:
        raise await _taken(call.tx, new.whatsapp_phone_number_id)
    await audit.note(call, call.tx, "channel.created", row.id, phoneNumberId=row.phone_number_id)
    return row


async def _taken(tx: Tx, phone_number_id: str) -> Conflict:
    """Whose it is is told only when it is the caller's own."""
    own = await tx.value(_sql.id_of_number, phone_number_id=phone_number_id)
    more: dict[str, Any] = {"existingId": str(own)} if own else {}
    return Conflict(
        "Este número (phone number id) já está em uso.", "This phone number id is in use already.", **more
    )


async def every(call: Call) -> Channels:
    """All numbers; attendants need them to start a conversation."""
    full = call.who.role != ATTENDANT
    return Channels([shown(row, full) for row in await call.tx.many(_sql.every, ChannelRow)])


async def get(call: Call) -> ChannelOut:
    """One number. Raises NotFound."""
    row = await call.tx.maybe(_sql.get, ChannelRow, id=call.id())
    if row is None:
        raise NotFound
    return shown(row)


async def patch(call: Call) -> ChannelOut:
    """Change a number or its secrets. Raises NotFound, Conflict."""
    return shown(await _patch(call, call.id(), call.body))


async def _patch(call: Call, channel: UUID, change: Patch) -> ChannelRow:
    try:
        async with call.tx.savepoint():
            row = await call.tx.maybe(
                _sql.patch,
                ChannelRow,
                id=channel,
                name=change.name,
                phone_number_id=change.whatsapp_phone_number_id,
                waba_id=change.whatsapp_business_account_id,
                display=change.display_phone_number,
                **_sealed(call.rails.box, call.tx, change),
            )
    except asyncpg.UniqueViolationError as error:
        raise await _taken(call.tx, change.whatsapp_phone_number_id or "") from error
    if row is None:
        raise NotFound
    given = [name for name, value in msgspec.structs.asdict(change).items() if value is not None]
    await audit.note(call, call.tx, "channel.changed", channel, fields=given)
    return row


async def delete(call: Call) -> None:
    """Take a number out of use: its history stays, its phone number id is free again. Raises NotFound."""
    if not await call.tx.count(_sql.delete, id=call.id()):
        raise NotFound
    await audit.note(call, call.tx, "channel.deleted", call.id())


async def put_first(call: Call) -> ChannelOut:
    """The single-number form: writes the oldest channel, or makes it."""
    change: Patch = call.body
    await call.tx.none(_sql.hold)
    first = await call.tx.maybe(_sql.first, ChannelRow)
    if first is not None:
        return shown(await _patch(call, first.id, change))
    number, account = change.whatsapp_phone_number_id, change.whatsapp_business_account_id
    if number is None or account is None:
        raise invalid(
            "/whatsappPhoneNumberId" if number is None else "/whatsappBusinessAccountId",
            "obrigatório no primeiro cadastro",
            "required the first time",
        )
    rest = {name: value for name, value in msgspec.structs.asdict(change).items() if value is not None}
    return shown(await _insert(call, Create(**rest)))


async def only(tx: Tx, channel: UUID | None) -> UUID:
    """The channel named, or the hotel's oldest when none is. Raises ValidationFailed."""
    found = await tx.value(_sql.usable, id=channel)
    if not isinstance(found, UUID):
        raise invalid("/channelId", "canal inexistente: cadastre um número", "no such channel: add a number first")
    return found


async def sender(tx: Tx, channel: UUID) -> SenderRow | None:
    """What sending over a channel needs; None when it is out of use."""
    return await tx.maybe(_sql.sender, SenderRow, id=channel)


async def routes_of(tx: Tx, numbers: set[str], accounts: set[str]) -> list[RouteRow]:
    """The channels behind Meta's phone number ids and account ids, as the system's role."""
    return await tx.many(_sql.routes_of, RouteRow, numbers=sorted(numbers), accounts=sorted(accounts))


_admin = partial(Door, role=TENANT_ADMIN)
routes = [
    Door(method="GET", path="/api/channels", handler=every, role=ATTENDANT, answer=Channels),
    _admin(
        method="POST",
        path="/api/channels",
        handler=create,
        body=Create,
        answer=ChannelOut,
        status=201,
        once=True,
    ),
    _admin(method="GET", path="/api/channels/{id}", handler=get, answer=ChannelOut),
    _admin(method="PATCH", path="/api/channels/{id}", handler=patch, body=Patch, answer=ChannelOut),
    _admin(method="DELETE", path="/api/channels/{id}", handler=delete, status=204),
    _admin(method="PUT", path="/api/tenant/whatsapp", handler=put_first, body=Patch, answer=ChannelOut),
]
