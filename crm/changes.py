"""Meta's other webhook fields (Meta: other webhook fields): what each does to a tenant's rows, in one table.

What stands in no line of the table is kept raw and counted. Handlers are called inside the tenant's transaction,
under its door, before messages are touched.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from crm import templates
from crm.core import metrics
from crm.core.db import Tx
from crm.core.feed import Event


class Change(msgspec.Struct, frozen=True):
    """One change of a field, as it reaches a tenant.

    `account` is the WABA's id. `channel` is the number Meta names, or the tenant's oldest of that account if it
    names none. `at` is Meta's time where it says one, else ours.
    """

    field: str
    account: str
    channel: UUID
    value: dict[str, Any]
    at: datetime


Handler = Callable[[Tx, Change], Awaitable[list[Event]]]


async def _template(tx: Tx, change: Change) -> list[Event]:
    return await templates.told(tx, change.account, change.value, change.at)


HANDLERS: dict[str, Handler] = {**dict.fromkeys(templates.FIELDS, _template)}


async def apply(tx: Tx, changes: list[Change]) -> list[Event]:
    """Do what each change says; the events to tell."""
    events: list[Event] = []
    for change in changes:
        handler = HANDLERS.get(change.field)
        if handler is None:
            metrics.elements.labels("other").inc()
            continue
        events += await handler(tx, change)
        metrics.elements.labels("change").inc()
    return events
