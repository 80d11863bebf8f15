"""Meta's other webhook fields (Meta: other webhook fields): what each does to a tenant's rows, in one table.

What stands in no line of the table is kept raw and counted. Handlers are called inside the tenant's transaction,
under its door, before messages are touched.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from crm import channels, contacts, conversations, templates
from crm.contacts import Choice, Person
from crm.core import metrics
from crm.core.feed import Event
from crm.core.payload import dict_of, dicts_of, text_of, time_of
from crm.core.tx import Tx


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


async def _reported(tx: Tx, change: Change) -> list[Event]:
    """What Meta says of a number or an account: its health, and notices for people."""
    return await channels.report(tx, change.field, change.account, change.channel, change.value, change.at)


async def _prefers(tx: Tx, change: Change) -> list[Event]:
    """user_preferences: who wants no marketing, or wants it again (Meta: 131050 follows a send that ignores it)."""
    said = [choice for choice in dicts_of(change.value.get("user_preferences")) if _is_marketing(choice)]
    asked = [(choice, person) for choice in said if (person := _person(choice, change))]
    if not asked:
        return []
    met = await contacts.meet(tx, [person for _, person in asked])  # named by both ids two may prove to be one
    choices = [
        Choice(contact, choice["value"] == "stop", time_of(choice.get("timestamp"), change.at))
        for contact, (choice, _) in zip(met.contacts, asked, strict=True)
    ]
    return [*await contacts.opt_out(tx, choices), *await conversations.retold(tx, met.merged)]


def _is_marketing(choice: dict[str, Any]) -> bool:
    return choice.get("category") == "marketing_messages" and choice.get("value") in ("stop", "resume")


def _person(choice: dict[str, Any], change: Change) -> Person | None:
    """Who chose: by wa_id, user_id or both, with the name that contacts[] gives; None when nobody is named."""
    wa_id, bsuid = text_of(choice.get("wa_id")), text_of(choice.get("user_id"))
    if not (wa_id or bsuid):
        return None
    named = [part for part in dicts_of(change.value.get("contacts")) if _same(part, wa_id, bsuid)]
    profile = dict_of(named[0].get("profile")) if named else {}
    return Person(wa_id=wa_id, bsuid=bsuid, profile_name=text_of(profile.get("name")))


def _same(part: dict[str, Any], wa_id: Any, bsuid: Any) -> bool:
    return bool((wa_id and part.get("wa_id") == wa_id) or (bsuid and part.get("user_id") == bsuid))


async def _template(tx: Tx, change: Change) -> list[Event]:
    return await templates.told(tx, change.account, change.value, change.at)


HANDLERS: dict[str, Handler] = {
    "account_alerts": _reported,
    "account_review_update": _reported,
    "account_update": _reported,
    "business_capability_update": _reported,
    "business_username_update": _reported,
    "message_template_components_update": _template,
    "message_template_quality_update": _template,
    "message_template_status_update": _template,
    "phone_number_name_update": _reported,
    "phone_number_quality_update": _reported,
    "security": _reported,
    "template_category_update": _template,
    "user_preferences": _prefers,
}


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
