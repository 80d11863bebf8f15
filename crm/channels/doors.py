"""The doors of channels: a hotel's numbers and their secrets, written, sealed, never read back."""

import secrets
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from crm import audit
from crm.channels import health, notices, silence, views
from crm.channels.notices import NoticeOut
from crm.channels.shapes import ChannelOut, ChannelRow, Create, Patch
from crm.core import sql
from crm.core.access import ATTENDANT, TENANT_ADMIN
from crm.core.crypto import Box
from crm.core.errors import Conflict, NotFound, invalid
from crm.core.http import Call, Door
from crm.core.page import EPOCH, FIRST_ID, Page, PageQuery, read_cursor, turned
from crm.core.tx import Tx

_sql = sql.load("channels")


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
    return await _shown(call, await _insert(call, call.body))


async def _insert(call: Call, new: Create) -> ChannelRow:
    """A new channel, or the one that had the number before it was deleted. Raises Conflict."""
    given = {
        "name": new.name,
        "phone_number_id": new.whatsapp_phone_number_id,
        "waba_id": new.whatsapp_business_account_id,
        "display": new.display_phone_number,
        **_sealed(call.rails.box, call.tx, new),
    }
    row = await _revived(call, new, given)
    if row is None:
        row = await call.tx.maybe(_sql.insert, ChannelRow, verify_token=secrets.token_urlsafe(24), **given)
    if row is None:
        raise await _taken(call.tx, new.whatsapp_phone_number_id)
    await audit.note(call, call.tx, "channel.created", row.id, phoneNumberId=row.phone_number_id)
    return row


async def _revived(call: Call, new: Create, given: dict[str, object]) -> ChannelRow | None:
    try:
        async with call.tx.savepoint():
            row = await call.tx.maybe(_sql.revive, ChannelRow, **given)
    except asyncpg.UniqueViolationError as error:
        raise await _taken(call.tx, new.whatsapp_phone_number_id) from error
    if row is not None:
        await _stands_anew(call, row, new)
    return row


async def _taken(tx: Tx, phone_number_id: str) -> Conflict:
    """Whose it is is told only when it is the caller's own."""
    own = await tx.value(_sql.id_of_number, phone_number_id=phone_number_id)
    more: dict[str, Any] = {"existingId": str(own)} if own else {}
    return Conflict(
        "Este número (phone number id) já está em uso.", "This phone number id is in use already.", **more
    )


async def page(call: Call) -> Page[ChannelOut]:
    """The numbers, oldest first; attendants need them to start a conversation. Raises ValidationFailed."""
    query: PageQuery = call.query
    after, after_id = read_cursor(query.cursor) if query.cursor else (EPOCH, FIRST_ID)
    place = {"after": after, "after_id": after_id, "skip": query.skip, "max": query.limit + 1}
    rows = await call.tx.many(_sql.page, ChannelRow, **place)
    total = None if query.cursor else await call.tx.value(_sql.total)
    seen = await views.shown_all(call.tx, rows[: query.limit], views.english(call), call.who.role != ATTENDANT)
    known = {channel.id: channel for channel in seen}
    return turned(query, rows, total, lambda row: known[row.id], lambda row: (row.created_at, row.id))


async def get(call: Call) -> ChannelOut:
    """One number. Raises NotFound."""
    row = await call.tx.maybe(_sql.of, ChannelRow, ids=[call.id()])
    if row is None:
        raise NotFound
    return await _shown(call, row)


async def patch(call: Call) -> ChannelOut:
    """Change a number or its secrets. Raises NotFound, Conflict."""
    return await _shown(call, await _patch(call, call.id(), call.body.unmasked()))


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
                send_read_receipts=change.send_read_receipts,
                send_typing=change.send_typing,
                messages_per_second=change.messages_per_second,
                **_sealed(call.rails.box, call.tx, change),
            )
    except asyncpg.UniqueViolationError as error:
        raise await _taken(call.tx, change.whatsapp_phone_number_id or "") from error
    if row is None:
        raise NotFound
    given = [name for name, value in msgspec.structs.asdict(change).items() if value is not None]
    await audit.note(call, call.tx, "channel.changed", channel, fields=given)
    await _stands_anew(call, row, change)
    return row


async def _stands_anew(call: Call, row: ChannelRow, change: Create | Patch) -> None:
    """What the change makes of the channel's health: another number knows nothing, a new token is not known yet."""
    now, kinds = datetime.now(UTC), []
    if change.whatsapp_phone_number_id:
        await call.tx.none(_sql.forget_uploads, id=row.id)
    if change.whatsapp_phone_number_id or change.whatsapp_business_account_id:
        await silence.forget(call.tx, row.id)
        kinds = list(notices.KINDS)
    if change.whatsapp_access_token:
        await health.keep(call.tx, [row.id], now, access="UNKNOWN")
        kinds = kinds or list(notices.RESTS)
    if change.whatsapp_app_secret:
        await health.keep(call.tx, [row.id], now, secret=None)
    ended = await notices.end(call.tx, [row.id], kinds) if kinds else []
    await call.rails.feed.append(call.tx, await views.updated(call.tx, ended))


async def delete(call: Call) -> None:
    """Take a number out of use: its history stays, its phone number id is free again. Raises NotFound."""
    if not await call.tx.count(_sql.delete, id=call.id()):
        raise NotFound
    await silence.forget(call.tx, call.id())
    await notices.end(call.tx, [call.id()], list(notices.KINDS))
    await audit.note(call, call.tx, "channel.deleted", call.id())


async def resume(call: Call) -> ChannelOut:
    """What Meta complained of is put right: send again. Raises NotFound."""
    row = await call.tx.maybe(_sql.resume, ChannelRow, id=call.id())
    if row is None:
        raise NotFound
    await audit.note(call, call.tx, "channel.resumed", row.id)
    await health.keep(call.tx, [row.id], datetime.now(UTC), access="UNKNOWN")
    await notices.end(call.tx, [row.id], notices.RESTS)
    await call.rails.feed.append(call.tx, await views.updated(call.tx, [row.id]))
    return await _shown(call, row)


async def dismiss(call: Call) -> NoticeOut:
    """A notice that somebody has read; once dismissed it stays so. Raises NotFound."""
    channel, notice = call.id(), call.id("noticeId")
    row = await notices.dismiss(call.tx, channel, notice, call.who.user)
    if row is None:
        raise NotFound
    await audit.note(call, call.tx, "channel.notice_dismissed", channel, noticeId=str(notice), kind=row.kind)
    await call.rails.feed.append(call.tx, await views.updated(call.tx, [channel]))
    return notices.shown(row, views.english(call))


async def _shown(call: Call, row: ChannelRow) -> ChannelOut:
    [channel] = await views.shown_all(call.tx, [row], views.english(call))
    return channel


async def put_first(call: Call) -> ChannelOut:
    """The single-number form: writes the oldest channel, or makes it."""
    change: Patch = call.body.unmasked()
    await call.tx.none(_sql.hold)
    first = await call.tx.maybe(_sql.first, ChannelRow)
    if first is not None:
        return await _shown(call, await _patch(call, first.id, change))
    number, account = change.whatsapp_phone_number_id, change.whatsapp_business_account_id
    if number is None or account is None:
        raise invalid(
            "/whatsappPhoneNumberId" if number is None else "/whatsappBusinessAccountId",
            "obrigatório no primeiro cadastro",
            "required the first time",
        )
    given = {name: value for name, value in msgspec.structs.asdict(change).items() if value is not None}
    made = await _insert(call, Create(**{name: given[name] for name in Create.__struct_fields__ if name in given}))
    how = given.keys() - set(Create.__struct_fields__)
    return await _shown(call, await _patch(call, made.id, change) if how else made)


_admin = partial(Door, role=TENANT_ADMIN)
routes = [
    Door(
        method="GET",
        path="/api/channels",
        handler=page,
        role=ATTENDANT,
        query=PageQuery,
        answer=Page[ChannelOut],
    ),
    _admin(
        method="POST",
        path="/api/channels",
        handler=create,
        body=Create,
        answer=ChannelOut,
        status=201,
    ),
    _admin(method="GET", path="/api/channels/{id}", handler=get, answer=ChannelOut),
    _admin(method="PATCH", path="/api/channels/{id}", handler=patch, body=Patch, answer=ChannelOut),
    _admin(method="DELETE", path="/api/channels/{id}", handler=delete, status=204),
    _admin(method="POST", path="/api/channels/{id}/resume", handler=resume, answer=ChannelOut),
    _admin(method="POST", path="/api/channels/{id}/notices/{noticeId}/dismiss", handler=dismiss, answer=NoticeOut),
    _admin(method="PUT", path="/api/tenant/whatsapp", handler=put_first, body=Patch, answer=ChannelOut),
]
