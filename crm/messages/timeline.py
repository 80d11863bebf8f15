"""One message with all that Meta told of it: each status in its time and ours, and what it costs."""

from datetime import datetime
from typing import Any

import msgspec

from crm import billing, contacts
from crm.billing import Cost
from crm.core import sql
from crm.core.access import ATTENDANT
from crm.core.errors import NotFound
from crm.core.http import Call, Door
from crm.messages.shapes import MessageOut, MessageRow, shown

_sql = sql.load("messages")


class ReportedRow(MessageRow, frozen=True):
    """A message with what Meta reported of it, and what tells its recipient's country."""

    timeline: list[dict[str, Any]] | None
    pricing: dict[str, Any] | None
    phone: str | None
    bsuid: str | None


class ReportedOut(msgspec.Struct, frozen=True):
    """A message, each status Meta told ({status, at: its time, seenAt: ours}), its price class and what it costs.

    `cost` is null while Meta has named no price class, or nobody has typed in its price.
    """

    message: MessageOut
    timeline: list[dict[str, Any]]
    pricing: dict[str, Any] | None
    cost: Cost | None


async def get(call: Call) -> ReportedOut:
    """One message. Raises NotFound."""
    row = await call.tx.maybe(_sql.reported, ReportedRow, id=call.id())
    if row is None:
        raise NotFound
    return ReportedOut(shown(row), row.timeline or [], row.pricing, await _cost(call, row))


async def _cost(call: Call, row: ReportedRow) -> Cost | None:
    """By the price that was valid when Meta had the message; prices are the platform's, not the hotel's."""
    if row.pricing is None:
        return None
    async with call.rails.db.system(alone=True) as tx:
        known = await billing.prices(tx)
    market = contacts.country(row.phone, row.bsuid) or billing.ANYWHERE
    at: datetime = row.sent_at or row.created_at
    return billing.cost(known, row.pricing, market, at)


routes = [Door(method="GET", path="/api/messages/{id}", handler=get, role=ATTENDANT, answer=ReportedOut)]
