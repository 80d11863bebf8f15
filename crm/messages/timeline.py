"""One message with all that Meta told of it: each status in its time and ours, and what it charges."""

from typing import Any

import msgspec

from crm.core import sql
from crm.core.access import ATTENDANT
from crm.core.errors import NotFound
from crm.core.http import Call, Door
from crm.messages.shapes import MessageOut, MessageRow, shown

_sql = sql.load("messages")


class ReportedRow(MessageRow, frozen=True):
    """A message with what Meta reported of it."""

    timeline: list[dict[str, Any]] | None
    pricing: dict[str, Any] | None


class ReportedOut(msgspec.Struct, frozen=True):
    """A message, each status Meta told ({status, at: its time, seenAt: ours}), and its price class."""

    message: MessageOut
    timeline: list[dict[str, Any]]
    pricing: dict[str, Any] | None


async def get(call: Call) -> ReportedOut:
    """One message. Raises NotFound."""
    row = await call.tx.maybe(_sql.reported, ReportedRow, id=call.id())
    if row is None:
        raise NotFound
    return ReportedOut(shown(row), row.timeline or [], row.pricing)


routes = [Door(method="GET", path="/api/messages/{id}", handler=get, role=ATTENDANT, answer=ReportedOut)]
