"""Which channel: the one a person means, the one to send over, the one Meta names; and whether it rests."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from crm.channels import health, notices, views
from crm.channels.reported import READERS, News
from crm.channels.shapes import RestingRow, RouteRow, SenderRow
from crm.core import sql
from crm.core.errors import invalid
from crm.core.feed import Event
from crm.core.meta_codes import TOKEN
from crm.core.tx import Tx

_sql = sql.load("channels")


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


async def rest(tx: Tx, channel: UUID, whole: bool, wait: float | None, error: dict[str, Any]) -> list[RestingRow]:
    """Send nothing over the channel (`whole`: over its account) for `wait` seconds, None until people resume it."""
    return await tx.many(_sql.rest, RestingRow, id=channel, whole=whole, wait=wait, pause=error)


async def stopped(tx: Tx, rows: list[RestingRow], error: dict[str, Any]) -> list[Event]:
    """These channels rest until people act, for Meta's `error`: notices say so. The events to tell."""
    channels = [row.id for row in rows]
    if error["action"] == TOKEN.action:
        await health.keep(tx, channels, datetime.now(UTC), access="REFUSED")
        kind = notices.TOKEN_REFUSED
    else:
        kind = notices.SENDING_STOPPED
    data = {"code": error["code"], "action": error["action"], "says": error["title"]}
    return await views.updated(tx, await notices.post(tx, channels, kind, data))


async def report(
    tx: Tx, field: str, account: str, channel: UUID, value: dict[str, Any], at: datetime
) -> list[Event]:
    """Keep what Meta says of a number or an account, with the notices it raises or ends; the events to tell.

    `channel` is the one the change was routed to, and is meant when the value names its number by id.
    """
    named = isinstance(value.get("metadata"), dict)
    display = value.get("display_phone_number")
    meant = [channel] if named else await health.meant(tx, account, display if isinstance(display, str) else None)
    return await views.updated(tx, await learn(tx, meant, READERS[field](value), at))


async def learn(tx: Tx, channels: list[UUID], told: list[News], at: datetime) -> list[UUID]:
    """Keep what was told of these channels, raise and end notices by what was news; where anything was.

    First all words, then notices by kind: two that learn of one channel at once take its rows in one order.
    """
    news = await health.keep(tx, channels, at, **{item.name: item.value for item in told})
    for item in sorted(told, key=lambda item: (item.raises or "", item.ends)):
        fresh = [channel for channel in channels if (channel, item.name) in news]
        if item.raises and fresh:
            await notices.post(tx, fresh, item.raises, item.data, item.severity)
        if item.ends and fresh:
            await notices.end(tx, fresh, item.ends)
    return sorted({channel for channel, _ in news})
