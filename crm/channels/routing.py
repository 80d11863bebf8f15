"""Which channel: the one a person means, the one to send over, the one Meta names; and whether it rests."""

from typing import Any
from uuid import UUID

from crm.channels.shapes import RestingRow, RouteRow, SenderRow
from crm.core import sql
from crm.core.db import Tx
from crm.core.errors import invalid

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


async def rest(tx: Tx, channel: UUID, whole: bool, wait: float | None, error: dict[str, Any]) -> list[str]:
    """Send nothing over the channel (`whole`: over its account) for `wait` seconds, None until people resume it.

    The ids of those that did not rest before.
    """
    rows = await tx.many(_sql.rest, RestingRow, id=channel, whole=whole, wait=wait, pause=error)
    return [str(row.id) for row in rows if row.begins]
